//! What is refused before raft, in the words that Consul 1.8's users know.

use crate::uuid_text;
use lictor_types::coordinate::NodeCoordinate;
use lictor_types::duration;
use lictor_types::prepared_query::HIDDEN_TOKEN;
use lictor_types::{
    Deregister, Intention, IntentionVerb, KvEntry, KvVerb, NodeService, PreparedQuery, PreparedQueryVerb, Register, Session,
    SessionVerb, TxnKvVerb, TxnOp, TxnVerb,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest time to live of a session.
const TTL_MAX: Duration = Duration::from_secs(24 * 3600);
/// Dimensions of the coordinate space that all nodes share.
const COORDINATE_DIMENSIONS: usize = 8;

/// A registration.
pub(super) fn register(register: &Register) -> Result<(), String> {
    let node = &register.node;
    if node.node.is_empty() {
        return Err("Must provide node".to_owned());
    }
    if node.address.is_empty() && !register.skip_node_update {
        return Err("Must provide address if SkipNodeUpdate is not set".to_owned());
    }
    if !node.id.is_empty() {
        uuid_text::check_node_id(&node.id)?;
    }
    register.service.as_ref().map_or(Ok(()), service)
}

fn service(service: &NodeService) -> Result<(), String> {
    if !service.id.is_empty() && service.service.is_empty() {
        return Err("Must provide service name with ID".to_owned());
    }
    if service.id.is_empty() && service.service.is_empty() {
        return Err("failed inserting service: failed inserting service: object missing primary index".to_owned());
    }
    if matches!(service.address.as_str(), "0.0.0.0" | "::" | "[::]") {
        return Err("Invalid service address".to_owned());
    }
    let mut faults = Vec::new();
    let has_port = service.port != 0;
    match service.kind.as_str() {
        "connect-proxy" => {
            let destination = service.proxy.get("DestinationServiceName").and_then(|name| name.as_str()).unwrap_or_default();
            if destination.trim().is_empty() {
                faults.push("Proxy.DestinationServiceName must be non-empty for Connect proxy services");
            }
            if !has_port {
                faults.push("Port must be set for a Connect proxy");
            }
        }
        "mesh-gateway" if !has_port => faults.push("Port must be non-zero for a mesh-gateway"),
        _ => {}
    }
    match faults.len() {
        0 => Ok(()),
        1 => Err(format!("1 error occurred:\n\t* {}\n\n", faults.concat())),
        count => Err(format!("{count} errors occurred:\n\t* {}\n\n", faults.join("\n\t* "))),
    }
}

/// An operation of a transaction.
pub(crate) fn txn_op(op: &TxnOp) -> Result<(), String> {
    match op {
        TxnOp::Kv { verb: TxnKvVerb::DeleteTree, .. } => Ok(()),
        TxnOp::Kv { verb: TxnKvVerb::Lock, entry } => kv(KvVerb::Lock, entry),
        TxnOp::Kv { entry, .. } => kv(KvVerb::Set, entry),
        TxnOp::Node { verb: TxnVerb::Get, node } if node.id.is_empty() => Ok(()),
        TxnOp::Node { verb: TxnVerb::Get, node } => uuid_text::check_node_id(&node.id).map_err(|why| {
            let why = why.trim_start_matches("Bad node ID: ");
            format!("node lookup by ID failed, wrong UUID: {why} for '{}'", node.id)
        }),
        TxnOp::Node { node, .. } if node.node.is_empty() => Err("Must provide node".to_owned()),
        TxnOp::Node { node, .. } if node.id.is_empty() => Ok(()),
        TxnOp::Node { node, .. } => uuid_text::check_node_id(&node.id),
        TxnOp::Service { verb: TxnVerb::Get, .. } => Ok(()),
        // Without id and name it is for the state to say what is missing: the node may be missing too.
        TxnOp::Service { service, .. } if service.id.is_empty() && service.service.is_empty() => Ok(()),
        TxnOp::Service { service: row, .. } => service(row),
        TxnOp::Check { .. } => Ok(()),
        TxnOp::EndSession(id) => uuid_text::check(id).map_err(|fault| format!("failed session lookup: index error: {fault}")),
    }
}

/// A deregistration.
pub(super) fn deregister(deregister: &Deregister) -> Result<(), String> {
    if deregister.node.is_empty() { Err("Must provide node".to_owned()) } else { Ok(()) }
}

/// A write to a key.
pub(super) fn kv(verb: KvVerb, entry: &KvEntry) -> Result<(), String> {
    if entry.key.is_empty() && verb != KvVerb::DeleteTree {
        return Err("Must provide key".to_owned());
    }
    if verb == KvVerb::Lock && !entry.session.is_empty() {
        uuid_text::check(&entry.session).map_err(|fault| format!("failed session lookup: index error: {fault}"))?;
    }
    Ok(())
}

/// A session.
pub(super) fn session(verb: SessionVerb, session: &Session, ttl_min: Duration) -> Result<(), String> {
    match verb {
        SessionVerb::Destroy if session.id.is_empty() => Err("Must provide ID".to_owned()),
        SessionVerb::Destroy => Ok(()),
        SessionVerb::Create if session.node.is_empty() => Err("Must provide Node".to_owned()),
        SessionVerb::Create if session.ttl.is_empty() => Ok(()),
        SessionVerb::Create => {
            let ttl = &session.ttl;
            let nanos = duration::parse_nanos(ttl).map_err(|error| format!("Session TTL '{ttl}' invalid: {error}"))?;
            let as_duration = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
            if nanos != 0 && !(ttl_min..=TTL_MAX).contains(&as_duration) {
                let (least, most) = (duration::format(ttl_min), duration::format(TTL_MAX));
                return Err(format!("Invalid Session TTL '{nanos}', must be between [{least}={most}]"));
            }
            Ok(())
        }
    }
}

/// A prepared query. Its name, session and template are for the state to judge.
pub(super) fn prepared_query(verb: PreparedQueryVerb, query: &PreparedQuery) -> Result<(), String> {
    if verb == PreparedQueryVerb::Delete {
        return Ok(());
    }
    let judge = || {
        if query.rule_name().is_none() && query.session.is_empty() {
            return Err("Must be bound to a session".to_owned());
        }
        if query.token.secret() == HIDDEN_TOKEN {
            return Err(format!(
                "Bad Token '{HIDDEN_TOKEN}', it looks like a query definition with a redacted token was submitted"
            ));
        }
        if query.service.service.is_empty() {
            return Err("Must provide a Service name to query".to_owned());
        }
        let nearest = query.service.failover.nearest_n;
        if nearest < 0 {
            return Err(format!("Bad NearestN '{nearest}', must be >= 0"));
        }
        query.service.node_meta.as_ref().map_or(Ok(()), metadata)?;
        let ttl = &query.dns.ttl;
        if ttl.is_empty() {
            return Ok(());
        }
        match duration::parse_nanos(ttl) {
            Err(error) => Err(format!("Bad DNS TTL '{ttl}': {error}")),
            Ok(nanos) if nanos < 0 => Err(format!("DNS TTL '{nanos}', must be >=0")),
            Ok(_) => Ok(()),
        }
    };
    judge().map_err(|why: String| format!("Invalid prepared query: {why}"))?;
    // The index of sessions is what tells of an id that is none.
    if !query.session.is_empty() {
        uuid_text::check(&query.session).map_err(|fault| format!("invalid session: index error: {fault}"))?;
    }
    Ok(())
}

/// An intention. Whether its id or its pair is known is for the state to judge.
pub(super) fn intention(verb: IntentionVerb, intention: &Intention) -> Result<(), String> {
    if matches!(verb, IntentionVerb::Update | IntentionVerb::Delete) {
        uuid_text::check(&intention.id)
            .map_err(|fault| format!("Intention lookup failed: failed intention lookup: index error: {fault}"))?;
    }
    match verb {
        IntentionVerb::Delete | IntentionVerb::DeleteExact => Ok(()),
        IntentionVerb::Create | IntentionVerb::Update | IntentionVerb::Upsert => intention.validate(),
    }
}

/// Pairs of metadata a filter may have, and their lengths.
const META_PAIRS_MAX: usize = 64;
const META_KEY_LEN_MAX: usize = 128;
const META_VALUE_LEN_MAX: usize = 512;

/// Metadata of a node that is asked for.
fn metadata(meta: &BTreeMap<String, String>) -> Result<(), String> {
    if meta.len() > META_PAIRS_MAX {
        return Err(format!("Node metadata cannot contain more than {META_PAIRS_MAX} key/value pairs"));
    }
    for (key, value) in meta {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let what = match key {
            _ if key.is_empty() => "Key cannot be blank".to_owned(),
            _ if !key.chars().all(fits) => "Key contains invalid characters".to_owned(),
            _ if key.len() > META_KEY_LEN_MAX => format!("Key is too long (limit: {META_KEY_LEN_MAX} characters)"),
            _ if value.len() > META_VALUE_LEN_MAX => format!("Value is too long (limit: {META_VALUE_LEN_MAX} characters)"),
            _ => continue,
        };
        return Err(format!("Couldn't load metadata pair ('{key}', '{value}'): {what}"));
    }
    Ok(())
}

/// A coordinate.
pub(super) fn coordinate(row: &NodeCoordinate) -> Result<(), String> {
    let coord = &row.coord;
    let all_finite = coord.vec.iter().chain([&coord.error, &coord.adjustment, &coord.height]).all(|value| value.is_finite());
    if !all_finite {
        return Err("invalid coordinate".to_owned());
    }
    if coord.vec.len() != COORDINATE_DIMENSIONS {
        return Err("incompatible coordinate".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(body: serde_json::Value) -> Register {
        let node = lictor_types::Node {
            id: body["ID"].as_str().unwrap_or_default().into(),
            node: body["Node"].as_str().unwrap_or_default().into(),
            address: body["Address"].as_str().unwrap_or_default().into(),
            ..Default::default()
        };
        let service = (!body["Service"].is_null()).then(|| NodeService {
            kind: body["Service"]["Kind"].as_str().unwrap_or_default().into(),
            id: body["Service"]["ID"].as_str().unwrap_or_default().into(),
            service: body["Service"]["Service"].as_str().unwrap_or_default().into(),
            address: body["Service"]["Address"].as_str().unwrap_or_default().into(),
            ..Default::default()
        });
        Register { node, service, skip_node_update: body["SkipNodeUpdate"] == true, ..Default::default() }
    }

    #[test]
    fn registrations() {
        for (body, sentence) in [
            (json!({"Address": "1.1.1.1"}), "Must provide node"),
            (json!({"Node": "x"}), "Must provide address if SkipNodeUpdate is not set"),
            (json!({"Node": "x", "Address": "a", "ID": "1"}), "Bad node ID: uuid string is wrong length"),
            (json!({"Node": "x", "Address": "a", "Service": {"ID": "s"}}), "Must provide service name with ID"),
            (json!({"Node": "x", "Address": "a", "Service": {"Service": "s", "Address": "0.0.0.0"}}), "Invalid service address"),
            (
                json!({"Node": "x", "Address": "a", "Service": {"Service": "s", "Kind": "mesh-gateway"}}),
                "1 error occurred:\n\t* Port must be non-zero for a mesh-gateway\n\n",
            ),
            (
                json!({"Node": "x", "Address": "a", "Service": {"Service": "s", "Kind": "connect-proxy"}}),
                "2 errors occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\t* Port must be set for a Connect proxy\n\n",
            ),
        ] {
            assert_eq!(register(&of(body.clone())), Err(sentence.to_owned()), "{body}");
        }
        assert_eq!(register(&of(json!({"Node": "x", "SkipNodeUpdate": true}))), Ok(()));
        assert_eq!(register(&of(json!({"Node": "x", "Address": "a", "Service": {"Service": "s"}}))), Ok(()));
    }

    #[test]
    fn sessions() {
        let check = |node: &str, ttl: &str| {
            let given = Session { node: node.into(), ttl: ttl.into(), ..Session::default() };
            session(SessionVerb::Create, &given, Duration::from_secs(10))
        };
        for (node, ttl, sentence) in [
            ("", "abc", "Must provide Node"),
            ("n", "5s", "Invalid Session TTL '5000000000', must be between [10s=24h0m0s]"),
            ("n", "-5s", "Invalid Session TTL '-5000000000', must be between [10s=24h0m0s]"),
            ("n", "90000s", "Invalid Session TTL '90000000000000', must be between [10s=24h0m0s]"),
            ("n", "15", "Session TTL '15' invalid: time: missing unit in duration \"15\""),
        ] {
            assert_eq!(check(node, ttl), Err(sentence.to_owned()), "{ttl}");
        }
        for ttl in ["", "0s", "10s", "24h"] {
            assert_eq!(check("n", ttl), Ok(()), "{ttl}");
        }
    }

    #[test]
    fn prepared_queries() {
        let check = |body: serde_json::Value| {
            let query = serde_json::from_value(body).unwrap();
            prepared_query(PreparedQueryVerb::Create, &query).err()
        };
        let meta = |key: &str, value: &str| json!({"Name": "x", "Service": {"Service": "y", "NodeMeta": {key: value}}});
        let (key, value) = ("k".repeat(129), "v".repeat(513));
        let many: BTreeMap<String, String> = (0..65).map(|number| (number.to_string(), String::new())).collect();
        for (body, sentence) in [
            (json!({}), "Must be bound to a session"),
            (
                json!({"Name": "x", "Token": "<hidden>"}),
                "Bad Token '<hidden>', it looks like a query definition with a redacted token was submitted",
            ),
            (json!({"Name": "x"}), "Must provide a Service name to query"),
            (json!({"Name": "x", "Service": {"Service": "y", "Failover": {"NearestN": -1}}}), "Bad NearestN '-1', must be >= 0"),
            (json!({"Name": "x", "Service": {"Service": "y"}, "DNS": {"TTL": "-5s"}}), "DNS TTL '-5000000000', must be >=0"),
            (
                json!({"Name": "x", "Service": {"Service": "y"}, "DNS": {"TTL": "10"}}),
                "Bad DNS TTL '10': time: missing unit in duration \"10\"",
            ),
            (
                json!({"Name": "x", "Service": {"Service": "y"}, "DNS": {"TTL": "abc"}}),
                "Bad DNS TTL 'abc': time: invalid duration \"abc\"",
            ),
            (meta("", "v"), "Couldn't load metadata pair ('', 'v'): Key cannot be blank"),
            (meta("a b", "v"), "Couldn't load metadata pair ('a b', 'v'): Key contains invalid characters"),
            (meta(&key, "v"), &format!("Couldn't load metadata pair ('{key}', 'v'): Key is too long (limit: 128 characters)")),
            (
                meta("k", &value),
                &format!("Couldn't load metadata pair ('k', '{value}'): Value is too long (limit: 512 characters)"),
            ),
            (
                json!({"Name": "x", "Service": {"Service": "y", "NodeMeta": many}}),
                "Node metadata cannot contain more than 64 key/value pairs",
            ),
        ] {
            assert_eq!(check(body.clone()), Some(format!("Invalid prepared query: {sentence}")), "{body}");
        }
        let bound = |session: &str| json!({"Session": session, "Service": {"Service": "y"}});
        assert_eq!(check(bound("nope")), Some("invalid session: index error: UUID must be 36 characters".to_owned()));
        assert_eq!(check(bound("11111111-2222-3333-4444-555555555555")), None);
        assert_eq!(check(json!({"Template": {"Type": "bogus"}, "Service": {"Service": "y"}})), None);
        assert_eq!(check(meta("consul-x", "v")), None);
        assert_eq!(prepared_query(PreparedQueryVerb::Delete, &PreparedQuery::default()), Ok(()));
    }

    #[test]
    fn keys_and_coordinates() {
        let entry = |key: &str, session: &str| KvEntry { key: key.into(), session: session.into(), ..KvEntry::default() };
        assert_eq!(kv(KvVerb::Set, &entry("", "")), Err("Must provide key".to_owned()));
        assert_eq!(kv(KvVerb::DeleteTree, &entry("", "")), Ok(()));
        let bad_lock = Err("failed session lookup: index error: UUID must be 36 characters".to_owned());
        assert_eq!(kv(KvVerb::Lock, &entry("a", "zz")), bad_lock);
        assert_eq!(kv(KvVerb::Unlock, &entry("a", "zz")), Ok(()));
        let mut row = NodeCoordinate::default();
        assert!(coordinate(&row).is_err());
        row.coord.vec = vec![0.0; 8];
        assert_eq!(coordinate(&row), Ok(()));
        row.coord.height = f64::NAN;
        assert!(coordinate(&row).is_err());
    }
}
