//! Mistakes of programs that receive.

use super::Lesson;

const BASE: Lesson = Lesson {
    kind: "",
    title: "",
    why: "",
    line: "",
    instead: "",
    is_mistake: true,
};

pub(in super::super) static NO_HEADER: Lesson = Lesson {
    kind: "no-header",
    title: "It does not take the header off.",
    why: "The header says how long the message is, and is not a part of it. A program that prints what recv \
          returns, or everything until the end of the stream, prints the headers too, and does not know where \
          one message ends and the next begins.",
    line: "msg = s.recv(1024)\nprint(msg.decode(\"utf-8\"))",
    instead: "read HEADERSIZE bytes, take the length from them, read as many bytes as it says",
    ..BASE
};

pub(in super::super) static ONE_RECV: Lesson = Lesson {
    kind: "one-recv",
    title: "It takes what one recv returns for one message.",
    why: "TCP carries bytes, and knows nothing of messages. One recv returns what has arrived by then: a part of \
          a message, several messages, or both. Keep what comes in a buffer, and take a message out whenever a \
          whole one is there.",
    line: "msg = s.recv(1024)\nprint(msg[HEADERSIZE:].decode(\"utf-8\"))",
    instead: "buffer += s.recv(1024)\n\
              while len(buffer) >= HEADERSIZE:\n\
              \x20   end = HEADERSIZE + int(buffer[:HEADERSIZE])\n\
              \x20   if len(buffer) < end:\n\
              \x20       break\n\
              \x20   print(buffer[HEADERSIZE:end].decode(\"utf-8\"))\n\
              \x20   buffer = buffer[end:]",
    ..BASE
};

pub(in super::super) static REST_LOST: Lesson = Lesson {
    kind: "rest-lost",
    title: "It loses the second of two messages that come in one recv.",
    why: "What one recv returns can hold the end of a message and the beginning of the next. To empty the buffer \
          after a message throws that beginning away. Keep it, and look whether it is a whole message already \
          before you call recv again.",
    line: "new_msg = True\nfull_msg = ''",
    instead: "new_msg = True\nfull_msg = full_msg[HEADERSIZE + msglen:]",
    ..BASE
};

pub(in super::super) static EXACT_LENGTH: Lesson = Lesson {
    kind: "exact-length",
    title: "It loses a message when the next one comes in the same recv.",
    why: "As soon as the buffer holds the end of one message and the beginning of the next, it is longer than the \
          message, and `==` is never true again: neither this message is printed nor any after it. To write `>=` \
          is not enough, because `full_msg = ''` then throws away what is after the message.",
    line: "if len(full_msg)-HEADERSIZE == msglen:\n    print(full_msg[HEADERSIZE:])\n    new_msg = True\n    full_msg = ''",
    instead: "while len(full_msg) >= HEADERSIZE:\n\
              \x20   end = HEADERSIZE + int(full_msg[:HEADERSIZE])\n\
              \x20   if len(full_msg) < end:\n\
              \x20       break\n\
              \x20   print(full_msg[HEADERSIZE:end])\n\
              \x20   full_msg = full_msg[end:]",
    ..BASE
};

pub(in super::super) static HEADER_CUT: Lesson = Lesson {
    kind: "header-cut",
    title: "It reads the length before the whole header is there.",
    why: "The first recv of a message can return one byte of the header. If that is the \"1\" of \"12\", the length \
          is wrong, and so is everything after it. Gather bytes until there are as many as a header has.",
    line: "if new_msg:\n    msglen = int(msg[:HEADERSIZE])\n    new_msg = False",
    instead: "if new_msg and len(full_msg) >= HEADERSIZE:\n    msglen = int(full_msg[:HEADERSIZE])\n    new_msg = False",
    ..BASE
};

pub(in super::super) static SHORT_READ: Lesson = Lesson {
    kind: "short-read",
    title: "It takes a part of a message for all of it.",
    why: "recv(n) returns at most n bytes: as many as have arrived, and that is often less. Call it again until \
          everything is there.",
    line: "msg = s.recv(msglen)",
    instead: "msg = b''\nwhile len(msg) < msglen:\n    part = s.recv(msglen - len(msg))\n    if not part:\n        raise EOFError(\"the stream ended inside a message\")\n    msg += part",
    ..BASE
};

pub(in super::super) static RECEIVED_CHARACTERS: Lesson = Lesson {
    kind: "characters",
    title: "It counts characters where the header counts bytes.",
    why: "The length in the header is a number of bytes, and \"é\" has two. A program that decodes first and then \
          takes the len() of the text finds fewer characters than the header says, and waits for bytes that are \
          already there. Keep the bytes, compare their number, and decode the whole message.",
    line: "full_msg += msg.decode(\"utf-8\")\nif len(full_msg)-HEADERSIZE == msglen:",
    instead: "full_msg += msg        # begin with full_msg = b''\n\
              if len(full_msg)-HEADERSIZE >= msglen:\n\
              \x20   text = full_msg[HEADERSIZE:HEADERSIZE + msglen].decode(\"utf-8\")",
    ..BASE
};

