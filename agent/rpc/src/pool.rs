//! The connections to servers: one for each address and kind of traffic, made when first needed, shared by all who ask.

mod archive;
mod connection;
mod fault;
mod raft;
mod slot;

pub use fault::CallError;

use crate::cluster::{Answer, Content, WriteOptions};
use crate::status::ServerStatus;
use crate::wire::convert::millis;
use crate::wire::events::RequestSent;
use crate::wire::message as wire;
use crate::wire::packed::{pack, unpack, unpack_reply};
use crate::wire::{MESSAGE_BYTES_MAX, VERSION, check_version, path};
use bytes::Bytes;
use connection::Connection;
use lictor_net::tls::TlsConnector;
use lictor_net::{Shutdown, clock};
use lictor_types::{Command, Operated, Operation, Outcome, Query, QueryMeta, QueryOptions, Session, TxnOp, TxnReply};
use parking_lot::Mutex;
use prost::Message;
use slot::Slot;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Time above a query's own wait that its answer may take.
const WAIT_SLACK: Duration = Duration::from_secs(30);
/// What a server waits when a blocking query doesn't say; Consul's `default_query_time`.
const WAIT_DEFAULT: Duration = Duration::from_secs(300);
/// Room that a request needs in its message beside its payload.
const ENVELOPE_BYTES: usize = 64 << 10;
/// Longest pause between attempts to reach a server for raft.
const RAFT_BACKOFF_MAX: Duration = Duration::from_millis(100);
/// Addresses remembered; those without a connection are forgotten above it.
const SLOTS_MAX: usize = 256;

/// How servers are dialled over TLS. The configuration must offer `h2`.
#[derive(Clone)]
pub struct TlsDial {
    /// Settings.
    pub connector: TlsConnector,
    /// Name expected in the server's certificate; empty: its address.
    pub server_name: String,
}

/// Times and limits of the connections to servers.
#[derive(Clone)]
pub struct PoolSettings {
    /// Speak TLS to servers.
    pub tls: Option<TlsDial>,
    /// How long it may take until a server has answered on a new connection.
    pub connect_timeout: Duration,
    /// A request that is not answered after this makes us ask the server whether it is there …
    pub probe_after: Duration,
    /// … and a read goes elsewhere when it doesn't answer that within this …
    pub probe_timeout: Duration,
    /// … and the connection is given up after this. Longer, as it costs every write that is under way on it its answer, and a server
    /// may only be out of breath.
    pub hang_timeout: Duration,
    /// The server is asked so often while blocking queries wait on a connection.
    pub keepalive_interval: Duration,
    /// Connections that nobody used for so long are closed.
    pub idle_timeout: Duration,
    /// Waits between attempts to reach a server that cannot be reached: the first, and the longest.
    pub backoff: (Duration, Duration),
    /// Seed of their jitter.
    pub seed: u64,
}

impl PoolSettings {
    /// The times for servers of the same datacenter: one that hangs is noticed within a second.
    pub fn lan(seed: u64) -> Self {
        Self {
            tls: None,
            connect_timeout: Duration::from_millis(750),
            probe_after: Duration::from_millis(300),
            probe_timeout: Duration::from_millis(500),
            hang_timeout: Duration::from_secs(3),
            keepalive_interval: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            backoff: (Duration::from_millis(50), Duration::from_secs(1)),
            seed,
        }
    }

    /// The times for servers of other datacenters.
    pub fn wan(seed: u64) -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            probe_after: Duration::from_secs(2),
            probe_timeout: Duration::from_secs(3),
            hang_timeout: Duration::from_secs(6),
            keepalive_interval: Duration::from_secs(30),
            ..Self::lan(seed)
        }
    }
}

/// What a connection is for. Raft has its own, so that its messages never wait behind somebody's large answer; snapshots too, so that
/// heartbeats don't wait behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    Requests,
    Raft,
    Snapshots,
}

impl Lane {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Raft => "raft",
            Self::Snapshots => "snapshots",
        }
    }
}

/// Whether a request is worth asking for when its answer is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probing {
    /// It may wait for long, or is itself the question.
    No,
    /// It can go elsewhere.
    Read,
    /// It cannot.
    Write,
}

/// The connections. Held in an `Arc` by all who ask servers.
pub struct Pool {
    settings: Arc<PoolSettings>,
    slots: Mutex<HashMap<(Lane, String), Arc<Slot>>>,
    shutdown: Shutdown,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("slots", &self.slots.lock().len()).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool without connections. They end with `shutdown`.
    pub fn new(settings: PoolSettings, shutdown: Shutdown) -> Arc<Self> {
        Arc::new(Self { settings: Arc::new(settings), slots: Mutex::default(), shutdown })
    }

