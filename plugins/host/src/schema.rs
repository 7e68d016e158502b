//! A plugin's schema of `config`, as far as a settings table needs JSON Schema. Pure.

use crate::contract::types::{Setting, Value as Leaf};
use serde_json::{Map, Value};

const DEPTH_MAX: usize = 16;
const SETTINGS_MAX: usize = 1024;

/// A schema read from `describe`.
#[derive(Clone, Debug)]
pub(crate) struct Schema(Value);

impl Schema {
    /// Reads a schema; empty text takes any object.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self(Value::Object(Map::new())));
        }
        match serde_json::from_str(text) {
            Ok(schema @ Value::Object(_)) => defaults(&schema, "config", 0).map(|()| Self(schema)),
            Ok(_) => Err("its config schema is no JSON object".to_owned()),
            Err(error) => Err(format!("its config schema is no JSON: {error}")),
        }
    }

    /// The schema as JSON.
    pub(crate) fn json(&self) -> &Value {
        &self.0
    }

    /// Checks a config and fills in defaults. The error is one sentence naming the setting.
    pub(crate) fn check(&self, config: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        match check(&self.0, &Value::Object(config.clone()), "config", 0)? {
            Value::Object(filled) => Ok(filled),
            _ => Err("config must be an object".to_owned()),
        }
    }
}

/// What an agent makes of a check's settings under the schema that a plugin gives: the settings with defaults filled in. The
/// error is a sentence for whoever wrote them, or the schema.
pub fn judge_settings(schema: &str, config: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let filled = Schema::parse(schema)?.check(config)?;
    flatten(&filled).map(|_| filled)
}

/// A default is taken as it is, so it must be what the schema asks for.
fn defaults(schema: &Value, at: &str, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("its config schema is nested more than {DEPTH_MAX} deep"));
    }
    if let Some(default) = schema.get("default") {
        check(schema, default, at, depth).map_err(|why| format!("the default in its config schema does not fit it: {why}"))?;
    }
    let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    members
        .map(|(key, member)| (key.as_str(), member))
        .chain(["items", "additionalProperties"].into_iter().filter_map(|key| schema.get(key).map(|member| ("*", member))))
        .try_for_each(|(key, member)| defaults(member, &format!("{at}.{key}"), depth + 1))
}

fn check(schema: &Value, value: &Value, at: &str, depth: usize) -> Result<Value, String> {
    if depth > DEPTH_MAX {
        return Err(format!("{at} is nested more than {DEPTH_MAX} deep"));
    }
    if let Some(wanted) = schema.get("type") {
        let kinds: Vec<&str> = match wanted {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_a(value, kind)) {
            return Err(format!("{at} must be of type {}, not {}", kinds.join(" or "), type_of(value)));
        }
    }
    if let Some(Value::Array(choices)) = schema.get("enum")
        && !choices.contains(value)
    {
        let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
        return Err(format!("{at} is {value}; it must be one of {}", choices.join(", ")));
    }
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if let Some(least) = bound("minimum").filter(|least| number < *least) {
                return Err(format!("{at} is {number}; it must be at least {least}"));
            }
            if let Some(most) = bound("maximum").filter(|most| number > *most) {
                return Err(format!("{at} is {number}; it must be at most {most}"));
            }
        }
        Value::String(text) => {
            let length = text.chars().count() as f64;
            if let Some(least) = bound("minLength").filter(|least| length < *least) {
                return Err(format!("{at} must have at least {least} characters"));
            }
            if let Some(most) = bound("maxLength").filter(|most| length > *most) {
                return Err(format!("{at} must have at most {most} characters"));
            }
        }
        Value::Array(items) => {
            let Some(each) = schema.get("items") else { return Ok(value.clone()) };
            let checked = items.iter().enumerate().map(|(i, item)| check(each, item, &format!("{at}.{i}"), depth + 1));
            return checked.collect::<Result<Vec<_>, _>>().map(Value::Array);
        }
        Value::Object(members) => return check_object(schema, members, at, depth).map(Value::Object),
        Value::Null | Value::Bool(_) => {}
    }
    Ok(value.clone())
}

