//! What happens in a pool, as logs and metrics at once. Metric names are Consul's where it has one.

use crate::engine::{Conflict, EngineStats, Event};
use lictor_telemetry::{Emit, metrics};
use lictor_types::Member;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

macro_rules! emitted {
    ($($event:ident $(<$life:lifetime>)?),* $(,)?) => {$(
        impl $event $(<$life>)? {
            /// Logs and counts.
            pub(crate) fn emit(self) {
                Emit::emit(self);
            }
        }
    )*};
}

emitted!(
    Started<'_>,
    PacketSent,
    PacketReceived,
    NotSent,
    Dropped,
    StreamAccepted,
    StreamOpened,
    StreamSent,
    StreamRefused,
    StreamFailed<'_>,
    AcceptFailed<'_>,
    News<'_>,
    TookDue,
    Health,
    Counted<'_>,
    JoinTried<'_>,
    JoinDone<'_>,
    JoinRetried<'_>,
    Rejoined<'_>,
    PeersUnreadable<'_>,
    PeersNotKept<'_>,
    KeyIgnored<'_>,
    KeysChanged<'_>,
);

/// A pool listens.
pub(crate) struct Started<'a> {
    pub(crate) pool: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) node: &'a str,
    pub(crate) encrypted: bool,
}

impl Emit for Started<'_> {
    fn emit(self) {
        tracing::info!(pool = self.pool, address = %self.address, node = self.node, encrypted = self.encrypted, "gossip started");
    }
}

/// A datagram went out.
pub(crate) struct PacketSent {
    pub(crate) bytes: usize,
}

impl Emit for PacketSent {
    fn emit(self) {
        static BYTES: metrics::Counter = metrics::Counter::new("consul.memberlist.udp.sent");
        BYTES.add(self.bytes as u64);
    }
}

/// A datagram came.
pub(crate) struct PacketReceived {
    pub(crate) bytes: usize,
}

impl Emit for PacketReceived {
    fn emit(self) {
        static BYTES: metrics::Counter = metrics::Counter::new("consul.memberlist.udp.received");
        BYTES.add(self.bytes as u64);
    }
}

/// How often alike events were kept from the log since the last that was logged; `None`: this one is kept from it too.
pub(crate) type Hushed = Option<u64>;

/// A datagram could not be sent: gossip will say it again.
pub(crate) struct NotSent {
    pub(crate) pool: &'static str,
    pub(crate) to: SocketAddr,
    pub(crate) error: String,
    pub(crate) hushed: Hushed,
}

impl Emit for NotSent {
    fn emit(self) {
        metrics::count("lictor.gossip.udp.not_sent", 1);
        if let Some(before) = self.hushed {
            tracing::warn!(pool = self.pool, to = %self.to, error = self.error, before, "a gossip datagram cannot be sent");
        }
    }
}

/// Something that came was dropped: it is not encrypted with a key known here, or not in a form known here.
pub(crate) struct Dropped {
    pub(crate) pool: &'static str,
    pub(crate) from: SocketAddr,
    /// `packet` or `stream`.
    pub(crate) way: &'static str,
    /// A word of few: a label of the metric.
    pub(crate) cause: &'static str,
    pub(crate) reason: String,
    pub(crate) hushed: Hushed,
}

impl Emit for Dropped {
    fn emit(self) {
        metrics::count_with("lictor.gossip.dropped", 1, &[("way", self.way), ("cause", self.cause)]);
        if let Some(before) = self.hushed {
            tracing::warn!(pool = self.pool, from = %self.from, way = self.way, reason = self.reason, before, "dropping gossip");
        }
    }
}

/// A stream was accepted.
pub(crate) struct StreamAccepted;

impl Emit for StreamAccepted {
    fn emit(self) {
        metrics::count("consul.memberlist.tcp.accept", 1);
    }
}

/// A stream to another member was opened.
pub(crate) struct StreamOpened;

impl Emit for StreamOpened {
    fn emit(self) {
        metrics::count("consul.memberlist.tcp.connect", 1);
    }
}

/// Bytes went out over a stream.
pub(crate) struct StreamSent {
    pub(crate) bytes: usize,
}

impl Emit for StreamSent {
    fn emit(self) {
        metrics::count("consul.memberlist.tcp.sent", self.bytes as u64);
    }
}

/// There were too many streams to take one more.
pub(crate) struct StreamRefused {
    pub(crate) pool: &'static str,
    pub(crate) from: SocketAddr,
    pub(crate) hushed: Hushed,
}

impl Emit for StreamRefused {
    fn emit(self) {
        metrics::count("lictor.gossip.streams.refused", 1);
        if let Some(before) = self.hushed {
            tracing::warn!(pool = self.pool, from = %self.from, before, "too many gossip streams at once; refusing one");
        }
    }
}

/// A stream that another member had opened ended without an answer.
pub(crate) struct StreamFailed<'a> {
    pub(crate) pool: &'static str,
    pub(crate) from: SocketAddr,
    pub(crate) reason: &'a str,
}

impl Emit for StreamFailed<'_> {
    fn emit(self) {
        metrics::count("lictor.gossip.streams.failed", 1);
        tracing::debug!(pool = self.pool, from = %self.from, reason = self.reason, "a gossip stream ended without an answer");
    }
}

