"""`tenfold token`, `serve --auth`, and the tools as somebody."""

import json
import os
import signal
import stat

import pytest
from support import frame, wait_until


@pytest.fixture
def policy(tmp_path):
    return tmp_path / "hub.toml"


@pytest.fixture
def token(tenfold, tmp_path, policy):
    """Makes a token, and gives the file that has it."""

    def make(name, *arguments):
        made = tenfold("token", "new", name, *arguments, "--auth", policy)
        assert made.wait() == 0, made.err
        file = tmp_path / f"{name}.token"
        file.touch(mode=0o600)
        file.write_bytes(made.out)
        return file

    return make


@pytest.fixture
def as_somebody(tenfold):
    """Runs a command at a hub, with a token's file if there is one."""

    def run(hub, who, command, *arguments, **options):
        credential = ("--token-file", who) if who else ()
        started = tenfold(command, *arguments, "--server", f"127.0.0.1:{hub.port}", *credential, **options)
        started.wait()
        return started

    return run


def test_a_token_opens_what_its_identity_may_do_and_nothing_else(hub, token, policy, as_somebody):
    meter = token("meter7", "--publish", "meters.7.*")
    reader = token("reader", "--subscribe", "meters.*")
    served = hub("--auth", policy)
    assert as_somebody(served, meter, "pub", "meters.7.power", "17.25").wait() == 0
    read = as_somebody(served, reader, "sub", "meters.7.power", "--from", "first", "--until-end")
    assert (read.wait(), read.out) == (0, b"17.25\n")
    for who, command, code, words in [
        (None, ("pub", "meters.7.power", "1"), 6, "ERROR AUTH"),
        (None, ("channels",), 6, "ERROR AUTH"),
        (meter, ("pub", "meters.8.power", "1"), 6, "ERROR DENIED"),
        (meter, ("sub", "meters.7.power"), 6, "ERROR DENIED"),
        (reader, ("pub", "meters.7.power", "1"), 6, "ERROR DENIED"),
        (reader, ("delete", "meters.7.power", "--yes"), 6, "ERROR DENIED"),
    ]:
        refused = as_somebody(served, who, *command)
        assert refused.wait() == code, (command, refused.err)
        assert words in refused.err and "Traceback" not in refused.err
    again = as_somebody(served, reader, "sub", "meters.*", "--from", "first", "--until-end")
    assert again.out == b"meters.7.power\t17.25\n"


def test_a_token_is_in_no_log_no_list_and_no_process(hub, token, policy, as_somebody, tenfold, tmp_path):
    meter = token("meter7", "--publish", "*", "--subscribe", "*", "--admin")
    secret = meter.read_text().strip()
    served = hub("--auth", policy, "--log-level", "debug")
    assert as_somebody(served, meter, "pub", "ticks", "1").wait() == 0
    # A typing error of one character.
    wrong = tmp_path / "wrong.token"
    wrong.touch(mode=0o600)
    wrong.write_text(secret[:-1] + ("A" if secret[-1] != "A" else "B"))
    assert as_somebody(served, wrong, "pub", "ticks", "1").wait() == 6
    follower = tenfold("sub", "ticks", "--server", f"127.0.0.1:{served.port}", "--token-file", meter)
    clients = wait_until(lambda: listed(as_somebody(served, meter, "clients", "--json"), "subscriber"))
    assert clients["identity"] == "meter7"
    with open(f"/proc/{follower.process.pid}/cmdline", "rb") as cmdline:
        assert secret.encode() not in cmdline.read()
    assert secret[12:] not in policy.read_text()
    assert secret[12:] not in served.process.err + json.dumps(clients)


def listed(clients, kind):
    found = [client for client in map(json.loads, clients.out.splitlines()) if client["kind"] == kind]
    return found[0] if found else None


def test_programs_that_are_started_do_not_get_the_token(hub, token, policy, as_somebody, tenfold, tmp_path):
    meter = token("meter7", "--publish", "*", "--subscribe", "*")
    served = hub("--auth", policy)
    assert as_somebody(served, meter, "pub", "ticks", "1").wait() == 0
    environment = {"TENFOLD_TOKEN_FILE": str(meter), "TENFOLD_TOKEN": meter.read_text().strip()}
    seen = tmp_path / "environment"
    command = f"env > {seen}; cat > /dev/null"
    arguments = ("sub", "ticks", "--from", "first", "--until-end", "--exec", command, "--server", f"127.0.0.1:{served.port}")
    ran = tenfold(*arguments, env={**os.environ, **environment})
    assert ran.wait() == 0, ran.err
    assert "PATH=" in seen.read_text() and "TOKEN" not in seen.read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_can_read_is_not_taken(tenfold, token, policy, mode):
    meter = token("meter7", "--publish", "*")
    meter.chmod(mode)
    refused = tenfold("channels", "--token-file", meter)
    assert refused.wait() == 2
    assert "others can read it" in refused.err and "chmod 600" in refused.err