fn check_object(schema: &Value, members: &Map<String, Value>, at: &str, depth: usize) -> Result<Map<String, Value>, String> {
    let none = Map::new();
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let others = schema.get("additionalProperties");
    let mut filled = Map::new();
    for (key, value) in members {
        let member_at = format!("{at}.{key}");
        let member = match (known.get(key), others) {
            (Some(member), _) => check(member, value, &member_at, depth + 1)?,
            (None, Some(Value::Bool(false))) => {
                let nearest = known.keys().map(|name| (strsim::damerau_levenshtein(name, key), name)).min();
                let hint = match nearest {
                    Some((distance, name)) if distance <= 3 => format!("; did you mean {name}?"),
                    _ => format!("; it has {}", known.keys().cloned().collect::<Vec<_>>().join(", ")),
                };
                return Err(format!("{at} has no setting {key}{hint}"));
            }
            (None, Some(other @ Value::Object(_))) => check(other, value, &member_at, depth + 1)?,
            (None, _) => value.clone(),
        };
        filled.insert(key.clone(), member);
    }
    for (key, member) in known {
        if let (false, Some(default)) = (filled.contains_key(key), member.get("default")) {
            // It may have members with defaults of their own.
            filled.insert(key.clone(), check(member, default, &format!("{at}.{key}"), depth + 1)?);
        }
    }
    if let Some(Value::Array(required)) = schema.get("required")
        && let Some(absent) = required.iter().filter_map(Value::as_str).find(|key| !filled.contains_key(*key))
    {
        return Err(format!("{at}.{absent} is required"));
    }
    Ok(filled)
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "null" => value.is_null(),
        _ => false,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The leaves of a config, named by their paths.
pub(crate) fn flatten(config: &Map<String, Value>) -> Result<Vec<Setting>, String> {
    fn walk(path: String, value: &Value, depth: usize, into: &mut Vec<Setting>) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("config.{path} is nested more than {DEPTH_MAX} deep"));
        }
        if into.len() >= SETTINGS_MAX {
            return Err(format!("config has more than {SETTINGS_MAX} settings"));
        }
        let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            Value::Null => {}
            Value::Bool(is) => into.push(Setting { key: path, value: Leaf::Boolean(*is) }),
            Value::Number(number) => {
                let whole =
                    number.as_i64().or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64));
                let value = whole.map_or_else(|| Leaf::Number(number.as_f64().unwrap_or_default()), Leaf::Integer);
                into.push(Setting { key: path, value });
            }
            Value::String(text) => into.push(Setting { key: path, value: Leaf::Text(text.clone()) }),
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    walk(join(&i.to_string()), item, depth + 1, into)?;
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    walk(join(key), member, depth + 1, into)?;
                }
            }
        }
        Ok(())
    }
    let mut settings = Vec::new();
    for (key, value) in config {
        walk(key.clone(), value, 1, &mut settings)?;
    }
    Ok(settings)
}

/// Fills the settings into a grant a plugin asks for. `None`: it names a setting that is not given, so that it asks for nothing.
pub(crate) fn fill(grant: &str, settings: &[Setting]) -> Option<String> {
    let mut filled = String::new();
    let mut rest = grant;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after.split_once('}')?;
        filled.push_str(before);
        match &settings.iter().find(|setting| setting.key == key)?.value {
            Leaf::Text(text) if text.is_empty() => return None,
            Leaf::Text(text) => filled.push_str(text),
            Leaf::Integer(number) => filled.push_str(&number.to_string()),
            Leaf::Number(number) => filled.push_str(&number.to_string()),
            Leaf::Boolean(is) => filled.push_str(&is.to_string()),
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests;
