//! Plugin check: a probe from the plugin host.

use crate::probe::{Outcome, PluginSource, Probe};
use async_trait::async_trait;
use lictor_net::clock::Instant;
use lictor_types::HealthStatus;
use lictor_types::definition::PluginCall;
use parking_lot::Mutex;
use std::sync::Arc;

/// Asks the plugin host for the probe until there is one: the plugin's file may come after the check's definition.
pub struct PluginProbe {
    source: Arc<dyn PluginSource>,
    call: PluginCall,
    found: Mutex<Option<Arc<dyn Probe>>>,
}

impl PluginProbe {
    /// The probe of a call.
    pub fn new(source: Arc<dyn PluginSource>, call: PluginCall) -> Self {
        Self { source, call, found: Mutex::new(None) }
    }

    fn probe(&self) -> Result<Arc<dyn Probe>, String> {
        let mut found = self.found.lock();
        match &*found {
            Some(probe) => Ok(probe.clone()),
            None => Ok(found.insert(self.source.probe(&self.call)?).clone()),
        }
    }
}

#[async_trait]
impl Probe for PluginProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        match self.probe() {
            Ok(probe) => probe.run(deadline).await,
            Err(sentence) => Outcome::new(HealthStatus::Critical, sentence),
        }
    }
}
