//! What other members send.

use super::RaftNode;
use crate::message::{self, Append, Envelope, Reply, SnapshotHead};
use crate::snapshot::Incoming;
use crate::types::{TypeConfig, Vote};
use async_trait::async_trait;
use bytes::Bytes;
use lictor_net::clock;
use lictor_rpc::raft::{RaftDoor, RaftKind, SnapshotStream};
use openraft::Snapshot;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, VoteRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a snapshot waits for another one that is being received.
const RECEIVING_PATIENCE: Duration = Duration::from_secs(40);

fn answer<T: Serialize>(reply: T) -> Result<Bytes, String> {
    message::encode(&Reply::Taken(reply)).map_err(|e| e.to_string())
}

fn ended(fatal: impl std::fmt::Display) -> String {
    format!("the raft engine has ended: {fatal}")
}

#[async_trait]
impl RaftDoor for RaftNode {
    async fn take(&self, kind: RaftKind, message: Bytes) -> Result<Bytes, String> {
        match kind {
            RaftKind::AppendEntries => {
                let append: Append = self.open(&message)?.body;
                let request = append.request().map_err(|e| e.to_string())?;
                answer(self.append(request).await?)
            }
            RaftKind::Vote | RaftKind::PreVote => {
                let Envelope { from, body: request, .. } = self.open::<VoteRequest<TypeConfig>>(&message)?;
                if self.knows_removed(from) {
                    return message::encode(&Reply::<()>::NotMember).map_err(|e| e.to_string());
                }
                if !request.leadership_transfer && self.may_have_promised() {
                    return Err("this server has just started and may have promised not to vote yet".into());
                }
                let voted = match kind {
                    RaftKind::PreVote => self.raft.pre_vote(request).await,
                    _ => self.raft.vote(request).await,
                };
                answer(voted.map_err(ended)?)
            }
            RaftKind::TransferLeader => {
                let request: TransferLeaderRequest<TypeConfig> = self.open(&message)?.body;
                answer(self.raft.handle_transfer_leader(request).await.map_err(ended)?)
            }
        }
    }

    async fn take_snapshot(&self, snapshot: SnapshotStream) -> Result<Bytes, String> {
        let head: SnapshotHead = self.open(&snapshot.header)?.body;
        head.check().map_err(|e| e.to_string())?;
        let vote = self.vote_now().await?;
        if head.vote < vote {
            // From one who leads no more: not a byte of it is needed to say so.
            return answer(SnapshotResponse::<TypeConfig>::new(vote));
        }
        let waiting = clock::timeout(RECEIVING_PATIENCE, self.receiving.lock());
        let _one_at_a_time = waiting.await.map_err(|_| "another snapshot is being received".to_owned())?;
        let incoming = Incoming::new(self.machine.files(), head.meta.clone());
        let received = incoming.receive(snapshot.chunks, || self.contact.heard()).await?;
        let snapshot = Snapshot { meta: head.meta, snapshot: received };
        let reply = self.raft.install_full_snapshot(head.vote, snapshot).await.map_err(ended)?;
        self.contact.heard();
        answer(reply)
    }
}

impl RaftNode {
    /// Reads a message that is meant for this member.
    fn open<T: DeserializeOwned>(&self, message: &[u8]) -> Result<Envelope<T>, String> {
        let envelope: Envelope<T> = message::decode(message).map_err(|e| e.to_string())?;
        if envelope.to != self.id {
            return Err(format!("this is raft member {}, not {}", self.id, envelope.to));
        }
        if envelope.from != self.id {
            self.addresses.heard(envelope.from, &envelope.address);
        }
        Ok(envelope)
    }

    /// The vote as the engine has it once it has taken all that was sent before. Not by `with_raft_state`, which logs an error when
    /// nobody waits for the answer any more.
    async fn vote_now(&self) -> Result<Vote, String> {
        let (answer, vote) = oneshot::channel();
        let look = self.raft.external_request(move |state| {
            let _ = answer.send(*state.vote_ref());
        });
        look.await.map_err(ended)?;
        vote.await.map_err(ended)
    }

    async fn append(&self, request: AppendEntriesRequest<TypeConfig>) -> Result<AppendEntriesResponse<TypeConfig>, String> {
        let vote = request.vote;
        // A heartbeat about what is on the disk already is answered as soon as the engine has seen it. The engine itself would answer
        // it after all that is being written, and a slow disk would cost the leader its lease.
        let quick = request.entries.is_empty()
            && self.log.holds_vote(&vote)
            && request.prev_log_id.is_none_or(|id| self.log.holds_durably(&id));
        let appending = self.raft.append_entries(request);
        tokio::pin!(appending);
        let answered = if quick {
            // Asked after the heartbeat, through the same queue: so it is answered after it.
            let seen = self.vote_now();
            tokio::select! {
                biased;
                answered = &mut appending => answered,
                seen = seen => match seen {
                    Ok(now) if now == vote => Ok(AppendEntriesResponse::Success),
                    _ => appending.await,
                },
            }
        } else {
            appending.await
        };
        let answered = answered.map_err(ended)?;
        if !matches!(answered, AppendEntriesResponse::HigherVote(_)) {
            self.contact.heard();
            // Whoever has a leader was not removed, or was taken in again.
            self.wire.removed.send_if_modified(std::mem::take);
        }
        Ok(answered)
    }

    /// Whether this is the leader, and it knows for sure that somebody is no member any more.
    fn knows_removed(&self, id: u64) -> bool {
        if !self.has_lease() {
            return false;
        }
        let metrics = self.raft.server_metrics();
        let now = metrics.borrow_watched();
        let among = |membership: &crate::types::Membership| membership.membership().get_node(&id).is_some();
        !among(&now.membership_config) && !among(&now.committed_membership_config)
    }

    /// Who votes for another while a leader's lease runs makes two that answer. What was promised before a restart is not known, but
    /// it has run out after a lease.
    fn may_have_promised(&self) -> bool {
        self.promised && self.contact.since_start() < self.timing.lease()
    }
}
