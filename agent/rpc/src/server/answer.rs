//! What is asked on a connection, and its answer. Nothing here decides anything: messages are opened, the doors are asked, replies are
//! packed.

use super::{Services, archive, snapshot};
use crate::cluster::{Answer, WriteOptions};
use crate::error::ClusterError;
use crate::raft::RaftKind;
use crate::wire::adapter::{Method, Replying};
use crate::wire::events::RequestTaken;
use crate::wire::message as wire;
use crate::wire::packed::{pack, pack_reply, unpack};
use crate::wire::{MESSAGE_BYTES_MAX, RAFT_BYTES_MAX, VERSION, check_version, path};
use bytes::Bytes;
use hyper::body::Incoming;
use lictor_net::{Shutdown, clock};
use lictor_types::{Command, Operation, Query, QueryMeta, QueryOptions, TxnOp, TxnReply};
use prost::Message;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

/// Room that a reply needs in its message beside its payload.
const ENVELOPE_BYTES: usize = 1024;
/// Longest time that a caller may make a request last.
const PATIENCE_MAX: Duration = Duration::from_secs(900);

pub(super) struct Answerer {
    pub(super) services: Services,
    /// One for each request that may be under way.
    pub(super) slots: Semaphore,
    pub(super) shutdown: Shutdown,
}

impl Answerer {
    /// Answers one request. Dropping the future (the caller went away) ends what was begun for it.
    pub(super) async fn answer(self: Arc<Self>, request: http::Request<Incoming>) -> http::Response<Body> {
        let path = request.uri().path().to_owned();
        // Whether this server is there must be told even when it has its hands full; raft keeps the cluster together.
        let urgent = path == path::PING || path.starts_with("/lictor.rpc.v1.Raft/");
        let door = self.clone();
        let slot = if urgent { None } else { door.slots.try_acquire().ok() };
        if slot.is_none() && !urgent {
            return Status::resource_exhausted("too many requests are under way").into_http();
        }
        RequestTaken.emit();
        match path.as_str() {
            path::QUERY => unary(request, MESSAGE_BYTES_MAX, self, Self::query).await,
            path::APPLY => unary(request, MESSAGE_BYTES_MAX, self, Self::apply).await,
            path::RENEW_SESSION => unary(request, MESSAGE_BYTES_MAX, self, Self::renew_session).await,
            path::READ_TXN => unary(request, MESSAGE_BYTES_MAX, self, Self::read_txn).await,
            path::OPERATE => unary(request, MESSAGE_BYTES_MAX, self, Self::operate).await,
            path::PING => unary(request, MESSAGE_BYTES_MAX, self, Self::ping).await,
            path::SAVE_SNAPSHOT => archive::save(request, self).await,
            path::RESTORE_SNAPSHOT => archive::restore(request, self).await,
            path::INSTALL_SNAPSHOT => snapshot::take(request, self.services.raft.clone()).await,
            path => {
                let kind = match path {
                    path::APPEND_ENTRIES => RaftKind::AppendEntries,
                    path::VOTE => RaftKind::Vote,
                    path::PRE_VOTE => RaftKind::PreVote,
                    path::TRANSFER_LEADER => RaftKind::TransferLeader,
                    unknown => {
                        return Status::unimplemented(format!("this agent knows no method {unknown}: upgrade the older one"))
                            .into_http();
                    }
                };
                unary(request, RAFT_BYTES_MAX, self, move |door, message| door.raft(kind, message)).await
            }
        }
    }

    async fn query(self: Arc<Self>, message: wire::QueryRequest) -> Result<wire::QueryReply, Status> {
        version(message.version)?;
        let asked = async move {
            let query: Query = unpack("query", &message.query_msgpack).map_err(ClusterError::BadRequest)?;
            let options: QueryOptions = message.options.unwrap_or_default().try_into().map_err(ClusterError::BadRequest)?;
            let answer = tokio::select! {
                biased;
                // Who waits for a change goes on waiting at another server; the answer of now would only be asked for again.
                () = self.shutdown.requested() => return Err(ClusterError::ShuttingDown),
                answer = within(message.patience_millis, self.services.cluster.query(&query, &options)) => answer?,
            };
            let reply = packed(&answer)?;
            Ok::<_, ClusterError>((answer.meta, reply))
        };
        Ok(match asked.await {
            Ok((meta, reply_msgpack)) => {
                wire::QueryReply { version: VERSION, fault: None, meta: Some((&meta).into()), reply_msgpack }
            }
            Err(error) => wire::QueryReply { version: VERSION, fault: Some(error.into()), ..Default::default() },
        })
    }

    async fn apply(self: Arc<Self>, message: wire::ApplyRequest) -> Result<wire::ApplyReply, Status> {
        version(message.version)?;
        let asked = async move {
            let command: Command = unpack("command", &message.command_msgpack).map_err(ClusterError::BadRequest)?;
            let options: WriteOptions = message.options.unwrap_or_default().into();
            let outcome = within(message.patience_millis, self.services.cluster.apply(command, &options)).await?;
            fitting(pack(&outcome))
        };
        Ok(match asked.await {
            Ok(outcome_msgpack) => wire::ApplyReply { version: VERSION, fault: None, outcome_msgpack },
            Err(error) => wire::ApplyReply { version: VERSION, fault: Some(error.into()), ..Default::default() },
        })
    }

