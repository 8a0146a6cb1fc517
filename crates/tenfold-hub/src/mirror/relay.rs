//! Publishers of a mirror, whose messages go to its source as they are.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tenfold::asynchronous::Transport;
use tenfold::protocol::{Code, Refusal, Request, Token};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadHalf, split};

use super::link::connect;
use crate::admission::revoked;
use crate::audit::AuditResult;
use crate::connection::Connection;
use crate::frames::framed;
use crate::intake::Intake;
use crate::task::spawn;
use crate::upstream::Upstream;

/// How much is passed on at once, in bytes.
const ROOM: usize = 64 * 1024;

impl Connection {
    /// Passes a publisher on to the source: what it sends, and what it is answered.
    pub(crate) async fn relay(
        &self,
        upstream: Arc<Upstream>,
        request: &Request,
        token: Option<&Token>,
        intake: Intake,
    ) -> Result<(), Refusal> {
        if !upstream.options.publish {
            let words = "this hub is a mirror, and takes no messages: publish at its source";
            return Err(Refusal::new(Code::Denied, words));
        }
        self.take_place().await?;
        let source = dial(&upstream).await?;
        self.stay.asked.record(AuditResult::Ok);
        let mut begin = framed([request.with_token(token)]);
        begin.extend_from_slice(&intake.into_rest());
        spawn(self.clone().pass(source, begin));
        Ok(())
    }

    async fn pass(self, source: Box<dyn Transport>, begin: Vec<u8>) {
        let (reader, writer) = split(source);
        let admission = self.stay.listed.admission().cloned();
        let passed = tokio::select! {
            biased;
            () = revoked(admission.as_deref()) => Err(io::ErrorKind::ConnectionAborted.into()),
            answered = self.pass_down(reader) => answered,
            failed = self.pass_up(writer, &begin) => Err(failed),
        };
        match passed {
            Ok(()) => self.socket.finish(false).await,
            // A part of an answer must not be taken for all of it.
            Err(_) => self.socket.reset_on_close(),
        }
    }

    /// Passes on what the publisher sends, and its end. Returns only if that fails.
    async fn pass_up(&self, mut writer: impl AsyncWrite + Unpin, begin: &[u8]) -> io::Error {
        let passed = async {
            writer.write_all(begin).await?;
            writer.flush().await?;
            let mut bytes = BytesMut::with_capacity(ROOM);
            while self.receive(&mut bytes).await? {
                writer.write_all(&bytes).await?;
                writer.flush().await?;
                bytes.clear();
            }
            writer.shutdown().await
        };
        match passed.await {
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    }

    /// Receives something; false at the publisher's end, or at the hub's.
    async fn receive(&self, bytes: &mut BytesMut) -> io::Result<bool> {
        loop {
            match self.socket.try_read(bytes, ROOM) {
                Ok(read) => return Ok(read > 0),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            tokio::select! {
                biased;
                () = self.shared.draining.raised() => return Ok(false),
                ready = self.socket.ready(Interest::READABLE) => drop(ready?),
            }
        }
    }

    /// Passes on what the source answers, to its end.
    async fn pass_down(&self, mut reader: ReadHalf<Box<dyn Transport>>) -> io::Result<()> {
        let mut bytes = BytesMut::with_capacity(4096);
        while reader.read_buf(&mut bytes).await? > 0 {
            self.send(&bytes).await?;
            bytes.clear();
        }
        Ok(())
    }
}

/// A connection to the first of the hubs that there is one to.
async fn dial(upstream: &Upstream) -> Result<Box<dyn Transport>, Refusal> {
    for hub in 0..upstream.options.hubs.addresses().len() {
        if let Ok(made) = connect(upstream, hub).await {
            return Ok(made);
        }
    }
    let words = "this hub is a mirror, and its source cannot be reached";
    Err(Refusal::new(Code::Busy, words))
}
