//! Many sources become one value per option: later sources win, lists are joined, maps are merged.

use crate::fragment::Setting;
use crate::options::{OptionRow, ROWS, Type};
use crate::tree::Pos;
use lictor_types::duration;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The value of an option and where it was last set.
#[derive(Clone, Debug)]
pub(crate) struct Merged {
    pub(crate) value: Value,
    pub(crate) file: Arc<str>,
    pub(crate) pos: Pos,
}

/// All options that were set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    map: BTreeMap<&'static str, Merged>,
}

/// What `-dev` means, as if set before anything else.
const DEV: [(&str, &str); 19] = [
    ("bind_addr", "127.0.0.1"),
    ("disable_anonymous_signature", "true"),
    ("disable_keyring_file", "true"),
    ("disable_host_node_id", "true"),
    ("enable_debug", "true"),
    ("ui", "true"),
    ("log_level", "DEBUG"),
    ("server", "true"),
    ("connect.enabled", "true"),
    ("performance.raft_multiplier", "1"),
    ("ports.grpc", "8502"),
    ("gossip_lan.gossip_interval", "100ms"),
    ("gossip_lan.probe_interval", "100ms"),
    ("gossip_lan.probe_timeout", "100ms"),
    ("gossip_lan.suspicion_mult", "3"),
    ("gossip_wan.gossip_interval", "100ms"),
    ("gossip_wan.probe_interval", "100ms"),
    ("gossip_wan.probe_timeout", "100ms"),
    ("gossip_wan.suspicion_mult", "3"),
];

/// Reads a default of the table.
fn parse_default(row: &OptionRow, text: &str) -> Value {
    match row.kind {
        Type::Bool => Value::Bool(text == "true"),
        Type::Integer | Type::Port => Value::from(text.parse::<i64>().unwrap_or(0)),
        Type::Float => Value::from(text.parse::<f64>().unwrap_or(0.0)),
        Type::Duration => Value::from(duration::parse_nanos(text).unwrap_or(0)),
        Type::Texts => Value::Array(Vec::new()),
        Type::TextMap => Value::Object(Map::new()),
        Type::Text => Value::String(text.to_owned()),
        Type::Any | Type::Definitions | Type::FlagOnly => Value::Null,
    }
}

pub(crate) fn default_of(row: &OptionRow) -> Value {
    parse_default(row, row.default)
}

impl Settings {
    /// An empty set, or `-dev`'s.
    pub(crate) fn new(dev: bool) -> Self {
        let mut settings = Self::default();
        if dev {
            let file: Arc<str> = Arc::from("-dev");
            for (key, text) in DEV {
                if let Some(row) = crate::options::by_key(key) {
                    let value = parse_default(row, text);
                    settings.map.insert(row.key, Merged { value, file: file.clone(), pos: Pos::default() });
                }
            }
        }
        settings
    }

    /// Takes in one setting.
    pub(crate) fn add(&mut self, setting: &Setting, file: &Arc<str>) {
        let place = |value: Value| Merged { value, file: file.clone(), pos: setting.pos };
        let merged = match (self.map.remove(setting.row.key), setting.row.kind) {
            (Some(old), Type::Texts | Type::TextMap | Type::Any) => join(old.value, setting.value.clone()),
            _ => setting.value.clone(),
        };
        self.map.insert(setting.row.key, place(merged));
    }

    /// What was set for a key.
    pub(crate) fn set(&self, key: &str) -> Option<&Merged> {
        self.map.get(key)
    }

    /// The value in effect.
    pub(crate) fn value(&self, key: &str) -> Value {
        match self.map.get(key) {
            Some(merged) => merged.value.clone(),
            None => crate::options::by_key(key).map_or(Value::Null, default_of),
        }
    }

    pub(crate) fn text(&self, key: &str) -> String {
        self.value(key).as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.value(key).as_bool().unwrap_or_default()
    }

    pub(crate) fn integer(&self, key: &str) -> i64 {
        self.value(key).as_i64().unwrap_or_default()
    }

    pub(crate) fn count(&self, key: &str) -> u32 {
        u32::try_from(self.integer(key).max(0)).unwrap_or(u32::MAX)
    }

    pub(crate) fn float(&self, key: &str) -> f64 {
        self.value(key).as_f64().unwrap_or_default()
    }

    pub(crate) fn duration(&self, key: &str) -> Duration {
        Duration::from_nanos(u64::try_from(self.integer(key)).unwrap_or(0))
    }

    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        let value = self.value(key);
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(crate) fn text_map(&self, key: &str) -> BTreeMap<String, String> {
        let value = self.value(key);
        let pairs = value.as_object().into_iter().flatten();
        pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    }

    /// Every option with its value in effect.
    pub(crate) fn effective(&self) -> BTreeMap<&'static str, Value> {
        ROWS.iter()
            .filter(|row| !row.key.is_empty() && row.kind != Type::Definitions)
            .map(|row| (row.key, self.value(row.key)))
            .collect()
    }
}

fn join(old: Value, new: Value) -> Value {
    match (old, new) {
        (Value::Array(mut old), Value::Array(new)) => {
            old.extend(new);
            Value::Array(old)
        }
        (Value::Object(mut old), Value::Object(new)) => {
            for (key, value) in new {
                let joined = match old.remove(&key) {
                    Some(there) => join(there, value),
                    None => value,
                };
                old.insert(key, joined);
            }
            Value::Object(old)
        }
        (_, new) => new,
    }
}
