//! Prepared queries: which one is meant, on which instances it comes out, and where it is asked when there is none.

use crate::authorize;
use crate::query::Asked;
use crate::refine::Places;
use crate::server::Server;
use crate::uuid_text;
use lictor_acl::Authorizer;
use lictor_catalog::{QueryScope, State};
use lictor_rpc::{Cluster, ClusterError};
use lictor_types::prepared_query::{QuerySource, ServiceQuery};
use lictor_types::query::CheckServiceNode;
use lictor_types::{
    Command, HealthStatus, PreparedExecute, PreparedExecution, PreparedFailover, PreparedQuery, PreparedQueryVerb, Query,
    QueryOptions, Reply,
};
use rand::seq::SliceRandom;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far from the front the asking node is looked for: sorted by distance it is never behind.
const OWN_NODE_DEPTH: usize = 10;

impl Server {
    /// The reply to a query about prepared queries that the catalog alone cannot answer; `None` for all others.
    pub(crate) async fn answer_prepared(
        &self,
        query: &Query,
        options: &QueryOptions,
        authorizer: &Authorizer,
    ) -> Result<Option<Reply>, ClusterError> {
        let reply = match query {
            Query::PreparedExplain(name) => {
                self.make_fresh(options.consistency).await?;
                Reply::PreparedQueries(self.explain(name, authorizer)?.into_iter().collect())
            }
            Query::PreparedExecute(execute) => {
                self.make_fresh(options.consistency).await?;
                Reply::PreparedExecution(self.execute(execute, options).await?.map(Box::new))
            }
            Query::PreparedFailover(failover) => {
                self.make_fresh(options.consistency).await?;
                Reply::PreparedExecution(Some(Box::new(self.take_over(failover, options).await?)))
            }
            _ => return Ok(None),
        };
        Ok(Some(reply))
    }

    fn explain(&self, name: &str, authorizer: &Authorizer) -> Result<Option<Arc<PreparedQuery>>, ClusterError> {
        let Some(query) = resolve(&self.catalog.snapshot(), name)? else { return Ok(None) };
        let mut found = Reply::PreparedQueries(vec![query]);
        authorizer.redact(&mut found);
        match found {
            // It is there, but not for this caller. (One without a name is for nobody but those who may see all.)
            Reply::PreparedQueries(mut rows) => rows.pop().map(Some).ok_or(ClusterError::PermissionDenied),
            _ => Ok(None),
        }
    }

    async fn execute(
        &self,
        execute: &PreparedExecute,
        options: &QueryOptions,
    ) -> Result<Option<PreparedExecution>, ClusterError> {
        let state = self.catalog.snapshot();
        let Some(query) = resolve(&state, &execute.name)? else { return Ok(None) };
        let mut found = self.instances(&state, &query, execute.connect, options).await?;
        let source = &execute.source;
        let near = near(&state, &query, options, source);
        if !near.is_empty() && is_same(&source.datacenter, &self.settings.node.datacenter) {
            Places::around(&state, &near).sort_instances(&mut found.nodes);
            let own = found.nodes.iter().take(OWN_NODE_DEPTH).position(|row| *row.node.node == *near);
            if let Some(at) = own {
                found.nodes.swap(0, at);
            }
        }
        cut(&mut found.nodes, execute.limit);
        if found.nodes.is_empty() {
            fail_over(self, &self.settings.node.datacenter, &query, execute, options, &mut found).await;
        }
        Ok(Some(found))
    }

    /// Executes for another datacenter: nobody there is near to anything here.
    async fn take_over(&self, failover: &PreparedFailover, options: &QueryOptions) -> Result<PreparedExecution, ClusterError> {
        let mut found = self.instances(&self.catalog.snapshot(), &failover.query, failover.connect, options).await?;
        cut(&mut found.nodes, failover.limit);
        Ok(found)
    }

