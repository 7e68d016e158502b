//! Definitions as bodies of `PUT /v1/agent/service/register` and `/v1/agent/check/register`: decoded strictly and validated,
//! with the sentences Consul 1.8 answers (status 400).

use super::decode::{self, DecodeError};
use super::{CheckDefinition, ServiceDefinition, validate};
use serde_json::Value;

/// What the decoder says of a status word that does not exist.
pub(super) const BAD_STATUS: &str = "Bad check status";
/// What the decoder says of a negative output size.
pub(super) const BAD_OUTPUT_SIZE: &str = "MaxOutputMaxSize must be positive";

/// Reads a service to register. The error is the text to answer with status 400.
pub fn service(body: &Value) -> Result<ServiceDefinition, String> {
    let (definition, deferred) = split(decode::service_strict(body), body, decode_lenient_service)?;
    validate::service_basics(&definition)?;
    for check in &definition.checks {
        validate::check(check).map_err(|message| format!("Invalid check: {message}"))?;
    }
    match deferred {
        Some(message) if message == BAD_STATUS => Err("Status for checks must 'passing', 'warning', 'critical'".to_owned()),
        Some(message) => Err(format!("Invalid check: {message}")),
        None => Ok(definition),
    }
}

/// Reads a check to register. The error is the text to answer with status 400.
pub fn check(body: &Value) -> Result<CheckDefinition, String> {
    let (definition, deferred) = split(decode::check_strict(body), body, decode_lenient_check)?;
    if definition.name.is_empty() {
        return Err("Missing check name".to_owned());
    }
    if deferred.as_deref() == Some(BAD_STATUS) {
        return Err(BAD_STATUS.to_owned());
    }
    validate::check(&definition).map_err(|message| format!("Invalid check: {message}"))?;
    match deferred {
        Some(message) => Err(format!("Invalid check: {message}")),
        None => Ok(definition),
    }
}

/// Consul finds most problems while decoding, but a few only after it looked at the rest; those come back as `Some`.
fn split<T>(
    decoded: Result<T, Vec<DecodeError>>,
    body: &Value,
    lenient: fn(&Value) -> Option<T>,
) -> Result<(T, Option<String>), String> {
    let errors = match decoded {
        Ok(definition) => return Ok((definition, None)),
        Err(errors) => errors,
    };
    let is_late = |error: &&DecodeError| error.message == BAD_STATUS || error.message == BAD_OUTPUT_SIZE;
    if let Some(error) = errors.iter().find(|error| !is_late(error)) {
        return Err(format!("Request decode failed: {}", error.message));
    }
    let late = errors.into_iter().next().map(|error| error.message);
    match lenient(body) {
        Some(definition) => Ok((definition, late)),
        None => Err(late.unwrap_or_default()),
    }
}

fn decode_lenient_service(body: &Value) -> Option<ServiceDefinition> {
    decode::service_strict(&without_late_fields(body)).ok()
}

fn decode_lenient_check(body: &Value) -> Option<CheckDefinition> {
    decode::check_strict(&without_late_fields(body)).ok()
}

