//! This agent, behind the door that HTTP sees.

use crate::acl::AgentAcl;
use crate::agent_tokens::TokenKeeper;
use crate::describe::{self, Facts};
use crate::host;
use crate::members::{self, Pool};
use crate::pools::Pools;
use crate::reload::Reloader;
use async_trait::async_trait;
use lictor_acl::{Authorizer, Permission, Resource, TokenKind};
use lictor_checks::Scheduler;
use lictor_config::RuntimeConfig;
use lictor_local::LocalHandle;
use lictor_raft::RaftNode;
use lictor_rpc::node::{LocalCheck, LocalService, RegisterOptions};
use lictor_rpc::{ClusterError, EventLog, Node, NodeError, UserEvent};
use lictor_types::report::{ReloadReport, SourceStatus};
use lictor_types::{CheckDefinition, CheckId, CheckRun, HealthStatus, Member, ServiceDefinition, ServiceId, Token};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a question with a hash waits when it names no time.
const WAIT_DEFAULT: Duration = Duration::from_secs(300);

/// The agent of this process.
pub(crate) struct LocalNode {
    /// The configuration it was started with.
    pub(crate) config: Arc<RuntimeConfig>,
    /// Its id.
    pub(crate) node_id: String,
    /// The rules.
    pub(crate) acl: AgentAcl,
    /// The tokens it uses itself.
    pub(crate) keeper: Arc<TokenKeeper>,
    /// Its services and checks.
    pub(crate) local: LocalHandle,
    /// What runs the checks.
    pub(crate) scheduler: Scheduler,
    /// Reads the configuration anew.
    pub(crate) reloader: Arc<Reloader>,
    /// Its part in raft; `None` on client agents.
    pub(crate) raft: Option<Arc<RaftNode>>,
    /// Its gossip pools.
    pub(crate) pools: Pools,
    /// User events received.
    pub(crate) events: Arc<EventLog>,
    /// Told when the agent shall leave and end.
    pub(crate) leaving: watch::Sender<bool>,
}

impl LocalNode {
    async fn authorizer(&self, token: &Token) -> Result<Authorizer, NodeError> {
        Ok(self.acl.authorizer(token).await?)
    }

    async fn allow(&self, token: &Token, permission: Permission<'_>) -> Result<(), NodeError> {
        self.authorizer(token).await?.check(permission).map_err(|_| NodeError::PermissionDenied)
    }

    async fn read_agent(&self, token: &Token) -> Result<(), NodeError> {
        self.allow(token, Permission::read(Resource::Agent(self.config.node_name.as_str()))).await
    }

    async fn write_agent(&self, token: &Token) -> Result<(), NodeError> {
        self.allow(token, Permission::write(Resource::Agent(self.config.node_name.as_str()))).await
    }

    /// Writes to a check need the right to its service, or to the node.
    async fn write_check(&self, id: &CheckId, token: &Token) -> Result<(), NodeError> {
        let authorizer = self.authorizer(token).await?;
        match self.local.check(id) {
            Some(check) => self.may_write(&authorizer, check.check.service_name.as_str()),
            None if self.acl.is_enforced() => Err(NodeError::Refused(format!("Unknown check {:?}", id.as_str()))),
            None => Ok(()),
        }
    }

    /// Refuses one who may not write a service, or the node where none is named, and says what is missing.
    fn may_write(&self, authorizer: &Authorizer, service: &str) -> Result<(), NodeError> {
        let node = self.config.node_name.as_str();
        let (resource, missing) = match service {
            "" => (Resource::Node(node), format!("Missing node:write on {node}")),
            service => (Resource::Service(service), format!("Missing service:write on {service}")),
        };
        authorizer.check(Permission::write(resource)).map_err(|_| NodeError::Forbidden(missing))
    }

    async fn write_service(&self, id: &ServiceId, token: &Token) -> Result<(), NodeError> {
        let authorizer = self.authorizer(token).await?;
        match self.local.service(id) {
            Some(service) => self.may_write(&authorizer, service.service.service.as_str()),
            None if self.acl.is_enforced() => Err(NodeError::Refused(format!("Unknown service {{{:?} {{}}}}", id.as_str()))),
            None => Ok(()),
        }
    }

    /// A token to be kept with what it registers: that which was shown, but not that of the agent itself.
    fn kept(&self, shown: &Token) -> Option<Token> {
        let is_own = shown.is_anonymous() || *shown == self.keeper.tokens().get().default;
        (self.acl.is_enforced() && !is_own).then(|| shown.clone())
    }

