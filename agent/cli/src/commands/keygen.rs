//! `lictor keygen`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::random;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::process::ExitCode;

/// Bytes of a gossip key: AES-256.
const KEY_BYTES: usize = 32;

/// `lictor keygen`
pub const KEYGEN: Command = Command {
    name: "keygen",
    about: "Generates a gossip encryption key",
    arguments: "",
    help: "The key is 32 random bytes in base64, for the option `encrypt`.\n\nExamples:\n  lictor keygen",
    flags: &[],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let key = random::bytes::<KEY_BYTES>()?;
    invocation.terminal.say(&STANDARD.encode(key));
    Ok(ExitCode::SUCCESS)
}
