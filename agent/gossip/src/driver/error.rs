//! Why a pool does not start, or does not do what was asked.

use crate::keyring::KeyError;
use lictor_net::bind::BindError;
use thiserror::Error;

/// A failure of the driver.
#[derive(Debug, Error)]
pub enum GossipError {
    /// The address cannot be listened on. The operator's fault; nothing was started.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A key or the keyring file makes no sense. The operator's fault; nothing was started or changed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The settings contradict each other. The caller's fault; nothing was started.
    #[error("gossip settings: {0}")]
    Settings(String),
    /// The pool has ended, or is about to. Nothing was changed.
    #[error("the gossip pool has ended")]
    Ended,
}

/// An address that is no address, or leads nowhere now. The operator's fault, or the name server's; may be tried again.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// It cannot be read.
    #[error("{address:?}: {reason}")]
    Malformed {
        /// As it was given.
        address: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Clouds are not asked for members.
    #[error("{0:?}: joining by asking a cloud is not built; name hosts, or a DNS name that lists them")]
    Provider(String),
    /// The name leads nowhere.
    #[error("cannot look up {host}: {reason}")]
    Unknown {
        /// The name.
        host: String,
        /// What the name server said.
        reason: String,
    },
}

/// Nobody could be joined. May be tried again.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", self.text())]
pub struct JoinFailed {
    /// For each address, why not.
    pub reasons: Vec<String>,
}

impl JoinFailed {
    fn text(&self) -> String {
        match self.reasons.as_slice() {
            [] => "there is nobody to join".to_owned(),
            [one] => one.clone(),
            many => format!("nobody could be joined: {}", many.join("; ")),
        }
    }
}

/// Joining again and again was given up: the agent should end, as the operator asked for so many attempts.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RetryError {
    /// The attempts are used up.
    #[error("joining was given up after {attempts} attempts: {last}")]
    Exhausted {
        /// Attempts made.
        attempts: u32,
        /// What the last one met.
        last: JoinFailed,
    },
    /// The pool ended meanwhile.
    #[error("the gossip pool has ended")]
    Ended,
}
