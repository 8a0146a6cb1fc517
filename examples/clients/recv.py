# python3 recv.py HOST PORT      prints each message as it comes
import socket, sys

s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
data = bytearray()
while chunk := s.recv(16):
    data += chunk
    while len(data) >= 10 and len(data) >= (end := 10 + int(data[:10])):
        sys.stdout.buffer.write(data[10:end] + b"\n")
        sys.stdout.buffer.flush()
        del data[:end]
if data: sys.exit("the stream ended inside a message")
