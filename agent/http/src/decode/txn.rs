//! The body of `/v1/txn`: Consul's API shapes, which are not those of the catalog's endpoints.

use super::{
    Decoded, check_definition, integer, kind, misfit, object, port, string, string_map, strings, tagged_addresses, unknown,
    weights,
};
use crate::body;
use crate::error::HttpError;
use base64::DecodeError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lictor_types::{HealthCheck, HealthStatus, Index, KvEntry, Node, NodeName, NodeService, TxnKvVerb, TxnOp, TxnVerb};
use serde_json::{Map, Value};

/// Operations of a transaction; those that name nothing are left out, as Consul does.
pub(crate) fn ops(bytes: &[u8]) -> Decoded<Vec<Option<TxnOp>>> {
    let read = || match body::parse(bytes)? {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.into_iter().map(op).collect(),
        other => Err(failed(&format!("json: cannot unmarshal {} into Go value of type api.TxnOps", kind(&other)))),
    };
    read().map_err(|error: HttpError| {
        let text = error.text();
        let why = text.strip_prefix("Request decode failed: ").unwrap_or(text);
        HttpError::bad_request(format!("Failed to parse body: {why}"))
    })
}

fn failed(why: &str) -> HttpError {
    body::decode_failed(why)
}

/// Of several in one operation Consul takes the first of this order.
fn op(value: Value) -> Decoded<Option<TxnOp>> {
    let (mut on_key, mut on_node, mut on_service, mut on_check) = (None, None, None, None);
    for (key, written, value) in object(value, "api.TxnOp")? {
        let given = !value.is_null();
        match key.as_str() {
            "kv" => on_key = if given { Some(kv(value)?) } else { None },
            "node" => on_node = if given { Some(node(value)?) } else { None },
            "service" => on_service = if given { Some(service(value)?) } else { None },
            "check" => on_check = if given { Some(check(value)?) } else { None },
            _ => return Err(unknown(&written)),
        }
    }
    Ok(on_key.or(on_node).or(on_service).or(on_check))
}

