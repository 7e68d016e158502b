//! Values of options from the tree, typed weakly: `"8080"` is a number, `1` a string, one value a list of one, a list of one value
//! that value, a list of maps the merged map.

use crate::options::Type;
use crate::tree::{Kind, Node};
use lictor_types::duration;
use serde_json::{Map, Value};

/// Why a value does not fit: message and hint.
pub(crate) type Misfit = (String, String);

/// Converts a value to its option's type. Durations become nanoseconds, ports integers. `None`: not given (`null`).
pub(crate) fn convert(kind: Type, node: &Node) -> Result<Option<Value>, Misfit> {
    let single = match (&node.kind, kind) {
        (Kind::Null, _) => return Ok(None),
        (Kind::List(list), Type::Text | Type::Bool | Type::Integer | Type::Float | Type::Duration | Type::Port) => {
            match list.as_slice() {
                [one] => one,
                _ => node,
            }
        }
        _ => node,
    };
    let value = match kind {
        Type::Text => Value::String(text(single)?),
        Type::Bool => Value::Bool(flag(single)?),
        Type::Integer => Value::from(integer(single)?),
        Type::Port => {
            let port = integer(single)?;
            if port > 65535 {
                return Err((format!("invalid port: {port}"), "ports are 1 to 65535, or -1 for none".to_owned()));
            }
            Value::from(port)
        }
        Type::Float => float(single)?,
        Type::Duration => Value::from(nanos(single)?),
        Type::Texts => match &node.kind {
            Kind::List(list) => Value::Array(list.iter().map(|item| text(item).map(Value::String)).collect::<Result<_, _>>()?),
            _ => Value::Array(vec![Value::String(text(node)?)]),
        },
        Type::TextMap => Value::Object(text_map(node)?),
        Type::Any | Type::Definitions | Type::FlagOnly => node.to_json(),
    };
    Ok(Some(value))
}

fn misfit(node: &Node, wanted: &str) -> Misfit {
    let found = match &node.kind {
        Kind::Null => "nothing".to_owned(),
        Kind::Bool(flag) => flag.to_string(),
        Kind::Integer(number) => format!("the number {number}"),
        Kind::Float(number) => format!("the number {number}"),
        Kind::Text(text) if text.chars().count() > 40 => "a long string".to_owned(),
        Kind::Text(text) => format!("the string {text:?}"),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "an object".to_owned(),
    };
    (format!("expected {wanted}, found {found}"), String::new())
}

pub(crate) fn text(node: &Node) -> Result<String, Misfit> {
    Ok(match &node.kind {
        Kind::Text(text) => text.clone(),
        Kind::Integer(number) => number.to_string(),
        Kind::Float(number) => number.to_string(),
        Kind::Bool(flag) => flag.to_string(),
        Kind::Null => String::new(),
        _ => return Err(misfit(node, "a string")),
    })
}

fn flag(node: &Node) -> Result<bool, Misfit> {
    match &node.kind {
        Kind::Bool(flag) => Ok(*flag),
        Kind::Integer(number @ (0 | 1)) => Ok(*number == 1),
        Kind::Text(text) => match text.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            _ => Err(misfit(node, "true or false")),
        },
        _ => Err(misfit(node, "true or false")),
    }
}

pub(crate) fn integer(node: &Node) -> Result<i64, Misfit> {
    let found = match &node.kind {
        Kind::Integer(number) => Some(*number),
        Kind::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
        Kind::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    found.ok_or_else(|| misfit(node, "a whole number"))
}

fn float(node: &Node) -> Result<Value, Misfit> {
    let found = match &node.kind {
        Kind::Integer(number) => Some(*number as f64),
        Kind::Float(number) => Some(*number),
        Kind::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    found.filter(|number| number.is_finite()).map(Value::from).ok_or_else(|| misfit(node, "a number"))
}

pub(crate) fn nanos(node: &Node) -> Result<i64, Misfit> {
    match &node.kind {
        Kind::Text(text) => duration::parse_nanos(text).map_err(|problem| {
            (format!("invalid duration: {text:?}: {problem}"), "write for example \"10s\" or \"1m30s\"".to_owned())
        }),
        Kind::Integer(number) => Ok(*number),
        _ => Err(misfit(node, "a duration")),
    }
}

fn text_map(node: &Node) -> Result<Map<String, Value>, Misfit> {
    let mut map = Map::new();
    let parts: Vec<&Node> = match &node.kind {
        Kind::Map(_) => vec![node],
        Kind::List(list) => list.iter().collect(),
        _ => return Err(misfit(node, "a map of strings")),
    };
    for part in parts {
        let entries = part.as_map().ok_or_else(|| misfit(part, "a map of strings"))?;
        for (key, entry) in entries {
            map.insert(key.clone(), Value::String(text(&entry.value)?));
        }
    }
    Ok(map)
}
