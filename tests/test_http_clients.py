"""The example clients of the HTTP door: whoever publishes, whoever subscribes, every line arrives once, also when the hub is killed."""

import json
import re
import sys

import pytest
from playwright.sync_api import expect

from browser import BOUND
from door import ask
from support import CLIENTS, accept, listener, printed, wait_until

SUBSCRIBERS = ["http_sub.sh", "http_sub.mjs", "websocket_sub.mjs"]
PUBLISHERS = ["http_pub.sh", "http_pub.mjs", "websocket_pub.mjs"]
MESSAGES = [b"hello, world", b"", "grüß dich, 世界 €".encode(), b"  spaces stay  ", b"last\r", b"raw \xff\xfe\x80", b"10        ", b"\\n %s", b"id: 7", b"x" * 100_000]


def url(name: str, port: int, channel: str = "ticks") -> str:
    return f"{'ws' if name.startswith('websocket') else 'http'}://127.0.0.1:{port}/channels/{channel}"


def text(messages) -> bytes:
    return b"".join(message + b"\n" for message in messages)


@pytest.mark.parametrize("reading", SUBSCRIBERS)
@pytest.mark.parametrize("writing", PUBLISHERS)
def test_what_one_publishes_the_other_prints(door, run, lesson, writing, reading):
    hub = door()
    reader = run(*lesson[reading], url(reading, hub.http), "first")
    for _ in range(2):
        # The second time everything is there already.
        writer = run(*lesson[writing], url(writing, hub.http), "meter7", stdin=text(MESSAGES))
        assert (writer.wait(), writer.out) == (0, b""), writer.err
    hub.publish("ticks", [b"a\nb", b"end"])  # so that it is seen where the last message ended
    printed(reader, text([*MESSAGES, b"a\nb", b"end"]))
    hub.process.signal(15)
    assert reader.wait() == 0, reader.err


@pytest.mark.parametrize("reading", SUBSCRIBERS)
def test_a_subscriber_goes_on_after_its_last_message_when_the_hub_was_killed(kept, run, lesson, reading):
    hub = kept()
    hub.publish("ticks", [b"not asked for"])
    reader = run(*lesson[reading], url(reading, hub.http))
    # It is there when the hub knows it, and has nothing yet when the hub is killed for the first time.
    wait_until(lambda: any(client.get("channel") == "ticks" for client in json.loads(ask(hub, "GET", "/clients")[2])), what="the subscription")
    expected = []
    for life in range(3):
        kept.kill(hub)
        hub = kept.again(hub)
        expected += [b"%d" % life, b"of life %d" % life]
        hub.publish("ticks", expected[-2:])
        printed(reader, text(expected))
    hub.process.signal(15)
    assert reader.wait() == 0, reader.err


@pytest.mark.parametrize("writing", PUBLISHERS)
def test_a_publisher_whose_hub_was_killed_stores_each_line_once(kept, run, lesson, writing):
    hub = kept()
    first = run(*lesson[writing], url(writing, hub.http), "meter7", stdin=text(MESSAGES[:4]))
    assert first.wait() == 0, first.err
    # There is no hub when it is started again, with more lines.
    kept.kill(hub)
    second = run(*lesson[writing], url(writing, hub.http), "meter7", stdin=text(MESSAGES))
    hub = kept.again(hub)
    assert second.wait() == 0, second.err
    hub.publish("ticks", [b"end"])
    assert hub.messages("ticks", len(MESSAGES) + 1) == [*MESSAGES, b"end"]


@pytest.mark.parametrize("name", [*SUBSCRIBERS, *PUBLISHERS])
def test_who_is_refused_says_so(door, run, lesson, name):
    hub = door("--max-message", "1KiB")
    bad = "9" if name in SUBSCRIBERS else "meter7"
    where = url(name, hub.http, "Not-A-Name" if name == "http_sub.sh" else "ticks")
    client = run(*lesson[name], where, bad, stdin=b"x" * 2000 + b"\n")
    assert client.wait() == 1, client.err
    assert client.out == b"" and client.err != ""


@pytest.mark.parametrize("name", ["http_sub.sh", "http_sub.mjs"])
def test_half_of_a_message_is_not_printed(run, lesson, name):
    """What was cut comes again, whole."""
    head = b"HTTP/1.1 200 OK\r\nTenfold-Epoch: 0123456789abcdef\r\nTenfold-From: 0\r\n\r\n"
    pieces = {
        "http_sub.sh": (b"id: 0123456789abcdef.0\ndata: whole\n\nid: 0123456789abcdef.1\ndata: ha", b"last-event-id: 0123456789abcdef.0\r\n"),
        "http_sub.mjs": (b'{"seq":0,"text":"whole"}\n{"seq":1,"te', b"from=1&epoch=0123456789abcdef "),
    }[name]
    server, address = listener()
    with server:
        client = run(*lesson[name], f"http://{address}/channels/ticks", "first")
        with accept(server) as peer:
            peer.recv(65536)
            # The body ends with the connection, which only its length tells from a cut.
            peer.sendall(head.replace(b"\r\n\r\n", b"\r\nContent-Length: 1000\r\n\r\n") + pieces[0])
        with accept(server) as peer:
            asked = peer.recv(65536)
            assert pieces[1] in asked.lower().replace(b"first", b""), asked
    assert client.out == b"whole\n"


def test_two_people_chat_on_the_example_page_also_when_the_hub_was_killed(kept, run, page, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    server = run(sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", site)
    wait_until(lambda: b"port " in server.out, what="the server of the page")
    origin = f"http://localhost:{int(re.search(rb'port ([0-9]+)', server.out)[1])}"
    hub = kept("--http-origin", origin)
    (site / "chat.html").write_text((CLIENTS / "chat.html").read_text().replace("localhost:10080", f"localhost:{hub.http}"))
    ann, bob = page(f"{origin}/chat.html"), page(f"{origin}/chat.html")
    said = []
    for who, words in [(ann, "is anybody there?"), (bob, "yes <b>I</b> am"), (ann, "")]:
        who.fill("input", words)
        who.press("input", "Enter")
        said.append(words)
        for reader in (ann, bob):
            expect(reader.locator("li")).to_have_text(said, timeout=BOUND)
    kept.kill(hub)
    expect(ann.locator("p")).to_have_text("The hub is away.", timeout=BOUND)
    # What is said meanwhile is sent when the hub is there again.
    for words in ("one", "two"):
        ann.fill("input", words)
        ann.press("input", "Enter")
    hub = kept.again(hub)
    said += ["one", "two"]
    for reader in (ann, bob):
        expect(reader.locator("li")).to_have_text(said, timeout=BOUND)
        expect(reader.locator("p")).to_have_text("", timeout=BOUND)
