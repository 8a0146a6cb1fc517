"""python3 activate.py ADDRESS... -- COMMAND...      runs a command as systemd does for a unit with these sockets

An address is HOST:PORT, with port 0 for a free one, or a path. `{0}` in the command is the address of the first socket."""

import os
import socket
import sys

split = sys.argv.index("--")
listening, places = [], []
for address in sys.argv[1:split]:
    if address.startswith("/"):
        one = socket.socket(socket.AF_UNIX)
        one.bind(address)
        one.listen()
        places.append(f"unix:{address}")
    elif address.startswith("udp:"):
        one = socket.socket(type=socket.SOCK_DGRAM)
        one.bind(("127.0.0.1", 0))
        places.append("")
    else:
        host, port = address.rsplit(":", 1)
        one = socket.create_server((host, int(port)))
        places.append("{}:{}".format(*one.getsockname()))
    listening.append(one)
# Out of the way of the numbers that they are to have.
high = [os.dup2(one.fileno(), 100 + index) for index, one in enumerate(listening)]
for index, number in enumerate(high):
    os.dup2(number, 3 + index, inheritable=True)
    os.close(number)
os.environ.update(LISTEN_FDS=str(len(places)), LISTEN_PID=str(os.getpid()))
command = [word.format(*places) for word in sys.argv[split + 1:]]
os.execv(command[0], command)
