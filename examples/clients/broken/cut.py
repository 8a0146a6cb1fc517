# Mistake: closes in the middle of a payload. Answer: the whole message before it, then how many bytes are missing.
import socket, sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    s.sendall(b"5         whole")
    s.sendall(b"12        hello")
