//! Rules of before 1.4, in today's language.

use super::{Area, Kind, RuleError};
use crate::rules::read::{blocks, root};
use lictor_syntax::tree::{Kind as Value, Node, Pos};
use std::fmt::Write;

/// One block or assignment of the text, or a comment before one.
enum Piece<'n> {
    Comment(&'n str),
    Block(String, &'n str, &'n Node),
    Value(&'n str, &'n Node),
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
            pieces.push((entry.key_pos, Piece::Value(key, &entry.value)));
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
            Piece::Value(key, value) => assign(&mut out, key, value, key.len()),
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
    let _ = write!(out, "{key} {name:?} {{");
    let fields: Vec<_> = body.as_map().into_iter().flatten().collect();
    let mut line_before = None;
    // Assignments in lines of their own stand together; others get room.
    let adjacent = |before: Option<u32>, line: u32| before.is_some_and(|before| line == before + 1);
    for (at, (field, entry)) in fields.iter().enumerate() {
        let line = entry.key_pos.line;
        if line_before.is_some() && !adjacent(line_before, line) {
            out.push('\n');
        }
        let next = fields.get(at + 1).is_some_and(|(_, next)| next.key_pos.line == line + 1);
        let together = adjacent(line_before, line) || next;
        let width = if together { fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0) } else { field.len() };
        out.push_str("\n  ");
        assign(out, field, &entry.value, width);
        line_before = Some(line);
    }
    out.push_str("\n}");
}

fn assign(out: &mut String, key: &str, value: &Node, width: usize) {
    let value = match &value.kind {
        Value::Text(text) => format!("{text:?}"),
        _ => value.to_json().to_string(),
    };
    let _ = write!(out, "{key:width$} = {value}");
}
