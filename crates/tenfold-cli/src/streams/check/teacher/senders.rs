//! Mistakes of programs that send. The names are those of the doctor's findings, where it has one.

use super::Lesson;

const BASE: Lesson = Lesson {
    kind: "",
    title: "",
    why: "",
    line: "",
    instead: "",
    is_mistake: true,
};

/// What to write, whatever was wrong with the header.
const SEND: &str = "data = msg.encode(\"utf-8\")\nheader = f\"{len(data):<{HEADERSIZE}}\".encode()\ns.sendall(header + data)";

/// The lesson for a finding, by its kind.
pub(in super::super) fn sending(kind: &str) -> &'static Lesson {
    SENDING
        .iter()
        .find(|lesson| lesson.kind == kind)
        .unwrap_or(&UNKNOWN)
}

static UNKNOWN: Lesson = Lesson {
    kind: "bad-stream",
    title: "Its stream is not in the framing.",
    ..BASE
};

static SENDING: &[Lesson] = &[
    Lesson {
        kind: "characters",
        title: "It counts characters where the header counts bytes.",
        why: "\"é\" is one character and two bytes. Whoever reads takes as many bytes as the header says, leaves the \
              rest of the message, and reads that as the next header. Encode first, and then take the length.",
        line: "msg = f\"{len(msg):<{HEADERSIZE}}\" + msg\ns.send(bytes(msg, \"utf-8\"))",
        instead: SEND,
        ..BASE
    },
    Lesson {
        kind: "cut",
        title: "It ends in the middle of a message.",
        why: "The header promises more bytes than came. Either the program ended too early, or it used send(), which \
              may write only a part and returns how much that was. sendall() writes everything.",
        line: "s.send(bytes(msg, \"utf-8\"))",
        instead: "s.sendall(bytes(msg, \"utf-8\"))",
        ..BASE
    },
    Lesson {
        kind: "header-only",
        title: "It sends a header, and no message after it.",
        why: "Whoever reads waits for the bytes that the header promises. To send header and message together, in one \
              sendall(), leaves no place in between where the program can end.",
        line: "msg = f\"{len(msg):<{HEADERSIZE}}\" + msg",
        instead: SEND,
        ..BASE
    },
    Lesson {
        kind: "unfinished",
        title: "It began a message and did not finish it.",
        why: "The header promises more bytes than came, and the connection is still open. Is the length too large, is \
              something counted that is never sent, or is a buffer not flushed?",
        line: "",
        instead: SEND,
        ..BASE
    },
    Lesson {
        kind: "right-aligned",
        title: "It puts the spaces before the length, and not after it.",
        why: "The number stands on the left, and spaces fill the header up. In a format string that is `<`: numbers \
              are aligned to the right without it.",
        line: "msg = f\"{len(msg):{HEADERSIZE}}\" + msg",
        instead: SEND,
        ..BASE
    },
    Lesson {
        kind: "unpadded",
        title: "It sends the length without padding.",
        why: "The header always has HEADERSIZE characters. Without the spaces whoever reads takes the first bytes of \
              the message for a part of the length.",
        line: "msg = str(len(msg)) + msg",
        instead: SEND,
        ..BASE
    },
    Lesson {
        kind: "zero-padded",
        title: "It fills the header with zeros, and not with spaces.",
        why: "int(\"0000000005\") is 5, so Python's own programs do not mind; others refuse it, because a length then \
              has two spellings. Write `<` and no 0.",
        line: "msg = f\"{len(msg):0{HEADERSIZE}}\" + msg",
        instead: SEND,
        ..BASE
    },
    Lesson {
        kind: "other-width",
        title: "Its header has another size.",
        why: "Both sides have to agree how many characters a header has. The lesson has 10 in its programs.",
        line: "HEADERSIZE = 10",
        instead: "the same HEADERSIZE on both sides",
        ..BASE
    },
    Lesson {
        kind: "no-header",
        title: "It sends text without a header.",
        why: "Without a length nobody can tell where one message ends and the next begins.",
        line: "s.send(bytes(\"Hey there!!!\", \"utf-8\"))",
        instead: SEND,
        ..BASE
    },
    Lesson {
        kind: "header-counted",
        title: "Its length counts the header too.",
        why: "The length is that of the message alone; the header comes on top.",
        line: "",
        instead: SEND,
        ..BASE
    },
    Lesson {
        kind: "trailing-bytes",
        title: "It sends something after each message that no length counts.",
        why: "A newline after a message is a part of it, or does not belong there. Whoever reads takes it for the \
              beginning of the next header.",
        line: "",
        instead: SEND,
        ..BASE
    },
    Lesson {
        kind: "run-together",
        title: "Two threads write to one connection at once.",
        why: "Each message has to be written in one piece. Send header and message in one sendall(), and let only one \
              thread write at a time.",
        line: "",
        instead: "with lock:\n    s.sendall(header + data)",
        ..BASE
    },
    Lesson {
        kind: "nothing-sent",
        title: "It sends nothing.",
        why: "Does it wait for something before it sends? Is this the right port, and the right direction (--sends and \
              --receives say who sends)?",
        line: "",
        instead: "",
        ..BASE
    },
];
