"""The HTTP door: docs/http.md at the wire, with curl and with Python's http.client."""

import base64
import contextlib
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess

import pytest
from door import OPENING, Raw, ask, events, lines, post, problem
from hub import ok
from support import BOUND, frame, wait_until


ODD = [b"", b" ", b" leading", b"a\nb", b"\n", b"\n\n", b"a\r\nb", b"\r", b"\xef\xbb\xbfbom", b"nul\0", b"id: 7",
       b"data: x\n\nevent: gap", b"\xff\xfe", b":", b"\xe2\x80\xa8", b"retry: 1", b"\xed\xa0\x80", b"x" * 70_000]


# Reading and publishing

def test_a_message_that_is_posted_is_there(each_door):
    hub = each_door()
    status, said = post(hub, "ticks", b"hello")
    assert (status, said["next"], said["acks"]) == (200, 1, "memory")
    assert lines(hub, "ticks") == [{"seq": 0, "text": "hello"}]
    assert hub.messages("ticks", 1) == [b"hello"]


@pytest.mark.parametrize("form", ["ndjson", "sse", "frames", "text"])
def test_odd_messages_are_the_same_in_each_form(each_door, form):
    hub = each_door()
    for message in ODD:
        assert post(hub, "odd", message)[0] == 200
    status, headers, body = ask(hub, "GET", f"/channels/odd?from=first&until=end&as={form}")
    assert status == 200 and headers["Cache-Control"] == "no-store" and headers["X-Accel-Buffering"] == "no"
    epoch = headers["Tenfold-Epoch"]
    if form == "ndjson":
        objects = [json.loads(line) for line in body.splitlines()]
        got = [base64.b64decode(one["base64"]) if "base64" in one else one["text"].encode() for one in objects]
        assert [one["seq"] for one in objects] == list(range(len(ODD)))
    elif form == "sse":
        found = events(body)
        got = [base64.b64decode(data) if kind == "base64" else data.encode() for kind, _, data in found]
        assert [last for _, last, _ in found] == [f"{epoch}.{seq}" for seq in range(len(ODD))]
    elif form == "frames":
        assert body == b"".join(map(frame, ODD))
        return
    else:
        assert body == b"".join(message + b"\n" for message in ODD)
        return
    assert got == ODD


def test_the_form_is_the_one_that_the_client_accepts(each_door):
    hub = each_door()
    post(hub, "ticks", b"a")
    for accept, got in [("*/*", "application/x-ndjson"), ("text/event-stream", "text/event-stream"), ("text/plain", "text/plain; charset=utf-8"),
                        ("application/vnd.tenfold", "application/vnd.tenfold"), ("text/html,*/*;q=0.8", "application/x-ndjson")]:
        _, headers, _ = ask(hub, "GET", "/channels/ticks?from=first&until=end", headers={"Accept": accept})
        assert headers["Content-Type"] == got, accept
    problem(ask(hub, "GET", "/channels/ticks", headers={"Accept": "text/html"}), 406)


