//! Fakes for tests of this crate.

use crate::probe::{Outcome, PluginSource, Probe};
use crate::view::{Aliased, CheckState, HealthView};
use async_trait::async_trait;
use lictor_types::definition::PluginCall;
use lictor_types::{CheckId, HealthStatus, ServiceId};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Default)]
pub(crate) struct ViewState {
    pub(crate) checks: Vec<CheckState>,
    pub(crate) services: Vec<ServiceId>,
}

/// A view whose states a test sets.
pub(crate) struct FakeView {
    pub(crate) state: Mutex<ViewState>,
    changes: watch::Sender<u64>,
}

impl Default for FakeView {
    fn default() -> Self {
        Self { state: Mutex::default(), changes: watch::channel(0).0 }
    }
}

impl FakeView {
    pub(crate) fn set(&self, id: &str, status: HealthStatus, output: &str) {
        let mut state = self.state.lock();
        state.checks.retain(|check| check.id != id);
        state.checks.push(CheckState { id: CheckId::from(id), name: format!("name of {id}"), status, output: output.to_owned() });
        drop(state);
        self.changes.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl HealthView for FakeView {
    fn check(&self, id: &CheckId) -> Option<CheckState> {
        self.state.lock().checks.iter().find(|check| check.id == *id).cloned()
    }

    async fn aliased(&self, _node: &str, service: &ServiceId) -> Result<Aliased, String> {
        let state = self.state.lock();
        Ok(Aliased { found: state.services.contains(service), checks: state.checks.clone() })
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// A source that gives one probe, whatever is called for.
pub(crate) struct FakeSource<P>(pub(crate) Arc<P>);

impl<P: Probe> PluginSource for FakeSource<P> {
    fn probe(&self, call: &PluginCall) -> Result<Arc<dyn Probe>, String> {
        if call.name == "missing" { Err("there is no plugin \"missing\"".to_owned()) } else { Ok(self.0.clone()) }
    }
}

/// An outcome in one word.
pub(crate) fn found(status: HealthStatus) -> Outcome {
    Outcome::new(status, format!("found {status}"))
}