    /// What the query comes to in this datacenter, in random order.
    async fn instances(
        &self,
        state: &State,
        query: &PreparedQuery,
        connect: bool,
        options: &QueryOptions,
    ) -> Result<PreparedExecution, ClusterError> {
        let wanted = &query.service;
        let of_service = Query::HealthService {
            service: wanted.service.clone(),
            tags: Vec::new(),
            worst: None,
            connect: connect || wanted.connect,
        };
        let mut reply = match state.query(&of_service, &QueryScope::default(), None) {
            Some((_, reply)) => reply,
            None => Reply::HealthService(Vec::new()),
        };
        let token = if query.token.is_anonymous() { &options.token } else { &query.token };
        self.authorizer(token).await?.redact(&mut reply);
        let Reply::HealthService(mut nodes) = reply else { return Ok(PreparedExecution::default()) };
        nodes.retain(|row| is_wanted(wanted, row));
        nodes.shuffle(&mut *self.chance.lock());
        Ok(PreparedExecution {
            service: wanted.service.clone(),
            nodes,
            dns: query.dns.clone(),
            datacenter: self.settings.node.datacenter.clone(),
            failovers: 0,
        })
    }

    /// Refuses a query that the state would refuse, or of which the template cannot be read.
    pub(crate) fn judge_prepared_query(&self, command: &Command) -> Result<(), ClusterError> {
        match command {
            Command::PreparedQuery { verb: PreparedQueryVerb::Create | PreparedQueryVerb::Update, query } => {
                self.catalog.snapshot().check_prepared_query(query).map_err(ClusterError::Refused)
            }
            _ => Ok(()),
        }
    }

    /// Refuses a change to a query that is not there, or that the caller may not touch. Before anything else is looked at, as
    /// Consul does.
    pub(crate) async fn check_prepared_query(&self, command: &Command, authorizer: &Authorizer) -> Result<(), ClusterError> {
        let Command::PreparedQuery { verb: PreparedQueryVerb::Update | PreparedQueryVerb::Delete, query } = command else {
            return Ok(());
        };
        authorize::command(&self.catalog.snapshot(), authorizer, command)?;
        self.wait_for_lease().await?;
        uuid_text::check(&query.id).map_err(|fault| {
            ClusterError::BadRequest(format!("Prepared Query lookup failed: failed prepared query lookup: index error: {fault}"))
        })?;
        match self.catalog.snapshot().prepared_query(&query.id) {
            Some(known) => authorize::existing_prepared_query(authorizer, known),
            None => Err(ClusterError::Refused(format!("Cannot modify non-existent prepared query: '{}'", query.id))),
        }
    }
}

/// Asks one datacenter after the other until one has instances. Those that do not answer are passed over.
async fn fail_over(
    cluster: &dyn Cluster,
    own: &str,
    query: &PreparedQuery,
    execute: &PreparedExecute,
    options: &QueryOptions,
    found: &mut PreparedExecution,
) {
    let failover = &query.service.failover;
    if failover.nearest_n <= 0 && failover.datacenters.as_ref().is_none_or(Vec::is_empty) {
        return;
    }
    let here = QueryOptions { datacenter: String::new(), ..options.clone() };
    let others = match cluster.query(&Query::Datacenters, &here).await {
        Ok(answer) => match &answer.content.reply {
            Reply::Names(names) => names.iter().filter(|name| !is_same(name, own)).cloned().collect(),
            _ => return,
        },
        Err(error) => {
            tracing::warn!(%error, "the datacenters to fail over to are not known");
            return;
        }
    };
    let order = Query::PreparedFailover(Box::new(PreparedFailover {
        query: query.clone(),
        limit: execute.limit,
        connect: execute.connect,
    }));
    let mut asked = 0;
    for datacenter in targets(others, failover.nearest_n, failover.datacenters.as_deref().unwrap_or_default()) {
        asked += 1;
        let there = QueryOptions { datacenter, ..options.clone() };
        match cluster.query(&order, &there).await {
            Ok(answer) => {
                if let Reply::PreparedExecution(Some(reply)) = &answer.content.reply {
                    found.clone_from(reply);
                }
            }
            Err(error) => tracing::warn!(datacenter = %there.datacenter, %error, "failing over was in vain"),
        }
        if !found.nodes.is_empty() {
            break;
        }
    }
    found.failovers = asked;
}

