//! The gate: who may do what, at each kind of port.

mod common;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::LONG;
use common::tls::{Authority, Certified, Clients, TlsStream};
use rustls::ClientConfig;
use socket2::{Domain, Socket, Type};
use tenfold::protocol::Token;
use tenfold_gate::{NewIdentity, Policy, PolicyFile};
use tenfold_hub::{Direction, Hub, HubOptions, Plain, Port, Starting, WhenSlow};

/// The columns of the tables.
const WHO: [&str; 6] = ["anonymous", "a", "b", "admin", "expired", "revoked"];

const AUTH: &str = "AUTH";
const DENIED: &str = "DENIED";
const OK: &str = "OK";

/// What each of [`WHO`] is told when it asks for something.
const TABLE: [(&str, [&str; 6]); 19] = [
    ("SUBSCRIBE a.x", [AUTH, OK, DENIED, OK, AUTH, AUTH]),
    ("SUBSCRIBE b.x", [AUTH, DENIED, OK, OK, AUTH, AUTH]),
    ("SUBSCRIBE public.x", [OK, DENIED, DENIED, OK, AUTH, AUTH]),
    ("SUBSCRIBE never", [AUTH, DENIED, DENIED, OK, AUTH, AUTH]),
    ("TIMES a.x from=0", [AUTH, OK, DENIED, OK, AUTH, AUTH]),
    (
        "TIMES none from=0",
        [AUTH, DENIED, DENIED, "NO_CHANNEL", AUTH, AUTH],
    ),
    ("FOLLOW a.x", [AUTH, OK, DENIED, OK, AUTH, AUTH]),
    ("FOLLOW a.* b.*", [AUTH, DENIED, DENIED, OK, AUTH, AUTH]),
    ("FOLLOW *", [OK, OK, OK, OK, AUTH, AUTH]),
    ("PUBLISH a.x", [AUTH, OK, DENIED, DENIED, AUTH, AUTH]),
    ("PUBLISH public.x", [AUTH, DENIED, DENIED, OK, AUTH, AUTH]),
    (
        "PUBLISH a.x producer=a",
        [AUTH, OK, DENIED, DENIED, AUTH, AUTH],
    ),
    (
        "PUBLISH a.x producer=a.2",
        [AUTH, OK, DENIED, DENIED, AUTH, AUTH],
    ),
    (
        "PUBLISH a.x producer=b",
        [AUTH, DENIED, DENIED, DENIED, AUTH, AUTH],
    ),
    (
        "PUBLISH a.x producer=_0123456789abcdef",
        [AUTH, OK, DENIED, DENIED, AUTH, AUTH],
    ),
    ("CHANNELS", [OK, OK, OK, OK, AUTH, AUTH]),
    ("CLIENTS", [AUTH, OK, OK, OK, AUTH, AUTH]),
    ("HEALTH", [OK, OK, OK, OK, AUTH, AUTH]),
    (
        "DELETE none",
        [AUTH, DENIED, DENIED, "NO_CHANNEL", AUTH, AUTH],
    ),
];

/// Where and how somebody says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// With a token.
    Tcp,
    /// With a token, over TLS.
    Tls,
    /// With a certificate.
    Certificate,
}

const DOORS: [Door; 3] = [Door::Tcp, Door::Tls, Door::Certificate];

/// The time of the hub, in seconds since 1970.
static CLOCK: AtomicU64 = AtomicU64::new(1_790_000_000);

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(CLOCK.load(SeqCst))
}

/// A policy with one identity for each column, and the token and the certificate of each.
struct Everybody {
    file: PolicyFile,
    tokens: Vec<Option<Token>>,
    authority: Authority,
    certificates: Vec<Option<Certified>>,
}

/// Which column is somebody's.
fn index(who: &str) -> usize {
    WHO.iter().position(|name| *name == who).unwrap()
}

/// The serial number of somebody's certificate.
fn serial(who: &str) -> u64 {
    100 + index(who) as u64
}

