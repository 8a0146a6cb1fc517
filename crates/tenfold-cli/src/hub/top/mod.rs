//! `tenfold top`: the channels and the clients of a hub, looked at again and again.

mod history;
mod look;
mod page;
mod screen;

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use tenfold::Hubs;

use crate::failure::Failure;
use crate::flow::credential::CredentialOptions;
use crate::flow::layout::width;
use crate::flow::output::Stdout;
use crate::flow::paint::Paint;
use crate::signals::{self, Stop};
use crate::units;
use crate::words::{Color, Words};
use history::History;
use look::Look;
use page::Room;
use screen::Screen;

/// Watch the channels and the clients of a hub
#[derive(Args, Debug)]
#[command(after_help = "\
Looks again every second; q ends. MSG/S is how many messages came since the look before, with a
line of the looks before that. LAG is how many messages the slowest subscriber of a channel is
behind, or a client, or how many of a publisher's are not committed yet. The busiest channels are
first, and the clients that are most behind.

Where stdout is not a terminal that can be drawn over, there is one table, of two looks.

Examples:
  tenfold top
  tenfold top -s 192.168.1.5:10010 --every 5s
  tenfold top --json | jq '.channels[] | select(.lag > 1000)'")]
pub(crate) struct Top {
    /// Where the hub listens; of several addresses with commas between them, the first that there is
    /// a connection to
    #[arg(
        long,
        short = 's',
        value_name = "ADDR[,ADDR]...",
        env = "TENFOLD_SERVER",
        default_value = "127.0.0.1:10010"
    )]
    server: Hubs,

    #[command(flatten)]
    credential: CredentialOptions,

    /// The time between two looks
    #[arg(long, value_name = "T", default_value = "1s", value_parser = units::duration)]
    every: Duration,

    /// Print one table, of two looks
    #[arg(long)]
    once: bool,

    /// One object for each look, in a line of its own
    #[arg(long)]
    json: bool,

    /// Give up when the hub says nothing for T
    #[arg(long, value_name = "T", default_value = "5s", value_parser = units::duration)]
    timeout: Duration,
}

/// How long a key, another size and a signal can go unnoticed.
const TICK: Duration = Duration::from_millis(100);

impl Top {
    pub(crate) fn run(&self, words: &Words, color: Color) -> Result<(), Failure> {
        let stdout = Stdout::open()?;
        let first = Look::take(&self.server, &self.credential.all(), self.timeout)?;
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        if self.json {
            return self.print_objects(first, &stdout);
        }
        if self.once {
            return self.print_once(&first, &stdout);
        }
        if !stdout.is_terminal() || is_dumb {
            let why = if is_dumb && stdout.is_terminal() {
                "this terminal cannot be drawn over (TERM=dumb)"
            } else {
                "stdout is not a terminal"
            };
            words.note(format_args!("one table only: {why}"));
            return self.print_once(&first, &stdout);
        }
        self.watch(first, stdout, Paint(color.applies_to(&io::stdout())))
    }

    /// The rates need a second look.
    fn print_once(&self, first: &Look, stdout: &Stdout) -> Result<(), Failure> {
        signals::end_between_writes()?;
        thread::sleep(self.every);
        let mut look = Look::take(&self.server, &self.credential.all(), self.timeout)?;
        look.compare(first);
        let room = Room {
            columns: width(stdout),
            rows: usize::MAX,
        };
        let words = format!("{}, in {:?}", self.server, self.every);
        let lines = page::lines(&look, &History::default(), &words, room, Paint(false));
        stdout.write((lines.join("\n") + "\n").as_bytes())
    }

    fn print_objects(&self, first: Look, stdout: &Stdout) -> Result<(), Failure> {
        signals::end_between_writes()?;
        let mut before = first;
        loop {
            thread::sleep(self.every);
            let mut look = Look::take(&self.server, &self.credential.all(), self.timeout)?;
            look.compare(&before);
            stdout.write(format!("{}\n", look.object()).as_bytes())?;
            if self.once {
                return Ok(());
            }
            before = look;
        }
    }

    fn watch(&self, first: Look, stdout: Stdout, paint: Paint) -> Result<(), Failure> {
        let mut stop = Some(Stop::watch()?);
        let looks = self.looks();
        let screen = Screen::enter(stdout)?;
        let mut board = Board {
            server: self.server.clone(),
            look: first,
            history: History::default(),
            away: None,
        };
        let mut room = screen::room();
        screen.draw(&board.lines(room, paint), room)?;
        while stop.as_ref().is_some_and(|stop| !stop.came()) {
            if screen.wait(TICK)? {
                stop = None;
                break;
            }
            let mut is_new = false;
            for looked in looks.try_iter() {
                board.take(looked);
                is_new = true;
            }
            if is_new || screen::room() != room {
                room = screen::room();
                screen.draw(&board.lines(room, paint), room)?;
            }
        }
        drop(screen);
        stop.map_or(Ok(()), |stop| stop.outcome())
    }

    /// Looks, on a thread of its own: a hub that does not answer must not hold up the keys.
    fn looks(&self) -> mpsc::Receiver<Result<Look, Failure>> {
        let (server, every, timeout) = (self.server.clone(), self.every, self.timeout);
        let credential = self.credential.all();
        let (found, looks) = mpsc::sync_channel(1);
        thread::spawn(move || {
            let mut due = Instant::now();
            loop {
                due = (due + every).max(Instant::now());
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if found
                    .send(Look::take(&server, &credential, timeout))
                    .is_err()
                {
                    return;
                }
            }
        });
        looks
    }
}

/// What is drawn.
struct Board {
    server: Hubs,
    look: Look,
    history: History,
    /// Why there is no newer look.
    away: Option<String>,
}

impl Board {
    fn take(&mut self, looked: Result<Look, Failure>) {
        match looked {
            Ok(mut look) => {
                look.compare(&self.look);
                self.history.add(&look);
                self.look = look;
                self.away = None;
            }
            // The hub may come back, and a person who watches wants to see that.
            Err(failure) => self.away = Some(failure.to_string()),
        }
    }

    fn lines(&self, room: Room, paint: Paint) -> Vec<String> {
        let words = match &self.away {
            None => format!("tenfold top (q ends): {}", self.server),
            Some(why) => format!("looking again: {why}"),
        };
        page::lines(&self.look, &self.history, &words, room, paint)
    }
}