/// The system does not give a stream.
pub(crate) struct AcceptFailed<'a> {
    pub(crate) pool: &'static str,
    pub(crate) error: &'a std::io::Error,
    pub(crate) hushed: Hushed,
}

impl Emit for AcceptFailed<'_> {
    fn emit(self) {
        metrics::count("lictor.gossip.streams.not_accepted", 1);
        if let Some(before) = self.hushed {
            tracing::error!(pool = self.pool, error = %self.error, before, "gossip streams cannot be accepted");
        }
    }
}

/// News from the engine.
pub(crate) struct News<'a> {
    pub(crate) pool: &'static str,
    pub(crate) event: &'a Event,
}

impl Emit for News<'_> {
    fn emit(self) {
        let pool = self.pool;
        match self.event {
            Event::Joined(member) => {
                metrics::count("consul.serf.member.join", 1);
                tracing::info!(pool, node = &*member.name, address = %address(member), "member joined");
            }
            Event::Updated(member) => {
                metrics::count("consul.serf.member.update", 1);
                tracing::info!(pool, node = &*member.name, address = %address(member), "member updated");
            }
            Event::Left(member) => {
                metrics::count("consul.serf.member.left", 1);
                tracing::info!(pool, node = &*member.name, address = %address(member), "member left");
            }
            Event::Failed(member) => {
                metrics::count("consul.serf.member.failed", 1);
                tracing::warn!(pool, node = &*member.name, address = %address(member), "member failed");
            }
            Event::Reaped(member) => {
                metrics::count("lictor.gossip.member.reaped", 1);
                tracing::info!(pool, node = &*member.name, address = %address(member), "member forgotten");
            }
            Event::User { name, payload, lamport_time } => {
                metrics::count("consul.serf.events", 1);
                tracing::debug!(pool, name, bytes = payload.len(), lamport_time, "user event");
            }
            Event::Contacted { .. } => {}
            Event::Conflict(conflict) => conflicted(pool, conflict),
        }
    }
}

fn address(member: &Member) -> String {
    if member.addr.contains(':') {
        format!("[{}]:{}", member.addr, member.port)
    } else {
        format!("{}:{}", member.addr, member.port)
    }
}

fn conflicted(pool: &'static str, conflict: &Conflict) {
    metrics::count("lictor.gossip.conflict", 1);
    if conflict.own {
        tracing::error!(pool, "{conflict}");
    } else {
        tracing::warn!(pool, "{conflict}");
    }
}

/// The engine did what was due.
pub(crate) struct TookDue {
    pub(crate) took: Duration,
}

impl Emit for TookDue {
    fn emit(self) {
        static TIMES: metrics::Sample = metrics::Sample::new("consul.memberlist.gossip");
        TIMES.add_duration(self.took);
    }
}

/// How well this agent keeps up (Lifeguard); 0 is healthy.
pub(crate) struct Health {
    pub(crate) score: u32,
}

impl Emit for Health {
    fn emit(self) {
        metrics::gauge("consul.memberlist.health.score", f64::from(self.score));
    }
}

/// What the engine counted since it was looked at before.
pub(crate) struct Counted<'a> {
    pub(crate) pool: &'static str,
    pub(crate) before: &'a EngineStats,
    pub(crate) now: &'a EngineStats,
    /// Asked for each kind that is worth a line in the log.
    pub(crate) hush: &'a dyn Fn(Worry) -> Hushed,
}

/// What the engine counts and the operator should know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worry {
    /// Datagrams to some members get lost, streams do not.
    ByStream,
    /// Others took this member for gone.
    Refuted,
    /// The process stood still.
    Stalled,
    /// Bytes came that are no message.
    Refused,
    /// Gossip came from, or was about, an address that is not allowed.
    Outsider,
    /// The engine met an error of its own.
    Core,
}

impl Emit for Counted<'_> {
    fn emit(self) {
        let Self { pool, before, now, hush } = self;
        let count = |name: &'static str, of: fn(&EngineStats) -> u64| {
            let more = of(now).saturating_sub(of(before));
            if more > 0 {
                metrics::count(name, more);
            }
            more
        };
        count("lictor.gossip.probes", |stats| stats.probes);
        count("lictor.gossip.probes.failed", |stats| stats.probes_failed);
        count("consul.memberlist.msg.suspect", |stats| stats.suspicions);
        count("consul.memberlist.msg.dead", |stats| stats.failures);
        count("lictor.gossip.exchanges", |stats| stats.exchanges);
        count("lictor.gossip.exchanges.failed", |stats| stats.exchanges_failed);
        if count("lictor.gossip.probes.by_stream", |stats| stats.probes_by_stream) > 0
            && let Some(before) = hush(Worry::ByStream)
        {
            tracing::warn!(pool, before, "a member answers over TCP, but not over UDP: is UDP blocked on the way?");
        }
        if count("lictor.gossip.refutations", |stats| stats.refutations) > 0
            && let Some(before) = hush(Worry::Refuted)
        {
            tracing::warn!(pool, before, "others took this member for gone; it objected");
        }
        if count("lictor.gossip.stalls", |stats| stats.stalls) > 0
            && let Some(before) = hush(Worry::Stalled)
        {
            tracing::warn!(pool, before, "this agent stood still for a while: is the machine overloaded?");
        }
        if count("lictor.gossip.refused", |stats| stats.packets_refused) > 0
            && let Some(before) = hush(Worry::Refused)
            && let Some((from, error)) = &now.last_refused
        {
            tracing::warn!(pool, %from, %error, before, "dropping gossip that is not readable");
        }
        if count("lictor.gossip.outsiders", |stats| stats.outsiders) > 0
            && let Some(before) = hush(Worry::Outsider)
            && let Some(address) = &now.last_outsider
        {
            tracing::warn!(pool, %address, before, "dropping gossip from or about an address in none of the allowed networks");
        }
        if count("lictor.gossip.core_errors", |stats| stats.core_errors) > 0
            && let Some(before) = hush(Worry::Core)
            && let Some(error) = &now.last_core_error
        {
            tracing::error!(pool, error, before, "the membership protocol met an error of its own");
        }
    }
}

