//! Who runs the checks. Implemented where `checks` and `local` meet (in the binary), so that neither names the other.

use lictor_types::{CheckDefinition, CheckId, CheckUpdate, HealthStatus};
use std::time::Duration;

/// What is known of a check before its first run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Initial {
    /// State it is registered with.
    pub status: HealthStatus,
    /// Output it is registered with.
    pub output: String,
    /// How old both are when they were restored after a restart.
    pub age: Option<Duration>,
}

/// Starts and stops checks. Calls must return soon and must not call back into [`crate::LocalHandle`].
pub trait Runner: Send + Sync + 'static {
    /// Whether a check could be started; the error is a sentence for its author.
    fn validate(&self, definition: &CheckDefinition) -> Result<(), String>;
    /// Starts a check, or replaces the one of that id. An unchanged definition goes on undisturbed.
    fn start(&self, id: &CheckId, definition: &CheckDefinition, initial: Initial) -> Result<(), String>;
    /// Stops a check, if it runs.
    fn stop(&self, id: &CheckId);
    /// Whether an update comes from the check that runs under its id now, not from one that was stopped or replaced while it was
    /// on its way. Called under the lock of the state.
    fn is_current(&self, _update: &CheckUpdate) -> bool {
        true
    }
    /// Whether flap damping holds the check's state now.
    fn is_damped(&self, _id: &CheckId) -> bool {
        false
    }
}
