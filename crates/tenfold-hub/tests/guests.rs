//! Guests of a hub: servers of other protocols, and the calls that they have, at the wire.

mod common;

use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;

use common::LONG;
use tenfold::protocol::{Code, Position, Refusal};
use tenfold_hub::{Encoding, Form, Guest, Hub, HubOptions, Port, Publish, Serve};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Does what the first line of a client says.
#[derive(Debug)]
struct LineServer;

impl Serve for LineServer {
    fn serve(self: Arc<Self>, guest: Guest) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let mut input = BufReader::new(guest.stream());
            let mut line = String::new();
            if input.read_line(&mut line).await.is_err() {
                return;
            }
            let words: Vec<_> = line.split_whitespace().collect();
            if let Err(refusal) = obey(&guest, &words, input).await {
                let mut stream = guest.stream();
                let _ = stream.write_all(refusal.to_string().as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        })
    }
}

async fn obey(
    guest: &Guest,
    words: &[&str],
    mut input: BufReader<tenfold_hub::GuestStream>,
) -> Result<(), Refusal> {
    let channel = "ticks".parse().unwrap();
    let position = |text: &str| text.parse::<Position>().unwrap();
    let said = match words {
        ["sub", form, from] => {
            let feed = guest
                .call("test-sub", None)
                .subscribe(&channel, position(from), None);
            let feed = feed.await?;
            let head = format!("from={}\n", feed.answer().from);
            feed.write(form_of(form), head).run().await;
            return Ok(());
        }
        ["end", form, from] => {
            let feed = guest
                .call("test-end", None)
                .subscribe(&channel, position(from), None);
            let feed = feed.await?;
            let next = feed.answer().next;
            feed.until(next).write(form_of(form), "").run().await;
            return Ok(());
        }
        ["pub", producer, skip] => {
            let how = Publish {
                producer: Some(producer.parse().unwrap()),
                ..Publish::default()
            };
            let mut publication = guest.call("test-pub", None).publish(&channel, how).await?;
            let next = publication.answer().next;
            publication.skip(skip.parse().unwrap());
            let mut line = String::new();
            while input.read_line(&mut line).await.unwrap() > 0 {
                publication.message(line.trim_end().as_bytes()).await?;
                line.clear();
            }
            format!("next={next} then={}", publication.finish().await?)
        }
        ["frames"] => {
            let call = guest.call("test-frames", None);
            let mut publication = call.publish(&channel, Publish::default()).await?;
            let mut buffer = [0; 7];
            loop {
                let read = input.read(&mut buffer).await.unwrap();
                if read == 0 {
                    break;
                }
                publication.frames(&buffer[..read]).await?;
            }
            format!("next={}", publication.finish().await?)
        }
        ["channels"] => {
            let channels = guest.call("test", None).channels().await?;
            channels.iter().map(ToString::to_string).collect()
        }
        ["clients"] => guest.call("test-clients", None).clients().await?.join("\n"),
        _ => guest.call("test", None).health().await?.to_string(),
    };
    let mut stream = guest.stream();
    let _ = stream.write_all(said.as_bytes()).await;
    let _ = stream.shutdown().await;
    Ok(())
}

fn form_of(word: &str) -> Form {
    match word {
        "sse" => Form::of(Encoding::EventStream),
        "sse-chunked" => Form::of(Encoding::EventStream).chunked(),
        "json" => Form::of(Encoding::JsonLines),
        "json-chunked" => Form::of(Encoding::JsonLines).chunked(),
        "frames" => Form::of(Encoding::Frames),
        _ => Form::of(Encoding::Lines),
    }
}

struct Served {
    hub: Hub,
    guests: SocketAddr,
}

fn start(options: HubOptions) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let guests = listener.local_addr().unwrap();
    let ports = [Port::guests(listener, Arc::new(LineServer))];
    Served {
        hub: Hub::start(ports, options).unwrap(),
        guests,
    }
}

/// What the server says to some bytes and the end of the client's side.
async fn ask(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut said = String::new();
    timeout(LONG, stream.read_to_string(&mut said))
        .await
        .unwrap()
        .unwrap();
    said
}

/// Reads until the stream ends with some text.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut got = Vec::new();
    let read = async {
        while !got.ends_with(end.as_bytes()) {
            let byte = stream.read_u8().await.unwrap();
            got.push(byte);
        }
    };
    let done = timeout(LONG, read).await;
    let got = String::from_utf8_lossy(&got).into_owned();
    assert!(done.is_ok(), "{got}");
    got
}

