# Mistake: counts characters, not bytes. Answer: bad header where the next one should start, "looks like" the character-count mistake.
import socket, sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    for m in ["café €", "ok"]:
        s.sendall(f"{len(m):<10}{m}".encode())
