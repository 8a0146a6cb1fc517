//! A hub that speaks TLS: at the wire, with clients that do what they like.

mod common;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::LONG;
use common::tls::{Authority, Clients, TlsStream};
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{ClientConfig, ConnectionTrafficSecrets, ContentType, ProtocolVersion};
use tenfold_hub::{Direction, Hub, HubOptions, Plain, Port};

struct World {
    hub: Hub,
    /// Ports for the protocol: over TLS, and without.
    tls: SocketAddr,
    tcp: SocketAddr,
    /// A plain port over TLS that sends, and one that receives.
    out: SocketAddr,
    into: SocketAddr,
    config: Arc<ClientConfig>,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn start() -> Self {
        Self::with(HubOptions::default())
    }

    fn with(mut options: HubOptions) -> Self {
        let authority = Authority::new("a test");
        options.tls = Some(authority.server(Clients::NotAsked, &[]));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [tls, tcp, out, into] = listeners.each_ref().map(|it| it.local_addr().unwrap());
        let [a, b, c, d] = listeners;
        let plain = |direction| Plain::new("plain".parse().unwrap(), direction);
        let ports = [
            Port::protocol(a).over_tls(),
            Port::protocol(b),
            Port::plain(c, plain(Direction::Out)).over_tls(),
            Port::plain(d, plain(Direction::In)).over_tls(),
        ];
        let inside = runtime.enter();
        let hub = Hub::start(ports, options).unwrap();
        drop(inside);
        Self {
            hub,
            tls,
            tcp,
            out,
            into,
            config: authority.client_config(None),
            runtime,
        }
    }

    fn connect(&self, address: SocketAddr) -> TlsStream {
        TlsStream::connect(address, &self.config).unwrap()
    }

    /// A connection over TLS, after the answer to its request.
    fn ask(&self, request: &str) -> TlsStream {
        let mut stream = self.connect(self.tls);
        stream.write_all(&frame(request)).unwrap();
        let answer = read_frame(&mut stream).unwrap();
        assert!(answer.starts_with("OK "), "{answer}");
        stream
    }

    /// The messages of a channel, as a client without TLS gets them.
    fn messages(&self, channel: &str, count: usize) -> Vec<String> {
        let mut stream = TcpStream::connect(self.tcp).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let request = format!("SUBSCRIBE {channel} from=first");
        stream.write_all(&frame(&request)).unwrap();
        read_frame(&mut stream).unwrap();
        (0..count)
            .map(|_| read_frame(&mut stream).unwrap())
            .collect()
    }

