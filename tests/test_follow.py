"""`--follow`: a file that grows, is renamed, cut and made again, and every whole line of it arrives once."""

import json
import os
import random
import signal

import pytest

from support import connect, frame, read_message, wait_until


@pytest.fixture(params=["broadcast", "pub"])
def following(request, tenfold, hub, tmp_path):
    """Starts one that follows; gives back its file, and a function that waits for what comes next."""
    path = tmp_path / "app.log"
    path.write_bytes(b"there before\n")
    if request.param == "broadcast":
        process = tenfold("broadcast", "--follow", path, "--wait-clients", "1", listen=True)
        client = connect(process.port)
        return path, lambda: read_message(client), process
    place = hub()
    process = tenfold("pub", "log", "--follow", path, "--server", f"127.0.0.1:{place.port}")
    client = subscribed(place)
    return path, client.frame, process


def subscribed(place):
    """To a channel that its first message creates."""

    def there():
        client, answer = place.ask("SUBSCRIBE log from=first")
        if answer.startswith(b"OK"):
            return client
        client.close()

    return wait_until(there, what="the channel")


def append(path, data: bytes):
    with open(path, "ab") as file:
        file.write(data)


def test_every_line_comes_once_through_rename_truncation_and_a_new_file(following):
    path, next_message, process = following
    assert next_message() == b"there before"
    append(path, b"one\ntw")
    assert next_message() == b"one"
    append(path, b"o\n")
    assert next_message() == b"two"
    # Renamed, as logrotate does; who has it open goes on writing for a while.
    old = path.with_suffix(".1")
    os.rename(path, old)
    append(old, b"late\n")
    append(path, b"of the new file\n")
    assert next_message() == b"late"
    assert next_message() == b"of the new file"
    # Cut, as `copytruncate` does.
    os.truncate(path, 0)
    append(path, b"short\n")
    assert next_message() == b"short"
    # Removed; it appears again later.
    os.remove(path)
    wait_until(lambda: "app.log" in process.err, what="the note that it is missing")
    append(path, b"again\n")
    assert next_message() == b"again"


def test_a_last_line_without_an_end_belongs_to_its_own_file(following):
    path, next_message, _ = following
    assert next_message() == b"there before"
    append(path, b"begun in the old file")
    os.rename(path, path.with_suffix(".1"))
    append(path, b"first of the new\n")
    assert next_message() == b"begun in the old file"
    assert next_message() == b"first of the new"


@pytest.mark.parametrize("form", ["frames", "nul"])
def test_a_message_that_its_file_does_not_end_is_not_a_part_of_the_next_file(tenfold, tmp_path, form):
    path = tmp_path / "messages"
    write = frame if form == "frames" else lambda message: message + b"\0"
    path.write_bytes(write(b"whole") + write(b"cut off")[:-3])
    process = tenfold("broadcast", "--follow", path, "--in", form, "--wait-clients", "1", listen=True)
    client = connect(process.port)
    assert read_message(client) == b"whole"
    os.rename(path, tmp_path / "old")
    path.write_bytes(write(b"new"))
    if form == "nul":
        # As the last line of a text, it may lack its end.
        assert read_message(client) == b"cut o"
    assert read_message(client) == b"new"
    said = "ended inside a frame, which is left out"
    if form == "frames":
        wait_until(lambda: said in process.err, what="the warning")
    else:
        assert said not in process.err


def test_frames_that_are_published_from_a_file_that_is_cut_go_on_behind_the_cut(tenfold, hub, tmp_path):
    place = hub()
    path = tmp_path / "frames"
    path.write_bytes(frame(b"whole") + frame(b"cut off")[:-3])
    process = tenfold("pub", "log", "--follow", path, "--in", "frames", "--server", f"127.0.0.1:{place.port}")
    client = subscribed(place)
    assert client.frame() == b"whole"
    os.truncate(path, 0)
    append(path, frame(b"new"))
    assert client.frame() == b"new"
    assert "ended inside a frame, which is left out" in process.err


