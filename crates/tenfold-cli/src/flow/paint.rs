//! Colours, or none.

/// Wraps text in the colours of a terminal, if they are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What holds messages and is not a message: headers, offsets, marks.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What is wrong.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// What would work.
    pub(crate) fn green(self, text: &str) -> String {
        self.with("1;32", text)
    }

    /// Headers, and the client's side.
    pub(crate) fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    /// The server's side.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
