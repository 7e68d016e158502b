//! Auth methods and binding rules.

use super::policies::check_name;
use super::request::{check_id, is_uuid, refused};
use crate::server::Server;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lictor_filter::{Filter, Schema};
use lictor_rpc::ClusterError;
use lictor_types::acl::{AclAuthMethod, AclBindingRule, AclCommand, AclDone, BindType};
use lictor_types::duration;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// Most bytes of an auth method's settings.
const CONFIG_BYTES_MAX: usize = 256 * 1024;
/// Longest selector and name of a binding rule, in bytes.
const RULE_BYTES_MAX: usize = 4096;

/// Settings of the type `kubernetes`.
const KUBERNETES: [&str; 3] = ["Host", "CACert", "ServiceAccountJWT"];
/// What it knows of a caller.
const KUBERNETES_KNOWS: [&str; 3] = ["serviceaccount.namespace", "serviceaccount.name", "serviceaccount.uid"];

fn invalid(why: &str) -> ClusterError {
    refused(format!("Invalid Auth Method: {why}"))
}

fn text<'c>(config: &'c Map<String, Value>, key: &str) -> &'c str {
    config.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_given(config: &Map<String, Value>, key: &str) -> bool {
    match config.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    }
}

/// Whether a text holds a certificate, as far as can be told without reading it.
fn holds_certificate(pem: &str) -> bool {
    let Some((_, rest)) = pem.split_once("-----BEGIN CERTIFICATE-----") else { return false };
    let Some((body, _)) = rest.split_once("-----END CERTIFICATE-----") else { return false };
    let body: String = body.split_whitespace().collect();
    let Ok(der) = STANDARD.decode(body) else { return false };
    // A sequence whose length is that of what follows (X.690).
    match der.as_slice() {
        [0x30, length, rest @ ..] if *length < 0x80 => rest.len() == usize::from(*length),
        [0x30, 0x81, length, rest @ ..] => rest.len() == usize::from(*length),
        [0x30, 0x82, high, low, rest @ ..] => rest.len() == usize::from(*high) << 8 | usize::from(*low),
        _ => false,
    }
}

/// Refuses settings of an auth method that cannot work.
fn check_config(method: &AclAuthMethod) -> Result<(), ClusterError> {
    let config = &method.config;
    if Value::Object(config.clone()).to_string().len() > CONFIG_BYTES_MAX {
        return Err(invalid("Config is too long"));
    }
    if method.kind == "kubernetes" {
        let mut unknown: Vec<&str> = config.keys().map(String::as_str).filter(|key| !KUBERNETES.contains(key)).collect();
        if !unknown.is_empty() {
            unknown.sort_unstable();
            let keys = unknown.join(", ");
            return Err(invalid(&format!("error decoding config: 1 error(s) decoding:\n\n* '' has invalid keys: {keys}")));
        }
        if !is_given(config, "Host") {
            return Err(invalid("Config.Host is required"));
        }
        if !is_given(config, "CACert") {
            return Err(invalid("Config.CACert is required"));
        }
        if !holds_certificate(text(config, "CACert")) {
            return Err(invalid("error parsing kubernetes ca cert: data does not contain any valid RSA or ECDSA certificates"));
        }
        if !is_given(config, "ServiceAccountJWT") {
            return Err(invalid("Config.ServiceAccountJWT is required"));
        }
        if text(config, "ServiceAccountJWT").split('.').count() != 3 {
            let why = "square/go-jose: compact JWS format must have three parts";
            return Err(invalid(&format!("Config.ServiceAccountJWT is not a valid JWT: {why}")));
        }
        return Ok(());
    }
    let keys = ["JWTValidationPubKeys", "JWKSURL", "OIDCDiscoveryURL"];
    if keys.iter().filter(|key| is_given(config, key)).count() != 1 {
        return Err(invalid(
            "exactly one of 'JWTValidationPubKeys', 'JWKSURL', or 'OIDCDiscoveryURL' must be set for type \"jwt\"",
        ));
    }
    for (at, key) in config.get("JWTValidationPubKeys").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let pem = key.as_str().unwrap_or_default();
        if !(pem.contains("-----BEGIN PUBLIC KEY-----") || pem.contains("-----BEGIN CERTIFICATE-----")) {
            let what = "data does not contain any valid RSA, ECDSA, or ED25519 public keys";
            return Err(invalid(&format!("error parsing public key JWTValidationPubKeys[{at}]: {what}")));
        }
    }
    Ok(())
}

/// Refuses a name with `${…}` for what the auth method does not know.
fn check_names(name: &str, kind: &str) -> Result<(), String> {
    let mut rest = name;
    let mut at = 1;
    while let Some((before, behind)) = rest.split_once("${") {
        at += before.chars().count() + 2;
        let (variable, after) = behind.split_once('}').ok_or_else(|| format!("1:{at}: expected '}}'"))?;
        let known = variable.trim();
        if kind == "kubernetes" && !KUBERNETES_KNOWS.contains(&known) {
            return Err(format!("1:{at}: unknown variable accessed: {known}"));
        }
        if kind == "jwt" && !known.starts_with("value.") {
            return Err(format!("1:{at}: unknown variable accessed: {known}"));
        }
        at += variable.chars().count() + 1;
        rest = after;
    }
    Ok(())
}

