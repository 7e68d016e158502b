//! Rules of before 1.4, in today's language.

use super::{Area, Kind, RuleError};
use crate::rules::read::{blocks, root};
use lictor_syntax::tree::{Kind as Value, Node, Pos};
use std::fmt::Write;

/// The widest key that others are aligned with: a line of its own length for each would multiply the text.
const ALIGNED_MAX: usize = 64;

/// The longest `${…}` that is kept as it is written; a longer one means the same with its `$` escaped.
const TEMPLATE_CHARS_MAX: usize = 256;

/// One block or assignment of the text, or a comment before one.
enum Piece<'n> {
    Comment(&'n str),
    Block(String, &'n str, &'n Node),
    Value(&'n str, String),
}

/// Writes rules of before 1.4 so that they mean the same today: every name becomes the beginning of names. Comments between
/// rules stay.
///
/// # Errors
/// The text is no HCL and no JSON, or something with a name has none.
pub fn translate(text: &str) -> Result<String, RuleError> {
    let tree = root(text)?;
    let mut pieces: Vec<(Pos, Piece<'_>)> = Vec::new();
    for (key, entry) in tree.as_map().into_iter().flatten() {
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == key);
        let is_prefix = Kind::ALL.into_iter().any(|kind| key.strip_suffix("_prefix") == Some(kind.as_str()));
        if kind.is_some() || is_prefix {
            let told = if is_prefix { key.clone() } else { format!("{key}_prefix") };
            for (name, body) in blocks(key, entry)? {
                pieces.push((body.pos, Piece::Block(told.clone(), name, body)));
            }
        } else if Area::ALL.into_iter().any(|area| area.as_str() == key) {
            pieces.extend(value(&entry.value).map(|value| (entry.key_pos, Piece::Value(key, value))));
        }
    }
    pieces.extend(comments(text).map(|(pos, line)| (pos, Piece::Comment(line))));
    pieces.sort_by_key(|(pos, _)| *pos);
    let mut out = String::new();
    let mut after_comment = true;
    for (_, piece) in &pieces {
        if !after_comment {
            out.push_str("\n\n");
        }
        after_comment = matches!(piece, Piece::Comment(_));
        match piece {
            Piece::Comment(line) => {
                out.push_str(line);
                out.push('\n');
            }
            Piece::Block(key, name, body) => block(&mut out, key, name, body),
            Piece::Value(key, value) => {
                let _ = write!(out, "{key} = {value}");
            }
        }
    }
    Ok(out)
}

/// Lines that hold a comment and nothing else, outside of blocks.
fn comments(text: &str) -> impl Iterator<Item = (Pos, &str)> {
    let mut depth = 0_usize;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let bare = line.trim();
        let is_comment = bare.starts_with('#') || bare.starts_with("//");
        if !is_comment {
            depth += bare.matches('{').count();
            depth = depth.saturating_sub(bare.matches('}').count());
        }
        (is_comment && depth == 0).then_some((Pos { line: number, column: 0 }, bare))
    })
}

fn block(out: &mut String, key: &str, name: &str, body: &Node) {
    let _ = write!(out, "{key} {} {{", quoted(name));
    let entries = body.as_map().into_iter().flatten();
    let fields: Vec<_> = entries.filter_map(|(key, entry)| Some((entry.key_pos.line, word(key), value(&entry.value)?))).collect();
    let mut line_before = None;
    // Assignments in lines of their own stand together; others get room.
    let adjacent = |before: Option<u32>, line: u32| before.is_some_and(|before| line == before + 1);
    for (at, (line, field, value)) in fields.iter().enumerate() {
        if line_before.is_some() && !adjacent(line_before, *line) {
            out.push('\n');
        }
        let next = fields.get(at + 1).is_some_and(|(next, ..)| *next == line + 1);
        let together = adjacent(line_before, *line) || next;
        let widest = || fields.iter().map(|(_, name, _)| name.len()).max().unwrap_or(0).min(ALIGNED_MAX);
        let width = if together { widest() } else { 0 };
        let _ = write!(out, "\n  {field:width$} = {value}");
        line_before = Some(*line);
    }
    out.push_str("\n}");
}

/// A key: bare where it can be.
fn word(key: &str) -> String {
    let begins = key.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let goes_on = key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let is_value = matches!(key, "true" | "false");
    if begins && goes_on && !is_value { key.to_owned() } else { quoted(key) }
}

/// A string as HCL reads it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = template(rest) {
            out.push_str(rest.strip_suffix(after).unwrap_or_default());
            rest = after;
            continue;
        }
        rest = rest.strip_prefix(c).unwrap_or_default();
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' if rest.starts_with('{') => out.push_str("\\x24"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What follows a `${…}` at the beginning, if that means itself within quotes: everything in it is kept as it is written there,
/// so it must end, and hold nothing that needs an escape.
fn template(text: &str) -> Option<&str> {
    let within = text.strip_prefix("${")?;
    let mut depth = 1_u32;
    for (at, c) in within.char_indices().take(TEMPLATE_CHARS_MAX) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return within.get(at + 1..),
            '}' => depth -= 1,
            '"' | '\\' => return None,
            c if c.is_control() => return None,
            _ => {}
        }
    }
    None
}

/// A value as HCL writes it; none for JSON's null, which HCL does not know.
fn value(node: &Node) -> Option<String> {
    Some(match &node.kind {
        Value::Null => return None,
        Value::Text(text) => quoted(text),
        Value::List(list) => format!("[{}]", list.iter().filter_map(value).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let fields = map.iter().filter_map(|(key, entry)| Some(format!("{} = {}", word(key), value(&entry.value)?)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) => node.to_json().to_string(),
    })
}
