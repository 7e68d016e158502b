//! Asking one of several servers, and another one where that is safe.

use crate::cluster::{Answer, WriteOptions};
use crate::error::ClusterError;
use crate::pool::{CallError, Pool};
use crate::servers::Servers;
use crate::snapshot::{Chunks, SavedSnapshot};
use crate::wire::events::ServerFailed;
use lictor_net::clock;
use lictor_types::{Command, Index, Operated, Operation, Outcome, Query, QueryMeta, QueryOptions, Session, TxnOp, TxnReply};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Times of requests to servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// How long a request is tried again, from its first failure; Consul's `rpc_hold_timeout`, 7 s.
    pub hold_timeout: Duration,
    /// How long a server may take for an answer that needs no waiting, and for a write.
    pub patience: Duration,
}

impl Default for RouteSettings {
    fn default() -> Self {
        Self { hold_timeout: Duration::from_secs(7), patience: Duration::from_secs(30) }
    }
}

/// Of the hold time, how much is waited at most once every server has failed; Consul's part.
const PAUSE_PART: u32 = 16;
/// While a write is not answered, another server is asked so often who leads …
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// … and may take so long to say it.
const LOOK_PATIENCE: Duration = Duration::from_millis(500);
/// Shortest wait that a blocking query is asked with when it goes to another server.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// What a blocking query waits when it doesn't say.
const WAIT_DEFAULT: Duration = Duration::from_secs(300);

/// Whether doing it twice is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Yes: it changes nothing, or the same however often it is done.
    Read,
    /// No.
    Write,
}

/// What a failure means for the request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was done: try again. The error is what is told when there is no time left.
    Retry(ClusterError),
    /// It is the answer.
    Final(ClusterError),
}

impl Verdict {
    /// What is told when it is not tried again.
    pub fn into_error(self) -> ClusterError {
        match self {
            Self::Retry(error) | Self::Final(error) => error,
        }
    }
}

/// Judges a failure. A write that may have been done is never sent a second time.
pub fn judge(kind: Kind, fault: CallError) -> Verdict {
    match (kind, fault) {
        (_, CallError::NotSent { address, reason }) => Verdict::Retry(ClusterError::Unreachable(format!("{address}: {reason}"))),
        (Kind::Read, CallError::Lost { address, reason }) => {
            Verdict::Retry(ClusterError::Unreachable(format!("{address}: {reason}")))
        }
        (Kind::Write, CallError::Lost { address, reason }) => {
            Verdict::Final(ClusterError::ConnectionLost(format!("{address}: {reason}")))
        }
        (_, CallError::TimedOut { after, .. }) => Verdict::Final(ClusterError::TimedOut(after)),
        // Of these the server says itself that nothing was written.
        (_, CallError::Answered(error)) if says_nothing_was_done(&error) => Verdict::Retry(error),
        (Kind::Read, CallError::Answered(error @ (ClusterError::ShuttingDown | ClusterError::ConnectionLost(_)))) => {
            Verdict::Retry(error)
        }
        (_, CallError::Answered(error)) => Verdict::Final(error),
    }
}

fn says_nothing_was_done(error: &ClusterError) -> bool {
    use ClusterError::{NoLeader, NoServers, NotLeader, Unreachable};
    matches!(error, NoLeader | NotLeader { .. } | NoServers | Unreachable(_))
}

/// The way to the servers of one datacenter.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) pool: Arc<Pool>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) settings: RouteSettings,
}

