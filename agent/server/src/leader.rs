//! What the leader does beside answering: members into the catalog and into raft, sessions that run out, old tombstones. Nothing of it is lost
//! when the leader changes: the next one begins anew from the catalog.

mod acl;
mod autopilot;
mod config_entries;
mod membership;
mod reconcile;
mod sessions;
mod tombstones;

pub(crate) use autopilot::Step;
pub(crate) use membership::{ServersSeen, follow_addresses, raft_id_of};
pub(crate) use sessions::SessionTimers;

use crate::server::Server;
use lictor_net::clock;
use lictor_telemetry::loops;
use lictor_types::Member;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tombstones::Tombstones;

/// All members are compared with the catalog again after this time, as Consul does.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(60);
/// Pause before a duty that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The catalog's sessions are looked at again so long after they changed: many changes cost one look.
const SESSIONS_PAUSE: Duration = Duration::from_millis(50);

/// Runs until the agent ends.
pub(crate) async fn run(server: Arc<Server>, mut members: watch::Receiver<Vec<Member>>) {
    let status = loops::register("leader duties");
    let mut leadership = server.raft.leadership();
    let mut pool = members.clone();
    loop {
        status.state("following");
        tokio::select! {
            ready = leadership.wait_for(|known| known.is_ready_leader) => if ready.is_err() { return },
            () = server.shutdown.requested() => return,
        }
        status.state("leading");
        if let Err(error) = server.end_unfinished_restore().await {
            // What is left takes memory, and goes with the next leader or restore.
            status.error(&error);
        }
        server.write_builtin_acl().await;
        let lost = async {
            // A node that is gone leads no more either.
            drop(leadership.wait_for(|known| !known.is_ready_leader).await);
        };
        tokio::select! {
            () = lost => {}
            () = server.shutdown.requested() => return,
            () = server.reconcile_forever(&mut members, &status) => {}
            () = server.keep_servers(&mut pool) => {}
            () = server.end_sessions_forever(&status) => {}
            () = server.reap_forever(&status) => {}
            () = server.write_config_entries() => {}
            () = server.reap_tokens_forever() => {}
        }
        server.timers.lock().clear();
    }
}

impl Server {
    async fn reconcile_forever(&self, members: &mut watch::Receiver<Vec<Member>>, status: &loops::LoopHandle) {
        let mut gone = false;
        loop {
            let known = members.borrow_and_update().clone();
            let pause = match self.reconcile(&known).await {
                Ok(()) => RECONCILE_INTERVAL,
                Err(error) => {
                    status.error(&error);
                    RETRY_PAUSE
                }
            };
            let changed = async {
                // Without a sender the list stays as it is; it is still compared now and then.
                if gone || members.changed().await.is_err() {
                    gone = true;
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = changed => {}
                // The restored state knows the members of its time.
                () = self.restored.notified() => {}
                () = clock::sleep(pause) => {}
            }
        }
    }

    async fn end_sessions_forever(&self, status: &loops::LoopHandle) {
        loop {
            let watch = self.follow_sessions();
            loop {
                let due = self.timers.lock().next_deadline();
                let expired = async {
                    match due {
                        Some(due) => clock::sleep_until(due).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = watch.changed() => break,
                    () = expired => {
                        if let Err(error) = self.end_due_sessions().await {
                            status.error(&error);
                            clock::sleep(RETRY_PAUSE).await;
                        }
                    }
                }
            }
            clock::sleep(SESSIONS_PAUSE).await;
        }
    }

    async fn reap_forever(&self, status: &loops::LoopHandle) {
        let mut tombstones = Tombstones::default();
        loop {
            clock::sleep(tombstones::GRANULARITY).await;
            if let Err(error) = self.reap_tombstones(&mut tombstones).await {
                status.error(&error);
            }
        }
    }
}
