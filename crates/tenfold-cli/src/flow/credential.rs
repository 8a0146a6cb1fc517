//! Who this program is, for a hub that asks.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use clap::Args;
use tenfold::protocol::{BadToken, Token};
use tenfold::tls::Client;

use crate::flow::tls_client::{TlsClient, TlsFiles};

/// The token itself, where a file is not at hand.
const TOKEN: &str = "TENFOLD_TOKEN";
/// The environment that programs which are started do not get.
pub(crate) const SECRETS: [&str; 2] = [TOKEN, "TENFOLD_TOKEN_FILE"];

/// A token's file is not larger than this, in bytes.
const MOST: u64 = 4096;

/// Who to be at a hub that asks.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CredentialOptions {
    /// Say who you are to a hub that asks (serve --auth): with the token in FILE, which nobody else can read. The
    /// variable `TENFOLD_TOKEN` can have the token itself
    #[arg(long, value_name = "FILE", env = "TENFOLD_TOKEN_FILE", hide_env_values = true, value_parser = token_of_file)]
    token_file: Option<Token>,

    #[command(flatten)]
    tls: TlsClient,
}

/// What a client shows to a hub, and how it knows the hub.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credential {
    pub(crate) token: Option<Token>,
    pub(crate) tls: Option<Client>,
}

impl CredentialOptions {
    /// Everything at once.
    pub(crate) fn all(&self) -> Credential {
        Credential {
            token: self.token(),
            tls: self.tls(),
        }
    }

    /// How TLS is made, if something was said of that.
    pub(crate) fn tls(&self) -> Option<Client> {
        self.tls.client()
    }

    /// The options of TLS as they were given.
    pub(crate) fn tls_files(&self) -> &TlsFiles {
        self.tls.files()
    }

    /// The token of the file, or else of the environment.
    pub(crate) fn token(&self) -> Option<Token> {
        let of_environment = || token_of_environment().ok().flatten();
        self.token_file.clone().or_else(of_environment)
    }
}

pub(crate) fn token_of_file(path: &str) -> Result<Token, String> {
    let text = read_private(Path::new(path), "a token", 0o077)?;
    text.trim().parse().map_err(|bad: BadToken| bad.to_string())
}

/// The token of the environment; or that there is something else.
pub(crate) fn token_of_environment() -> Result<Option<Token>, String> {
    let Some(text) = env::var_os(TOKEN).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let token = text.to_str().unwrap_or_default().trim().parse();
    token
        .map(Some)
        .map_err(|bad: BadToken| format!("{TOKEN}: {bad}"))
}

/// Reads a small file that has secrets. One on which others have one of these permissions is refused.
pub(crate) fn read_private(path: &Path, what: &str, others: u32) -> Result<String, String> {
    let cannot = |error| {
        let path = path.display();
        format!("cannot read {what} from {path}: {error}")
    };
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    // What is not a file, such as a pipe of the shell, nobody else can open.
    if metadata.is_file() && metadata.mode() & others != 0 {
        let path = path.display();
        let mode = metadata.mode() & 0o777;
        let can = if others & 0o044 == 0 {
            "change"
        } else {
            "read"
        };
        return Err(format!(
            "{path} has {what}, and others can {can} it (mode {mode:o}): chmod {} {path}",
            if others & 0o044 == 0 { "go-w" } else { "600" }
        ));
    }
    let mut text = String::new();
    file.take(MOST.max(metadata.len()))
        .read_to_string(&mut text)
        .map_err(cannot)?;
    Ok(text)
}

/// Whether there is a file.
pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
