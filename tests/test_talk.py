"""`tenfold talk` and `tenfold chat`, as people use them in a terminal, and as programs do in a pipe."""

import signal
import socket

from support import accept, frame, listener, read_message, read_to_end, unframe, wait_until
from terminal import CTRL_C, CTRL_D, ENTER, UP

# talk


def test_what_comes_does_not_tear_the_line_that_is_typed(terminal):
    server, address = listener()
    with server:
        talk = terminal("talk", address)
        with accept(server) as peer:
            talk.prompts(">")
            talk.type("half a li")
            talk.shows_line("> half a li")
            peer.sendall(frame(b"hello") + frame("grüße".encode()))
            talk.shows_line("grüße")
            wait_until(lambda: talk.screen[-3:] == ["hello", "grüße", "> half a li"], what="both above the line")
            talk.type("ne" + ENTER)
            assert read_message(peer) == b"half a line"
            talk.prompts(">")
            assert "> half a line" in talk.screen
            talk.type(UP + " again" + ENTER)
            assert read_message(peer) == b"half a line again", "the arrow brings back a line"
            # There may be no prompt yet.
            talk.type(CTRL_D)
            assert read_to_end(peer) == b"", "the end is polite"
    assert talk.wait() == 0
    assert talk.is_as_before()


def test_what_a_peer_sends_does_nothing_to_the_terminal(terminal):
    server, address = listener()
    with server:
        talk = terminal("talk", address)
        with accept(server) as peer:
            talk.shows("Ctrl-D ends")
            peer.sendall(frame(b"\x1b[2J\x1b]0;title\x07gone?"))
            talk.shows("gone?")
            assert any(line.startswith("\\x1b[2J\\x1b]0;title") for line in talk.screen), talk.screen
            assert b"\x1b]0;" not in talk.raw


def test_the_end_of_the_peer_ends_it_and_the_terminal_is_as_before(terminal):
    server, address = listener()
    with server:
        talk = terminal("talk", address)
        with accept(server) as peer:
            talk.prompts(">")
            talk.type("never sent")
            talk.shows_line("> never sent")
            peer.sendall(frame(b"bye"))
            talk.shows_line("bye")
        assert talk.wait() == 0
        talk.shows(f"{address} has ended the connection")
        assert talk.is_as_before()


def test_a_broken_stream_is_said_and_the_terminal_is_as_before(terminal):
    server, address = listener()
    with server:
        talk = terminal("talk", address)
        with accept(server) as peer:
            talk.shows("Ctrl-D ends")
            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            assert talk.wait() == 4
        talk.shows("HTTP")
        assert talk.is_as_before()


def test_ctrl_c_and_sigterm_end_it_and_the_terminal_is_as_before(terminal):
    server, address = listener()
    with server:
        for end, code in [(lambda talk: talk.type(CTRL_C), 130), (lambda talk: talk.signal(signal.SIGTERM), 0)]:
            talk = terminal("talk", address)
            with accept(server):
                talk.prompts(">")
                end(talk)
                assert talk.wait() == code
                assert talk.is_as_before()


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(terminal):
    server, address = listener()
    with server:
        talk = terminal("talk", address, term="dumb")
        with accept(server) as peer:
            talk.shows("each line is a message")
            talk.type("hello" + ENTER)
            assert read_message(peer) == b"hello"
            peer.sendall(frame(b"\x1b[31mred"))
            talk.shows("\\x1b[31mred")
            assert b"\x1b" not in talk.raw
            talk.type(CTRL_D)
            assert read_to_end(peer) == b""
        assert talk.wait() == 0


def test_a_pipe_is_sent_and_the_answers_are_waited_for(tenfold):
    server, address = listener()
    with server:
        talk = tenfold("talk", address, stdin=b"one\n\ntwo")
        with accept(server) as peer:
            assert unframe(read_to_end(peer)) == [b"one", b"", b"two"]
            peer.sendall(frame(b"\x1braw"))
    assert talk.wait() == 0, talk.err
    assert talk.out == b"\x1braw\n"


def test_two_talk_in_any_framing(tenfold):
    server = tenfold("talk", "--framing", "lsp", listen=True, stdin=b"from the server\n")
    client = tenfold("talk", server.address, "--framing", "lsp", stdin=b"from the client\n")
    assert (server.wait(), client.wait()) == (0, 0), (server.err, client.err)
    assert (server.out, client.out) == (b"from the client\n", b"from the server\n")


