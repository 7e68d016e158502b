//! Deleted keys leave tombstones, so that a blocking query on a prefix sees the deletion; old ones are forgotten.

use crate::server::Server;
use lictor_catalog::QueryScope;
use lictor_net::clock::{self, Instant};
use lictor_rpc::ClusterError;
use lictor_types::{Command, Index, Query};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a tombstone is kept at least, as in Consul.
const TTL: Duration = Duration::from_secs(15 * 60);
/// How exactly that is kept.
pub(super) const GRANULARITY: Duration = Duration::from_secs(30);

/// Where the keys stood when. Without writes to keys it stays empty, and nothing is proposed.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    marks: VecDeque<(Instant, Index)>,
    last: Index,
}

impl Tombstones {
    fn note(&mut self, now: Instant, table: Index) {
        if table > self.last {
            self.last = table;
            self.marks.push_back((now, table));
        }
    }

    /// The index up to which tombstones are old enough to go.
    fn due(&mut self, now: Instant) -> Option<Index> {
        let mut upto = None;
        while let Some((at, index)) = self.marks.front()
            && now.duration_since(*at) >= TTL
        {
            upto = Some(*index);
            self.marks.pop_front();
        }
        upto
    }
}

impl Server {
    fn keys_index(&self) -> Index {
        // The index of the empty prefix is the table's; asking for it reads no key.
        self.catalog.snapshot().query_index(&Query::KvList(String::new()), &QueryScope::default()).unwrap_or_default()
    }

    /// Notes where the keys stand; has tombstones forgotten that are old enough.
    pub(super) async fn reap_tombstones(&self, tombstones: &mut Tombstones) -> Result<(), ClusterError> {
        let now = clock::now();
        tombstones.note(now, self.keys_index());
        if let Some(upto) = tombstones.due(now) {
            self.raft.propose(Command::ReapTombstones(upto)).await?;
            // Reaping moves the table's index itself; that is no reason to reap again.
            tombstones.last = tombstones.last.max(self.keys_index());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_old_goes_and_idle_proposes_nothing() {
        let mut tombstones = Tombstones::default();
        let start = clock::now();
        tombstones.note(start, Index(5));
        tombstones.note(start + GRANULARITY, Index(5));
        tombstones.note(start + GRANULARITY, Index(9));
        assert_eq!(tombstones.due(start + TTL - Duration::from_secs(1)), None);
        assert_eq!(tombstones.due(start + TTL), Some(Index(5)));
        assert_eq!(tombstones.due(start + TTL * 2), Some(Index(9)));
        assert_eq!(tombstones.due(start + TTL * 9), None);
    }
}
