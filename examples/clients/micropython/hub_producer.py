# micropython hub_producer.py HOST PORT CHANNEL PRODUCER      stores each line of its input once, also if the hub is killed
# On a board: join the network before this, write the four here, and publish what a sensor says.
import socket, sys, time

def send(message):                                # in one piece: TCP may hold a second one back
    hub.write(("%-10d" % len(message)).encode() + message)

def heard():                                      # the hub's next line
    header = hub.read(10) or b""
    line = (hub.read(int(header or b"0")) or b"").decode()
    if len(header) < 10 or len(line) < int(header): raise OSError("the hub has gone")
    if not line.startswith("ERROR "): return line
    if line.split()[1] not in ("BUSY", "FULL", "SHUTDOWN", "STORAGE", "TIMEOUT"): sys.exit(line)
    raise OSError(line)                           # that may pass

host, port, channel, producer = sys.argv[1:5]
hub = number = None                               # of the next message: the hub says where to go on
while line := sys.stdin.buffer.readline():
    stored = number
    while stored == number:
        try:
            if hub is None:
                hub = socket.socket()
                hub.settimeout(10)
                hub.connect(socket.getaddrinfo(host, int(port))[0][-1])
                send(("PUBLISH " + channel + " producer=" + producer).encode())
                stored = int(heard().split("next=")[1].split()[0])
                if number is None: number = stored
                if not number <= stored <= number + 1: sys.exit("the hub has other messages of this producer")
            else:
                send(line[:-1] if line.endswith(b"\n") else line)
                stored = int(heard()[4:])
        except OSError as error:                  # once more: what the hub has is not sent again
            print(error, file=sys.stderr)
            hub.close()
            hub = None
            time.sleep(1)
    number = stored
