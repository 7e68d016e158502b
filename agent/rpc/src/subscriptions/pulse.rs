//! Whether the datacenters that something is kept of are still there: one small question each, however many answers are kept.

use crate::cluster::Cluster;
use futures_util::StreamExt;
use futures_util::stream;
use lictor_net::clock::{self, Instant};
use lictor_types::{Consistency, Query, QueryMeta, QueryOptions};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Datacenters that are asked at a time.
const ASKED_MAX: usize = 16;

/// What was heard last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    /// When a server answered last, and how it stood with the leader then.
    pub(super) last: Option<(Instant, QueryMeta)>,
    /// Whether it did not answer when it was asked after that.
    pub(super) silent: bool,
    /// How often it came back after silence.
    pub(super) returns: u64,
}

/// The pulse of one datacenter.
pub(super) type Pulse = Arc<watch::Sender<Heard>>;

/// The pulses, by datacenter.
#[derive(Debug, Default)]
pub(super) struct Pulses {
    by_datacenter: Mutex<HashMap<String, Pulse>>,
}

impl Pulses {
    pub(super) fn of(&self, datacenter: &str) -> Pulse {
        let mut pulses = self.by_datacenter.lock();
        if let Some(pulse) = pulses.get(datacenter) {
            return pulse.clone();
        }
        pulses.entry(datacenter.to_owned()).or_insert_with(|| Arc::new(watch::Sender::new(Heard::default()))).clone()
    }

    /// Those of which nothing is kept any more.
    pub(super) fn forget_unused(&self) {
        self.by_datacenter.lock().retain(|_, pulse| Arc::strong_count(pulse) > 1);
    }

    /// Whether there is none to feel.
    pub(super) fn are_unused(&self) -> bool {
        self.by_datacenter.lock().is_empty()
    }

    /// Asks every datacenter once.
    pub(super) async fn feel(&self, cluster: &dyn Cluster, patience: Duration) {
        let pulses: Vec<(String, Pulse)> =
            self.by_datacenter.lock().iter().map(|(datacenter, pulse)| (datacenter.clone(), pulse.clone())).collect();
        stream::iter(pulses)
            .for_each_concurrent(ASKED_MAX, |(datacenter, pulse)| async move {
                let options = QueryOptions { datacenter, consistency: Consistency::Stale, ..QueryOptions::default() };
                let answer = clock::timeout(patience, cluster.query(&Query::StatusLeader, &options)).await;
                pulse.send_modify(|heard| match answer {
                    Ok(Ok(answer)) => {
                        heard.last = Some((clock::now(), answer.meta));
                        heard.returns += u64::from(heard.silent);
                        heard.silent = false;
                    }
                    _ => heard.silent = true,
                });
            })
            .await;
    }
}