/// Refuses a selector that cannot be read, or is about what the auth method does not know.
fn check_selector(selector: &str, kind: &str) -> Result<(), ClusterError> {
    if kind != "kubernetes" {
        return Ok(());
    }
    let read = Filter::parse(selector, Schema::ServiceAccount).map(drop);
    read.map_err(|error| refused(format!("invalid Binding Rule: Selector is invalid: {error}")))
}

impl Server {
    pub(super) async fn set_auth_method(&self, given: &AclAuthMethod, max_ttl_nanos: i64) -> Result<AclDone, ClusterError> {
        check_name("Auth Method", &given.name)?;
        if let Some(known) = self.catalog.snapshot().acl_auth_method(&given.name)
            && known.kind != given.kind
            && !given.kind.is_empty()
        {
            return Err(refused("the Type field of an Auth Method is immutable"));
        }
        if !["jwt", "kubernetes"].contains(&given.kind.as_str()) {
            return Err(invalid("Type should be one of: [jwt kubernetes]"));
        }
        let mut method = given.clone();
        if max_ttl_nanos != 0 {
            let limits = self.settings.acl.as_ref().map(|settings| settings.limits).unwrap_or_default();
            let ttl = u64::try_from(max_ttl_nanos).map(Duration::from_nanos).unwrap_or_default();
            let told = duration::format(ttl);
            if ttl > limits.longest {
                let most = duration::format(limits.longest);
                return Err(refused(format!("MaxTokenTTL {told} cannot be more than {most}")));
            }
            if ttl < limits.shortest {
                let least = duration::format(limits.shortest);
                return Err(refused(format!("MaxTokenTTL {told} cannot be less than {least}")));
            }
            method.max_token_ttl = duration::format(ttl);
        }
        if !["", "local", "global"].contains(&method.token_locality.as_str()) {
            return Err(invalid("TokenLocality should be one of 'local' or 'global'"));
        }
        check_config(&method)?;
        // In one order, however it was written.
        method.config = method.config.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect();
        let name = method.name.clone();
        let state = self.propose_acl(AclCommand::SetAuthMethod(Box::new(method))).await?;
        state.acl_auth_method(&name).cloned().map(AclDone::AuthMethod).ok_or(ClusterError::AclNotFound)
    }

    pub(super) async fn delete_auth_method(&self, name: &str) -> Result<AclDone, ClusterError> {
        if self.catalog.snapshot().acl_auth_method(name).is_some() {
            self.propose_acl(AclCommand::DeleteAuthMethod(name.to_owned())).await?;
        }
        Ok(AclDone::Done)
    }

    pub(super) async fn set_binding_rule(&self, given: &AclBindingRule, bind_type: &str) -> Result<AclDone, ClusterError> {
        let invalid = |why: &str| refused(format!("Invalid Binding Rule: {why}"));
        let state = self.catalog.snapshot();
        let mut rule = given.clone();
        if rule.id.is_empty() {
            rule.id = Uuid::new_v4().to_string();
        } else {
            if !is_uuid(&rule.id) {
                return Err(refused("Binding Rule ID invalid UUID"));
            }
            let known = state.acl_binding_rule(&rule.id);
            let known = known.ok_or_else(|| refused(format!("cannot find binding rule {}", rule.id)))?;
            if rule.auth_method.is_empty() {
                rule.auth_method.clone_from(&known.auth_method);
            } else if rule.auth_method != known.auth_method {
                return Err(refused("the AuthMethod field of an Binding Rule is immutable"));
            }
        }
        if rule.auth_method.is_empty() {
            return Err(invalid("no AuthMethod is set"));
        }
        let method = state.acl_auth_method(&rule.auth_method);
        let method = method.ok_or_else(|| refused(format!("cannot find auth method with name {:?}", rule.auth_method)))?;
        let kind = method.kind.as_str();
        rule.bind_type = match bind_type {
            "service" => BindType::Service,
            "node" => BindType::Node,
            "role" => BindType::Role,
            other => return Err(invalid(&format!("unknown BindType {other:?}"))),
        };
        if rule.bind_name.is_empty() {
            return Err(invalid("no BindName is set"));
        }
        if rule.bind_name.len() > RULE_BYTES_MAX || rule.selector.len() > RULE_BYTES_MAX {
            return Err(invalid("Selector or BindName is too long"));
        }
        check_names(&rule.bind_name, kind).map_err(|why| invalid(&format!("invalid BindName: {why}")))?;
        check_selector(&rule.selector, kind)?;
        let id = rule.id.clone();
        let state = self.propose_acl(AclCommand::SetBindingRule(Box::new(rule))).await?;
        state.acl_binding_rule(&id).cloned().map(AclDone::BindingRule).ok_or(ClusterError::AclNotFound)
    }

    pub(super) async fn delete_binding_rule(&self, id: &str) -> Result<AclDone, ClusterError> {
        check_id("binding rule", id)?;
        if let Some(rule) = self.catalog.snapshot().acl_binding_rule(id) {
            self.propose_acl(AclCommand::DeleteBindingRule(rule.id.clone())).await?;
        }
        Ok(AclDone::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_told_from_other_texts() {
        let pem = |der: &[u8]| format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der));
        assert!(holds_certificate(&pem(&[0x30, 2, 5, 0])));
        for bad in ["x".to_owned(), pem(&[0x30, 3, 5, 0]), pem(&[]), "-----BEGIN CERTIFICATE-----".to_owned()] {
            assert!(!holds_certificate(&bad), "{bad}");
        }
    }
}