fn kv(value: Value) -> Decoded<TxnOp> {
    let mut entry = KvEntry::default();
    let mut verb = String::new();
    for (key, written, value) in object(value, "api.KVTxnOp")? {
        let field = format!("KVTxnOp.KV.{written}");
        match key.as_str() {
            "verb" => verb = string(value, &field)?,
            "key" => entry.key = string(value, &field)?,
            "value" => entry.value = base64(value, &field)?.into(),
            "flags" => entry.flags = unsigned(&value, &field)?,
            "index" => entry.modify_index = Index(unsigned(&value, &field)?),
            "session" => entry.session = string(value, &field)?,
            "namespace" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok(TxnOp::Kv { verb: TxnKvVerb::from(verb.as_str()), entry })
}

fn base64(value: Value, field: &str) -> Decoded<Vec<u8>> {
    let text = match value {
        Value::Null => return Ok(Vec::new()),
        Value::String(text) => text,
        other => return Err(misfit(&other, field, "[]uint8")),
    };
    STANDARD.decode(&text).map_err(|error| {
        // Go names the byte that is none of the alphabet, or where the last, incomplete group begins.
        let at = match error {
            DecodeError::InvalidByte(at, _) => at,
            _ => text.len().saturating_sub(1) / 4 * 4,
        };
        failed(&format!("illegal base64 data at input byte {at}"))
    })
}

fn unsigned(value: &Value, field: &str) -> Decoded<u64> {
    match value {
        Value::Null => Ok(0),
        Value::Number(number) => number.as_u64().ok_or_else(|| {
            failed(&format!("json: cannot unmarshal number {number} into Go struct field {field} of type uint64"))
        }),
        other => Err(misfit(other, field, "uint64")),
    }
}

fn node(value: Value) -> Decoded<TxnOp> {
    let mut row = Node::default();
    let mut verb = String::new();
    for (key, written, value) in object(value, "api.NodeTxnOp")? {
        match key.as_str() {
            "verb" => verb = string(value, "NodeTxnOp.Node.Verb")?,
            "node" => row = node_row(value)?,
            _ => return Err(unknown(&written)),
        }
    }
    Ok(TxnOp::Node { verb: TxnVerb::from(verb.as_str()), node: row })
}

fn node_row(value: Value) -> Decoded<Node> {
    let mut out = Node::default();
    for (key, written, value) in object(value, "api.Node")? {
        let field = format!("Node.Node.Node.{written}");
        match key.as_str() {
            "id" => out.id = string(value, &field)?,
            "node" => out.node = string(value, &field)?.into(),
            "address" => out.address = string(value, &field)?,
            "datacenter" => out.datacenter = string(value, &field)?,
            "taggedaddresses" => out.tagged_addresses = string_map(value, &field)?,
            "meta" => out.meta = string_map(value, &field)?,
            "createindex" => {}
            "modifyindex" => out.modify_index = Index(unsigned(&value, &field)?),
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

fn service(value: Value) -> Decoded<TxnOp> {
    let mut row = NodeService::default();
    let mut node = NodeName::default();
    let mut verb = String::new();
    for (key, written, value) in object(value, "api.ServiceTxnOp")? {
        match key.as_str() {
            "verb" => verb = string(value, "ServiceTxnOp.Service.Verb")?,
            "node" => node = string(value, "ServiceTxnOp.Service.Node")?.into(),
            "service" => row = service_row(value)?,
            _ => return Err(unknown(&written)),
        }
    }
    Ok(TxnOp::Service { verb: TxnVerb::from(verb.as_str()), node, service: row })
}

fn service_row(value: Value) -> Decoded<NodeService> {
    let mut out = NodeService::default();
    for (key, written, value) in object(value, "api.AgentService")? {
        let field = format!("AgentService.Service.Service.{written}");
        match key.as_str() {
            "id" => out.id = string(value, &field)?.into(),
            "service" => out.service = string(value, &field)?.into(),
            "tags" => out.tags = strings(value, &field)?,
            "meta" => out.meta = string_map(value, &field)?.unwrap_or_default(),
            "port" => out.port = port(&value, &field)?,
            "address" => out.address = string(value, &field)?,
            "taggedaddresses" => out.tagged_addresses = tagged_addresses(value, &field)?,
            "weights" => out.weights = weights(value)?,
            "enabletagoverride" => out.enable_tag_override = super::boolean(&value, &field)?,
            "createindex" => {
                integer(&value, &field)?;
            }
            "modifyindex" => out.modify_index = Index(unsigned(&value, &field)?),
            // Known, and passed over, as Consul does in transactions.
            "kind" | "proxy" | "connect" | "contenthash" | "namespace" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

fn check(value: Value) -> Decoded<TxnOp> {
    let mut row = HealthCheck::default();
    let mut verb = String::new();
    for (key, written, value) in object(value, "api.CheckTxnOp")? {
        match key.as_str() {
            "verb" => verb = string(value, "CheckTxnOp.Check.Verb")?,
            "check" => row = check_row(value)?,
            _ => return Err(unknown(&written)),
        }
    }
    Ok(TxnOp::Check { verb: TxnVerb::from(verb.as_str()), check: row })
}

fn check_row(value: Value) -> Decoded<HealthCheck> {
    let mut out = HealthCheck::default();
    for (key, written, value) in object(value, "api.HealthCheck")? {
        let field = format!("HealthCheck.Check.Check.{written}");
        match key.as_str() {
            "node" => out.node = string(value, &field)?.into(),
            "checkid" => out.check_id = string(value, &field)?.into(),
            "name" => out.name = string(value, &field)?,
            // An unknown word is no good news, as at the catalog's endpoints.
            "status" => out.status = HealthStatus::parse(&string(value, &field)?).unwrap_or_default(),
            "notes" => out.notes = string(value, &field)?,
            "output" => out.output = string(value, &field)?,
            "serviceid" => out.service_id = string(value, &field)?.into(),
            "servicename" => out.service_name = string(value, &field)?.into(),
            "servicetags" => out.service_tags = strings(value, &field)?,
            "definition" => out.definition = check_definition(known_definition(value))?,
            "createindex" => {}
            "modifyindex" => out.modify_index = Index(unsigned(&value, &field)?),
            // Known, and passed over, as Consul does in transactions.
            "type" | "namespace" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

/// What Consul's API keeps of a definition; it passes over the rest.
fn known_definition(value: Value) -> Value {
    const KNOWN: &[&str] = &[
        "http",
        "header",
        "method",
        "body",
        "tlsskipverify",
        "tcp",
        "interval",
        "intervalduration",
        "timeout",
        "timeoutduration",
        "deregistercriticalserviceafter",
        "deregistercriticalserviceafterduration",
    ];
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(key, _)| KNOWN.contains(&key.to_ascii_lowercase().as_str()));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_as_consul_does() {
        for (text, why) in [
            ("", "EOF"),
            ("[{", "unexpected EOF"),
            ("{}", "json: cannot unmarshal object into Go value of type api.TxnOps"),
            ("[5]", "json: cannot unmarshal number into Go value of type api.TxnOp"),
            (r#"[{"Session":{}}]"#, "json: unknown field \"Session\""),
            (r#"[{"KV":{"Foo":1}}]"#, "json: unknown field \"Foo\""),
            (r#"[{"KV":{"Index":"3"}}]"#, "json: cannot unmarshal string into Go struct field KVTxnOp.KV.Index of type uint64"),
            (r#"[{"KV":{"Index":-1}}]"#, "json: cannot unmarshal number -1 into Go struct field KVTxnOp.KV.Index of type uint64"),
            (r#"[{"KV":{"Key":5}}]"#, "json: cannot unmarshal number into Go struct field KVTxnOp.KV.Key of type string"),
            (r#"[{"KV":{"Value":5}}]"#, "json: cannot unmarshal number into Go struct field KVTxnOp.KV.Value of type []uint8"),
            (r#"[{"KV":{"Value":"!!"}}]"#, "illegal base64 data at input byte 0"),
            (r#"[{"KV":{"Value":"MQ"}}]"#, "illegal base64 data at input byte 0"),
            (
                r#"[{"Service":{"Service":{"Port":"80"}}}]"#,
                "json: cannot unmarshal string into Go struct field AgentService.Service.Service.Port of type int",
            ),
            (
                r#"[{"Node":{"Node":{"Address":5}}}]"#,
                "json: cannot unmarshal number into Go struct field Node.Node.Node.Address of type string",
            ),
            (r#"[{"Check":{"Check":{"Definition":{"Interval":"bad"}}}}]"#, "time: invalid duration \"bad\""),
        ] {
            let error = ops(text.as_bytes()).unwrap_err();
            assert_eq!((error.status().as_u16(), error.text()), (400, &*format!("Failed to parse body: {why}")), "{text}");
        }
    }

    #[test]
    fn reads_every_kind() {
        let text = br#"[{}, null, {"KV": null},
            {"kv": {"verb": "cas", "key": "k", "value": "MQ==", "index": 7, "flags": 18446744073709551615, "session": "s"},
             "Node": {"Verb": "get"}},
            {"Node": {"Verb": "delete-cas", "Node": {"Node": "n", "ModifyIndex": 5, "Meta": {"k": "v"}}}},
            {"Service": {"Verb": "set", "Node": "n", "Service": {"Service": "web", "Kind": "connect-proxy", "Tags": ["a"], "Port": 1}}},
            {"Check": {"Verb": "foo", "Check": {"Node": "n", "Name": "c", "Type": "t",
             "Definition": {"TCP": "x:1", "TTL": "5s", "IntervalDuration": 1000000000}}}}]"#;
        let all = ops(text).unwrap();
        assert!(all[..3].iter().all(Option::is_none));
        let Some(TxnOp::Kv { verb: TxnKvVerb::Cas, entry }) = &all[3] else { panic!() };
        assert_eq!(
            (&entry.value[..], entry.modify_index, entry.flags, entry.session.as_str()),
            (&b"1"[..], Index(7), u64::MAX, "s")
        );
        assert!(matches!(&all[4], Some(TxnOp::Node { verb: TxnVerb::DeleteCas, node }) if node.modify_index == Index(5)));
        let Some(TxnOp::Service { verb: TxnVerb::Set, node, service }) = &all[5] else { panic!() };
        assert_eq!((node.as_str(), service.kind.as_str(), service.weights.passing), ("n", "", 1));
        let Some(TxnOp::Check { verb, check }) = &all[6] else { panic!() };
        assert_eq!((verb, check.kind.as_str()), (&TxnVerb::Unknown("foo".into()), ""));
        assert_eq!(check.definition.0, serde_json::json!({"Interval": "1s", "TCP": "x:1"}));
        assert_eq!(ops(b"null").unwrap(), []);
    }
}
