# micropython hub_sub.py HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
# On a board: join the network before this, and write the four here.
import re, socket, sys

def frame():
    header = hub.read(10)
    if not header: return None                    # the end, between two frames
    if not re.match(b"(0|[1-9][0-9]*) *$", header): sys.exit("not a length: %s" % header)
    message = hub.read(length := int(header))
    if len(header) < 10 or len(message) < length: sys.exit("the stream ended inside a frame")
    return message

host, port, channel = sys.argv[1:4]
request = "SUBSCRIBE " + channel + (" from=" + sys.argv[4] if len(sys.argv) > 4 else "")
hub = socket.socket()
hub.connect(socket.getaddrinfo(host, int(port))[0][-1])
hub.write("%-10d%s" % (len(request), request))
answer = (frame() or b"").decode()
if not answer.startswith("OK "): sys.exit("not subscribed: " + answer)
while (message := frame()) is not None:
    sys.stdout.buffer.write(message + b"\n")