impl Everybody {
    fn new() -> Self {
        let mut file = PolicyFile::new();
        let tokens = WHO.map(|name| {
            let mut rights = NewIdentity::default();
            let own = |name: &str| vec![format!("{name}.*").parse().unwrap()];
            match name {
                "anonymous" => return None,
                "admin" => {
                    rights.admin = true;
                    rights.publish = own("public");
                    rights.subscribe = vec!["*".parse().unwrap()];
                }
                "expired" => {
                    rights.expires = Some("2020-01-01T00:00:00Z".parse().unwrap());
                    rights.publish = vec!["*".parse().unwrap()];
                    rights.subscribe = vec!["*".parse().unwrap()];
                }
                "revoked" => {
                    rights.publish = own("a");
                    rights.subscribe = own("a");
                }
                _ => {
                    rights.publish = own(name);
                    rights.subscribe = own(name);
                }
            }
            let token = file.new_token(name, &rights).unwrap();
            if name == "revoked" {
                file.revoke(token.id()).unwrap();
            }
            Some(token)
        });
        let authority = Authority::new("everybody");
        let certificate = |who: &str| {
            let name = format!("{who}.example");
            (who != "anonymous").then(|| authority.client(&name, serial(who)))
        };
        let certificates = WHO.map(certificate).into();
        Self {
            file,
            tokens: tokens.into(),
            authority,
            certificates,
        }
    }

    fn policy(&self) -> Arc<Policy> {
        let anonymous = "[anonymous]\nsubscribe = [\"public.*\"]\n";
        let mut text = format!("{anonymous}{}", self.file);
        for who in WHO {
            let name = format!("name = \"{who}\"\n");
            let certificate = format!("{name}certificate = \"dns:{who}.example\"\n");
            text = text.replace(&name, &certificate);
        }
        Arc::new(Policy::parse(&text).unwrap())
    }

    fn token(&self, who: &str) -> Option<&Token> {
        self.tokens[index(who)].as_ref()
    }

    /// What somebody connects with over TLS, with its certificate or without.
    fn config(&self, who: &str, door: Door) -> Arc<ClientConfig> {
        let own = self.certificates[index(who)].as_ref();
        let own = own.filter(|_| door == Door::Certificate);
        self.authority.client_config(own)
    }

    /// A connection to a hub's port for the protocol, with a request of somebody.
    fn ask(&self, hub: SocketAddr, who: &str, request: &str) -> TcpStream {
        let mut stream = connect(hub);
        let token = self.token(who);
        let token = token.map_or_else(String::new, |token| format!(" token={}", token.secret()));
        stream
            .write_all(&frame(&format!("{request}{token}")))
            .unwrap();
        if request.starts_with("FOLLOW") {
            stream.write_all(&frame("")).unwrap();
        }
        stream
    }
}

/// A connection of any kind.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

struct World {
    hub: Hub,
    protocol: SocketAddr,
    /// The port for the protocol over TLS, where clients may show certificates.
    tls: SocketAddr,
    everybody: Everybody,
    options: HubOptions,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn start(plain: Vec<Plain>) -> (Self, Vec<SocketAddr>) {
        Self::with(HubOptions::default(), plain)
    }

