# micropython hub_pub.py HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored
# On a board: join the network before this, and write the three here.
import socket, sys

def send(message):                                # in one piece: TCP may hold a second one back
    hub.write(("%-10d" % len(message)).encode() + message)

def heard():                                      # the hub's next line
    header = hub.read(10)
    return hub.read(int(header)).decode() if header else "the end"

host, port, channel = sys.argv[1:4]
hub = socket.socket()
hub.connect(socket.getaddrinfo(host, int(port))[0][-1])
send(b"PUBLISH " + channel.encode())
answer = heard()
if not answer.startswith("OK "): sys.exit(answer)
count = 0
while line := sys.stdin.buffer.readline():
    send(line[:-1] if line.endswith(b"\n") else line)
    count += 1
last = "ACK 0"                                    # a board cannot half-close, so it waits for the number
while last != "ACK %d" % count:
    last = heard()
    if not last.startswith("ACK "): sys.exit("not all was stored: " + last)