impl Route {
    /// Asks until somebody answered. `none` is what is told when no server is known.
    async fn ask<T, F, R>(&self, kind: Kind, none: ClusterError, ask: F) -> Result<T, ClusterError>
    where
        F: Fn(Arc<str>) -> R,
        R: Future<Output = Result<T, CallError>>,
    {
        let mut give_up = None;
        let mut failures = 0;
        let mut last = None;
        loop {
            let Some(server) = self.servers.first() else {
                return Err(last.unwrap_or(none));
            };
            // Boxed: there is a kilobyte of state for each layer of a call.
            let error = match Box::pin(ask(server.address.clone())).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => match judge(kind, fault) {
                    Verdict::Retry(error) => error,
                    Verdict::Final(error) => {
                        if matches!(error, ClusterError::ConnectionLost(_) | ClusterError::TimedOut(_)) {
                            self.servers.failed(&server.address);
                        }
                        return Err(error);
                    }
                },
            };
            ServerFailed { address: &server.address, reason: &error.to_string() }.emit();
            self.servers.failed(&server.address);
            // The time runs from the first failure: a blocking query may have waited long before it.
            let give_up = *give_up.get_or_insert_with(|| clock::now() + self.settings.hold_timeout);
            failures += 1;
            if clock::now() >= give_up {
                return Err(error);
            }
            last = Some(error);
            // The other servers are asked at once; only when all have failed there is something to wait for.
            if failures % self.servers.len().max(1) == 0 {
                let pause = self.settings.hold_timeout / PAUSE_PART;
                clock::sleep(pause / 4 + self.servers.stagger(pause * 3 / 4)).await;
            }
        }
    }

    /// Waits for what a server answers to a write, but not when it hangs and the datacenter has put another leader in its place. One
    /// that hangs without that may only be out of breath, and is given more time by the pool.
    async fn while_it_leads<T>(
        &self,
        address: &str,
        writing: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        tokio::select! {
            biased;
            answer = writing => answer,
            () = self.replaced(address) => {
                Err(CallError::Lost { address: address.to_owned(), reason: "another server leads now".to_owned() })
            }
        }
    }

    /// Waits until the other servers, which said that the one at this address leads, say that another does.
    async fn replaced(&self, address: &str) {
        let mut led = false;
        for turn in 0_usize.. {
            clock::sleep(LOOK_PAUSE).await;
            let others: Vec<_> = self.servers.all().into_iter().filter(|server| &*server.address != address).collect();
            let Some(other) = others.get(turn % others.len().max(1)) else { continue };
            let told = self.pool.ping(&other.address, LOOK_PATIENCE).await.ok().and_then(|status| status.leader);
            match told {
                Some(leader) if leader == address => led = true,
                Some(_) if led => return,
                _ => {}
            }
        }
    }

    pub(crate) async fn query(&self, query: &Query, options: &QueryOptions, none: ClusterError) -> Result<Answer, ClusterError> {
        let begun = clock::now();
        self.ask(Kind::Read, none, |address| async move {
            let left = rest_of_wait(options, begun.elapsed());
            let options = left.as_ref().unwrap_or(options);
            self.pool.query(&address, query, options, self.settings.patience).await
        })
        .await
    }

    pub(crate) async fn apply(
        &self,
        command: &Command,
        options: &WriteOptions,
        none: ClusterError,
    ) -> Result<Outcome, ClusterError> {
        self.ask(Kind::Write, none, |address| async move {
            let applying = self.pool.apply(&address, command, options, self.settings.patience);
            self.while_it_leads(&address, applying).await
        })
        .await
    }

    pub(crate) async fn renew_session(
        &self,
        id: &str,
        options: &WriteOptions,
        none: ClusterError,
    ) -> Result<Option<Arc<Session>>, ClusterError> {
        // Renewing twice is renewing.
        self.ask(Kind::Read, none, |address| async move {
            self.pool.renew_session(&address, id, options, self.settings.patience).await
        })
        .await
    }

    pub(crate) async fn operate(
        &self,
        operation: &Operation,
        options: &WriteOptions,
        none: ClusterError,
    ) -> Result<Operated, ClusterError> {
        self.ask(Kind::Write, none, |address| async move {
            let operating = self.pool.operate(&address, operation, options, self.settings.patience);
            self.while_it_leads(&address, operating).await
        })
        .await
    }

    pub(crate) async fn read_txn(
        &self,
        ops: &[TxnOp],
        options: &QueryOptions,
        none: ClusterError,
    ) -> Result<(QueryMeta, TxnReply), ClusterError> {
        self.ask(
            Kind::Read,
            none,
            |address| async move { self.pool.read_txn(&address, ops, options, self.settings.patience).await },
        )
        .await
    }

    pub(crate) async fn save_snapshot(&self, options: &QueryOptions, none: ClusterError) -> Result<SavedSnapshot, ClusterError> {
        self.ask(
            Kind::Read,
            none,
            |address| async move { self.pool.save_snapshot(&address, options, self.settings.patience).await },
        )
        .await
    }

    /// An archive can be sent only once: first a server is found that is there.
    pub(crate) async fn restore_snapshot(
        &self,
        archive: Chunks,
        options: &WriteOptions,
        none: ClusterError,
    ) -> Result<(), ClusterError> {
        let address =
            self.ask(Kind::Read, none, |address| async move { self.pool.reach(&address).await.map(|()| address) }).await?;
        self.pool.restore_snapshot(&address, archive, options).await.map_err(|fault| judge(Kind::Write, fault).into_error())
    }
}

