//! A program that is stopped while its hub is to answer, and goes on after its deadlines: what the hub says
//! then came in time.
//!
//! The program is this test once more, in a process of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tenfold::blocking::{Publisher, Subscriber};
use tenfold::client::{Publish, Subscribe};

use crate::fake_hub::BOUND;

/// Tells the other process where the hub is.
const HUB: &str = "TENFOLD_TEST_HUB";
/// How long its clients wait for an answer.
const PATIENCE: Duration = Duration::from_millis(500);

#[test]
#[ignore = "it is the other process of a test below"]
fn subscribes() {
    let hub: tenfold::Address = std::env::var(HUB).unwrap().parse().unwrap();
    let options = Subscribe::new("ticks".parse().unwrap()).answer_timeout(PATIENCE);
    let mut subscriber = Subscriber::new(&hub, options).unwrap();
    subscriber.set_timeout(Some(PATIENCE));
    let message = subscriber.message().unwrap().unwrap();
    assert_eq!(message.bytes, b"hello");
}

#[test]
#[ignore = "it is the other process of a test below"]
fn publishes() {
    let hub: tenfold::Address = std::env::var(HUB).unwrap().parse().unwrap();
    let options = Publish::new("ticks".parse().unwrap())
        .producer("meter7".parse().unwrap())
        .answer_timeout(PATIENCE);
    let mut publisher = Publisher::new(&hub, options).unwrap();
    publisher.set_timeout(Some(PATIENCE));
    assert_eq!(publisher.committed().unwrap(), 3);
}

/// What is said to a program that was stopped, once it goes on.
fn is_heard(program: &str, words: &[&str]) {
    let hub = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg(format!("paused::{program}"))
        .env(HUB, hub.local_addr().unwrap().to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut connection, _) = hub.accept().unwrap();
    connection.set_read_timeout(Some(BOUND)).unwrap();
    read_frame(&mut connection);
    signal(&child, "STOP");
    wait_until_stopped(&child);
    // Its deadlines pass by a second or more.
    std::thread::sleep(PATIENCE * 3);
    signal(&child, "CONT");
    for word in words {
        write!(connection, "{:<10}{word}", word.len()).unwrap();
    }
    assert!(child.wait().unwrap().success());
}

fn read_frame(connection: &mut TcpStream) {
    let mut header = [0; 10];
    connection.read_exact(&mut header).unwrap();
    let length = str::from_utf8(&header).unwrap().trim_end();
    let mut payload = vec![0; length.parse().unwrap()];
    connection.read_exact(&mut payload).unwrap();
}

fn signal(child: &Child, name: &str) {
    let kill = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
}

fn wait_until_stopped(child: &Child) {
    let bound = Instant::now() + BOUND;
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let (_, state) = stat.rsplit_once(") ").unwrap();
        if state.starts_with('T') {
            return;
        }
        assert!(
            Instant::now() < bound,
            "the process is not stopped: {state}"
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_blocking_subscriber_that_was_stopped_hears_its_answer() {
    is_heard(
        "subscribes",
        &["OK epoch=0123456789abcdef from=2 first=0 next=2", "hello"],
    );
}

#[test]
fn a_blocking_publisher_that_was_stopped_hears_its_answer() {
    is_heard(
        "publishes",
        &["OK epoch=0123456789abcdef next=3 acks=memory"],
    );
}
