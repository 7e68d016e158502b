//! Figures of the process and of this server's part of the datacenter that are looked at, not counted.

use lictor_net::{Shutdown, clock};
use lictor_raft::RaftNode;
use lictor_telemetry::metrics;
use std::sync::Arc;
use std::time::Duration;

/// How often metrics close an interval, and gauges are set.
const TICK: Duration = Duration::from_secs(1);

/// Runs until the agent ends.
pub(crate) async fn tell(raft: Option<Arc<RaftNode>>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = clock::sleep(TICK) => {}
        }
        metrics::advance(clock::wall_unix_ms());
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        metrics::gauge("consul.runtime.num_goroutines", tasks as f64);
        if let Some(memory) = Memory::now() {
            metrics::gauge("consul.runtime.alloc_bytes", memory.own_bytes as f64);
            metrics::gauge("consul.runtime.sys_bytes", memory.resident_bytes as f64);
        }
        if let Some(raft) = &raft {
            tell_server(raft);
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
    fn a_process_holds_memory() {
        let memory = Memory::now().unwrap();
        assert!(memory.resident_bytes > memory.own_bytes && memory.own_bytes > 1 << 16);
    }
}
