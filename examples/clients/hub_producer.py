# python3 hub_producer.py HOST PORT CHANNEL PRODUCER      stores each line of its input once, also if the hub is killed, or this is run again with the same input
import re, socket, sys, time

host, port, channel, producer = sys.argv[1:]

def send(m):
    hub.write(f"{len(m):<10}".encode() + m)
    hub.flush()

def heard(pattern):                               # the number in the hub's next line
    header = hub.read(10)
    line = hub.read(n := int(header or 0)).decode()
    if len(header) < 10 or len(line) < n: raise OSError("the hub has gone")
    if found := re.match(pattern, line): return int(found[1])
    if not re.match("ERROR (BUSY|FULL|SHUTDOWN|STORAGE|TIMEOUT) ", line): sys.exit(line)
    raise OSError(line)                           # that may pass

hub, stored = None, -1                            # how many messages the hub has: nobody has asked it yet
for number, line in enumerate(sys.stdin.buffer):
    while stored <= number:
        try:
            if hub is None:
                hub = socket.create_connection((host, port), timeout=10).makefile("rwb")
                send(f"PUBLISH {channel} producer={producer}".encode())
                known, stored = stored, heard("OK .*next=([0-9]+)")
                if known >= 0 and not known <= stored <= number + 1: sys.exit("the hub has other messages of this producer")
            else:
                send(line.removesuffix(b"\n"))
                stored = heard("ACK ([0-9]+)")
        except OSError as error:                  # once more: what the hub has is not sent again
            print(error, file=sys.stderr)
            hub = None
            time.sleep(1)