    /// Asks the server at `address` (`ip:port` of its server port) a query. `patience` limits an answer that needs no waiting; what
    /// a blocking query waits comes on top.
    pub async fn query(
        &self,
        address: &str,
        query: &Query,
        options: &QueryOptions,
        patience: Duration,
    ) -> Result<Answer, CallError> {
        let waits = options.min_index.0 > 0;
        let patience = if waits { patience + patience_of(options.wait) } else { patience };
        let request = wire::QueryRequest {
            version: VERSION,
            query_msgpack: fitting(pack(query))?,
            options: Some(options.into()),
            patience_millis: millis(patience),
        };
        let reply: wire::QueryReply =
            self.ask(address, path::QUERY, request, patience, if waits { Probing::No } else { Probing::Read }).await?;
        settled(reply.version, reply.fault)?;
        let meta: QueryMeta = reply.meta.unwrap_or_default().try_into().map_err(CallError::unreadable)?;
        let content = Content::new(unpack_reply(&reply.reply_msgpack).map_err(CallError::unreadable)?);
        // An agent that passes it on need not pack it again.
        let _ = content.packed.set(reply.reply_msgpack);
        Ok(Answer { meta, content })
    }

    /// Lets the server at `address` carry out a command.
    pub async fn apply(
        &self,
        address: &str,
        command: &Command,
        options: &WriteOptions,
        patience: Duration,
    ) -> Result<Outcome, CallError> {
        let request = wire::ApplyRequest {
            version: VERSION,
            command_msgpack: fitting(pack(command))?,
            options: Some(options.into()),
            patience_millis: millis(patience),
        };
        let reply: wire::ApplyReply = self.ask(address, path::APPLY, request, patience, Probing::Write).await?;
        settled(reply.version, reply.fault)?;
        unpack("outcome", &reply.outcome_msgpack).map_err(CallError::unreadable)
    }

    /// Lets the server at `address` renew a session.
    pub async fn renew_session(
        &self,
        address: &str,
        id: &str,
        options: &WriteOptions,
        patience: Duration,
    ) -> Result<Option<Arc<Session>>, CallError> {
        let request = wire::RenewSessionRequest {
            version: VERSION,
            id: id.to_owned(),
            options: Some(options.into()),
            patience_millis: millis(patience),
        };
        let reply: wire::RenewSessionReply = self.ask(address, path::RENEW_SESSION, request, patience, Probing::Read).await?;
        settled(reply.version, reply.fault)?;
        let session = reply.session_msgpack.map(|bytes| unpack("session", &bytes)).transpose();
        session.map_err(CallError::unreadable)
    }

    /// Lets the server at `address` answer a transaction that only reads.
    pub async fn read_txn(
        &self,
        address: &str,
        ops: &[TxnOp],
        options: &QueryOptions,
        patience: Duration,
    ) -> Result<(QueryMeta, TxnReply), CallError> {
        let request = wire::ReadTxnRequest {
            version: VERSION,
            ops_msgpack: fitting(pack(ops))?,
            options: Some(options.into()),
            patience_millis: millis(patience),
        };
        let reply: wire::ReadTxnReply = self.ask(address, path::READ_TXN, request, patience, Probing::Read).await?;
        settled(reply.version, reply.fault)?;
        let meta = reply.meta.unwrap_or_default().try_into().map_err(CallError::unreadable)?;
        Ok((meta, unpack("answer", &reply.reply_msgpack).map_err(CallError::unreadable)?))
    }

    /// Lets the server at `address` do something to the cluster itself.
    pub async fn operate(
        &self,
        address: &str,
        operation: &Operation,
        options: &WriteOptions,
        patience: Duration,
    ) -> Result<Operated, CallError> {
        let request = wire::OperateRequest {
            version: VERSION,
            operation_msgpack: fitting(pack(operation))?,
            options: Some(options.into()),
            patience_millis: millis(patience),
        };
        let reply: wire::OperateReply = self.ask(address, path::OPERATE, request, patience, Probing::Write).await?;
        settled(reply.version, reply.fault)?;
        unpack("outcome", &reply.outcome_msgpack).map_err(CallError::unreadable)
    }

    /// Asks the server at `address` who it is and how it fares.
    pub async fn ping(&self, address: &str, patience: Duration) -> Result<ServerStatus, CallError> {
        let request = wire::PingRequest { version: VERSION };
        let reply: wire::PingReply = self.ask(address, path::PING, request, patience, Probing::No).await?;
        settled(reply.version, None)?;
        Ok(reply.into())
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.slots.lock().values().filter(|slot| slot.open().is_some()).count()
    }

