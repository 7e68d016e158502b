//! HCL 1: keys, `=`, blocks with labels, lists. No expressions: a bare word is refused.

use super::SyntaxError;
use super::hcl_lexer::{Lexer, Token};
use crate::tree::{DEPTH_MAX, Entry, Gathering, Kind, Node, Pos};
use indexmap::IndexMap;

type Read<T> = Result<T, SyntaxError>;

pub(super) fn parse(text: &str) -> Read<Node> {
    let mut lexer = Lexer::new(text);
    let (token, pos) = lexer.next()?;
    let mut parser = Parser { lexer, token, pos };
    let map = parser.body(None, 0)?;
    Ok(Node { pos: Pos { line: 1, column: 1 }, kind: Kind::Map(map) })
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The token looked at.
    token: Token,
    pos: Pos,
}

impl Parser<'_> {
    fn advance(&mut self) -> Read<Token> {
        let (token, pos) = self.lexer.next()?;
        self.pos = pos;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn unexpected(&self, wanted: &str) -> SyntaxError {
        SyntaxError::new(self.pos, format!("expected {wanted}, found {}", self.token.describe()))
    }

    /// Items up to `}` (when opened at `open`) or to the end of the file.
    fn body(&mut self, open: Option<Pos>, depth: usize) -> Read<IndexMap<String, Entry>> {
        if depth > DEPTH_MAX {
            return Err(SyntaxError::new(self.pos, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let mut map = Gathering::default();
        loop {
            match (&self.token, open) {
                (Token::End, None) => return Ok(map.into_map()),
                (Token::End, Some(open)) => {
                    let place = format!("the \"{{\" of line {} is not closed", open.line);
                    return Err(SyntaxError::new(self.pos, place).hint("add the missing \"}\""));
                }
                (Token::CloseBrace, Some(_)) => {
                    self.advance()?;
                    return Ok(map.into_map());
                }
                _ => self.item(&mut map, depth)?,
            }
            if self.token == Token::Comma {
                self.advance()?;
            }
        }
    }

    fn item(&mut self, map: &mut Gathering, depth: usize) -> Read<()> {
        let mut keys: Vec<(String, Pos)> = Vec::new();
        let value = loop {
            let pos = self.pos;
            match &self.token {
                Token::Ident(_) | Token::Text(_) => {
                    if keys.len() >= DEPTH_MAX {
                        return Err(SyntaxError::new(pos, "too many labels"));
                    }
                    if let Token::Ident(key) | Token::Text(key) = self.advance()? {
                        keys.push((key, pos));
                    }
                }
                Token::Assign if keys.len() == 1 => {
                    self.advance()?;
                    break self.value(depth)?;
                }
                Token::Assign if keys.len() > 1 => {
                    return Err(self.unexpected("\"{\"").hint("a block with a label has no \"=\""));
                }
                Token::OpenBrace if !keys.is_empty() => {
                    self.advance()?;
                    let inner = self.body(Some(pos), depth + keys.len())?;
                    break Node { pos, kind: Kind::Map(inner) };
                }
                _ if keys.is_empty() => return Err(self.unexpected("a key")),
                Token::Other(':') => return Err(self.unexpected("\"=\" or \"{\"").hint("HCL writes key = value")),
                _ => {
                    let last = keys.last().map(|(key, _)| key.as_str()).unwrap_or_default();
                    return Err(self.unexpected(&format!("\"=\" or \"{{\" after the key {last:?}")));
                }
            }
        };
        // Labels are nested keys.
        let mut value = value;
        while keys.len() > 1 {
            if let Some((key, key_pos)) = keys.pop() {
                let mut outer = IndexMap::new();
                outer.insert(key, Entry { key_pos, value });
                value = Node { pos: key_pos, kind: Kind::Map(outer) };
            }
        }
        if let Some((key, key_pos)) = keys.pop() {
            map.insert(key, key_pos, value);
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Read<Node> {
        let pos = self.pos;
        if depth > DEPTH_MAX {
            return Err(SyntaxError::new(pos, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let kind = match &self.token {
            Token::OpenBrace => {
                self.advance()?;
                return Ok(Node { pos, kind: Kind::Map(self.body(Some(pos), depth + 1)?) });
            }
            Token::OpenBracket => {
                self.advance()?;
                return Ok(Node { pos, kind: Kind::List(self.list(pos, depth + 1)?) });
            }
            Token::Ident(_) => return Err(self.unexpected("a value").hint("put strings in quotes")),
            Token::Text(_) | Token::Integer(_) | Token::Float(_) | Token::Bool(_) => self.advance()?,
            _ => return Err(self.unexpected("a value")),
        };
        let kind = match kind {
            Token::Text(text) => Kind::Text(text),
            Token::Integer(number) => Kind::Integer(number),
            Token::Float(number) => Kind::Float(number),
            Token::Bool(flag) => Kind::Bool(flag),
            _ => Kind::Null,
        };
        Ok(Node { pos, kind })
    }

    fn list(&mut self, open: Pos, depth: usize) -> Read<Vec<Node>> {
        let mut items = Vec::new();
        let mut needs_comma = false;
        loop {
            match &self.token {
                Token::CloseBracket => {
                    self.advance()?;
                    return Ok(items);
                }
                Token::Comma => {
                    self.advance()?;
                    needs_comma = false;
                }
                Token::End => {
                    let place = format!("the \"[\" of line {} is not closed", open.line);
                    return Err(SyntaxError::new(self.pos, place).hint("add the missing \"]\""));
                }
                _ if needs_comma => return Err(self.unexpected("\",\" or \"]\"")),
                _ => {
                    items.push(self.value(depth)?);
                    needs_comma = true;
                }
            }
        }
    }
}
