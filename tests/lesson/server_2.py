# Part 2: a welcome, and then the time, again and again. PORT HEADERSIZE SECONDS
import socket
import sys
import time

HEADERSIZE = int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(5)
while True:
    clientsocket, address = s.accept()
    print(f"Connection from {address} has been established.")
    msg = "Welcome to the server!"
    msg = f"{len(msg):<{HEADERSIZE}}" + msg
    clientsocket.send(bytes(msg, "utf-8"))
    while True:
        time.sleep(float(sys.argv[3]))
        msg = f"The time is {time.time()}"
        msg = f"{len(msg):<{HEADERSIZE}}" + msg
        clientsocket.send(bytes(msg, "utf-8"))
