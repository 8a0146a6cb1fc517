# python3 hub_sub.py HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
import re, socket, sys

def frames(f):
    while header := f.read(10):
        if not re.fullmatch(rb"(0|[1-9][0-9]*) *", header): sys.exit(f"not a length: {header}")
        payload = f.read(n := int(header))
        if len(header) < 10 or len(payload) < n: sys.exit("the stream ended inside a frame")
        yield payload

s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
request = " ".join(["SUBSCRIBE", sys.argv[3], *(f"from={place}" for place in sys.argv[4:])]).encode()
s.sendall(f"{len(request):<10}".encode() + request)
stream = frames(s.makefile("rb"))
answer = next(stream, b"the stream has ended").decode()
if not answer.startswith("OK "): sys.exit(f"not subscribed: {answer}")
for message in stream:
    sys.stdout.buffer.write(message + b"\n")
    sys.stdout.buffer.flush()
