//! A module in a file, held by the same host as in the agent.

use lictor_checks::{Outcome, Probe};
use lictor_cli::Failure;
use lictor_net::clock;
use lictor_plugins::{Limits, PluginBlock, PluginHost, PluginSettings, PluginStatus};
use lictor_types::definition::PluginCall;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Log lines kept of a run.
const LOG_LINES_MAX: usize = 1000;

/// A module and its host.
pub(crate) struct Module {
    name: String,
    host: Arc<PluginHost>,
    log: mpsc::Receiver<String>,
}

/// One run.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
    pub(crate) log: Vec<String>,
}

impl Module {
    /// A module by its file, or a plugin inside the agent by its name. The error is a sentence.
    pub(crate) async fn open(which: &str, limits: Limits) -> Result<Self, Failure> {
        let path = Path::new(which);
        let is_shipped = lictor_plugins::SHIPPED.iter().any(|(name, _)| *name == which);
        let name = path.file_stem().map_or_else(|| which.to_owned(), |stem| stem.to_string_lossy().into_owned());
        if !is_shipped && !path.is_file() {
            let shipped: Vec<&str> = lictor_plugins::SHIPPED.iter().map(|(name, _)| *name).collect();
            return Err(Failure::Failed(format!(
                "{which} is neither a file nor a plugin inside the agent ({})",
                shipped.join(", ")
            )));
        }
        let path: Option<PathBuf> = (!is_shipped || path.is_file()).then(|| path.to_owned());
        let (tap, log) = mpsc::channel(LOG_LINES_MAX);
        let host = PluginHost::new(PluginSettings {
            plugins: vec![PluginBlock { name: name.clone(), path, limits: Some(limits), ..PluginBlock::default() }],
            // A process starts, runs once and ends: the time and this process make chance enough for a trial.
            seed: seed(),
            log: Some(tap),
            ..PluginSettings::default()
        });
        host.prepare(vec![name.clone()]).await;
        Ok(Self { name, host, log })
    }

    /// What is known of it; the error is why it was refused.
    pub(crate) fn status(&self) -> Result<PluginStatus, Failure> {
        let status = self.host.status().into_iter().next();
        let status = status.ok_or_else(|| Failure::Failed(format!("{} was not loaded", self.name)))?;
        match status.error {
            Some(error) => Err(Failure::Failed(format!("{}: {error}", self.name))),
            None => Ok(status),
        }
    }

    /// Fits a call to it; the error is what the agent would say.
    pub(crate) fn probe(
        &self,
        config: serde_json::Map<String, serde_json::Value>,
        allow: Vec<String>,
    ) -> Result<Arc<dyn Probe>, String> {
        self.host.load_probe(&PluginCall { name: self.name.clone(), config, allow })
    }

    /// Runs once.
    pub(crate) async fn run(&mut self, probe: &Arc<dyn Probe>, timeout: Duration) -> Ran {
        let began = clock::now();
        let outcome = probe.run(began + timeout).await;
        let took = began.elapsed();
        let mut log = Vec::new();
        while let Ok(line) = self.log.try_recv() {
            log.push(line);
        }
        Ran { outcome, took, log }
    }
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    let now = clock::wall().as_nanos().to_le_bytes();
    let own = std::process::id().to_le_bytes();
    for (place, byte) in seed.iter_mut().zip(now.into_iter().chain(own)) {
        *place = byte;
    }
    seed
}