/// Leaves of the one query that was asked for by its id what the caller may see.
pub(crate) fn redact_one(authorizer: &Authorizer, reply: &mut Reply) -> Result<(), ClusterError> {
    let Reply::PreparedQueries(rows) = reply else { return Ok(()) };
    if let [row] = rows.as_mut_slice()
        && row.rule_name().is_none()
    {
        authorizer.hide_token(row);
        return Ok(());
    }
    let before = rows.len();
    authorizer.redact(reply);
    match reply {
        // It is there, but not for this caller.
        Reply::PreparedQueries(rows) if rows.len() < before => Err(ClusterError::PermissionDenied),
        _ => Ok(()),
    }
}

/// Whether a query for one thing is to be answered at once because that thing is not there: nobody waits for it to come.
pub(crate) fn is_missing(asked: &Asked<'_>, reply: &Reply) -> bool {
    matches!((asked.query, reply), (Query::PreparedQuery(_), Reply::PreparedQueries(rows)) if rows.is_empty())
}

fn resolve(state: &State, name: &str) -> Result<Option<Arc<PreparedQuery>>, ClusterError> {
    state.resolve_prepared_query(name).map_err(ClusterError::BadRequest)
}

/// The node to sort by distance from, or empty: the caller's wish before that of the query.
fn near<'a>(state: &State, query: &'a PreparedQuery, options: &'a QueryOptions, source: &'a QuerySource) -> Cow<'a, str> {
    let wish = if options.near.is_empty() { &query.service.near } else { &options.near };
    match wish.as_str() {
        "_agent" => source.agent.as_str().into(),
        "_ip" => {
            let found = source.ip.and_then(|ip| state.query(&Query::NodesByAddress(ip), &QueryScope::default(), None));
            let Some((_, Reply::Nodes(nodes))) = found else { return "".into() };
            nodes.first().map(|node| node.node.to_string()).unwrap_or_default().into()
        }
        node => node.into(),
    }
}

/// The datacenters to ask, in order: so many of the nearest, then those that are listed; each once, and only known ones.
fn targets(nearest: Vec<String>, count: i64, listed: &[String]) -> Vec<String> {
    let count = usize::try_from(count).unwrap_or(0);
    let listed: Vec<String> = listed.iter().filter(|name| nearest.contains(name)).cloned().collect();
    let mut all: Vec<String> = nearest.into_iter().take(count).collect();
    let first = all.len();
    for name in listed {
        if !all.iter().take(first).any(|known| *known == name) {
            all.push(name);
        }
    }
    all
}

fn is_wanted(wanted: &ServiceQuery, row: &CheckServiceNode) -> bool {
    let worst = if wanted.only_passing { HealthStatus::Passing } else { HealthStatus::Warning };
    let is_ignored = |id: &str| wanted.ignore_check_ids.iter().flatten().any(|ignored| *ignored == id);
    let service = &row.service;
    row.checks.iter().all(|check| check.status <= worst || is_ignored(&check.check_id))
        && wanted
            .node_meta
            .as_ref()
            .is_none_or(|wanted| row.node.meta.as_ref().map_or(wanted.is_empty(), |meta| has(meta, wanted)))
        && wanted.service_meta.as_ref().is_none_or(|wanted| has(&service.meta, wanted))
        && wanted.tags.iter().flatten().all(|tag| has_tag(&service.tags, tag))
}

fn has(meta: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| meta.get(key) == Some(value))
}

/// Whether the tag is there, or with `!` before it is not. Letter case does not count.
fn has_tag(tags: &[String], wanted: &str) -> bool {
    let is_there = |name: &str| tags.iter().any(|tag| tag.to_lowercase() == name.to_lowercase());
    match wanted.strip_prefix('!') {
        Some(unwanted) => !is_there(unwanted),
        None => is_there(wanted),
    }
}

