# python3 hub_pub.py HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored
import socket, sys

def frame(m): return f"{len(m):<10}".encode() + m

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    count, request = 0, "PUBLISH " + sys.argv[3] + " acks=none"     # one acknowledgement, at the end
    s.sendall(frame(request.encode()))
    for count, line in enumerate(sys.stdin.buffer, 1): s.sendall(frame(line.removesuffix(b"\n")))
    s.shutdown(socket.SHUT_WR)
    f = s.makefile("rb")
    answers = []
    while header := f.read(10): answers.append(f.read(int(header)).decode())
if not answers or answers[-1] != f"ACK {count}": sys.exit(f"not all of {count} were stored: {answers}")
