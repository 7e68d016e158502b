//! Typed reads from a loosely typed value, keeping the place and every problem.

use super::{DecodeError, UnknownKeys};
use crate::duration;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// How strictly types are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::definition) enum Typing {
    /// As Consul reads its files (`"8080"` is a number, `1` a string, one value a list).
    Weak,
    /// As Go's JSON decoder reads HTTP bodies.
    Strict,
}

/// A key of a definition.
pub(super) struct Key {
    /// Its name in snake_case.
    pub(super) name: &'static str,
    /// Other names, lower case (CamelCase of `name` needs no mention).
    pub(super) aliases: &'static [&'static str],
}

/// A key without aliases.
pub(super) const fn key(name: &'static str) -> Key {
    Key { name, aliases: &[] }
}

/// A key with aliases.
pub(super) const fn alias(name: &'static str, aliases: &'static [&'static str]) -> Key {
    Key { name, aliases }
}

/// Finds the key that was meant: letter case does not matter, CamelCase is snake_case without underscores.
pub(super) fn find(keys: &'static [Key], written: &str) -> Option<&'static str> {
    let lower = written.to_ascii_lowercase();
    keys.iter()
        .find(|key| {
            key.name == lower
                || key.aliases.contains(&lower.as_str())
                || (key.name.contains('_') && key.name.bytes().filter(|b| *b != b'_').eq(lower.bytes()))
        })
        .map(|key| key.name)
}

/// The known name nearest to what was written, when it is near enough to be a slip.
pub fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = written.to_ascii_lowercase();
    if lower.len() > 128 {
        return None;
    }
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, name), name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 3).clamp(1, 3))
        .map(|(_, name)| name)
}

/// Reads values, remembers where it is and what did not fit.
pub(in crate::definition) struct Reader {
    unknown: UnknownKeys,
    typing: Typing,
    path: String,
    errors: Vec<DecodeError>,
    /// Errors of durations: Go's decoder finds them after the others.
    late: Vec<DecodeError>,
    /// What Go calls the field while it decodes a nested value.
    go_context: Option<String>,
}