class Publishing:
    """`pub --follow` that is ended and started again."""

    def __init__(self, tenfold, hub, tmp_path, *options):
        self.path, self.state = tmp_path / "app.log", tmp_path / "app.state"
        self.place = hub("--data", tmp_path / "data")
        arguments = ("pub", "log", "--follow", self.path, "--server", f"127.0.0.1:{self.place.port}", *options)
        self.start = lambda: tenfold(*arguments)
        self.next = 0

    def append(self, count: int, path=None):
        lines = range(self.next, self.next + count)
        self.next += count
        append(path or self.path, b"".join(b"line %d\n" % line for line in lines))

    def stored(self) -> list[bytes]:
        client, answer = self.place.ask("SUBSCRIBE log from=first")
        if not answer.startswith(b"OK"):
            return []
        end = int(dict(field.split(b"=") for field in answer.split(b" ")[1:])[b"next"])
        with client:
            return [client.frame() for _ in range(end)]

    def wait_stored(self):
        wait_until(lambda: len(self.stored()) >= self.next, what="the lines")
        assert self.stored() == [b"line %d" % line for line in range(self.next)]


@pytest.mark.parametrize("options", [["--state", "STATE"], [], ["--producer", "app", "--state", "STATE"]], ids=" ".join)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_goes_on_where_the_last_one_has_ended(tenfold, hub, tmp_path, options, end):
    options = [tmp_path / "app.state" if option == "STATE" else option for option in options]
    publishing = Publishing(tenfold, hub, tmp_path, *options)
    publishing.append(1000)
    for _ in range(3):
        process = publishing.start()
        publishing.wait_stored()
        publishing.append(500)
        publishing.wait_stored()
        process.signal(end)
        process.wait()
        # Appended while nobody follows.
        publishing.append(500)
    publishing.start()
    publishing.wait_stored()


def test_lines_of_a_file_that_was_renamed_between_two_runs_are_published(tenfold, hub, tmp_path):
    publishing = Publishing(tenfold, hub, tmp_path, "--state", tmp_path / "app.state")
    publishing.append(100)
    process = publishing.start()
    publishing.wait_stored()
    process.signal(signal.SIGTERM)
    process.wait()
    publishing.append(100)
    os.rename(publishing.path, publishing.path.with_suffix(".1"))
    publishing.append(100)
    process = publishing.start()
    publishing.wait_stored()
    assert "is called" in process.err and "app.1 now" in process.err


def rotate(path, number: int):
    """As logrotate does: each of the old files gets the next number."""
    for n in range(number, 0, -1):
        old = path.with_name(f"{path.name}.{n - 1}") if n > 1 else path
        os.rename(old, path.with_name(f"{path.name}.{n}"))


def test_files_that_were_rotated_more_than_once_between_two_runs_are_published_in_order(tenfold, hub, tmp_path):
    publishing = Publishing(tenfold, hub, tmp_path, "--state", tmp_path / "app.log.state")
    publishing.append(100)
    process = publishing.start()
    publishing.wait_stored()
    process.signal(signal.SIGTERM)
    process.wait()
    for number in (1, 2, 3):
        publishing.append(100)
        rotate(publishing.path, number)
        publishing.append(100)
    process = publishing.start()
    publishing.wait_stored()
    assert "app.log.3 now" in process.err and f"{tmp_path}/app.log.1 was {publishing.path} in between" in process.err
    assert "left out" not in process.err


def test_files_that_are_rotated_more_than_once_while_the_hub_is_away_are_published_in_order(tenfold, hub, tmp_path):
    publishing = Publishing(tenfold, hub, tmp_path, "--state", tmp_path / "app.log.state")
    publishing.append(1)
    publishing.start()
    publishing.wait_stored()
    # A hub that is stopped takes nothing, and so the file is not read on.
    publishing.place.process.signal(signal.SIGSTOP)
    for number in range(1, 5):
        publishing.append(20_000)
        rotate(publishing.path, number)
        publishing.append(20_000)
    publishing.place.process.signal(signal.SIGCONT)
    publishing.wait_stored()


def test_a_file_between_that_is_called_otherwise_is_named(tenfold, hub, tmp_path):
    publishing = Publishing(tenfold, hub, tmp_path, "--state", tmp_path / "app.log.state")
    publishing.append(100)
    process = publishing.start()
    publishing.wait_stored()
    process.signal(signal.SIGTERM)
    process.wait()
    # Renamed twice while nobody follows, and compressed once.
    os.rename(publishing.path, tmp_path / "app.log.2")
    between = tmp_path / "app.log.1.gz"
    append(between, b"nobody reads this\n")
    old = os.stat(tmp_path / "app.log.2").st_mtime
    os.utime(between, (old + 10, old + 10))
    publishing.append(100)
    process = publishing.start()
    publishing.wait_stored()
    wait_until(lambda: f"{between} was written after {tmp_path}/app.log.2, and is left out" in process.err, what="the warning")
    assert "app.log.state was written" not in process.err


