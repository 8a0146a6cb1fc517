//! A person who reads and writes at once: what comes is printed above the line that is being typed.
//!
//! On a terminal that can do it, lines are edited, with the history of this run. Everywhere else (a pipe, a
//! file, `TERM=dumb`) lines are read from stdin, and what comes goes to stdout.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor, ExternalPrinter};
use tenfold::{Event, Framing};

use crate::escape;
use crate::failure::Failure;
use crate::flow::input::Input;
use crate::flow::output::Stdout;
use crate::flow::source::{In, Limits, Source};
use crate::stderr;

/// What a person does.
#[derive(Debug)]
pub(crate) enum Typed {
    /// One line, without its end.
    Line(Vec<u8>),
    /// Ctrl-D, or the end of stdin.
    End,
    /// Ctrl-C while a line is edited, or a stdin that cannot be read.
    Failed(Failure),
}

/// Gives the terminal back, as it was, when dropped.
#[derive(Debug)]
pub(crate) struct Console {
    screen: Screen,
    /// If lines are edited.
    keys: Option<Keys>,
}

/// The terminal is set for single keys until this is dropped, and then as it was.
///
/// The editor sets it so as long as it edits a line. Between two lines the terminal would take Ctrl-D for itself, and show
/// what is typed early.
#[derive(Debug)]
struct Keys {
    before: Termios,
}

/// Where lines are printed; clones print to the same place.
#[derive(Clone, Debug)]
pub(crate) struct Screen(Arc<Place>);

#[derive(Debug)]
enum Place {
    Stdout(Stdout),
    Editor(Editor),
}

/// The printer of a line editor.
struct Editor(Mutex<Box<dyn ExternalPrinter + Send>>);

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Editor")
    }
}

impl Console {
    /// Begins to read lines. `take` gets each, on a thread of its own; after false, none any more.
    pub(crate) fn open(
        prompt: String,
        max_line: u64,
        take: impl FnMut(Typed) -> bool + Send + 'static,
    ) -> Result<Self, Failure> {
        if is_editable() {
            Self::edit(prompt, take)
        } else {
            Self::read(max_line, take)
        }
    }

    /// Whether lines are edited on a terminal.
    pub(crate) fn is_edited(&self) -> bool {
        self.keys.is_some()
    }

    pub(crate) fn screen(&self) -> Screen {
        self.screen.clone()
    }

    fn read(
        max_line: u64,
        mut take: impl FnMut(Typed) -> bool + Send + 'static,
    ) -> Result<Self, Failure> {
        let limits = Limits {
            max_message: max_line,
            pieces: false,
            skip_bad: false,
        };
        let side = Framing::default();
        let mut source = In::Lines.open(Input::stdin()?, side.client(), limits);
        thread::spawn(move || {
            let last = match read_lines(&mut *source, &mut take) {
                Ok(true) => Typed::End,
                Ok(false) => return,
                Err(failure) => Typed::Failed(failure),
            };
            take(last);
        });
        Ok(Self {
            screen: Screen(Arc::new(Place::Stdout(Stdout::open()?))),
            keys: None,
        })
    }

    fn edit(
        prompt: String,
        take: impl FnMut(Typed) -> bool + Send + 'static,
    ) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::Other(format!("cannot use the terminal: {error}"))
        };
        let keys = Keys::single().map_err(|error| failed(&error))?;
        let (ready, printer) = mpsc::channel();
        thread::spawn(move || edit_lines(&prompt, take, &ready));
        let printer = printer.recv().map_err(|error| failed(&error))?;
        let printer = printer.map_err(|error| failed(&error))?;
        let screen = Screen(Arc::new(Place::Editor(Editor(Mutex::new(printer)))));
        if io::stderr().is_terminal() {
            let screen = screen.clone();
            stderr::divert(move |text| screen.print(text));
        }
        Ok(Self {
            screen,
            keys: Some(keys),
        })
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(keys) = self.keys.take() {
            stderr::undivert();
            drop(keys);
            stderr::write("\r\x1b[K");
        }
    }
}

impl Keys {
    fn single() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut keys = before.clone();
        keys.local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Drain, &keys)?;
        Ok(Self { before })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // The editor may still wait for a key, with the terminal set for that.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

impl Screen {
    /// Prints a line. What could move the cursor or worse is shown and not done, if it goes to a terminal.
    pub(crate) fn line(&self, line: &[u8]) -> Result<(), Failure> {
        let mut text = Vec::with_capacity(line.len() + 1);
        match &*self.0 {
            Place::Stdout(stdout) if !stdout.is_terminal() => text.extend_from_slice(line),
            _ => escape::put(line, &mut text),
        }
        text.push(b'\n');
        match &*self.0 {
            Place::Stdout(stdout) => stdout.write(&text),
            Place::Editor(_) => {
                self.print(&String::from_utf8_lossy(&text));
                Ok(())
            }
        }
    }

    fn print(&self, text: &str) {
        if let Place::Editor(Editor(printer)) = &*self.0 {
            let mut printer = printer.lock().unwrap_or_else(PoisonError::into_inner);
            // After the end of the editor there is no line to be torn.
            if printer.print(text.to_owned()).is_err() {
                drop(io::Write::write_all(&mut io::stdout(), text.as_bytes()));
            }
        }
    }
}

/// Whether a line can be edited: a person types here and reads here, and the terminal moves its cursor.
fn is_editable() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb
}

/// Hands over lines until there are no more; false if they are not wanted any more.
fn read_lines(
    source: &mut dyn Source,
    take: &mut impl FnMut(Typed) -> bool,
) -> Result<bool, Failure> {
    loop {
        while let Some(event) = source.next()? {
            if let Event::Message(line) = event
                && !take(Typed::Line(line.to_vec()))
            {
                return Ok(false);
            }
        }
        if !source.wait()? {
            return Ok(true);
        }
    }
}

/// What the thread of the editor tells when it begins.
type Ready = mpsc::Sender<rustyline::Result<Box<dyn ExternalPrinter + Send>>>;

fn edit_lines(prompt: &str, mut take: impl FnMut(Typed) -> bool, ready: &Ready) {
    // Pasted lines are lines like those that are typed.
    let config = Config::builder()
        .bracketed_paste(false)
        .auto_add_history(true)
        .build();
    let mut editor = match editor(config, ready) {
        Ok(editor) => editor,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let last = loop {
        match editor.readline(prompt) {
            Ok(line) => {
                if !take(Typed::Line(line.into_bytes())) {
                    return;
                }
            }
            Err(ReadlineError::Eof) => break Typed::End,
            Err(ReadlineError::Interrupted) => break Typed::Failed(Failure::Interrupted),
            Err(error) => {
                break Typed::Failed(Failure::Other(format!("cannot read a line: {error}")));
            }
        }
    };
    // From here on what is printed does not wait for the editor.
    drop(editor);
    take(last);
}

/// An editor whose printer the other threads have.
fn editor(config: Config, ready: &Ready) -> rustyline::Result<DefaultEditor> {
    let mut editor = DefaultEditor::with_config(config)?;
    let printer = editor.create_external_printer()?;
    // Who waits for it is there.
    let _ = ready.send(Ok(Box::new(printer)));
    Ok(editor)
}
