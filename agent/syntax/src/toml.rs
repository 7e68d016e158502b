//! TOML, through the `toml` crate, whose spans become lines and columns.

use super::{SyntaxError, position};
use crate::tree::{DEPTH_MAX, Entry, Kind, Node, Pos};
use indexmap::IndexMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

type Read<T> = Result<T, SyntaxError>;

/// Most dots outside quotes on one line: dotted keys nest, and the crate does not bound that.
const DOTS_MAX: usize = 128;

pub(super) fn parse(text: &str) -> Read<Node> {
    bound_dots(text)?;
    let table = DeTable::parse(text).map_err(|error| {
        let pos = error.span().map_or(Pos::default(), |span| position(text, span.start));
        SyntaxError::new(pos, error.message().trim().replace('\n', "; "))
    })?;
    let lines = Lines::new(text);
    let root = lines.at(table.span().start);
    Ok(Node { pos: root, kind: Kind::Map(map(&lines, table.get_ref(), 0)?) })
}

/// Byte offsets to places, without walking the text each time.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let starts =
            std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn at(&self, offset: usize) -> Pos {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Pos { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    }
}

fn bound_dots(text: &str) -> Read<()> {
    for (index, line) in text.lines().enumerate() {
        let mut quote: Option<char> = None;
        let mut dots = 0_usize;
        for c in line.chars() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '"' | '\'') => quote = Some(c),
                (None, '#') => break,
                (None, '.') => dots += 1,
                _ => {}
            }
        }
        if dots > DOTS_MAX {
            let pos = Pos { line: u32::try_from(index + 1).unwrap_or(u32::MAX), column: 1 };
            return Err(SyntaxError::new(pos, format!("a key with more than {DOTS_MAX} parts")));
        }
    }
    Ok(())
}

fn map(lines: &Lines<'_>, table: &DeTable<'_>, depth: usize) -> Read<IndexMap<String, Entry>> {
    let mut out = IndexMap::new();
    for (key, value) in table.iter() {
        let key_pos = lines.at(key.span().start);
        out.insert(key.get_ref().to_string(), Entry { key_pos, value: node(lines, value, depth + 1)? });
    }
    // The crate's table is sorted; a reader of the file expects its order.
    out.sort_by(|_, a, _, b| a.key_pos.cmp(&b.key_pos));
    Ok(out)
}

fn node(lines: &Lines<'_>, value: &Spanned<DeValue<'_>>, depth: usize) -> Read<Node> {
    let pos = lines.at(value.span().start);
    if depth > DEPTH_MAX {
        return Err(SyntaxError::new(pos, format!("nested deeper than {DEPTH_MAX} levels")));
    }
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            let parsed = i64::from_str_radix(&digits, number.radix());
            Kind::Integer(parsed.map_err(|_| SyntaxError::new(pos, "the number is too large"))?)
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().replace('_', "").parse::<f64>().ok().filter(|float| float.is_finite());
            Kind::Float(parsed.ok_or_else(|| SyntaxError::new(pos, "not a number that can be used here"))?)
        }
        DeValue::Boolean(flag) => Kind::Bool(*flag),
        DeValue::Datetime(_) => {
            return Err(SyntaxError::new(pos, "no option takes a date").hint("put it in quotes to make it a string"));
        }
        DeValue::Array(list) => Kind::List(list.iter().map(|item| node(lines, item, depth + 1)).collect::<Read<_>>()?),
        DeValue::Table(table) => Kind::Map(map(lines, table, depth)?),
    };
    Ok(Node { pos, kind })
}
