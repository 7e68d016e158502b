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
use lictor_rpc::{Answer, ClusterError, Content};
use lictor_types::{Index, Query, QueryMeta, QueryOptions, Reply};

/// A query with all that shapes its answer.
pub(crate) struct Asked<'a> {
    pub(crate) query: &'a Query,
    pub(crate) scope: QueryScope,
    pub(crate) refine: Refine<'a>,
    pub(crate) authorizer: Authorizer,
}

impl Server {
    /// Answers a query.
    pub(crate) async fn answer(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        self.check_datacenter(&options.datacenter)?;
        let authorizer = authorize::query(&self.settings.acl, &options.token, query)?;
        if let Some(reply) = self.answer_without_catalog(query) {
            return Ok(Answer { meta: self.meta(Index(1), query, options), content: Content::new(reply) });
        }
        if let Some(reply) = self.answer_prepared(query, options, &authorizer).await? {
            // There is nothing to wait for.
            return Ok(Answer { meta: self.meta(Index(0), query, options), content: Content::new(reply) });
        }
        match query {
            Query::SessionInfo(id) => check_id("session", id)?,
            Query::PreparedQuery(id) => check_id("prepared query", id)?,
            _ => {}
        }
        let refine = Refine::new(query, options)?;
        let asked = Asked { query, scope: QueryScope { node_meta: options.node_meta.clone() }, refine, authorizer };
        self.make_fresh(options.consistency).await?;
        let (index, content) = self.wait_for_change(&asked, options).await?;
        Ok(Answer { meta: self.meta(index, query, options), content })
    }

    fn answer_without_catalog(&self, query: &Query) -> Option<Reply> {
        Some(match query {
            Query::Datacenters => Reply::Names(vec![self.settings.node.datacenter.clone()]),
            Query::StatusLeader => Reply::Name(self.raft.leader().unwrap_or_default()),
            Query::StatusPeers => Reply::Names(self.raft.peers()),
            _ => return None,
        })
    }

    fn meta(&self, index: Index, query: &Query, options: &QueryOptions) -> QueryMeta {
        QueryMeta {
            index,
            last_contact: self.raft.last_contact(),
            known_leader: self.raft.knows_leader(),
            effective: told(query, options.consistency),
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
        if let Query::PreparedQuery(_) = asked.query {
            redact_one(&asked.authorizer, &mut reply)?;
        } else {
            asked.authorizer.redact(&mut reply);
        }
        Ok(Found { index, content: Content::new(reply), watch })
    }
}

fn check_id(of: &str, id: &str) -> Result<(), ClusterError> {
    uuid_text::check(id).map_err(|fault| ClusterError::BadRequest(format!("failed {of} lookup: index error: {fault}")))
}

/// One key or one session costs less to look up than to keep.
fn is_worth_keeping(query: &Query) -> bool {
    !matches!(query, Query::KvGet(_) | Query::SessionInfo(_) | Query::NodeCoordinates(_) | Query::PreparedQuery(_))
}
