//! `lictor keygen`

use crate::command::{Command, Invocation, Work};
use crate::error::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::Read;
use std::process::ExitCode;

/// Bytes of a gossip key: AES-256.
const KEY_BYTES: usize = 32;

/// `lictor keygen`
pub const KEYGEN: Command = Command {
    name: "keygen",
    about: "Generates a gossip encryption key",
    arguments: "",
    help: "The key is 32 random bytes in base64, for the option `encrypt`.",
    flags: Vec::new,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let mut key = [0_u8; KEY_BYTES];
    // A key wants the system's own randomness, not a seeded generator.
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut key))
        .map_err(|error| Failure::Failed(format!("Error reading random data: {error}")))?;
    invocation.terminal.say(&STANDARD.encode(key));
    Ok(ExitCode::SUCCESS)
}
