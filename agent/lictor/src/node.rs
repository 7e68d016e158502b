//! This agent, behind the door that HTTP sees.

use crate::describe::{self, Facts};
use crate::host;
use crate::members::{self, Pool};
use crate::pools::Pools;
use crate::reload::Reloader;
use async_trait::async_trait;
use lictor_acl::{Acl, Permission, Resource};
use lictor_checks::Scheduler;
use lictor_config::RuntimeConfig;
use lictor_local::LocalHandle;
use lictor_raft::RaftNode;
use lictor_rpc::node::{LocalCheck, LocalService, RegisterOptions};
use lictor_rpc::{EventLog, Node, NodeError, UserEvent};
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
    pub(crate) acl: Acl,
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
    fn allow(&self, token: &Token, permission: Permission<'_>) -> Result<(), NodeError> {
        self.acl.resolve(token).check(permission).map_err(|_| NodeError::PermissionDenied)
    }

    fn read_agent(&self, token: &Token) -> Result<(), NodeError> {
        self.allow(token, Permission::read(Resource::Agent(self.config.node_name.as_str())))
    }

    fn write_agent(&self, token: &Token) -> Result<(), NodeError> {
        self.allow(token, Permission::write(Resource::Agent(self.config.node_name.as_str())))
    }

    /// Writes to a check need the right to its service, or to the node.
    fn write_check(&self, id: &CheckId, token: &Token) -> Result<(), NodeError> {
        let service = self.local.check(id).map(|check| check.check.service_name.clone()).unwrap_or_default();
        self.write_service_or_node(service.as_str(), token)
    }

    fn write_service_or_node(&self, service: &str, token: &Token) -> Result<(), NodeError> {
        if service.is_empty() {
            self.allow(token, Permission::write(Resource::Node(self.config.node_name.as_str())))
        } else {
            self.allow(token, Permission::write(Resource::Service(service)))
        }
    }

    fn write_service(&self, id: &ServiceId, token: &Token) -> Result<(), NodeError> {
        let name = self.local.service(id).map(|service| service.service.service.clone()).unwrap_or_default();
        self.write_service_or_node(name.as_str(), token)
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
        self.read_agent(token)?;
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
            members: known,
        }))
    }

    async fn host(&self, token: &Token) -> Result<Value, NodeError> {
        self.allow(token, Permission::read(Resource::Operator))?;
        tokio::task::spawn_blocking(host::describe).await.map_err(|error| NodeError::Refused(error.to_string()))
    }

    async fn members(&self, wan: bool, token: &Token) -> Result<Vec<Member>, NodeError> {
        let acl = self.acl.resolve(token);
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
        let acl = self.acl.resolve(token);
        let mut services = self.local.services();
        services.retain(|service| acl.allows(Permission::read(Resource::Service(service.service.service.as_str()))));
        Ok(services)
    }

    async fn checks(&self, token: &Token) -> Result<Vec<Arc<LocalCheck>>, NodeError> {
        let acl = self.acl.resolve(token);
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
            self.allow(token, Permission::read(Resource::Service(service.service.service.as_str())))?;
        }
        Ok(found)
    }

    async fn register_service(&self, definition: ServiceDefinition, options: RegisterOptions) -> Result<(), NodeError> {
        self.write_service_or_node(definition.name.as_str(), &options.token)?;
        let local = self.local.clone();
        // It writes a small file: cheap, but not for an async thread.
        let work = move || local.register_service(&Arc::new(definition), options.replace_existing_checks);
        Ok(off_thread(work).await??)
    }

    async fn deregister_service(&self, id: &ServiceId, token: &Token) -> Result<(), NodeError> {
        self.write_service(id, token)?;
        let (local, id) = (self.local.clone(), id.clone());
        Ok(off_thread(move || local.deregister_service(&id)).await??)
    }

    async fn register_check(&self, definition: CheckDefinition, token: &Token) -> Result<(), NodeError> {
        let service =
            self.local.service(&definition.service_id).map(|service| service.service.service.clone()).unwrap_or_default();
        self.write_service_or_node(service.as_str(), token)?;
        let local = self.local.clone();
        Ok(off_thread(move || local.register_check(&definition)).await??)
    }

    async fn deregister_check(&self, id: &CheckId, token: &Token) -> Result<(), NodeError> {
        self.write_check(id, token)?;
        let (local, id) = (self.local.clone(), id.clone());
        Ok(off_thread(move || local.deregister_check(&id)).await??)
    }

    async fn update_ttl(&self, id: &CheckId, status: HealthStatus, output: String, token: &Token) -> Result<(), NodeError> {
        self.write_check(id, token)?;
        let update = self.scheduler.update_ttl(id, status, &output).map_err(|error| NodeError::Refused(error.to_string()))?;
        if self.local.apply_check_update(update) == lictor_local::Updated::Status {
            // Who reported it will perhaps not do so again before a restart.
            let local = self.local.clone();
            off_thread(move || local.keep_states()).await?;
        }
        Ok(())
    }

    async fn check_history(&self, id: &CheckId, token: &Token) -> Result<Vec<CheckRun>, NodeError> {
        self.read_agent(token)?;
        let mut runs = self
            .scheduler
            .history(id)
            .ok_or_else(|| NodeError::NotFound(format!("no check {:?} runs on this agent", id.as_str())))?;
        runs.reverse();
        Ok(runs)
    }

    async fn node_maintenance(&self, enable: bool, reason: &str, token: &Token) -> Result<(), NodeError> {
        self.write_service_or_node("", token)?;
        let (local, reason, token) = (self.local.clone(), reason.to_owned(), token.clone());
        Ok(off_thread(move || local.node_maintenance(enable, &reason, &token)).await??)
    }

    async fn service_maintenance(&self, id: &ServiceId, enable: bool, reason: &str, token: &Token) -> Result<(), NodeError> {
        self.write_service(id, token)?;
        let (local, id, reason, token) = (self.local.clone(), id.clone(), reason.to_owned(), token.clone());
        Ok(off_thread(move || local.service_maintenance(&id, enable, &reason, &token)).await??)
    }

    async fn reload(&self, token: &Token) -> Result<ReloadReport, NodeError> {
        self.write_agent(token)?;
        let reloader = Arc::clone(&self.reloader);
        // A caller that goes away must not cut the walk short: others wait for its end.
        let walk = tokio::spawn(async move { reloader.reload().await });
        walk.await.map_err(|error| NodeError::Refused(format!("the agent failed within: {error}")))
    }

    async fn plan(&self, paths: &[String], token: &Token) -> Result<ReloadReport, NodeError> {
        self.read_agent(token)?;
        self.reloader.plan(paths).await.map_err(NodeError::BadRequest)
    }

    async fn config_sources(&self, token: &Token) -> Result<Vec<SourceStatus>, NodeError> {
        self.read_agent(token)?;
        Ok(self.reloader.sources().await)
    }

    #[cfg(feature = "plugins")]
    async fn plugins(&self, token: &Token) -> Result<Vec<Value>, NodeError> {
        self.read_agent(token)?;
        Ok(self.reloader.plugins())
    }

    async fn join(&self, address: &str, wan: bool, token: &Token) -> Result<(), NodeError> {
        self.write_agent(token)?;
        let pool = if wan { self.pools.wan.as_ref() } else { Some(&self.pools.lan) };
        let pool = pool.ok_or_else(|| NodeError::Refused("only servers are members of the WAN pool".to_owned()))?;
        pool.join(&[address.to_owned()]).await.map(drop).map_err(|error| NodeError::Refused(error.to_string()))
    }

    async fn force_leave(&self, name: &str, prune: bool, token: &Token) -> Result<(), NodeError> {
        self.allow(token, Permission::write(Resource::Operator))?;
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
        self.write_agent(token)?;
        self.leaving.send_replace(true);
        Ok(())
    }

    async fn fire_event(&self, event: UserEvent, token: &Token) -> Result<(), NodeError> {
        self.allow(token, Permission::write(Resource::Event(&event.name)))?;
        crate::pools::fire(&self.pools.lan, &event.name, event.to_payload()).await.map_err(NodeError::Refused)
    }

    async fn events(&self, name: &str, index: Option<u64>, token: &Token) -> Result<(u64, Vec<Arc<UserEvent>>), NodeError> {
        let acl = self.acl.resolve(token);
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