    /// Waits until there are so many connections.
    fn connections(&self, count: usize) {
        let start = Instant::now();
        while self.hub.stats().connections != count {
            assert!(start.elapsed() < LONG, "{:?}", self.hub.stats());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn frame(payload: &str) -> Vec<u8> {
    format!("{:<10}{payload}", payload.len()).into_bytes()
}

/// The next frame; none at the end, which over TLS must be one that the hub has said.
fn read_frame(stream: &mut impl Read) -> Option<String> {
    let mut header = [0; 10];
    match stream.read(&mut header[..1]).expect("an end that was said") {
        0 => return None,
        n => stream.read_exact(&mut header[n..]).unwrap(),
    }
    let length = std::str::from_utf8(&header).unwrap().trim().parse();
    let mut payload = vec![0; length.unwrap()];
    stream.read_exact(&mut payload).unwrap();
    Some(String::from_utf8(payload).unwrap())
}

fn frames(stream: &mut impl Read) -> Vec<String> {
    std::iter::from_fn(|| read_frame(stream)).collect()
}

#[test]
fn messages_of_all_sizes_arrive_as_they_were_sent_and_the_end_is_said() {
    let world = World::start();
    let mut subscriber = world.ask("SUBSCRIBE big");
    let mut publisher = world.ask("PUBLISH big");
    let sizes = [0, 1, 100, 16_374, 16_375, 70_000, 3_000_000, 5];
    let messages: Vec<String> = sizes
        .iter()
        .enumerate()
        .map(|(n, size)| {
            char::from(b'a' + u8::try_from(n).unwrap())
                .to_string()
                .repeat(*size)
        })
        .collect();
    let sent = messages.clone();
    let publishing = std::thread::spawn(move || {
        for message in &sent {
            publisher.write_all(&frame(message)).unwrap();
        }
        publisher.end().unwrap();
        frames(&mut publisher)
    });
    for message in &messages {
        assert!(read_frame(&mut subscriber).as_ref() == Some(message));
    }
    let told = publishing.join().unwrap();
    assert_eq!(told.last().map(String::as_str), Some("ACK 8"));
    let stats = world.runtime.block_on(world.hub.drain());
    assert_eq!(read_frame(&mut subscriber), None);
    assert_eq!(stats.connections, 0);
}

#[test]
fn a_subscriber_that_has_said_its_end_goes_on_receiving() {
    let world = World::start();
    let mut subscriber = world.ask("SUBSCRIBE ticks");
    subscriber.end().unwrap();
    let mut publisher = world.ask("PUBLISH ticks");
    for number in 0..100 {
        publisher.write_all(&frame(&number.to_string())).unwrap();
        assert_eq!(read_frame(&mut subscriber), Some(number.to_string()));
    }
}

#[test]
fn plain_ports_speak_tls_as_well() {
    let world = World::start();
    let mut subscriber = world.connect(world.out);
    // It is in the channel once it gets something.
    let mut publisher = world.connect(world.into);
    let start = Instant::now();
    while world.hub.stats().delivered == 0 {
        assert!(start.elapsed() < LONG);
        publisher.write_all(&frame("news")).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(read_frame(&mut subscriber).as_deref(), Some("news"));
    publisher.end().unwrap();
    assert_eq!(frames(&mut publisher), [""; 0]);
}

#[test]
fn whoever_is_at_the_wrong_port_is_told_which_one_is_right() {
    let world = World::start();
    let mut plain = TcpStream::connect(world.tls).unwrap();
    plain.write_all(&frame("CHANNELS")).unwrap();
    assert_eq!(
        frames(&mut plain),
        ["ERROR PROTO this port speaks TLS: connect to tls://"]
    );
    let mut one_byte = TcpStream::connect(world.tls).unwrap();
    one_byte.write_all(b"8").unwrap();
    assert_eq!(frames(&mut one_byte).len(), 1);
    // On a plain port nothing is ever said.
    let mut plain = TcpStream::connect(world.into).unwrap();
    plain.write_all(&frame("hello")).unwrap();
    assert_eq!(frames(&mut plain), [""; 0]);
    let error = TlsStream::connect(world.tcp, &world.config).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    let mut hello = TcpStream::connect(world.tcp).unwrap();
    hello.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    assert_eq!(
        frames(&mut hello),
        [
            "ERROR PROTO this port does not speak TLS: connect to tcp://, or to a port that is tls://"
        ]
    );
    world.connections(0);
}

#[test]
fn a_handshake_has_the_time_of_a_request() {
    let mut options = HubOptions::default();
    options.request_timeout = Duration::from_millis(300);
    let world = World::with(options);
    let silent = TcpStream::connect(world.tls).unwrap();
    let mut begun = TcpStream::connect(world.tls).unwrap();
    begun.write_all(b"\x16\x03\x01\x02\x00").unwrap();
    let at_plain_port = TcpStream::connect(world.out).unwrap();
    // The handshake alone is not a request.
    let shaken = world.connect(world.tls);
    for mut stream in [silent, begun, at_plain_port, shaken.tcp] {
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        let is_plain = rest.first().is_some_and(u8::is_ascii_digit);
        assert!(!is_plain, "nothing is said that is not encrypted");
    }
    world.connections(0);
}

#[test]
fn garbage_after_the_hello_ends_that_connection_and_no_other() {
    let world = World::start();
    let mut other = world.ask("PUBLISH other");
    for garbage in [
        &b"\x16\x03\x01\x40\x01\x01"[..],
        b"\x16\x03\x03\x00\x04\x01\xff\xff\xff",
        b"\x16\x03\x01\x00\x05hello",
        b"\x16GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(world.tls).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(garbage).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told);
        assert!(
            told.first().is_none_or(|first| *first == 21),
            "an alert: {told:?}"
        );
    }
    other.write_all(&frame("still here")).unwrap();
    assert_eq!(read_frame(&mut other).as_deref(), Some("ACK 1"));
    world.connections(1);
}

/// Each record is a frame, so as many frames are stored as there are whole records before the cut.
#[test]
fn a_publisher_that_is_cut_at_any_byte_has_its_whole_frames_stored() {
    let world = World::start();
    let mut cut = 0;
    loop {
        let channel = format!("cut.{cut}");
        let mut stream = world.ask(&format!("PUBLISH {channel}"));
        let records = ["first", "", "third"].map(|message| stream.encrypt(&frame(message)));
        let wire = records.concat();
        stream.tcp.write_all(&wire[..cut]).unwrap();
        stream.tcp.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        let told = stream.read_to_end(&mut rest);
        // The hub has nothing to say to whoever was cut, not even that this is the end.
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let ends = records.iter().scan(0, |end, record| {
            *end += record.len();
            Some(*end)
        });
        let whole = ends.filter(|end| *end <= cut).count();
        let mut check = world.ask(&format!("PUBLISH {channel}"));
        check.write_all(&frame("check")).unwrap();
        read_frame(&mut check).unwrap();
        let mut stored = world.messages(&channel, whole + 1);
        assert_eq!(stored.pop().as_deref(), Some("check"), "cut at {cut}");
        assert_eq!(stored, ["first", "", "third"][..whole], "cut at {cut}");
        if cut == wire.len() {
            break;
        }
        cut += 1;
    }
}

/// A client that writes what records it likes.
struct Forger {
    encrypter: Box<dyn MessageEncrypter>,
    seq: u64,
    tcp: TcpStream,
}

impl Forger {
    /// From a connection on which nothing has been written since the handshake.
    fn new(stream: TlsStream) -> Self {
        let suite = stream.tls.negotiated_cipher_suite().unwrap();
        let secrets = stream.tls.dangerous_extract_secrets().unwrap();
        let (seq, secrets) = secrets.tx;
        let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets
        else {
            panic!("an unknown cipher");
        };
        Self {
            encrypter: suite.tls13().unwrap().aead_alg.encrypter(key, iv),
            seq,
            tcp: stream.tcp,
        }
    }

    fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(payload),
        };
        let record = self.encrypter.encrypt(message, self.seq).unwrap();
        self.seq += 1;
        record.encode()
    }
}

/// A connection that publishes, on which records can be forged.
fn forger(world: &World) -> Forger {
    let mut forger = Forger::new(world.connect(world.tls));
    let request = forger.record(ContentType::ApplicationData, &frame("PUBLISH flood"));
    forger.tcp.write_all(&request).unwrap();
    forger
}

#[test]
fn a_client_that_sends_nothing_but_empty_records_is_ended() {
    let world = World::start();
    let mut other = world.ask("PUBLISH other");
    let mut flooder = forger(&world);
    let start = Instant::now();
    loop {
        let empty = flooder.record(ContentType::ApplicationData, b"");
        if flooder.tcp.write_all(&empty).is_err() {
            break;
        }
        assert!(start.elapsed() < LONG);
    }
    other.write_all(&frame("x")).unwrap();
    assert_eq!(read_frame(&mut other).as_deref(), Some("ACK 1"));
}

/// Its records are nearly empty, and as many as it can send. Others are served meanwhile, and so is it.
#[test]
fn a_client_whose_records_are_nearly_empty_is_served_beside_others() {
    let world = World::start();
    let mut other = world.ask("PUBLISH other");
    let mut flooder = forger(&world);
    let message = "x".repeat(10_000);
    let bytes = frame(&message);
    let flooding = std::thread::spawn(move || {
        for some in bytes.chunks(100) {
            let mut wire = Vec::new();
            for byte in some {
                for _ in 0..10 {
                    wire.append(&mut flooder.record(ContentType::ApplicationData, b""));
                }
                wire.append(&mut flooder.record(ContentType::ApplicationData, &[*byte]));
            }
            flooder.tcp.write_all(&wire).unwrap();
        }
        flooder
    });
    let mut acknowledged = 0;
    loop {
        acknowledged += 1;
        other.write_all(&frame("x")).unwrap();
        assert_eq!(read_frame(&mut other), Some(format!("ACK {acknowledged}")));
        if flooding.is_finished() {
            break;
        }
    }
    let _flooder = flooding.join().unwrap();
    assert!(world.messages("flood", 1) == [message]);
}

#[test]
fn a_client_that_changes_keys_without_end_is_ended() {
    let world = World::start();
    let mut flooder = world.ask("PUBLISH flood");
    let mut other = world.ask("PUBLISH other");
    let start = Instant::now();
    let ended = loop {
        flooder.tls.refresh_traffic_keys().unwrap();
        let mut wire = Vec::new();
        while flooder.tls.wants_write() {
            flooder.tls.write_tls(&mut wire).unwrap();
        }
        if let Err(error) = flooder.tcp.write_all(&wire) {
            break error;
        }
        assert!(start.elapsed() < LONG);
    };
    assert!(
        matches!(
            ended.kind(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        ),
        "{ended}"
    );
    other.write_all(&frame("x")).unwrap();
    assert_eq!(read_frame(&mut other).as_deref(), Some("ACK 1"));
    // Whoever changes them now and then goes on, on both sides.
    for number in 2..200 {
        other.tls.refresh_traffic_keys().unwrap();
        other.write_all(&frame("x")).unwrap();
        assert_eq!(read_frame(&mut other), Some(format!("ACK {number}")));
    }
}

/// What a client does not take stays where it was, and then it gets all of it.
#[test]
fn a_subscriber_that_stops_and_goes_on_misses_nothing() {
    let mut options = HubOptions::default();
    options.send_buffer = HubOptions::LEAST_SEND_BUFFER;
    let world = World::with(options);
    let mut subscriber = world.ask("SUBSCRIBE ticks");
    let mut publisher = world.ask("PUBLISH ticks");
    let message = "x".repeat(50_000);
    for number in 0..400 {
        publisher
            .write_all(&frame(&format!("{number}{message}")))
            .unwrap();
    }
    publisher.end().unwrap();
    assert_eq!(
        frames(&mut publisher).last().map(String::as_str),
        Some("ACK 400")
    );
    for number in 0..400 {
        let next = read_frame(&mut subscriber).unwrap();
        assert!(next.starts_with(&format!("{number}x")), "{number}");
    }
}
