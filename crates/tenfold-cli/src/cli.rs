//! The command line as a whole.

use std::error::Error as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use tenfold::FramingError;

use crate::completions::Completions;
use crate::failure::{EXIT_CODES, Failure};
use crate::flow::credential::token_of_environment;
use crate::flow::layout;
use crate::flow::tls_client;
use crate::framings::Framings;
use crate::hub::bench::Bench;
use crate::hub::cert::Cert;
use crate::hub::channels::Channels;
use crate::hub::chat::Chat;
use crate::hub::clients::Clients;
use crate::hub::delete::Delete;
use crate::hub::log::Log;
use crate::hub::publish::Pub;
use crate::hub::serve::{self, FileError, Serve};
use crate::hub::sub::Sub;
use crate::hub::token::Token;
use crate::hub::top::Top;
use crate::manual::Man;
use crate::streams::bridge::Bridge;
use crate::streams::broadcast::Broadcast;
use crate::streams::check::Check;
use crate::streams::convert::Convert;
use crate::streams::demo::Demo;
use crate::streams::inspect::Inspect;
use crate::streams::recv::Recv;
use crate::streams::send::Send;
use crate::streams::talk::Talk;
use crate::words::{Color, Level, Words};

/// The heading of the options that every command has. They come after a command's own.
const GLOBAL: &str = "Global options";

/// Characters of the longest line of a help.
const MAX_WIDTH: usize = 100;

/// Where in a line the description of a command begins.
const ABOUT: usize = 15;

/// Stream whole messages through pipes and sockets
///
/// TCP delivers bytes; programs want messages. On the wire a message is ten characters of decimal
/// length, left-aligned and padded with spaces, and then that many bytes. Other framings are one
/// line of text: see `tenfold framings`.
#[derive(Debug, Parser)]
#[command(
    name = "tenfold",
    version,
    max_term_width = MAX_WIDTH,
    propagate_version = true
)]
pub(crate) struct Cli {
    /// Say errors only
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    quiet: bool,

    /// Say what happens to each connection
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = GLOBAL)]
    verbose: u8,

    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t, help_heading = GLOBAL)]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(Demo),
    Broadcast(Broadcast),
    Recv(Recv),
    Send(Send),
    Talk(Talk),
    Serve(Box<Serve>),
    Sub(Sub),
    Pub(Pub),
    Chat(Chat),
    Channels(Channels),
    Clients(Clients),
    Top(Top),
    Delete(Delete),
    Token(Token),
    Cert(Cert),
    Log(Log),
    Bench(Bench),
    Bridge(Bridge),
    Convert(Convert),
    Inspect(Box<Inspect>),
    Check(Check),
    Framings(Framings),
    Completions(Completions),
    Man(Man),
}

impl Command {
    pub(crate) fn run(&self, words: &Words, color: Color) -> Result<(), Failure> {
        match self {
            Self::Demo(demo) => demo.run(color),
            Self::Broadcast(broadcast) => broadcast.run(words),
            Self::Recv(recv) => recv.run(words),
            Self::Send(send) => send.run(words),
            Self::Talk(talk) => talk.run(words),
            Self::Serve(serve) => serve.run(words),
            Self::Sub(sub) => sub.run(words),
            Self::Pub(publish) => publish.run(words),
            Self::Chat(chat) => chat.run(words),
            Self::Channels(channels) => channels.run(words),
            Self::Clients(clients) => clients.run(words),
            Self::Top(top) => top.run(words, color),
            Self::Delete(delete) => delete.run(words),
            Self::Token(token) => token.run(words),
            Self::Cert(cert) => cert.run(words),
            Self::Log(log) => log.run(words),
            Self::Bench(bench) => bench.run(words),
            Self::Bridge(bridge) => bridge.run(words),
            Self::Convert(convert) => convert.run(words),
            Self::Inspect(inspect) => inspect.run(words, color),
            Self::Check(check) => check.run(words, color),
            Self::Framings(framings) => framings.run(),
            Self::Completions(completions) => completions.run(),
            Self::Man(man) => man.run(words),
        }
    }
}

impl Cli {
    /// Reads the arguments, and what they lead to. Help, and what is wrong with them, is said here.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        Self::try_read().map_err(|error| match error {
            FileError::File(failure) => complain(&failure.to_string()),
            FileError::Arguments(error) => refuse(&error),
        })
    }

    fn try_read() -> Result<Self, FileError> {
        let matches = command().try_get_matches().map_err(FileError::Arguments)?;
        let wrong = |words| FileError::File(Failure::Usage(words));
        token_of_environment().map_err(wrong)?;
        tls_client::check(&matches).map_err(wrong)?;
        let (matches, settings) = serve::with_file(command(), matches)?;
        let mut cli = Self::from_arg_matches(&matches).map_err(FileError::Arguments)?;
        if let Command::Serve(serve) = &mut cli.command {
            serve.settings = settings;
            serve.again = Some(serve_again);
        }
        Ok(cli)
    }

    pub(crate) fn level(&self) -> Level {
        match (self.quiet, self.verbose) {
            (true, _) => Level::Quiet,
            (false, 0) => Level::Normal,
            (false, _) => Level::Detailed,
        }
    }
}

