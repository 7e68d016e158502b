//! Roles.

use super::digest;
use super::links::{self, Holder};
use super::policies::check_name;
use super::request::{check_id, is_uuid, refused};
use crate::server::Server;
use lictor_rpc::ClusterError;
use lictor_types::acl::{AclCommand, AclDone, AclRole};
use uuid::Uuid;

impl Server {
    pub(super) async fn set_role(&self, given: &AclRole) -> Result<AclDone, ClusterError> {
        let state = self.catalog.snapshot();
        let mut role = given.clone();
        check_name("Role", &role.name)?;
        let same_name = state.acl_role_named(&role.name).map(|other| other.id.clone());
        if role.id.is_empty() {
            if same_name.is_some() {
                return Err(refused(format!("Invalid Role: A Role with Name {:?} already exists", role.name)));
            }
            role.id = Uuid::new_v4().to_string();
        } else {
            if !is_uuid(&role.id) {
                return Err(refused("Role ID invalid UUID"));
            }
            let known = state.acl_role(&role.id).ok_or_else(|| refused(format!("cannot find role {}", role.id)))?;
            role.id.clone_from(&known.id);
            if same_name.is_some_and(|id| id != role.id) {
                return Err(refused(format!("Invalid Role: A role with name {:?} already exists", role.name)));
            }
        }
        role.policies = links::policies(&state, &role.policies, Holder::Role).map_err(refused)?;
        role.service_identities = links::services(&role.service_identities, false, Holder::Role).map_err(refused)?;
        role.node_identities = links::nodes(&role.node_identities, Holder::Role).map_err(refused)?;
        role.hash = digest::role(&role);
        let id = role.id.clone();
        let state = self.propose_acl(AclCommand::SetRoles(vec![role])).await?;
        state.acl_role(&id).map(AclDone::Role).ok_or(ClusterError::AclNotFound)
    }

    pub(super) async fn delete_role(&self, id: &str) -> Result<AclDone, ClusterError> {
        check_id("role", id)?;
        if let Some(role) = self.catalog.snapshot().acl_role(id) {
            self.propose_acl(AclCommand::DeleteRoles(vec![role.id.clone()])).await?;
        }
        Ok(AclDone::Done)
    }
}
