//! From the tree of a text to rules.

use super::{Area, Kind, Rule, RuleError, Rules, Syntax};
use crate::level::Level;
use lictor_syntax::tree::{Entry, Kind as Value, Node, Pos};
use lictor_syntax::{Format, parse};
use lictor_types::acl::RULES_BYTES_MAX;

/// Most rules of one policy.
const RULES_MAX: usize = 8192;

pub(super) fn read(text: &str, syntax: Syntax) -> Result<Rules, RuleError> {
    let mut rules = Rules::default();
    for (key, entry) in root(text)?.as_map().into_iter().flatten() {
        if let Some(area) = Area::ALL.into_iter().find(|area| area.as_str() == key) {
            rules.areas.push((area, area_level(area, entry)?));
            continue;
        }
        let (word, is_prefix) = match key.strip_suffix("_prefix") {
            Some(word) => (word, true),
            None => (key.as_str(), syntax == Syntax::Legacy),
        };
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == word) else { continue };
        for (name, body) in blocks(key, entry)? {
            let rule = rule(key, kind, name, is_prefix, body)?;
            rules.named.push(rule);
            if rules.named.len() > RULES_MAX {
                return Err(wrong(body.pos, format!("more than {RULES_MAX} rules")));
            }
        }
    }
    Ok(rules)
}

/// The text as a tree.
pub(super) fn root(text: &str) -> Result<Node, RuleError> {
    if text.len() > RULES_BYTES_MAX {
        return Err(wrong(Pos { line: 1, column: 1 }, format!("rules are longer than {} KiB", RULES_BYTES_MAX / 1024)));
    }
    parse(text.as_bytes(), Format::Hcl).map_err(|error| RuleError { pos: error.pos, message: error.message, is_syntax: true })
}

fn wrong(pos: Pos, message: impl Into<String>) -> RuleError {
    RuleError { pos, message: message.into(), is_syntax: false }
}

/// The named blocks of a key, with what is in them.
pub(super) fn blocks<'n>(key: &str, entry: &'n Entry) -> Result<Vec<(&'n str, &'n Node)>, RuleError> {
    let no_block = |pos| wrong(pos, format!("{key} needs a name and a block: {key} \"name\" {{ policy = \"read\" }}"));
    let mut found = Vec::new();
    for node in items(&entry.value) {
        let labels = node.as_map().ok_or_else(|| no_block(node.pos))?;
        for (name, labelled) in labels {
            for body in items(&labelled.value) {
                body.as_map().ok_or_else(|| no_block(labelled.key_pos))?;
                found.push((name.as_str(), body));
            }
        }
    }
    Ok(found)
}

/// The elements of a list; what is no list is its only element.
fn items(node: &Node) -> &[Node] {
    match &node.kind {
        Value::List(list) => list,
        _ => std::slice::from_ref(node),
    }
}

fn area_level(area: Area, entry: &Entry) -> Result<Level, RuleError> {
    let word = area.as_str();
    let Value::Text(text) = &entry.value.kind else {
        return Err(wrong(entry.value.pos, format!("Invalid {word} policy: it must be a string")));
    };
    match Level::parse(text) {
        Some(level) if level != Level::List => Ok(level),
        _ => Err(wrong(entry.value.pos, format!("Invalid {word} policy: {text:?}"))),
    }
}

fn rule(key: &str, kind: Kind, name: &str, is_prefix: bool, body: &Node) -> Result<Rule, RuleError> {
    let level_of = |field: &str, of: &str| -> Result<Option<Level>, RuleError> {
        let Some(entry) = body.as_map().and_then(|map| map.get(field)) else { return Ok(None) };
        let allowed = if kind == Kind::Key && field == "policy" { "read, list, write or deny" } else { "read, write or deny" };
        let refused =
            |what: &str| wrong(entry.value.pos, format!("Invalid {key}{of} policy: {name:?} has {what}, not {allowed}"));
        let Value::Text(word) = &entry.value.kind else { return Err(refused("no string")) };
        match Level::parse(word) {
            Some(Level::List) if kind != Kind::Key || field != "policy" => Err(refused("\"list\"")),
            Some(level) => Ok(Some(level)),
            None => Err(refused(&format!("{word:?}"))),
        }
    };
    let level = level_of("policy", "")?.ok_or_else(|| wrong(body.pos, format!("Invalid {key} policy: {name:?} has none")))?;
    let intentions = if kind == Kind::Service { level_of("intentions", " intentions")? } else { None };
    Ok(Rule { kind, name: name.to_owned(), is_prefix, level, intentions })
}
