//! Follows who leads, says when a new leader has caught up with its own log, and when a leader or its followers have lost each other.

use super::{Leadership, RaftNode};
use crate::events::LeaderChanged;
use lictor_net::{Shutdown, clock};
use openraft::ReadPolicy;
use openraft::async_runtime::watch::WatchReceiver;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Pause before asking again whether the new leader is ready, or whether a leader was heard.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// A leader whose own disk refuses for so long hands over to one that can write.
const READ_ONLY_PATIENCE: Duration = Duration::from_secs(3);

/// What was seen last.
#[derive(Default)]
struct Seen {
    known: Option<(Option<u64>, u64, bool)>,
    read_only_since: Option<clock::Instant>,
}

/// Runs until the node ends.
pub(super) async fn follow(node: Weak<RaftNode>, shutdown: Shutdown) {
    let Some((mut metrics, mut removed)) = node.upgrade().map(|node| (node.raft.server_metrics(), node.wire.removed.subscribe()))
    else {
        return;
    };
    let mut seen = Seen::default();
    loop {
        let Some(node) = node.upgrade() else { return };
        node.raft.runtime_config().elect(!*removed.borrow_and_update());
        let looking = node.look(&mut seen, &shutdown);
        let pause = tokio::select! {
            pause = looking => pause,
            () = shutdown.requested() => return,
        };
        drop(node);
        let again = async {
            match pause {
                Some(pause) => clock::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { break },
            // Its sender lives as long as the node.
            _ = removed.changed() => {}
            () = again => {}
            () = shutdown.requested() => return,
        }
    }
    // The engine has ended by itself.
    if let Some(node) = node.upgrade() {
        node.ready.store(0, Ordering::Release);
        node.leadership.send_replace(Leadership::default());
        if !shutdown.is_requested() {
            node.ended.send_replace(true);
        }
    }
}

impl RaftNode {
    /// Looks at the engine once and tells what changed; answers when to look again at the latest.
    async fn look(self: &std::sync::Arc<Self>, seen: &mut Seen, shutdown: &Shutdown) -> Option<Duration> {
        let (leader, term, is_self) = {
            let metrics = self.raft.server_metrics();
            let now = metrics.borrow_watched();
            self.note(&now.membership_config);
            (now.current_leader, now.vote.leader_id.term, now.state.is_leader() && now.current_leader == Some(now.id))
        };
        if seen.known != Some((leader, term, is_self)) {
            seen.known = Some((leader, term, is_self));
            self.contact.set_handing_over(false);
            if !is_self {
                self.ready.store(0, Ordering::Release);
            }
            if term > 0 {
                LeaderChanged { leader, is_self, term }.emit();
            }
        }
        if is_self { self.look_as_leader(seen, term, shutdown).await } else { self.look_at_leader(leader, term) }
    }

    async fn look_as_leader(self: &std::sync::Arc<Self>, seen: &mut Seen, term: u64, shutdown: &Shutdown) -> Option<Duration> {
        if !self.contact.holds_lease() {
            // Another may have been elected, or is about to be.
            self.ready.store(0, Ordering::Release);
            self.tell(None, false, term);
            return Some(RETRY_PAUSE);
        }
        if !self.is_ready() {
            let vote = self.log.vote_number();
            // A leader of its own is told only once it answers truly; else clients would read an old state from it.
            if self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await.is_err() || self.log.vote_number() != vote {
                return Some(RETRY_PAUSE);
            }
            self.ready.store(vote, Ordering::Release);
            self.tell(Some(self.address.clone()), true, term);
            let node = self.clone();
            // One that led before may have ended halfway through a change.
            shutdown.spawn(async move { node.settle().await });
        }
        if self.contact.is_alone() {
            // Nobody to lose.
            return None;
        }
        match (self.read_only(), seen.read_only_since) {
            (None, _) => seen.read_only_since = None,
            (Some(_), None) => seen.read_only_since = Some(clock::now()),
            (Some(reason), Some(since)) if since.elapsed() >= READ_ONLY_PATIENCE => {
                seen.read_only_since = None;
                tracing::warn!(reason, "this leader cannot write to its disk; it hands over");
                let node = self.clone();
                shutdown.spawn(async move { node.transfer_leadership(None).await });
            }
            _ => {}
        }
        // To be there when the lease runs out, should nobody renew it.
        let left = self.contact.since_quorum().map_or(Duration::ZERO, |ago| self.timing.lease().saturating_sub(ago));
        Some(left.clamp(Duration::from_millis(5), self.timing.lease() / 2))
    }

    fn look_at_leader(&self, leader: Option<u64>, term: u64) -> Option<Duration> {
        // Nobody tells a follower that its leader is gone; it is known as long as it is heard.
        let heard = self.contact.since_heard().is_some_and(|ago| ago < self.timing.lease() * 2);
        let leader = leader.filter(|id| heard && *id != self.id);
        self.tell(leader.and_then(|id| self.address_of(id)), false, term);
        Some(if leader.is_some() { self.timing.lease() / 4 } else { RETRY_PAUSE.max(self.timing.heartbeat / 2) })
    }

    pub(super) fn tell(&self, leader: Option<String>, is_ready_leader: bool, term: u64) {
        let now = Leadership { leader, is_ready_leader, term };
        self.leadership.send_if_modified(|told| {
            let changed = *told != now;
            *told = now;
            changed
        });
    }
}
