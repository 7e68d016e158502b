//! Taking up again what was registered over the API before a restart.

use super::LocalHandle;
use super::registration::Keep;
use crate::canonical;
use crate::error::LocalError;
use crate::events::NotRestored;
use lictor_telemetry::Emit;
use lictor_types::Origin;
use std::sync::Arc;

/// What came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Services registered again.
    pub services: usize,
    /// Checks registered again, without those of services.
    pub checks: usize,
    /// Registrations left out: a file defines the same id, or they are not valid any more. The log names them.
    pub skipped: usize,
}

impl LocalHandle {
    /// Registers what is kept in the data directory. To be called once, after the definitions of files are in place (files win
    /// over what is kept under the same id).
    pub fn restore(&self) -> RestoreReport {
        let Some(persist) = &self.inner.persist else { return RestoreReport::default() };
        let _pause = self.pause();
        let mut report = RestoreReport::default();
        let mut skip = |id: &str, reason: &str| {
            NotRestored { id, reason }.emit();
            report.skipped += 1;
        };
        let from_file = |origin: Option<&Origin>| matches!(origin, Some(Origin::File { .. }));
        let (mut services, mut checks) = (0, 0);
        for mut definition in persist.load_services() {
            // What a registration said of its state is long past: without a result that was kept, a check begins critical.
            definition.checks.iter_mut().for_each(|check| check.status = None);
            let id = definition.effective_id();
            let taken = from_file(self.inner.state.lock().origin_of_service(&id));
            if taken {
                skip(&id, "a file defines a service of this id");
                persist.remove_service(&id);
                continue;
            }
            match self.put_service(&Arc::new(definition), false, Keep::AsItIs) {
                Ok(()) => services += 1,
                Err(error) => skip(&id, &error.to_string()),
            }
        }
        for mut definition in persist.load_checks() {
            definition.status = None;
            let id = definition.id.clone();
            let taken = self.check(&id).is_some_and(|check| from_file(Some(&check.origin)));
            let result = if taken {
                Err(LocalError::Invalid("a file defines a check of this id".to_owned()))
            } else if canonical::is_maintenance(&id) && definition.kinds().is_empty() && !definition.service_id.is_empty() {
                self.service_maintenance(&definition.service_id, true, &definition.notes, &definition.token)
            } else if canonical::is_maintenance(&id) && definition.kinds().is_empty() {
                self.maintenance(&definition.service_id, true, &definition.notes, &definition.token)
            } else {
                self.put_check(&definition, Keep::AsItIs)
            };
            match result {
                Ok(()) => checks += 1,
                Err(error) => {
                    skip(&id, &error.to_string());
                    if taken || matches!(error, LocalError::NoSuchService(_) | LocalError::NotRegistered(_)) {
                        persist.remove_check(&id);
                    }
                }
            }
        }
        // States whose checks did not come back are of no use to anybody.
        let orphans: Vec<_> = self.inner.restored.lock().drain().map(|(id, _)| id).collect();
        for id in orphans {
            persist.remove_state(&id);
        }
        // What cannot be removed is in the log.
        let _ = persist.settle(None);
        RestoreReport { services, checks, ..report }
    }
}
