//! An entry as people write it: any letter case, `snake_case` or `CamelCase`, numbers for texts and the other way round, one
//! value for a list of one. What is not known is refused by name.
//!
//! Two steps: the given value is brought into the one form that [`ConfigEntry`] is kept in, after the tables below; then that
//! is read. Sentences are those of the decoder that Consul uses.

use super::ConfigEntry;
use crate::config_entry::{EntryKind, Span};
use crate::duration;
use serde_json::{Map, Value};

/// Why a value is no entry. The caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not an object at all.
    #[error("'' expected a map, got '{0}'")]
    NoObject(&'static str),
    /// Nothing says what it is.
    #[error("Payload does not contain a kind/Kind key at the top level")]
    NoKind,
    /// What says it is no text.
    #[error("Kind value in payload is not a string")]
    KindNoText,
    /// There is no such kind.
    #[error("{0}")]
    UnknownKind(String),
    /// Values that do not fit, a sentence each.
    #[error("{} error(s) decoding:\n\n{}", .0.len(), list(.0, "* ", "\n"))]
    Misfits(Vec<String>),
    /// Keys that are not known, a sentence each.
    #[error("{} occurred:\n{}\n\n", count(.0.len()), list(.0, "\t* ", "\n"))]
    UnknownKeys(Vec<String>),
}

fn list(all: &[String], before: &str, between: &str) -> String {
    all.iter().map(|one| format!("{before}{one}")).collect::<Vec<_>>().join(between)
}

fn count(number: usize) -> String {
    if number == 1 { "1 error".to_owned() } else { format!("{number} errors") }
}

