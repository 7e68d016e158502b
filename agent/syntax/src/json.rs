//! JSON (RFC 8259) with places. Of keys given twice the last counts.
//!
//! A reader of our own: Consul takes exactly what Go's `encoding/json` takes, in its words, and no crate that tells places does.
//! jsonc-parser 0.34, told to be strict, still takes `1.`, `"\q"`, bare tabs in strings and odd blanks, and refuses a lone
//! surrogate, which Go replaces; json-spanned-value has been left alone since 2021, and hifijson is a lexer without places.

use super::SyntaxError;
use super::cursor::Cursor;
use crate::tree::{DEPTH_MAX, Entry, Kind, Node, Pos};
use indexmap::IndexMap;

type Read<T> = Result<T, SyntaxError>;

pub(super) fn parse(text: &str) -> Read<Node> {
    let mut parser = Parser { cursor: Cursor::new(text) };
    parser.blanks();
    let root = parser.value(0)?;
    parser.blanks();
    if let Some(c) = parser.cursor.peek() {
        return Err(parser.error(format!("invalid character {c:?} after top-level value")));
    }
    match root.kind {
        Kind::Map(_) => Ok(root),
        Kind::Null => Ok(Node::empty(root.pos)),
        _ => Err(SyntaxError::new(root.pos, "the file must hold an object").hint("begin with { and end with }")),
    }
}

struct Parser<'t> {
    cursor: Cursor<'t>,
}

impl Parser<'_> {
    fn blanks(&mut self) {
        self.cursor.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.cursor.pos, message)
    }

    fn unexpected(&self, wanted: &str) -> SyntaxError {
        match self.cursor.peek() {
            None => self.error("unexpected end of JSON input"),
            Some(c) => {
                let error = self.error(format!("invalid character {c:?} {wanted}"));
                if self.cursor.rest().starts_with("//") || c == '#' { error.hint("JSON has no comments") } else { error }
            }
        }
    }

    fn value(&mut self, depth: usize) -> Read<Node> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let pos = self.cursor.pos;
        let kind = match self.cursor.peek() {
            Some('{') => self.map(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Kind::Text(self.string()?),
            Some('-' | '0'..='9') => self.number(pos)?,
            Some('a'..='z') => {
                let known = [("true", Kind::Bool(true)), ("false", Kind::Bool(false)), ("null", Kind::Null)];
                let Some((word, kind)) = known.into_iter().find(|(word, _)| self.cursor.rest().starts_with(word)) else {
                    return Err(self.unexpected("looking for beginning of value").hint("put strings in quotes"));
                };
                for _ in 0..word.len() {
                    self.cursor.bump();
                }
                kind
            }
            _ => return Err(self.unexpected("looking for beginning of value")),
        };
        Ok(Node { pos, kind })
    }

    fn map(&mut self, depth: usize) -> Read<Kind> {
        self.cursor.bump();
        let mut map = IndexMap::new();
        self.blanks();
        if self.cursor.peek() == Some('}') {
            self.cursor.bump();
            return Ok(Kind::Map(map));
        }
        loop {
            self.blanks();
            let key_pos = self.cursor.pos;
            if self.cursor.peek() != Some('"') {
                let trailing = self.cursor.peek() == Some('}');
                let error = self.unexpected("looking for beginning of object key string");
                return Err(if trailing { error.hint("leave out the comma before }") } else { error });
            }
            let key = self.string()?;
            self.blanks();
            if self.cursor.peek() != Some(':') {
                return Err(self.unexpected("after object key"));
            }
            self.cursor.bump();
            self.blanks();
            let value = self.value(depth + 1)?;
            map.insert(key, Entry { key_pos, value });
            self.blanks();
            match self.cursor.peek() {
                Some(',') => self.cursor.bump(),
                Some('}') => {
                    self.cursor.bump();
                    return Ok(Kind::Map(map));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            };
        }
    }

    fn list(&mut self, depth: usize) -> Read<Kind> {
        self.cursor.bump();
        let mut list = Vec::new();
        self.blanks();
        if self.cursor.peek() == Some(']') {
            self.cursor.bump();
            return Ok(Kind::List(list));
        }
        loop {
            self.blanks();
            list.push(self.value(depth + 1)?);
            self.blanks();
            match self.cursor.peek() {
                Some(',') => self.cursor.bump(),
                Some(']') => {
                    self.cursor.bump();
                    return Ok(Kind::List(list));
                }
                _ => return Err(self.unexpected("after array element")),
            };
        }
    }

    fn number(&mut self, pos: Pos) -> Read<Kind> {
        let text = self.cursor.take_while(|c| matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'));
        // serde_json knows the grammar of numbers; what it takes for a float here is one.
        match serde_json::from_str::<serde_json::Number>(text) {
            Ok(number) => Ok(match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Kind::Integer(whole),
                (None, Some(float)) => Kind::Float(float),
                (None, None) => Kind::Null,
            }),
            Err(_) => Err(SyntaxError::new(pos, format!("{text:?} is no JSON number"))),
        }
    }

    fn string(&mut self) -> Read<String> {
        let start = self.cursor.pos;
        self.cursor.bump();
        let mut out = String::new();
        loop {
            let pos = self.cursor.pos;
            match self.cursor.bump() {
                None => return Err(SyntaxError::new(start, "the string is not closed")),
                Some('"') => return Ok(out),
                Some('\\') => self.escape(pos, &mut out)?,
                Some(c) if (c as u32) < 0x20 => {
                    return Err(SyntaxError::new(pos, format!("invalid character {c:?} in string literal")));
                }
                Some(c) => out.push(c),
            }
        }
    }

    fn escape(&mut self, pos: Pos, out: &mut String) -> Read<()> {
        let c = match self.cursor.bump() {
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('b') => '\u{08}',
            Some('f') => '\u{0c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let high = self.hex(pos)?;
                let mut code = high;
                if (0xd800..0xdc00).contains(&high) && self.cursor.rest().starts_with("\\u") {
                    let before = self.cursor;
                    self.cursor.bump();
                    self.cursor.bump();
                    let low = self.hex(pos)?;
                    if (0xdc00..0xe000).contains(&low) {
                        code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    } else {
                        self.cursor = before;
                    }
                }
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(SyntaxError::new(pos, "invalid character in string escape code")),
        };
        out.push(c);
        Ok(())
    }

    fn hex(&mut self, pos: Pos) -> Read<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.cursor.bump().and_then(|c| c.to_digit(16));
            code = code * 16
                + digit.ok_or_else(|| SyntaxError::new(pos, "invalid character in \\u hexadecimal character escape"))?;
        }
        Ok(code)
    }
}