    fn with(mut options: HubOptions, plain: Vec<Plain>) -> (Self, Vec<SocketAddr>) {
        let everybody = Everybody::new();
        options.clock = clock;
        options.policy = Some(everybody.policy());
        let server = everybody
            .authority
            .server(Clients::May, &[serial("revoked")]);
        options.tls = Some(server);
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = bind();
        let protocol = listener.local_addr().unwrap();
        let over_tls = bind();
        let tls = over_tls.local_addr().unwrap();
        let mut ports = vec![
            Port::protocol(listener),
            Port::protocol(over_tls).over_tls(),
        ];
        let mut plain_ports = Vec::new();
        for plain in plain {
            let listener = bind();
            plain_ports.push(listener.local_addr().unwrap());
            ports.push(Port::plain(listener, plain));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let inside = runtime.enter();
        let hub = Hub::start(ports, options.clone()).unwrap();
        drop(inside);
        let world = Self {
            hub,
            protocol,
            tls,
            everybody,
            options,
            runtime,
        };
        (world, plain_ports)
    }

    /// A connection with a request of somebody.
    fn ask(&self, who: &str, request: &str) -> TcpStream {
        self.everybody.ask(self.protocol, who, request)
    }

    /// The same at any door.
    fn ask_at(&self, door: Door, who: &str, request: &str) -> io::Result<Box<dyn Stream>> {
        if door == Door::Tcp {
            return Ok(Box::new(self.ask(who, request)));
        }
        let config = self.everybody.config(who, door);
        let mut stream = TlsStream::over(connect(self.tls), &config)?;
        let token = self.everybody.token(who);
        let token = token.filter(|_| door == Door::Tls);
        let token = token.map_or_else(String::new, |token| format!(" token={}", token.secret()));
        stream.write_all(&frame(&format!("{request}{token}")))?;
        if request.starts_with("FOLLOW") {
            stream.write_all(&frame(""))?;
        }
        Ok(Box::new(stream))
    }

    /// What somebody's request at a door comes to; `TLS` if TLS lets nobody in.
    fn answer_at(&self, door: Door, who: &str, request: &str) -> String {
        let answer = self.ask_at(door, who, request);
        match answer.map(|mut stream| read_frame(&mut stream)) {
            Ok(Some(answer)) => code(&answer),
            Ok(None) | Err(_) => "TLS".to_owned(),
        }
    }

    /// The first words of the answer to somebody's request: `OK`, or the code.
    fn answer(&self, who: &str, request: &str) -> String {
        code(&read_frame(&mut self.ask(who, request)).expect("an answer"))
    }

    fn change(&mut self, policy: Policy) {
        self.options.policy = Some(Arc::new(policy));
        self.runtime
            .block_on(self.hub.change_options(&self.options));
    }
}

/// Each connection comes from another address, as those of one address are slowed down that try one credential
/// after the other.
fn connect(address: SocketAddr) -> TcpStream {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    connect_from(COUNT.fetch_add(1, SeqCst), address)
}

fn connect_from(last: u8, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 3, last], 0)).into())
        .unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn frame(payload: &str) -> Vec<u8> {
    format!("{:<10}{payload}", payload.len()).into_bytes()
}

/// The next frame; none at the end.
fn read_frame(stream: &mut impl Read) -> Option<String> {
    let mut header = [0; 10];
    stream.read_exact(&mut header).ok()?;
    let length = std::str::from_utf8(&header).unwrap().trim().parse();
    let mut payload = vec![0; length.unwrap()];
    stream.read_exact(&mut payload).unwrap();
    Some(String::from_utf8(payload).unwrap())
}

fn frames(stream: &mut impl Read) -> Vec<String> {
    std::iter::from_fn(|| read_frame(stream)).collect()
}

/// What an answer comes to: `OK`, or the code of an error.
fn code(answer: &str) -> String {
    let mut words = answer.split(' ');
    match words.next() {
        Some("ERROR") => words.next().unwrap().to_owned(),
        Some(word) if word.starts_with('{') => OK.to_owned(),
        word => word.unwrap_or_default().to_owned(),
    }
}

/// What somebody is told at the ports for the protocol.
#[test]
fn each_request_of_each_identity_has_its_answer_at_each_door() {
    let (world, _) = World::start(Vec::new());
    // So that every list has something for everybody who is shown a list.
    let _kept: Vec<_> = [("a", "PUBLISH a.x"), ("b", "PUBLISH b.x")]
        .map(|(who, request)| {
            let mut stream = world.ask(who, request);
            read_frame(&mut stream).unwrap();
            stream.write_all(&frame("1")).unwrap();
            assert_eq!(read_frame(&mut stream).as_deref(), Some("ACK 1"));
            stream
        })
        .into();
    let mut anonymous = world.ask("anonymous", "SUBSCRIBE public.x");
    read_frame(&mut anonymous).unwrap();
    for (request, expected) in TABLE {
        for door in DOORS {
            let told = WHO.map(|who| world.answer_at(door, who, request));
            let mut expected = expected;
            if door == Door::Certificate {
                // Nothing is asked with it.
                expected[index("revoked")] = "TLS";
            }
            let told = told.each_ref().map(String::as_str);
            assert_eq!(told, expected, "{request} at {door:?}");
        }
    }
}

