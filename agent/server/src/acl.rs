//! What callers may do: from the token they show to an authorizer, and the questions about that.

mod digest;
mod legacy;
mod links;
mod login;
mod methods;
mod policies;
mod request;
mod roles;
mod settings;
mod tokens;
mod watch;

pub use settings::{AclSettings, TokenLimits};

pub(crate) use policies::management_policy;
pub(crate) use tokens::{anonymous_token, initial_token};

use crate::server::Server;
use lictor_acl::{Access, Authorizer, Known, Permission, Remembered, Resource, node_policy, service_policy};
use lictor_catalog::{AclVersion, State};
use lictor_net::clock;
use lictor_rpc::{Cluster, ClusterError};
use lictor_types::acl::{ANONYMOUS_SECRET, AclIdentity, AclPolicy, AclQuery, AclReplication, AclReply, AclToken, Judgement};
use lictor_types::{Consistency, Query, QueryOptions, Reply, Token};
use parking_lot::RwLock;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Most authorizers kept; then all are made anew as they are asked for.
const KEPT_MAX: usize = 4096;

/// Authorizers of one version of the rules.
#[derive(Default)]
pub(crate) struct Kept {
    now: RwLock<(AclVersion, HashMap<Token, Authorizer>)>,
    /// What other datacenters said.
    elsewhere: Remembered,
}

impl Kept {
    fn get(&self, version: AclVersion, token: &Token) -> Option<Authorizer> {
        let now = self.now.read();
        (now.0 == version).then(|| now.1.get(token).cloned()).flatten()
    }

    fn put(&self, version: AclVersion, token: &Token, authorizer: &Authorizer) {
        let mut now = self.now.write();
        if now.0 != version || now.1.len() >= KEPT_MAX {
            *now = (version, HashMap::new());
        }
        now.1.insert(token.clone(), authorizer.clone());
    }
}

impl Server {
    /// What the caller with a token may do.
    ///
    /// # Errors
    /// `AclNotFound` when there is no such token; what keeps this server from knowing.
    pub async fn authorizer(&self, token: &Token) -> Result<Authorizer, ClusterError> {
        match self.authorizer_here(token) {
            Some(authorizer) => Ok(authorizer),
            // Boxed, so that requests of those who are known do not carry its state.
            None => Box::pin(self.authorizer_elsewhere(token)).await,
        }
    }

    /// The same from this server's own state alone; `None` when there is no such token in it.
    pub(crate) fn authorizer_here(&self, token: &Token) -> Option<Authorizer> {
        let Some(settings) = &self.settings.acl else { return Some(Authorizer::AllowAll) };
        let state = self.catalog.snapshot();
        let version = state.acl_version();
        if let Some(kept) = self.kept_authorizers.get(version, token) {
            return Some(kept);
        }
        let datacenter = &self.settings.node.datacenter;
        let Some(identity) = identity_of(&state, token, datacenter, clock::wall_unix_ms()) else {
            // Who shows nothing is somebody, even before the first leader said so.
            // In other datacenters the primary one says what such callers may do.
            let is_nobody = token.is_anonymous() && self.is_acl_primary();
            return is_nobody.then(|| Authorizer::of_identity(&AclIdentity::default(), datacenter, settings.defaults).0);
        };
        let (authorizer, unreadable) = Authorizer::of_identity(&identity, datacenter, settings.defaults);
        for policy in unreadable {
            tracing::warn!(policy, "a policy cannot be read: it grants nothing");
        }
        // One that ends would be kept beyond its end.
        if identity.expiration_time.is_none() {
            self.kept_authorizers.put(version, token, &authorizer);
        }
        Some(authorizer)
    }

