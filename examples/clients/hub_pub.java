// java hub_pub.java HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored
import java.io.*;
import java.net.Socket;
import static java.nio.charset.StandardCharsets.ISO_8859_1;

class HubPub {
    static byte[] frame(byte[] message) {
        var frame = new ByteArrayOutputStream();
        frame.writeBytes(String.format("%-10d", message.length).getBytes(ISO_8859_1));
        frame.writeBytes(message);
        return frame.toByteArray();
    }

    /** The next line without its end; null after the last one. */
    static byte[] readLine(InputStream in) throws IOException {
        var line = new ByteArrayOutputStream();
        int c;
        while ((c = in.read()) >= 0 && c != '\n') line.write(c);
        return c < 0 && line.size() == 0 ? null : line.toByteArray();
    }

    public static void main(String[] args) throws IOException {
        Socket socket = new Socket(args[0], Integer.parseInt(args[1]));
        var hub = new BufferedOutputStream(socket.getOutputStream());
        hub.write(frame(("PUBLISH " + args[2] + " acks=none").getBytes(ISO_8859_1)));    // one acknowledgement, at the end
        int count = 0;
        for (byte[] line; (line = readLine(System.in)) != null; count++) hub.write(frame(line));
        hub.flush();
        socket.shutdownOutput();                                                         // what the hub says is still read
        String answers = new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
        String last = "ACK " + count;
        if (!answers.endsWith(String.format("%-10d%s", last.length(), last))) throw new IOException("not all was stored: " + answers);
    }
}
