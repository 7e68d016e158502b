//! What a run is given.

use crate::bindings;
use crate::{Error, Value};
use std::time::Duration;

/// The settings of a check and the time it has. Settings are checked against the schema, defaults filled in.
pub struct Context {
    inner: bindings::Context,
}

impl From<bindings::Context> for Context {
    fn from(inner: bindings::Context) -> Self {
        Self { inner }
    }
}

impl Context {
    /// A setting by its path (`address`, `tls.name`, `hosts.0`).
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.inner.settings.iter().find(|setting| setting.key == key).map(|setting| &setting.value)
    }

    /// A text that must be there.
    pub fn text(&self, key: &str) -> Result<&str, Error> {
        self.text_or_none(key).ok_or_else(|| Error::new(["the setting ", key, " is missing"].concat()))
    }

    /// A text, if it is there and not empty.
    pub fn text_or_none(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A whole number, if it is there.
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// A number, if it is there.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Integer(number) => Some(*number as f64),
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A switch; `false` when it is not there.
    pub fn is(&self, key: &str) -> bool {
        matches!(self.get(key), Some(Value::Boolean(true)))
    }

    /// The whole config as JSON text.
    pub fn json(&self) -> &str {
        &self.inner.config_json
    }

    /// The name the plugin is called by.
    pub fn plugin(&self) -> &str {
        &self.inner.plugin
    }

    /// How many runs this check had before.
    pub fn run(&self) -> u64 {
        self.inner.run
    }

    /// The time of the whole run; after that it is stopped.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.inner.timeout_ms))
    }

    /// The same in milliseconds, as the capabilities take it.
    pub fn timeout_ms(&self) -> u32 {
        self.inner.timeout_ms
    }
}
