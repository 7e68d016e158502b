//! Tokens of HCL 1.

use super::SyntaxError;
use super::cursor::Cursor;
use crate::tree::Pos;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Ident(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Assign,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Comma,
    Other(char),
    End,
}

impl Token {
    /// For messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Ident(name) => format!("the bare word {name:?}"),
            Self::Text(_) => "a string".to_owned(),
            Self::Integer(number) => format!("the number {number}"),
            Self::Float(number) => format!("the number {number}"),
            Self::Bool(flag) => format!("{flag}"),
            Self::Assign => "\"=\"".to_owned(),
            Self::OpenBrace => "\"{\"".to_owned(),
            Self::CloseBrace => "\"}\"".to_owned(),
            Self::OpenBracket => "\"[\"".to_owned(),
            Self::CloseBracket => "\"]\"".to_owned(),
            Self::Comma => "\",\"".to_owned(),
            Self::Other(c) => format!("{c:?}"),
            Self::End => "the end of the file".to_owned(),
        }
    }
}

/// Reads tokens one by one.
pub(super) struct Lexer<'t> {
    cursor: Cursor<'t>,
}

type Read<T> = Result<T, SyntaxError>;

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { cursor: Cursor::new(text) }
    }

    /// The next token and where it begins; blanks and comments are passed over.
    pub(super) fn next(&mut self) -> Read<(Token, Pos)> {
        loop {
            self.cursor.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            let pos = self.cursor.pos;
            let rest = self.cursor.rest();
            if rest.starts_with('#') || rest.starts_with("//") {
                self.cursor.take_while(|c| c != '\n');
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let Some(length) = comment.find("*/") else {
                    return Err(SyntaxError::new(pos, "comment not terminated").hint("close it with */"));
                };
                let end = self.cursor.at() + 2 + length + 2;
                while self.cursor.at() < end {
                    self.cursor.bump();
                }
            } else {
                return Ok((self.token(pos)?, pos));
            }
        }
    }

    fn token(&mut self, pos: Pos) -> Read<Token> {
        let Some(first) = self.cursor.peek() else { return Ok(Token::End) };
        if first.is_alphabetic() || first == '_' {
            let word = self.cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
            return Ok(match word {
                "true" => Token::Bool(true),
                "false" => Token::Bool(false),
                _ => Token::Ident(word.to_owned()),
            });
        }
        let second = self.cursor.rest().chars().nth(1);
        if first.is_ascii_digit() || (matches!(first, '-' | '.') && second.is_some_and(|c| c.is_ascii_digit())) {
            return self.number(pos);
        }
        if first == '"' {
            return self.string(pos);
        }
        if self.cursor.rest().starts_with("<<") {
            return self.heredoc(pos);
        }
        self.cursor.bump();
        Ok(match first {
            '=' => Token::Assign,
            '{' => Token::OpenBrace,
            '}' => Token::CloseBrace,
            '[' => Token::OpenBracket,
            ']' => Token::CloseBracket,
            ',' => Token::Comma,
            c => Token::Other(c),
        })
    }

    fn number(&mut self, pos: Pos) -> Read<Token> {
        let negative = self.cursor.rest().starts_with('-');
        if negative {
            self.cursor.bump();
        }
        let range = || SyntaxError::new(pos, "the number is too large");
        // With its sign: the smallest number has no opposite.
        let signed = |digits: &str, radix| {
            let text = if negative { format!("-{digits}") } else { digits.to_owned() };
            i64::from_str_radix(&text, radix).map(Token::Integer).map_err(|_| range())
        };
        let rest = self.cursor.rest();
        if rest.starts_with("0x") || rest.starts_with("0X") {
            self.cursor.bump();
            self.cursor.bump();
            let digits = self.cursor.take_while(|c| c.is_ascii_hexdigit());
            if digits.is_empty() {
                return Err(SyntaxError::new(pos, "illegal hexadecimal number"));
            }
            return signed(digits, 16);
        }
        let from = self.cursor.at();
        self.cursor.take_while(|c| c.is_ascii_digit());
        let whole = self.cursor.since(from);
        let mut float = false;
        if self.cursor.peek() == Some('.') {
            float = true;
            self.cursor.bump();
            self.cursor.take_while(|c| c.is_ascii_digit());
        }
        if matches!(self.cursor.peek(), Some('e' | 'E')) {
            let exponent = self.cursor.rest().get(1..).unwrap_or_default().trim_start_matches(['+', '-']);
            if exponent.starts_with(|c: char| c.is_ascii_digit()) {
                float = true;
                self.cursor.bump();
                if matches!(self.cursor.peek(), Some('+' | '-')) {
                    self.cursor.bump();
                }
                self.cursor.take_while(|c| c.is_ascii_digit());
            }
        }
        if float {
            let text = self.cursor.since(from);
            let value: f64 = text.trim_end_matches('.').parse().map_err(|_| SyntaxError::new(pos, "malformed number"))?;
            if !value.is_finite() {
                return Err(range());
            }
            return Ok(Token::Float(if negative { -value } else { value }));
        }
        if whole.len() > 1 && whole.starts_with('0') {
            if whole.contains(['8', '9']) {
                return Err(SyntaxError::new(pos, "illegal octal number").hint("a leading zero means octal; leave it out"));
            }
            return signed(whole, 8);
        }
        signed(whole, 10)
    }

    fn string(&mut self, pos: Pos) -> Read<Token> {
        self.cursor.bump();
        let mut out = String::new();
        let mut braces = 0_u32;
        loop {
            let at = self.cursor.pos;
            let Some(c) = self.cursor.bump() else {
                return Err(SyntaxError::new(pos, "literal not terminated").hint("close the string with \""));
            };
            match c {
                '"' if braces == 0 => return Ok(Token::Text(out)),
                '\n' if braces == 0 => {
                    return Err(SyntaxError::new(pos, "literal not terminated")
                        .hint("a string ends on its line; use a heredoc for several lines"));
                }
                '\0' => return Err(SyntaxError::new(at, "illegal character NUL")),
                '$' if braces == 0 && self.cursor.peek() == Some('{') => {
                    self.cursor.bump();
                    out.push_str("${");
                    braces = 1;
                }
                // Inside ${…} everything is kept as written.
                '{' if braces > 0 => {
                    braces = braces.saturating_add(1);
                    out.push(c);
                }
                '}' if braces > 0 => {
                    braces -= 1;
                    out.push(c);
                }
                '\\' if braces == 0 => self.escape(at, &mut out)?,
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self, pos: Pos, out: &mut String) -> Read<()> {
        let bad = || SyntaxError::new(pos, "illegal char escape").hint("write \\\\ for a backslash");
        let Some(c) = self.cursor.bump() else { return Err(bad()) };
        let simple = match c {
            'a' => Some('\u{07}'),
            'b' => Some('\u{08}'),
            'f' => Some('\u{0c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{0b}'),
            '\\' | '"' => Some(c),
            _ => None,
        };
        if let Some(meant) = simple {
            out.push(meant);
            return Ok(());
        }
        let (radix, digits, mut text) = match c {
            '0'..='7' => (8, 3, c.to_string()),
            'x' => (16, 2, String::new()),
            'u' => (16, 4, String::new()),
            'U' => (16, 8, String::new()),
            _ => return Err(bad()),
        };
        while text.len() < digits {
            match self.cursor.peek() {
                Some(c) if c.is_digit(radix) => {
                    text.push(c);
                    self.cursor.bump();
                }
                _ => return Err(bad()),
            }
        }
        let code = u32::from_str_radix(&text, radix).map_err(|_| bad())?;
        out.push(char::from_u32(code).ok_or_else(bad)?);
        Ok(())
    }

    fn heredoc(&mut self, pos: Pos) -> Read<Token> {
        self.cursor.bump();
        self.cursor.bump();
        let indented = self.cursor.peek() == Some('-');
        if indented {
            self.cursor.bump();
        }
        let anchor = self.cursor.take_while(|c| c.is_alphanumeric() || c == '_');
        if self.cursor.peek() == Some('\r') {
            self.cursor.bump();
        }
        if anchor.is_empty() || self.cursor.bump() != Some('\n') {
            return Err(SyntaxError::new(pos, "invalid characters in heredoc anchor").hint("write <<EOF at the end of the line"));
        }
        let mut lines: Vec<&str> = Vec::new();
        loop {
            let line = self.cursor.take_while(|c| c != '\n');
            if line.trim() == anchor {
                let indent = line.get(..line.find(anchor).unwrap_or(0)).unwrap_or_default();
                return Ok(Token::Text(join_heredoc(&lines, indent, indented)));
            }
            lines.push(line);
            if self.cursor.bump().is_none() {
                return Err(SyntaxError::new(pos, "heredoc not terminated").hint(format!("close it with a line {anchor}")));
            }
        }
    }
}

/// The lines, each with its end; with `<<-` the indentation of the closing line is taken off when all lines have it.
fn join_heredoc(lines: &[&str], indent: &str, indented: bool) -> String {
    let strip = indented && lines.iter().all(|line| line.starts_with(indent));
    let mut out = String::new();
    for line in lines {
        out.push_str(if strip { line.strip_prefix(indent).unwrap_or(line) } else { line });
        out.push('\n');
    }
    if !indented {
        out.push_str(indent);
    }
    out
}