    fn raft_figures(&self) -> BTreeMap<String, String> {
        let Some(raft) = &self.raft else { return BTreeMap::new() };
        let stats = raft.stats();
        let peers = stats.voters.saturating_sub(1);
        [
            ("applied_index", stats.applied_index.to_string()),
            ("commit_index", stats.commit_index.to_string()),
            ("fsm_pending", "0".to_owned()),
            ("last_contact", if raft.is_leader() { "0".to_owned() } else { format!("{:?}", raft.last_contact()) }),
            ("last_log_index", stats.last_log_index.to_string()),
            ("last_log_term", stats.last_log_term.to_string()),
            ("last_snapshot_index", stats.snapshot_index.to_string()),
            ("last_snapshot_term", stats.snapshot_term.to_string()),
            ("latest_configuration", format!("{:?}", raft.peers())),
            ("latest_configuration_index", "0".to_owned()),
            ("num_peers", peers.to_string()),
            ("protocol_version", "3".to_owned()),
            ("protocol_version_max", "3".to_owned()),
            ("protocol_version_min", "0".to_owned()),
            ("snapshot_version_max", "1".to_owned()),
            ("snapshot_version_min", "0".to_owned()),
            ("state", stats.state),
            ("term", stats.term.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

#[async_trait]
impl Node for LocalNode {
    fn name(&self) -> &str {
        &self.config.node_name
    }

    fn datacenter(&self) -> &str {
        &self.config.datacenter
    }

    async fn describe(&self, token: &Token) -> Result<Value, NodeError> {
        self.read_agent(token).await?;
        let node = crate::settings::node(&self.config, &self.node_id);
        let member = members::own(&self.config, &self.node_id, crate::VERSION, Pool::Lan);
        let checks = self.local.checks();
        let ttls = checks.iter().filter(|check| check.check.kind == "ttl").count();
        let leader = self.raft.as_ref().and_then(|raft| raft.leader()).unwrap_or_default();
        let known = self.pools.lan.members().borrow().len();
        Ok(describe::describe(&Facts {
            datacenter: &self.config.datacenter,
            node_name: &self.config.node_name,
            node_id: &self.node_id,
            server: self.config.server,
            version: crate::VERSION,
            meta: &node.meta.unwrap_or_default(),
            member: &member,
            options: self.reloader.options().await,
            counts: [self.local.services().len(), checks.len(), checks.len() - ttls, ttls],
            raft: self.raft_figures(),
            leader: &leader,
            is_leader: self.raft.as_ref().is_some_and(|raft| raft.is_leader()),
            enforces_acl: self.acl.is_enforced(),
            members: known,
        }))
    }

    async fn host(&self, token: &Token) -> Result<Value, NodeError> {
        self.allow(token, Permission::read(Resource::Operator)).await?;
        tokio::task::spawn_blocking(host::describe).await.map_err(|error| NodeError::Refused(error.to_string()))
    }

    async fn members(&self, wan: bool, token: &Token) -> Result<Vec<Member>, NodeError> {
        let acl = self.authorizer(token).await?;
        let mut members = if wan {
            if !self.config.server {
                return Ok(Vec::new());
            }
            self.pools.wan.as_ref().map_or_else(Vec::new, |wan| wan.members().borrow().clone())
        } else {
            self.pools.lan.members().borrow().clone()
        };
        members.retain(|member| acl.allows(Permission::read(Resource::Node(member.name.as_str()))));
        Ok(members)
    }

    async fn services(&self, token: &Token) -> Result<Vec<Arc<LocalService>>, NodeError> {
        let acl = self.authorizer(token).await?;
        let mut services = self.local.services();
        services.retain(|service| acl.allows(Permission::read(Resource::Service(service.service.service.as_str()))));
        Ok(services)
    }

    async fn checks(&self, token: &Token) -> Result<Vec<Arc<LocalCheck>>, NodeError> {
        let acl = self.authorizer(token).await?;
        let mut checks = self.local.checks();
        checks.retain(|check| {
            let service = check.check.service_name.as_str();
            let node = self.config.node_name.as_str();
            acl.allows(Permission::read(if service.is_empty() { Resource::Node(node) } else { Resource::Service(service) }))
        });
        Ok(checks)
    }

    async fn service(
        &self,
        id: &ServiceId,
        hash: Option<&str>,
        wait: Option<Duration>,
        token: &Token,
    ) -> Result<Option<Arc<LocalService>>, NodeError> {
        let found = match hash {
            Some(hash) => self.local.service_after(id, hash, wait.unwrap_or(WAIT_DEFAULT)).await,
            None => self.local.service(id),
        };
        if let Some(service) = &found {
            self.allow(token, Permission::read(Resource::Service(service.service.service.as_str()))).await?;
        }
        Ok(found)
    }

    async fn register_service(&self, definition: ServiceDefinition, options: RegisterOptions) -> Result<(), NodeError> {
        let authorizer = self.authorizer(&options.token).await?;
        self.may_write(&authorizer, definition.name.as_str())?;
        // One that is there may be another service.
        if let Some(there) = self.local.service(&definition.effective_id()) {
            self.may_write(&authorizer, there.service.service.as_str())?;
        }
        let mut definition = definition;
        if let Some(shown) = self.kept(&options.token).filter(|_| definition.token.is_anonymous()) {
            definition.token = shown;
        }
        let local = self.local.clone();
        // It writes a small file: cheap, but not for an async thread.
        let work = move || local.register_service(&Arc::new(definition), options.replace_existing_checks);
        Ok(off_thread(work).await??)
    }

    async fn deregister_service(&self, id: &ServiceId, token: &Token) -> Result<(), NodeError> {
        self.write_service(id, token).await?;
        let (local, id) = (self.local.clone(), id.clone());
        Ok(off_thread(move || local.deregister_service(&id)).await??)
    }

    async fn register_check(&self, definition: CheckDefinition, token: &Token) -> Result<(), NodeError> {
        let service =
            self.local.service(&definition.service_id).map(|service| service.service.service.clone()).unwrap_or_default();
        let authorizer = self.authorizer(token).await?;
        self.may_write(&authorizer, service.as_str())?;
        let id = if definition.id.is_empty() { CheckId::from(definition.name.as_str()) } else { definition.id.clone() };
        if let Some(there) = self.local.check(&id) {
            self.may_write(&authorizer, there.check.service_name.as_str())?;
        }
        let mut definition = definition;
        if let Some(shown) = self.kept(token).filter(|_| definition.token.is_anonymous()) {
            definition.token = shown;
        }
        let local = self.local.clone();
        Ok(off_thread(move || local.register_check(&definition)).await??)
    }

    async fn deregister_check(&self, id: &CheckId, token: &Token) -> Result<(), NodeError> {
        self.write_check(id, token).await?;
        let (local, id) = (self.local.clone(), id.clone());
        Ok(off_thread(move || local.deregister_check(&id)).await??)
    }

    async fn update_ttl(&self, id: &CheckId, status: HealthStatus, output: String, token: &Token) -> Result<(), NodeError> {
        self.write_check(id, token).await?;
        let update = self.scheduler.update_ttl(id, status, &output).map_err(|error| NodeError::Refused(error.to_string()))?;
        if self.local.apply_check_update(update) == lictor_local::Updated::Status {
            // Who reported it will perhaps not do so again before a restart.
            let local = self.local.clone();
            off_thread(move || local.keep_states()).await?;
        }
        Ok(())
    }

    async fn check_history(&self, id: &CheckId, token: &Token) -> Result<Vec<CheckRun>, NodeError> {
        self.read_agent(token).await?;
        let mut runs = self
            .scheduler
            .history(id)
            .ok_or_else(|| NodeError::NotFound(format!("no check {:?} runs on this agent", id.as_str())))?;
        runs.reverse();
        Ok(runs)
    }

    async fn node_maintenance(&self, enable: bool, reason: &str, token: &Token) -> Result<(), NodeError> {
        self.allow(token, Permission::write(Resource::Node(self.config.node_name.as_str()))).await?;
        let (local, reason, token) = (self.local.clone(), reason.to_owned(), token.clone());
        Ok(off_thread(move || local.node_maintenance(enable, &reason, &token)).await??)
    }

    async fn service_maintenance(&self, id: &ServiceId, enable: bool, reason: &str, token: &Token) -> Result<(), NodeError> {
        self.write_service(id, token).await?;
        let (local, id, reason, token) = (self.local.clone(), id.clone(), reason.to_owned(), token.clone());
        Ok(off_thread(move || local.service_maintenance(&id, enable, &reason, &token)).await??)
    }

    fn enforces_acl(&self) -> bool {
        self.acl.is_enforced()
    }

    fn default_token(&self) -> Token {
        self.keeper.default_token()
    }

    async fn check_agent_read(&self, token: &Token) -> Result<(), NodeError> {
        self.read_agent(token).await
    }

    async fn check_service_read(&self, service: &str, token: &Token) -> Result<(), NodeError> {
        self.allow(token, Permission::read(Resource::Service(service))).await
    }

    async fn check_instance_read(&self, id: &ServiceId, token: &Token) -> Result<(), NodeError> {
        match self.local.service(id) {
            Some(service) => self.check_service_read(service.service.service.as_str(), token).await,
            None => Ok(()),
        }
    }

    async fn translate_rules(&self, rules: &str, token: &Token) -> Result<String, NodeError> {
        self.allow(token, Permission::read(Resource::Acl)).await?;
        lictor_acl::translate(rules).map_err(|error| NodeError::BadRequest(error.to_string()))
    }

    async fn set_token(&self, kind: &str, secret: Option<&Token>, token: &Token) -> Result<bool, NodeError> {
        if !self.acl.is_enforced() {
            return Err(ClusterError::AclDisabled.into());
        }
        self.write_agent(token).await?;
        let (Some(kind), Some(secret)) = (TokenKind::parse(kind), secret) else { return Ok(false) };
        let (keeper, secret) = (Arc::clone(&self.keeper), secret.clone());
        let kept = off_thread(move || keeper.set(kind, secret)).await?;
        kept.map_err(|error| NodeError::Refused(format!("failed to persist the token: {error}")))?;
        tracing::info!(token = kind.as_str(), "Updated agent's ACL token");
        Ok(true)
    }

    async fn reload(&self, token: &Token) -> Result<ReloadReport, NodeError> {
        self.write_agent(token).await?;
        let reloader = Arc::clone(&self.reloader);
        // A caller that goes away must not cut the walk short: others wait for its end.
        let walk = tokio::spawn(async move { reloader.reload().await });
        walk.await.map_err(|error| NodeError::Refused(format!("the agent failed within: {error}")))
    }

    async fn plan(&self, paths: &[String], token: &Token) -> Result<ReloadReport, NodeError> {
        self.read_agent(token).await?;
        self.reloader.plan(paths).await.map_err(NodeError::BadRequest)
    }

    async fn config_sources(&self, token: &Token) -> Result<Vec<SourceStatus>, NodeError> {
        self.read_agent(token).await?;
        Ok(self.reloader.sources().await)
    }

    #[cfg(feature = "plugins")]
    async fn plugins(&self, token: &Token) -> Result<Vec<Value>, NodeError> {
        self.read_agent(token).await?;
        Ok(self.reloader.plugins())
    }

    async fn join(&self, address: &str, wan: bool, token: &Token) -> Result<(), NodeError> {
        self.write_agent(token).await?;
        let pool = if wan { self.pools.wan.as_ref() } else { Some(&self.pools.lan) };
        let pool = pool.ok_or_else(|| NodeError::Refused("only servers are members of the WAN pool".to_owned()))?;
        pool.join(&[address.to_owned()]).await.map(drop).map_err(|error| NodeError::Refused(error.to_string()))
    }

    async fn force_leave(&self, name: &str, prune: bool, token: &Token) -> Result<(), NodeError> {
        self.allow(token, Permission::write(Resource::Operator)).await?;
        let wan_name = format!("{name}.{}", self.config.datacenter);
        let refused = |error: lictor_gossip::driver::GossipError| NodeError::Refused(error.to_string());
        let mut found = self.pools.lan.force_leave(name, prune).await.map_err(refused)?;
        if let Some(wan) = &self.pools.wan {
            // In the WAN pool a server has its datacenter behind its name; either form is taken.
            found |= wan.force_leave(&wan_name, prune).await.map_err(refused)?
                || wan.force_leave(name, prune).await.map_err(refused)?;
        }
        if found { Ok(()) } else { Err(NodeError::Refused(format!("agent: No node found with name '{name}'"))) }
    }

    async fn leave(&self, token: &Token) -> Result<(), NodeError> {
        self.write_agent(token).await?;
        self.leaving.send_replace(true);
        Ok(())
    }

    async fn fire_event(&self, event: UserEvent, token: &Token) -> Result<(), NodeError> {
        self.acl.authorizer(token).await.map_err(|error| match error {
            // Consul takes it for a fault of its own.
            ClusterError::AclNotFound => NodeError::Refused(error.to_string()),
            other => other.into(),
        })?;
        self.allow(token, Permission::write(Resource::Event(&event.name))).await?;
        crate::pools::fire(&self.pools.lan, &event.name, event.to_payload()).await.map_err(NodeError::Refused)
    }

    async fn events(&self, name: &str, index: Option<u64>, token: &Token) -> Result<(u64, Vec<Arc<UserEvent>>), NodeError> {
        let acl = self.authorizer(token).await?;
        let (index, mut events) = match index {
            Some(index) => self.events.list_after(name, index).await,
            None => self.events.list(name),
        };
        events.retain(|event| acl.allows(Permission::read(Resource::Event(&event.name))));
        Ok((index, events))
    }
}

/// Runs what takes short locks and writes small files aside from the threads that serve.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, NodeError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| NodeError::Refused(format!("the agent failed within: {error}")))
}
