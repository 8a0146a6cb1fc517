# Mistake: pads the length on the left. Answer: bad header at its first byte, a space.
import socket, sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    for m in [b"hello", b"world"]:
        s.sendall(f"{len(m):>10}".encode() + m)
