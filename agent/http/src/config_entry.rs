//! `/v1/config`: central configuration entries, and what they make of services.

use crate::body;
use crate::catalog::{named, read};
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::params::parse_uint;
use crate::respond::{self, Reply};
use http::{Method, StatusCode};
use lictor_rpc::ClusterError;
use lictor_types::config_entry::{ProxyDefaults, ServiceDefaults, Span};
use lictor_types::discovery_chain::ChainRequest;
use lictor_types::{
    Command, ConfigEntry, ConfigEntryVerb, EntryBody, EntryKind, Index, Outcome, Query, Reply as Answered, duration,
};
use serde::Serialize;
use serde_json::{Value, json};

pub(crate) async fn write(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let refuse = |why: String| HttpError::bad_request(format!("Bad request: Request decoding failed: {why}"));
    let given = call.body(call.app.settings.max_body_bytes, None).await?;
    let given = body::parse(&given).map_err(|error| refuse(body::why(&error).to_owned()))?;
    let mut entry = ConfigEntry::decode(given).map_err(|error| refuse(error.to_string()))?;
    let verb = match call.params.get("cas") {
        "" => ConfigEntryVerb::Set,
        index => {
            entry.modify_index = Index(parse_uint(index)?);
            ConfigEntryVerb::Cas
        }
    };
    let command = Command::ConfigEntry { verb, entry: Box::new(entry) };
    let outcome = call.app.cluster.apply(command, &call.write_options()).await?;
    Ok(call.style.json(&(outcome != Outcome::Decided(false))))
}

pub(crate) async fn look(call: &Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    let Some((kind, name)) = call.tail.split_once('/') else {
        let kind = if call.tail.is_empty() { None } else { Some(kind_of(&call.tail)?) };
        let answer = call.query(&Query::ConfigEntries(kind), &options).await?;
        let mut reply = call.style.shared(&answer.content, &answer.content.reply);
        respond::set_meta(reply.headers_mut(), &answer.meta);
        return Ok(reply);
    };
    let query = Query::ConfigEntry { kind: kind_of(kind)?, name: name.to_owned() };
    let answer = call.query(&query, &options).await?;
    let Answered::ConfigEntries(rows) = &answer.content.reply else { return Err(HttpError::failed("internal error")) };
    let mut reply = match rows.first() {
        Some(entry) => call.style.json(&**entry),
        None => respond::text(StatusCode::NOT_FOUND, format!("Config entry not found for {kind:?} / {name:?}")),
    };
    respond::set_meta(reply.headers_mut(), &answer.meta);
    Ok(reply)
}

pub(crate) async fn delete(call: &Call<'_>) -> Result<Reply, HttpError> {
    let Some((kind, name)) = call.tail.split_once('/') else {
        return Err(HttpError::not_found("Must provide both a kind and name to delete"));
    };
    let kind = EntryKind::parse(kind).map_err(HttpError::bad_request)?;
    let mut entry = Box::new(ConfigEntry::new(name, nothing(kind)));
    // Not in Consul 1.8; a conditional deletion says whether it took place.
    let verb = match call.params.get("cas") {
        "" => ConfigEntryVerb::Delete,
        index => {
            entry.modify_index = Index(parse_uint(index)?);
            ConfigEntryVerb::DeleteCas
        }
    };
    let outcome = call.app.cluster.apply(Command::ConfigEntry { verb, entry }, &call.write_options()).await?;
    Ok(match outcome {
        Outcome::Decided(done) => call.style.json(&done),
        _ => call.style.json(&json!({})),
    })
}

fn kind_of(name: &str) -> Result<EntryKind, HttpError> {
    EntryKind::parse(name).map_err(HttpError::failed)
}

