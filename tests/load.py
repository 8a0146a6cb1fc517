"""Publishers that go on whatever they are told, and know at the end what must be there."""

import threading
import time

from hub import Hub, ack, numbered, ok
from support import BOUND, frames, read_exactly, wait_until

BURST = 20
# Between two bursts, and between two tries of a publisher that was refused.
PAUSE = 0.02


class Publisher:
    """Publishes `0`, `1`, ... to a channel of its own under a name, and connects again after each end."""

    def __init__(self, load: "Load", channel: str):
        self.load, self.channel = load, channel
        self.sent = self.acknowledged = 0
        self.told: list[bytes] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.load.is_over.is_set():
                self._connect()
                time.sleep(PAUSE)
        except Exception as error:
            self.load.wrong.append(f"publisher of {self.channel}: {error!r}")

    def _connect(self):
        try:
            with self.load.hub.connect() as client:
                client.request(f"PUBLISH {self.channel} producer=p")
                answer = client.frame()
                if answer is None or answer.startswith(b"ERROR "):
                    self.told.append(answer or b"the end")
                    return
                next = int(ok(answer)["next"])
                assert self.acknowledged <= next <= self.sent, (self.acknowledged, next, self.sent)
                self.acknowledged = next
                self._publish(client, next)
        except (ConnectionError, EOFError) as error:
            self.told.append(repr(error).encode())

    def _publish(self, client, next: int):
        while not self.load.is_over.is_set():
            next += BURST
            # Whatever becomes of it, the hub may have it.
            self.sent = max(self.sent, next)
            client.send(frames(numbered(BURST, next - BURST, self.load.prefix)))
            while self.acknowledged < next:
                answer = client.frame()
                if answer is None or answer.startswith(b"ERROR "):
                    self.told.append(answer or b"the end")
                    return
                number = ack(answer)
                assert self.acknowledged < number <= next, (self.acknowledged, number, next)
                self.acknowledged = number
            time.sleep(PAUSE)


class Load:
    """Publishers on channels of their own. Nobody waits for an answer longer than `BOUND`."""

    def __init__(self, hub: Hub, channels, size: int = 100):
        self.hub, self.prefix = hub, "x" * size
        self.wrong: list[str] = []
        self.is_over = threading.Event()
        self.publishers = [Publisher(self, channel) for channel in channels]

    def goes_on(self, bound: float = BOUND):
        """Waits until each publisher has something acknowledged that it publishes from now on."""
        before = [publisher.sent for publisher in self.publishers]

        def moved() -> bool:
            assert not self.wrong, self.wrong
            return all(publisher.acknowledged > sent for publisher, sent in zip(self.publishers, before))

        wait_until(moved, bound, "an acknowledgement for each publisher")

    def goes_on_or_is_told(self, bound: float = BOUND):
        """The same, and who is told why it does not go on need not."""
        before = [publisher.sent for publisher in self.publishers]

        def moved() -> bool:
            assert not self.wrong, self.wrong
            return all(publisher.acknowledged > sent or publisher.told for publisher, sent in zip(self.publishers, before))

        wait_until(moved, bound, "an acknowledgement or a word for each publisher")

    def told(self, *codes: str) -> list[bytes]:
        """What publishers were told with these codes."""
        starts = tuple(f"ERROR {code} ".encode() for code in codes)
        return [answer for publisher in self.publishers for answer in publisher.told if answer.startswith(starts)]

    def end(self):
        """Ends it; then everything that was acknowledged must be there once, in its order."""
        self.is_over.set()
        for publisher in self.publishers:
            publisher.thread.join(BOUND)
            assert not publisher.thread.is_alive(), f"the publisher of {publisher.channel} waits: {publisher.told[-3:]}"
        assert not self.wrong, self.wrong
        self.check(self.hub)

    def check(self, hub: Hub):
        """Everything that was acknowledged is there once, in its order."""
        for publisher in self.publishers:
            client, keys = hub.subscribe(publisher.channel, " from=first")
            next = int(keys["next"])
            assert keys["from"] == "0" and publisher.acknowledged <= next <= publisher.sent, (publisher.channel, keys)
            expected = frames(numbered(next, prefix=self.prefix))
            with client:
                assert read_exactly(client.sock, len(expected)) == expected, publisher.channel
