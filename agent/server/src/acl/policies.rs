//! Policies.

use super::digest;
use super::request::{check_id, is_uuid, refused};
use crate::server::Server;
use lictor_acl::{MANAGEMENT_RULES, RuleError, Rules, Syntax};
use lictor_rpc::ClusterError;
use lictor_types::acl::{AclCommand, AclDone, AclPolicy, GLOBAL_MANAGEMENT, is_name};
use uuid::Uuid;

/// The built-in policy that allows everything.
pub(crate) fn management_policy() -> AclPolicy {
    let mut policy = AclPolicy {
        id: GLOBAL_MANAGEMENT.to_owned(),
        name: "global-management".to_owned(),
        description: "Builtin Policy that grants unlimited access".to_owned(),
        rules: MANAGEMENT_RULES.to_owned(),
        ..AclPolicy::default()
    };
    policy.hash = digest::policy(&policy);
    policy
}

/// What is wrong with rules, in a sentence.
pub(super) fn told(error: &RuleError) -> String {
    if error.is_syntax { format!("Failed to parse ACL rules: {error}") } else { error.to_string() }
}

pub(super) fn check_name(kind: &str, name: &str) -> Result<(), ClusterError> {
    if name.is_empty() {
        return Err(refused(format!("Invalid {kind}: no Name is set")));
    }
    if !is_name(name) {
        let allowed = "Only alphanumeric characters, '-' and '_' are allowed";
        return Err(refused(format!("Invalid {kind}: invalid Name. {allowed}")));
    }
    Ok(())
}

impl Server {
    pub(super) async fn set_policy(&self, given: &AclPolicy) -> Result<AclDone, ClusterError> {
        let state = self.catalog.snapshot();
        let mut policy = AclPolicy { legacy: false, ..given.clone() };
        check_name("Policy", &policy.name)?;
        let same_name = state.acl_policy_named(&policy.name).map(|other| other.id.clone());
        if policy.id.is_empty() {
            if same_name.is_some() {
                return Err(refused(format!("Invalid Policy: A Policy with Name {:?} already exists", policy.name)));
            }
            policy.id = Uuid::new_v4().to_string();
        } else {
            if !is_uuid(&policy.id) {
                return Err(refused("Policy ID invalid UUID"));
            }
            let known = state.acl_policy(&policy.id).ok_or_else(|| refused(format!("cannot find policy {}", policy.id)))?;
            policy.id.clone_from(&known.id);
            if same_name.is_some_and(|id| id != policy.id) {
                return Err(refused(format!("Invalid Policy: A policy with name {:?} already exists", policy.name)));
            }
            if policy.id == GLOBAL_MANAGEMENT {
                if !policy.datacenters.is_empty() {
                    return Err(refused("Changing the Datacenters of the builtin global-management policy is not permitted"));
                }
                if policy.rules != known.rules {
                    return Err(refused("Changing the Rules for the builtin global-management policy is not permitted"));
                }
            }
        }
        Rules::parse(&policy.rules, Syntax::Current).map_err(|error| refused(told(&error)))?;
        policy.hash = digest::policy(&policy);
        let id = policy.id.clone();
        let state = self.propose_acl(AclCommand::SetPolicies(vec![policy])).await?;
        state.acl_policy(&id).cloned().map(AclDone::Policy).ok_or(ClusterError::AclNotFound)
    }

    pub(super) async fn delete_policy(&self, id: &str) -> Result<AclDone, ClusterError> {
        check_id("policy", id)?;
        let state = self.catalog.snapshot();
        let Some(policy) = state.acl_policy(id) else { return Ok(AclDone::Done) };
        if policy.id == GLOBAL_MANAGEMENT {
            return Err(refused("Delete operation not permitted on the builtin global-management policy"));
        }
        self.propose_acl(AclCommand::DeletePolicies(vec![policy.id.clone()])).await?;
        Ok(AclDone::Done)
    }
}
