# Part 1: one recv, and what it returns is taken for the message. HOST PORT
import socket
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.connect((sys.argv[1], int(sys.argv[2])))
msg = s.recv(1024)
print(msg.decode("utf-8"))
