//! Messages that are there already: the arguments of the command line.

use tenfold::Event;

use super::Source;
use crate::failure::Failure;

/// Gives each message once.
#[derive(Debug)]
pub(crate) struct Given {
    messages: Vec<Vec<u8>>,
    next: usize,
}

impl Given {
    pub(crate) fn new(messages: Vec<Vec<u8>>) -> Self {
        Self { messages, next: 0 }
    }
}

impl Source for Given {
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        let message = self.messages.get(self.next);
        self.next += 1;
        Ok(message.map(|message| Event::Message(message)))
    }

    fn wait(&mut self) -> Result<bool, Failure> {
        Ok(false)
    }
}
