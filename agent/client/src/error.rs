//! What can go wrong between a client and its agent.

use thiserror::Error;

/// Why a call failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The agent could not be reached. Nothing changed; is it running, is the address right?
    #[error("cannot reach the agent at {address}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The agent refused. The text is its own.
    #[error("Unexpected response code: {status} ({body})")]
    Status {
        /// HTTP status.
        status: u16,
        /// Body. Not trimmed: Consul's commands show it as it is, too.
        body: String,
    },
    /// The agent refused a look at keys, of which the reference tells no more than the status.
    #[error("Unexpected response code: {0}")]
    Code(u16),
    /// The answer was not of the expected form.
    #[error("the answer is not what was expected: {0}")]
    Malformed(String),
    /// The address, token file or another setting can't be used.
    #[error("{0}")]
    BadSetting(String),
}