impl Reader {
    pub(super) fn new(unknown: UnknownKeys, typing: Typing) -> Self {
        Self { unknown, typing, path: String::new(), errors: Vec::new(), late: Vec::new(), go_context: None }
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, Vec<DecodeError>> {
        let errors = self.into_errors();
        if errors.is_empty() { Ok(value) } else { Err(errors) }
    }

    pub(super) fn into_errors(mut self) -> Vec<DecodeError> {
        self.errors.append(&mut self.late);
        self.errors
    }

    pub(super) fn is_weak(&self) -> bool {
        self.typing == Typing::Weak
    }

    /// Does `work` one key deeper.
    pub(super) fn within<T>(&mut self, key: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        let result = work(self);
        self.path.truncate(length);
        result
    }

    /// Does `work` at one element of a list.
    pub(super) fn element<T>(&mut self, index: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(&format!("[{index}]"));
        let result = work(self);
        self.path.truncate(length);
        result
    }

    /// Does `work` while Go would speak of `field`.
    pub(super) fn go_field<T>(&mut self, field: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.go_context.replace(field.to_owned());
        let result = work(self);
        self.go_context = outer;
        result
    }

    pub(super) fn error(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(DecodeError { path: self.path.clone(), message: message.into(), hint: hint.into() });
    }

    /// A key nobody knows. `special` explains keys that once existed.
    pub(super) fn unknown(&mut self, written: &str, keys: &'static [Key], special: Option<&str>) {
        if self.unknown == UnknownKeys::Ignore {
            return;
        }
        let hint = match special {
            Some(text) => text.to_owned(),
            None => nearest(written, keys.iter().flat_map(|key| std::iter::once(key.name).chain(key.aliases.iter().copied())))
                .map(|name| format!("did you mean {name:?}?"))
                .unwrap_or_default(),
        };
        let message = match self.typing {
            Typing::Weak => format!("unknown key {written:?}"),
            Typing::Strict => format!("json: unknown field {written:?}"),
        };
        self.within(written, |reader| reader.error(message, hint));
    }

    /// A value of the wrong type.
    pub(super) fn mismatch(&mut self, value: &Value, wanted: &str, go_type: &str) {
        let message = match self.typing {
            Typing::Weak => format!("expected {wanted}, found {}", describe(value)),
            Typing::Strict => {
                let found = match value {
                    Value::Number(number) if go_type == "int" => format!("number {number}"),
                    other => go_kind(other).to_owned(),
                };
                match (&self.go_context, self.path.is_empty()) {
                    (Some(field), _) => format!("json: cannot unmarshal {found} into Go struct field {field} of type {go_type}"),
                    (None, true) => format!("json: cannot unmarshal {found} into Go value of type {go_type}"),
                    (None, false) => {
                        let field = self.path.split(['.', '[']).next().unwrap_or_default();
                        format!("json: cannot unmarshal {found} into Go struct field .{field} of type {go_type}")
                    }
                }
            }
        };
        self.error(message, "");
    }

    /// An object; weakly also a list of objects, merged.
    pub(super) fn object<'v>(&mut self, value: &'v Value, go_type: &str) -> Option<Cow<'v, Map<String, Value>>> {
        match value {
            Value::Object(map) => Some(Cow::Borrowed(map)),
            Value::Null => None,
            Value::Array(list) if self.is_weak() && list.iter().all(Value::is_object) => {
                let mut merged = Map::new();
                for map in list.iter().filter_map(Value::as_object) {
                    merged.extend(map.clone());
                }
                Some(Cow::Owned(merged))
            }
            other => {
                self.mismatch(other, "an object", go_type);
                None
            }
        }
    }

    /// A list; weakly one value stands for a list of one.
    pub(super) fn list<'v>(&mut self, value: &'v Value, go_type: &str) -> &'v [Value] {
        match value {
            Value::Array(list) => list,
            Value::Null => &[],
            one if self.is_weak() => std::slice::from_ref(one),
            other => {
                self.mismatch(other, "a list", go_type);
                &[]
            }
        }
    }

    /// Weakly a list of one value stands for the value.
    fn single<'v>(&self, value: &'v Value) -> &'v Value {
        match value {
            Value::Array(list) if self.is_weak() && list.len() == 1 => list.first().unwrap_or(value),
            other => other,
        }
    }

    pub(super) fn text(&mut self, value: &Value) -> String {
        let value = self.single(value);
        match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            Value::Bool(flag) if self.is_weak() => if *flag { "1" } else { "0" }.to_owned(),
            Value::Number(number) if self.is_weak() => match (number.is_f64(), number.as_f64()) {
                (true, Some(float)) => float.to_string(),
                _ => number.to_string(),
            },
            other => {
                self.mismatch(other, "a string", "string");
                String::new()
            }
        }
    }

    pub(super) fn flag(&mut self, value: &Value) -> bool {
        let value = self.single(value);
        match value {
            Value::Bool(flag) => *flag,
            Value::Null => false,
            Value::Number(number) if self.is_weak() => number.as_f64() != Some(0.0),
            Value::String(text) if self.is_weak() => match text.as_str() {
                "1" | "t" | "T" | "TRUE" | "true" | "True" => true,
                "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => false,
                _ => {
                    self.mismatch(value, "true or false", "bool");
                    false
                }
            },
            other => {
                self.mismatch(other, "true or false", "bool");
                false
            }
        }
    }

    /// A whole number; 0 when it does not fit (with an error).
    pub(super) fn integer(&mut self, value: &Value) -> i64 {
        let value = self.single(value);
        let found = match value {
            Value::Null => Some(0),
            Value::Number(number) => number.as_i64().or_else(|| {
                // Strictly, `80.0` is no integer (as in Go); weakly it is.
                number
                    .as_f64()
                    .filter(|float| self.is_weak() && float.fract() == 0.0 && float.abs() < 9e15)
                    .map(|float| float as i64)
            }),
            Value::Bool(flag) if self.is_weak() => Some(i64::from(*flag)),
            Value::String(text) if self.is_weak() => parse_integer(text),
            _ => None,
        };
        if found.is_none() {
            self.mismatch(value, "a whole number", "int");
        }
        found.unwrap_or(0)
    }

    /// A count; Consul takes a negative one for 0.
    pub(super) fn count(&mut self, value: &Value) -> u32 {
        let number = self.integer(value).max(0);
        u32::try_from(number).unwrap_or_else(|_| {
            self.error(format!("{number} is too large"), "");
            0
        })
    }

    /// A port from 0 (none) to 65535.
    pub(super) fn port(&mut self, value: &Value) -> u16 {
        let number = self.integer(value);
        u16::try_from(number).unwrap_or_else(|_| {
            self.error(format!("port {number} is out of range"), "ports are 1 to 65535");
            0
        })
    }

    /// A list of strings.
    pub(super) fn texts(&mut self, value: &Value) -> Vec<String> {
        let list = self.list(value, "[]string");
        list.iter().enumerate().map(|(index, item)| self.element(index, |reader| reader.text(item))).collect()
    }

    /// A map of strings.
    pub(super) fn text_map(&mut self, value: &Value) -> BTreeMap<String, String> {
        let Some(map) = self.object(value, "map[string]string") else { return BTreeMap::new() };
        map.iter().map(|(key, item)| (key.clone(), self.within(key, |reader| reader.text(item)))).collect()
    }

    /// A duration in Go's notation, or a number of nanoseconds. `None` stands for zero (and, in HTTP bodies, for less).
    pub(super) fn duration(&mut self, value: &Value) -> Option<Duration> {
        let value = self.single(value);
        let nanos = match value {
            Value::Null => 0,
            Value::String(text) if text.is_empty() && self.is_weak() => 0,
            Value::String(text) => match duration::parse_nanos(text) {
                Ok(nanos) => nanos,
                Err(problem) => {
                    let hint = "write for example \"10s\", \"1m30s\" or \"250ms\"";
                    self.late.push(DecodeError { path: self.path.clone(), message: problem.to_string(), hint: hint.to_owned() });
                    0
                }
            },
            // Go's decoder reads a number into a float and takes its whole part.
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)).unwrap_or(0),
            // Other types say nothing about a time in HTTP bodies, as in Consul.
            _ if !self.is_weak() => 0,
            other => {
                self.mismatch(other, "a duration", "time.Duration");
                0
            }
        };
        if nanos < 0 && self.is_weak() {
            self.error("a duration cannot be negative", "");
        }
        u64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }
}

/// A whole number in Go's notation: decimal, `0x`, `0o` or a leading zero for octal, `0b`, underscores between digits.
fn parse_integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if body.is_empty() || body.starts_with(['+', '-']) {
        return None;
    }
    let value = i64::from_str_radix(body, radix).ok()?;
    Some(if negative { -value } else { value })
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => format!("{flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > 40 => "a long string".to_owned(),
        Value::String(text) => format!("the string {text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
