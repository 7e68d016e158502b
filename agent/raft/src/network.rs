//! How members reach each other: openraft's calls, as messages over the transport.

use crate::addresses::Addresses;
use crate::message::{self, Append, Envelope, MessageError, Reply, SnapshotHead};
use crate::snapshot::SnapshotSource;
use crate::timing::Timing;
use crate::types::{Peer, TypeConfig, Vote};
use lictor_net::clock;
use lictor_rpc::raft::{RaftKind, RaftTransport, RaftTransportError, SnapshotStream};
use openraft::error::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse, VoteRequest,
    VoteResponse,
};
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

type Snapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotSource>;

/// Pieces of a snapshot that are read ahead of the wire.
const CHUNKS_AHEAD: usize = 2;
/// A snapshot of which nothing moved for so long is broken off. Installing a large one takes a while after its last piece.
const STALL: Duration = Duration::from_secs(60);
/// Pauses between tries to reach a member that cannot be reached: short, as long as a process takes to start again, then longer.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// What all calls share.
pub(crate) struct Wire {
    /// `None`: one member alone reaches nobody, every call answers "unreachable".
    pub(crate) transport: Option<Arc<dyn RaftTransport>>,
    pub(crate) id: u64,
    pub(crate) address: String,
    pub(crate) timing: Timing,
    pub(crate) addresses: Arc<Addresses>,
    /// Set when the leader says that this member was removed.
    pub(crate) removed: watch::Sender<bool>,
}

/// Makes a link to each member.
#[derive(Clone)]
pub(crate) struct Network(pub(crate) Arc<Wire>);

/// The way to one member.
pub(crate) struct Link {
    wire: Arc<Wire>,
    target: u64,
    /// Address of the membership, for a member that was never heard of.
    address: String,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: u64, peer: &Peer) -> Link {
        Link { wire: self.0.clone(), target, address: peer.address.clone() }
    }
}

type Failure = RPCError<TypeConfig>;

fn garbled(error: MessageError) -> Failure {
    NetworkError::from_string(error).into()
}

impl Link {
    fn address(&self) -> String {
        self.wire.addresses.of(self.target).unwrap_or_else(|| self.address.clone())
    }

    fn envelope<T: Serialize>(&self, body: T) -> Result<bytes::Bytes, Failure> {
        let envelope = Envelope { from: self.wire.id, address: self.wire.address.clone(), to: self.target, body };
        message::encode(&envelope).map_err(garbled)
    }

    fn timed_out(&self, action: RPCTypes, after: Duration) -> Timeout<TypeConfig> {
        Timeout { action, id: self.wire.id, target: self.target, timeout: after }
    }

    async fn call<T, R>(&self, kind: RaftKind, body: T, after: Duration) -> Result<R, Failure>
    where
        T: Serialize,
        R: DeserializeOwned,
    {
        let Some(transport) = &self.wire.transport else {
            return Err(Unreachable::from_string("this agent is the only member").into());
        };
        let message = self.envelope(body)?;
        let address = self.address();
        let action = match kind {
            RaftKind::AppendEntries => RPCTypes::AppendEntries,
            RaftKind::Vote | RaftKind::PreVote => RPCTypes::Vote,
            RaftKind::TransferLeader => RPCTypes::TransferLeader,
        };
        let called = clock::timeout(after, transport.call(&address, kind, message, after)).await;
        let reply = match called {
            Ok(Ok(reply)) => reply,
            Ok(Err(RaftTransportError::TimedOut { after, .. })) => return Err(self.timed_out(action, after).into()),
            // One who refuses is asked again as seldom as one who cannot be reached.
            Ok(Err(error)) => return Err(Unreachable::from_string(error).into()),
            Err(_) => return Err(self.timed_out(action, after).into()),
        };
        match message::decode(&reply).map_err(garbled)? {
            Reply::Taken(reply) => Ok(reply),
            Reply::NotMember => {
                self.wire.removed.send_replace(true);
                Err(Unreachable::from_string("the leader says that this server was removed from the cluster").into())
            }
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Link {
    type SnapshotData = SnapshotSource;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, Failure> {
        let from_start = request.prev_log_id.is_none();
        let append = Append::of(request).map_err(garbled)?;
        // Not the engine's limit, one heartbeat: a follower's disk may take longer. Heartbeats it cuts off by itself.
        let reply = self.call(RaftKind::AppendEntries, append, self.wire.timing.append_timeout()).await?;
        match reply {
            // Nothing goes before the first entry, so nothing can disagree; the engine relies on that.
            AppendEntriesResponse::Conflict if from_start => {
                Err(NetworkError::from_string("a follower disagrees about what goes before the first entry").into())
            }
            reply => Ok(reply),
        }
    }

    async fn vote(&mut self, request: VoteRequest<TypeConfig>, option: RPCOption) -> Result<VoteResponse<TypeConfig>, Failure> {
        self.call(RaftKind::Vote, request, option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        self.call(RaftKind::PreVote, request, option.hard_ttl()).await
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Failure> {
        self.call(RaftKind::TransferLeader, request, option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let Some(transport) = &self.wire.transport else {
            return Err(Unreachable::from_string("this agent is the only member").into());
        };
        let header = self.envelope(SnapshotHead { vote, meta: snapshot.meta.clone() })?;
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let moved = Arc::new(AtomicU64::new(0));
        let of_feeder = moved.clone();
        // It ends when the stream is dropped, whatever becomes of the transfer.
        let feeder = tokio::task::spawn_blocking(move || snapshot.snapshot.feed(&snapshot.meta, &sender, &of_feeder));
        let address = self.address();
        let sending = transport.send_snapshot(&address, SnapshotStream { header, chunks });
        tokio::pin!(sending, cancel);
        let mut seen = 0;
        let sent = loop {
            tokio::select! {
                sent = &mut sending => break sent,
                closed = &mut cancel => return Err(closed.into()),
                () = clock::sleep(STALL) => {
                    let now = moved.load(Ordering::Relaxed);
                    if now == seen {
                        return Err(self.timed_out(RPCTypes::InstallSnapshot, STALL).into());
                    }
                    seen = now;
                }
            }
        };
        drop(feeder);
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) => {
                tracing::warn!(to = %address, %error, "a snapshot did not get through; it is sent again");
                return Err(Unreachable::from_string(error).into());
            }
        };
        match message::decode(&reply).map_err(garbled)? {
            Reply::Taken(reply) => Ok(reply),
            Reply::NotMember => Err(Unreachable::from_string("the other side takes this leader for no member").into()),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::successors(Some(BACKOFF_FIRST), |pause| Some((*pause * 2).min(BACKOFF_MAX)))))
    }
}
