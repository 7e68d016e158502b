//! Central configuration entries of the agent's own configuration: a new leader writes those that are not there.

use super::RETRY_PAUSE;
use crate::events::StepFailed;
use crate::server::Server;
use lictor_net::clock;
use lictor_rpc::ClusterError;
use lictor_types::{Command, ConfigEntry, ConfigEntryVerb, Index, Outcome, Query, Reply};

impl Server {
    /// Writes them, then waits for ever. One that does not go with the others is told of and left out.
    pub(super) async fn write_config_entries(&self) {
        for entry in &self.settings.config_entries {
            while let Err(error) = self.write_if_missing(entry).await {
                StepFailed { step: "bootstrap config entry", error: &error }.emit();
                if matches!(error, ClusterError::Refused(_)) {
                    break;
                }
                clock::sleep(RETRY_PAUSE).await;
            }
        }
        std::future::pending::<()>().await;
    }

    async fn write_if_missing(&self, entry: &ConfigEntry) -> Result<(), ClusterError> {
        let query = Query::ConfigEntry { kind: entry.kind(), name: entry.name.clone() };
        let known = self.catalog.snapshot().query(&query, &Default::default(), None);
        if matches!(known, Some((_, Reply::ConfigEntries(rows))) if !rows.is_empty()) {
            return Ok(());
        }
        let entry = Box::new(ConfigEntry { modify_index: Index(0), ..entry.clone() });
        match self.raft.propose(Command::ConfigEntry { verb: ConfigEntryVerb::Cas, entry }).await? {
            Outcome::Refused(sentence) => Err(ClusterError::Refused(sentence)),
            _ => Ok(()),
        }
    }
}
