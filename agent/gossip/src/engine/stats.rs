//! What the engine counts.

use crate::engine::error::WireError;
use std::net::SocketAddr;

/// Counters since the start.
#[derive(Clone, Debug, Default)]
pub struct EngineStats {
    /// Datagrams that came.
    pub packets_in: u64,
    /// Datagrams given out.
    pub packets_out: u64,
    /// Bytes of datagrams given out.
    pub bytes_out: u64,
    /// Datagrams that were not readable.
    pub packets_refused: u64,
    /// The last of them: from where, and why.
    pub last_refused: Option<(SocketAddr, WireError)>,
    /// Messages from, and claims about, addresses that are in none of the allowed networks.
    pub outsiders: u64,
    /// The last of these addresses.
    pub last_outsider: Option<SocketAddr>,
    /// Datagrams for another member (or from this one).
    pub packets_misdirected: u64,
    /// Probes begun.
    pub probes: u64,
    /// Probes that nobody answered, directly or not.
    pub probes_failed: u64,
    /// Probes answered only over TCP: datagrams to that member get lost.
    pub probes_by_stream: u64,
    /// Suspicions begun here or heard of.
    pub suspicions: u64,
    /// Confirmations by others that shortened a suspicion.
    pub confirmations: u64,
    /// Suspicions that ran out here.
    pub failures: u64,
    /// Times this member refuted a claim that it is gone.
    pub refutations: u64,
    /// Times this member found that it had stood still.
    pub stalls: u64,
    /// State exchanges begun.
    pub exchanges: u64,
    /// State exchanges that failed.
    pub exchanges_failed: u64,
    /// Errors of foca's; none is expected.
    pub core_errors: u64,
    /// The last of them.
    pub last_core_error: Option<String>,
}
