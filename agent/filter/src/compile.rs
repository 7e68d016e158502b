//! Syntax tree and schema to something that can be evaluated: selectors are resolved, operators checked against types,
//! values converted and patterns compiled, once.

use crate::error::FilterError;
use crate::literal::{boolean, integer};
use crate::parse::{Operator, Syntax};
use crate::pattern;
use crate::row::{Row, Value};
use crate::schema::{Fields, Kind};
use regex::Regex;
use serde_json::Value as Json;

/// A checked expression.
#[derive(Debug)]
pub(crate) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Field {
        path: Vec<Step>,
        check: Check,
        negate: bool,
        /// The answer where a map on the way lacks the key.
        missing: bool,
    },
}

/// One element of a selector.
#[derive(Debug)]
pub(crate) struct Step {
    name: String,
    /// Whether a list of structures is there: when it was not given, no condition on its elements holds.
    list: bool,
}

/// What is asked of a field's value, before negation.
#[derive(Debug)]
pub(crate) enum Check {
    TextIs(String),
    TextContains(String),
    TextMatches(Regex),
    NumberIs(i64),
    BoolIs(bool),
    TextsHave(String),
    KeyExists(String),
    Empty,
}

pub(crate) fn compile(tree: Syntax, fields: Fields) -> Result<Test, FilterError> {
    Ok(match tree {
        Syntax::All(parts) => Test::All(parts.into_iter().map(|part| compile(part, fields)).collect::<Result<_, _>>()?),
        Syntax::Any(parts) => Test::Any(parts.into_iter().map(|part| compile(part, fields)).collect::<Result<_, _>>()?),
        Syntax::Not(inner) => Test::Not(Box::new(compile(*inner, fields)?)),
        Syntax::Match { selector, operator, value } => {
            let (kind, path) = resolve(&selector, fields)?;
            let check = condition(&selector, kind, operator, value.unwrap_or_default())?;
            let negate = matches!(operator, Operator::NotEqual | Operator::NotIn | Operator::IsNotEmpty | Operator::NotMatches);
            // A missing key equals and contains nothing; for patterns Consul 1.8 lets both forms hold.
            let missing = negate || operator == Operator::Matches;
            Test::Field { path, check, negate, missing }
        }
    })
}

/// Type of the field a selector names. The error shows the selector up to its first wrong element.
fn resolve(path: &[String], fields: Fields) -> Result<(Kind, Vec<Step>), FilterError> {
    let mut kind = Kind::Structure(fields);
    let mut steps = Vec::with_capacity(path.len());
    for (depth, element) in path.iter().enumerate() {
        let named = |fields: Fields| fields.iter().find(|(name, _)| name == element).map(|(_, kind)| *kind);
        let next = match kind {
            Kind::Structure(fields) | Kind::List(fields) => named(fields),
            Kind::TextMap => Some(Kind::Text),
            Kind::Structures(fields) => Some(Kind::Structure(fields)),
            Kind::Text | Kind::Number | Kind::Bool | Kind::Texts => None,
        };
        kind = next.ok_or_else(|| FilterError::Selector(path[..=depth].join(".")))?;
        steps.push(Step { name: element.clone(), list: matches!(kind, Kind::List(_)) });
    }
    Ok((kind, steps))
}

fn condition(path: &[String], kind: Kind, operator: Operator, value: String) -> Result<Check, FilterError> {
    use Operator::{Equal, In, IsEmpty, IsNotEmpty, Matches, NotEqual, NotIn, NotMatches};
    let selector = || path.join(".");
    let unfit = |reason: String, value: String| FilterError::Value { value, selector: selector(), reason };
    Ok(match (kind, operator) {
        (Kind::Text, Equal | NotEqual) => Check::TextIs(value),
        (Kind::Text, In | NotIn) => Check::TextContains(value),
        (Kind::Text, Matches | NotMatches) => Check::TextMatches(pattern::compile(&value)?),
        (Kind::Number, Equal | NotEqual) => match integer(&value) {
            Ok(number) => Check::NumberIs(number),
            Err(reason) => return Err(unfit(format!("strconv.ParseInt: parsing {value:?}: {reason}"), value)),
        },
        (Kind::Bool, Equal | NotEqual) => match boolean(&value) {
            Some(truth) => Check::BoolIs(truth),
            None => return Err(unfit(format!("strconv.ParseBool: parsing {value:?}: invalid syntax"), value)),
        },
        (Kind::Texts, In | NotIn) => Check::TextsHave(value),
        (Kind::TextMap | Kind::Structures(_), In | NotIn) => Check::KeyExists(value),
        (Kind::Texts | Kind::TextMap | Kind::Structures(_) | Kind::List(_), IsEmpty | IsNotEmpty) => Check::Empty,
        _ => return Err(FilterError::Operator { operator: operator.name(), selector: selector() }),
    })
}

