//! This agent, as the front doors see it: its own services and checks, its configuration and its life.

use crate::error::{ClusterError, NodeError};
use crate::events::UserEvent;
use async_trait::async_trait;
use lictor_types::report::{ReloadReport, SourceStatus};
use lictor_types::{
    CheckDefinition, CheckId, CheckRun, HealthCheck, HealthStatus, Member, NodeService, Origin, ServiceDefinition, ServiceId,
    Token,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A service of this agent with what only the agent knows about it.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalService {
    /// The service as it is (to be) registered.
    pub service: NodeService,
    /// Where its definition comes from.
    pub origin: Origin,
    /// Consul's hash of the definition, for `?hash=` on `/v1/agent/service/:id`.
    pub content_hash: String,
}

/// A check of this agent with what only the agent knows about it.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalCheck {
    /// The check as it is (to be) registered, with the output of its last run.
    pub check: HealthCheck,
    /// Where its definition comes from.
    pub origin: Origin,
    /// Whether flap damping holds its state now.
    pub damped: bool,
    /// Age of a state restored from before a restart, until the first run after it.
    pub restored_age: Option<Duration>,
}

/// Options of a service registration.
#[derive(Clone, Debug, Default)]
pub struct RegisterOptions {
    /// The caller's token, for the authorization of the call.
    pub token: Token,
    /// Drop the service's checks that the new definition does not name (`?replace-existing-checks`).
    pub replace_existing_checks: bool,
}

/// The local agent. `lictor/node.rs` in production, `FakeNode` in tests.
#[async_trait]
pub trait Node: Send + Sync + 'static {
    /// Name of this node.
    fn name(&self) -> &str;
    /// Datacenter of this agent.
    fn datacenter(&self) -> &str;
    /// The object of `/v1/agent/self`.
    async fn describe(&self, token: &Token) -> Result<Value, NodeError>;
    /// The object of `/v1/agent/host`.
    async fn host(&self, token: &Token) -> Result<Value, NodeError>;
    /// Members of the LAN pool, or of the WAN pool.
    async fn members(&self, wan: bool, token: &Token) -> Result<Vec<Member>, NodeError>;

    /// All services of this agent, ordered by id.
    async fn services(&self, token: &Token) -> Result<Vec<Arc<LocalService>>, NodeError>;
    /// All checks of this agent, ordered by id.
    async fn checks(&self, token: &Token) -> Result<Vec<Arc<LocalCheck>>, NodeError>;
    /// One service. With `hash` and `wait`, answers once its content hash differs or the time is up.
    async fn service(
        &self,
        id: &ServiceId,
        hash: Option<&str>,
        wait: Option<Duration>,
        token: &Token,
    ) -> Result<Option<Arc<LocalService>>, NodeError>;
    /// Registers a service with its checks over the API.
    async fn register_service(&self, definition: ServiceDefinition, options: RegisterOptions) -> Result<(), NodeError>;
    /// Removes a service and its checks.
    async fn deregister_service(&self, id: &ServiceId, token: &Token) -> Result<(), NodeError>;
    /// Registers a check over the API.
    async fn register_check(&self, definition: CheckDefinition, token: &Token) -> Result<(), NodeError>;
    /// Removes a check.
    async fn deregister_check(&self, id: &CheckId, token: &Token) -> Result<(), NodeError>;
    /// Sets the state of a TTL check.
    async fn update_ttl(&self, id: &CheckId, status: HealthStatus, output: String, token: &Token) -> Result<(), NodeError>;
    /// The last runs of a check, newest first.
    async fn check_history(&self, id: &CheckId, token: &Token) -> Result<Vec<CheckRun>, NodeError>;
    /// Puts the node in or out of maintenance.
    async fn node_maintenance(&self, enable: bool, reason: &str, token: &Token) -> Result<(), NodeError>;
    /// Puts a service in or out of maintenance.
    async fn service_maintenance(&self, id: &ServiceId, enable: bool, reason: &str, token: &Token) -> Result<(), NodeError>;

    /// Whether who may do what is enforced.
    fn enforces_acl(&self) -> bool {
        false
    }
    /// The token of requests that show none.
    fn default_token(&self) -> Token {
        Token::default()
    }
    /// Refuses who may not look at this agent.
    async fn check_agent_read(&self, _token: &Token) -> Result<(), NodeError> {
        Ok(())
    }
    /// Refuses who may not see a service.
    async fn check_service_read(&self, _service: &str, _token: &Token) -> Result<(), NodeError> {
        Ok(())
    }
    /// Refuses who may not see a service of this agent; one that is not there may be looked for by anybody.
    async fn check_instance_read(&self, _id: &ServiceId, _token: &Token) -> Result<(), NodeError> {
        Ok(())
    }
    /// Rules of before 1.4 in today's language; `BadRequest` when they cannot be read.
    async fn translate_rules(&self, _rules: &str, _token: &Token) -> Result<String, NodeError> {
        Err(NodeError::Cluster(ClusterError::AclDisabled))
    }
    /// Gives the agent a token for its own use, of a kind as `/v1/agent/token/` names it. `false`: there is no such kind, or nothing is
    /// given.
    async fn set_token(&self, _kind: &str, _secret: Option<&Token>, _token: &Token) -> Result<bool, NodeError> {
        Err(NodeError::Cluster(ClusterError::AclDisabled))
    }

    /// Reads all configuration anew and applies it; answers the report, also when something was rejected.
    async fn reload(&self, token: &Token) -> Result<ReloadReport, NodeError>;
    /// What a reload would change if `paths` were the configuration directories and files.
    async fn plan(&self, paths: &[String], token: &Token) -> Result<ReloadReport, NodeError>;
    /// Every configuration source with its state.
    async fn config_sources(&self, token: &Token) -> Result<Vec<SourceStatus>, NodeError>;
    /// Every WASM plugin that checks called so far: an object each, with its name, state, error and figures.
    async fn plugins(&self, _token: &Token) -> Result<Vec<Value>, NodeError> {
        Err(NodeError::NotBuilt("plugins"))
    }
    /// Joins the pool of the member at an address (`host` or `host:port`): the LAN pool, or the WAN pool.
    async fn join(&self, _address: &str, _wan: bool, _token: &Token) -> Result<(), NodeError> {
        Err(NodeError::NotBuilt("joining other agents"))
    }
    /// Takes a failed member for one that left; with `prune` it is forgotten at once.
    async fn force_leave(&self, _name: &str, _prune: bool, _token: &Token) -> Result<(), NodeError> {
        Err(NodeError::NotBuilt("forcing members to leave"))
    }
    /// Leaves the cluster and ends the agent.
    async fn leave(&self, token: &Token) -> Result<(), NodeError>;

    /// Sends a user event, whose filters are already looked at.
    async fn fire_event(&self, _event: UserEvent, _token: &Token) -> Result<(), NodeError> {
        Err(NodeError::NotBuilt("user events"))
    }
    /// The events received under a name (empty: all), with their index; with `index`, once it differs (the caller sets the limit).
    async fn events(&self, _name: &str, _index: Option<u64>, _token: &Token) -> Result<(u64, Vec<Arc<UserEvent>>), NodeError> {
        Err(NodeError::NotBuilt("user events"))
    }
}