def test_the_environment_can_have_the_token_or_the_file(hub, token, policy, tenfold):
    meter = token("meter7", "--subscribe", "*")
    served = hub("--auth", policy)
    server = f"127.0.0.1:{served.port}"
    for environment in [{"TENFOLD_TOKEN": meter.read_text()}, {"TENFOLD_TOKEN_FILE": str(meter)}]:
        listing = tenfold("channels", "--server", server, env={**os.environ, **environment})
        assert listing.wait() == 0, listing.err
    wrong = tenfold("channels", "--server", server, env={**os.environ, "TENFOLD_TOKEN": "secret"})
    assert wrong.wait() == 2 and "TENFOLD_TOKEN: expected a token" in wrong.err and "secret" not in wrong.err


def test_a_reload_takes_rights_away_and_gives_them(hub, token, policy, tenfold, as_somebody):
    reader = token("reader", "--subscribe", "*")
    served = hub("--auth", policy)
    follower = tenfold("sub", "ticks", "--server", f"127.0.0.1:{served.port}", "--token-file", reader)
    wait_until(lambda: served.process.err.count("subscriber connected") == 1)
    meter = token("meter7", "--publish", "*")
    assert as_somebody(served, meter, "pub", "ticks", "1").wait() == 6, "the policy is not read again yet"
    served.process.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the policy is read again" in served.process.err)
    assert as_somebody(served, meter, "pub", "ticks", "1").wait() == 0
    wait_until(lambda: follower.out == b"1\n")
    revoke = tenfold("token", "revoke", "reader", "--auth", policy)
    assert revoke.wait() == 0 and "1 token is revoked" in revoke.err
    served.process.process.send_signal(signal.SIGHUP)
    assert follower.wait() == 6, follower.err
    assert "ERROR AUTH" in follower.err


def test_a_policy_with_a_mistake_changes_nothing(hub, token, policy, as_somebody):
    meter = token("meter7", "--publish", "*")
    served = hub("--auth", policy)
    good = policy.read_text()
    policy.write_text(good + '\n[[identity]]\nname = "x"\ncolour = 1\n')
    served.process.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "no setting is changed" in served.process.err)
    assert "hub.toml, line 8: " in served.process.err.replace("\n", " ")
    assert as_somebody(served, meter, "pub", "ticks", "1").wait() == 0


def test_a_hub_does_not_start_with_a_policy_that_it_cannot_trust(tenfold, token, policy):
    token("meter7", "--publish", "*")
    policy.chmod(0o620)
    for arguments in [("--check",), ()]:
        refused = tenfold("serve", "--auth", policy, "--listen", "127.0.0.1:0", *arguments)
        assert refused.wait() == 2 and "others can change it" in refused.err, refused.err
    missing = tenfold("serve", "--auth", policy.with_name("none"), "--check")
    assert missing.wait() == 2 and "cannot read a policy from" in missing.err


def test_the_policy_is_private_and_keeps_what_its_owner_wrote(tenfold, token, policy):
    token("meter7", "--publish", "*")
    assert stat.S_IMODE(policy.stat().st_mode) == 0o600
    policy.write_text("# Ours.\n" + policy.read_text())
    token("reader", "--subscribe", "ticks", "--expires", "90d")
    assert policy.read_text().startswith("# Ours.\n")
    listing = tenfold("token", "list", "--json", "--auth", policy)
    assert listing.wait() == 0
    meter, reader = map(json.loads, listing.out.splitlines())
    assert (meter["name"], meter["publish"], meter["expires"]) == ("meter7", ["*"], None)
    assert (reader["subscribe"], reader["admin"]) == (["ticks"], False) and reader["expires"].endswith("Z")
    assert [path.name for path in policy.parent.glob("hub.toml*")] == ["hub.toml"]


def test_what_a_token_may_do_can_be_asked(tenfold, token, policy):
    reader = token("reader", "--subscribe", "ticks", "--subscribe", "news.*")
    known = tenfold("token", "check", "--auth", policy, "--token-file", reader)
    assert known.wait() == 0 and known.out == b"reader may publish to -, and subscribe to ticks news.*\n"
    assert tenfold("token", "revoke", "reader", "--auth", policy).wait() == 0
    gone = tenfold("token", "check", "--auth", policy, "--token-file", reader)
    assert gone.wait() == 6 and "is not valid" in gone.err
    nobody = tenfold("token", "revoke", "reader", "--auth", policy)
    assert nobody.wait() == 1 and "no such token" in nobody.err