impl Test {
    pub(crate) fn holds(&self, row: &dyn Row) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Self::Not(inner) => !inner.holds(row),
            Self::Field { path, check, negate, missing } => {
                at(Value::Row(row), path, &mut |found| found.map_or(*missing, |value| check.holds(value) != *negate))
            }
        }
    }
}

/// Walks to the value a path leads to and asks `holds` there; `None` where a map lacks the key. Of lists any element may hold.
fn at(value: Value<'_>, path: &[Step], holds: &mut dyn FnMut(Option<Value<'_>>) -> bool) -> bool {
    let Some((step, rest)) = path.split_first() else {
        return holds(Some(value));
    };
    let mut further = |inner: Value<'_>| match inner {
        Value::Absent | Value::Json(Json::Null) if step.list && !rest.is_empty() => false,
        inner => at(inner, rest, holds),
    };
    match value {
        Value::Row(row) => further(row.field(&step.name)),
        Value::Rows(rows) => rows.any(&mut |row| further(row.field(&step.name))),
        Value::Map(map) => match map.get(&step.name) {
            Some(inner) => further(inner),
            None => holds(None),
        },
        Value::Json(Json::Array(items)) => items.iter().any(|item| at(Value::Json(item), path, holds)),
        Value::Json(json) => further(json.get(&step.name).map_or(Value::Absent, Value::Json)),
        // A structure that was not given has the zero value in each field.
        Value::Absent | Value::Text(_) | Value::Number(_) | Value::Bool(_) | Value::Texts(_) => further(Value::Absent),
    }
}

fn text(value: Value<'_>) -> &str {
    match value {
        Value::Text(text) => text,
        Value::Json(Json::String(text)) => text,
        _ => "",
    }
}

impl Check {
    fn holds(&self, value: Value<'_>) -> bool {
        match self {
            Self::TextIs(wanted) => text(value) == wanted,
            Self::TextContains(wanted) => text(value).contains(wanted.as_str()),
            Self::TextMatches(pattern) => pattern.is_match(text(value)),
            Self::NumberIs(wanted) => {
                let number = match value {
                    Value::Number(number) => number,
                    Value::Json(json) => json.as_i64().unwrap_or_default(),
                    _ => 0,
                };
                number == *wanted
            }
            Self::BoolIs(wanted) => {
                let truth = match value {
                    Value::Bool(truth) => truth,
                    Value::Json(json) => json.as_bool().unwrap_or_default(),
                    _ => false,
                };
                truth == *wanted
            }
            Self::TextsHave(wanted) => match value {
                Value::Texts(texts) => texts.contains(wanted),
                Value::Json(Json::Array(items)) => items.iter().any(|item| item.as_str() == Some(wanted)),
                _ => false,
            },
            Self::KeyExists(key) => match value {
                Value::Map(map) => map.get(key).is_some(),
                Value::Json(json) => json.get(key).is_some(),
                _ => false,
            },
            Self::Empty => match value {
                Value::Texts(texts) => texts.is_empty(),
                Value::Map(map) => map.is_empty(),
                Value::Rows(rows) => rows.is_empty(),
                Value::Json(Json::Array(items)) => items.is_empty(),
                Value::Json(Json::Object(entries)) => entries.is_empty(),
                _ => true,
            },
        }
    }
}
