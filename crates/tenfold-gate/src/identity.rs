//! One identity, and what it may do.

use std::time::SystemTime;

use tenfold::protocol::{ChannelName, Pattern, ProducerId};

/// Somebody or something that a policy knows, or everybody whom it does not know: what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// None: anonymous.
    pub(crate) name: Option<String>,
    pub(crate) publish: Vec<Pattern>,
    pub(crate) subscribe: Vec<Pattern>,
    /// None: those that follow from the name.
    pub(crate) producers: Option<Vec<ProducerRule>>,
    pub(crate) hold: bool,
    pub(crate) admin: bool,
    pub(crate) expires: Option<SystemTime>,
    pub(crate) limits: Limits,
}

/// How much an identity may have. What is not given has the hub's own limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at once.
    pub connections: Option<usize>,
    /// Channels that it has begun.
    pub channels: Option<usize>,
    /// Channels that it begins in a second.
    pub new_channels_per_second: Option<u64>,
    /// Bytes of messages that it publishes in a second.
    pub bytes_per_second: Option<u64>,
}

/// A producer's name, or the start of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducerRule {
    start: String,
    open: bool,
}

impl Identity {
    /// What everybody is at a hub without a policy: everything is allowed.
    ///
    /// ```
    /// use tenfold_gate::Identity;
    ///
    /// let anybody = Identity::anybody();
    /// assert!(anybody.is_admin() && anybody.may_subscribe(&"ticks".parse()?));
    /// # Ok::<(), tenfold::protocol::BadName>(())
    /// ```
    pub fn anybody() -> Self {
        let everything = || "*".parse().into_iter().collect();
        Self {
            name: None,
            publish: everything(),
            subscribe: everything(),
            producers: "*".parse().ok().map(|rule| vec![rule]),
            hold: true,
            admin: true,
            expires: None,
            limits: Limits::default(),
        }
    }

    /// Its name; `None`: it is anonymous.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The channels that it may publish to.
    pub fn publish(&self) -> &[Pattern] {
        &self.publish
    }

    /// The channels that it may read.
    pub fn subscribe(&self) -> &[Pattern] {
        &self.subscribe
    }

    /// Whether it may append messages to a channel, and so begin it.
    pub fn may_publish(&self, channel: &ChannelName) -> bool {
        self.publish.iter().any(|pattern| pattern.fits(channel))
    }

    /// Whether it may read a channel.
    pub fn may_subscribe(&self, channel: &ChannelName) -> bool {
        self.subscribe.iter().any(|pattern| pattern.fits(channel))
    }

    /// Whether there can be a name that fits the pattern and which it may read.
    pub fn may_follow(&self, pattern: &Pattern) -> bool {
        self.subscribe.iter().any(|rule| rule.meets(pattern))
    }

    /// Whether lists show it the channel.
    pub fn may_see(&self, channel: &ChannelName) -> bool {
        self.admin || self.may_publish(channel) || self.may_subscribe(channel)
    }

    /// Whether it may publish under a producer's name.
    pub fn may_produce(&self, producer: &ProducerId) -> bool {
        if producer.is_temporary() {
            return true;
        }
        match (&self.producers, &self.name) {
            (Some(rules), _) => rules.iter().any(|rule| rule.fits(producer)),
            (None, Some(name)) => {
                let rest = producer.as_str().strip_prefix(name.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '_']))
            }
            (None, None) => false,
        }
    }

    /// Whether publishers may be made to wait for it.
    pub fn may_hold(&self) -> bool {
        self.hold
    }

    /// Whether it is shown everything, and may delete channels.
    pub fn is_admin(&self) -> bool {
        self.admin
    }

    /// How much it may have.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether it is still somebody.
    pub(crate) fn is_valid(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|time| now < time)
    }

    /// From when on it is nobody any more.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }
}

impl ProducerRule {
    pub(crate) const RULE: &str =
        "a producer's name of 1 to 64 of A-Z a-z 0-9 . _ -, or the start of one and *";

    fn fits(&self, producer: &ProducerId) -> bool {
        let name = producer.as_str();
        if self.open {
            name.starts_with(&self.start)
        } else {
            name == self.start
        }
    }
}

impl std::str::FromStr for ProducerRule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (start, open) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        if (open && start.is_empty()) || start.parse::<ProducerId>().is_ok() {
            return Ok(Self {
                start: start.to_owned(),
                open,
            });
        }
        Err(())
    }
}
