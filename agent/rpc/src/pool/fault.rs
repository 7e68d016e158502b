//! How a call fails. What matters is whether the other side may have done what was asked.

use crate::error::ClusterError;
use std::time::Duration;
use thiserror::Error;
use tonic::{Code, Status};

/// Why a call to a server brought no reply.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// The server did not take the request: nothing changed; may be tried elsewhere.
    #[error("{address}: {reason}")]
    NotSent {
        /// `ip:port`.
        address: String,
        /// Why.
        reason: String,
    },
    /// The connection was lost after the request was sent: the server may have carried it out.
    #[error("{address}: {reason}")]
    Lost {
        /// `ip:port`.
        address: String,
        /// Why.
        reason: String,
    },
    /// No answer in time: the server may have carried it out, or still do so.
    #[error("{address} did not answer within {after:?}")]
    TimedOut {
        /// `ip:port`.
        address: String,
        /// How long was waited.
        after: Duration,
    },
    /// The server answered that it did not do it, and why; or the reply cannot be read.
    #[error(transparent)]
    Answered(#[from] ClusterError),
}

impl CallError {
    /// A reply that this agent does not understand.
    pub(crate) fn unreadable(sentence: String) -> Self {
        Self::Answered(ClusterError::Internal(format!("a server's reply: {sentence}")))
    }

    /// What tonic says, as far as it is known what it means.
    pub(crate) fn of_status(address: &str, status: &Status) -> Self {
        let reason = || if status.message().is_empty() { status.code().to_string() } else { status.message().to_owned() };
        let source = std::error::Error::source(status).and_then(|source| source.downcast_ref::<SendFault>());
        if let Some(fault) = source {
            let (address, reason) = (address.to_owned(), fault.reason.clone());
            return if fault.sent { Self::Lost { address, reason } } else { Self::NotSent { address, reason } };
        }
        match status.code() {
            // The other side says so before it looks at the request.
            Code::ResourceExhausted => Self::NotSent { address: address.to_owned(), reason: reason() },
            Code::FailedPrecondition | Code::Unimplemented | Code::InvalidArgument | Code::OutOfRange => {
                Self::Answered(ClusterError::Internal(format!("{address} refused: {}", reason())))
            }
            _ => Self::Lost { address: address.to_owned(), reason: reason() },
        }
    }
}

/// A request that HTTP/2 did not get through.
#[derive(Debug)]
pub(crate) struct SendFault {
    /// Whether the other side may have taken it.
    pub(crate) sent: bool,
    pub(crate) reason: String,
}

impl std::fmt::Display for SendFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

// Without a source on purpose: tonic would look through it and make a status of its own of what it finds.
impl std::error::Error for SendFault {}

impl SendFault {
    /// What hyper says. `returned`: the request was given back, it never left.
    pub(crate) fn of(error: &hyper::Error, returned: bool) -> Self {
        let refused = h2_reason(error).is_some_and(|reason| reason == h2::Reason::REFUSED_STREAM);
        Self { sent: !(returned || refused), reason: with_causes(error) }
    }
}

fn h2_reason(error: &hyper::Error) -> Option<h2::Reason> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<h2::Error>() {
            return if found.is_reset() { found.reason() } else { None };
        }
        next = cause.source();
    }
    None
}

/// An error with what is under it, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
