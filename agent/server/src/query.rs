//! The way of a query: datacenter, authorization, filter, freshness, then the answer of now or of the next change.

use crate::authorize;
use crate::cache::{Found, Key};
use crate::consistency::told;
use crate::prepared::redact_one;
use crate::refine::Refine;
use crate::server::Server;
use crate::uuid_text;
use lictor_acl::Authorizer;
use lictor_catalog::{QueryScope, WatchSet};
use lictor_net::clock;
use lictor_rpc::{Answer, ClusterError, Content};
use lictor_types::{AclQuery, AclReply, Consistency, Index, Query, QueryMeta, QueryOptions, Reply};

/// A query with all that shapes its answer.
pub(crate) struct Asked<'a> {
    pub(crate) query: &'a Query,
    pub(crate) scope: QueryScope,
    pub(crate) refine: Refine<'a>,
    pub(crate) authorizer: Authorizer,
}

impl<'a> Asked<'a> {
    fn new(query: &'a Query, options: &'a QueryOptions, authorizer: Authorizer) -> Result<Self, ClusterError> {
        let scope = QueryScope { node_meta: options.node_meta.clone() };
        Ok(Self { query, scope, refine: Refine::new(query, options)?, authorizer })
    }
}

impl Server {
    /// Answers a query, or lets the leader answer it.
    pub(crate) async fn answer(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        if self.is_too_old(options) {
            let fresher = QueryOptions { consistency: Consistency::Default, ..options.clone() };
            // Boxed, so that the others have no room for what these ask instead.
            return Box::pin(async move { self.answer_somewhere(query, &fresher).await }).await;
        }
        self.answer_somewhere(query, options).await
    }

    /// Whether this server may answer by itself and has nothing to wait for.
    pub(crate) fn is_answered_at_once(&self, query: &Query, options: &QueryOptions) -> bool {
        let may_answer = match options.consistency {
            Consistency::Stale => !self.is_too_old(options),
            Consistency::Default => self.raft.has_lease(),
            Consistency::Consistent => false,
        };
        may_answer && options.min_index == Index(0) && needs_catalog_alone(query)
    }

    /// As [`Server::answer`], where [`Server::is_answered_at_once`].
    pub(crate) fn answer_at_once(
        &self,
        query: &Query,
        options: &QueryOptions,
        authorizer: Authorizer,
    ) -> Result<Answer, ClusterError> {
        authorize::query(&authorizer, query)?;
        let found = self.evaluate(&Asked::new(query, options, authorizer)?, false)?;
        Ok(self.answer_of(found, query, options))
    }

    /// Whether what this server has is older than the caller wants.
    fn is_too_old(&self, options: &QueryOptions) -> bool {
        let stale = options.consistency == Consistency::Stale;
        stale && options.max_stale.is_some_and(|oldest| self.raft.last_contact() > oldest)
    }

    async fn answer_somewhere(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        let mut moves = 0;
        loop {
            if self.is_for_leader(options)
                && !is_known_here(query)
                && let Some(answer) = self.ask_leader(query, options).await?
            {
                return Ok(answer);
            }
            match self.answer_here(query, options).await {
                Err(error) => {
                    if !self.has_moved(&error, options.forwarded, &mut moves).await {
                        return Err(error);
                    }
                }
                answer => return answer,
            }
        }
    }

    async fn answer_here(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        // These judge who asks themselves.
        // (Boxed, like the others that are seldom asked: each query that waits for a change keeps its state.)
        if let Query::Acl(asked) = query
            && let Some(reply) = Box::pin(self.answer_acl(query, asked, options)).await?
        {
            return Ok(Answer { meta: self.meta(Index(0), query, options), content: Content::new(reply) });
        }
        // What everybody may know is not refused to those whom nobody knows.
        let authorizer = if is_known_here(query) { Authorizer::AllowAll } else { self.authorizer(&options.token).await? };
        authorize::query(&authorizer, query)?;
        if let Some(reply) = self.answer_without_catalog(query).await {
            // Nothing here has an index of its own, but who keeps answers wants to know how far this server is.
            let index = self.catalog.snapshot().index().max(Index(1));
            return Ok(Answer { meta: self.meta(index, query, options), content: Content::new(reply) });
        }
        if let Query::PreparedExplain(_) | Query::PreparedExecute(_) | Query::PreparedFailover(_) = query
            && let Some(reply) = Box::pin(self.answer_prepared(query, options, &authorizer)).await?
        {
            // There is nothing to wait for.
            return Ok(Answer { meta: self.meta(Index(0), query, options), content: Content::new(reply) });
        }
        match query {
            Query::SessionInfo(id) => check_id("session", id)?,
            Query::Acl(asked) => check_acl_id(asked)?,
            Query::PreparedQuery(id) => check_id("prepared query", id)?,
            Query::Intention(id) => check_id("intention", id)?,
            Query::IntentionCheck { source, destination } => {
                self.make_fresh(options.consistency).await?;
                let known = self.catalog.snapshot().judge_connection(&source.name, destination);
                let allowed = known.unwrap_or_else(|| authorizer.may_connect_by_default());
                return Ok(Answer { meta: self.meta(Index(0), query, options), content: Content::new(Reply::Allowed(allowed)) });
            }
            Query::DiscoveryChain(request) => {
                // What is wrong with it is told; the catalog only knows that there is no answer.
                let known = self.catalog.snapshot().discovery_chain(request);
                known.map_err(ClusterError::BadRequest)?;
            }
            _ => {}
        }
        let mut asked = Asked::new(query, options, authorizer)?;
        self.make_fresh(options.consistency).await?;
        let found = self.wait_for_change(&mut asked, options).await?;
        Ok(self.answer_of(found, query, options))
    }

