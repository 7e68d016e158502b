//! Calls about access control: policies, roles and tokens share their paths, a word apart.

use crate::{Client, ClientError, escape};
use http::Method;
use serde_json::Value;

/// What access control keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclKind {
    /// Rules under a name.
    Policy,
    /// Policies under a name.
    Role,
    /// A secret with policies and roles.
    Token,
    /// How callers that another system knows get a token; known by its name.
    AuthMethod,
    /// What they get.
    BindingRule,
}

impl AclKind {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Policy => ("policy", "policies"),
            Self::Role => ("role", "roles"),
            Self::Token => ("token", "tokens"),
            Self::AuthMethod => ("auth-method", "auth-methods"),
            Self::BindingRule => ("binding-rule", "binding-rules"),
        }
    }
}

impl Client {
    /// All of a kind; without rules and secrets.
    pub async fn acl_list(&self, kind: AclKind) -> Result<Vec<Value>, ClientError> {
        let found: Option<Vec<Value>> = self.get(&format!("/v1/acl/{}", kind.words().1), &[]).await?.json()?;
        Ok(found.unwrap_or_default())
    }

    /// The one with this id; `self` is the token that asks.
    pub async fn acl_read(&self, kind: AclKind, id: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/acl/{}/{}", kind.words().0, escape(id)), &[]).await?.json()
    }

    /// The one with this id (or name, of auth methods), if there is one.
    pub async fn acl_find(&self, kind: AclKind, id: &str) -> Result<Option<Value>, ClientError> {
        self.find(&format!("/v1/acl/{}/{}", kind.words().0, escape(id)), &[]).await
    }

    /// Gets a token by an auth method.
    pub async fn acl_login(&self, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::POST, "/v1/acl/login", &[], body.to_string().into_bytes()).await?.successful()?.json()
    }

    /// Ends the token that is shown, if a login made it.
    pub async fn acl_logout(&self) -> Result<(), ClientError> {
        self.send(Method::POST, "/v1/acl/logout", &[], Vec::new()).await?.successful().map(drop)
    }

    /// The policy or role with this name, if there is one.
    pub async fn acl_named(&self, kind: AclKind, name: &str) -> Result<Option<Value>, ClientError> {
        self.find(&format!("/v1/acl/{}/name/{}", kind.words().0, escape(name)), &[]).await
    }

    /// Makes one, or with an id changes it; what it is then.
    pub async fn acl_write(&self, kind: AclKind, id: Option<&str>, definition: &Value) -> Result<Value, ClientError> {
        let path = match id {
            Some(id) => format!("/v1/acl/{}/{}", kind.words().0, escape(id)),
            None => format!("/v1/acl/{}", kind.words().0),
        };
        self.put(&path, &[], definition.to_string().into_bytes()).await?.json()
    }

    /// Deletes the one with this id.
    pub async fn acl_delete(&self, kind: AclKind, id: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/acl/{}/{}", kind.words().0, escape(id)), &[]).await.map(drop)
    }

    /// Makes a token like another.
    pub async fn acl_clone_token(&self, id: &str, definition: &Value) -> Result<Value, ClientError> {
        self.put(&format!("/v1/acl/token/{}/clone", escape(id)), &[], definition.to_string().into_bytes()).await?.json()
    }

    /// Makes the first management token.
    pub async fn acl_bootstrap(&self) -> Result<Value, ClientError> {
        self.put("/v1/acl/bootstrap", &[], Vec::new()).await?.json()
    }

    /// Rules of before 1.4 in today's language.
    pub async fn acl_translate(&self, rules: Vec<u8>) -> Result<String, ClientError> {
        Ok(self.send(Method::POST, "/v1/acl/rules/translate", &[], rules).await?.successful()?.text())
    }

    /// Rules of before 1.4 that a token has, in today's language.
    pub async fn acl_translate_token(&self, accessor: &str) -> Result<String, ClientError> {
        Ok(self.get(&format!("/v1/acl/rules/translate/{}", escape(accessor)), &[]).await?.text())
    }

    /// Gives the agent a token for its own use.
    pub async fn set_agent_token(&self, kind: &str, token: &str) -> Result<(), ClientError> {
        let body = serde_json::json!({ "Token": token }).to_string().into_bytes();
        self.put(&format!("/v1/agent/token/{}", escape(kind)), &[], body).await.map(drop)
    }
}
