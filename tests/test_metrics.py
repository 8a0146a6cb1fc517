"""`/metrics` (docs/http.md, section 10): what it says is what happened, it is written as Prometheus reads it, and nothing holds it up."""

import http.client
import json
import re
import shutil
import socket
import subprocess

import pytest
from hub import ok, refused
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format
from support import BOUND, FULL, ROOT, frame, wait_until
from test_hub_log import stop, under
from test_http import OPENING, ask, post, problem

PAGE = (ROOT / "docs" / "http.md").read_text().split("\n## 10. Metrics\n")[1].split("\n## ")[0]
NAMES = {name: kind for name, kind in re.findall(r"^\| `(tenfold_\w+)` \| (\w+) \|", PAGE, re.MULTILINE)}
OPEN_METRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}


@pytest.fixture
def watched(hub):
    """A hub with a port for HTTP, and one for numbers alone."""

    def start(*arguments):
        started = hub("--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0", *arguments)
        started.http, started.numbers = started.plain[-2:]
        return started

    return start


def logged(directory) -> list:
    """A log whose journal is soon written."""
    return ["--data", directory / "data", "--journal", "1MiB"]


def scrape(hub, headers=None, port=None) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port or hub.plain[-1], timeout=BOUND)
    connection.request("GET", "/metrics", headers=headers or {})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    assert answer.status == 200, body
    return body


class Numbers:
    """The samples of an answer."""

    def __init__(self, text: str, parse=text_format):
        self.samples = {}
        for family in parse(text):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in self.samples, f"{key} comes twice"
                self.samples[key] = sample.value

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.samples.get((f"tenfold_{name}", frozenset(labels.items())))

    def of(self, name: str, label: str) -> dict[str, float]:
        """The values of one name, by one label."""
        found = {dict(labels).get(label): value for (own, labels), value in self.samples.items() if own == f"tenfold_{name}"}
        return {key: value for key, value in found.items() if key is not None}


def numbers(hub, **options) -> Numbers:
    return Numbers(scrape(hub, **options))


