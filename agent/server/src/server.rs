//! The server itself: what its parts share, and the door `Cluster`.

use crate::acl::Kept;
use crate::authorize;
use crate::bootstrap;
use crate::cache::Cache;
use crate::events::{QueryAnswered, TxnAnswered, WriteDone};
use crate::leader;
use crate::leader::{ServersSeen, SessionTimers};
use crate::limit::Limiter;
use crate::links::Links;
use crate::query::{is_kept_in_primary, is_known_here};
use crate::settings::ServerSettings;
use crate::snapshot::SAVED_AT_ONCE_MAX;
use crate::uuid_text;
use async_trait::async_trait;
use lictor_acl::Authorizer;
use lictor_catalog::Catalog;
use lictor_net::{Shutdown, clock};
use lictor_raft::RaftNode;
use lictor_rpc::{Answer, Chunks, Cluster, ClusterError, Datacenters, SavedSnapshot, ServerStatus, StatusSource, WriteOptions};
use lictor_types::{
    Command, Member, Operated, Operation, Outcome, Query, QueryMeta, QueryOptions, Reply, Session, TxnOp, TxnReply,
};
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::{Arc, Weak};
use tokio::sync::{Notify, Semaphore, watch};

/// The `Cluster` of a server agent.
pub struct Server {
    pub(crate) settings: ServerSettings,
    pub(crate) raft: Arc<RaftNode>,
    pub(crate) catalog: Catalog,
    pub(crate) cache: Cache,
    pub(crate) timers: Mutex<SessionTimers>,
    pub(crate) chance: Mutex<StdRng>,
    pub(crate) links: Links,
    pub(crate) limiter: Limiter,
    pub(crate) servers: Mutex<ServersSeen>,
    pub(crate) members: watch::Receiver<Vec<Member>>,
    /// Itself, for work that outlives who asked for it.
    pub(crate) own: Weak<Self>,
    /// One for each archive that may be made at a time.
    pub(crate) saving: Arc<Semaphore>,
    /// Held while an archive is restored.
    pub(crate) restoring: Arc<tokio::sync::Mutex<()>>,
    /// Told when a saved state was restored.
    pub(crate) restored: Notify,
    /// Held while policies, roles or tokens are changed.
    pub(crate) changing_acl: tokio::sync::Mutex<()>,
    /// What callers may do, as long as nothing changes.
    pub(crate) kept_authorizers: Kept,
    pub(crate) started: clock::Instant,
    pub(crate) shutdown: Shutdown,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("node", &self.settings.node.node).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts to serve without a way to other servers; see [`Server::start_linked`].
    pub fn start(
        settings: ServerSettings,
        raft: Arc<RaftNode>,
        catalog: Catalog,
        members: watch::Receiver<Vec<Member>>,
        shutdown: Shutdown,
    ) -> Arc<Self> {
        Self::start_linked(settings, raft, catalog, members, Links::default(), shutdown)
    }

    /// Starts to serve, and does the leader's duties whenever this node leads. `members` is the LAN pool, this node among them;
    /// through `links` goes what the leader or another datacenter must answer.
    pub fn start_linked(
        settings: ServerSettings,
        raft: Arc<RaftNode>,
        catalog: Catalog,
        members: watch::Receiver<Vec<Member>>,
        links: Links,
        shutdown: Shutdown,
    ) -> Arc<Self> {
        let server = Arc::new_cyclic(|own| Self {
            cache: Cache::default(),
            timers: Mutex::default(),
            chance: Mutex::new(StdRng::seed_from_u64(settings.seed)),
            limiter: Limiter::new(settings.request_limits, clock::now()),
            settings,
            raft,
            catalog,
            links,
            servers: Mutex::default(),
            members: members.clone(),
            own: own.clone(),
            saving: Arc::new(Semaphore::new(SAVED_AT_ONCE_MAX)),
            restoring: Arc::default(),
            restored: Notify::new(),
            changing_acl: tokio::sync::Mutex::default(),
            kept_authorizers: Kept::default(),
            started: clock::now(),
            shutdown: shutdown.clone(),
        });
        let expected = server.settings.bootstrap_expect;
        if expected > 1 {
            shutdown.spawn(bootstrap::run(server.clone(), expected, members.clone()));
        }
        shutdown.spawn(leader::follow_addresses(server.clone(), members.clone()));
        shutdown.spawn(leader::run(server.clone(), members));
        server
    }

    /// The raft node under this server, for figures and for its end.
    pub fn raft(&self) -> &Arc<RaftNode> {
        &self.raft
    }

    /// The way to another datacenter; `None`: it is the own one.
    pub(crate) fn elsewhere(&self, datacenter: &str) -> Result<Option<&Datacenters>, ClusterError> {
        if datacenter.is_empty() || datacenter.eq_ignore_ascii_case(&self.settings.node.datacenter) {
            return Ok(None);
        }
        self.links.datacenters.as_deref().map(Some).ok_or(ClusterError::NoPathToDatacenter)
    }
}

impl StatusSource for Server {
    fn status(&self) -> ServerStatus {
        let stats = self.raft.stats();
        ServerStatus {
            node: self.settings.node.node.clone(),
            node_id: self.settings.node.id.clone(),
            datacenter: self.settings.node.datacenter.clone(),
            build: self.settings.version.clone(),
            is_leader: self.raft.has_lease(),
            leader: self.raft.leader(),
            term: stats.term,
            last_log_index: stats.last_log_index,
            last_log_term: stats.last_log_term,
            applied_index: stats.applied_index,
            last_contact: self.raft.last_contact(),
        }
    }
}

