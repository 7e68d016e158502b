//! What only the leader may do, asked of a server that does not lead: it is passed on, once.

use crate::links::GossipDoor;
use crate::server::Server;
use lictor_net::clock::{self, Instant};
use lictor_raft::Leadership;
use lictor_rpc::route::{Kind, Verdict, judge, rest_of_wait};
use lictor_rpc::{Answer, CallError, ClusterError, Pool, WriteOptions};
use lictor_types::{
    AclRequest, Command, Consistency, Operated, Operation, Outcome, Query, QueryMeta, QueryOptions, Session, TxnOp, TxnReply,
};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Pause before the leader is looked for again, unless the news of it come first.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long a server that leads no longer may still answer.
const ANSWER_GRACE: Duration = Duration::from_millis(200);
/// How often a request follows the leader.
const MOVES_MAX: u32 = 20;
/// How long the leader may take for an answer that needs no waiting, and for a write.
const PATIENCE: Duration = Duration::from_secs(30);

impl Server {
    /// Whether the request must go to a leader, and this server is not known to be it. Cheap: asked for every request.
    pub(crate) fn is_for_leader(&self, options: &QueryOptions) -> bool {
        match options.consistency {
            Consistency::Stale => false,
            Consistency::Default | Consistency::Consistent => self.needs_leader(),
        }
    }

    /// Whether there may be a leader elsewhere.
    pub(crate) fn needs_leader(&self) -> bool {
        self.links.pool.is_some() && !self.raft.has_lease()
    }

    /// Whether the leader is to be looked for once more: this server led when the request came and does no longer, so nothing was
    /// done. Waits a moment, as it may take one until this server knows it.
    pub(crate) async fn has_moved(&self, error: &ClusterError, forwarded: bool, moves: &mut u32) -> bool {
        let moved = matches!(error, ClusterError::NotLeader { .. }) && self.links.pool.is_some() && !forwarded;
        *moves += 1;
        if moved && *moves <= MOVES_MAX {
            clock::sleep(RETRY_PAUSE).await;
            return true;
        }
        false
    }

    /// The leader's answer to a query; `None`: this server leads.
    pub(crate) async fn ask_leader(&self, query: &Query, options: &QueryOptions) -> Result<Option<Answer>, ClusterError> {
        let begun = clock::now();
        self.at_leader(Kind::Read, options.forwarded, |pool, leader| async move {
            let rest = rest_of_wait(options, begun.elapsed());
            let passed_on = QueryOptions { forwarded: true, ..rest.unwrap_or_else(|| options.clone()) };
            pool.query(&leader, query, &passed_on, PATIENCE).await
        })
        .await
    }

    /// Lets the leader carry out a command; `None`: this server leads.
    pub(crate) async fn apply_at_leader(
        &self,
        command: &Command,
        options: &WriteOptions,
    ) -> Result<Option<Outcome>, ClusterError> {
        self.at_leader(Kind::Write, options.forwarded, |pool, leader| async move {
            pool.apply(&leader, command, &passed_on(options), PATIENCE).await
        })
        .await
    }

    /// Lets the leader renew a session; `None`: this server leads.
    pub(crate) async fn renew_at_leader(
        &self,
        id: &str,
        options: &WriteOptions,
    ) -> Result<Option<Option<Arc<Session>>>, ClusterError> {
        // Renewing twice is renewing.
        self.at_leader(Kind::Read, options.forwarded, |pool, leader| async move {
            pool.renew_session(&leader, id, &passed_on(options), PATIENCE).await
        })
        .await
    }

    /// The leader's answer to a transaction that only reads; `None`: this server leads.
    pub(crate) async fn read_txn_at_leader(
        &self,
        ops: &[TxnOp],
        options: &QueryOptions,
    ) -> Result<Option<(QueryMeta, TxnReply)>, ClusterError> {
        self.at_leader(Kind::Read, options.forwarded, |pool, leader| async move {
            let passed_on = QueryOptions { forwarded: true, ..options.clone() };
            pool.read_txn(&leader, ops, &passed_on, PATIENCE).await
        })
        .await
    }

    /// Does something to the cluster itself, here or at the leader.
    pub(crate) async fn operate_somewhere(
        &self,
        operation: &Operation,
        options: &WriteOptions,
    ) -> Result<Operated, ClusterError> {
        match operation {
            Operation::Keyring(request) => Ok(Operated::Keyring(self.gossip()?.keyring(request).await?)),
            Operation::FireEvent { name, payload } => {
                self.gossip()?.fire(name, payload.clone()).await?;
                Ok(Operated::Done)
            }
            Operation::Acl(request) => self.change_acl_somewhere(operation, request, options).await,
            Operation::Raft(change) => {
                let elsewhere = self.at_leader(Kind::Write, options.forwarded, |pool, leader| async move {
                    pool.operate(&leader, operation, &passed_on(options), PATIENCE).await
                });
                if self.needs_leader()
                    && let Some(done) = elsewhere.await?
                {
                    return Ok(done);
                }
                self.wait_for_lease().await?;
                self.carry_out(change).await?;
                Ok(Operated::Done)
            }
        }
    }

