//! A question to a hub that it answers and then closes.

use std::io::{self, Write};
use std::time::Duration;

use tenfold::blocking::Reader;
use tenfold::protocol::{Refusal, Request};
use tenfold::{Address, Decoder, Encoder, Framing, Hubs, ReadError};

use crate::failure::Failure;
use crate::flow::connect::hint_to_connect;
use crate::flow::credential::Credential;
use crate::flow::hub_client::{hint, is_of_the_gate};
use crate::flow::look_alike::{is_not_a_hub, silence_hint};

/// The longest line of an answer, and the most that is taken of all of them, in bytes: a hub's line has some
/// hundred, and the list of a hundred thousand channels 30 million.
const LONGEST: u64 = 64 * 1024;
const MOST: usize = 128 << 20;

/// The lines of the answer of the first hub that there is a connection to; `is_answer` tells them from what somebody else than a hub sends.
pub(crate) fn ask(
    request: &Request,
    credential: &Credential,
    is_answer: impl Fn(&str) -> bool,
    server: &Hubs,
    timeout: Duration,
) -> Result<Vec<String>, Failure> {
    let mut answer = Ok(Vec::new());
    for address in server.addresses() {
        answer = ask_one(request, credential, &is_answer, address, timeout);
        if !matches!(answer, Err(Failure::Connect(_))) {
            break;
        }
    }
    answer
}

fn ask_one(
    request: &Request,
    credential: &Credential,
    is_answer: impl Fn(&str) -> bool,
    server: &Address,
    timeout: Duration,
) -> Result<Vec<String>, Failure> {
    let mut stream = server
        .connect_to_hub(credential.tls.as_ref(), Some(timeout))
        .map_err(|error| {
            let hint = hint_to_connect(server, &error);
            Failure::Connect(format!("cannot connect to {server}: {error}{hint}"))
        })?;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            let hint = silence_hint(&server.into());
            Failure::TimedOut(format!(
                "{server} said nothing for {timeout:?} (--timeout){hint}"
            ))
        }
        _ => Failure::Other(format!("cannot talk to {server}: {error}")),
    };
    let mut frame = Vec::new();
    Encoder::new(Framing::default().client())
        .encode(
            request.with_token(credential.token.as_ref()).as_bytes(),
            &mut frame,
        )
        .map_err(|error| Failure::Framing(error.to_string()))?;
    stream.set_read_timeout(Some(timeout)).map_err(failed)?;
    stream.set_write_timeout(Some(timeout)).map_err(failed)?;
    stream.write_all(&frame).map_err(failed)?;
    let decoder = Decoder::new(Framing::default().server()).with_limit(LONGEST);
    let mut reader = Reader::with_decoder(stream, decoder);
    let (mut lines, mut bytes) = (Vec::new(), 0);
    while let Some(line) = reader.message().map_err(|error| match error {
        ReadError::Io(error) => failed(error),
        error => Failure::Framing(format!("{server} is not a hub: {error}")),
    })? {
        let is_printable = |byte: &u8| *byte == b' ' || byte.is_ascii_graphic();
        if !line.iter().all(is_printable) {
            return Err(is_not_a_hub(&server.into()));
        }
        let line = String::from_utf8_lossy(line).into_owned();
        if let Some(refusal) = Refusal::parse(&line) {
            let words = format!(
                "{server}: the hub says: {line}{}",
                refusal.code.map_or("", hint)
            );
            return Err(if is_of_the_gate(&refusal) {
                Failure::Denied(words)
            } else {
                Failure::Other(words)
            });
        }
        if !is_answer(&line) {
            return Err(is_not_a_hub(&server.into()));
        }
        bytes += line.len();
        if bytes > MOST {
            return Err(Failure::Other(format!(
                "{server} answers with more than {} MiB: that is not a hub's list",
                MOST >> 20
            )));
        }
        lines.push(line);
    }
    Ok(lines)
}
