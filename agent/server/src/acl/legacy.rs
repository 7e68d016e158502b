//! Tokens of before 1.4: a secret, a type, and rules of their own.

use super::digest;
use super::policies::told;
use super::request::refused;
use crate::server::Server;
use lictor_acl::{Rules, Syntax};
use lictor_rpc::ClusterError;
use lictor_types::Token;
use lictor_types::acl::{ANONYMOUS_SECRET, AclCommand, AclDone, AclToken, LegacyToken, LegacyVerb};
use uuid::Uuid;

impl Server {
    pub(super) async fn change_legacy(
        &self,
        verb: LegacyVerb,
        secret: &Token,
        name: &str,
        kind: &str,
        rules: &str,
    ) -> Result<AclDone, ClusterError> {
        if verb == LegacyVerb::Destroy {
            if secret.secret() == ANONYMOUS_SECRET {
                return Err(ClusterError::Forbidden("Cannot delete anonymous token".to_owned()));
            }
            if self.catalog.snapshot().acl_token_of(secret).is_some() {
                self.propose_acl(AclCommand::DeleteTokens(vec![secret.clone()])).await?;
            }
            return Ok(AclDone::Done);
        }
        let is_management = match kind {
            "" | "client" => false,
            "management" => true,
            _ => return Err(refused("Invalid ACL Type")),
        };
        Rules::parse(rules, Syntax::Legacy).map_err(|error| refused(format!("ACL rule compilation failed: {}", told(&error))))?;
        let secret = if secret.is_anonymous() { Token::new(&Uuid::new_v4().to_string()) } else { secret.clone() };
        let legacy = LegacyToken { is_management, rules: rules.to_owned() };
        let known = self.catalog.snapshot().acl_token_of(&secret).map(|token| AclToken::clone(&token)).unwrap_or_default();
        let mut token = AclToken { secret_id: secret.clone(), description: name.to_owned(), legacy: Some(legacy), ..known };
        token.hash = digest::token(&token);
        let state = self.propose_acl(AclCommand::SetTokens { tokens: vec![token], is_bootstrap: false }).await?;
        state.acl_token_of(&secret).map(AclDone::Token).ok_or(ClusterError::AclNotFound)
    }
}
