//! Tokens of HCL 1.

use super::SyntaxError;
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
    text: &'t str,
    at: usize,
    pos: Pos,
}

type Read<T> = Result<T, SyntaxError>;

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, pos: Pos { line: 1, column: 1 } }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.pos = Pos { line: self.pos.line.saturating_add(1), column: 1 };
        } else {
            self.pos.column = self.pos.column.saturating_add(1);
        }
        Some(c)
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let from = self.at;
        while self.peek().is_some_and(&keep) {
            self.bump();
        }
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// The next token and where it begins; blanks and comments are passed over.
    pub(super) fn next(&mut self) -> Read<(Token, Pos)> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            let pos = self.pos;
            let rest = self.rest();
            if rest.starts_with('#') || rest.starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let Some(length) = comment.find("*/") else {
                    return Err(SyntaxError::new(pos, "comment not terminated").hint("close it with */"));
                };
                let end = self.at + 2 + length + 2;
                while self.at < end {
                    self.bump();
                }
            } else {
                return Ok((self.token(pos)?, pos));
            }
        }
    }

    fn token(&mut self, pos: Pos) -> Read<Token> {
        let Some(first) = self.peek() else { return Ok(Token::End) };
        if first.is_alphabetic() || first == '_' {
            let word = self.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
            return Ok(match word {
                "true" => Token::Bool(true),
                "false" => Token::Bool(false),
                _ => Token::Ident(word.to_owned()),
            });
        }
        let second = self.rest().chars().nth(1);
        if first.is_ascii_digit() || (matches!(first, '-' | '.') && second.is_some_and(|c| c.is_ascii_digit())) {
            return self.number(pos);
        }
        if first == '"' {
            return self.string(pos);
        }
        if self.rest().starts_with("<<") {
            return self.heredoc(pos);
        }
        self.bump();
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
        let negative = self.rest().starts_with('-');
        if negative {
            self.bump();
        }
        let range = || SyntaxError::new(pos, "the number is too large");
        let signed = |value: i64| Token::Integer(if negative { value.wrapping_neg() } else { value });
        let rest = self.rest();
        if rest.starts_with("0x") || rest.starts_with("0X") {
            self.bump();
            self.bump();
            let digits = self.take_while(|c| c.is_ascii_hexdigit());
            if digits.is_empty() {
                return Err(SyntaxError::new(pos, "illegal hexadecimal number"));
            }
            return i64::from_str_radix(digits, 16).map(signed).map_err(|_| range());
        }
        let from = self.at;
        self.take_while(|c| c.is_ascii_digit());
        let whole = self.text.get(from..self.at).unwrap_or_default();
        let mut float = false;
        if self.peek() == Some('.') {
            float = true;
            self.bump();
            self.take_while(|c| c.is_ascii_digit());
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            let exponent = self.rest().get(1..).unwrap_or_default().trim_start_matches(['+', '-']);
            if exponent.starts_with(|c: char| c.is_ascii_digit()) {
                float = true;
                self.bump();
                if matches!(self.peek(), Some('+' | '-')) {
                    self.bump();
                }
                self.take_while(|c| c.is_ascii_digit());
            }
        }
        if float {
            let text = self.text.get(from..self.at).unwrap_or_default();
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
            return i64::from_str_radix(whole, 8).map(signed).map_err(|_| range());
        }
        whole.parse().map(signed).map_err(|_| range())
    }

    fn string(&mut self, pos: Pos) -> Read<Token> {
        self.bump();
        let mut out = String::new();
        let mut braces = 0_u32;
        loop {
            let at = self.pos;
            let Some(c) = self.bump() else {
                return Err(SyntaxError::new(pos, "literal not terminated").hint("close the string with \""));
            };
            match c {
                '"' if braces == 0 => return Ok(Token::Text(out)),
                '\n' if braces == 0 => {
                    return Err(SyntaxError::new(pos, "literal not terminated")
                        .hint("a string ends on its line; use a heredoc for several lines"));
                }
                '\0' => return Err(SyntaxError::new(at, "illegal character NUL")),
                '$' if braces == 0 && self.peek() == Some('{') => {
                    self.bump();
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
        let Some(c) = self.bump() else { return Err(bad()) };
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
            match self.peek() {
                Some(c) if c.is_digit(radix) => {
                    text.push(c);
                    self.bump();
                }
                _ => return Err(bad()),
            }
        }
        let code = u32::from_str_radix(&text, radix).map_err(|_| bad())?;
        out.push(char::from_u32(code).ok_or_else(bad)?);
        Ok(())
    }

    fn heredoc(&mut self, pos: Pos) -> Read<Token> {
        self.bump();
        self.bump();
        let indented = self.peek() == Some('-');
        if indented {
            self.bump();
        }
        let anchor = self.take_while(|c| c.is_alphanumeric() || c == '_');
        if self.peek() == Some('\r') {
            self.bump();
        }
        if anchor.is_empty() || self.bump() != Some('\n') {
            return Err(SyntaxError::new(pos, "invalid characters in heredoc anchor").hint("write <<EOF at the end of the line"));
        }
        let mut lines: Vec<&str> = Vec::new();
        loop {
            let line = self.take_while(|c| c != '\n');
            if line.trim() == anchor {
                let indent = line.get(..line.find(anchor).unwrap_or(0)).unwrap_or_default();
                return Ok(Token::Text(join_heredoc(&lines, indent, indented)));
            }
            lines.push(line);
            if self.bump().is_none() {
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
