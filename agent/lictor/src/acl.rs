//! What callers of this agent's own endpoints may do: a server knows it from its state, a client agent asks servers and remembers.

use lictor_acl::{AgentTokens, Authorizer, Defaults, DownPolicy, Granted, Known, Remembered, Rules, Syntax};
use lictor_config::RuntimeConfig;
use lictor_config::runtime::AclDown;
use lictor_net::clock::{self, Instant};
use lictor_rpc::{Cluster, ClusterError};
use lictor_server::Server;
use lictor_types::acl::{AclQuery, AclReply};
use lictor_types::{Consistency, Query, QueryOptions, Reply, Token};
use std::sync::Arc;
use std::time::Duration;

/// Who knows tokens.
#[derive(Clone)]
pub(crate) enum Source {
    /// This server itself.
    Server(Arc<Server>),
    /// The servers.
    Cluster(Arc<dyn Cluster>),
}

/// The rules of this agent. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AgentAcl {
    shared: Option<Arc<Shared>>,
    tokens: AgentTokens,
}

struct Shared {
    source: Source,
    datacenter: String,
    defaults: Defaults,
    down: DownPolicy,
    ttl: Duration,
    remembered: Remembered,
    started: Instant,
    /// What the recovery token opens.
    recovery: Authorizer,
}

/// What holds where no rule says anything.
pub(crate) fn defaults(config: &RuntimeConfig) -> Defaults {
    Defaults { allow: config.acl.default_allow, key_list: config.acl.key_list }
}

/// What to do while no server can be asked.
pub(crate) fn down_policy(config: &RuntimeConfig) -> DownPolicy {
    match config.acl.down {
        AclDown::Allow => DownPolicy::Allow,
        AclDown::Deny => DownPolicy::Deny,
        AclDown::ExtendCache => DownPolicy::ExtendCache,
        AclDown::AsyncCache => DownPolicy::AsyncCache,
    }
}

impl AgentAcl {
    pub(crate) fn new(config: &RuntimeConfig, source: Source, tokens: AgentTokens) -> Self {
        let shared = config.acl.enabled.then(|| {
            let rules = format!(
                "agent {:?} {{ policy = \"write\" }} node_prefix \"\" {{ policy = \"read\" }}",
                config.node_name.as_str()
            );
            let rules = Rules::parse(&rules, Syntax::Current).unwrap_or_default();
            let closed = Defaults { allow: false, key_list: false };
            Arc::new(Shared {
                source,
                datacenter: config.datacenter.clone(),
                defaults: defaults(config),
                down: down_policy(config),
                ttl: config.acl.ttl,
                remembered: Remembered::default(),
                started: clock::now(),
                recovery: Authorizer::of_granted(Granted::merge(&[rules], closed)),
            })
        });
        Self { shared, tokens }
    }

    /// Whether anything is enforced.
    pub(crate) fn is_enforced(&self) -> bool {
        self.shared.is_some()
    }

    /// What the caller with a token may do.
    ///
    /// # Errors
    /// `AclNotFound` when there is no such token.
    pub(crate) async fn authorizer(&self, token: &Token) -> Result<Authorizer, ClusterError> {
        let Some(shared) = &self.shared else { return Ok(Authorizer::AllowAll) };
        if !token.is_anonymous() && self.tokens.get().recovery == *token {
            return Ok(shared.recovery.clone());
        }
        let found = match &shared.source {
            Source::Server(server) => return server.authorizer(token).await,
            Source::Cluster(cluster) => Shared::remember(shared, cluster, token).await,
        };
        found.ok_or(ClusterError::AclNotFound)
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn remember(shared: &Arc<Self>, cluster: &Arc<dyn Cluster>, token: &Token) -> Option<Authorizer> {
        let ttl = u64::try_from(shared.ttl.as_millis()).unwrap_or(u64::MAX);
        let last = match shared.remembered.look(token, ttl, shared.now_ms(), clock::wall_unix_ms()) {
            Known::Fresh(known) => return known,
            Known::Old(known) if shared.down == DownPolicy::AsyncCache => {
                let (shared, cluster, token) = (Arc::clone(shared), Arc::clone(cluster), token.clone());
                // It ends with its one question, which has an end of its own.
                tokio::spawn(async move { shared.ask(&*cluster, &token).await });
                return known;
            }
            Known::Old(known) => Some(known),
            Known::Nothing => None,
        };
        match shared.ask(&**cluster, token).await {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(%error, "no server says what a token may do");
                shared.down.without_servers(last)
            }
        }
    }

    /// Asks any server; `None`: there is no such token.
    async fn ask(&self, cluster: &dyn Cluster, token: &Token) -> Result<Option<Authorizer>, ClusterError> {
        let asked = AclQuery::Resolve { token: token.clone(), datacenter: self.datacenter.clone() };
        let options = QueryOptions { consistency: Consistency::Stale, token: token.clone(), ..QueryOptions::default() };
        let answer = cluster.query(&Query::Acl(Box::new(asked)), &options).await?;
        let Reply::Acl(AclReply::Identity(identity)) = &answer.content.reply else {
            return Err(ClusterError::Internal("an answer of another kind than the query's".to_owned()));
        };
        let mut authorizer = None;
        let mut ends = None;
        if let Some(identity) = identity {
            let (known, unreadable) = Authorizer::of_identity(identity, &self.datacenter, self.defaults);
            for policy in unreadable {
                tracing::warn!(policy, "a policy cannot be read: it grants nothing");
            }
            authorizer = Some(known);
            ends = identity.expiration_time.and_then(|end| u64::try_from(end.as_millisecond()).ok());
        }
        self.remembered.learn(token, authorizer.clone(), ends, self.now_ms());
        Ok(authorizer)
    }
}