#[async_trait]
impl Cluster for Server {
    async fn query(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        if let Some(datacenters) = self.elsewhere(&options.datacenter)? {
            return datacenters.query(query, options).await;
        }
        if is_kept_in_primary(query)
            && let Some(primary) = self.acl_datacenter()
        {
            return Box::pin(self.query(query, &QueryOptions { datacenter: primary, ..options.clone() })).await;
        }
        let timed = QueryAnswered::timed_as(query).map(|name| (name, clock::now()));
        // Who leads, and who is there, is asked to find out where to go.
        if !is_known_here(query) {
            self.limiter.read(clock::now)?;
        }
        let answer = self.answer(query, options).await;
        // The time of a blocking query says how long nothing changed, not how fast we are.
        if options.min_index.0 == 0 {
            QueryAnswered { timed }.emit();
        }
        answer
    }

    fn query_now(&self, query: &Query, options: &QueryOptions) -> Option<Result<Answer, ClusterError>> {
        let is_own = matches!(self.elsewhere(&options.datacenter), Ok(None));
        if !is_own || !self.is_answered_at_once(query, options) {
            return None;
        }
        let authorizer = self.authorizer_here(&options.token)?;
        let timed = QueryAnswered::timed_as(query).map(|name| (name, clock::now()));
        let answer = self.limiter.read(clock::now).and_then(|()| self.answer_at_once(query, options, authorizer));
        QueryAnswered { timed }.emit();
        Some(answer)
    }

    async fn apply(&self, command: Command, options: &WriteOptions) -> Result<Outcome, ClusterError> {
        if let Some(datacenters) = self.elsewhere(&options.datacenter)? {
            return datacenters.apply(&command, options).await;
        }
        let started = clock::now();
        self.limiter.write(self.raft.has_lease(), || started)?;
        let kind = WriteDone::name_of(&command);
        let outcome = self.write_somewhere(command, options).await;
        WriteDone { kind, millis: started.elapsed().as_secs_f64() * 1e3 }.emit();
        outcome
    }

    async fn read_txn(&self, ops: &[TxnOp], options: &QueryOptions) -> Result<(QueryMeta, TxnReply), ClusterError> {
        if let Some(datacenters) = self.elsewhere(&options.datacenter)? {
            return datacenters.read_txn(ops, options).await;
        }
        let started = clock::now();
        self.limiter.read(|| started)?;
        let answer = self.answer_txn(ops, options).await;
        TxnAnswered { millis: started.elapsed().as_secs_f64() * 1e3 }.emit();
        answer
    }

    async fn operate(&self, operation: &Operation, options: &WriteOptions) -> Result<Operated, ClusterError> {
        if let Some(datacenters) = self.elsewhere(&options.datacenter)? {
            return datacenters.operate(operation, options).await;
        }
        if let Operation::Acl(_) = operation
            && let Some(primary) = self.acl_datacenter()
        {
            return Box::pin(self.operate(operation, &WriteOptions { datacenter: primary, ..options.clone() })).await;
        }
        self.limiter.write(self.raft.has_lease(), clock::now)?;
        if matches!(operation, Operation::Acl(_)) && self.settings.acl.is_none() {
            return Err(ClusterError::AclDisabled);
        }
        match self.authorizer(&options.token).await {
            // Who asks for a first token, or to forget one, is told what is wrong with that.
            Err(ClusterError::AclNotFound) if matches!(operation, Operation::Acl(_)) => {
                authorize::operation(&Authorizer::DenyAll, operation).map_err(|_| ClusterError::AclNotFound)?;
            }
            known => authorize::operation(&known?, operation)?,
        }
        self.operate_somewhere(operation, options).await
    }

    async fn renew_session(&self, id: &str, options: &WriteOptions) -> Result<Option<Arc<Session>>, ClusterError> {
        if let Some(datacenters) = self.elsewhere(&options.datacenter)? {
            return datacenters.renew_session(id, options).await;
        }
        self.limiter.write(self.raft.has_lease(), clock::now)?;
        uuid_text::check(id).map_err(|fault| ClusterError::BadRequest(format!("failed session lookup: index error: {fault}")))?;
        if self.needs_leader()
            && let Some(renewed) = self.renew_at_leader(id, options).await?
        {
            return Ok(renewed);
        }
        self.wait_for_lease().await?;
        let query = Query::SessionInfo(id.to_owned());
        let found = match self.catalog.snapshot().query(&query, &Default::default(), None) {
            Some((_, Reply::Sessions(mut found))) => found.pop(),
            _ => None,
        };
        let Some(session) = found else { return Ok(None) };
        let renewal =
            Command::Session { verb: lictor_types::SessionVerb::Create, session: Session::clone(&session), now_unix_ms: 0 };
        let authorizer = self.authorizer(&options.token).await?;
        authorize::command(&self.catalog.snapshot(), &authorizer, &renewal)?;
        self.timers.lock().renew(&session, clock::now());
        Ok(Some(session))
    }

    async fn save_snapshot(&self, options: &QueryOptions) -> Result<SavedSnapshot, ClusterError> {
        if let Some(datacenters) = self.elsewhere(&options.datacenter)? {
            return datacenters.save_snapshot(options).await;
        }
        self.save_somewhere(options).await
    }

    async fn restore_snapshot(&self, archive: Chunks, options: &WriteOptions) -> Result<(), ClusterError> {
        if let Some(datacenters) = self.elsewhere(&options.datacenter)? {
            return datacenters.restore_snapshot(archive, options).await;
        }
        self.restore_somewhere(archive, options).await
    }
}
