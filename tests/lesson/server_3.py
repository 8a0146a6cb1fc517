# Part 3: a pickled object. PORT HEADERSIZE
import pickle
import socket
import sys

HEADERSIZE = int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(5)
while True:
    clientsocket, address = s.accept()
    print(f"Connection from {address} has been established.")
    d = {1: "hi", 2: "there"}
    msg = pickle.dumps(d)
    msg = bytes(f"{len(msg):<{HEADERSIZE}}", "utf-8") + msg
    clientsocket.send(msg)