    fn answer_of(&self, found: Found, query: &Query, options: &QueryOptions) -> Answer {
        let meta = QueryMeta { filtered_by_acls: found.filtered, ..self.meta(found.index, query, options) };
        Answer { meta, content: found.content }
    }

    async fn answer_without_catalog(&self, query: &Query) -> Option<Reply> {
        Some(match query {
            Query::Datacenters => Reply::Names(self.datacenters_by_distance().await),
            Query::DatacenterCoordinates => Reply::DatacenterCoordinates(self.datacenter_coordinates().await),
            Query::StatusLeader => Reply::Name(self.raft.leader().unwrap_or_default()),
            Query::StatusPeers => Reply::Names(self.raft.peers()),
            Query::RaftConfiguration => Reply::RaftConfiguration(self.raft_configuration()),
            Query::AutopilotHealth => Reply::AutopilotHealth(self.servers_health()),
            _ => return None,
        })
    }

    fn meta(&self, index: Index, query: &Query, options: &QueryOptions) -> QueryMeta {
        QueryMeta {
            index,
            last_contact: self.raft.last_contact(),
            known_leader: self.raft.knows_leader(),
            effective: told(query, options.consistency),
            filtered_by_acls: false,
        }
    }

    /// The answer of now; with `watching` also what tells that it is out of date.
    pub(crate) fn evaluate(&self, asked: &Asked<'_>, watching: bool) -> Result<Found, ClusterError> {
        let shared = asked.authorizer.sees_all() && is_worth_keeping(asked.query);
        if !shared {
            return self.compute(asked, watching);
        }
        let key = Key { query: asked.query, scope: &asked.scope, filter: asked.refine.filter_text(), near: asked.refine.near() };
        self.cache.get(key, watching, || self.compute(asked, true))
    }

    fn compute(&self, asked: &Asked<'_>, watching: bool) -> Result<Found, ClusterError> {
        let none = || ClusterError::Internal("the catalog does not know this query".to_owned());
        // The watch is set before the state is read: nothing is missed.
        let mut watch = WatchSet::new();
        let places = asked.refine.places(&self.catalog, &mut watch);
        let (index, mut reply) = if watching {
            let (index, reply, of_query) = self.catalog.query(asked.query, &asked.scope).ok_or_else(none)?;
            watch.merge(&of_query);
            (index, reply)
        } else {
            self.catalog.snapshot().query(asked.query, &asked.scope, None).ok_or_else(none)?
        };
        asked.refine.apply(&mut reply, &places);
        if let Query::Services = asked.query {
            // The names alone do not say enough for an expression; later instances than the answer's do no harm.
            asked.refine.services(&mut reply, || self.catalog.snapshot().all_instances(&asked.scope));
        }
        let filtered =
            if let (Query::Intention(_) | Query::IntentionExact { .. }, Reply::Intentions(rows)) = (asked.query, &reply) {
                // It is there, but not for this caller.
                if !rows.is_empty() && asked.authorizer.redact(&mut reply) {
                    return Err(ClusterError::PermissionDenied);
                }
                false
            } else if let Query::PreparedQuery(_) = asked.query {
                redact_one(&asked.authorizer, &mut reply)?;
                false
            } else {
                asked.authorizer.redact_answer(asked.query, &mut reply)
            };
        if let Reply::Acl(AclReply::Tokens(rows)) = &mut reply {
            // The leader deletes those that have ended, but not at once.
            let now = clock::wall_unix_ms();
            rows.retain(|token| !token.has_expired(now));
        }
        Ok(Found { index, content: Content::new(reply), watch, filtered })
    }
}

fn check_id(of: &str, id: &str) -> Result<(), ClusterError> {
    uuid_text::check(id).map_err(|fault| ClusterError::BadRequest(format!("failed {of} lookup: index error: {fault}")))
}

fn check_acl_id(asked: &AclQuery) -> Result<(), ClusterError> {
    match asked {
        AclQuery::Policy(id) => check_id("acl policy", id),
        AclQuery::Role(id) => check_id("acl role", id),
        AclQuery::Token(id) => check_id("acl token", id),
        AclQuery::BindingRule(id) => check_id("acl binding rule", id),
        _ => Ok(()),
    }
}

/// What every server knows without the catalog.
pub(crate) fn is_known_here(query: &Query) -> bool {
    matches!(query, Query::Datacenters | Query::DatacenterCoordinates | Query::StatusLeader | Query::StatusPeers)
}

/// What is looked up in the catalog and nowhere else, and cannot be asked for wrongly.
fn needs_catalog_alone(query: &Query) -> bool {
    matches!(
        query,
        Query::KvGet(_)
            | Query::KvList(_)
            | Query::KvKeys { .. }
            | Query::Nodes
            | Query::Services
            | Query::ServiceNodes { .. }
            | Query::NodeServices(_)
            | Query::NodeServiceList(_)
            | Query::NodeChecks(_)
            | Query::ServiceChecks(_)
            | Query::ChecksInState(_)
            | Query::HealthService { .. }
            | Query::NodesByAddress(_)
            | Query::ServicesByAddress(_)
            | Query::Coordinates
            | Query::NodeCoordinates(_)
    )
}

/// Tables that only the primary datacenter has.
pub(crate) fn is_kept_in_primary(query: &Query) -> bool {
    match query {
        Query::Acl(asked) => !matches!(**asked, AclQuery::Resolve { .. } | AclQuery::Judge(_) | AclQuery::Replication),
        _ => false,
    }
}

/// One key or one session costs less to look up than to keep.
fn is_worth_keeping(query: &Query) -> bool {
    !matches!(
        query,
        Query::KvGet(_) | Query::SessionInfo(_) | Query::NodeCoordinates(_) | Query::PreparedQuery(_) | Query::Acl(_)
    )
}
