//! Bodies of `/v1/acl/*`.

use super::{Decoded, boolean, object, string, unknown};
use crate::body::decode_failed;
use crate::error::HttpError;
use jiff::Timestamp;
use lictor_types::acl::{
    AclAuthMethod, AclBindingRule, AclLink, AclPolicy, AclRole, Judgement, NodeIdentity, ServiceIdentity, TokenGiven,
};
use lictor_types::{Token, duration};
use serde_json::Value;
use std::collections::BTreeMap;

/// What Go calls the types that Consul reads these into.
const ROW: &str = "struct { Hash string; *structs.Alias }";
const TOKEN: &str = "struct { ExpirationTTL interface {}; Hash string; *structs.Alias }";

fn list<T>(value: Value, field: &str, go_type: &str, one: impl Fn(Value) -> Decoded<T>) -> Decoded<Vec<T>> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.into_iter().map(one).collect(),
        other => Err(super::misfit(&other, field, go_type)),
    }
}

fn texts(value: Value, field: &str) -> Decoded<Vec<String>> {
    list(value, field, "[]string", |item| string(item, field))
}

fn links(value: Value, field: &str) -> Decoded<Vec<AclLink>> {
    list(value, field, "[]structs.ACLTokenPolicyLink", |value| {
        let mut link = AclLink::default();
        for (key, written, value) in object(value, "structs.ACLTokenPolicyLink")? {
            match key.as_str() {
                "id" => link.id = string(value, ".ID")?,
                "name" => link.name = string(value, ".Name")?,
                _ => return Err(unknown(&written)),
            }
        }
        Ok(link)
    })
}

fn services(value: Value, field: &str) -> Decoded<Vec<ServiceIdentity>> {
    list(value, field, "[]*structs.ACLServiceIdentity", |value| {
        let mut identity = ServiceIdentity::default();
        for (key, written, value) in object(value, "structs.ACLServiceIdentity")? {
            match key.as_str() {
                "servicename" => identity.service_name = string(value, ".ServiceName")?,
                "datacenters" => identity.datacenters = texts(value, ".Datacenters")?,
                _ => return Err(unknown(&written)),
            }
        }
        Ok(identity)
    })
}

fn nodes(value: Value, field: &str) -> Decoded<Vec<NodeIdentity>> {
    list(value, field, "[]*structs.ACLNodeIdentity", |value| {
        let mut identity = NodeIdentity::default();
        for (key, written, value) in object(value, "structs.ACLNodeIdentity")? {
            match key.as_str() {
                "nodename" => identity.node_name = string(value, ".NodeName")?,
                "datacenter" => identity.datacenter = string(value, ".Datacenter")?,
                _ => return Err(unknown(&written)),
            }
        }
        Ok(identity)
    })
}

/// Nanoseconds of a duration: a text in Go's notation, or a number of them.
fn nanos(value: &Value) -> Decoded<i64> {
    match value {
        Value::Null => Ok(0),
        Value::String(text) if text.is_empty() => Ok(0),
        Value::String(text) => {
            duration::parse_nanos(text).map_err(|_| decode_failed(&format!("time: invalid duration {text:?}")))
        }
        #[expect(clippy::cast_possible_truncation, reason = "what is out of range is cut to it")]
        Value::Number(number) => Ok(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64)),
        other => Err(decode_failed(&format!("{other} is no duration"))),
    }
}

fn time(value: Value, field: &str) -> Decoded<Option<Timestamp>> {
    let text = string(value, field)?;
    if text.is_empty() || text.starts_with("0001-01-01T00:00:00") {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| decode_failed(&format!("parsing time {text:?} as RFC 3339: cannot parse it")))
}

