//! `tenfold completions`: what the shell offers when a person presses Tab. Options and commands come from the description
//! of the arguments; presets and places are added to it, and channels are asked of the hub at that moment.

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;
use tenfold::PRESETS;

use crate::cli;
use crate::failure::Failure;
use crate::flow::output::Stdout;

/// Print completions for a shell
#[derive(Args, Debug)]
#[command(after_help = "\
In bash, zsh and fish the names of channels are those that the hub has: it is asked when you press
Tab, and has a second to answer.

Examples:
  tenfold completions bash > ~/.local/share/bash-completion/completions/tenfold
  tenfold completions zsh > ~/.zfunc/_tenfold
  tenfold completions fish > ~/.config/fish/completions/tenfold.fish")]
pub(crate) struct Completions {
    shell: Shell,
}

/// Stands for the channels in what is generated, until it is replaced by what asks for them.
const CHANNELS: &str = "__tenfold_channels__";

/// The words that say where to begin in a channel.
const PLACES: [&str; 3] = ["first", "next", "last"];

/// The function that asks, in each shell. The hub is the one of the command line, or that of the environment.
const BASH: &str = r#"
__tenfold_channels() {
    [[ ${COMP_WORDS[COMP_CWORD]} == -* ]] && return
    local server=() i
    for ((i = 1; i + 1 < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -s | --server)
                server=(--server "${COMP_WORDS[i + 1]}")
                # The colon of an address makes words of its own.
                [[ ${COMP_WORDS[i + 2]} == : ]] && server[1]+=:${COMP_WORDS[i + 3]}
                [[ ${server[1]} == : ]] && server[1]=:${COMP_WORDS[i + 2]}
                ;;
        esac
    done
    tenfold channels --names --timeout 1s "${server[@]}" 2> /dev/null
}
"#;

const ZSH: &str = r#"
__tenfold_channels() {
    local -a server names
    local at=${words[(I)(-s|--server)]}
    (( at )) && server=(--server "${words[at + 1]}")
    names=(${(f)"$(tenfold channels --names --timeout 1s $server 2> /dev/null)"})
    compadd -a names
}
"#;

const FISH: &str = r"
function __tenfold_channels
    set -l words (commandline -opc)
    set -l server
    for at in (seq (count $words))
        if contains -- $words[$at] -s --server; and test $at -lt (count $words)
            set server --server $words[(math $at + 1)]
        end
    end
    tenfold channels --names --timeout 1s $server 2> /dev/null
end
";

impl Completions {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut command = cli::command().mut_subcommands(with_values);
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "tenfold", &mut script);
        let script = String::from_utf8_lossy(&script);
        let script = match self.shell {
            Shell::Bash => BASH.to_owned() + &script.replace(CHANNELS, "$(__tenfold_channels)"),
            Shell::Zsh => in_zsh(&script),
            Shell::Fish => FISH.to_owned() + &script + &of_channels_in_fish(&command),
            _ => script.replace(CHANNELS, ""),
        };
        Stdout::open()?.write(script.as_bytes())
    }
}

/// A command whose arguments have the values that can be known.
fn with_values(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let is = |name: &str| {
            let names = arg.get_value_names().unwrap_or_default();
            names.iter().any(|value| value == name)
        };
        // This command is never parsed with.
        if is("FRAMING") || is("FRAMING|auto") {
            let presets = PRESETS.iter().map(|preset| preset.name);
            arg.value_parser(PossibleValuesParser::new(presets))
        } else if is("PLACE") {
            arg.value_parser(PossibleValuesParser::new(PLACES))
        } else if is("CHANNEL") && arg.is_positional() {
            arg.value_parser(PossibleValuesParser::new([CHANNELS]))
        } else {
            arg
        }
    });
    command.mut_subcommands(with_values)
}

/// The first line must stay the first. With two colons after the star, zsh hides the options before an argument from what
/// completes it, and completes none after it.
fn in_zsh(script: &str) -> String {
    let script = script
        .replace(&format!(":({CHANNELS})"), ":__tenfold_channels")
        .replace("'*::", "'*:");
    let (first, rest) = script.split_once('\n').unwrap_or((&script, ""));
    format!("{first}\n{ZSH}{rest}")
}

/// Lines for the commands that take the name of a channel; what is generated has none for arguments without an option.
fn of_channels_in_fish(command: &clap::Command) -> String {
    let takes_channel = |command: &&clap::Command| {
        command.get_positionals().any(|arg| {
            let names = arg.get_value_names().unwrap_or_default();
            names.iter().any(|name| name == "CHANNEL")
        })
    };
    let line = |command: &clap::Command| {
        format!(
            "complete -c tenfold -n \"__fish_tenfold_using_subcommand {}\" -f -a \"(__tenfold_channels)\"\n",
            command.get_name()
        )
    };
    let commands = command.get_subcommands().filter(takes_channel);
    commands.map(line).collect()
}
