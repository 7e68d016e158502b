//! The `Definition` object of a catalog check: canonical form and kind.
//! Source: <https://developer.hashicorp.com/consul/api-docs/v1.8.x/catalog> and answers of Consul 1.8.7.

use super::HealthCheckDefinition;
use serde_json::{Map, Value, json};

/// What a field holds.
#[derive(Clone, Copy)]
enum Field {
    Text,
    Flag,
    Number,
    List,
    Object,
    /// A duration, printed in Go's notation.
    Duration,
    /// A duration, printed in nanoseconds.
    Nanos,
}

const FIELDS: [(&str, Field); 18] = [
    ("Interval", Field::Duration),
    ("Timeout", Field::Duration),
    ("DeregisterCriticalServiceAfter", Field::Duration),
    ("HTTP", Field::Text),
    ("TLSSkipVerify", Field::Flag),
    ("Header", Field::Object),
    ("Method", Field::Text),
    ("Body", Field::Text),
    ("TCP", Field::Text),
    ("OutputMaxSize", Field::Number),
    ("ScriptArgs", Field::List),
    ("DockerContainerID", Field::Text),
    ("Shell", Field::Text),
    ("GRPC", Field::Text),
    ("GRPCUseTLS", Field::Flag),
    ("AliasNode", Field::Text),
    ("AliasService", Field::Text),
    ("TTL", Field::Nanos),
];

fn nanos(value: &Value) -> i64 {
    match value {
        Value::Number(number) => number.as_i64().unwrap_or(0),
        Value::String(text) => crate::duration::parse_nanos(text).unwrap_or(0),
        _ => 0,
    }
}

fn go_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}{}", crate::duration::format(std::time::Duration::from_nanos(nanos.unsigned_abs())))
}

/// The value in canonical form; `None` when it is the field's zero, which is not printed.
fn canonical(field: Field, value: &Value) -> Option<Value> {
    match (field, value) {
        (Field::Duration, value) => Some(nanos(value)).filter(|n| *n != 0).map(|n| json!(go_duration(n))),
        (Field::Nanos, value) => Some(nanos(value)).filter(|n| *n != 0).map(|n| json!(n)),
        (Field::Text, Value::String(text)) if !text.is_empty() => Some(value.clone()),
        (Field::Flag, Value::Bool(true)) => Some(value.clone()),
        (Field::Number, Value::Number(number)) if number.as_f64() != Some(0.0) => Some(value.clone()),
        (Field::List, Value::Array(items)) if !items.is_empty() => Some(value.clone()),
        (Field::Object, Value::Object(fields)) if !fields.is_empty() => Some(value.clone()),
        _ => None,
    }
}

impl HealthCheckDefinition {
    /// The definition as the catalog keeps it: known fields by their exact names (given in any letter case), durations in one
    /// notation, zero values and unknown fields left out.
    pub fn canonical(&self) -> Self {
        let mut kept = Map::new();
        if let Value::Object(given) = &self.0 {
            for (name, field) in FIELDS {
                let value =
                    given.get(name).or_else(|| given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v));
                if let Some(value) = value.and_then(|value| canonical(field, value)) {
                    kept.insert(name.to_owned(), value);
                }
            }
        }
        Self(Value::Object(kept))
    }

    /// Kind of probe a canonical definition describes, as Consul's `Type` names it; empty when it describes none.
    pub fn kind(&self) -> &'static str {
        let has = |name: &str| self.0.get(name).is_some();
        let periodic = has("Interval");
        if has("GRPC") && periodic {
            "grpc"
        } else if has("HTTP") && periodic {
            "http"
        } else if has("TTL") {
            "ttl"
        } else if has("TCP") && periodic {
            "tcp"
        } else if has("AliasNode") || has("AliasService") {
            "alias"
        } else if has("DockerContainerID") && has("ScriptArgs") && periodic {
            "docker"
        } else if has("ScriptArgs") {
            "script"
        } else {
            ""
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms_and_kinds() {
        // Each pair was answered so by Consul 1.8.7.
        let cases = [
            (json!({}), json!({}), ""),
            (json!(null), json!({}), ""),
            (
                json!({"HTTP": "http://x", "Header": {"a": ["b"]}, "Method": "GET", "Body": "", "TCP": "", "Interval": "10s",
                       "Timeout": "1m", "DeregisterCriticalServiceAfter": "90m", "TLSSkipVerify": true}),
                json!({"Interval": "10s", "Timeout": "1m0s", "DeregisterCriticalServiceAfter": "1h30m0s", "HTTP": "http://x",
                       "TLSSkipVerify": true, "Header": {"a": ["b"]}, "Method": "GET"}),
                "http",
            ),
            (json!({"TCP": "x:1", "Interval": 10_000_000_000_u64}), json!({"Interval": "10s", "TCP": "x:1"}), "tcp"),
            (json!({"ScriptArgs": ["a"], "Interval": "1s", "Foo": 1}), json!({"Interval": "1s", "ScriptArgs": ["a"]}), "script"),
            (json!({"GRPC": "x", "GRPCUseTLS": true}), json!({"GRPC": "x", "GRPCUseTLS": true}), ""),
            (json!({"TTL": "10s"}), json!({"TTL": 10_000_000_000_u64}), "ttl"),
            (json!({"AliasService": "y"}), json!({"AliasService": "y"}), "alias"),
            (json!({"HTTP": "http://x", "Interval": "0s"}), json!({"HTTP": "http://x"}), ""),
            (json!({"interval": "5s", "http": "http://q"}), json!({"Interval": "5s", "HTTP": "http://q"}), "http"),
        ];
        for (given, want, kind) in cases {
            let got = HealthCheckDefinition(given.clone()).canonical();
            assert_eq!(got.0, want, "{given}");
            assert_eq!(got.kind(), kind, "{given}");
            assert_eq!(got.canonical(), got);
        }
    }
}