/// A body that says nothing: of an entry that is to be deleted only kind and name count.
fn nothing(kind: EntryKind) -> EntryBody {
    match kind {
        EntryKind::IngressGateway => EntryBody::IngressGateway(Default::default()),
        EntryKind::ProxyDefaults => EntryBody::ProxyDefaults(ProxyDefaults::default()),
        EntryKind::ServiceDefaults => EntryBody::ServiceDefaults(ServiceDefaults::default()),
        EntryKind::ServiceResolver => EntryBody::ServiceResolver(Default::default()),
        EntryKind::ServiceRouter => EntryBody::ServiceRouter(Default::default()),
        EntryKind::ServiceSplitter => EntryBody::ServiceSplitter(Default::default()),
        EntryKind::TerminatingGateway => EntryBody::TerminatingGateway(Default::default()),
    }
}

pub(crate) async fn gateway_services(call: &Call<'_>) -> Result<Reply, HttpError> {
    let gateway = named(call, "Missing gateway name")?;
    read(call, Query::GatewayServices(gateway.to_owned()), false).await
}

pub(crate) async fn discovery_chain(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    if call.tail.is_empty() {
        return Err(HttpError::bad_request("Bad request: Missing chain name"));
    }
    let mut request = ChainRequest { datacenter: call.params.get("compile-dc").to_owned(), ..ChainRequest::of(&call.tail) };
    if call.parts.method == Method::POST {
        wishes(call.body(call.app.settings.max_body_bytes, None).await?.as_ref(), &mut request)?;
    }
    let query = Query::DiscoveryChain(Box::new(request));
    let (answer, age) = if options.cached {
        let recalled = call.recall(&query, &options, options.control.of_followed()).await?;
        (recalled.answer, Some(recalled.age))
    } else {
        let told = |error| match error {
            ClusterError::PermissionDenied | ClusterError::AclNotFound => HttpError::from(error).with_meta(),
            other => other.into(),
        };
        (call.query(&query, &options).await.map_err(told)?, None)
    };
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Told<'a> {
        chain: &'a Answered,
    }
    let mut reply = call.style.json(&Told { chain: &answer.content.reply });
    respond::set_meta(reply.headers_mut(), &answer.meta);
    if let Some(age) = age {
        respond::set_cache(reply.headers_mut(), age);
    }
    Ok(reply)
}

/// What the caller would have otherwise. Keys that are not known are passed over, as Consul does here.
fn wishes(bytes: &[u8], request: &mut ChainRequest) -> Result<(), HttpError> {
    let refuse = |why: String| HttpError::bad_request(format!("Bad request: Request decoding failed: {why}"));
    let misfit = |key: &str, value: &Value| refuse(format!("{key} cannot be {value}"));
    let given = match body::parse(bytes).map_err(|error| refuse(body::why(&error).to_owned()))? {
        Value::Object(pairs) => pairs,
        Value::Null => return Ok(()),
        other => return Err(refuse(format!("{other} is no object"))),
    };
    for (key, value) in given {
        match (key.to_ascii_lowercase().as_str(), &value) {
            (_, Value::Null) => {}
            ("overrideprotocol", Value::String(protocol)) => request.protocol.clone_from(protocol),
            ("overrideconnecttimeout", Value::String(text)) => {
                request.connect_timeout = Span(duration::parse_nanos(text).map_err(|error| refuse(error.to_string()))?);
            }
            ("overrideconnecttimeout", Value::Number(nanos)) => {
                request.connect_timeout = Span(nanos.as_i64().ok_or_else(|| misfit(&key, &value))?);
            }
            ("overridemeshgateway", Value::Object(pairs)) => {
                let mode = pairs.iter().find(|(name, _)| name.eq_ignore_ascii_case("mode")).map(|(_, value)| value);
                request.mesh_gateway = match mode {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(mode)) if matches!(mode.as_str(), "" | "none" | "local" | "remote") => mode.clone(),
                    Some(_) => return Err(HttpError::bad_request("Invalid OverrideMeshGateway.Mode parameter")),
                };
            }
            ("overrideprotocol" | "overrideconnecttimeout" | "overridemeshgateway", _) => return Err(misfit(&key, &value)),
            _ => {}
        }
    }
    Ok(())
}