def test_a_stream_goes_on_as_messages_come(door):
    hub = door()
    reader = Raw(hub)
    reader.send("GET /channels/ticks?count=3 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reader.until(b"\r\n\r\n")
    hub.publish("ticks", [b"one"])
    reader.until(b"one")
    post(hub, "ticks", b"two")
    reader.until(b"two")
    hub.publish("ticks", [b"three", b"four"])
    rest = reader.rest()
    assert b"three" in rest and b"four" not in rest and rest.endswith(b"0\r\n\r\n")


def test_places_are_those_of_subscribe(each_door):
    hub = each_door()
    hub.publish("ticks", [str(number).encode() for number in range(10)])
    texts = lambda query: [one["text"] for one in lines(hub, "ticks", query)]  # noqa: E731
    assert texts("from=7&until=end") == ["7", "8", "9"]
    assert texts("from=-2&until=end") == ["8", "9"]
    assert texts("from=last&until=end") == ["9"]
    assert texts("from=2&count=3") == ["2", "3", "4"]
    assert texts("from=2&count=100&until=end") == [str(number) for number in range(2, 10)]
    assert texts("from=%400&until=end") == [str(number) for number in range(10)]
    assert texts("until=end") == []
    _, headers, body = ask(hub, "HEAD", "/channels/ticks?from=3")
    assert (headers["Tenfold-From"], headers["Tenfold-First"], headers["Tenfold-Next"], body) == ("3", "0", "10", b"")


def test_a_place_that_cannot_be_had_is_an_error_but_for_events(each_door):
    hub = each_door()
    hub.publish("ticks", [b"a", b"b"])
    said = problem(ask(hub, "GET", "/channels/ticks?from=9"), 416, "FUTURE")
    assert said["next"] == 2 and said["line"].startswith("ERROR FUTURE next=2 ")
    other = "0123456789abcdef"
    said = problem(ask(hub, "GET", f"/channels/ticks?from=1&epoch={other}"), 409, "EPOCH")
    epoch = said["epoch"]
    status, _, body = ask(hub, "GET", "/channels/ticks?as=sse&from=first&until=end", headers={"Last-Event-ID": f"{other}.6"})
    gap, *rest = events(body)
    assert (status, gap[0], json.loads(gap[2])) == (200, "gap", {"reason": "epoch", "expected": 7, "first": 0, "epoch": epoch})
    assert [data for _, _, data in rest] == ["a", "b"]
    status, _, body = ask(hub, "GET", "/channels/ticks?as=sse&on-gap=stop", headers={"Last-Event-ID": f"{other}.6"})
    assert (status, body) == (204, b"")


def test_events_go_on_after_the_last_one(each_door):
    hub = each_door()
    hub.publish("ticks", [b"a", b"b", b"c"])
    _, _, body = ask(hub, "GET", "/channels/ticks?as=sse&from=first&until=end")
    _, last, _ = events(body)[1]
    _, _, body = ask(hub, "GET", "/channels/ticks?as=sse&from=first&until=end", headers={"Last-Event-ID": last})
    assert [data for _, _, data in events(body)] == ["c"]


def test_many_messages_are_posted_as_frames_and_as_lines(each_door):
    hub = each_door()
    messages = [b"first", b"", b"x" * 300_000, b"\xff"]
    status, said = post(hub, "ticks", b"".join(map(frame, messages)), Content_Type="application/vnd.tenfold")
    assert (status, said["next"]) == (200, 4)
    _, _, body = ask(hub, "GET", "/channels/ticks?from=first&until=end")
    status, said = post(hub, "again", body, Content_Type="application/x-ndjson")
    assert (status, said["next"]) == (200, 4)
    assert hub.messages("again", 4) == messages


def test_a_body_may_come_in_chunks(door):
    hub = door()
    client = Raw(hub)
    client.send("POST /channels/ticks HTTP/1.1\r\nHost: localhost\r\nTenfold: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    for part in ["3\r\nhel\r\n", "2\r\nlo\r\n", "0\r\n\r\n"]:
        client.send(part)
    assert b'"next":1' in client.until(b"}\n")
    assert hub.messages("ticks", 1) == [b"hello"]


def test_what_came_before_a_mistake_is_kept_and_counted(each_door):
    hub = each_door()
    status, said = post(hub, "ticks", frame(b"a") + frame(b"b") + b"x", Content_Type="application/vnd.tenfold")
    assert (status, said["code"], said["next"]) == (400, "HEADER", 2)
    status, said = post(hub, "ticks", b'{"text":"c"}\nnothing\n{"text":"d"}\n', Content_Type="application/x-ndjson")
    assert (status, said["code"], said["message"], said["next"]) == (400, "PROTO", 1, 1)
    assert [one["text"] for one in lines(hub, "ticks")] == ["a", "b", "c"]


def test_a_request_that_is_repeated_is_stored_once(each_door):
    hub = each_door()
    send = lambda first, body: post(hub, "ticks", body, Tenfold_Producer="meter7", Tenfold_First=str(first),  # noqa: E731
                                    Content_Type="application/vnd.tenfold")
    body = b"".join(map(frame, [b"0", b"1", b"2"]))
    for _ in range(3):
        status, said = send(0, body)
        assert (status, said["next"]) == (200, 3)
    status, said = send(1, b"".join(map(frame, [b"1", b"2", b"3"])))
    assert (status, said["next"]) == (200, 4)
    status, said = send(9, body)
    assert (status, said["code"], said["next"]) == (409, "GAP", 4)
    assert [one["text"] for one in lines(hub, "ticks")] == ["0", "1", "2", "3"]


def test_a_second_request_of_a_producer_takes_over(door):
    hub = door()
    first = Raw(hub)
    head = "POST /channels/ticks HTTP/1.1\r\nHost: localhost\r\nTenfold: 1\r\nTenfold-Producer: p\r\nTenfold-First: 0\r\n"
    first.send(head + "Content-Type: application/vnd.tenfold\r\nContent-Length: 12\r\n\r\n" + frame(b"a").decode())
    wait_until(lambda: len(lines(hub, "ticks")) == 1, what="the first message")
    status, said = post(hub, "ticks", b"b", Tenfold_Producer="p", Tenfold_First="1")
    assert (status, said["next"]) == (200, 2)
    first.send(b"1")
    assert b'"code":"FENCED"' in first.rest()


def test_large_messages_are_refused_at_once_or_taken(door):
    hub = door("--max-message", "1MiB")
    client = Raw(hub)
    client.send(f"POST /channels/ticks HTTP/1.1\r\nHost: localhost\r\nTenfold: 1\r\nContent-Length: {(1 << 20) + 1}\r\n\r\n")
    assert b'"code":"TOO_LARGE"' in client.rest()
    chunked = Raw(hub)
    chunked.send("POST /channels/ticks HTTP/1.1\r\nHost: localhost\r\nTenfold: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    with contextlib.suppress(ConnectionError):  # It is told before it has sent everything.
        chunked.send(b"80000\r\n" + b"x" * 0x80000 + b"\r\n")
        chunked.send(b"80000\r\n" + b"x" * 0x80000 + b"\r\n1\r\nx\r\n")
    assert b'"code":"TOO_LARGE"' in chunked.rest()
    assert post(hub, "ticks", b"x" * (1 << 20))[0] == 200
    assert lines(hub, "ticks")[0]["text"] == "x" * (1 << 20)


# What is asked of the hub

def test_lists_and_health_are_json(each_door):
    hub = each_door()
    hub.publish("ticks", [b"a"])
    _, headers, body = ask(hub, "GET", "/channels")
    assert headers["Content-Type"] == "application/json"
    (channel,) = json.loads(body)
    assert (channel["channel"], channel["next"]) == ("ticks", 1)
    (client,) = [one for one in json.loads(ask(hub, "GET", "/clients")[2]) if one["kind"] == "http"]
    assert client["peer"].startswith("127.0.0.1:")
    status, _, body = ask(hub, "GET", "/health")
    assert (status, json.loads(body)["status"], json.loads(body)["messages"]) == (200, "ok", 1)
    status, _, body = ask(hub, "GET", "/")
    assert status == 200 and b"/channels/NAME" in body


def test_a_reader_is_in_the_list_of_clients(door):
    hub = door()
    hub.publish("ticks", [b"a", b"b"])
    reader = Raw(hub)
    reader.send("GET /channels/ticks?from=first HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reader.until(b'"b"')

    def listed():
        found = [one for one in json.loads(ask(hub, "GET", "/clients")[2]) if one["kind"] == "http-reader"]
        return found and (found[0]["channel"], found[0]["seq"], found[0]["lag"]) == ("ticks", 2, 0)

    wait_until(listed, what="the reader in the list")


def test_requests_of_one_connection_are_answered_in_their_order(door):
    hub = door()
    client = Raw(hub)
    client.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
                "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTenfold: 1\r\nContent-Length: 2\r\n\r\nhi"
                "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
                "HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
                "HEAD /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
                "GET /channels/a?from=0&count=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answers = client.rest()
    assert re.findall(rb"(?m)^HTTP/1.1 (\d+) ", answers) == [b"200", b"200", b"404", b"200", b"404", b"200"]
    # To HEAD the body is not said.
    assert answers.count(b'"status":404') == 1


def test_a_body_that_goes_on_does_not_hold_the_deletion_of_its_channel_up(door):
    """As long as more of the body came, the channel was neither deleted nor there for anybody else."""
    hub = door()
    client = Raw(hub)
    chunk = b"%x\r\n%s\r\n" % (len(frame(b"one")), frame(b"one"))
    client.send(b"POST /channels/old HTTP/1.1\r\nHost: localhost\r\nTenfold: 1\r\nContent-Type: application/vnd.tenfold\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
    assert hub.messages("old", 1) == [b"one"]
    deleting = hub.connect()
    deleting.request("DELETE old")
    deleting.sock.setblocking(False)

    def is_answered() -> bool:
        with contextlib.suppress(ConnectionError):
            client.send(chunk)
        with contextlib.suppress(BlockingIOError):
            return bool(deleting.sock.recv(1, socket.MSG_PEEK))
        return False

    wait_until(is_answered, what="the end of the deletion")
    deleting.sock.settimeout(BOUND)
    assert int(ok(deleting.only())["next"]) >= 1
    head = client.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 410 "), head


def idle_body(hub, producer: str = "") -> Raw:
    """A request whose body has begun with one message, and of which nothing more comes."""
    client = Raw(hub)
    named = f"Tenfold-Producer: {producer}\r\nTenfold-First: 0\r\n" if producer else ""
    body = frame(b"one")
    client.send(f"POST /channels/old HTTP/1.1\r\nHost: localhost\r\nTenfold: 1\r\nContent-Type: application/vnd.tenfold\r\n{named}"
                f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n")
    assert hub.messages("old", 1) == [b"one"]
    return client


def test_a_body_of_which_nothing_more_comes_does_not_hold_the_deletion_of_its_channel_up(door):
    """The channel was deleted when the time of the body was over, after 30 s, and the answer was 408."""
    hub = door()
    client = idle_body(hub)
    assert int(ok(hub.ask("DELETE old")[1])["next"]) == 1
    head = client.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 410 "), head


def test_a_body_of_which_nothing_more_comes_is_answered_when_another_client_takes_its_producer(door):
    hub = door()
    client = idle_body(hub, "meter7")
    assert int(ok(hub.ask("PUBLISH old producer=meter7")[1])["next"]) == 1
    head = client.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 409 "), head


def test_routes_and_methods_that_are_not_there(each_door):
    hub = each_door()
    problem(ask(hub, "GET", "/nothing"), 404)
    answer = ask(hub, "DELETE", "/channels/ticks")
    problem(answer, 405)
    assert answer[1]["Allow"] == "GET, HEAD, POST"
    problem(ask(hub, "GET", "/channels/Ticks"), 400, "PROTO")
    problem(ask(hub, "GET", "/channels/ticks?form=first"), 400)
    assert "secret" not in str(problem(ask(hub, "GET", "/channels/ticks?token=secret"), 400, "PROTO"))


# Strangers

@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.0.2.1", "127.0.0.1.evil.example", "0.0.0.0"])
def test_a_host_that_is_not_ours_is_misdirected(each_door, host):
    hub = each_door("--http-host", "hub.example")
    problem(ask(hub, "GET", "/channels", headers={"Host": f"{host}:{hub.http}"}), 421)
    assert ask(hub, "GET", "/channels", headers={"Host": "hub.example"})[0] == 200


def test_other_origins_are_refused_for_each_method(each_door):
    hub = each_door("--http-origin", "https://app.example")
    post(hub, "ticks", b"a")
    own, scheme = hub.origin, "http" if hub.speaks == "h2" else "https"
    for method, path in [("GET", "/channels"), ("GET", "/channels/ticks?from=first&until=end"), ("GET", "/channels/ticks?as=sse&from=first&until=end"),
                         ("POST", "/channels/ticks"), ("HEAD", "/health")]:
        for origin in ["null", "https://evil.example", f"{scheme}://127.0.0.1:{hub.http}", "http://localhost:1"]:
            status, headers, _ = ask(hub, method, path, headers=OPENING | {"Origin": origin})
            assert status == 403 and "Access-Control-Allow-Origin" not in headers, (method, origin)
        for site in ["cross-site", "same-site"]:
            assert ask(hub, method, path, headers=OPENING | {"Sec-Fetch-Site": site})[0] == 403
        assert ask(hub, method, path, headers=OPENING | {"Origin": own})[0] == 200
        status, headers, _ = ask(hub, method, path, headers=OPENING | {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"})
        assert (status, headers["Access-Control-Allow-Origin"], headers["Vary"]) == (200, "https://app.example", "Origin")
    assert len(lines(hub, "ticks")) == 3


def test_a_post_that_a_form_could_send_is_refused(each_door):
    hub = each_door()
    for content_type in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "application/x-ndjson"]:
        problem(ask(hub, "POST", "/channels/ticks", b"x", {"Content-Type": content_type}), 403)
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "tenfold"}
    problem(ask(hub, "OPTIONS", "/channels/ticks", headers=preflight), 403)
    assert json.loads(ask(hub, "GET", "/channels")[2]) == []


def test_only_an_allowed_origin_has_its_preflight_answered(each_door):
    hub = each_door("--http-origin", "https://app.example")
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "tenfold"}
    status, headers, _ = ask(hub, "OPTIONS", "/channels/ticks", headers=asks)
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, "https://app.example")
    assert "Tenfold" in headers["Access-Control-Allow-Headers"]


HEAD = "Host: localhost\r\n"
SMUGGLED = {
    "two lengths": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "the same length twice": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a list of lengths": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nContent-Length: 1, 1\r\n\r\na",
    "a length with a sign": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nContent-Length: +1\r\n\r\na",
    "a length beside chunks": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "chunks beside a length": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
    "another coding": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding that looks like chunked": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks to HTTP/1.0": f"POST /channels/a HTTP/1.0\r\n{HEAD}Tenfold: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk with an extension": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\na\r\n0\r\n\r\n",
    "a chunk that ends with LF": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
    "trailers": f"POST /channels/a HTTP/1.1\r\n{HEAD}Tenfold: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
    "a folded header": f"GET /health HTTP/1.1\r\n{HEAD}A: b\r\n c\r\n\r\n",
    "LF alone": "GET /health HTTP/1.1\nHost: localhost\n\n",
    "a CR in a value": f"GET /health HTTP/1.1\r\n{HEAD}A: b\rc\r\n\r\n",
    "a NUL in a value": f"GET /health HTTP/1.1\r\n{HEAD}A: b\0c\r\n\r\n",
    "a space before the colon": f"GET /health HTTP/1.1\r\n{HEAD}A : b\r\n\r\n",
    "two hosts": f"GET /health HTTP/1.1\r\n{HEAD}{HEAD}\r\n",
    "no host": "GET /health HTTP/1.1\r\n\r\n",
    "a body that a GET does not have": f"GET /health HTTP/1.1\r\n{HEAD}Content-Length: 30\r\n\r\nGET /channels HTTP/1.1\r\n\r\n12345",
    "a URL as target": f"GET http://localhost/health HTTP/1.1\r\n{HEAD}\r\n",
    "bytes before the request": f"\r\nGET /health HTTP/1.1\r\n{HEAD}\r\n",
    "the hub's own protocol": "26        SUBSCRIBE ticks from=first",
}


@pytest.mark.parametrize("request_", SMUGGLED.values(), ids=SMUGGLED)
def test_what_could_be_taken_for_two_requests_is_refused_and_the_connection_closed(door, request_):
    hub = door()
    client = Raw(hub)
    client.send(request_)
    answer = client.rest()
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1, answer
    assert b"Connection: close" in answer
    assert json.loads(ask(hub, "GET", "/channels")[2]) == []


def test_a_large_or_endless_head_is_refused(door):
    hub = door()
    client = Raw(hub)
    client.send("GET /health HTTP/1.1\r\nHost: localhost\r\nA: " + "a" * 8192)
    assert client.rest().startswith(b"HTTP/1.1 431 ")
    many = Raw(hub)
    many.send("GET /health HTTP/1.1\r\nHost: localhost\r\n" + "A: b\r\n" * 64 + "\r\n")
    assert many.rest().startswith(b"HTTP/1.1 431 ")
    slow = Raw(hub)
    slow.send("GET /health HTTP/1.1\r\nHost: loc")
    assert slow.rest().startswith(b"HTTP/1.1 408 ")
    silent = Raw(hub)
    assert silent.rest() == b""


def test_many_silent_connections_keep_nobody_away(door):
    hub = door("--max-pending", "8")
    for _ in range(40):
        Raw(hub)
    assert ask(hub, "GET", "/health")[0] == 200
    assert hub.health()["status"] == "ok"


# Who asks

def test_a_token_says_who_asks(each_door, tmp_path, binary):
    policy = tmp_path / "hub.toml"
    token = subprocess.run([binary, "token", "new", "meter7", "--publish", "meters.*", "--subscribe", "meters.*", "--auth", policy],
                           capture_output=True, check=True, text=True).stdout.strip()
    hub = each_door("--auth", policy)
    bearer = {"Authorization": f"Bearer {token}"}
    answer = ask(hub, "GET", "/channels/meters.7?from=first&until=end")
    problem(answer, 401, "AUTH")
    assert answer[1]["WWW-Authenticate"].startswith("Bearer")
    problem(ask(hub, "POST", "/channels/meters.7", b"x", OPENING), 401, "AUTH")
    assert ask(hub, "POST", "/channels/meters.7", b"x", bearer)[0] == 200
    assert b'"x"' in ask(hub, "GET", "/channels/meters.7?from=first&until=end", headers=bearer)[2]
    problem(ask(hub, "GET", "/channels/other", headers=bearer), 403, "DENIED")
    said = problem(ask(hub, "GET", "/channels", headers={"Authorization": f"Bearer {token[:-1]}"}), 401, "AUTH")
    assert token[12:30] not in str(said)
    assert json.loads(ask(hub, "GET", "/health", headers=bearer)[2]) == {"status": "ok"}


def test_a_ticket_is_good_for_one_request(each_door, tmp_path, binary):
    policy = tmp_path / "hub.toml"
    token = subprocess.run([binary, "token", "new", "meter7", "--publish", "ticks", "--subscribe", "ticks", "--auth", policy],
                           capture_output=True, check=True, text=True).stdout.strip()
    hub = each_door("--auth", policy)
    bearer = {"Authorization": f"Bearer {token}"}
    assert ask(hub, "POST", "/channels/ticks", b"x", bearer)[0] == 200
    status, _, body = ask(hub, "POST", "/tickets", headers=bearer)
    said = json.loads(body)
    assert (status, said["expires"]) == (200, 30)
    path = f"/channels/ticks?as=sse&from=first&until=end&ticket={said['ticket']}"
    status, _, body = ask(hub, "GET", path)
    assert (status, [data for _, _, data in events(body)]) == (200, ["x"])
    problem(ask(hub, "GET", path), 401, "AUTH")
    problem(ask(hub, "POST", "/tickets", headers=OPENING), 401, "AUTH")
    problem(ask(hub, "POST", "/tickets", headers={"Authorization": f"Bearer {token[:-3]}AAA"}), 401, "AUTH")
    other = json.loads(ask(hub, "POST", "/tickets", headers=bearer)[2])["ticket"]
    problem(ask(hub, "GET", f"/channels/other?ticket={other}"), 403, "DENIED")


# Ends

def test_a_hub_that_ends_gives_readers_what_is_committed(door):
    hub = door()
    reader = Raw(hub)
    reader.send("GET /channels/ticks HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reader.until(b"\r\n\r\n")
    hub.publish("ticks", [b"last words"])
    hub.process.signal(signal.SIGTERM)
    assert b"last words" in reader.rest()
    hub.process.wait()


def test_a_killed_hub_ends_no_body_properly(door):
    hub = door()
    hub.publish("ticks", [b"a"])
    curl = subprocess.Popen(["curl", "-sN", f"http://127.0.0.1:{hub.http}/channels/ticks?from=first"], stdout=subprocess.PIPE)
    assert b'"a"' in curl.stdout.readline()
    hub.may_die()
    hub.process.signal(signal.SIGKILL)
    assert curl.wait(BOUND) == 18


# Other programs

def test_curl_publishes_a_large_file_and_reads_it(door, tmp_path):
    hub = door()
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 20_000)
    url = f"http://127.0.0.1:{hub.http}/channels/files"
    said = subprocess.run(["curl", "-sS", "-f", "-H", "Tenfold: 1", "--data-binary", f"@{large}", url], capture_output=True, check=True).stdout
    assert json.loads(said)["next"] == 1
    got = subprocess.run(["curl", "-sS", "-f", f"{url}?from=first&count=1&as=frames"], capture_output=True, check=True).stdout
    assert got == frame(large.read_bytes())
    old = subprocess.run(["curl", "-sS", "-f", "-0", f"{url}?from=first&count=1&as=frames"], capture_output=True, check=True).stdout
    assert old == got


@pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin"), reason="nginx is not here")
def test_messages_pass_an_nginx_as_it_comes(door, run, tmp_path):
    hub = door()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = tmp_path / "nginx.conf"
    settings.write_text(f"""
        daemon off; pid {tmp_path}/pid; error_log stderr; master_process off;
        events {{ }}
        http {{
            access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path}; fastcgi_temp_path {tmp_path};
            uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
            server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{hub.http}; }} }}
        }}
    """)
    run(shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-p", tmp_path, "-c", settings)

    def answers():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=BOUND).close()
        except ConnectionError:
            return False
        return True

    wait_until(answers, what="nginx")
    hub.publish("ticks", [b"one"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND)
    connection.request("GET", "/channels/ticks?from=first")
    answer = connection.getresponse()
    assert json.loads(answer.readline())["text"] == "one"
    hub.publish("ticks", [b"two"])
    assert json.loads(answer.readline())["text"] == "two"
    connection.close()


def test_a_port_over_tls_speaks_https(hub, tmp_path, binary):
    subprocess.run([binary, "cert", "dev", tmp_path], check=True, capture_output=True)
    names = {path.name for path in tmp_path.iterdir()}
    started = hub("--https", "127.0.0.1:0", "--tls-cert", tmp_path / "server.pem", "--tls-key", tmp_path / "server.key")
    assert {"ca.pem", "server.pem", "server.key"} <= names, names
    assert ok(started.ask("PUBLISH ticks")[1])
    url = f"https://localhost:{started.plain[-1]}/channels/ticks"
    curl = ["curl", "-sS", "-f", "--cacert", tmp_path / "ca.pem"]
    subprocess.run([*curl, "-H", "Tenfold: 1", "-H", f"Origin: https://localhost:{started.plain[-1]}", "-d", "hi", url], check=True, capture_output=True)
    got = subprocess.run([*curl, f"{url}?from=first&until=end"], check=True, capture_output=True).stdout
    assert json.loads(got)["text"] == "hi"


# Settings

def test_http_listens_on_a_network_only_with_tls_and_a_policy(binary):
    for arguments in [["--http", "0.0.0.0:0"], ["--https", "0.0.0.0:0"], ["--http-host", "a"], ["--http", "--http-origin", "evil"]]:
        done = subprocess.run([binary, "serve", "--check", *arguments], capture_output=True, text=True)
        assert done.returncode == 2, (arguments, done.stderr)


def test_http_without_an_address_is_port_10080_of_this_machine(binary, tmp_path):
    done = subprocess.run([binary, "serve", "--http", "--print-config"], capture_output=True, text=True, check=True)
    assert re.search(r'^http = \["127.0.0.1:10080"\]', done.stdout, re.MULTILINE), done.stdout
    settings = tmp_path / "hub.toml"
    settings.write_text('http = ["127.0.0.1:10081"]\nhttp-origin = ["https://app.example"]\n')
    done = subprocess.run([binary, "serve", "--config", settings, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_log_tells_of_publications_as_of_all_publishers(door):
    hub = door()
    assert post(hub, "ticks", b"one", Tenfold_Producer="meter7", Tenfold_First="0")[0] == 200
    status, said = post(hub, "ticks", b"{}", Content_Type="application/x-ndjson")
    assert status == 400, said
    wait_until(lambda: hub.process.err.count("publisher disconnected") == 2, what="the lines of the log")
    log = [line for line in hub.process.err.splitlines() if "publisher" in line]
    assert [line.count("channel=ticks") for line in log] == [1, 1, 1, 1], log
    assert 'producer="meter7" next=0' in log[0] and "reason=complete committed=1 bytes=3" in log[1]
    assert "reason=abandoned committed=0" in log[3]
