"""A hub that is killed again and again under HTTP clients: nothing is lost, nothing comes twice, and each break is said."""

import contextlib
import http.client
import json
import random
import threading
import time

import pytest
from door import OPENING, open_at
from hub import ack, ok
from support import BOUND, FULL, frame, frames, wait_until
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

KILLS = 100 if FULL else 5
#: Each has one publisher, so the message with seq N is the publisher's N-th. The last one keeps so little that readers can be too late.
CHANNELS = {"tunnelled": "websocket", "posted": "post", "trimmed": "post"}
BROKEN = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, EOFError, http.client.HTTPException)

#: In a page: an EventSource, and a WebSocket that comes back, on each channel. `states` says how far they are.
PAGE = """channels => {
  window.states = {}
  const follow = (name, open) => {
    const state = states[name] = { next: 0, isOpen: false, breaks: 0, gaps: 0, wrong: [] }
    open(state, {
      opened: () => state.isOpen = true,
      broken: () => { if (state.isOpen) state.breaks += 1; state.isOpen = false },
      take: (seq, text) => {
        // What is kept for so short a time may have gone before anybody came.
        if (state.next === 0 && name.endsWith('trimmed')) state.next = seq
        if (seq !== state.next || !text.startsWith(`${seq}:`)) state.wrong.push(`${seq} where ${state.next} was next: ${text.slice(0, 20)}`)
        state.next = seq + 1
      },
      miss: ({ expected, first }) => {
        if (expected !== state.next || first <= expected) state.wrong.push(`a gap from ${expected} to ${first} where ${state.next} was next`)
        state.next = first
        state.gaps += 1
      },
    })
  }
  for (const channel of channels) {
    follow(`EventSource of ${channel}`, (state, { opened, broken, take, miss }) => {
      const events = new EventSource(`/channels/${channel}?from=first`)
      events.onopen = opened
      events.onmessage = ({ data, lastEventId }) => take(Number(lastEventId.split('.')[1]), data)
      events.addEventListener('gap', ({ data }) => miss(JSON.parse(data)))
      events.onerror = () => { broken(); if (events.readyState === EventSource.CLOSED) state.wrong.push('it has given up') }
    })
    follow(`WebSocket of ${channel}`, (state, { opened, broken, take, miss }) => {
      let epoch = '', place = 'first'
      const connect = () => {
        const socket = new WebSocket(`ws://${location.host}/channels/${channel}?from=${place}`, 'tenfold.messages')
        let seq = 0
        socket.binaryType = 'arraybuffer'
        socket.onmessage = ({ data }) => {
          if (typeof data !== 'string') take(seq++, new TextDecoder().decode(data))
          else if (data.startsWith('OK ')) {
            seq = Number(/from=([0-9]+)/.exec(data)[1])
            if (place === 'first' && state.next && seq !== state.next) miss({ expected: state.next, first: seq })
            if (!data.includes(' new=')) epoch = `&epoch=${/epoch=([^ ]+)/.exec(data)[1]}`
            opened()
          } else if (!data.startsWith('ERROR TRIMMED ')) state.wrong.push(data)
          place = data.startsWith?.('ERROR TRIMMED ') ? 'first' : `${state.next}${epoch}`
        }
        socket.onclose = () => { broken(); setTimeout(connect, 50) }
      }
      connect()
    })
  }
}"""


