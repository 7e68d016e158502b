//! How often a leader shows itself, and how long the others wait for it.
//!
//! A leader that is gone is missed after its lease and an election timeout; a tied election costs one more timeout. At the default
//! multiplier that is 1.2 s at the very worst with one tie, and 0.65 to 0.8 s without. Consul's own times are ten times as long: its
//! multiplier was made for machines whose disks hold up heartbeats, ours are sent and answered beside the disk.

use crate::error::RaftError;
use std::time::Duration;

/// At multiplier 5, Consul's default.
const HEARTBEAT_MS: u64 = 100;
const ELECTION_MIN_MS: u64 = 250;
const ELECTION_MAX_MS: u64 = 400;

/// The times of one member. All members should have the same: a lease is safe only if nobody's is shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// From one heartbeat to the next.
    pub(crate) heartbeat: Duration,
    /// Shortest wait, beyond the lease, before an election.
    pub(crate) election_min: Duration,
    /// Longest such wait.
    pub(crate) election_max: Duration,
}

impl Timing {
    /// From Consul's `raft_multiplier`: 1 is 60 % of the default, 5 the default, and beyond it each step adds another default (10 is
    /// six times as long), for machines that stall.
    pub(crate) fn of(raft_multiplier: u32) -> Result<Self, RaftError> {
        let percent = match u64::from(raft_multiplier) {
            m @ 1..=5 => 50 + 10 * m,
            m @ 6..=10 => 100 * (m - 4),
            m => return Err(RaftError::Settings(format!("raft_multiplier is {m}, not between 1 and 10"))),
        };
        let scaled = |ms: u64| Duration::from_millis(ms * percent / 100);
        Ok(Self { heartbeat: scaled(HEARTBEAT_MS), election_min: scaled(ELECTION_MIN_MS), election_max: scaled(ELECTION_MAX_MS) })
    }

    /// How long after its last heartbeat that a majority answered a leader may answer reads alone, and how long nobody votes against it.
    pub(crate) fn lease(&self) -> Duration {
        self.election_max
    }

    /// How long one message with entries may take: their disk may be slow, and the lease does not hang on them.
    pub(crate) fn append_timeout(&self) -> Duration {
        (self.election_max * 8).max(Duration::from_secs(4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_multiplier_stretches_and_has_bounds() {
        let all: Vec<Timing> = (1..=10).map(|m| Timing::of(m).unwrap()).collect();
        assert!(all.windows(2).all(|two| two[0].heartbeat < two[1].heartbeat && two[0].election_max < two[1].election_max));
        for timing in &all {
            assert!(timing.heartbeat * 2 < timing.election_min && timing.election_min < timing.election_max);
        }
        let at_default = all[4];
        assert!(at_default.lease() + at_default.election_max * 2 <= Duration::from_millis(1_200));
        assert!(Timing::of(0).is_err() && Timing::of(11).is_err());
    }
}
