//! Where `local` and `checks` meet: the local state asks for checks to be run, the scheduler runs them.

use lictor_checks::{InitialState, Scheduler};
use lictor_local::{Initial, Runner};
use lictor_types::{CheckDefinition, CheckId, CheckUpdate};

/// Runs the checks of the local state.
pub(crate) struct ScheduledRunner {
    scheduler: Scheduler,
}

impl ScheduledRunner {
    /// A runner over a scheduler.
    pub(crate) fn new(scheduler: Scheduler) -> Self {
        Self { scheduler }
    }
}

impl Runner for ScheduledRunner {
    fn validate(&self, definition: &CheckDefinition) -> Result<(), String> {
        lictor_checks::validate(definition).map(drop).map_err(|error| error.to_string())
    }

    fn start(&self, id: &CheckId, definition: &CheckDefinition, initial: Initial) -> Result<(), String> {
        let initial = InitialState { status: initial.status, output: initial.output, age: initial.age };
        self.scheduler.start(id.clone(), definition, initial).map_err(|error| error.to_string())
    }

    fn stop(&self, id: &CheckId) {
        self.scheduler.stop(id);
    }

    fn is_current(&self, update: &CheckUpdate) -> bool {
        self.scheduler.is_current(update)
    }

    fn is_damped(&self, id: &CheckId) -> bool {
        self.scheduler.is_damped(id)
    }
}
