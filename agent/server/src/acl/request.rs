//! Changes to who may do what: looked at, completed and proposed by the leader, one at a time.

use crate::server::Server;
use crate::uuid_text;
use lictor_catalog::State;
use lictor_rpc::{ClusterError, WriteOptions};
use lictor_types::acl::{AclCommand, AclDone, AclRequest};
use lictor_types::{Command, Outcome};
use std::sync::Arc;

/// Why a request was not carried out.
pub(super) type Refusal = ClusterError;

pub(super) fn refused(sentence: impl Into<String>) -> Refusal {
    ClusterError::Refused(sentence.into())
}

/// Refuses what is no UUID in the words of Consul's index.
pub(super) fn check_id(of: &str, id: &str) -> Result<(), Refusal> {
    uuid_text::check(id).map_err(|fault| refused(format!("failed acl {of} lookup: index error: {fault}")))
}

/// Whether a text is a UUID as it is usually written.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

impl Server {
    /// Carries out a request. This server leads, and the caller may ask for it.
    pub(crate) async fn change_acl(&self, request: &AclRequest, options: &WriteOptions) -> Result<AclDone, ClusterError> {
        if let AclRequest::Login { auth_method, bearer, meta } = request {
            let (method, known) = self.verify_login(auth_method, bearer).await?;
            let _one_at_a_time = self.changing_acl.lock().await;
            return self.login(&method, &known, meta).await;
        }
        // Between the look at the state and the write nobody else writes.
        let _one_at_a_time = self.changing_acl.lock().await;
        match request {
            AclRequest::Bootstrap => self.bootstrap_acl().await,
            AclRequest::SetPolicy(policy) => self.set_policy(policy).await,
            AclRequest::DeletePolicy(id) => self.delete_policy(id).await,
            AclRequest::SetRole(role) => self.set_role(role).await,
            AclRequest::DeleteRole(id) => self.delete_role(id).await,
            AclRequest::SetToken { token, create } => self.set_token(token, *create).await,
            AclRequest::CloneToken { accessor_id, description } => self.clone_token(accessor_id, description).await,
            AclRequest::DeleteToken(accessor) => self.delete_token(accessor, &options.token).await,
            AclRequest::SetAuthMethod { method, max_ttl_nanos } => self.set_auth_method(method, *max_ttl_nanos).await,
            AclRequest::DeleteAuthMethod(name) => self.delete_auth_method(name).await,
            AclRequest::SetBindingRule { rule, bind_type } => self.set_binding_rule(rule, bind_type).await,
            AclRequest::DeleteBindingRule(id) => self.delete_binding_rule(id).await,
            AclRequest::Legacy { verb, secret, name, kind, rules } => self.change_legacy(*verb, secret, name, kind, rules).await,
            AclRequest::Login { .. } => Err(ClusterError::Internal("a login is looked at before".to_owned())),
            AclRequest::Logout => self.logout(&options.token).await,
        }
    }

    /// Writes a change; answers the state after it.
    pub(crate) async fn propose_acl(&self, command: AclCommand) -> Result<Arc<State>, ClusterError> {
        match self.raft.propose(Command::Acl(Box::new(command))).await? {
            Outcome::Refused(sentence) => Err(ClusterError::Refused(sentence)),
            _ => Ok(self.catalog.snapshot()),
        }
    }
}
