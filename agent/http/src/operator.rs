//! `/v1/operator/*`: raft's members, autopilot, the keys of gossip encryption.

use crate::body;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::params::parse_uint;
use crate::respond::{self, Reply};
use http::Method;
use lictor_types::{
    AutopilotConfig, Command, Index, KeyringRequest, KeyringVerb, Operated, Operation, Outcome, Query, QueryMeta, RaftOperation,
    Reply as Answered, duration,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) async fn raft_configuration(call: &Call<'_>) -> Result<Reply, HttpError> {
    let answer = call.query(&Query::RaftConfiguration, &call.read_options()?).await?;
    Ok(call.style.json(&answer.content.reply))
}

pub(crate) async fn remove_peer(call: &Call<'_>) -> Result<Reply, HttpError> {
    let operation = match (call.params.get("id"), call.params.get("address")) {
        ("", "") => {
            let text = "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove";
            return Err(HttpError::bad_request(format!("Bad request: {text}")));
        }
        (id, "") => RaftOperation::RemovePeerById(id.to_owned()),
        ("", address) => RaftOperation::RemovePeerByAddress(address.to_owned()),
        _ => return Err(HttpError::bad_request("Bad request: Must specify only one of ?id or ?address")),
    };
    call.app.cluster.operate(&Operation::Raft(operation), &call.write_options()).await?;
    Ok(respond::empty())
}

/// Not in Consul 1.8.
pub(crate) async fn transfer_leader(call: &Call<'_>) -> Result<Reply, HttpError> {
    let operation = Operation::Raft(RaftOperation::TransferLeader(call.params.get("id").to_owned()));
    call.app.cluster.operate(&operation, &call.write_options()).await?;
    Ok(call.style.json(&serde_json::json!({"Success": true})))
}

pub(crate) async fn autopilot_health(call: &Call<'_>) -> Result<Reply, HttpError> {
    let answer = call.query(&Query::AutopilotHealth, &call.read_options()?).await?;
    let Answered::AutopilotHealth(health) = &answer.content.reply else {
        return Err(HttpError::failed("internal error: not a health"));
    };
    // So that a load balancer need not read the body.
    let status = if health.healthy { http::StatusCode::OK } else { http::StatusCode::TOO_MANY_REQUESTS };
    Ok(call.style.json_with(status, health))
}

pub(crate) async fn autopilot_configuration(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    if call.parts.method != Method::PUT {
        let answer = call.query(&Query::AutopilotConfig, &call.read_options()?).await?;
        let Answered::AutopilotConfig(Some(config)) = &answer.content.reply else {
            return Err(HttpError::failed("autopilot config not found"));
        };
        return Ok(call.style.json(&**config));
    }
    let bytes = call.body(call.app.settings.max_body_bytes, None).await?;
    let config = body::parse(&bytes)
        .map_err(|error| error.text().to_owned())
        .and_then(read_config)
        .map_err(|why| HttpError::bad_request(format!("Bad request: Error parsing autopilot config: {why}")))?;
    let cas = if call.params.has("cas") {
        let wrong = |error: HttpError| HttpError::bad_request(format!("Bad request: Error parsing cas value: {}", error.text()));
        Some(Index(parse_uint(call.params.get("cas")).map_err(wrong)?))
    } else {
        None
    };
    let outcome = call.app.cluster.apply(Command::Autopilot { config, cas }, &call.write_options()).await?;
    Ok(call.style.json(&!matches!(outcome, Outcome::Decided(false))))
}

/// The body of a `PUT`: what is not named is zero, as in Consul; durations are texts or nanoseconds.
fn read_config(body: Value) -> Result<AutopilotConfig, String> {
    let Value::Object(pairs) = body else { return Err("not an object".to_owned()) };
    let mut config = AutopilotConfig {
        cleanup_dead_servers: false,
        last_contact_threshold: Duration::ZERO,
        max_trailing_logs: 0,
        server_stabilization_time: Duration::ZERO,
        ..AutopilotConfig::default()
    };
    for (key, value) in pairs {
        let misfit = || format!("{key} cannot be {value}");
        let flag = || value.as_bool().ok_or_else(misfit);
        let text = || value.as_str().map(str::to_owned).ok_or_else(misfit);
        let span = || match &value {
            Value::String(text) => duration::parse(text).map_err(|error| format!("{key}: {error}")),
            other => other.as_u64().map(Duration::from_nanos).ok_or_else(misfit),
        };
        match key.to_ascii_lowercase().as_str() {
            "cleanupdeadservers" => config.cleanup_dead_servers = flag()?,
            "lastcontactthreshold" => config.last_contact_threshold = span()?,
            "maxtrailinglogs" => config.max_trailing_logs = value.as_u64().ok_or_else(misfit)?,
            "minquorum" => {
                config.min_quorum = value.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or_else(misfit)?;
            }
            "serverstabilizationtime" => config.server_stabilization_time = span()?,
            "redundancyzonetag" => config.redundancy_zone_tag = text()?,
            "disableupgrademigration" => config.disable_upgrade_migration = flag()?,
            "upgradeversiontag" => config.upgrade_version_tag = text()?,
            "createindex" | "modifyindex" => {}
            _ => return Err(format!("{key:?} is not known")),
        }
    }
    Ok(config)
}

