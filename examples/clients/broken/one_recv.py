# Mistake: takes what one recv returns for one message. Answer: none, a sender cannot see it; only this program is wrong.
import socket, sys

s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while data := s.recv(4096):
    print(data[10:].decode(errors="replace"), flush=True)
