//! What is wrong with a server when two clients are there at once.

use super::Lesson;

/// The second client waits until the first has gone.
pub(in super::super) static IN_TURN: Lesson = Lesson {
    kind: "one-at-a-time",
    title: "It serves one client after the other.",
    why: "accept() gives the next client only when it is called again, and here that is after the first client has \
          gone. Until then a second one is connected, because the system has taken its connection, and waits. With \
          a thread for each client, or with select(), all are served at once.",
    line: "while True:\n    clientsocket, address = s.accept()\n    while True:\n        clientsocket.send(bytes(msg, \"utf-8\"))",
    instead: "while True:\n    clientsocket, address = s.accept()\n    threading.Thread(target=serve, args=(clientsocket,)).start()",
    is_mistake: false,
};

/// One client gets what is another one's.
pub(in super::super) static MIXED: Lesson = Lesson {
    kind: "mixed-clients",
    title: "It mixes the bytes of two clients.",
    why: "Each connection is a stream of its own, and its messages are cut at any place. What has come of a message \
          that is not whole has to be kept for each client: full_msg and new_msg that all clients share put one \
          client's bytes into another one's message.",
    line: "full_msg = ''\nnew_msg = True",
    instead: "def serve(clientsocket):\n    full_msg = b\"\"    # of this client alone",
    is_mistake: true,
};
