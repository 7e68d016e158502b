//! What a document says, and whether that is well.

use lictor_guest::Outcome;
use serde_json::Value;

/// The longest value shown, in bytes.
const SHOWN_BYTES_MAX: usize = 256;

/// What must be.
#[derive(Default)]
pub struct Wanted<'a> {
    pub path: &'a str,
    pub equals: Option<&'a str>,
    pub warning_above: Option<f64>,
    pub critical_above: Option<f64>,
    pub warning_below: Option<f64>,
    pub critical_below: Option<f64>,
}

fn find<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|part| !part.is_empty()).try_fold(document, |at, part| match at {
        Value::Object(members) => members.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A value as people write it.
fn shown(value: &Value) -> String {
    let mut text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.len() > SHOWN_BYTES_MAX {
        let end = (0..=SHOWN_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

pub fn judge(body: &[u8], wanted: &Wanted<'_>) -> Outcome {
    let document: Value = match serde_json::from_slice(body) {
        Ok(document) => document,
        Err(error) => return Outcome::critical(["the answer is no JSON: ", &error.to_string()].concat()),
    };
    let Some(value) = find(&document, wanted.path) else {
        return Outcome::critical(["the answer has no ", wanted.path].concat());
    };
    let name = if wanted.path.is_empty() { "the answer" } else { wanted.path };
    let says = [name, " is ", &shown(value)].concat();
    if let Some(equals) = wanted.equals
        && shown(value) != equals
    {
        return Outcome::critical([&says, ", expected ", equals].concat());
    }
    let limits = [wanted.critical_above, wanted.critical_below, wanted.warning_above, wanted.warning_below];
    if limits.iter().all(Option::is_none) {
        return Outcome::passing(if wanted.path.is_empty() { "the answer is JSON".to_owned() } else { says });
    }
    let number = value.as_f64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    let Some(number) = number else { return Outcome::critical([&says, ", which is no number"].concat()) };
    let beyond = |above: Option<f64>, below: Option<f64>| {
        let high = above.filter(|limit| number > *limit).map(|limit| [" above ", &limit.to_string()].concat());
        high.or_else(|| below.filter(|limit| number < *limit).map(|limit| [" below ", &limit.to_string()].concat()))
    };
    let outcome = if let Some(how) = beyond(wanted.critical_above, wanted.critical_below) {
        Outcome::critical([&says, ", critical", &how].concat())
    } else if let Some(how) = beyond(wanted.warning_above, wanted.warning_below) {
        Outcome::warning([&says, ", warning", &how].concat())
    } else {
        Outcome::passing(says)
    };
    outcome.metric("value", number, "")
}
