// java hub_sub.java HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
import java.io.*;
import java.net.Socket;
import static java.nio.charset.StandardCharsets.ISO_8859_1;

class HubSub {
    /** The next message; null at the end between two frames. */
    static byte[] frame(InputStream hub) throws IOException {
        String header = new String(hub.readNBytes(10), ISO_8859_1);
        if (header.isEmpty()) return null;
        if (!header.matches("(0|[1-9][0-9]*) *")) throw new IOException("not a length: " + header);
        int length = Integer.parseInt(header.stripTrailing());
        byte[] message = hub.readNBytes(length);
        if (header.length() < 10 || message.length < length) throw new EOFException("the stream ended inside a frame");
        return message;
    }

    public static void main(String[] args) throws IOException {
        Socket socket = new Socket(args[0], Integer.parseInt(args[1]));
        String request = "SUBSCRIBE " + args[2] + (args.length > 3 ? " from=" + args[3] : "");
        socket.getOutputStream().write(String.format("%-10d%s", request.length(), request).getBytes(ISO_8859_1));

        InputStream hub = new BufferedInputStream(socket.getInputStream());
        byte[] first = frame(hub);
        String answer = first == null ? "" : new String(first, ISO_8859_1);
        if (!answer.startsWith("OK ")) throw new IOException("not subscribed: " + answer);
        for (byte[] message; (message = frame(hub)) != null; System.out.flush()) {
            System.out.write(message);
            System.out.write('\n');
        }
    }
}
