# python3 send.py HOST PORT      sends each line of its input as one message
import socket, sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    for line in sys.stdin.buffer:
        m = line.removesuffix(b"\n")
        s.sendall(f"{len(m):<10}".encode() + m)