def test_a_line_that_cannot_be_framed_is_not_sent_and_the_next_one_is(tenfold):
    server, address = listener()
    with server:
        talk = tenfold("talk", address, "--framing", "fixed:3", stdin=b"four\ntwo\n")
        with accept(server) as peer:
            assert read_to_end(peer) == b"two"
    assert talk.wait() == 0, talk.err
    assert "not sent" in talk.err


# chat


def chat(terminal, hub, name, *arguments, **options):
    person = terminal("chat", "lobby", "--name", name, "-s", hub, *arguments, **options)
    person.prompts(f"{name}:")
    return person


def test_people_read_each_other_and_not_themselves(terminal, tenfold, hub):
    address = hub().process.address
    ann, bob = chat(terminal, address, "ann"), chat(terminal, address, "bob")
    bob.type("I am wri")
    ann.type("hi bob" + ENTER)
    bob.shows_line("ann: hi bob")
    bob.type("ting" + ENTER)
    ann.shows_line("bob: I am writing")
    assert bob.screen.count("bob: I am writing") == 1, "the line that was typed, and no other"
    assert ann.screen.count("ann: hi bob") == 1
    # Others see the same with other tools, and can say something, too.
    seen = tenfold("sub", "lobby", "-s", address, "--from", "first", "--count", "2")
    assert seen.wait() == 0 and seen.out == b"ann: hi bob\nbob: I am writing\n"
    assert tenfold("pub", "lobby", "17 degrees", "-s", address).wait() == 0
    for name, person in (("ann", ann), ("bob", bob)):
        person.shows_line("17 degrees")
        person.prompts(f"{name}:")
        person.type(CTRL_D)
        assert person.wait() == 0
        assert person.is_as_before()


def test_it_begins_with_the_last_messages(terminal, tenfold, hub):
    address = hub().process.address
    assert tenfold("pub", "lobby", *map(str, range(20)), "-s", address).wait() == 0
    ann = chat(terminal, address, "ann", "--last", "3")
    ann.shows_line("19")
    assert [line for line in ann.screen if line.isdigit()] == ["17", "18", "19"]
    bob = chat(terminal, address, "bob", "--last", "0")
    ann.type("now" + ENTER)
    bob.shows_line("ann: now")
    assert "19" not in bob.screen


def test_a_restart_of_the_hub_is_said_and_what_was_typed_meanwhile_arrives(terminal, tenfold, tmp_path):
    place = f"unix:{tmp_path}/hub"
    arguments = ("serve", "--listen", place, "--data", tmp_path / "data")

    def start():
        serve = tenfold(*arguments)
        wait_until(lambda: "listening" in serve.err, what="the hub")
        return serve

    first = start()
    # The place is told, and is as long as the directory's name.
    ann, bob = (chat(terminal, place, name, columns=300) for name in ("ann", "bob"))
    ann.type("before" + ENTER)
    bob.shows_line("ann: before")
    bob.type("half")
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    for person in (ann, bob):
        person.shows("lost unix:")
    ann.type("meanwhile" + ENTER)
    start()
    for person in (ann, bob):
        person.shows("again after")
    bob.shows_line("ann: meanwhile")
    bob.shows_line("bob: half")
    assert ann.screen.count("ann: before") == 1 and ann.screen.count("ann: meanwhile") == 1


def test_a_chat_in_a_pipe_ends_when_the_hub_has_everything(tenfold, hub):
    address = hub().process.address
    said = tenfold("chat", "lobby", "--name", "robot", "-s", address, stdin=b"one\n\ntwo\n")
    assert said.wait() == 0, said.err
    seen = tenfold("sub", "lobby", "-s", address, "--from", "first", "--count", "2")
    assert seen.wait() == 0 and seen.out == b"robot: one\nrobot: two\n"


def test_a_name_with_a_colon_is_refused(tenfold):
    refused = tenfold("chat", "lobby", "--name", "a:b")
    assert refused.wait() == 2
    assert "without a colon" in refused.err


def test_without_a_hub_it_says_so(tenfold):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = "127.0.0.1:%d" % closed.getsockname()[1]
    refused = tenfold("chat", "lobby", "--name", "ann", "-s", address)
    assert refused.wait() == 3
    assert "tenfold serve" in refused.err