/// What a value is to be.
enum Shape {
    Text,
    Flag,
    Whole,
    Count,
    Number,
    Span,
    /// Of these.
    List(&'static Shape),
    /// From names to these.
    Named(&'static Shape),
    Object(&'static [Field]),
    /// Whatever it is.
    Any,
}

/// A key: its name and the other way to write it. An empty one has no other way.
struct Field(&'static str, &'static str, &'static Shape);

const TEXTS: Shape = Shape::List(&Shape::Text);
const META: Field = Field("Meta", "", &Shape::Named(&Shape::Text));
const NAMESPACE: Field = Field("Namespace", "", &Shape::Text);
const SERVICE: Field = Field("Service", "", &Shape::Text);
const SUBSET: Field = Field("ServiceSubset", "service_subset", &Shape::Text);
const GATEWAY: Field = Field("MeshGateway", "mesh_gateway", &Shape::Object(&[Field("Mode", "", &Shape::Text)]));
const EXPOSE: Field = Field(
    "Expose",
    "",
    &Shape::Object(&[
        Field("Checks", "", &Shape::Flag),
        Field(
            "Paths",
            "",
            &Shape::List(&Shape::Object(&[
                Field("ListenerPort", "listener_port", &Shape::Whole),
                Field("Path", "", &Shape::Text),
                Field("LocalPathPort", "local_path_port", &Shape::Whole),
                Field("Protocol", "", &Shape::Text),
                Field("ParsedFromCheck", "", &Shape::Flag),
            ])),
        ),
    ]),
);
const PROXY_DEFAULTS: &[Field] = &[Field("Config", "", &Shape::Named(&Shape::Any)), GATEWAY, EXPOSE, META];
const SERVICE_DEFAULTS: &[Field] =
    &[Field("Protocol", "", &Shape::Text), GATEWAY, EXPOSE, Field("ExternalSNI", "external_sni", &Shape::Text), META];
const TEXT_MATCH: Shape = Shape::List(&Shape::Object(&[
    Field("Name", "", &Shape::Text),
    Field("Present", "", &Shape::Flag),
    Field("Exact", "", &Shape::Text),
    Field("Prefix", "", &Shape::Text),
    Field("Suffix", "", &Shape::Text),
    Field("Regex", "", &Shape::Text),
    Field("Invert", "", &Shape::Flag),
]));
const PARAM_MATCH: Shape = Shape::List(&Shape::Object(&[
    Field("Name", "", &Shape::Text),
    Field("Present", "", &Shape::Flag),
    Field("Exact", "", &Shape::Text),
    Field("Regex", "", &Shape::Text),
]));
const HTTP_MATCH: Shape = Shape::Object(&[
    Field("PathExact", "path_exact", &Shape::Text),
    Field("PathPrefix", "path_prefix", &Shape::Text),
    Field("PathRegex", "path_regex", &Shape::Text),
    Field("Header", "", &TEXT_MATCH),
    Field("QueryParam", "query_param", &PARAM_MATCH),
    Field("Methods", "", &TEXTS),
]);
const DESTINATION: Shape = Shape::Object(&[
    SERVICE,
    SUBSET,
    NAMESPACE,
    Field("PrefixRewrite", "prefix_rewrite", &Shape::Text),
    Field("RequestTimeout", "request_timeout", &Shape::Span),
    Field("NumRetries", "num_retries", &Shape::Count),
    Field("RetryOnConnectFailure", "retry_on_connect_failure", &Shape::Flag),
    Field("RetryOnStatusCodes", "retry_on_status_codes", &Shape::List(&Shape::Count)),
]);
const ROUTE: Shape = Shape::Object(&[
    Field("Match", "", &Shape::Object(&[Field("HTTP", "", &HTTP_MATCH)])),
    Field("Destination", "", &DESTINATION),
]);
const SERVICE_ROUTER: &[Field] = &[Field("Routes", "", &Shape::List(&ROUTE)), META];
const SPLIT: Shape = Shape::Object(&[Field("Weight", "", &Shape::Number), SERVICE, SUBSET, NAMESPACE]);
const SERVICE_SPLITTER: &[Field] = &[Field("Splits", "", &Shape::List(&SPLIT)), META];
const SERVICE_RESOLVER: &[Field] = &[
    Field("DefaultSubset", "default_subset", &Shape::Text),
    Field(
        "Subsets",
        "",
        &Shape::Named(&Shape::Object(&[Field("Filter", "", &Shape::Text), Field("OnlyPassing", "only_passing", &Shape::Flag)])),
    ),
    Field("Redirect", "", &Shape::Object(&[SERVICE, SUBSET, NAMESPACE, Field("Datacenter", "", &Shape::Text)])),
    Field("Failover", "", &Shape::Named(&Shape::Object(&[SERVICE, SUBSET, NAMESPACE, Field("Datacenters", "", &TEXTS)]))),
    Field("ConnectTimeout", "connect_timeout", &Shape::Span),
    META,
];
const INGRESS_SERVICE: Shape = Shape::Object(&[Field("Name", "", &Shape::Text), Field("Hosts", "", &TEXTS)]);
const INGRESS_LISTENER: Shape = Shape::Object(&[
    Field("Port", "", &Shape::Whole),
    Field("Protocol", "", &Shape::Text),
    Field("Services", "", &Shape::List(&INGRESS_SERVICE)),
]);
const INGRESS_GATEWAY: &[Field] = &[
    Field("TLS", "", &Shape::Object(&[Field("Enabled", "", &Shape::Flag)])),
    Field("Listeners", "", &Shape::List(&INGRESS_LISTENER)),
    META,
];
const LINKED_SERVICE: Shape = Shape::Object(&[
    Field("Name", "", &Shape::Text),
    Field("CAFile", "ca_file", &Shape::Text),
    Field("CertFile", "cert_file", &Shape::Text),
    Field("KeyFile", "key_file", &Shape::Text),
    Field("SNI", "", &Shape::Text),
]);
const TERMINATING_GATEWAY: &[Field] = &[Field("Services", "", &Shape::List(&LINKED_SERVICE)), META];
/// What every kind has. The indexes are the state's.
const COMMON: &[Field] = &[Field("Kind", "", &Shape::Text), Field("Name", "", &Shape::Text)];

fn fields(kind: EntryKind) -> &'static [Field] {
    match kind {
        EntryKind::IngressGateway => INGRESS_GATEWAY,
        EntryKind::ProxyDefaults => PROXY_DEFAULTS,
        EntryKind::ServiceDefaults => SERVICE_DEFAULTS,
        EntryKind::ServiceResolver => SERVICE_RESOLVER,
        EntryKind::ServiceRouter => SERVICE_ROUTER,
        EntryKind::ServiceSplitter => SERVICE_SPLITTER,
        EntryKind::TerminatingGateway => TERMINATING_GATEWAY,
    }
}

impl ConfigEntry {
    /// Reads an entry as people write it.
    ///
    /// # Errors
    /// It is none, something in it does not fit, or is not known.
    pub fn decode(given: Value) -> Result<Self, EntryError> {
        let pairs = match given {
            Value::Object(pairs) => pairs,
            Value::Null => Map::new(),
            other => return Err(EntryError::NoObject(go_kind(&other))),
        };
        let kind = match pairs.get("Kind").or_else(|| pairs.get("kind")).ok_or(EntryError::NoKind)? {
            Value::String(name) => EntryKind::parse(name).map_err(EntryError::UnknownKind)?,
            _ => return Err(EntryError::KindNoText),
        };
        let mut reading = Reading::default();
        let all: Vec<&Field> = COMMON.iter().chain(fields(kind)).collect();
        let whole = reading.object(pairs, &all, "");
        if !reading.misfits.is_empty() {
            return Err(EntryError::Misfits(reading.misfits));
        }
        if !reading.unknown.is_empty() {
            return Err(EntryError::UnknownKeys(reading.unknown));
        }
        serde_json::from_value(whole).map_err(|error| EntryError::Misfits(vec![error.to_string()]))
    }
}

/// What came up so far.
#[derive(Default)]
struct Reading {
    misfits: Vec<String>,
    unknown: Vec<String>,
}

impl Reading {
    fn object(&mut self, pairs: Map<String, Value>, fields: &[&Field], place: &str) -> Value {
        let mut out = Map::new();
        // Names as they are kept go first.
        let (exact, other): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| fields.iter().any(|field| field.0 == key));
        for (key, value) in exact.into_iter().chain(other) {
            let named = |Field(name, other, _): &Field| {
                key.eq_ignore_ascii_case(name) || (!other.is_empty() && key.eq_ignore_ascii_case(other))
            };
            let at = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            match fields.iter().find(|field| named(field)) {
                // Given twice, in two ways of writing it: one of them is not heard.
                Some(Field(name, ..)) if out.contains_key(*name) => self.unknown.push(format!("invalid config key {at:?}")),
                Some(Field(name, _, shape)) => {
                    let at = if place.is_empty() { (*name).to_owned() } else { format!("{place}.{name}") };
                    if let Some(value) = self.value(value, shape, &at) {
                        out.insert((*name).to_owned(), value);
                    }
                }
                // An entry that was read may be written back.
                None if place.is_empty() && matches!(key.as_str(), "CreateIndex" | "ModifyIndex") => {}
                None if place.is_empty() && key.eq_ignore_ascii_case("namespace") => {
                    self.unknown.push(format!("invalid config key {at:?}, namespaces are a consul enterprise feature"));
                }
                None => self.unknown.push(format!("invalid config key {at:?}")),
            }
        }
        Value::Object(out)
    }

    /// `None` for what was not given, or does not fit (which is noted).
    fn value(&mut self, given: Value, shape: &Shape, place: &str) -> Option<Value> {
        if given.is_null() && !matches!(shape, Shape::Any) {
            return None;
        }
        match shape {
            Shape::Any => return Some(unwrapped(given)),
            Shape::List(of) => return self.list(given, of, place),
            Shape::Named(of) => {
                let pairs = self.pairs(given, place)?;
                let mut out = Map::new();
                for (name, value) in pairs {
                    let at = format!("{place}[{name}]");
                    let value = if value.is_null() { Some(nothing(of)) } else { self.value(value, of, &at) };
                    if let Some(value) = value {
                        out.insert(name, value);
                    }
                }
                return Some(Value::Object(out));
            }
            Shape::Object(fields) => {
                let pairs = self.pairs(given, place)?;
                return Some(self.object(pairs, &fields.iter().collect::<Vec<_>>(), place));
            }
            Shape::Text | Shape::Flag | Shape::Whole | Shape::Count | Shape::Number | Shape::Span => {}
        }
        let given = match given {
            Value::Array(mut items) if items.len() == 1 => items.pop()?,
            other => other,
        };
        match single(&given, shape, place) {
            Ok(value) => Some(value),
            Err(sentence) => {
                self.misfits.push(sentence);
                None
            }
        }
    }

    fn list(&mut self, given: Value, of: &Shape, place: &str) -> Option<Value> {
        let items = match given {
            Value::Array(items) => items,
            Value::Object(pairs) if pairs.is_empty() => Vec::new(),
            Value::String(text) if text.is_empty() => Vec::new(),
            one => vec![one],
        };
        let read = items.into_iter().enumerate().filter_map(|(at, item)| {
            if item.is_null() { Some(nothing(of)) } else { self.value(item, of, &format!("{place}[{at}]")) }
        });
        Some(Value::Array(read.collect()))
    }

    /// An object; blocks of the same name, a list of objects, are one.
    fn pairs(&mut self, given: Value, place: &str) -> Option<Map<String, Value>> {
        let misfit = |value: &Value| format!("'{place}' expected a map, got '{}'", go_kind(value));
        match given {
            Value::Object(pairs) => Some(pairs),
            Value::Array(items) => {
                let mut all = Map::new();
                for item in items {
                    match item {
                        Value::Object(pairs) => all.extend(pairs),
                        other => {
                            self.misfits.push(misfit(&other));
                            return None;
                        }
                    }
                }
                Some(all)
            }
            other => {
                self.misfits.push(misfit(&other));
                None
            }
        }
    }
}

/// What stands for `null` among others.
fn nothing(shape: &Shape) -> Value {
    match shape {
        Shape::Object(_) => Value::Object(Map::new()),
        Shape::Text => String::new().into(),
        Shape::Count => 0.into(),
        _ => Value::Null,
    }
}

/// A block is a list of one object in HCL: the object is meant.
fn unwrapped(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(unwrapped).collect();
            match items.as_slice() {
                [Value::Object(_)] => items.pop().unwrap_or_default(),
                _ => Value::Array(items),
            }
        }
        Value::Object(pairs) => Value::Object(pairs.into_iter().map(|(key, value)| (key, unwrapped(value))).collect()),
        other => other,
    }
}

