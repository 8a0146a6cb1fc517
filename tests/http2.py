"""A client of HTTP/2 for the tests of the HTTP door: every frame is the test's, read and written with the package `h2`."""

import contextlib
import http.client
import socket
import ssl

import h2.config
import h2.connection
import h2.events
import h2.settings
from support import BOUND


class Stream:
    """What has come of one answer."""

    def __init__(self):
        self.status = None
        self.headers = http.client.HTTPMessage()
        self.body = b""
        #: `end`, or the code with which it was reset.
        self.ended = None


class Http2:
    """A connection over TLS, on which HTTP/2 was agreed. It is closed with its hub.

    What comes is taken, and the hub is told that it may send as much again, but for the streams in `held`.
    """

    def __init__(self, hub, *, context: ssl.SSLContext | None = None, source: str | None = None, **settings):
        self.authority = f"127.0.0.1:{hub.http}"
        context = context or hub.authority.client()
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", hub.http), timeout=BOUND, source_address=(source, 0) if source else None)
        self.sock = context.wrap_socket(plain, server_hostname="localhost")
        assert self.sock.selected_alpn_protocol() == "h2"
        # What is wrong is said to the hub as it is.
        config = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        values = {h2.settings.SettingCodes[name]: value for name, value in settings.items()}
        self.h2.local_settings = h2.settings.Settings(client=True, initial_values=values)
        # A GOAWAY is not the end: what was begun goes on.
        machine, goaway = self.h2.state_machine, h2.connection.ConnectionInputs.RECV_GOAWAY
        is_open = h2.connection.ConnectionState.CLIENT_OPEN
        machine._transitions = machine._transitions | {(is_open, goaway): (None, is_open)}
        self.h2.initiate_connection()
        self.streams: dict[int, Stream] = {}
        self.held: set[int] = set()
        #: The code of the GOAWAY, and whether the connection has ended.
        self.goaway = None
        self.is_closed = False
        self.flush()
        hub.closes(self)

    def flush(self):
        if data := self.h2.data_to_send():
            self.sock.sendall(data)

    def send_raw(self, data: bytes):
        """Bytes that the library does not send: it does not know of them."""
        self.flush()
        self.sock.sendall(data)

    def open(self, method: str, path: str, headers: dict[str, str] | None = None, *, ends=True) -> int:
        """Begins a request: the number of its stream."""
        headers = dict(headers or {})
        pseudo = {":method": method, ":scheme": "https", ":authority": headers.pop("Host", self.authority), ":path": path}
        return self.open_as_it_is([*pseudo.items(), *((name.lower(), value) for name, value in headers.items())], ends=ends)

    def open_as_it_is(self, fields: list[tuple[str, str]], *, ends=True) -> int:
        """Begins a request with these fields, whatever they are."""
        number = self.h2.get_next_available_stream_id()
        self.streams[number] = Stream()
        self.h2.send_headers(number, fields, end_stream=ends)
        self.flush()
        return number

    def put(self, number: int, body: bytes, *, ends=True):
        """A body, as the hub takes it."""
        while body:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if room == 0:
                if self.streams[number].ended is not None or not self.pump():
                    return
                continue
            part, body = body[:room], body[room:]
            self.h2.send_data(number, part)
            self.flush()
        if ends:
            self.h2.end_stream(number)
            self.flush()

    def reset(self, number: int, code: int = 8):
        self.h2.reset_stream(number, code)
        self.flush()

    def pump(self) -> bool:
        """Takes what comes next; false at the end of the connection."""
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            self.is_closed = True
            return False
        for event in self.h2.receive_data(data):
            self.take(event)
        with contextlib.suppress(ConnectionError):
            self.flush()
        return True

    def take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        match event:
            case h2.events.ResponseReceived():
                for name, value in event.headers:
                    if name == ":status":
                        stream.status = int(value)
                    else:
                        stream.headers[name] = value
            case h2.events.DataReceived():
                stream.body += event.data
                if event.stream_id not in self.held and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                stream.ended = "end"
            case h2.events.StreamReset():
                # One without a code says only that no more of the request is wanted.
                stream.ended = stream.ended or event.error_code
            case h2.events.ConnectionTerminated():
                self.goaway = event.error_code

    def until(self, met) -> bool:
        """Takes what comes until `met` holds; false if the connection ends before."""
        while not met():
            if not self.pump():
                return met()
        return True

    def body_until(self, number: int, end: bytes) -> bytes:
        stream = self.streams[number]
        assert self.until(lambda: end in stream.body or stream.ended is not None), "the connection has ended"
        assert end in stream.body, (stream.ended, stream.body)
        return stream.body

    def answer(self, number: int) -> tuple[int, http.client.HTTPMessage, bytes]:
        """All of an answer that ends properly: its status, its headers and its body."""
        stream = self.streams[number]
        assert self.until(lambda: stream.ended is not None), "the connection has ended"
        assert stream.ended == "end", stream.ended
        return stream.status, stream.headers, stream.body

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None):
        number = self.open(method, path, headers, ends=body is None)
        if body is not None:
            self.put(number, body)
        return self.answer(number)

    def to_the_end(self):
        """Takes everything until the connection ends."""
        self.until(lambda: False)

    def raw_rest(self) -> list[tuple[int, int, bytes]]:
        """The frames that come until the connection ends, without the library: the kind of each, its stream and its payload."""
        data, frames = b"", []
        with contextlib.suppress(ConnectionError):
            while more := self.sock.recv(1 << 16):
                data += more
        while len(data) >= 9:
            length, kind, stream = int.from_bytes(data[:3]), data[3], int.from_bytes(data[5:9])
            frames.append((kind, stream, data[9:9 + length]))
            data = data[9 + length:]
        return frames

    def close(self):
        self.sock.close()
