//! An agent whose services and checks a test sets, and which remembers what it was told.

use async_trait::async_trait;
use lictor_rpc::node::{LocalCheck, LocalService, RegisterOptions};
use lictor_rpc::{EventLog, Node, NodeError, UserEvent};
use lictor_types::report::{Change, Problem, ReloadReport, SourceStatus};
use lictor_types::{
    CheckDefinition, CheckId, CheckRun, HealthCheck, HealthStatus, Member, MemberStatus, NodeService, Origin, ServiceDefinition,
    ServiceId, Token,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct FakeNode {
    pub(crate) services: Mutex<Vec<Arc<LocalService>>>,
    pub(crate) checks: Mutex<Vec<Arc<LocalCheck>>>,
    /// What was asked of the node, one line each.
    pub(crate) told: Mutex<Vec<String>>,
    pub(crate) reject_reload: bool,
    pub(crate) events: EventLog,
}

impl FakeNode {
    /// `web` with a warning check, from a file.
    pub(crate) fn with_web() -> Self {
        let origin = Origin::File { path: "/etc/web.hcl".to_owned(), line: 3 };
        let service = NodeService { id: "w1".into(), service: "web".into(), port: 80, ..NodeService::default() };
        let check = HealthCheck {
            node: "n1".into(),
            check_id: "service:w1".into(),
            name: "Service 'web' check".to_owned(),
            status: HealthStatus::Warning,
            service_id: "w1".into(),
            service_name: "web".into(),
            kind: "ttl".to_owned(),
            ..HealthCheck::default()
        };
        let node = Self::default();
        node.services.lock().push(Arc::new(LocalService {
            service,
            origin: origin.clone(),
            content_hash: "77bcd2b0e29ebf62".to_owned(),
        }));
        node.checks.lock().push(Arc::new(LocalCheck { check, origin, damped: false, restored_age: None }));
        node
    }

    fn tell(&self, line: String) {
        self.told.lock().push(line);
    }
}

#[async_trait]
impl Node for FakeNode {
    fn name(&self) -> &str {
        "n1"
    }
    fn datacenter(&self) -> &str {
        "dc1"
    }
    async fn describe(&self, _: &Token) -> Result<Value, NodeError> {
        Ok(json!({"Config": {"NodeName": "n1"}}))
    }
    async fn host(&self, _: &Token) -> Result<Value, NodeError> {
        Err(NodeError::PermissionDenied)
    }
    async fn members(&self, wan: bool, _: &Token) -> Result<Vec<Member>, NodeError> {
        let name = if wan { "n1.dc1" } else { "n1" };
        Ok(vec![Member {
            name: name.into(),
            addr: "127.0.0.1".to_owned(),
            port: 8301,
            tags: BTreeMap::from([("dc".to_owned(), "dc1".to_owned())]),
            status: MemberStatus::Alive,
            protocol_min: 1,
            protocol_max: 5,
            protocol_cur: 2,
            delegate_min: 2,
            delegate_max: 5,
            delegate_cur: 4,
        }])
    }
    async fn services(&self, _: &Token) -> Result<Vec<Arc<LocalService>>, NodeError> {
        Ok(self.services.lock().clone())
    }
    async fn checks(&self, _: &Token) -> Result<Vec<Arc<LocalCheck>>, NodeError> {
        Ok(self.checks.lock().clone())
    }
    async fn service(
        &self,
        id: &ServiceId,
        hash: Option<&str>,
        wait: Option<Duration>,
        _: &Token,
    ) -> Result<Option<Arc<LocalService>>, NodeError> {
        self.tell(format!("service {id} hash={hash:?} wait={wait:?}"));
        Ok(self.services.lock().iter().find(|local| local.service.id == *id).cloned())
    }
    async fn register_service(&self, definition: ServiceDefinition, options: RegisterOptions) -> Result<(), NodeError> {
        let token = options.token.secret().to_owned();
        self.tell(format!("register {} token={token} replace={}", definition.name, options.replace_existing_checks));
        Ok(())
    }
    async fn deregister_service(&self, id: &ServiceId, _: &Token) -> Result<(), NodeError> {
        Err(NodeError::NotFound(format!("no service {id}")))
    }
    async fn register_check(&self, definition: CheckDefinition, _: &Token) -> Result<(), NodeError> {
        if definition.service_id == "nosuch" {
            return Err(NodeError::NotFound("ServiceID \"nosuch\" does not exist".to_owned()));
        }
        self.tell(format!("register check {}", definition.name));
        Ok(())
    }
    async fn deregister_check(&self, id: &CheckId, _: &Token) -> Result<(), NodeError> {
        Err(NodeError::NotFound(format!("no check {id}")))
    }
    async fn update_ttl(&self, id: &CheckId, status: HealthStatus, output: String, _: &Token) -> Result<(), NodeError> {
        if id == "nosuch" {
            return Err(NodeError::NotFound(String::new()));
        }
        self.tell(format!("ttl {id} {status} {output:?}"));
        Ok(())
    }
    async fn check_history(&self, id: &CheckId, _: &Token) -> Result<Vec<CheckRun>, NodeError> {
        self.tell(format!("history {id}"));
        Ok(Vec::new())
    }
    async fn node_maintenance(&self, enable: bool, reason: &str, _: &Token) -> Result<(), NodeError> {
        self.tell(format!("maintenance {enable} {reason:?}"));
        Ok(())
    }
    async fn service_maintenance(&self, id: &ServiceId, _: bool, _: &str, _: &Token) -> Result<(), NodeError> {
        Err(NodeError::NotFound(format!("no service {id}")))
    }
    async fn reload(&self, _: &Token) -> Result<ReloadReport, NodeError> {
        let mut report = ReloadReport { unchanged: 2, ..ReloadReport::default() };
        if self.reject_reload {
            report.rejected.push(Problem { file: "a.hcl".to_owned(), line: 3, message: "bad".to_owned(), ..Problem::default() });
        }
        Ok(report)
    }
    async fn plan(&self, paths: &[String], _: &Token) -> Result<ReloadReport, NodeError> {
        let applied = paths.iter().map(|path| Change { file: path.clone(), ..Change::default() }).collect();
        Ok(ReloadReport { applied, ..ReloadReport::default() })
    }
    async fn config_sources(&self, _: &Token) -> Result<Vec<SourceStatus>, NodeError> {
        Ok(vec![SourceStatus { file: "/etc/web.hcl".to_owned(), services: vec!["w1".into()], ..SourceStatus::default() }])
    }
    async fn join(&self, address: &str, wan: bool, _: &Token) -> Result<(), NodeError> {
        self.tell(format!("join {address} {wan}"));
        Ok(())
    }
    async fn force_leave(&self, name: &str, prune: bool, _: &Token) -> Result<(), NodeError> {
        if name == "nobody" {
            return Err(NodeError::Refused(format!("agent: No node found with name '{name}'")));
        }
        self.tell(format!("force-leave {name} {prune}"));
        Ok(())
    }
    async fn leave(&self, _: &Token) -> Result<(), NodeError> {
        self.tell("leave".to_owned());
        Ok(())
    }
    async fn fire_event(&self, event: UserEvent, _: &Token) -> Result<(), NodeError> {
        self.events.receive(event, "n1", &self.services.lock());
        Ok(())
    }
    async fn events(&self, name: &str, index: Option<u64>, _: &Token) -> Result<(u64, Vec<Arc<UserEvent>>), NodeError> {
        Ok(match index {
            Some(index) => self.events.list_after(name, index).await,
            None => self.events.list(name),
        })
    }
}