/// How much there is, in this datacenter or with `?global` in all that answer. Not in Consul 1.8.
pub(crate) async fn usage(call: &Call<'_>) -> Result<Reply, HttpError> {
    let mut options = call.read_options()?;
    let datacenters = match (call.params.has("global"), options.query.datacenter.as_str()) {
        (true, _) => match &call.query(&Query::Datacenters, &options).await?.content.reply {
            Answered::Names(names) => names.clone(),
            _ => return Err(HttpError::failed("internal error: not names")),
        },
        (false, "") => vec![call.app.node.datacenter().to_owned()],
        (false, named) => vec![named.to_owned()],
    };
    let mut told: BTreeMap<&str, Value> = BTreeMap::new();
    let mut meta = QueryMeta::default();
    for datacenter in &datacenters {
        options.query.datacenter.clone_from(datacenter);
        let answer = match call.query(&Query::Usage, &options).await {
            Ok(answer) => answer,
            // One that cannot be reached does not keep back what is known of the others.
            Err(_) if datacenters.len() > 1 => continue,
            Err(error) => return Err(error.into()),
        };
        told.insert(datacenter, json!(answer.content.reply));
        if datacenters.len() == 1 || datacenter.eq_ignore_ascii_case(call.app.node.datacenter()) {
            meta = answer.meta;
        }
    }
    let body = json!({
        "Usage": told,
        "Index": meta.index,
        "LastContact": u64::try_from(meta.last_contact.as_nanos()).unwrap_or(u64::MAX),
        "KnownLeader": meta.known_leader,
        "ConsistencyLevel": respond::consistency_word(options.query.consistency),
        "NotModified": false,
        "Backend": 0,
        "ResultsFilteredByACLs": meta.filtered_by_acls,
    });
    let mut reply = call.style.json(&body);
    respond::set_meta(reply.headers_mut(), &meta);
    Ok(reply)
}

pub(crate) async fn keyring(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let verb = match call.parts.method.as_str() {
        "POST" => KeyringVerb::Install,
        "PUT" => KeyringVerb::Use,
        "DELETE" => KeyringVerb::Remove,
        _ => KeyringVerb::List,
    };
    // Every member is asked directly here, so the number of relays only has to be one that Consul takes.
    let relays = call.params.get("relay-factor");
    if !relays.is_empty() && !relays.parse::<u8>().is_ok_and(|number| number <= 5) {
        let why = match relays.parse::<i64>() {
            Ok(_) => "Relay factor must be in range: [0, 5]".to_owned(),
            Err(_) => format!("Error parsing relay factor: {relays:?} is no number"),
        };
        return Err(HttpError::bad_request(format!("Bad request: Invalid relay-factor: {why}")));
    }
    let local_only = call.params.has("local-only") && matches!(call.params.get("local-only"), "" | "1" | "true");
    if local_only && verb != KeyringVerb::List {
        return Err(HttpError::bad_request("Bad request: local-only can only be used with GET requests"));
    }
    let key = if verb == KeyringVerb::List { String::new() } else { read_key(call).await? };
    let request = KeyringRequest { verb, key, local_only };
    let operation = Operation::Keyring(request);
    let Operated::Keyring(replies) = call.app.cluster.operate(&operation, &call.write_options()).await? else {
        return Err(HttpError::failed("internal error: not a keyring"));
    };
    let faults: Vec<String> = replies.iter().flat_map(|reply| reply.faults()).collect();
    if !faults.is_empty() {
        let count = if faults.len() == 1 { "1 error".to_owned() } else { format!("{} errors", faults.len()) };
        let list: String = faults.iter().map(|fault| format!("\t* {fault}\n")).collect();
        return Err(HttpError::failed(format!("{count} occurred:\n{list}\n")));
    }
    Ok(if verb == KeyringVerb::List { call.style.json(&replies) } else { respond::empty() })
}

async fn read_key(call: &mut Call<'_>) -> Result<String, HttpError> {
    let refuse = |why: String| HttpError::bad_request(format!("Bad request: {why}"));
    match call.json_body().await.map_err(|error| refuse(error.text().to_owned()))? {
        Value::Object(pairs) => {
            let found = pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("key")).map(|(_, value)| value);
            match found {
                Some(Value::String(key)) => Ok(key),
                None | Some(Value::Null) => Ok(String::new()),
                Some(other) => Err(refuse(format!("Key cannot be {other}"))),
            }
        }
        other => Err(refuse(format!("{other} is no object with a Key"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_named_is_zero() {
        let config =
            read_config(json!({"CleanupDeadServers": true, "LastContactThreshold": "1s", "maxtrailinglogs": 7})).unwrap();
        assert!(config.cleanup_dead_servers);
        assert_eq!((config.last_contact_threshold, config.max_trailing_logs), (Duration::from_secs(1), 7));
        assert_eq!(config.server_stabilization_time, Duration::ZERO);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (body, named) in [
            (json!([]), "object"),
            (json!({"Nonsense": 1}), "Nonsense"),
            (json!({"MaxTrailingLogs": -1}), "MaxTrailingLogs"),
            (json!({"LastContactThreshold": "soon"}), "LastContactThreshold"),
        ] {
            assert!(read_config(body.clone()).unwrap_err().contains(named), "{body}");
        }
    }
}