    /// The token is not known here: this server may be behind, the first leader may not have begun, or another datacenter knows it.
    async fn authorizer_elsewhere(&self, token: &Token) -> Result<Authorizer, ClusterError> {
        let Some(settings) = &self.settings.acl else { return Ok(Authorizer::AllowAll) };
        self.wait_for_acl().await;
        if let Some(authorizer) = self.authorizer_here(token) {
            return Ok(authorizer);
        }
        if self.is_acl_primary() {
            return Err(ClusterError::AclNotFound);
        }
        let datacenter = self.settings.node.datacenter.clone();
        let now = || u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let ttl = u64::try_from(settings.token_ttl.as_millis()).unwrap_or(u64::MAX);
        let known = self.kept_authorizers.elsewhere.look(token, ttl, now(), clock::wall_unix_ms());
        if let Known::Fresh(authorizer) = known {
            return authorizer.ok_or(ClusterError::AclNotFound);
        }
        let query = Query::Acl(Box::new(AclQuery::Resolve { token: token.clone(), datacenter: datacenter.clone() }));
        let options = QueryOptions {
            datacenter: settings.primary_datacenter.clone(),
            token: token.clone(),
            consistency: Consistency::Stale,
            ..QueryOptions::default()
        };
        match self.query(&query, &options).await {
            Ok(answer) => {
                let Reply::Acl(AclReply::Identity(identity)) = &answer.content.reply else {
                    return Err(ClusterError::Internal("an answer of another kind than the query's".to_owned()));
                };
                let authorizer =
                    identity.as_ref().map(|identity| Authorizer::of_identity(identity, &datacenter, settings.defaults).0);
                let ends = identity.as_ref().and_then(|identity| identity.expiration_time);
                let ends = ends.and_then(|end| u64::try_from(end.as_millisecond()).ok());
                self.kept_authorizers.elsewhere.learn(token, authorizer.clone(), ends, now());
                authorizer.ok_or(ClusterError::AclNotFound)
            }
            Err(error) => {
                tracing::warn!(%error, "the primary datacenter does not say what a token may do");
                let last = match known {
                    Known::Old(last) => Some(last),
                    _ => None,
                };
                settings.down_policy.without_servers(last).ok_or(ClusterError::AclNotFound)
            }
        }
    }

    /// Whether this datacenter is where policies, roles and tokens are written.
    pub(crate) fn is_acl_primary(&self) -> bool {
        self.settings.acl.as_ref().is_none_or(|settings| {
            let primary = &settings.primary_datacenter;
            primary.is_empty() || primary.eq_ignore_ascii_case(&self.settings.node.datacenter)
        })
    }

    /// The datacenter that a question or change about policies, roles and tokens belongs to; `None`: this one.
    pub(crate) fn acl_datacenter(&self) -> Option<String> {
        if self.is_acl_primary() {
            return None;
        }
        self.settings.acl.as_ref().map(|settings| settings.primary_datacenter.clone())
    }

    /// The reply to a question about who may do what that the tables alone do not answer; `None` for all others.
    pub(crate) async fn answer_acl(
        &self,
        query: &Query,
        asked: &AclQuery,
        options: &QueryOptions,
    ) -> Result<Option<Reply>, ClusterError> {
        if self.settings.acl.is_none() {
            return Err(ClusterError::AclDisabled);
        }
        let reply = match asked {
            AclQuery::Resolve { token, datacenter } => {
                let now = clock::wall_unix_ms();
                let identity = match identity_of(&self.catalog.snapshot(), token, datacenter, now) {
                    None => {
                        self.wait_for_acl().await;
                        identity_of(&self.catalog.snapshot(), token, datacenter, now)
                    }
                    found => found,
                };
                match identity {
                    None if !self.is_acl_primary() => return self.resolve_in_primary(query, options).await.map(Some),
                    identity => AclReply::Identity(identity.map(Box::new)),
                }
            }
            AclQuery::Judge(asked) => {
                // Who is not known may do nothing.
                let authorizer = match self.authorizer(&options.token).await {
                    Err(ClusterError::AclNotFound) => Authorizer::DenyAll,
                    known => known?,
                };
                AclReply::Judged(asked.iter().map(|one| judge(&authorizer, one)).collect())
            }
            AclQuery::Replication => AclReply::Replication(AclReplication::default()),
            _ => return Ok(None),
        };
        Ok(Some(Reply::Acl(reply)))
    }