pub(crate) fn policy(value: Value) -> Decoded<AclPolicy> {
    let mut out = AclPolicy::default();
    for (key, written, value) in object(value, ROW)? {
        let field = format!(".{written}");
        match key.as_str() {
            "id" => out.id = string(value, &field)?,
            "name" => out.name = string(value, &field)?,
            "description" => out.description = string(value, &field)?,
            "rules" => out.rules = string(value, &field)?,
            "datacenters" => out.datacenters = texts(value, &field)?,
            "hash" | "createindex" | "modifyindex" | "namespace" | "syntax" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

pub(crate) fn role(value: Value) -> Decoded<AclRole> {
    let mut out = AclRole::default();
    for (key, written, value) in object(value, ROW)? {
        let field = format!(".{written}");
        match key.as_str() {
            "id" => out.id = string(value, &field)?,
            "name" => out.name = string(value, &field)?,
            "description" => out.description = string(value, &field)?,
            "policies" => out.policies = links(value, &field)?,
            "serviceidentities" => out.service_identities = services(value, &field)?,
            "nodeidentities" => out.node_identities = nodes(value, &field)?,
            "hash" | "createindex" | "modifyindex" | "namespace" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

/// What was read may be written back: what the servers fill in is passed over.
pub(crate) fn token(value: Value) -> Decoded<TokenGiven> {
    let mut out = TokenGiven::default();
    for (key, written, value) in object(value, TOKEN)? {
        let field = format!(".{written}");
        match key.as_str() {
            "accessorid" => out.accessor_id = string(value, &field)?,
            "secretid" => out.secret_id = Token::new(&string(value, &field)?),
            "description" => out.description = string(value, &field)?,
            "policies" => out.policies = links(value, &field)?,
            "roles" => out.roles = links(value, &field)?,
            "serviceidentities" => out.service_identities = services(value, &field)?,
            "nodeidentities" => out.node_identities = nodes(value, &field)?,
            "local" => out.local = boolean(&value, &field)?,
            "authmethod" => out.auth_method = string(value, &field)?,
            "expirationttl" => out.expiration_nanos = nanos(&value)?,
            "expirationtime" => out.expiration_time = time(value, &field)?,
            "createtime" | "hash" | "createindex" | "modifyindex" | "rules" | "legacy" | "namespace" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

/// An auth method, and the longest life of its tokens in nanoseconds.
pub(crate) fn auth_method(value: Value) -> Decoded<(AclAuthMethod, i64)> {
    let mut out = AclAuthMethod::default();
    let mut ttl = 0;
    for (key, written, value) in object(value, "struct { MaxTokenTTL interface {}; *structs.Alias }")? {
        let field = format!(".{written}");
        match key.as_str() {
            "name" => out.name = string(value, &field)?,
            "type" => out.kind = string(value, &field)?,
            "displayname" => out.display_name = string(value, &field)?,
            "description" => out.description = string(value, &field)?,
            "maxtokenttl" => ttl = nanos(&value)?,
            "tokenlocality" => out.token_locality = string(value, &field)?,
            "config" => {
                out.config = match value {
                    Value::Object(map) => map,
                    Value::Null => Default::default(),
                    other => return Err(super::misfit(&other, &field, "map[string]interface {}")),
                };
            }
            "createindex" | "modifyindex" | "namespace" | "namespacerules" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok((out, ttl))
}

/// A binding rule, and its `BindType` as written.
pub(crate) fn binding_rule(value: Value) -> Decoded<(AclBindingRule, String)> {
    let mut out = AclBindingRule::default();
    let mut bind_type = String::new();
    for (key, written, value) in object(value, "structs.ACLBindingRule")? {
        let field = format!(".{written}");
        match key.as_str() {
            "id" => out.id = string(value, &field)?,
            "description" => out.description = string(value, &field)?,
            "authmethod" => out.auth_method = string(value, &field)?,
            "selector" => out.selector = string(value, &field)?,
            "bindtype" => bind_type = string(value, &field)?,
            "bindname" => out.bind_name = string(value, &field)?,
            "createindex" | "modifyindex" | "namespace" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok((out, bind_type))
}

/// Auth method, what is shown it, and what is noted of the login.
pub(crate) fn login(value: Value) -> Decoded<(String, Token, BTreeMap<String, String>)> {
    let (mut method, mut bearer, mut meta) = (String::new(), Token::default(), BTreeMap::new());
    for (key, written, value) in object(value, "structs.ACLLoginParams")? {
        let field = format!(".{written}");
        match key.as_str() {
            "authmethod" => method = string(value, &field)?,
            "bearertoken" => bearer = Token::new(&string(value, &field)?),
            "meta" => meta = super::string_map(value, &field)?.unwrap_or_default(),
            "namespace" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok((method, bearer, meta))
}

/// Secret, name, type and rules of a token of before 1.4.
pub(crate) fn legacy(value: Value) -> Decoded<[String; 4]> {
    let mut out: [String; 4] = Default::default();
    let [id, name, kind, rules] = &mut out;
    for (key, written, value) in object(value, "structs.ACL")? {
        let field = format!(".{written}");
        match key.as_str() {
            "id" => *id = string(value, &field)?,
            "name" => *name = string(value, &field)?,
            "type" => *kind = string(value, &field)?,
            "rules" => *rules = string(value, &field)?,
            "createindex" | "modifyindex" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

/// What `/v1/internal/acl/authorize` is asked.
pub(crate) fn judgements(value: Value) -> Result<Vec<Judgement>, HttpError> {
    let Value::Array(items) = value else {
        let kind = super::kind(&value);
        let what = format!("json: cannot unmarshal {kind} into Go value of type []structs.ACLAuthorizationRequest");
        return Err(decode_failed(&what));
    };
    let one = |value| {
        let mut out = Judgement::default();
        for (key, written, value) in object(value, "structs.ACLAuthorizationRequest")? {
            let field = format!(".{written}");
            match key.as_str() {
                "resource" => out.resource = string(value, &field)?,
                "segment" => out.segment = string(value, &field)?,
                "access" => out.access = string(value, &field)?,
                _ => return Err(unknown(&written)),
            }
        }
        Ok(out)
    };
    items.into_iter().map(one).collect()
}

/// The body of `/v1/agent/token/`.
pub(crate) fn agent_token(value: Value) -> Decoded<Token> {
    let mut token = Token::default();
    for (key, written, value) in object(value, "api.AgentToken")? {
        match key.as_str() {
            "token" => token = Token::new(&string(value, ".Token")?),
            _ => return Err(unknown(&written)),
        }
    }
    Ok(token)
}
