"""`--follow`: a file that grows, is renamed, cut and made again, and every whole line of it arrives once."""

import os

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
def test_a_message_that_its_file_does_not_end_is_no_part_of_the_next_file(tenfold, tmp_path, form):
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
    assert ("ended inside a frame, which is left out" in process.err) == (form == "frames")


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
