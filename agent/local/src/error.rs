//! Why something was not done to the local state. In each case nothing changed.

use lictor_rpc::NodeError;
use lictor_types::ServiceId;
use thiserror::Error;

/// A refusal. The sentences are Consul's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LocalError {
    /// The definition makes no sense. Caller's fault.
    #[error("{0}")]
    Invalid(String),
    /// A script check while those are off. The operator's choice.
    #[error("{0}")]
    ScriptsOff(&'static str),
    /// A check for a service that is not on this agent. Caller's fault.
    #[error("ServiceID {:?} does not exist", .0.as_str())]
    NoSuchService(ServiceId),
    /// A service that should be put in maintenance is not on this agent. Caller's fault.
    #[error("No service registered with ID {:?}", .0.as_str())]
    NotRegistered(ServiceId),
    /// The call lacks an id. Caller's fault.
    #[error("{0} missing")]
    MissingId(&'static str),
    /// No port is free for a sidecar that names none. The operator's to widen.
    #[error("{0}")]
    NoPort(String),
    /// The data directory cannot be written: what cannot be kept is not acknowledged. May succeed later.
    #[error("failed to persist {what}: {reason}")]
    Persist {
        /// What should have been written.
        what: &'static str,
        /// What the system says.
        reason: String,
    },
}

impl From<LocalError> for NodeError {
    fn from(error: LocalError) -> Self {
        let sentence = error.to_string();
        match error {
            LocalError::Invalid(_) => Self::BadRequest(sentence),
            LocalError::NotRegistered(_) => Self::NotFound(sentence),
            LocalError::ScriptsOff(_)
            | LocalError::NoSuchService(_)
            | LocalError::MissingId(_)
            | LocalError::NoPort(_)
            | LocalError::Persist { .. } => Self::Refused(sentence),
        }
    }
}