/// Options of a blocking query that has waited already; `None`: those it has are right.
pub fn rest_of_wait(options: &QueryOptions, waited: Duration) -> Option<QueryOptions> {
    if options.min_index == Index(0) || waited < WAIT_MIN {
        return None;
    }
    let wait = options.wait.filter(|wait| !wait.is_zero()).unwrap_or(WAIT_DEFAULT);
    Some(QueryOptions { wait: Some(wait.saturating_sub(waited).max(WAIT_MIN)), ..options.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> String {
        "127.0.0.1:8300".to_owned()
    }

    #[test]
    fn a_write_is_sent_again_only_when_nothing_was_written() {
        let not_sent = || CallError::NotSent { address: address(), reason: "refused".to_owned() };
        let lost = || CallError::Lost { address: address(), reason: "reset".to_owned() };
        let late = || CallError::TimedOut { address: address(), after: Duration::from_secs(1) };
        let retried = |kind, fault| matches!(judge(kind, fault), Verdict::Retry(_));
        for (fault, read, write) in [
            (not_sent(), true, true),
            (lost(), true, false),
            (late(), false, false),
            (CallError::Answered(ClusterError::NoLeader), true, true),
            (CallError::Answered(ClusterError::NotLeader { leader: address() }), true, true),
            (CallError::Answered(ClusterError::Unreachable("x".into())), true, true),
            (CallError::Answered(ClusterError::NoServers), true, true),
            // A server that ends may have proposed it before.
            (CallError::Answered(ClusterError::ShuttingDown), true, false),
            (CallError::Answered(ClusterError::ConnectionLost("x".into())), true, false),
            (CallError::Answered(ClusterError::LeadershipLost), false, false),
            (CallError::Answered(ClusterError::TimedOut(Duration::ZERO)), false, false),
            (CallError::Answered(ClusterError::PermissionDenied), false, false),
            (CallError::Answered(ClusterError::BadRequest("x".into())), false, false),
            (CallError::Answered(ClusterError::Refused("x".into())), false, false),
            (CallError::Answered(ClusterError::ReadOnly("x".into())), false, false),
            (CallError::Answered(ClusterError::NoPathToDatacenter), false, false),
            (CallError::Answered(ClusterError::Internal("x".into())), false, false),
        ] {
            assert_eq!(retried(Kind::Read, fault.clone()), read, "{fault:?}");
            assert_eq!(retried(Kind::Write, fault.clone()), write, "{fault:?}");
        }
        assert_eq!(judge(Kind::Write, lost()), Verdict::Final(ClusterError::ConnectionLost("127.0.0.1:8300: reset".to_owned())));
    }

    #[test]
    fn a_blocking_query_waits_on_for_the_rest() {
        let blocking = |wait| QueryOptions { min_index: Index(7), wait, ..QueryOptions::default() };
        let rest = |options: &QueryOptions, secs| rest_of_wait(options, Duration::from_secs(secs)).and_then(|rest| rest.wait);
        assert_eq!(rest(&blocking(Some(Duration::from_secs(60))), 0), None);
        assert_eq!(rest(&blocking(Some(Duration::from_secs(60))), 20), Some(Duration::from_secs(40)));
        assert_eq!(rest(&blocking(Some(Duration::from_secs(60))), 80), Some(WAIT_MIN));
        assert_eq!(rest(&blocking(None), 20), Some(Duration::from_secs(280)));
        assert_eq!(rest(&QueryOptions::default(), 20), None);
    }
}
