//! `lictor kv …`

pub mod delete;
pub mod export;
pub mod get;
pub mod import;
pub mod put;

pub use delete::DELETE;
pub use export::EXPORT;
pub use get::GET;
pub use import::IMPORT;
pub use put::PUT;

use crate::error::Failure;
use crate::terminal::Terminal;

/// The one argument that must be a key. A leading slash is taken off, as keys have none.
fn only_key<'a>(arguments: &[&'a str]) -> Result<&'a str, Failure> {
    match arguments {
        [] | [""] => Err(Failure::Usage("Error! Missing KEY argument".to_owned())),
        [key] => Ok(key.strip_prefix('/').unwrap_or(key)),
        // Without the word that all else begins with, as in Consul.
        more => Err(Failure::Usage(format!("Too many arguments (expected 1, got {})", more.len()))),
    }
}

/// A value as given on the command line: itself, `-` for standard input, `@FILE` for a file.
pub(crate) fn read_value(argument: &str, terminal: &mut Terminal) -> Result<Vec<u8>, Failure> {
    if argument == "-" {
        return terminal.read_input().map_err(|error| Failure::Failed(format!("Failed to read stdin: {error}")));
    }
    match argument.strip_prefix('@') {
        Some(path) => std::fs::read(path).map_err(|error| Failure::Failed(format!("Failed to read file: {path}: {error}"))),
        None => Ok(argument.as_bytes().to_vec()),
    }
}