    async fn ask<Q, A>(
        &self,
        address: &str,
        path: &'static str,
        request: Q,
        patience: Duration,
        probing: Probing,
    ) -> Result<A, CallError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        RequestSent.emit();
        self.unary(Lane::Requests, address, path, request, patience, MESSAGE_BYTES_MAX, probing).await
    }

    /// One call, one reply. A connection that turns out to be closed is made anew, once.
    #[expect(clippy::too_many_arguments, reason = "one call on the wire has as many parts, each of another kind")]
    async fn unary<Q, A>(
        &self,
        lane: Lane,
        address: &str,
        path: &'static str,
        request: Q,
        patience: Duration,
        most: usize,
        probing: Probing,
    ) -> Result<A, CallError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let deadline = clock::now() + patience;
        let late = |_| CallError::TimedOut { address: address.to_owned(), after: patience };
        let never_sent =
            || CallError::NotSent { address: address.to_owned(), reason: format!("not connected within {patience:?}") };
        let connection =
            clock::timeout_at(deadline, self.connection(lane, address)).await.unwrap_or_else(|_| Err(never_sent()))?;
        let again = request.clone();
        let first = clock::timeout_at(deadline, self.call(&connection, path, request, most, probing)).await;
        let result = match first {
            Ok(Err(CallError::NotSent { .. })) if !connection.is_open() => {
                let connection =
                    clock::timeout_at(deadline, self.connection(lane, address)).await.unwrap_or_else(|_| Err(never_sent()))?;
                clock::timeout_at(deadline, self.call(&connection, path, again, most, probing)).await
            }
            first => first,
        };
        if result.is_err() {
            // On the other lanes there are waiting queries, whose silence says nothing.
            let raft_hangs = lane == Lane::Raft && connection.unanswered() >= self.settings.connect_timeout;
            let ping_failed = path == path::PING && patience >= self.settings.connect_timeout;
            if raft_hangs || ping_failed {
                connection.give_up("nothing was heard");
            }
        }
        result.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    /// One call on a connection; with `probing` the server is asked whether it is there when the answer is slow to come.
    async fn call<Q, A>(
        &self,
        connection: &Arc<Connection>,
        path: &'static str,
        request: Q,
        most: usize,
        probing: Probing,
    ) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let answering = connection.unary(path, request, most);
        let (probe_timeout, hang_timeout) = match probing {
            Probing::No => return answering.await,
            Probing::Read => (self.settings.probe_timeout, self.settings.hang_timeout),
            // There is nowhere else to go.
            Probing::Write => (self.settings.hang_timeout, self.settings.hang_timeout),
        };
        tokio::pin!(answering);
        loop {
            tokio::select! {
                biased;
                answer = &mut answering => return answer,
                () = clock::sleep(self.settings.probe_after) => {}
            }
            // Others may have heard of it meanwhile.
            if connection.silence() < self.settings.probe_after {
                continue;
            }
            connection.watch(hang_timeout, &self.shutdown);
            let asked = clock::now();
            tokio::select! {
                biased;
                answer = &mut answering => return answer,
                () = clock::sleep(probe_timeout) => {}
                () = connection.heard_after(asked) => continue,
            }
            if probing == Probing::Read {
                let reason = format!("it did not say within {probe_timeout:?} that it is there");
                return Err(CallError::Lost { address: connection.address().to_owned(), reason });
            }
        }
    }

    async fn connection(&self, lane: Lane, address: &str) -> Result<Arc<Connection>, CallError> {
        let slot = self.slot(lane, address);
        match slot.open() {
            Some(connection) => Ok(connection),
            None => slot.connect(self.settings.clone(), &self.shutdown).await,
        }
    }

    fn slot(&self, lane: Lane, address: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        let key = (lane, address.to_owned());
        if let Some(slot) = slots.get(&key) {
            return slot.clone();
        }
        if slots.len() >= SLOTS_MAX {
            slots.retain(|_, slot| slot.open().is_some());
        }
        let seed = self.settings.seed.wrapping_add(slots.len() as u64);
        // Raft makes pauses of its own.
        let (first, longest) = self.settings.backoff;
        let backoff = if lane == Lane::Raft { (first.min(RAFT_BACKOFF_MAX), RAFT_BACKOFF_MAX) } else { (first, longest) };
        let slot = Arc::new(Slot::new(lane, address, backoff, seed));
        slots.insert(key, slot.clone());
        slot
    }
}

fn patience_of(wait: Option<Duration>) -> Duration {
    let wait = wait.filter(|wait| !wait.is_zero()).unwrap_or(WAIT_DEFAULT);
    // The server adds up to a sixteenth.
    wait + wait / 16 + WAIT_SLACK
}

/// Whether the reply is one that can be read, and not a refusal.
fn settled(version: u32, fault: Option<wire::Fault>) -> Result<(), CallError> {
    check_version(version).map_err(CallError::unreadable)?;
    fault.map_or(Ok(()), |fault| Err(CallError::Answered(fault.into())))
}

/// Refuses what no message can carry, in a sentence and before it is sent.
fn fitting(packed: Result<Bytes, String>) -> Result<Bytes, CallError> {
    use crate::error::ClusterError;
    let packed = packed.map_err(|sentence| CallError::Answered(ClusterError::Internal(sentence)))?;
    if packed.len() > MESSAGE_BYTES_MAX - ENVELOPE_BYTES {
        let sentence = format!("the request has {} bytes, one message between agents at most {MESSAGE_BYTES_MAX}", packed.len());
        return Err(CallError::Answered(ClusterError::BadRequest(sentence)));
    }
    Ok(packed)
}