/// `tenfold serve` as the same arguments, the environment and the file have it now; or what is wrong with them.
fn serve_again() -> Result<Box<Serve>, String> {
    let cli = Cli::try_read().map_err(|error| match error {
        FileError::File(failure) => failure.to_string(),
        FileError::Arguments(error) => {
            serve::explain(&error, &command()).unwrap_or_else(|| error.to_string())
        }
    })?;
    match cli.command {
        Command::Serve(serve) => Ok(serve),
        _ => Err("these are not the arguments of serve".to_owned()),
    }
}

/// Says what is wrong with the arguments, or the help that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let words = bad_framing(error)
        .or_else(|| port_alone(error))
        .or_else(|| json_alone(error))
        .or_else(|| serve::explain(error, &command()));
    if let Some(words) = words {
        return complain(&words);
    }
    // If stdout or stderr is closed, there is no place to say so.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn complain(words: &str) -> ExitCode {
    // The options that say how much to say are not there yet; errors are always said.
    Words::new(Level::Quiet, Color::Auto).error(words);
    Failure::Usage(String::new()).code().into()
}

/// The description of the command line, with what cannot be said in attributes.
pub(crate) fn command() -> clap::Command {
    let codes = EXIT_CODES
        .iter()
        .map(|(code, meaning)| format!("  {code:3}  {meaning}\n"));
    let codes: String = codes.collect();
    Cli::command()
        .mut_subcommand("serve", serve::with_environment)
        .mut_subcommands(with_examples_first)
        .after_help(format!("Exit codes:\n{codes}"))
        .help_template(grouped(&Cli::command()))
}

/// A command, and those below it, with their examples before their options.
fn with_examples_first(command: clap::Command) -> clap::Command {
    let command = command.mut_subcommands(with_examples_first);
    command.help_template(EXAMPLES_FIRST)
}

/// The help of a command: what it does, examples, and then every option.
const EXAMPLES_FIRST: &str =
    "{before-help}{about-with-newline}\n{usage-heading} {usage}{after-help}\n\n{all-args}";

/// The commands by what a person wants to do. What is in no group is shown at the end.
const GROUPS: &[(&str, &[&str])] = &[
    ("Streams", &["demo", "send", "recv", "broadcast", "talk"]),
    (
        "The hub",
        &[
            "serve", "pub", "sub", "chat", "channels", "clients", "top", "delete", "log", "token",
            "cert",
        ],
    ),
    ("Looking into a stream", &["inspect", "check", "framings"]),
    ("Joining programs", &["bridge", "convert"]),
];

/// The help of the whole, with the commands in their groups.
fn grouped(root: &clap::Command) -> String {
    let width = layout::columns().min(MAX_WIDTH);
    let line = |command: &clap::Command| {
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        let about = layout::wrapped(&about, ABOUT, width);
        format!("  {:11}  {about}", command.get_name())
    };
    let group = |heading: &str, lines: String| format!("{heading}:\n{lines}");
    let mut groups: Vec<String> = Vec::new();
    for (heading, names) in GROUPS {
        let of_group = names.iter().filter_map(|name| root.find_subcommand(name));
        groups.push(group(heading, of_group.map(line).collect()));
    }
    let grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others = root
        .get_subcommands()
        .filter(|command| !grouped(command.get_name()));
    groups.push(group("Other", others.map(line).collect()));
    let mut commands = groups.join("\n");
    let help = "Print the help of a command: `tenfold help recv`";
    commands += "  help         ";
    commands += &layout::wrapped(help, ABOUT, width);
    format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{commands}\nOptions:\n{{options}}{{after-help}}"
    )
}

/// A host and a port as two arguments, as `nc` takes them, or `--port`.
fn port_alone(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let is_port = argument == "--port" || argument.parse::<u16>().is_ok();
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    (is_unknown && is_port).then(|| {
        format!("unexpected {argument}: an address is one argument, HOST:PORT, or :PORT for this machine")
    })
}

/// `--json` where nothing is printed or read that could be JSON.
fn json_alone(error: &clap::Error) -> Option<String> {
    let is_json = matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(argument)) if argument == "--json");
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    (is_unknown && is_json).then(|| {
        "unexpected --json: it is for what is printed or read; the report at the end is --report json".to_owned()
    })
}

/// What is wrong with the line of a framing, with a finger on the character.
fn bad_framing(error: &clap::Error) -> Option<String> {
    let framing = error.source()?.downcast_ref::<FramingError>()?;
    let Some(ContextValue::String(line)) = error.get(ContextKind::InvalidValue) else {
        return Some(framing.to_string());
    };
    Some(format!(
        "{framing}\n{}\n`tenfold framings` lists the presets and explains the grammar",
        pointed_at(line, framing.at())
    ))
}

/// The line, with a finger on the character at an offset; of a long one what is around it.
fn pointed_at(line: &str, at: usize) -> String {
    const AROUND: usize = 60;
    let (before, after) = line.split_at_checked(at).unwrap_or((line, ""));
    let before: Vec<char> = before.escape_debug().collect();
    let mut after = after.escape_debug();
    let left_out = before.len().saturating_sub(AROUND);
    let dots = if left_out > 0 { "..." } else { "" };
    let before: String = before[left_out..].iter().collect();
    let shown: String = after.by_ref().take(AROUND).collect();
    let more = if after.next().is_some() { "..." } else { "" };
    let spaces = " ".repeat(dots.len() + before.chars().count());
    format!("  {dots}{before}{shown}{more}\n  {spaces}^")
}
