# Mistake: pads the length with zeros. Answer: bad header at its second byte; `--framing decimal:010` reads such a stream.
import socket, sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    for m in [b"hello", b"world"]:
        s.sendall(f"{len(m):010}".encode() + m)