def fill(hub, channels: int):
    """A message in each of so many channels."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.http, timeout=BOUND)
    for number in range(channels):
        assert ask(hub, "POST", f"/channels/channel-{number:03}", b"x", OPENING, connection)[0] == 200
    connection.close()


# The formats

@pytest.mark.parametrize("with_log", [True, False])
def test_prometheus_parsers_read_both_formats_and_find_the_same(watched, tmp_path, with_log):
    hub = watched(*(logged(tmp_path) if with_log else []))
    hub.publish("ticks", [b"a", b"b"])
    refused(hub.refusal("SUBSCRIBE ticks from=9"), "FUTURE", next=2)
    wait_until(lambda: sum(numbers(hub).of("connections", "kind").values()) == 1, what="the end of all others")
    text, other = scrape(hub), scrape(hub, OPEN_METRICS)
    assert other.endswith("# EOF\n") and "# EOF" not in text
    one, two = Numbers(text), Numbers(other, open_metrics)
    assert one.samples.keys() == two.samples.keys()
    # The second question is one more connection.
    differs = {name for (name, labels), value in one.samples.items() if two.samples[name, labels] != value}
    assert differs <= {"tenfold_accepted_connections_total", "tenfold_connections"}, differs
    families = {family.name: family for family in open_metrics(other)}
    assert families["tenfold_received_bytes"].unit == "bytes" and families["tenfold_received_bytes"].type == "counter"
    # What is there, and of which type, is what the page says.
    found = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    of_log = {name for name in NAMES if re.match(r"tenfold_(disk|journal|checkpoints|removed)_", name)} | {"tenfold_checkpoints_total"}
    expected = {name: kind for name, kind in NAMES.items() if with_log or name not in of_log}
    # Nothing has failed.
    expected.pop("tenfold_disk_faults_total", None)
    assert found == expected
    assert len(NAMES) > 25


def test_the_content_type_is_that_of_the_format(watched):
    hub = watched()
    for headers, expected in [({}, "text/plain; version=0.0.4; charset=utf-8"),
                              (OPEN_METRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8")]:
        status, answer, _ = ask(hub, "GET", "/metrics", headers=headers)
        assert (status, answer["Content-Type"]) == (200, expected)
    status, answer, body = ask(hub, "HEAD", "/metrics")
    assert (status, body) == (200, b"") and int(answer["Content-Length"]) > 1000
    problem(ask(hub, "POST", "/metrics", b"", OPENING), 405)


PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(not FULL and not PROMTOOL, reason="promtool is installed for ./test --full only")


@needs_promtool
@pytest.mark.parametrize("with_log", [True, False])
def test_promtool_has_nothing_to_say(watched, tmp_path, with_log):
    hub = watched(*(logged(tmp_path) if with_log else []))
    hub.publish("ticks", [b"a"])
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=scrape(hub), capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# The numbers

def test_numbers_are_what_happened(watched):
    hub = watched()
    before = numbers(hub)
    first, _ = hub.subscribe("ticks")
    second, _ = hub.subscribe("ticks")
    follower = hub.connect()
    follower.request("FOLLOW tick* from=first")
    follower.send(frame(b""))
    ok(follower.answer())
    messages = [b"hello", b"", b"x" * 100]
    hub.publish("ticks", messages)
    assert [first.frame() for _ in messages] == [second.frame() for _ in messages] == messages
    assert post(hub, "http", b"posted")[0] == 200
    refused(hub.refusal("SUBSCRIBE ticks from=9"), "FUTURE", next=3)
    for _ in range(2):
        assert hub.refusal("SUBSCRIBE TICKS").startswith(b"ERROR PROTO ")
    refused(hub.refusal("PUBLISH ticks acks=durable"), "DENIED")

    def settled():
        now = numbers(hub)
        # The last connections have to be gone, and the follower to be sent what it follows.
        return now if now("sent_messages_total") == 9 and now("publishers", channel="ticks") == 0 else None

    now = wait_until(settled, what="the follower")
    assert now.of("received_messages_total", "channel") == {"http": 1, "ticks": 3, "_others": 0}
    assert now.of("received_bytes_total", "channel") == {"http": 16, "ticks": 135, "_others": 0}
    assert now.of("kept_bytes", "channel") == {"http": 16, "ticks": 135, "_others": 0}
    assert now.of("subscribers", "channel") == {"http": 0, "ticks": 3, "_others": 0}
    assert now.of("lag_messages", "channel") == {"http": 0, "ticks": 0, "_others": 0}
    assert now("sent_bytes_total") >= 3 * 135
    assert 3 <= now("writes_total") < 100
    # At least one for those of the hub's protocol, and one for the request.
    assert 2 <= now("acks_total") <= 4
    codes = {code: count for code, count in now.of("refusals_total", "code").items() if count}
    assert codes == {"FUTURE": 1, "PROTO": 2, "DENIED": 1}
    assert set(now.of("refusals_total", "code")) >= {"BUSY", "FULL", "STORAGE", "AUTH"}
    assert now.of("mistakes_total", "kind") == {"refused": 3, "request-at-plain-port": 0, "input-thrown-away": 0}
    kinds = now.of("connections", "kind")
    assert (kinds["subscriber"], kinds["follower"], kinds["http"]) == (2, 1, 1), kinds
    assert now("channels") == 2
    assert now("accepted_connections_total") >= before("accepted_connections_total") + 9
    assert now.of("status", "status") == {"ok": 1, "slow": 0, "degraded": 0, "full": 0, "read-only": 0}
    assert before("start_time_seconds") == now("start_time_seconds") > 1.7e9
    assert 0 < now("memory_bytes") <= now("memory_limit_bytes")
    assert set(now.of("build_info", "version").values()) == {1}
    follower.close()


def test_what_a_slow_subscriber_has_not_got_is_its_channels_lag(watched):
    hub = watched()
    slow, _ = hub.subscribe("ticks", receive_buffer=65536)
    hub.subscribe("ticks")
    # More than all buffers between the two.
    messages = [b"%d" % number + bytes(100_000) for number in range(150)]
    hub.publish("ticks", messages)
    now = numbers(hub)
    assert 0 < now("lag_messages", channel="ticks") <= len(messages)
    for message in messages:
        assert slow.frame() == message
    # The other one has still taken nothing.
    assert numbers(hub)("received_messages_total", channel="ticks") == len(messages)
    slow.close()


def test_of_150_channels_100_have_names_and_no_counter_falls(watched):
    hub = watched("--allow-delete", "all")
    # One that waits for a channel that has nothing takes no name.
    hub.subscribe("a-first")
    fill(hub, 150)
    now = numbers(hub).of("received_messages_total", "channel")
    assert list(now) == [f"channel-{number:03}" for number in range(100)] + ["_others"]
    assert now.pop("_others") == 50 and set(now.values()) == {1}
    # A name before them all comes too late, and what is deleted stays in the sum of the others.
    hub.publish("a-first", [b"y", b"z"])
    assert numbers(hub)("received_messages_total", channel="_others") == 52
    for gone in ["channel-007", "channel-140"]:
        assert hub.ask(f"DELETE {gone}")[1].startswith(b"OK")
    later = numbers(hub).of("received_messages_total", "channel")
    assert later.pop("_others") == 52
    assert set(now) - set(later) == {"channel-007"} and not set(later) - set(now)
    # There is room for one that comes.
    hub.publish("a-second", [b"x"])
    last = numbers(hub).of("received_messages_total", "channel")
    assert set(last) - set(later) == {"a-second", "_others"} and last["_others"] == 52
    assert numbers(hub)("channels") == 150


# The disk

def test_a_disk_that_hangs_holds_no_scrape_up(run, binary, tmp_path):
    trace = ["strace", "-D", "-f", "-o", tmp_path / "trace", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_exit=4000000:when=40"]
    hub = under(run, tmp_path, [*trace, binary], *logged(tmp_path), "--metrics", "127.0.0.1:0")
    client, _ = hub.ask("PUBLISH ticks acks=none")
    # The one that is slow is met by whichever thread commits; each counts its own.
    while (now := numbers(hub))("status", status="ok"):
        client.send(frame(b"x"))
    assert now("status", status="slow") == 1 and now("disk_wait_seconds") > 1
    wait_until(lambda: numbers(hub)("status", status="ok"), what="the end of the sync")
    now = numbers(hub)
    buckets = now.of("journal_sync_seconds_bucket", "le")
    assert buckets["+Inf"] == now("journal_sync_seconds_count") >= buckets["2.5"] + 1
    assert now("journal_sync_seconds_sum") > 3.9
    assert now("disk_wait_seconds") == 0
    assert 0 < now("disk_bytes") < now("disk_limit_bytes")
    client.close()
    stop(hub)


def test_a_call_that_has_failed_is_counted_with_its_error(hub, tmp_path):
    data = tmp_path / "data"
    hub = hub(*logged(tmp_path), "--metrics", "127.0.0.1:0")
    hub.publish("a", [b"1"])
    (data / "channels" / "b").write_text("")
    for _ in range(2):
        client, answer = hub.ask("PUBLISH b")
        ok(answer)
        client.send(frame(b"1"))
        refused(client.answer(), "STORAGE")
        client.close()
    now = numbers(hub)
    assert now("disk_faults_total", call="open", error="ENOTDIR") == 1
    assert now("status", status="degraded") == 1
    assert now("refusals_total", code="STORAGE") == 2


# Who asks

def test_a_scraper_that_does_not_read_holds_nobody_up(watched):
    hub = watched()
    fill(hub, 100)
    silent = []
    for _ in range(20):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(BOUND)
        sock.connect(("127.0.0.1", hub.numbers))
        # Many answers, more than all buffers between the two take.
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        silent.append(sock)
    for _ in range(20):
        assert numbers(hub)("channels") == 100
    hub.publish("channel-000", [b"y"])
    assert numbers(hub)("received_messages_total", channel="channel-000") == 2
    for sock in silent:
        sock.close()
    wait_until(lambda: numbers(hub)("connections", kind="http") == 1, what="the end of the silent ones")


def test_numbers_are_for_admins(watched, binary, tmp_path):
    policy = tmp_path / "hub.toml"
    make = [binary, "token", "new", "--auth", policy]
    other, admin = (subprocess.run([*make, *words], capture_output=True, check=True, text=True).stdout.strip()
                    for words in [["meter7", "--publish", "*", "--subscribe", "*"], ["operator", "--admin"]])
    hub = watched("--auth", policy)
    for port in hub.http, hub.numbers:
        hub.http = port
        problem(ask(hub, "GET", "/metrics"), 401, "AUTH")
        problem(ask(hub, "GET", "/metrics", headers={"Authorization": f"Bearer {other}"}), 403, "DENIED")
        bearer = {"Authorization": f"Bearer {admin}"}
        assert Numbers(scrape(hub, bearer, port))("refusals_total", code="DENIED") >= 1
        assert ask(hub, "GET", "/health", headers=bearer)[0] == 200


def test_the_address_for_numbers_has_nothing_else(watched):
    hub = watched()
    hub.http = hub.numbers
    assert ask(hub, "GET", "/metrics")[0] == ask(hub, "GET", "/health")[0] == 200
    for method, path in [("GET", "/"), ("GET", "/channels"), ("GET", "/channels/ticks"), ("GET", "/clients"), ("GET", "/page/main.js"),
                         ("POST", "/channels/ticks"), ("POST", "/tickets")]:
        said = problem(ask(hub, method, path, headers=OPENING), 404)
        assert "/metrics and /health" in said["detail"]
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
               "Sec-WebSocket-Protocol": "tenfold"}
    problem(ask(hub, "GET", "/channels", headers=upgrade), 404)
    # What keeps other web pages out does so here.
    problem(ask(hub, "GET", "/metrics", headers={"Host": "evil.example"}), 421)
    problem(ask(hub, "GET", "/metrics", headers={"Origin": "https://evil.example"}), 403)


# Settings

def test_numbers_are_on_a_network_only_with_tls_and_a_policy(binary, tmp_path):
    for arguments in [["--metrics", "0.0.0.0:0"], ["--metrics", "tls://0.0.0.0:0"], ["--metrics"], ["--metrics", "nowhere"]]:
        done = subprocess.run([binary, "serve", "--check", *arguments], capture_output=True, text=True)
        assert done.returncode == 2, (arguments, done.stderr)
    settings = tmp_path / "settings.toml"
    settings.write_text('metrics = ["127.0.0.1:10090"]\nhttp-host = ["hub.example"]\n')
    done = subprocess.run([binary, "serve", "--config", settings, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_numbers_go_over_tls(hub, own, authority):
    started = hub("--metrics", "tls://127.0.0.1:0", "--tls-cert", own, "--tls-key", own.with_suffix(".key"))
    connection = http.client.HTTPSConnection("localhost", started.plain[-1], timeout=BOUND, context=authority.client())
    connection.request("GET", "/metrics")
    assert b"\ntenfold_channels 0\n" in connection.getresponse().read()
    connection.close()


# The dashboard

DASHBOARD = json.loads((ROOT / "examples" / "grafana" / "tenfold.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
QUERIES = [variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]


def test_the_dashboard_shows_all_numbers_and_no_others():
    used = set(re.findall(r"\btenfold_\w+", "\n".join(EXPRESSIONS + QUERIES)))
    parts = {f"tenfold_journal_sync_seconds{part}": "tenfold_journal_sync_seconds" for part in ("_bucket", "_count")}
    assert {parts.get(name, name) for name in used} == set(NAMES)
    # Only counters have rates.
    for name in re.findall(r"(?:rate|increase)\((tenfold_\w+)", "\n".join(EXPRESSIONS)):
        assert name in parts or NAMES[name] == "counter", name


def test_the_panels_of_the_dashboard_have_a_place_each():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        squares = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not squares & taken, panel["title"]
        taken |= squares
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]} | {"__rate_interval"}
    for text in EXPRESSIONS + QUERIES:
        assert set(re.findall(r"\$(\w+)", text)) <= variables, text


@needs_promtool
def test_promtool_reads_each_expression_of_the_dashboard(tmp_path):
    expressions = [expression.replace("$__rate_interval", "1m").replace("$", "") for expression in EXPRESSIONS]
    rules = [{"record": f"dashboard:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    # JSON is YAML.
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run([PROMTOOL, "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True)
    assert done.returncode == 0 and f"{len(EXPRESSIONS)} rules found" in done.stdout, done.stdout + done.stderr
