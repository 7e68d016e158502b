//! Figures of the process and of this server's part of the datacenter that are looked at, not counted.

use lictor_net::{Shutdown, clock};
use lictor_raft::RaftNode;
use lictor_telemetry::metrics;
use std::sync::Arc;
use std::time::Duration;

/// How often a server sets its gauges.
const TICK: Duration = Duration::from_secs(1);

/// Time until metrics close an interval, which is how often a client agent sets its gauges: they tell of its process only, and there
/// are many of its kind that should sleep.
fn until_next_interval(now_unix_ms: u64) -> Duration {
    let interval_ms = metrics::INTERVAL_SECONDS * 1000;
    Duration::from_millis(interval_ms - now_unix_ms % interval_ms)
}

/// Runs until the agent ends.
pub(crate) async fn tell(raft: Option<Arc<RaftNode>>, shutdown: Shutdown) {
    let mut pause = TICK;
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = clock::sleep(pause) => {}
        }
        metrics::advance(clock::wall_unix_ms());
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        metrics::gauge("consul.runtime.num_goroutines", tasks as f64);
        if let Some(memory) = Memory::now() {
            metrics::gauge("consul.runtime.alloc_bytes", memory.own_bytes as f64);
            metrics::gauge("consul.runtime.sys_bytes", memory.resident_bytes as f64);
        }
        match &raft {
            Some(raft) => tell_server(raft),
            None => pause = until_next_interval(clock::wall_unix_ms()),
        }
    }
}

fn tell_server(raft: &RaftNode) {
    let stats = raft.stats();
    metrics::gauge("consul.raft.applied_index", stats.applied_index as f64);
    metrics::gauge("consul.raft.last_index", stats.last_log_index as f64);
    if !raft.is_leader() {
        metrics::sample("consul.raft.leader.lastContact", raft.last_contact().as_secs_f64() * 1e3);
    }
    let (_, state) = raft.state();
    let (counts, labels) = (state.counts(), [("datacenter", state.datacenter())]);
    for (name, count) in [
        ("consul.state.nodes", counts.nodes),
        ("consul.state.services", counts.services),
        ("consul.state.service_instances", counts.service_instances),
        ("consul.state.kv_entries", counts.kv_entries),
        ("consul.state.config_entries", counts.config_entries),
    ] {
        metrics::gauge_with(name, count as f64, &labels);
    }
}

/// What the process holds.
struct Memory {
    /// In memory, with what is shared with files.
    resident_bytes: u64,
    /// Without that.
    own_bytes: u64,
}

impl Memory {
    /// As Linux tells it (proc(5), status). `None` elsewhere.
    fn now() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/self/status").ok()?;
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
        };
        Some(Self { resident_bytes: bytes("VmRSS")?, own_bytes: bytes("RssAnon")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_interval_is_ahead_always() {
        assert_eq!(until_next_interval(0), Duration::from_secs(10));
        assert_eq!(until_next_interval(10_001), Duration::from_millis(9_999));
        assert_eq!(until_next_interval(19_999), Duration::from_millis(1));
    }

    #[test]
    fn a_process_holds_memory() {
        let memory = Memory::now().unwrap();
        assert!(memory.resident_bytes > memory.own_bytes && memory.own_bytes > 1 << 16);
    }
}