pub(in super::super) static DECODES_PIECES: Lesson = Lesson {
    kind: "decodes-pieces",
    title: "It decodes what each recv returns by itself.",
    why: "A recv can return the first byte of a character and not the second, and half a character cannot be \
          decoded. Keep the bytes, and decode the whole message.",
    line: "full_msg += msg.decode(\"utf-8\")",
    instead: "full_msg += msg        # begin with full_msg = b''\n\
              text = full_msg[HEADERSIZE:HEADERSIZE + msglen].decode(\"utf-8\")",
    ..BASE
};

pub(in super::super) static EMPTY_LOST: Lesson = Lesson {
    kind: "empty-lost",
    title: "It has no place for an empty message.",
    why: "A header that says 0 is a whole message, with nothing in it. Only a recv that returns no bytes at all is \
          the end of the stream; and recv(0) returns none, whatever is still to come.",
    line: "",
    instead: "if not msg:        # msg is what recv returned, and not the message\n    break",
    ..BASE
};

pub(in super::super) static LARGE_LOST: Lesson = Lesson {
    kind: "large-lost",
    title: "It loses a large message.",
    why: "A message that is larger than one packet, or than the number in recv(number), comes in many pieces. Is \
          there a limit in the program, or a part that takes much longer for each piece the more there are?",
    line: "",
    instead: "",
    ..BASE
};

pub(in super::super) static TWICE: Lesson = Lesson {
    kind: "twice",
    title: "It takes one message for two.",
    why: "A message that was dealt with has to leave the buffer before the next is looked for.",
    line: "",
    instead: "full_msg = full_msg[HEADERSIZE + msglen:]",
    ..BASE
};

pub(in super::super) static PRINTS_BYTES: Lesson = Lesson {
    kind: "prints-bytes",
    title: "It prints bytes, and not the text in them.",
    why: "print() of a bytes object shows b'\\xc3\\xa9' where the text is \"é\". Decode the message when it is whole.",
    line: "",
    instead: "print(full_msg[HEADERSIZE:].decode(\"utf-8\"))",
    ..BASE
};

pub(in super::super) static NOTHING_SEEN: Lesson = Lesson {
    kind: "nothing-seen",
    title: "Not even one message in one write was seen.",
    why: "Does the program print each message on a line of its own, and nothing else on that line (--as names other \
          forms)? Does it flush what it prints? Does it expect another framing (--framing), or something else \
          before the first message?",
    line: "",
    instead: "",
    ..BASE
};

pub(in super::super) static NOTHING_ECHOED: Lesson = Lesson {
    kind: "nothing-seen",
    title: "Not even one message in one write came back.",
    why: "What a program prints is seen only if this command starts it (`-- COMMAND` at the end). Otherwise the \
          program has to send each message back over the connection, in the same framing.",
    line: "",
    instead: "",
    ..BASE
};

pub(in super::super) static BAD_ECHO: Lesson = Lesson {
    kind: "bad-echo",
    title: "What it sends back is not in the framing.",
    why: "Check how it sends, by itself: with --sends, or with `check server ADDR`.",
    line: "",
    instead: "",
    ..BASE
};

pub(in super::super) static END_NOT_NOTICED: Lesson = Lesson {
    kind: "end-not-noticed",
    title: "It does not notice the end of the stream.",
    why: "When the other side has closed, recv returns no bytes: at once, and again each time. A loop that does not \
          look for that never ends.",
    line: "while True:\n    msg = s.recv(16)",
    instead: "while True:\n    msg = s.recv(16)\n    if not msg:\n        break",
    ..BASE
};

pub(in super::super) static FAILS_AT_END: Lesson = Lesson {
    kind: "fails-at-end",
    title: "It fails at the end of the stream, although nothing is wrong there.",
    why: "When the other side has closed, recv returns no bytes, and a length cannot be read from them.",
    line: "msg = s.recv(16)\nif new_msg:\n    msglen = int(msg[:HEADERSIZE])",
    instead: "msg = s.recv(16)\nif not msg:\n    break",
    is_mistake: false,
};

pub(in super::super) static HALF_PRINTED: Lesson = Lesson {
    kind: "half-taken",
    title: "It takes half a message for a whole one when the stream ends inside it.",
    why: "The header said how many bytes were to come. A stream that ends earlier was cut, and what is there of the \
          message is not the message.",
    line: "",
    instead: "if len(full_msg)-HEADERSIZE < msglen:\n    raise EOFError(\"the stream ended inside a message\")",
    is_mistake: false,
};

pub(in super::super) static OTHER: Lesson = Lesson {
    kind: "other",
    title: "It does not print what it was sent.",
    why: "The cases say what was sent and what was seen.",
    line: "",
    instead: "",
    ..BASE
};
