# python3 serve.py PORT MESSAGE...      sends the messages to everyone who connects
import os, socket, sys

with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    print("listening", server.getsockname()[1], flush=True)
    while True:
        client, _ = server.accept()
        with client:
            for m in map(os.fsencode, sys.argv[2:]):
                client.sendall(f"{len(m):<10}".encode() + m)