#[test]
fn a_hub_that_is_starting_asks_who_it_is_before_it_has_anybody_wait() {
    let everybody = Everybody::new();
    let mut options = HubOptions::default();
    options.clock = clock;
    options.policy = Some(everybody.policy());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hub = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let inside = runtime.enter();
    let ports = [Port::protocol(listener)];
    let mut starting = Starting::new(ports, options, Arc::default()).unwrap();
    starting.answer().unwrap();
    drop(inside);
    // All of them ask at once: who has to wait is answered after some seconds.
    let asked = TABLE.map(|(request, _)| WHO.map(|who| everybody.ask(hub, who, request)));
    for ((request, expected), asked) in TABLE.into_iter().zip(asked) {
        for ((who, expected), mut stream) in WHO.iter().zip(expected).zip(asked) {
            let told = read_frame(&mut stream).expect("an answer");
            let expected = match expected {
                AUTH | DENIED => expected,
                _ if request == "HEALTH" => OK,
                _ => "BUSY",
            };
            assert_eq!(code(&told), expected, "{request} of {who}: {told}");
            // How many channels there are is nobody's business but an admin's.
            let shows_all = told.contains("0 of 0") || told.contains("of=0");
            let may_see_all = *who == "admin" && [OK, "BUSY"].contains(&expected);
            assert_eq!(shows_all, may_see_all, "{request} of {who}: {told}");
            if expected == OK && *who != "admin" {
                assert_eq!(told, "OK status=starting", "{who}");
            }
        }
    }
    runtime.block_on(starting.end());
}