    fn gossip(&self) -> Result<&dyn GossipDoor, ClusterError> {
        self.links.gossip.as_deref().ok_or_else(|| ClusterError::Refused("this server has no gossip pool".to_owned()))
    }

    async fn change_acl_somewhere(
        &self,
        operation: &Operation,
        request: &AclRequest,
        options: &WriteOptions,
    ) -> Result<Operated, ClusterError> {
        let mut moves = 0;
        loop {
            let elsewhere = self.at_leader(Kind::Write, options.forwarded, |pool, leader| async move {
                pool.operate(&leader, operation, &passed_on(options), PATIENCE).await
            });
            if self.needs_leader()
                && let Some(done) = elsewhere.await?
            {
                return Ok(done);
            }
            self.wait_for_lease().await?;
            match self.change_acl(request, options).await {
                Err(error) if self.has_moved(&error, options.forwarded, &mut moves).await => {}
                done => return Ok(Operated::Acl(Box::new(done?))),
            }
        }
    }

    /// Asks the leader, and the next one when leadership changes meanwhile and nothing was done.
    pub(crate) async fn at_leader<T, F, R>(&self, kind: Kind, forwarded: bool, ask: F) -> Result<Option<T>, ClusterError>
    where
        F: Fn(Arc<Pool>, String) -> R,
        R: Future<Output = Result<T, CallError>>,
    {
        let Some(pool) = &self.links.pool else { return Ok(None) };
        let mut deadline = clock::now() + self.settings.leader_wait;
        loop {
            let term = self.raft.leadership().borrow().term;
            let Some(leader) = self.other_leader(forwarded, deadline).await? else { return Ok(None) };
            let asked = clock::now();
            // Boxed, so that what this server answers itself does not carry its state.
            let asking = Box::pin(ask(pool.clone(), leader.clone()));
            let answered = tokio::select! {
                answered = asking => answered,
                // One that stands still answers nothing; whether it did what was asked cannot be known.
                () = self.replaced(&leader, term) => {
                    Err(CallError::Lost { address: leader, reason: "another server leads now".to_owned() })
                }
                () = self.shutdown.requested() => return Err(ClusterError::ShuttingDown),
            };
            let error = match answered {
                Ok(answer) => return Ok(Some(answer)),
                Err(fault) => match judge(kind, fault) {
                    Verdict::Retry(error) => error,
                    Verdict::Final(error) => return Err(error),
                },
            };
            tracing::debug!(%error, "the leader did not answer; looking for it again");
            if asked.elapsed() >= self.settings.leader_wait {
                // A blocking query: the leader was lost only now.
                deadline = clock::now() + self.settings.leader_wait;
            }
            if clock::now() >= deadline {
                return Err(ClusterError::NoLeader);
            }
            let mut leadership = self.raft.leadership();
            tokio::select! {
                _ = leadership.changed() => {}
                () = clock::sleep(RETRY_PAUSE) => {}
                () = self.shutdown.requested() => return Err(ClusterError::ShuttingDown),
            }
        }
    }

    /// Waits until another server leads in a later term, and a moment longer: an answer may be on its way.
    async fn replaced(&self, leader: &str, term: u64) {
        let mut leadership = self.raft.leadership();
        let another = |now: &Leadership| now.term > term && now.leader.as_ref().is_some_and(|known| known != leader);
        if leadership.wait_for(another).await.is_err() {
            // The agent ends.
            std::future::pending().await
        }
        clock::sleep(ANSWER_GRACE).await;
    }

    /// Address of the leader, once one is known; `None`: it is this server. Who was asked by another server does not pass it on.
    async fn other_leader(&self, forwarded: bool, deadline: Instant) -> Result<Option<String>, ClusterError> {
        let mut leadership = self.raft.leadership();
        loop {
            if self.raft.has_lease() {
                return Ok(None);
            }
            let leader = leadership.borrow_and_update().leader.clone();
            match leader {
                Some(leader) if !self.raft.is_leader() => {
                    return if forwarded { Err(ClusterError::NotLeader { leader }) } else { Ok(Some(leader)) };
                }
                // Nobody leads, or this server will in a moment, or it does not hear from the others.
                _ => {}
            }
            if clock::now() >= deadline {
                return Err(ClusterError::NoLeader);
            }
            tokio::select! {
                changed = leadership.changed() => changed.map_err(|_| ClusterError::ShuttingDown)?,
                () = clock::sleep_until(deadline.min(clock::now() + RETRY_PAUSE)) => {}
                () = self.shutdown.requested() => return Err(ClusterError::ShuttingDown),
            }
        }
    }
}

pub(crate) fn passed_on(options: &WriteOptions) -> WriteOptions {
    WriteOptions { forwarded: true, ..options.clone() }
}
