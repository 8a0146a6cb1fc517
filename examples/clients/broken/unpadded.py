# Mistake: sends the length without padding. Answer: bad header at the payload's first byte, where a digit or a space should be.
import socket, sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    for m in [b"hello", b"world"]:
        s.sendall(str(len(m)).encode() + m)