    async fn resolve_in_primary(&self, query: &Query, options: &QueryOptions) -> Result<Reply, ClusterError> {
        let primary = self.settings.acl.as_ref().map(|settings| settings.primary_datacenter.clone()).unwrap_or_default();
        let answer = self.query(query, &QueryOptions { datacenter: primary, ..options.clone() }).await?;
        Ok(answer.content.reply.clone())
    }
}

/// What a secret stands for in a datacenter, by the state of this one.
fn identity_of(state: &State, token: &Token, datacenter: &str, now_unix_ms: u64) -> Option<AclIdentity> {
    let anonymous = Token::new(ANONYMOUS_SECRET);
    let token = state.acl_token_of(if token.is_anonymous() { &anonymous } else { token })?;
    if token.has_expired(now_unix_ms) {
        return None;
    }
    let mut gathered = Gathered { state, seen: HashSet::new(), policies: Vec::new() };
    gathered.token(&token);
    let mut policies = gathered.policies;
    policies.retain(|policy| policy.counts_in(datacenter));
    Some(AclIdentity {
        accessor_id: token.accessor_id.clone(),
        policies,
        expiration_time: token.expiration_time,
        is_management: token.legacy.as_ref().is_some_and(|legacy| legacy.is_management),
    })
}

struct Gathered<'s> {
    state: &'s State,
    seen: HashSet<String>,
    policies: Vec<Arc<AclPolicy>>,
}

impl Gathered<'_> {
    fn token(&mut self, token: &AclToken) {
        for link in &token.policies {
            self.policy(&link.id);
        }
        let services = token.service_identities.iter().map(service_policy);
        let nodes = token.node_identities.iter().map(node_policy);
        self.policies.extend(services.chain(nodes).map(Arc::new));
        if let Some(legacy) = token.legacy.as_ref().filter(|legacy| !legacy.is_management) {
            let policy = AclPolicy { rules: legacy.rules.clone(), legacy: true, ..AclPolicy::default() };
            self.policies.push(Arc::new(policy));
        }
        for link in &token.roles {
            let Some(role) = self.state.acl_role(&link.id) else { continue };
            for link in &role.policies {
                self.policy(&link.id);
            }
            let services = role.service_identities.iter().map(service_policy);
            let nodes = role.node_identities.iter().map(node_policy);
            self.policies.extend(services.chain(nodes).map(Arc::new));
        }
    }

    fn policy(&mut self, id: &str) {
        if let Some(policy) = self.state.acl_policy(id).filter(|_| self.seen.insert(id.to_owned())) {
            self.policies.push(policy.clone());
        }
    }
}

/// One thing as `/v1/internal/acl/authorize` asks for it. What is not known is not allowed; the front door refuses it before.
fn judge(authorizer: &Authorizer, asked: &Judgement) -> bool {
    let access = match asked.access.as_str() {
        "read" => Access::Read,
        "list" => Access::List,
        "write" => Access::Write,
        _ => return false,
    };
    let name = asked.segment.as_str();
    let resource = match asked.resource.as_str() {
        "acl" => Resource::Acl,
        "agent" => Resource::Agent(name),
        "event" => Resource::Event(name),
        "intention" => Resource::Intention(name),
        "key" if access == Access::List => Resource::KeyPrefix(name),
        "key" => Resource::Key(name),
        "keyring" => Resource::Keyring,
        "node" => Resource::Node(name),
        "operator" => Resource::Operator,
        "query" => Resource::PreparedQuery(name),
        "service" => Resource::Service(name),
        "session" => Resource::Session(name),
        _ => return false,
    };
    authorizer.allows(Permission { access, resource })
}
