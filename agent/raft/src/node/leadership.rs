//! Follows who leads, and says when a new leader has caught up with its own log.

use super::{Leadership, RaftNode};
use crate::events::LeaderChanged;
use crate::machine::Machine;
use crate::types::TypeConfig;
use lictor_net::{Shutdown, clock};
use openraft::async_runtime::watch::WatchReceiver;
use openraft::{Raft, ReadPolicy};
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Pause before asking again whether the new leader is ready.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Runs until the node ends.
pub(super) async fn follow(node: Weak<RaftNode>, raft: Raft<TypeConfig, Machine>, shutdown: Shutdown) {
    let mut metrics = raft.server_metrics();
    let mut known = None;
    loop {
        let (leader, address, term, is_self) = {
            let now = metrics.borrow_watched();
            let leader = now.current_leader;
            let address = leader.and_then(|id| now.membership_config.membership().get_node(&id).map(|peer| peer.address.clone()));
            (leader, address, now.vote.leader_id.term, leader == Some(now.id) && now.state.is_leader())
        };
        if known != Some((leader, term, is_self)) {
            known = Some((leader, term, is_self));
            let Some(node) = node.upgrade() else { return };
            if !is_self {
                node.ready.store(false, Ordering::Release);
            }
            if term > 0 {
                LeaderChanged { leader, is_self, term }.emit();
            }
            let leader = if is_self { Some(node.address.clone()) } else { address };
            // A leader of its own is told only once it answers truly; else clients would read an old state from it.
            if is_self {
                let caught_up = async {
                    while raft.ensure_linearizable(ReadPolicy::ReadIndex).await.is_err() {
                        if !raft.is_leader() {
                            return false;
                        }
                        clock::sleep(RETRY_PAUSE).await;
                    }
                    true
                };
                let ready = tokio::select! {
                    ready = caught_up => ready,
                    () = shutdown.requested() => return,
                };
                if ready {
                    node.ready.store(true, Ordering::Release);
                    node.leadership.send_replace(Leadership { leader, is_ready_leader: true, term });
                }
            } else {
                node.leadership.send_replace(Leadership { leader, is_ready_leader: false, term });
            }
        }
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { break },
            () = shutdown.requested() => return,
        }
    }
    // The engine has ended by itself.
    if let Some(node) = node.upgrade() {
        node.ready.store(false, Ordering::Release);
        node.leadership.send_replace(Leadership::default());
    }
}
