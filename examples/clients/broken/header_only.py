# Mistake: sends a header and no payload. Answer: the stream ended with the whole payload missing; it is not a clean end.
import socket, sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    s.sendall(b"12        ")
