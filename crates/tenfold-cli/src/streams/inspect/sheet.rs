//! Where rows and reports go: stdout, in batches.

use std::io;

use tenfold::Side;
use tenfold_doctor::Lengths;

use super::Inspect;
use super::report;
use super::rows::{Columns, Rows};
use super::track::Track;
use crate::failure::Failure;
use crate::flow::layout::width;
use crate::flow::output::Stdout;
use crate::flow::paint::Paint;
use crate::flow::pump::BATCH;
use crate::words::Color;

/// Text on its way to stdout.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) rows: Rows,
    /// Only the summary is wanted.
    pub(crate) quiet: bool,
    pub(crate) batch: Vec<u8>,
    stdout: Stdout,
}

impl Sheet {
    pub(crate) fn open(options: &Inspect, columns: Columns, color: Color) -> Result<Self, Failure> {
        let json = options.json;
        let stdout = Stdout::open()?;
        let rows = Rows {
            json,
            paint: Paint(!json && color.applies_to(&io::stdout())),
            width: width(&stdout),
            columns,
            payload: options.payload,
            messages: options.messages,
            fields: options.columns.as_slice().into(),
        };
        Ok(Self {
            rows,
            quiet: options.summary,
            batch: Vec::new(),
            stdout,
        })
    }

    pub(crate) fn stdout(&self) -> &Stdout {
        &self.stdout
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.stdout.is_terminal()
    }

    pub(crate) fn title(&mut self) {
        if !self.quiet {
            self.rows.title(&mut self.batch);
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.batch.extend_from_slice(text.as_bytes());
    }

    /// Says why a stream is broken or in doubt, if it is.
    pub(crate) fn report(&mut self, track: &Track) {
        let text = report(&self.rows, track);
        self.text(&text);
    }

    /// The summaries of both directions.
    pub(crate) fn both(&mut self, lengths: &[Lengths; 2], sides: [&Side; 2]) {
        for (whose, (lengths, side)) in ["client", "server"].iter().zip(lengths.iter().zip(sides)) {
            let line = side.to_string();
            let text = if self.rows.json {
                let mut object = report::lengths(lengths);
                object["from"] = (*whose).into();
                object["framing"] = line.into();
                serde_json::json!({ "summary": object }).to_string() + "\n"
            } else {
                format!(
                    "\n{whose}: {}",
                    report::summary(lengths, &line, "", &self.rows)
                )
            };
            self.text(&text);
        }
    }

    pub(crate) fn flush_if_full(&mut self) -> Result<(), Failure> {
        if self.batch.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if !self.batch.is_empty() {
            self.stdout.write(&self.batch)?;
            self.batch.clear();
        }
        Ok(())
    }
}

/// Why a stream is broken, or why it is in doubt; nothing for most streams.
pub(crate) fn report(rows: &Rows, track: &Track) -> String {
    let Some(broken) = track.report() else {
        let doubt = track.doubt();
        return doubt.map_or_else(String::new, |doubt| report::doubt(&doubt, rows));
    };
    if rows.json {
        let mut object = broken.object();
        if let Some(who) = track.who() {
            object["connection"] = who.connection.into();
            object["from"] = who.name().into();
        }
        return serde_json::json!({ "broken": object }).to_string() + "\n";
    }
    let who = track.who().map_or_else(String::new, |who| {
        format!(
            "connection {}, bytes of the {}\n",
            who.connection,
            who.name()
        )
    });
    format!("\n{who}{}", broken.text(rows.paint, rows.width))
}