fn single(given: &Value, shape: &Shape, place: &str) -> Result<Value, String> {
    let wants = |what: &str| format!("'{place}' expected type '{what}', got unconvertible type '{}'", go_type(given));
    let unread = |text: &str, as_what: &str, function: &str| {
        format!("cannot parse '{place}' as {as_what}: strconv.{function}: parsing {text:?}: invalid syntax")
    };
    match shape {
        Shape::Text => match given {
            Value::String(text) => Ok(text.clone().into()),
            Value::Bool(flag) => Ok(if *flag { "1" } else { "0" }.into()),
            Value::Number(number) => Ok(plain(number).into()),
            _ => Err(wants("string")),
        },
        Shape::Flag => match given {
            Value::Bool(flag) => Ok((*flag).into()),
            Value::Number(number) => Ok((number.as_f64() != Some(0.0)).into()),
            Value::String(text) if text.is_empty() => Ok(false.into()),
            Value::String(text) => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true.into()),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false.into()),
                other => Err(unread(other, "bool", "ParseBool")),
            },
            _ => Err(wants("bool")),
        },
        Shape::Whole => match given {
            Value::Bool(flag) => Ok(i64::from(*flag).into()),
            Value::Number(number) => whole(number).map(Into::into).ok_or_else(|| wants("int")),
            Value::String(text) => text.parse::<i64>().map(Into::into).map_err(|_| unread(text, "int", "ParseInt")),
            _ => Err(wants("int")),
        },
        Shape::Count => match given {
            Value::Bool(flag) => Ok(u32::from(*flag).into()),
            Value::Number(number) => {
                let count = whole(number).ok_or_else(|| wants("uint32"))?;
                let misfit = |_| format!("cannot parse '{place}', {count} overflows uint");
                u32::try_from(count).map(Into::into).map_err(misfit)
            }
            Value::String(text) => text.parse::<u32>().map(Into::into).map_err(|_| unread(text, "uint", "ParseUint")),
            _ => Err(wants("uint32")),
        },
        Shape::Number => match given {
            Value::Bool(flag) => Ok(i64::from(*flag).into()),
            Value::Number(number) => Ok(Value::Number(number.clone())),
            Value::String(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number.into()),
                _ => Err(unread(text, "float", "ParseFloat")),
            },
            _ => Err(wants("float32")),
        },
        Shape::Span => match given {
            Value::Number(number) => {
                whole(number).map(|nanos| Span(nanos).to_string().into()).ok_or_else(|| wants("time.Duration"))
            }
            Value::String(text) => match duration::parse_nanos(text) {
                Ok(nanos) => Ok(Span(nanos).to_string().into()),
                Err(error) => Err(format!("error decoding '{place}': {error}")),
            },
            _ => Err(wants("time.Duration")),
        },
        Shape::List(_) | Shape::Named(_) | Shape::Object(_) | Shape::Any => Ok(given.clone()),
    }
}

/// A number without its fraction.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| number.as_f64().filter(|float| float.abs() < 9.0e18).map(|float| float as i64))
}

/// A number as text, without exponent.
fn plain(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float.to_string(),
        _ => number.to_string(),
    }
}

fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "ptr",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
