// mcs hub_pub.cs && mono hub_pub.exe HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored
using System;
using System.IO;
using System.Net.Sockets;
using System.Text;

static class HubPub {
    static readonly Encoding Bytes = Encoding.GetEncoding("iso-8859-1");    // one character for each byte

    static string Frame(string message) => $"{message.Length,-10}{message}";

    static void Main(string[] args) {
        var client = new TcpClient(args[0], int.Parse(args[1]));
        var hub = new StreamWriter(client.GetStream(), Bytes);
        hub.Write(Frame($"PUBLISH {args[2]} acks=none"));                   // one acknowledgement, at the end
        int count = 0;
        string input = new StreamReader(Console.OpenStandardInput(), Bytes, false).ReadToEnd();
        for (int start = 0, end; start < input.Length; start = end + 1, count++) {
            end = input.IndexOf('\n', start);
            if (end < 0) end = input.Length;
            hub.Write(Frame(input.Substring(start, end - start)));
        }
        hub.Flush();
        client.Client.Shutdown(SocketShutdown.Send);                        // what the hub says is still read
        string answers = new StreamReader(client.GetStream(), Bytes).ReadToEnd();
        if (!answers.EndsWith(Frame($"ACK {count}"))) throw new IOException("not all was stored: " + answers);
    }
}
