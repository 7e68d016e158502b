//! Tokens for callers that another system knows.

use crate::server::Server;
use lictor_rpc::ClusterError;
use lictor_types::Token;
use lictor_types::acl::{AclCommand, AclDone};
use std::collections::BTreeMap;

impl Server {
    pub(super) async fn login(
        &self,
        method: &str,
        _bearer: &Token,
        _meta: &BTreeMap<String, String>,
    ) -> Result<AclDone, ClusterError> {
        let state = self.catalog.snapshot();
        let method = state.acl_auth_method(method).ok_or(ClusterError::AclNotFound)?;
        Err(ClusterError::Refused(format!(
            "logging in is not built yet in this version of Lictor: the auth method {:?} is kept, but nobody can be asked by it",
            method.name
        )))
    }

    /// Deletes the caller's own token.
    pub(super) async fn logout(&self, token: &Token) -> Result<AclDone, ClusterError> {
        let known = self.catalog.snapshot().acl_token_of(token).filter(|_| !token.is_anonymous());
        let known = known.ok_or(ClusterError::AclNotFound)?;
        if known.auth_method.is_empty() {
            // Only what a login made ends by this.
            return Err(ClusterError::PermissionDenied);
        }
        self.propose_acl(AclCommand::DeleteTokens(vec![token.clone()])).await?;
        Ok(AclDone::Done)
    }
}