class Publisher:
    """Publishes `0:...`, `1:...`, ... until it is told to end, whatever happens to the hub."""

    def __init__(self, hub, channel: str, way: str):
        self.hub, self.channel = hub, channel
        self.send = getattr(self, way)
        self.random = random.Random(channel)
        self.stored = 0
        self.is_ending = False
        self.wrong: Exception | None = None
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def block(self, first: int) -> list[bytes]:
        # 500 bytes and more: what comes while an EventSource waits for its next attempt can be more than is kept.
        return [b"%d:%s" % (number, b"x" * (500 + number % 500)) for number in range(first, first + self.random.randrange(1, 40))]

    def work(self):
        try:
            while not self.is_ending:
                with contextlib.suppress(*BROKEN):
                    self.send()
                # Until there is a hub again.
                time.sleep(0.02)
        except Exception as error:
            self.wrong = error

    def websocket(self):
        with open_at(self.hub, "/channels", "tenfold") as socket:
            got = b""

            def answer() -> bytes:
                nonlocal got
                while len(got) < 10 or len(got) < 10 + int(got[:10]):
                    got += socket.recv(BOUND)
                end = 10 + int(got[:10])
                taken, got = got[10:end], got[end:]
                return taken

            socket.send(frame(f"PUBLISH {self.channel} producer=p".encode()))
            said = answer()
            if said.startswith(b"ERROR BUSY "):
                return
            next = int(ok(said)["next"])
            assert next >= self.stored, f"{self.stored} were acknowledged, and {next} are there"
            while not self.is_ending:
                block = self.block(next)
                socket.send(frames(block))
                next += len(block)
                while self.stored < next:
                    self.stored = ack(answer())
                time.sleep(0.01)

    def post(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.hub.http, timeout=BOUND)
        headers = OPENING | {"Content-Type": "application/vnd.tenfold", "Tenfold-Producer": "p"}
        with contextlib.closing(connection):
            while not self.is_ending:
                block = self.block(self.stored)
                # The same again if the answer was lost, or a longer one: what is there already is left out.
                connection.request("POST", f"/channels/{self.channel}", frames(block), headers | {"Tenfold-First": str(self.stored)})
                answer = connection.getresponse()
                said = json.loads(answer.read())
                if answer.status == 503:
                    return
                assert answer.status == 200, said
                self.stored = said["next"]
                time.sleep(0.01)

    def end(self):
        self.is_ending = True
        self.thread.join(BOUND)
        assert not self.thread.is_alive() and self.wrong is None, self.wrong


@pytest.fixture
def publishers():
    started = []

    def start(hub, channel, way):
        started.append(Publisher(hub, channel, way))
        return started[-1]

    yield start
    for one in started:
        one.is_ending = True
        one.thread.join(BOUND)


def test_browsers_lose_nothing_and_see_nothing_twice_when_the_hub_is_killed_again_and_again(kept, page, publishers, capfd):
    hub = kept("--journal", "256KiB", "--retain", "trimmed:max-bytes=64KiB", "--retain", "max-bytes=10GiB")
    shown = page(f"http://127.0.0.1:{hub.http}/")
    shown.evaluate(PAGE, list(CHANNELS))
    started = {channel: publishers(hub, channel, way) for channel, way in CHANNELS.items()}
    chance = random.Random(17)

    def states():
        return shown.evaluate("states")

    def all_have(counts: dict[str, int]) -> bool:
        """Whether each reader is there and has so many messages of its channel; and that nothing was wrong."""
        found = states()
        wrong = {name: state["wrong"][:5] for name, state in found.items() if state["wrong"]}
        assert not wrong, f"{wrong}"
        assert not any(publisher.wrong for publisher in started.values()), [publisher.wrong for publisher in started.values()]
        return all(state["isOpen"] and state["next"] >= counts[name.split()[-1]] for name, state in found.items())

    for life in range(KILLS):
        # Everybody has something of this life, and it ends while there is more.
        counts = {channel: publisher.stored + chance.randrange(1, 300) for channel, publisher in started.items()}
        wait_until(lambda: all_have(counts), 2 * BOUND, f"everybody's messages in life {life}")
        kept.kill(hub)
        # A WebSocket sees it at once; an EventSource is told by the browser.
        wait_until(lambda: all(state["breaks"] >= life + 1 for state in states().values()), BOUND, f"everybody's break after life {life}")
        hub = kept.again(hub)
    for publisher in started.values():
        publisher.end()
    # What the last requests have stored, although nobody was told.
    totals = {channel: int(ok(hub.ask(f"SUBSCRIBE {channel} from=next")[1])["next"]) for channel in started}
    wait_until(lambda: all_have(totals), 2 * BOUND, "the last messages")
    found = states()
    for name, state in found.items():
        channel = name.split()[-1]
        assert state["next"] == totals[channel] >= started[channel].stored, (name, state)
        assert channel == "trimmed" or state["gaps"] == 0, (name, state)
        assert state["breaks"] == KILLS or "WebSocket of trimmed" == name, (name, state)
    with capfd.disabled():
        print(f"\n{KILLS} kills, {sum(totals.values())} messages, gaps: { {name: state['gaps'] for name, state in found.items() if state['gaps']} }")