#[test]
fn nothing_is_begun_before_the_gate() {
    let (world, _) = World::start(Vec::new());
    for who in WHO {
        for request in [
            "SUBSCRIBE x",
            "PUBLISH x",
            "PUBLISH x producer=x",
            "FOLLOW x",
            "DELETE x",
        ] {
            world.answer(who, request);
        }
    }
    let mut everything = world.ask("admin", "CHANNELS");
    let channels = frames(&mut everything);
    // Only admin may subscribe to it, and that has begun no channel which outlives the connection.
    assert!(
        channels
            .iter()
            .all(|channel| channel.contains(r#""publishers":0"#)),
        "{channels:?}"
    );
}

#[test]
fn whoever_has_no_valid_credential_is_told_the_same_whatever_is_wrong_with_it() {
    let (world, _) = World::start(Vec::new());
    let answers = ["anonymous", "expired", "revoked"]
        .map(|who| read_frame(&mut world.ask(who, "PUBLISH a.x")).unwrap());
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    let unknown = format!("PUBLISH a.x token=tf_ffffffff_{}", "x".repeat(43));
    let unknown = read_frame(&mut world.ask("anonymous", &unknown)).unwrap();
    assert_eq!(unknown, answers[0]);
    assert_eq!(
        answers[0],
        "ERROR AUTH this hub asks who you are: a token that it knows is needed (token=)"
    );
}

#[test]
fn who_tries_many_credentials_is_answered_late_and_is_not_locked_out() {
    let (world, _) = World::start(Vec::new());
    let try_unknown = || {
        let mut stream = connect_from(0, world.protocol);
        let line = format!("HEALTH token=tf_ffffffff_{}", "x".repeat(43));
        stream.write_all(&frame(&line)).unwrap();
        let start = Instant::now();
        assert!(read_frame(&mut stream).unwrap().starts_with("ERROR AUTH"));
        start.elapsed()
    };
    // Ten in a minute are answered at once, as far as this machine does anything at once.
    let times: Vec<_> = (0..12).map(|_| try_unknown()).collect();
    assert!(
        times[10..]
            .iter()
            .all(|time| *time >= Duration::from_secs(1)),
        "{times:?}"
    );
    let mut good = connect_from(0, world.protocol);
    let token = world.everybody.token("a").unwrap().secret();
    good.write_all(&frame(&format!("HEALTH token={token}")))
        .unwrap();
    assert_eq!(frames(&mut good), ["OK status=ok"]);
}

#[test]
fn lists_have_what_one_may_see() {
    let (world, _) = World::start(Vec::new());
    let mut kept = Vec::new();
    for (who, channel) in [("a", "a.x"), ("a", "a.y"), ("b", "b.x")] {
        let mut stream = world.ask(who, &format!("PUBLISH {channel}"));
        read_frame(&mut stream).unwrap();
        kept.push(stream);
    }
    let names = |who: &str, request: &str, member: &str| -> Vec<String> {
        let lines = frames(&mut world.ask(who, request));
        let value = |line: &String| {
            let start = line.find(&format!(r#""{member}":""#))? + member.len() + 4;
            Some(line[start..].split('"').next().unwrap().to_owned())
        };
        lines.iter().filter_map(value).collect()
    };
    assert_eq!(names("a", "CHANNELS", "channel"), ["a.x", "a.y"]);
    assert_eq!(names("b", "CHANNELS", "channel"), ["b.x"]);
    assert_eq!(names("anonymous", "CHANNELS", "channel"), [""; 0]);
    assert_eq!(names("admin", "CHANNELS", "channel"), ["a.x", "a.y", "b.x"]);
    // Connections that only ask may still be there, too; they have no channel.
    assert_eq!(names("a", "CLIENTS", "channel"), ["a.x", "a.y"]);
    assert_eq!(names("b", "CLIENTS", "channel"), ["b.x"]);
    assert_eq!(names("admin", "CLIENTS", "channel"), ["a.x", "a.y", "b.x"]);
    assert!(
        names("a", "CLIENTS", "identity")
            .iter()
            .all(|name| name == "a")
    );
    assert_eq!(frames(&mut world.ask("a", "HEALTH")), ["OK status=ok"]);
    assert!(frames(&mut world.ask("admin", "HEALTH"))[0].contains(" channels=3 "));
}

#[test]
fn a_follower_is_sent_what_it_may_read_as_if_there_were_nothing_else() {
    let (world, _) = World::start(Vec::new());
    let mut follower = world.ask("a", "FOLLOW * from=first");
    assert_eq!(read_frame(&mut follower).as_deref(), Some("OK channels=0"));
    for (who, channel) in [("b", "b.x"), ("a", "a.x")] {
        let mut stream = world.ask(who, &format!("PUBLISH {channel}"));
        read_frame(&mut stream).unwrap();
        stream.write_all(&frame(channel)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(frames(&mut stream), ["ACK 1"]);
    }
    loop {
        let next = read_frame(&mut follower).unwrap();
        assert!(!next.contains("b.x"), "{next}");
        if next == "a.x" {
            break;
        }
    }
    let mut stream = connect(world.protocol);
    let token = world.everybody.token("a").unwrap().secret();
    stream
        .write_all(&frame(&format!("FOLLOW * token={token}")))
        .unwrap();
    stream
        .write_all(&frame("b.x epoch=0123456789abcdef from=1"))
        .unwrap();
    stream.write_all(&frame("")).unwrap();
    let answer = read_frame(&mut stream).unwrap();
    assert!(answer.starts_with("ERROR DENIED place=0 "), "{answer}");
}

/// At plain ports nothing is ever said, so what is allowed is seen by what it does.
#[test]
fn a_plain_port_is_anonymous_and_one_that_asks_takes_a_token_first() {
    let name = |text: &str| text.parse().unwrap();
    let plain = |channel, direction| Plain::new(name(channel), direction);
    let (world, ports) = World::start(vec![
        plain("public.x", Direction::Out),
        plain("public.x", Direction::In),
        plain("a.x", Direction::Out).asking_for_token(),
        plain("a.x", Direction::In).asking_for_token(),
        plain("a.x", Direction::Both).asking_for_token(),
    ]);
    // Anonymous may read `public.x`, and not write to it.
    let mut publisher = connect(ports[1]);
    publisher.write_all(&frame("1")).unwrap();
    assert_eq!(
        frames(&mut publisher),
        [""; 0],
        "it is closed without a word"
    );
    let mut subscriber = connect(ports[0]);
    let mut publisher = world.ask("admin", "PUBLISH public.x");
    read_frame(&mut publisher).unwrap();
    // The subscriber may come after the first of them.
    let start = Instant::now();
    while world.hub.stats().delivered == 0 {
        assert!(start.elapsed() < LONG);
        publisher.write_all(&frame("news")).unwrap();
        read_frame(&mut publisher).unwrap();
    }
    assert_eq!(read_frame(&mut subscriber).as_deref(), Some("news"));

    let introduced = |port: SocketAddr, who: &str| {
        let mut stream = connect(port);
        match world.everybody.token(who) {
            Some(token) => stream.write_all(&frame(token.secret())).unwrap(),
            None => stream.write_all(&frame("hello")).unwrap(),
        }
        stream
    };
    let (readers, mut seq) = (introduced(ports[2], "a"), 0);
    for who in WHO {
        for port in [ports[3], ports[4]] {
            let mut stream = introduced(port, who);
            // It may be closed already.
            let _ = stream.write_all(&frame(&format!("{seq}")));
            if who == "a" {
                seq += 1;
                let _ = stream.shutdown(Shutdown::Write);
            } else {
                assert_eq!(frames(&mut stream), [""; 0], "{who}");
            }
        }
        if who != "a" && who != "admin" {
            assert_eq!(frames(&mut introduced(ports[2], who)), [""; 0], "{who}");
        }
    }
    let mut reader = readers;
    let both = [
        read_frame(&mut reader).unwrap(),
        read_frame(&mut reader).unwrap(),
    ];
    assert!(
        both == ["0", "1"] || both == ["1", "0"],
        "the token is not a message: {both:?}"
    );
}

#[test]
fn whoever_loses_a_right_is_gone_and_nobody_else_notices() {
    let (mut world, _) = World::start(Vec::new());
    let mut streams = [
        ("a", "SUBSCRIBE a.x"),
        ("a", "FOLLOW *"),
        ("a", "PUBLISH a.x"),
        ("b", "SUBSCRIBE b.x"),
        ("b", "FOLLOW *"),
        ("b", "PUBLISH b.x"),
    ]
    .map(|(who, request)| {
        let mut stream = world.ask(who, request);
        assert!(read_frame(&mut stream).unwrap().starts_with("OK"));
        stream
    });
    streams[2].write_all(&frame("kept")).unwrap();
    assert_eq!(read_frame(&mut streams[2]).as_deref(), Some("ACK 1"));
    assert_eq!(read_frame(&mut streams[0]).as_deref(), Some("kept"));
    world.everybody.file.revoke("a").unwrap();
    let policy = Arc::into_inner(world.everybody.policy()).unwrap();
    world.change(policy);
    let [a_subscriber, a_follower, a_publisher, rest @ ..] = &mut streams;
    assert_eq!(frames(a_subscriber), [""; 0]);
    frames(a_follower);
    let last = frames(a_publisher);
    assert_eq!(last.len(), 1);
    assert!(last[0].starts_with("ERROR AUTH "), "{last:?}");
    let [b_subscriber, b_follower, b_publisher] = rest;
    b_publisher.write_all(&frame("on")).unwrap();
    assert_eq!(read_frame(b_publisher).as_deref(), Some("ACK 1"));
    assert_eq!(read_frame(b_subscriber).as_deref(), Some("on"));
    while read_frame(b_follower).as_deref() != Some("on") {}
}

#[test]
fn a_slow_subscriber_that_loses_its_right_is_closed_as_well() {
    let (mut world, _) = World::start(Vec::new());
    let mut stalled = world.ask("a", "SUBSCRIBE a.x");
    read_frame(&mut stalled).unwrap();
    let mut publisher = world.ask("a", "PUBLISH a.x");
    read_frame(&mut publisher).unwrap();
    let message = frame(&"x".repeat(1 << 20));
    for _ in 0..30 {
        publisher.write_all(&message).unwrap();
    }
    publisher.shutdown(Shutdown::Write).unwrap();
    assert_eq!(
        frames(&mut publisher).last().map(String::as_str),
        Some("ACK 30")
    );
    world.everybody.file.revoke("a").unwrap();
    let policy = Arc::into_inner(world.everybody.policy()).unwrap();
    world.change(policy);
    let start = Instant::now();
    while world.hub.stats().connections > 0 {
        assert!(start.elapsed() < LONG, "{:?}", world.hub.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_identity_that_expires_is_gone_without_a_reload() {
    let (mut world, _) = World::start(Vec::new());
    let mut rights = NewIdentity::default();
    rights.subscribe = vec!["*".parse().unwrap()];
    let soon = clock() + Duration::from_secs(3600);
    rights.expires = Some(soon.try_into().unwrap());
    let token = world.everybody.file.new_token("guest", &rights).unwrap();
    let policy = Arc::into_inner(world.everybody.policy()).unwrap();
    world.change(policy);
    let mut stream = connect(world.protocol);
    let request = format!("SUBSCRIBE a.x token={}", token.secret());
    stream.write_all(&frame(&request)).unwrap();
    assert!(read_frame(&mut stream).unwrap().starts_with("OK"));
    CLOCK.fetch_add(3600, SeqCst);
    assert_eq!(frames(&mut stream), [""; 0]);
}

#[test]
fn a_share_of_the_channels_is_taken_and_given_back() {
    let (mut world, _) = World::start(Vec::new());
    let text = format!("{}", world.everybody.file);
    let text = text.replace("name = \"a\"", "name = \"a\"\nlimits = { channels = 2 }");
    world.change(Policy::parse(&text).unwrap());
    let publish = |channel: &str| {
        let mut stream = world.ask("a", &format!("PUBLISH {channel}"));
        let answer = read_frame(&mut stream).unwrap();
        stream.write_all(&frame("1")).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        frames(&mut stream);
        answer
    };
    assert!(publish("a.1").starts_with("OK") && publish("a.2").starts_with("OK"));
    let refused = publish("a.3");
    assert_eq!(refused, "ERROR BUSY your share of the channels is taken");
    assert!(publish("a.1").starts_with("OK"), "it has begun it already");
    assert_eq!(world.answer("b", "PUBLISH b.1"), "OK");
    assert_eq!(world.answer("admin", "DELETE a.2"), "OK");
    assert!(publish("a.3").starts_with("OK"));
}

#[test]
fn an_identity_that_begins_one_channel_after_the_other_is_told_to_wait_and_nobody_else_is() {
    let (mut world, _) = World::start(Vec::new());
    let text = format!("{}", world.everybody.file);
    let limits = "name = \"a\"\nlimits = { new-channels-per-second = 1 }";
    world.change(Policy::parse(&text.replace("name = \"a\"", limits)).unwrap());
    let publish = |who: &str, channel: &str| {
        let mut stream = world.ask(who, &format!("PUBLISH {channel}"));
        let answer = read_frame(&mut stream).unwrap();
        stream.write_all(&frame("1")).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        frames(&mut stream);
        answer
    };
    // Ten at once, and one more in each second that this takes.
    let mut answers = (0..1000).map(|n| publish("a", &format!("a.{n}")));
    let begun = answers.by_ref().take(10);
    assert!(begun.into_iter().all(|answer| answer.starts_with("OK")));
    assert_eq!(
        answers.find(|answer| !answer.starts_with("OK")).unwrap(),
        "ERROR BUSY channels begin too fast, and yours may be 1 in a second: wait, or publish to a channel that there is"
    );
    assert!(publish("a", "a.0").starts_with("OK"), "it is there already");
    assert!(publish("b", "b.x").starts_with("OK"));
    let start = Instant::now();
    while !publish("a", "a.another").starts_with("OK") {
        assert!(start.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_share_of_the_connections_is_taken_and_given_back() {
    let (mut world, _) = World::start(Vec::new());
    let text = format!("{}", world.everybody.file);
    let text = text.replace("name = \"a\"", "name = \"a\"\nlimits = { connections = 2 }");
    world.change(Policy::parse(&text).unwrap());
    let first = world.ask("a", "SUBSCRIBE a.x");
    let mut second = world.ask("a", "SUBSCRIBE a.x");
    read_frame(&mut second).unwrap();
    assert_eq!(world.answer("a", "PUBLISH a.x"), "BUSY");
    assert_eq!(world.answer("b", "PUBLISH b.x"), "OK");
    drop((first, second));
    let start = Instant::now();
    while world.answer("a", "PUBLISH a.x") != "OK" {
        assert!(start.elapsed() < LONG);
        // A subscriber that is gone is noticed when it is written to.
        let mut admin = world.ask("admin", "CLIENTS");
        frames(&mut admin);
    }
}

#[test]
fn a_certificate_that_is_revoked_ends_its_connections_and_no_others() {
    let (mut world, _) = World::start(Vec::new());
    let ask = |world: &World, who: &str, request: &str| {
        let mut stream = world.ask_at(Door::Certificate, who, request).unwrap();
        assert!(read_frame(&mut stream).unwrap().starts_with("OK"), "{who}");
        stream
    };
    let mut gone = [
        ask(&world, "a", "SUBSCRIBE a.x"),
        ask(&world, "a", "FOLLOW *"),
        ask(&world, "a", "PUBLISH a.x"),
    ];
    let mut publisher = ask(&world, "b", "PUBLISH b.x");
    let mut subscriber = ask(&world, "b", "SUBSCRIBE b.x");
    let revoked = [serial("revoked"), serial("a")];
    let server = world.everybody.authority.server(Clients::May, &revoked);
    world.options.tls = Some(server);
    world
        .runtime
        .block_on(world.hub.change_options(&world.options));
    for stream in &mut gone {
        let last = frames(stream).pop();
        assert!(last.is_none_or(|last| last.starts_with("ERROR AUTH ") || last.contains('@')));
    }
    assert_eq!(world.answer_at(Door::Certificate, "a", "HEALTH"), "TLS");
    assert_eq!(
        world.answer_at(Door::Tls, "a", "SUBSCRIBE a.x"),
        "OK",
        "its token is good"
    );
    publisher.write_all(&frame("on")).unwrap();
    assert_eq!(read_frame(&mut publisher).as_deref(), Some("ACK 1"));
    assert_eq!(read_frame(&mut subscriber).as_deref(), Some("on"));
}

#[test]
fn the_certificate_comes_before_the_token() {
    let (world, _) = World::start(Vec::new());
    let ask = |who: &str, token_of: &str, request: &str| {
        let config = world.everybody.config(who, Door::Certificate);
        let mut stream = TlsStream::over(connect(world.tls), &config).unwrap();
        let token = world.everybody.token(token_of).unwrap().secret();
        stream
            .write_all(&frame(&format!("{request} token={token}")))
            .unwrap();
        code(&read_frame(&mut stream).unwrap())
    };
    assert_eq!(ask("a", "b", "SUBSCRIBE a.x"), "OK");
    assert_eq!(ask("a", "b", "SUBSCRIBE b.x"), "DENIED");
    assert_eq!(ask("a", "revoked", "SUBSCRIBE a.x"), "OK");
    assert_eq!(ask("expired", "a", "SUBSCRIBE a.x"), "AUTH");
}

/// Publishes 8 MiB to a channel that keeps 1 MiB, in messages of 1 KiB, where publishers wait for an hour. How many of
/// them somebody gets who subscribes to it and reads them when everything is published, or `meanwhile`.
fn messages_of_a_subscriber(hold: bool, request: &str, meanwhile: bool) -> usize {
    let mut options = HubOptions::default();
    let hour = Duration::from_secs(3600);
    options.when_slow = vec![("*".parse().unwrap(), WhenSlow::Wait(hour))];
    options.channel_memory = 1 << 20;
    options.send_buffer = HubOptions::LEAST_SEND_BUFFER;
    let (mut world, _) = World::with(options, Vec::new());
    let text = format!("{}", world.everybody.file);
    let text = text.replace("name = \"a\"", &format!("name = \"a\"\nhold = {hold}"));
    world.change(Policy::parse(&text).unwrap());
    let mut publisher = world.ask("a", "PUBLISH a.x");
    read_frame(&mut publisher).unwrap();
    let mut subscriber = world.ask("a", request);
    assert!(read_frame(&mut subscriber).unwrap().starts_with("OK"));
    let publishing = std::thread::spawn(move || {
        let message = frame(&"x".repeat(1 << 10));
        for _ in 0..8 << 10 {
            publisher.write_all(&message).unwrap();
        }
        publisher.shutdown(Shutdown::Write).unwrap();
        frames(&mut publisher)
    });
    let mut seen = 0;
    if meanwhile {
        let messages = std::iter::from_fn(|| read_frame(&mut subscriber));
        let messages = messages.filter(|message| message.starts_with('x'));
        seen = messages.take(8 << 10).count();
    }
    let told = publishing.join().unwrap();
    assert_eq!(told.last().map(String::as_str), Some("ACK 8192"));
    seen
}

#[test]
fn publishers_wait_for_a_subscriber_that_may_hold() {
    for request in ["SUBSCRIBE a.x", "FOLLOW a.x"] {
        assert_eq!(messages_of_a_subscriber(true, request, true), 8 << 10);
    }
}

#[test]
fn publishers_never_wait_for_a_subscriber_that_may_not_hold() {
    for request in ["SUBSCRIBE a.x", "FOLLOW a.x"] {
        messages_of_a_subscriber(false, request, false);
    }
}
