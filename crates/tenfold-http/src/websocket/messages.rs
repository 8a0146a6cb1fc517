//! The messages of a channel, each as a message of a WebSocket.

use std::pin::pin;
use std::time::SystemTime;

use bytes::BytesMut;
use tenfold::protocol::ChannelName;
use tenfold_hub::{Encoding, Form, GuestStream, Remote};
use tokio::io::AsyncReadExt;

use super::Upgrade;
use super::frames::{Frame, Frames, Opcode, REFUSED, WRONG, Wrong, close, frame};
use crate::answer::Length;
use crate::failure::Failure;
use crate::plan::{Reading, Request};
use crate::session::{Session, Then};

impl Session {
    /// Begins a WebSocket, and has the hub write the messages of a channel to it.
    pub(crate) async fn read_by_websocket(
        &mut self,
        request: &Request,
        channel: &ChannelName,
        reading: &Reading,
        upgrade: &Upgrade,
    ) -> Result<Then, Failure> {
        let mut bytes = upgrade
            .answer()
            .head(Length::None, true, SystemTime::now())
            .into_bytes();
        let call = self.guest.call("http-reader", request.token.clone());
        let feed = match call.subscribe(channel, reading.from, reading.epoch).await {
            Ok(feed) => feed,
            Err(refusal) => {
                // A browser shows its page no status, so the page is told over the WebSocket.
                bytes.extend(frame(Opcode::Text, refusal.to_string().as_bytes()));
                bytes.extend(close(REFUSED));
                self.write(&bytes).await?;
                return Ok(Then::Close);
            }
        };
        let place = feed.answer();
        bytes.extend(frame(Opcode::Text, place.to_string().as_bytes()));
        let feed = crate::reading::until(feed, place, reading);
        let writing = feed
            .write(Form::of(Encoding::WebSocket), bytes)
            .without_input();
        let (stream, received) = self.hand_over();
        tokio::spawn(async move {
            let remote = writing.remote();
            let mut writing = pin!(writing.run());
            tokio::select! {
                _ = &mut writing => return,
                listened = listen(stream, received, &remote) => match listened {
                    Ok(()) => remote.finish(),
                    // There is one close: nothing is said after it.
                    Err(_) => remote.finish_with(close(WRONG)),
                },
            }
            writing.await;
        });
        Ok(Then::HandedOver)
    }
}

/// Answers what the client asks of the connection, and throws away what else it sends, until it has nothing more to say.
async fn listen(
    mut stream: GuestStream,
    mut received: BytesMut,
    remote: &Remote,
) -> Result<(), Wrong> {
    let mut frames = Frames::default();
    loop {
        loop {
            match frames.take(&mut received) {
                Ok(Some(Frame::Ping(bytes))) => {
                    if !remote.say(&frame(Opcode::Pong, &bytes)) {
                        // It asks, and takes no answers.
                        return Ok(());
                    }
                }
                Ok(Some(Frame::Close)) => return Ok(()),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(wrong) => return Err(wrong),
            }
        }
        received.reserve(1024);
        match stream.read_buf(&mut received).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
    }
}