/// The body without the fields whose problems are told last.
fn without_late_fields(body: &Value) -> Value {
    let strip = |value: &mut Value| {
        if let Value::Object(map) = value {
            map.retain(|key, _| !matches!(key.to_ascii_lowercase().as_str(), "status" | "outputmaxsize" | "output_max_size"));
        }
    };
    let mut copy = body.clone();
    strip(&mut copy);
    if let Value::Object(map) = &mut copy {
        for (key, value) in map.iter_mut() {
            match (key.to_ascii_lowercase().as_str(), value) {
                ("check", value) => strip(value),
                ("checks", Value::Array(list)) => list.iter_mut().for_each(strip),
                _ => {}
            }
        }
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Bodies and what Consul 1.8.7 answered to them; an empty text: accepted.
    #[test]
    fn services_are_judged_as_consul_does() {
        let long = "x".repeat(513);
        for (body, expect) in [
            (json!({}), "Missing service name"),
            (json!(null), "Missing service name"),
            (json!({"ID": "only"}), "Missing service name"),
            (
                json!({"Name": "a", "Port": "80"}),
                "Request decode failed: json: cannot unmarshal string into Go struct field .Port of type int",
            ),
            (
                json!({"Name": "a", "Port": 80.0}),
                "Request decode failed: json: cannot unmarshal number 80.0 into Go struct field .Port of type int",
            ),
            (
                json!({"Name": 1}),
                "Request decode failed: json: cannot unmarshal number into Go struct field .Name of type string",
            ),
            (
                json!({"Name": "a", "Tags": "x"}),
                "Request decode failed: json: cannot unmarshal string into Go struct field .Tags of type []string",
            ),
            (
                json!({"Name": "a", "Tags": [1]}),
                "Request decode failed: json: cannot unmarshal number into Go struct field .Tags of type string",
            ),
            (
                json!({"Name": "a", "Meta": {"k": 1}}),
                "Request decode failed: json: cannot unmarshal number into Go struct field .Meta of type string",
            ),
            (
                json!({"Name": "a", "EnableTagOverride": 1}),
                "Request decode failed: json: cannot unmarshal number into Go struct field .EnableTagOverride of type bool",
            ),
            (json!({"Name": "a", "Unknown": 1}), "Request decode failed: json: unknown field \"Unknown\""),
            (json!({"Name": "a", "Check": {"TTL": "10s", "foo": 1}}), "Request decode failed: json: unknown field \"foo\""),
            (json!({"Name": "a", "Check": {"TTL": "10"}}), "Request decode failed: time: missing unit in duration \"10\""),
            (
                json!({"Name": "a", "Check": {"TTL": "60s", "SuccessBeforePassing": "2"}}),
                "Request decode failed: json: cannot unmarshal string into Go struct field .Check of type int",
            ),
            (
                json!({"Name": "a", "Checks": {"TTL": "60s"}}),
                "Request decode failed: json: cannot unmarshal object into Go struct field .Checks of type structs.CheckTypes",
            ),
            (
                json!({"Name": "a", "TaggedAddresses": {"lan": {"Address": "1.1.1.1", "Port": "1"}}}),
                "Request decode failed: json: cannot unmarshal string into Go struct field ServiceAddress.TaggedAddresses.Port of type int",
            ),
            (
                json!({"Name": "a", "TaggedAddresses": {"lan": "1.1.1.1"}}),
                "Request decode failed: json: cannot unmarshal string into Go struct field .TaggedAddresses of type structs.ServiceAddress",
            ),
            (
                json!({"Name": "a", "Weights": {"Passing": "2"}}),
                "Request decode failed: json: cannot unmarshal string into Go struct field Weights.Weights.Passing of type int",
            ),
            (json!({"Name": "a", "Weights": {"Passing": 0, "Warning": 0}}), "Invalid Weights: Passing must be greater than 0"),
            (
                json!({"Name": "a", "Weights": {"Passing": 1, "Warning": 70000}}),
                "Invalid Weights: DNS Weight must be between 0 and 65535",
            ),
            (
                json!({"Name": "a", "Meta": {"k": long}}),
                &format!(
                    "Invalid Service Meta: Couldn't load metadata pair ('k', '{long}'): Value is too long (limit: 512 characters)"
                ),
            ),
            (
                json!({"Name": "a", "Meta": {"consul-x": "x"}}),
                "Invalid Service Meta: Couldn't load metadata pair ('consul-x', 'x'): Key prefix 'consul-' is reserved for internal use",
            ),
            (
                json!({"Name": "a", "Meta": {"": "x"}}),
                "Invalid Service Meta: Couldn't load metadata pair ('', 'x'): Key cannot be blank",
            ),
            (
                json!({"Name": "a", "Meta": {"bad key!": "x"}}),
                "Invalid Service Meta: Couldn't load metadata pair ('bad key!', 'x'): Key contains invalid characters",
            ),
            (json!({"Name": "a", "Address": "[::]"}), "Invalid service address"),
            (
                json!({"Name": "a", "Check": {"HTTP": "http://x", "TCP": "y:1"}}),
                "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks",
            ),
            (
                json!({"Name": "a", "Check": {"DockerContainerID": "x", "Interval": "1s"}}),
                "Invalid check: TTL must be > 0 for TTL checks",
            ),
            (
                json!({"Name": "a", "Check": {"AliasNode": "x", "TTL": "1s"}}),
                "Invalid check: TTL must be not be set for Alias checks",
            ),
            (json!({"Name": "a", "Checks": [{}]}), "Invalid check: TTL must be > 0 for TTL checks"),
            (json!({"Name": "a", "Check": {"Name": "q"}}), "Invalid check: TTL must be > 0 for TTL checks"),
            (json!({"Name": "a", "Check": {"TTL": "-1s"}}), "Invalid check: TTL must be > 0 for TTL checks"),
            (
                json!({"Name": "a", "Check": {"HTTP": "http://x", "Interval": "1s", "OutputMaxSize": -1}}),
                "Invalid check: MaxOutputMaxSize must be positive",
            ),
            (
                json!({"Name": "a", "Check": {"TTL": "60s", "Status": "bad"}}),
                "Status for checks must 'passing', 'warning', 'critical'",
            ),
            (
                json!({"Name": "a", "Check": {"TTL": "60s", "CheckID": "cc", "ID": "dd"}}),
                "Request decode failed: json: unknown field \"ID\"",
            ),
            (json!({"Name": "a", "Check": {"Script": "true"}}), "Request decode failed: json: unknown field \"Script\""),
            (
                json!({"Name": "a", "Connect": {"Native": "x"}}),
                "Request decode failed: json: cannot unmarshal string into Go struct field .Connect of type bool",
            ),
            (json!({"Name": "a", "Proxy": {"foo": 1}}), "Request decode failed: json: unknown field \"foo\""),
            (
                json!({"Name": "a", "Kind": "terminating-gateway"}),
                "1 error occurred:\n\t* Port must be non-zero for a terminating-gateway\n\n",
            ),
            (
                json!({"Name": "a", "Kind": "connect-proxy", "Port": 1}),
                "1 error occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\n",
            ),
            (
                json!({"Name": "a", "Kind": "connect-proxy", "Proxy": {"DestinationServiceName": "b"}}),
                "1 error occurred:\n\t* Port must be set for a Connect proxy\n\n",
            ),
            (json!({"Name": "a", "Kind": "nonsense"}), ""),
            (json!({"Name": "a", "Check": {}}), ""),
            (json!({"NAME": "a", "Tags": null, "Meta": null, "Weights": null}), ""),
            (
                json!({"name": "a", "tagged_addresses": {"lan": {"address": "1.1.1.1", "port": 1}}, "enable_tag_override": true}),
                "",
            ),
            (json!({"Name": "a", "Check": {"ScriptArgs": ["true"], "Interval": "1s"}}), ""),
            (json!({"Name": "a", "Check": {"TTL": 10000000000u64, "FailuresBeforeCritical": -1}}), ""),
            (json!({"Name": "a", "Address": "unix:///x", "Kind": "mesh-gateway", "Port": 1, "Proxy": {}, "Connect": {}}), ""),
        ] {
            let got = service(&body).err().unwrap_or_default();
            assert_eq!(got, expect, "{body}");
        }
    }

    #[test]
    fn checks_are_judged_as_consul_does() {
        for (body, expect) in [
            (json!({"TTL": "10s"}), "Missing check name"),
            (json!({"Name": "a", "TTL": "60s", "CheckID": "zz"}), "Request decode failed: json: unknown field \"CheckID\""),
            (json!({"Name": "a", "TTL": "60s", "Foo": 1}), "Request decode failed: json: unknown field \"Foo\""),
            (json!({"Name": "a"}), "Invalid check: TTL must be > 0 for TTL checks"),
            (json!({"Name": "a", "TTL": "0s"}), "Invalid check: TTL must be > 0 for TTL checks"),
            (json!({"Name": "a", "Status": "wrong"}), "Bad check status"),
            (json!({"Name": "a", "TTL": "60s", "Status": "Passing"}), "Bad check status"),
            (
                json!({"Name": "a", "TTL": "10s", "HTTP": "x", "Interval": "5s"}),
                "Invalid check: Interval and TTL cannot both be specified",
            ),
            (json!({"Name": "a", "HTTP": "x"}), "Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks"),
            (json!({"Name": "a", "HTTP": "x", "Interval": "soon"}), "Request decode failed: time: invalid duration \"soon\""),
            (json!({"Name": "a", "TTL": "60s", "OutputMaxSize": -1}), "Invalid check: MaxOutputMaxSize must be positive"),
            (
                json!({"Name": "a", "HTTP": "x", "Interval": "1s", "Header": {"a": "x"}}),
                "Request decode failed: json: cannot unmarshal string into Go struct field .Header of type []string",
            ),
            (json!({"Name": "a", "TTL": "60s", "Interval": "0", "Status": ""}), ""),
            (json!({"name": "a", "ttl": "60s", "service_id": "s"}), ""),
            (json!({"Name": "a", "HTTP": "http://x", "TCP": "x:1", "Interval": 1000000000}), ""),
            (json!({"Name": "a", "AliasService": "x"}), ""),
        ] {
            let got = check(&body).err().unwrap_or_default();
            assert_eq!(got, expect, "{body}");
        }
    }
}
