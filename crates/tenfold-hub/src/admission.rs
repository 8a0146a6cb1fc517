//! The gate: what a connection may do, and until when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use tenfold::protocol::{ChannelName, Code, Pattern, ProducerId, Refusal};
use tenfold_gate::{Identity, Visitor};

use crate::flag::Flag;
use crate::hub_options::HubOptions;

/// What a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Subscribe(ChannelName),
    Publish(ChannelName, Option<ProducerId>),
    /// Both directions of one connection.
    Both(ChannelName),
    Follow(Vec<Pattern>),
    Delete,
    /// The list of channels, or how the hub is.
    Ask,
    /// The list of connections.
    AskForClients,
    /// How much of everything there is.
    AskForNumbers,
    /// What this hub does not know, and allows nobody.
    Unknown,
}

/// That a connection may do what it is for. It can be taken back.
#[derive(Debug)]
pub(crate) struct Admission {
    visitor: Mutex<Visitor>,
    /// What the peer has shown in its handshake.
    certificates: Option<Arc<[CertificateDer<'static>]>>,
    purpose: Purpose,
    revoked: Flag,
}

impl Purpose {
    fn is_allowed(&self, identity: &Identity) -> bool {
        match self {
            Self::Subscribe(channel) => identity.may_subscribe(channel),
            Self::Publish(channel, producer) => {
                let may_produce = |id: &ProducerId| identity.may_produce(id);
                identity.may_publish(channel) && producer.as_ref().is_none_or(may_produce)
            }
            Self::Both(channel) => identity.may_publish(channel) && identity.may_subscribe(channel),
            Self::Follow(patterns) => patterns.iter().all(|pattern| identity.may_follow(pattern)),
            Self::Delete | Self::AskForNumbers => identity.is_admin(),
            Self::Ask => true,
            Self::AskForClients => identity.name().is_some() || identity.is_admin(),
            Self::Unknown => false,
        }
    }
}

/// What whoever shows no valid credential is told, whatever is wrong with it.
pub(crate) fn not_valid() -> Refusal {
    let words = "this hub asks who you are: a token that it knows is needed (token=)";
    Refusal::new(Code::Auth, words)
}

/// What whoever may not do something is told, whether or not there is such a channel.
pub(crate) fn denied() -> Refusal {
    Refusal::new(
        Code::Denied,
        "the hub's policy does not allow you to do this",
    )
}

/// Lets a visitor do something, if it may.
pub(crate) fn admit(visitor: Visitor, purpose: Purpose) -> Result<Admission, Refusal> {
    if !purpose.is_allowed(visitor.identity()) {
        return Err(match visitor.identity().name() {
            // With a credential it may be allowed.
            None => not_valid(),
            Some(_) => denied(),
        });
    }
    Ok(Admission {
        visitor: Mutex::new(visitor),
        certificates: None,
        purpose,
        revoked: Flag::default(),
    })
}

impl Admission {
    /// Notes what the peer has shown in its handshake.
    pub(crate) fn with(mut self, certificates: Option<Arc<[CertificateDer<'static>]>>) -> Self {
        self.certificates = certificates;
        self
    }

    /// What its visitor may do now.
    pub(crate) fn visitor(&self) -> Visitor {
        self.lock().clone()
    }

    /// Looks at it again, because the options have changed or time has passed. `channels` are those that there are.
    pub(crate) fn look_again(
        &self,
        options: &HubOptions,
        now: SystemTime,
        channels: &[ChannelName],
    ) {
        if let (Some(shown), Some(tls)) = (&self.certificates, &options.tls)
            && !tls.still_accepts(shown, now)
        {
            return self.revoked.raise();
        }
        let Some(policy) = &options.policy else {
            return;
        };
        let mut visitor = self.lock();
        match policy.again(&visitor, now) {
            Ok(again) if self.stays(visitor.identity(), again.identity(), channels) => {
                *visitor = again;
            }
            _ => {
                drop(visitor);
                self.revoked.raise();
            }
        }
    }

    /// Whether everything that was allowed still is.
    fn stays(&self, before: &Identity, now: &Identity, channels: &[ChannelName]) -> bool {
        let Purpose::Follow(patterns) = &self.purpose else {
            return self.purpose.is_allowed(now);
        };
        let lost = |channel: &ChannelName| {
            patterns.iter().any(|pattern| pattern.fits(channel))
                && before.may_subscribe(channel)
                && !now.may_subscribe(channel)
        };
        self.purpose.is_allowed(now) && !channels.iter().any(lost)
    }

    /// Whether it was taken back.
    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.is_raised()
    }

    /// Waits until it is taken back.
    pub(crate) async fn revoked(&self) {
        self.revoked.raised().await;
    }

    fn lock(&self) -> MutexGuard<'_, Visitor> {
        self.visitor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the right of a connection was taken back; a hub without a policy takes none back.
pub(crate) fn is_revoked(admission: Option<&Admission>) -> bool {
    admission.is_some_and(Admission::is_revoked)
}

/// Waits until the right of a connection is taken back.
pub(crate) async fn revoked(admission: Option<&Admission>) {
    match admission {
        Some(admission) => admission.revoked().await,
        None => std::future::pending().await,
    }
}
