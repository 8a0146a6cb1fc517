// mcs hub_sub.cs && mono hub_sub.exe HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
using System;
using System.IO;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

static class HubSub {
    /// The next message; null at the end between two frames.
    static byte[] Frame(BinaryReader hub) {
        string header = Encoding.ASCII.GetString(hub.ReadBytes(10));
        if (header == "") return null;
        if (!Regex.IsMatch(header, @"^(0|[1-9][0-9]*) *\z")) throw new InvalidDataException("not a length: " + header);
        int length = int.Parse(header);
        byte[] message = hub.ReadBytes(length);
        if (header.Length < 10 || message.Length < length) throw new EndOfStreamException("the stream ended inside a frame");
        return message;
    }

    static void Main(string[] args) {
        var stream = new TcpClient(args[0], int.Parse(args[1])).GetStream();
        string request = "SUBSCRIBE " + args[2] + (args.Length > 3 ? " from=" + args[3] : "");
        byte[] frame = Encoding.ASCII.GetBytes($"{request.Length,-10}{request}");
        stream.Write(frame, 0, frame.Length);

        var hub = new BinaryReader(new BufferedStream(stream));
        string answer = Encoding.ASCII.GetString(Frame(hub) ?? new byte[0]);
        if (!answer.StartsWith("OK ")) throw new InvalidDataException("not subscribed: " + answer);
        using (var output = Console.OpenStandardOutput()) {
            for (byte[] message; (message = Frame(hub)) != null; output.Flush()) {
                output.Write(message, 0, message.Length);
                output.WriteByte((byte)'\n');
            }
        }
    }
}