#[tokio::test]
async fn a_guest_gets_what_is_there_and_what_comes() {
    let Served { hub, guests } = start(HubOptions::default());
    assert_eq!(
        ask(guests, "pub a 0\none\ntwo\nthree\n").await,
        "next=0 then=3"
    );
    let mut stream = TcpStream::connect(guests).await.unwrap();
    stream.write_all(b"sub json 1\n").await.unwrap();
    let there = until(&mut stream, "three\"}\n").await;
    let lines = "from=1\n{\"seq\":1,\"text\":\"two\"}\n{\"seq\":2,\"text\":\"three\"}\n";
    assert_eq!(there, lines);
    assert_eq!(ask(guests, "pub a 0\nfour\n").await, "next=3 then=4");
    assert_eq!(
        until(&mut stream, "\n").await,
        "{\"seq\":3,\"text\":\"four\"}\n"
    );
    let clients = ask(guests, "clients\n").await;
    assert!(
        clients.contains(r#""kind":"test-sub","channel":"ticks","seq":4,"lag":0"#),
        "{clients}"
    );
    assert!(clients.contains(r#""kind":"test-clients""#), "{clients}");
    assert!(
        ask(guests, "channels\n")
            .await
            .starts_with(r#"{"channel":"ticks","epoch":""#)
    );
    assert!(
        ask(guests, "health\n")
            .await
            .starts_with("OK status=ok version=")
    );
    drop(stream);
    assert_eq!(hub.drain().await.connections, 0);
}

#[tokio::test]
async fn a_stream_with_an_end_has_the_last_bytes_of_its_form() {
    let Served { hub, guests } = start(HubOptions::default());
    ask(guests, "pub a 0\none\ntwo\n").await;
    let all = ask(guests, "end json-chunked first\n").await;
    let json = "{\"seq\":0,\"text\":\"one\"}\n{\"seq\":1,\"text\":\"two\"}\n";
    assert!(all.ends_with("\r\n0\r\n\r\n"), "{all}");
    let pieces: String = all
        .split("\r\n")
        .filter(|line| line.contains('{'))
        .collect();
    assert_eq!(pieces, json);
    assert_eq!(ask(guests, "end lines 1\n").await, "two\n");
    assert_eq!(ask(guests, "end frames 1\n").await, "3         two");
    assert_eq!(ask(guests, "end lines 2\n").await, "");
    drop(hub);
}

#[tokio::test]
async fn the_end_of_the_hub_is_an_orderly_one_for_its_guests() {
    let Served { hub, guests } = start(HubOptions::default());
    ask(guests, "pub a 0\none\n").await;
    let mut stream = TcpStream::connect(guests).await.unwrap();
    stream.write_all(b"sub json-chunked first\n").await.unwrap();
    until(&mut stream, "one\"}\n\r\n").await;
    let (stats, rest) = tokio::join!(hub.drain(), async {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        drop(stream);
        rest
    });
    assert_eq!((stats.connections, &*rest), (0, "0\r\n\r\n"));
}

#[tokio::test]
async fn what_a_producer_has_sent_is_there_once() {
    let Served { hub, guests } = start(HubOptions::default());
    assert_eq!(ask(guests, "pub a 0\none\ntwo\n").await, "next=0 then=2");
    assert_eq!(
        ask(guests, "pub a 2\none\ntwo\nthree\n").await,
        "next=2 then=3"
    );
    assert_eq!(ask(guests, "end lines first\n").await, "one\ntwo\nthree\n");
    drop(hub);
}

#[tokio::test]
async fn frames_can_be_cut_anywhere_and_what_is_none_is_refused_after_those_before_it() {
    let Served { hub, guests } = start(HubOptions::default());
    let frames = "frames\n5         hello0         3         abc";
    assert_eq!(ask(guests, frames).await, "next=3");
    let said = ask(guests, "frames\n3         xyzGET / HTTP/1.1\r\n").await;
    assert!(
        said.starts_with("ERROR HEADER offset=13 message=1 "),
        "{said}"
    );
    let said = ask(guests, "frames\n3         xyz9         cut").await;
    assert!(said.starts_with("ERROR HEADER"), "{said}");
    let said = ask(guests, "frames\n999999999 ").await;
    assert!(said.starts_with("ERROR TOO_LARGE"), "{said}");
    assert_eq!(
        ask(guests, "end lines first\n").await,
        "hello\n\nabc\nxyz\nxyz\n"
    );
    drop(hub);
}

#[tokio::test]
async fn a_place_that_is_not_there_is_refused_in_the_words_of_the_protocol() {
    let Served { hub, guests } = start(HubOptions::default());
    ask(guests, "pub a 0\none\n").await;
    let said = ask(guests, "sub json 7\n").await;
    let refusal: Vec<_> = said.split(' ').take(3).collect();
    assert_eq!(refusal, ["ERROR", Code::Future.as_str(), "next=1"]);
    drop(hub);
}

#[tokio::test]
async fn a_slow_guest_that_retention_passes_is_told_of_the_gap_and_goes_on() {
    let mut options = HubOptions::default();
    options.channel_memory = 512 * 1024;
    options.send_buffer = 64 * 1024;
    let Served { hub, guests } = start(options);
    let mut stream = TcpStream::connect(guests).await.unwrap();
    stream.write_all(b"sub sse next\n").await.unwrap();
    until(&mut stream, "from=0\n").await;
    let line = "x".repeat(1000);
    let mut sent = 0;
    for _ in 0..40 {
        let lines = format!("{line}\n").repeat(1000);
        sent += 1000;
        let said = ask(guests, format!("pub a 0\n{lines}")).await;
        assert_eq!(said, format!("next={} then={sent}", sent - 1000));
    }
    let mut got = String::new();
    let last = format!(".{}\n", sent - 1);
    let mut buffer = vec![0; 64 * 1024];
    while !got.contains(&last) {
        let read = timeout(LONG, stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(
            read > 0,
            "it has ended: {}",
            &got[got.len().saturating_sub(300)..]
        );
        got.push_str(str::from_utf8(&buffer[..read]).unwrap());
    }
    // Whatever is missing was said, and nothing comes twice or in another order.
    let (mut next, mut gaps) = (0, 0);
    for event in got.split("\n\n").filter(|event| event.contains("id: ")) {
        let id = event.split("id: ").nth(1).unwrap();
        let seq: usize = id.split(['.', '\n']).nth(1).unwrap().parse().unwrap();
        if event.starts_with("event: gap") {
            assert!(event.contains(&format!("\"expected\":{next},")), "{event}");
            next = seq + 1;
            gaps += 1;
        } else {
            assert_eq!(seq, next);
            next += 1;
        }
    }
    assert!(
        gaps > 0 && next == sent,
        "{gaps} gaps, then {next} of {sent}"
    );
    drop(hub);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_is_idle_hears_that_the_stream_goes_on() {
    let Served { hub, guests } = start(HubOptions::default());
    let mut stream = TcpStream::connect(guests).await.unwrap();
    stream.write_all(b"sub sse next\n").await.unwrap();
    // The clock goes on while everybody waits.
    let mut heard = [0; 10];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"from=0\n:\n\n");
    drop(hub);
}

/// A hub with a log, whose tails keep next to nothing, so that what is old is read from files.
async fn with_log(test: impl AsyncFnOnce(SocketAddr)) {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(tenfold_log::storage::Disk::open(directory.path()).unwrap());
    let opened = tenfold_log::open(disk, tenfold_log::Options::new(|| 7)).unwrap();
    let (log, _, threads) = opened.start().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let guests = listener.local_addr().unwrap();
    let mut options = HubOptions::default();
    options.channel_memory = 16 * 1024;
    options.send_buffer = 64 * 1024;
    let ports = [Port::guests(listener, Arc::new(LineServer))];
    let hub = Hub::with_log(ports, options, log).unwrap();
    test(guests).await;
    assert_eq!(hub.drain().await.connections, 0);
    assert!(
        tokio::task::spawn_blocking(move || threads.stop())
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn from_any_place_in_the_files_a_guest_gets_everything_that_follows() {
    with_log(async |guests| {
        let messages: Vec<_> = (0..3000_u32)
            .map(|number| format!("{number}{}", "x".repeat(number as usize * 7 % 600)))
            .collect();
        let lines = messages.iter().map(|message| format!("{message}\n"));
        let said = ask(guests, format!("pub a 0\n{}", lines.collect::<String>())).await;
        assert_eq!(said, "next=0 then=3000");
        for from in [0, 1, 2, 17, 500, 1499, 2500, 2998, 2999, 3000] {
            let got = ask(guests, format!("end json-chunked {from}\n")).await;
            let body = got.strip_suffix("0\r\n\r\n").expect("an orderly end");
            let chunks = body.split("\r\n").skip(1).step_by(2);
            let rest: String = chunks.collect();
            let expected = (from..).zip(&messages[from..]);
            let expected =
                expected.map(|(seq, text)| format!("{{\"seq\":{seq},\"text\":\"{text}\"}}\n"));
            assert!(rest == expected.collect::<String>(), "from {from}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_pauses_for_longer_than_its_block_is_kept_goes_on_where_it_was() {
    with_log(async |guests| {
        let mut stream = TcpStream::connect(guests).await.unwrap();
        stream.write_all(b"sub sse first\n").await.unwrap();
        until(&mut stream, "from=0\n").await;
        let text = "y".repeat(2000);
        let lines: Vec<_> = (0..20_000)
            .map(|number| format!("{number} {text}\n"))
            .collect();
        let lines = lines.concat();
        let said = ask(guests, format!("pub a 0\n{lines}")).await;
        assert_eq!(said, "next=0 then=20000");
        let (mut next, mut rest) = (0, String::new());
        let mut buffer = vec![0; 256 * 1024];
        while next < 20_000 {
            let read = timeout(LONG, stream.read(&mut buffer))
                .await
                .unwrap()
                .unwrap();
            assert!(read > 0, "it has ended at {next}");
            rest.push_str(str::from_utf8(&buffer[..read]).unwrap());
            let end = rest.rfind("\n\n").map_or(0, |end| end + 2);
            for event in rest[..end]
                .split("\n\n")
                .filter(|event| !event.is_empty() && *event != ":")
            {
                let (_, data) = event.split_once("\ndata: ").unwrap();
                assert_eq!(data, format!("{next} {text}"));
                next += 1;
            }
            rest.drain(..end);
            if next % 3000 < 100 {
                // Longer than what was begun is kept as it is. Nothing depends on it.
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
        }
    })
    .await;
}
