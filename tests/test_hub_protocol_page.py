"""The transcripts of docs/hub-protocol.md are played against a hub as they are written there."""

import re
import time
from dataclasses import dataclass, field

import pytest

from hub import ack
from support import ROOT, frame, wait_until

PAGE = (ROOT / "docs" / "hub-protocol.md").read_text()
SECTION = re.compile(r"^## (\d+)", re.MULTILINE)
FENCE = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# How often HEALTH and CLIENTS are asked until the one who asked before is gone.
ATTEMPTS = 500
FRAME = re.compile(r"\|(.{10})\|(.*)\|")


@dataclass
class Transcript:
    """One block: lines of which way they go and what they say."""

    section: int
    steps: list[tuple[str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.section}: {self.steps[0][0]} {self.steps[0][1]}"


def transcripts() -> list[Transcript]:
    blocks = []
    for match in FENCE.finditer(PAGE):
        lines = match[1].splitlines()
        if not lines[0].startswith(("-> ", "<- ")):
            continue  # the grammar
        section = int(SECTION.findall(PAGE[: match.start()])[-1])
        assert all(line.startswith(("-> ", "<- ")) for line in lines), lines
        blocks.append(Transcript(section, [(line[:2], line[3:]) for line in lines]))
    return blocks


TRANSCRIPTS = transcripts()


def test_every_block_with_an_arrow_is_a_transcript():
    arrows = len(re.findall(r"^(?:->|<-) ", PAGE, re.MULTILINE))
    assert arrows == sum(len(one.steps) for one in TRANSCRIPTS) > 25
    assert {one.section for one in TRANSCRIPTS} == {1, 2, 3, 4, 5, 8}


@pytest.mark.parametrize("line", [text for one in TRANSCRIPTS for _, text in one.steps if text.startswith("|")])
def test_each_header_of_the_page_has_the_length_of_its_payload(line):
    header, payload = FRAME.fullmatch(line).groups()
    assert header.encode() + payload.encode() == frame(payload.encode())


class Player:
    """Plays blocks one after the other against one hub, and looks at every byte of the answers."""

    def __init__(self, hub):
        self.hub = hub
        self.kept = None
        self.others = []
        # The one of the hub, once it was heard: clients say it to resume.
        self.epoch = b"0123456789abcdef"

    def leave(self):
        while self.others:
            # A reset is the end at once.
            self.others.pop().reset()

    def play(self, block: Transcript):
        first = block.steps[0]
        if first[0] == "<-":
            # The block before goes on: the client that it left open is now fenced by a second one.
            client = self.kept
            second, answer = self.hub.ask("PUBLISH ticks producer=meter7")
            assert answer.startswith(b"OK ") and answer.endswith(b" next=1 acks=memory")
            second.close()
        else:
            if first[1].endswith("|CLIENTS|"):
                self.others.append(self.hub.subscribe("ticks", " from=first")[0])
                assert [self.others[0].frame() for _ in range(4)] == [b"hello", b"world", b"third", b"17.25"]
            if first[1].endswith("|DELETE draft|"):
                self.others.append(self.hub.ask("PUBLISH draft")[0])
                self.others[0].send(frame(b"third"))
                assert self.others[0].frame() == b"ACK 1"
            client = self.hub.connect(self.hub.plain[0] if block.section == 8 else None)
        try:
            for way, text in block.steps:
                if way == "->":
                    self.say(client, text)
                else:
                    self.hear(client, text)
        except AssertionError:
            client.close()
            self.leave()
            raise
        if block.steps[-1][1] != "(end)" and block.section == 3:
            self.kept = client
        else:
            client.close()
        self.leave()

    def say(self, client, text: str):
        if text == "(end)":
            client.half_close()
        elif text.startswith("|"):
            said = "".join(FRAME.fullmatch(text).groups()).encode()
            client.send(said.replace(b"0123456789abcdef", self.epoch))
        else:
            client.send(text.encode() + b"\r\n")

    def hear(self, client, text: str):
        heard = client.frame()
        if text == "(end)":
            assert heard is None
            return
        expected = FRAME.fullmatch(text)[2].encode()
        if expected.startswith(b"ACK "):
            # "One ACK may cover any number of messages": there may be others on the way to this one.
            while heard and heard.startswith(b"ACK ") and ack(heard) < ack(expected):
                heard = client.frame()
        pattern = re.escape(expected).replace(b"0123456789abcdef", b"[0-9a-f]{16}")
        pattern = re.sub(rb"version=\S+", rb"version=\\d+\\.\\d+\\.\\d+", pattern)
        pattern = re.sub(rb"uptime=\d+", rb"uptime=\\d+", pattern)
        # When it was committed.
        pattern = re.sub(rb"1795718642053", rb"\\d{13}", pattern)
        # What a connection is called and how old it is differs from run to run.
        pattern = re.sub(rb'"id":\d+', rb'"id":\\d+', pattern)
        pattern = re.sub(rb'"peer":"127\\.0\\.0\\.1:\d+"', rb'"peer":"127\\.0\\.0\\.1:\\d+"', pattern)
        pattern = re.sub(rb'"(rate|rate_bytes|age|mistake_age)":\d+\\\.\d+', rb'"\1":\\d+\\.\\d+', pattern)
        assert heard is not None and re.fullmatch(pattern, heard), (heard, expected)
        if epoch := re.search(rb"epoch=([0-9a-f]{16})", heard):
            self.epoch = epoch[1]


def ordered(blocks: list[Transcript]) -> list[Transcript]:
    """In the order of the page, but for section 2: it reads what the first transcript of section 3 has published."""
    before = [one for one in blocks if one.section < 2]
    reading = [one for one in blocks if one.section == 2]
    first, *behind = [one for one in blocks if one.section > 2]
    return [*before, first, *reading, *behind]


def test_the_transcripts_are_what_a_hub_says(hub):
    hub = hub("--plain", "127.0.0.1:0=ticks:both")
    player = Player(hub)
    for block in ordered(TRANSCRIPTS):
        if block.section == 4:
            # The clients of the blocks before have left; the hub may learn of it a moment later.
            wait_until(lambda: hub.health()["connections"] == "1", what="the end of the clients before")
        is_about_connections = block.section == 5 or block.steps[0][1].endswith("|CLIENTS|")
        for attempt in range(ATTEMPTS if is_about_connections else 1, 0, -1):
            try:
                player.play(block)
                break
            except AssertionError as error:
                # The clients that asked just before may still count as connections.
                if attempt == 1 or "connections=1 " in str(error).split("', b'")[0]:
                    raise AssertionError(f"in the transcript of section {block.name}: {error}") from error
                time.sleep(0.01)


def codes_of_the_page() -> set[str]:
    table = PAGE.split("## 6. Errors")[1].split("## 7.")[0]
    return set(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE))


def test_every_error_that_a_hub_can_give_is_provoked_by_a_test():
    provoked = set()
    for path in (ROOT / "tests").glob("test_hub_*.py"):
        provoked |= set(re.findall(r'refused\([^\n]*?"([A-Z_]+)"', path.read_text()))
    assert provoked == codes_of_the_page()