def test_kills_at_any_moment_lose_and_repeat_nothing(tenfold, hub, tmp_path):
    publishing = Publishing(tenfold, hub, tmp_path, "--state", tmp_path / "app.state")
    chance = random.Random(15)
    publishing.append(1)
    for round in range(15):
        process = publishing.start()
        for _ in range(chance.randrange(1, 8)):
            publishing.append(chance.randrange(1, 3000))
        if round % 3 == 2:
            rotated = publishing.path.with_suffix(f".{round}")
            os.rename(publishing.path, rotated)
            publishing.append(10, rotated)
            publishing.append(10)
        wanted = chance.randrange(publishing.next)
        wait_until(lambda: len(publishing.stored()) >= wanted, what="some of the lines")
        if round % 3 == 2:
            # Of files that were renamed only the last is looked for.
            publishing.wait_stored()
        process.signal(signal.SIGKILL)
        process.wait()
    publishing.start()
    publishing.wait_stored()


@pytest.mark.parametrize("way", ["cut", "made again"])
def test_a_file_that_was_cut_between_two_runs_begins_again_and_that_is_said(tenfold, hub, tmp_path, way):
    publishing = Publishing(tenfold, hub, tmp_path, "--state", tmp_path / "app.state")
    publishing.append(100)
    process = publishing.start()
    publishing.wait_stored()
    process.signal(signal.SIGTERM)
    process.wait()
    if way == "cut":
        os.truncate(publishing.path, 0)
    else:
        os.remove(publishing.path)
    # Longer than it was.
    publishing.append(1000)
    process = publishing.start()
    publishing.wait_stored()
    assert "is lost" in process.err


def test_a_cut_that_is_seen_says_what_it_may_have_cost(tenfold, hub, tmp_path):
    publishing = Publishing(tenfold, hub, tmp_path)
    publishing.append(100)
    process = publishing.start()
    publishing.wait_stored()
    os.truncate(publishing.path, 0)
    wait_until(lambda: "was truncated after 790 bytes" in process.err, what="the warning")
    assert "lost" in process.err
    publishing.append(1)
    publishing.wait_stored()


def test_a_hub_that_has_lost_everything_gets_the_file_again(tenfold, hub, tmp_path):
    first = hub()
    path = tmp_path / "app.log"
    append(path, b"one\ntwo\n")
    command = ("pub", "log", "--follow", path, "--state", tmp_path / "app.state", "--server")
    process = tenfold(*command, f"127.0.0.1:{first.port}")
    assert first.messages("log", 2) == [b"one", b"two"] if subscribed(first) else None
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    second = hub()
    append(path, b"three\n")
    process = tenfold(*command, f"127.0.0.1:{second.port}")
    client = subscribed(second)
    assert [client.frame() for _ in range(3)] == [b"one", b"two", b"three"]
    assert "the hub has 0 messages" in process.err


@pytest.mark.parametrize("text", ["", "{}", '{"file":1}', "words"])
def test_a_file_that_is_not_a_state_is_refused(tenfold, tmp_path, text):
    path, state = tmp_path / "app.log", tmp_path / "state"
    state.write_text(text)
    process = tenfold("pub", "log", "--follow", path, "--state", state, "--server", "127.0.0.1:1")
    assert process.wait() == 1
    assert "is not a state" in process.err
    assert state.read_text() == text


def test_the_state_of_another_channel_is_refused(tenfold, hub, tmp_path):
    publishing = Publishing(tenfold, hub, tmp_path, "--state", tmp_path / "state")
    publishing.append(1)
    publishing.start()
    publishing.wait_stored()
    kept = json.loads((tmp_path / "state").read_text())
    assert kept["channel"] == "log" and kept["file"] == os.fspath(publishing.path)
    process = tenfold("pub", "other", "--follow", publishing.path, "--state", tmp_path / "state", "--server", "127.0.0.1:1")
    assert process.wait() == 1 and "is the state of channel log" in process.err


@pytest.mark.parametrize("command", [["pub", "log", "--follow"], ["broadcast", "--listen", "127.0.0.1:0", "--follow"]], ids=" ".join)
def test_a_fifo_is_refused_at_the_start(tenfold, tmp_path, command):
    os.mkfifo(tmp_path / "fifo")
    process = tenfold(*command, tmp_path / "fifo")
    assert process.wait() == 2
    assert "is a FIFO" in process.err
