//! The hub's own protocol, as bytes in the messages of a WebSocket.

use std::io;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use tenfold_hub::GuestStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Upgrade;
use super::frames::{Frame, Frames, NORMAL, NOT_BINARY, Opcode, WRONG, close, frame, head};
use crate::answer::Length;
use crate::failure::Failure;
use crate::session::{Session, TAKES_NOTHING, Then};

/// What goes into one message.
const MOST: usize = 64 * 1024;
/// How long nothing goes before the client is asked whether it is there.
const QUIET: Duration = Duration::from_secs(15);

impl Session {
    /// Begins a WebSocket, and joins it with the hub's own protocol.
    pub(crate) async fn tunnel(&mut self, upgrade: &Upgrade) -> Result<Then, Failure> {
        let hub = self.guest.tunnel()?;
        let answer = upgrade.answer().head(Length::None, true, SystemTime::now());
        self.write(answer.as_bytes()).await?;
        let (stream, received) = self.hand_over();
        tokio::spawn(join(stream, received, hub));
        Ok(Then::HandedOver)
    }
}

/// What the client has to be told beside what the hub says.
#[derive(Clone, Debug, Default)]
enum Aside {
    #[default]
    Nothing,
    Pong(Bytes),
    /// There is nothing more to say.
    Close(u16),
}

/// Carries both directions until one of them ends.
async fn join(client: GuestStream, received: BytesMut, hub: impl AsyncRead + AsyncWrite) {
    let (from_hub, to_hub) = tokio::io::split(hub);
    let (tell, told) = watch::channel(Aside::Nothing);
    let to_client = client.guest().stream();
    let telling = async {
        let code = listen(client, received, to_hub, &tell).await;
        tell.send_replace(Aside::Close(code));
        // The other direction says it, and ends.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = telling => {}
        _ = say(to_client, from_hub, told) => {}
    }
}

/// Gives the hub what the client sends. Returns with which code the WebSocket is to be closed.
async fn listen(
    mut client: GuestStream,
    mut received: BytesMut,
    mut hub: impl AsyncWrite + Unpin,
    tell: &watch::Sender<Aside>,
) -> u16 {
    let mut frames = Frames::default();
    loop {
        loop {
            match frames.take(&mut received) {
                Ok(Some(Frame::Bytes(bytes))) => {
                    // If the hub takes nothing more, it has said why.
                    if hub.write_all(&bytes).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                Ok(Some(Frame::Ping(bytes))) => {
                    // Of several only the last one has to be answered.
                    tell.send_replace(Aside::Pong(bytes.freeze()));
                }
                Ok(Some(Frame::Pong)) => {}
                Ok(Some(Frame::Text(_))) => return NOT_BINARY,
                Ok(Some(Frame::Close)) => return NORMAL,
                Ok(None) => break,
                Err(_) => return WRONG,
            }
        }
        received.reserve(MOST);
        match client.read_buf(&mut received).await {
            Ok(0) | Err(_) => return NORMAL,
            Ok(_) => {}
        }
    }
}

/// Gives the client what the hub says, and what there is to say beside it.
async fn say(
    mut client: GuestStream,
    mut hub: impl AsyncRead + Unpin,
    mut aside: watch::Receiver<Aside>,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(MOST);
        tokio::select! {
            changed = aside.changed() => {
                changed.map_err(io::Error::other)?;
                let told = aside.borrow_and_update().clone();
                match told {
                    Aside::Nothing => {}
                    Aside::Pong(bytes) => write(&mut client, &frame(Opcode::Pong, &bytes)).await?,
                    Aside::Close(code) => {
                        write(&mut client, &close(code)).await?;
                        return client.shutdown().await;
                    }
                }
            }
            read = hub.read_buf(&mut buffer) => {
                if read? == 0 {
                    write(&mut client, &close(NORMAL)).await?;
                    return client.shutdown().await;
                }
                let bytes = buffer.split();
                write(&mut client, &head(Opcode::Binary, bytes.len())).await?;
                write(&mut client, &bytes).await?;
            }
            () = sleep(QUIET) => write(&mut client, &frame(Opcode::Ping, b"")).await?,
        }
    }
}

/// Writes all of something, unless the client takes nothing for a while.
async fn write(client: &mut GuestStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = timeout(TAKES_NOTHING, client.write(bytes)).await??;
        bytes = &bytes[written..];
    }
    client.flush().await
}