    async fn renew_session(self: Arc<Self>, message: wire::RenewSessionRequest) -> Result<wire::RenewSessionReply, Status> {
        version(message.version)?;
        let asked = async move {
            let options: WriteOptions = message.options.unwrap_or_default().into();
            let found = within(message.patience_millis, self.services.cluster.renew_session(&message.id, &options)).await?;
            found.map(|session| fitting(pack(&*session))).transpose()
        };
        Ok(match asked.await {
            Ok(session_msgpack) => wire::RenewSessionReply { version: VERSION, fault: None, session_msgpack },
            Err(error) => wire::RenewSessionReply { version: VERSION, fault: Some(error.into()), ..Default::default() },
        })
    }

    async fn read_txn(self: Arc<Self>, message: wire::ReadTxnRequest) -> Result<wire::ReadTxnReply, Status> {
        version(message.version)?;
        let asked = async move {
            let ops: Vec<TxnOp> = unpack("transaction", &message.ops_msgpack).map_err(ClusterError::BadRequest)?;
            let options: QueryOptions = message.options.unwrap_or_default().try_into().map_err(ClusterError::BadRequest)?;
            let (meta, reply): (QueryMeta, TxnReply) =
                within(message.patience_millis, self.services.cluster.read_txn(&ops, &options)).await?;
            Ok::<_, ClusterError>((meta, fitting(pack(&reply))?))
        };
        Ok(match asked.await {
            Ok((meta, reply_msgpack)) => {
                wire::ReadTxnReply { version: VERSION, fault: None, meta: Some((&meta).into()), reply_msgpack }
            }
            Err(error) => wire::ReadTxnReply { version: VERSION, fault: Some(error.into()), ..Default::default() },
        })
    }

    async fn operate(self: Arc<Self>, message: wire::OperateRequest) -> Result<wire::OperateReply, Status> {
        version(message.version)?;
        let asked = async move {
            let operation: Operation = unpack("operation", &message.operation_msgpack).map_err(ClusterError::BadRequest)?;
            let options: WriteOptions = message.options.unwrap_or_default().into();
            let outcome = within(message.patience_millis, self.services.cluster.operate(&operation, &options)).await?;
            fitting(pack(&outcome))
        };
        Ok(match asked.await {
            Ok(outcome_msgpack) => wire::OperateReply { version: VERSION, fault: None, outcome_msgpack },
            Err(error) => wire::OperateReply { version: VERSION, fault: Some(error.into()), ..Default::default() },
        })
    }

    async fn ping(self: Arc<Self>, message: wire::PingRequest) -> Result<wire::PingReply, Status> {
        version(message.version)?;
        Ok(self.services.status.status().into())
    }

    async fn raft(self: Arc<Self>, kind: RaftKind, message: wire::RaftRequest) -> Result<wire::RaftReply, Status> {
        version(message.version)?;
        let taken = match &self.services.raft {
            Some(raft) => raft.take(kind, message.body).await,
            None => Err("this agent does not take part in raft".to_owned()),
        };
        Ok(raft_reply(taken))
    }
}

/// What raft's door said, as a message.
pub(super) fn raft_reply(taken: Result<Bytes, String>) -> wire::RaftReply {
    match taken {
        Ok(body) => wire::RaftReply { version: VERSION, body, refused: None },
        Err(sentence) => wire::RaftReply { version: VERSION, body: Bytes::new(), refused: Some(sentence) },
    }
}

pub(super) fn version(version: u32) -> Result<(), Status> {
    check_version(version).map_err(|sentence| Status::new(Code::FailedPrecondition, sentence))
}

async fn unary<Q, A, R>(
    request: http::Request<Incoming>,
    most: usize,
    door: Arc<Answerer>,
    handle: impl Fn(Arc<Answerer>, Q) -> R + Send + 'static,
) -> http::Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
    R: Future<Output = Result<A, Status>> + Send + 'static,
{
    let codec = ProstCodec::<A, Q>::default();
    let method = Method(Box::new(move |message| -> Replying<A> { Box::pin(handle(door.clone(), message)) }));
    Grpc::new(codec).max_decoding_message_size(most).max_encoding_message_size(most).unary(method, request).await
}

/// Ends what takes longer than its caller waits.
pub(super) async fn within<T>(
    patience_millis: u64,
    asked: impl Future<Output = Result<T, ClusterError>>,
) -> Result<T, ClusterError> {
    let patience = if patience_millis == 0 { PATIENCE_MAX } else { Duration::from_millis(patience_millis).min(PATIENCE_MAX) };
    clock::timeout(patience, asked).await.unwrap_or(Err(ClusterError::TimedOut(patience)))
}

/// The reply of an answer, packed once for all agents that ask for it.
fn packed(answer: &Answer) -> Result<Bytes, ClusterError> {
    if let Some(packed) = answer.content.packed.get() {
        return Ok(packed.clone());
    }
    let fresh = fitting(pack_reply(&answer.content.reply))?;
    Ok(answer.content.packed.get_or_init(|| fresh).clone())
}

/// Refuses what no message can carry, in a sentence instead of a broken call.
fn fitting(packed: Result<Bytes, String>) -> Result<Bytes, ClusterError> {
    let packed = packed.map_err(ClusterError::Internal)?;
    if packed.len() > MESSAGE_BYTES_MAX - ENVELOPE_BYTES {
        let sentence = format!("the answer has {} bytes, one message between agents at most {MESSAGE_BYTES_MAX}", packed.len());
        return Err(ClusterError::Internal(sentence));
    }
    Ok(packed)
}