/// A join begins.
pub(crate) struct JoinTried<'a> {
    pub(crate) pool: &'static str,
    pub(crate) addresses: &'a [String],
}

impl Emit for JoinTried<'_> {
    fn emit(self) {
        tracing::info!(pool = self.pool, addresses = ?self.addresses, "joining");
    }
}

/// A join ended.
pub(crate) struct JoinDone<'a> {
    pub(crate) pool: &'static str,
    pub(crate) contacted: usize,
    pub(crate) failures: &'a [String],
}

impl Emit for JoinDone<'_> {
    fn emit(self) {
        if self.contacted == 0 {
            metrics::count("lictor.gossip.join.failed", 1);
        }
        if self.failures.is_empty() {
            tracing::info!(pool = self.pool, contacted = self.contacted, "joined");
        } else {
            tracing::warn!(pool = self.pool, contacted = self.contacted, failures = ?self.failures, "not everybody could be joined");
        }
    }
}

/// A join will be tried again.
pub(crate) struct JoinRetried<'a> {
    pub(crate) pool: &'static str,
    pub(crate) attempt: u32,
    pub(crate) wait: Duration,
    pub(crate) error: &'a dyn std::fmt::Display,
}

impl Emit for JoinRetried<'_> {
    fn emit(self) {
        tracing::warn!(pool = self.pool, attempt = self.attempt, wait = ?self.wait, error = %self.error, "joining failed; trying again");
    }
}

/// The members of the last run were asked to take this one back.
pub(crate) struct Rejoined<'a> {
    pub(crate) pool: &'static str,
    /// By whom; `None`: nobody answers.
    pub(crate) by: Option<&'a str>,
}

impl Emit for Rejoined<'_> {
    fn emit(self) {
        match self.by {
            Some(by) => tracing::info!(pool = self.pool, by, "back among the members of the last run"),
            None => tracing::warn!(pool = self.pool, "none of the members of the last run answers"),
        }
    }
}

/// The file of the last members is damaged; the agent goes on without.
pub(crate) struct PeersUnreadable<'a> {
    pub(crate) path: &'a Path,
    pub(crate) reason: &'a str,
}

impl Emit for PeersUnreadable<'_> {
    fn emit(self) {
        metrics::count("lictor.gossip.peers.unreadable", 1);
        tracing::warn!(path = %self.path.display(), reason = self.reason, "passing over the file of the last members");
    }
}

/// The last members cannot be kept.
pub(crate) struct PeersNotKept<'a> {
    pub(crate) path: &'a Path,
    pub(crate) error: &'a std::io::Error,
    pub(crate) hushed: Hushed,
}

impl Emit for PeersNotKept<'_> {
    fn emit(self) {
        metrics::count("lictor.gossip.peers.not_kept", 1);
        if let Some(before) = self.hushed {
            tracing::warn!(path = %self.path.display(), error = %self.error, before, "the last members cannot be kept for the next start");
        }
    }
}

/// The configured key is not in the keyring file, which wins.
pub(crate) struct KeyIgnored<'a> {
    pub(crate) path: &'a Path,
}

impl Emit for KeyIgnored<'_> {
    fn emit(self) {
        tracing::warn!(path = %self.path.display(), "the key of \"encrypt\" is ignored: the keyring file is there and does not hold it");
    }
}

/// A keyring operation came from a member, or from the operator here.
pub(crate) struct KeysChanged<'a> {
    pub(crate) pool: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) error: Option<&'a str>,
}

impl Emit for KeysChanged<'_> {
    fn emit(self) {
        metrics::count_with("lictor.gossip.keyring", 1, &[("operation", self.operation)]);
        match self.error {
            None if self.operation == "list" => tracing::debug!(pool = self.pool, "the keys of gossip were listed"),
            None => tracing::info!(pool = self.pool, operation = self.operation, "the keys of gossip were changed"),
            Some(error) => {
                tracing::error!(pool = self.pool, operation = self.operation, error, "the keys of gossip were not changed")
            }
        }
    }
}
