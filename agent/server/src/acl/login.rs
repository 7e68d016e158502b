//! Tokens for callers that another system knows.

use super::request::refused;
use super::tokens::now;
use crate::server::Server;
use jiff::SignedDuration;
use lictor_filter::{Filter, Row, Schema, Value};
use lictor_rpc::ClusterError;
use lictor_types::acl::{
    AclAuthMethod, AclBindingRule, AclCommand, AclDone, AclLink, AclToken, BindType, NodeIdentity, ServiceIdentity, TokenGiven,
    is_identity_name,
};
use lictor_types::{Token, duration};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// What is known of a caller, by names such as `serviceaccount.name`.
pub(super) type Verified = BTreeMap<String, String>;

/// It as a row that selectors speak of.
struct Account<'v>(&'v Verified);

impl Row for Account<'_> {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "serviceaccount" => Value::Row(self),
            field => self.0.get(&format!("serviceaccount.{field}")).map_or(Value::Absent, |text| Value::Text(text)),
        }
    }
}

/// What a login gives.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bound {
    roles: Vec<AclLink>,
    services: Vec<ServiceIdentity>,
    nodes: Vec<NodeIdentity>,
}

impl Server {
    /// Asks the other system about a caller. Before anything is locked, as it may take long.
    pub(super) async fn verify_login(
        &self,
        method: &str,
        bearer: &Token,
    ) -> Result<(Arc<AclAuthMethod>, Verified), ClusterError> {
        let state = self.catalog.snapshot();
        let method = state.acl_auth_method(method).cloned().ok_or(ClusterError::AclNotFound)?;
        if bearer.secret().split('.').count() != 3 {
            let why = "square/go-jose: compact JWS format must have three parts";
            return Err(refused(format!("failed to parse and validate JWT: {why}")));
        }
        let door = self.links.identities.as_ref().ok_or_else(|| refused("this server can ask nobody about callers"))?;
        let known = door.verify(&method, bearer).await?;
        Ok((method, known))
    }

    pub(super) async fn login(
        &self,
        method: &AclAuthMethod,
        known: &Verified,
        meta: &BTreeMap<String, String>,
    ) -> Result<AclDone, ClusterError> {
        let state = self.catalog.snapshot();
        let role_of =
            |name: &str| state.acl_role_named(name).map(|role| AclLink { id: role.id.clone(), name: role.name.clone() });
        let rules = state.acl_binding_rules_of(&method.name);
        let bound = bind(&rules, known, &self.settings.node.datacenter, role_of)?;
        if bound == Bound::default() {
            return Err(ClusterError::PermissionDenied);
        }
        let mut description = "token created via login".to_owned();
        if !meta.is_empty() {
            description.push_str(&format!(": {}", serde_json::json!(meta)));
        }
        let create_time = now();
        let life = duration::parse(&method.max_token_ttl).ok().and_then(|life| SignedDuration::try_from(life).ok());
        let token = AclToken {
            accessor_id: Uuid::new_v4().to_string(),
            secret_id: Token::new(&Uuid::new_v4().to_string()),
            local: method.token_locality != "global",
            auth_method: method.name.clone(),
            create_time,
            expiration_time: life.and_then(|life| create_time?.checked_add(life).ok()),
            description,
            ..AclToken::default()
        };
        let given = TokenGiven {
            roles: bound.roles,
            service_identities: bound.services,
            node_identities: bound.nodes,
            ..TokenGiven::default()
        };
        self.finish_token(&state, token, &given).await
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

/// What rules give to whom is known.
fn bind(
    rules: &[Arc<AclBindingRule>],
    known: &Verified,
    datacenter: &str,
    role_of: impl Fn(&str) -> Option<AclLink>,
) -> Result<Bound, ClusterError> {
    let mut bound = Bound::default();
    for rule in rules {
        let filter = Filter::parse(&rule.selector, Schema::ServiceAccount);
        // One that cannot be read gives nothing.
        if !filter.is_ok_and(|filter| filter.matches(&Account(known))) {
            continue;
        }
        let name = filled_in(&rule.bind_name, known);
        if rule.bind_type != BindType::Role && !is_identity_name(&name) {
            return Err(refused(format!("computed bind name for bind target is invalid: {name:?}")));
        }
        match rule.bind_type {
            BindType::Service => bound.services.push(ServiceIdentity { service_name: name, datacenters: Vec::new() }),
            BindType::Node => bound.nodes.push(NodeIdentity { node_name: name, datacenter: datacenter.to_owned() }),
            BindType::Role => bound.roles.extend(role_of(&name)),
        }
    }
    Ok(bound)
}

/// A name with `${…}` as it is for one who is known.
fn filled_in(name: &str, known: &Verified) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once("${") {
        let (variable, after) = behind.split_once('}').unwrap_or((behind, ""));
        out.push_str(before);
        out.push_str(known.get(variable.trim()).map_or("", |value| value));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(selector: &str, bind_type: BindType, bind_name: &str) -> Arc<AclBindingRule> {
        Arc::new(AclBindingRule {
            selector: selector.into(),
            bind_type,
            bind_name: bind_name.into(),
            ..AclBindingRule::default()
        })
    }

    #[test]
    fn rules_give_what_their_selectors_let() {
        let known: Verified = [("name", "web"), ("namespace", "default"), ("uid", "u")]
            .map(|(key, value)| (format!("serviceaccount.{key}"), value.to_owned()))
            .into();
        let role = |name: &str| (name == "r-web").then(|| AclLink { id: "1".into(), name: name.into() });
        let rules = [
            rule("serviceaccount.namespace==default", BindType::Service, "k8s-${serviceaccount.name}"),
            rule("serviceaccount.namespace==other", BindType::Service, "never"),
            rule("", BindType::Node, "n-${ serviceaccount.uid }"),
            rule("serviceaccount.name in [\"x\"]", BindType::Role, "never"),
            rule("", BindType::Role, "r-${serviceaccount.name}"),
            rule("", BindType::Role, "not-there"),
        ];
        let bound = bind(&rules, &known, "dc1", role).unwrap();
        let names: Vec<&str> = bound.services.iter().map(|identity| identity.service_name.as_str()).collect();
        assert_eq!(names, ["k8s-web"]);
        assert_eq!(bound.nodes, [NodeIdentity { node_name: "n-u".into(), datacenter: "dc1".into() }]);
        assert_eq!(bound.roles, [AclLink { id: "1".into(), name: "r-web".into() }]);
        let bad = [rule("", BindType::Service, "Not A Name")];
        assert!(bind(&bad, &known, "dc1", |_| None).is_err());
    }
}