def test_mistakes_of_token_new_say_what_to_do(tenfold, token, policy):
    for arguments, words in [
        (("meter7",), "a new identity needs rights"),
        (("Meter7", "--publish", "*"), "expected a name of 1 to 64"),
        (("meter7", "--publish", "*x"), "expected a channel name"),
        (("meter7", "--publish", "*", "--expires", "soon"), "2027-01-01T00:00:00Z"),
    ]:
        refused = tenfold("token", "new", *arguments, "--auth", policy)
        assert refused.wait() == 2 and words in refused.err, refused.err
    assert not policy.exists()
    token("meter7", "--publish", "*")
    refused = tenfold("token", "new", "meter7", "--publish", "ticks", "--auth", policy)
    assert refused.wait() == 2 and "its rights are changed in" in refused.err


def test_a_plain_port_takes_a_token_before_the_first_message(hub, token, policy):
    meter = token("meter7", "--publish", "ticks", "--subscribe", "ticks")
    served = hub("--auth", policy, "--plain", "127.0.0.1:0=ticks:in,token")
    (port,) = served.plain
    with served.connect(port) as client:
        secret = meter.read_text().strip().encode()
        client.send(b"%-10d%s" % (len(secret), secret) + b"1         x")
        client.half_close()
        assert client.rest() == []
    with served.connect(port) as client:
        client.send(b"1         y")
        assert client.rest() == []
    request = f"SUBSCRIBE ticks from=first token={meter.read_text().strip()}"
    with served.connect() as client:
        client.request(request)
        assert client.answer().startswith(b"OK")
        assert client.frame() == b"x"


def test_a_message_that_comes_together_with_the_token_does_not_wait_for_the_next_one(hub, token, policy):
    meter = token("meter7", "--publish", "ticks", "--subscribe", "ticks").read_text().strip()
    served = hub("--auth", policy, "--plain", "127.0.0.1:0=ticks:both,token")
    client = served.connect(*served.plain)
    client.send(frame(meter.encode()) + frame(b"x"))
    assert client.frame() == b"x"


def test_the_audit_has_a_line_for_each_request_and_each_end(hub, token, policy, as_somebody, tmp_path):
    meter = token("meter7", "--publish", "meters.7")
    audit = tmp_path / "audit.json"
    served = hub("--auth", policy, "--audit", audit)
    assert as_somebody(served, meter, "pub", "meters.7", "17.25", "--producer", "meter7").wait() == 0
    assert as_somebody(served, meter, "pub", "other", "1").wait() == 6
    assert as_somebody(served, None, "channels").wait() == 6
    assert as_somebody(served, meter, "channels", "--health").wait() == 0
    lines = wait_until(lambda: complete(audit, 5))
    secret = meter.read_text().strip()
    assert secret[12:] not in audit.read_text() and stat.S_IMODE(audit.stat().st_mode) == 0o600
    told = [(line["request"], line.get("channel"), line.get("identity"), line["result"]) for line in lines]
    assert told == [
        ("PUBLISH", "meters.7", "meter7", "OK"),
        ("PUBLISH", "meters.7", "meter7", "END"),
        ("PUBLISH", "other", "meter7", "DENIED"),
        ("CHANNELS", None, None, "AUTH"),
        ("HEALTH", None, "meter7", "OK"),
    ]
    assert lines[0]["producer"] == "meter7" and lines[0]["token"] == secret[3:11]
    assert (lines[1]["messages"], lines[1]["bytes"]) == (1, 15)
    assert list(lines[0]) == ["time", "peer", "identity", "token", "request", "channel", "producer", "result"]
    assert lines[0]["time"] <= lines[1]["time"] and lines[0]["peer"].startswith("127.0.0.1:")


def complete(audit, count):
    lines = audit.read_text().splitlines()
    return [json.loads(line) for line in lines] if len(lines) >= count else None


def test_an_audit_that_was_moved_goes_on_in_a_new_file_after_sighup(hub, policy, token, as_somebody, tmp_path):
    reader = token("reader", "--subscribe", "*")
    audit, moved = tmp_path / "audit.json", tmp_path / "audit.json.1"
    served = hub("--auth", policy, "--audit", audit)
    assert as_somebody(served, reader, "channels").wait() == 0
    wait_until(lambda: complete(audit, 1))
    audit.rename(moved)
    served.process.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "SIGHUP" in served.process.err)

    def asked():
        as_somebody(served, reader, "channels")
        return audit.exists() and complete(audit, 1)

    assert wait_until(asked)[0]["request"] == "CHANNELS"


def test_an_audit_that_cannot_be_written_is_said_once_and_holds_up_nobody(hub, policy, token, as_somebody, tmp_path):
    reader = token("reader", "--subscribe", "*")
    served = hub("--auth", policy, "--audit", "/dev/full")
    for _ in range(3):
        assert as_somebody(served, reader, "channels").wait() == 0
    wait_until(lambda: "the audit cannot be written" in served.process.err)
    assert served.process.err.count("the audit cannot be written") == 1