fn cut(nodes: &mut Vec<CheckServiceNode>, limit: u64) {
    if limit > 0 {
        nodes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
}

fn is_same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lictor_rpc::fake::FakeCluster;
    use lictor_types::Token;
    use parking_lot::Mutex;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_nearest_come_first_and_each_once() {
        for (count, listed, want) in
            [(0, "", ""), (0, "c nowhere b", "c b"), (2, "", "a b"), (2, "b c a", "a b c"), (9, "c", "a b c"), (-1, "a", "a")]
        {
            assert_eq!(targets(names("a b c"), count, &names(listed)), names(want), "{count} {listed}");
        }
    }

    /// A world of five datacenters: `dc2` fails, `dc3` has no instance, `dc4` has one.
    async fn failed_over(failover: serde_json::Value) -> (PreparedExecution, Vec<String>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        let world = FakeCluster::new(move |query, options| match query {
            Query::Datacenters => Ok(Reply::Names(names("dc1 dc2 dc3 dc4 dc5"))),
            Query::PreparedFailover(order) => {
                assert_eq!((&*order.query.service.service, order.limit, order.connect), ("web", 7, true));
                assert_eq!(options.token.secret(), "shown");
                noted.lock().push(options.datacenter.clone());
                let node = CheckServiceNode { node: Default::default(), service: Default::default(), checks: vec![] };
                let nodes = if options.datacenter == "dc4" { vec![node] } else { vec![] };
                let datacenter = options.datacenter.clone();
                match datacenter.as_str() {
                    "dc2" => Err(ClusterError::NoPathToDatacenter),
                    _ => Ok(Reply::PreparedExecution(Some(Box::new(PreparedExecution {
                        nodes,
                        datacenter,
                        ..Default::default()
                    })))),
                }
            }
            other => panic!("{other:?}"),
        });
        let body = serde_json::json!({"Service": {"Service": "web", "Failover": failover}});
        let query: PreparedQuery = serde_json::from_value(body).unwrap();
        let execute = PreparedExecute { limit: 7, connect: true, ..PreparedExecute::default() };
        let options = QueryOptions { token: Token::new("shown"), ..QueryOptions::default() };
        let mut found = PreparedExecution { datacenter: "dc1".into(), ..PreparedExecution::default() };
        fail_over(&world, "dc1", &query, &execute, &options, &mut found).await;
        let asked = asked.lock().clone();
        (found, asked)
    }

    #[tokio::test]
    async fn datacenters_are_asked_until_one_has_instances() {
        for (failover, asked, datacenter, count) in [
            (serde_json::json!({}), "", "dc1", 0),
            (serde_json::json!({"NearestN": 1}), "dc2", "dc1", 0),
            (serde_json::json!({"NearestN": 9}), "dc2 dc3 dc4", "dc4", 1),
            (serde_json::json!({"Datacenters": ["dc9", "dc1", "dc5", "dc3"]}), "dc5 dc3", "dc3", 0),
            (serde_json::json!({"NearestN": 1, "Datacenters": ["dc4", "dc2"]}), "dc2 dc4", "dc4", 1),
        ] {
            let (found, order) = failed_over(failover.clone()).await;
            assert_eq!(order, names(asked), "{failover}");
            assert_eq!((found.datacenter.as_str(), found.nodes.len()), (datacenter, count), "{failover}");
            assert_eq!(found.failovers, order.len() as u64);
        }
    }

    #[test]
    fn tags_are_wanted_or_not() {
        let tags = names("Blue v1");
        for (wanted, is) in [("blue", true), ("!BLUE", false), ("!green", true), ("v2", false), ("!", true), ("", false)] {
            assert_eq!(has_tag(&tags, wanted), is, "{wanted}");
        }
    }

    #[test]
    fn limits_cut_and_zero_does_not() {
        let row = CheckServiceNode { node: Default::default(), service: Default::default(), checks: vec![] };
        for (limit, want) in [(0, 3), (2, 2), (9, 3)] {
            let mut rows = vec![row.clone(), row.clone(), row.clone()];
            cut(&mut rows, limit);
            assert_eq!(rows.len(), want);
        }
    }
}
