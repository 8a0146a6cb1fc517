//! Measures how long a hub takes to say `AUTH`: whoever shows a token that is unknown, expired or revoked must not learn
//! from the time what is wrong with it, nor that it is not as fast as without any.
//!
//! ```text
//! auth [--requests 4000] [--tenfold-bin PATH]
//! ```
//!
//! Each request has a connection of its own, and the kinds take turns. The time runs from the request to the whole
//! answer. It fails if the median of a kind is more than 10 % from that of all.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use socket2::{Domain, Socket, Type};
use tenfold_benches::Result;
use tenfold_benches::frames::read_frame;
use tenfold_benches::options::Options;
use tenfold_benches::process::Process;
use tenfold_benches::table::{median, print_cells};

/// From each address fewer bad tokens come than are answered at once (10 in a minute).
const OF_AN_ADDRESS: usize = 8;
/// How far a median may be from that of all.
const MOST_APART: f64 = 0.1;

fn main() -> Result<()> {
    let options = Options::new("hub").parse(std::env::args().skip(1), &["--requests"])?;
    let requests = options.own_number("--requests", 4000)?;
    let directory = tempfile::tempdir()?;
    let tenfold = options.setup(1, directory.path()).tenfold;
    let policy = directory.path().join("policy.toml");
    let unknown = new_token(
        &tenfold,
        &directory.path().join("other.toml"),
        "unknown",
        &[],
    )?;
    let past = ["--expires", "2020-01-01T00:00:00Z"];
    let expired = new_token(&tenfold, &policy, "expired", &past)?;
    let revoked = new_token(&tenfold, &policy, "revoked", &[])?;
    run(Command::new(&tenfold)
        .args(["token", "revoke", "revoked", "--auth"])
        .arg(&policy))?;
    let kinds = [
        ("missing", String::new()),
        ("unknown", format!(" token={unknown}")),
        ("expired", format!(" token={expired}")),
        ("revoked", format!(" token={revoked}")),
    ];
    let mut command = Command::new(&tenfold);
    command
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log-level",
            "error",
            "--auth",
        ])
        .arg(&policy);
    let (hub, addresses) =
        Process::start_with_port_file(&mut command, &directory.path().join("ports"))?;
    let address = *addresses.first().ok_or("the hub has no port")?;
    let mut times = kinds.each_ref().map(|_| Vec::with_capacity(requests));
    let mut answers = Vec::new();
    for number in 0..requests {
        for (kind, (_, token)) in kinds.iter().enumerate() {
            let source = (number * kinds.len() + kind) / OF_AN_ADDRESS;
            let (time, answer) = ask(address, source, &format!("SUBSCRIBE ticks{token}"))?;
            times[kind].push(time);
            answers.push(answer);
        }
    }
    hub.stop()?;
    answers.sort_unstable();
    answers.dedup();
    if answers.len() != 1 || !answers[0].starts_with(b"ERROR AUTH ") {
        return Err(format!("{} different answers", answers.len()).into());
    }
    let all = median(times.iter().flatten().copied());
    let mut lines = Vec::new();
    let mut is_apart = false;
    for ((name, _), times) in kinds.iter().zip(&times) {
        let own = median(times.iter().copied());
        is_apart |= (own / all - 1.0).abs() > MOST_APART;
        lines.push(vec![
            (*name).to_owned(),
            format!("{:.1}", own * 1e6),
            format!("{:.3}", own / all),
        ]);
    }
    print_cells(
        "How long `AUTH` takes",
        &["token", "median in us", "to that of all"],
        &lines,
    );
    if is_apart {
        return Err("a median is more than 10 % from that of all".into());
    }
    Ok(())
}

fn new_token(tenfold: &Path, policy: &Path, name: &str, more: &[&str]) -> Result<String> {
    let mut command = Command::new(tenfold);
    command
        .args(["token", "new", name, "--subscribe", "ticks"])
        .args(more)
        .arg("--auth")
        .arg(policy);
    Ok(run(&mut command)?.trim().to_owned())
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The time from a request to its answer in seconds, and the answer.
fn ask(address: SocketAddr, source: usize, request: &str) -> Result<(f64, Vec<u8>)> {
    let [.., a, b] = u16::try_from(source + 1)?.to_be_bytes();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 1, a, b), 0)).into())?;
    socket.connect(&address.into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    let frame = format!("{:<10}{request}", request.len());
    let start = Instant::now();
    stream.write_all(frame.as_bytes())?;
    let answer = read_frame(&mut stream, 4096)?;
    Ok((start.elapsed().as_secs_f64(), answer))
}
