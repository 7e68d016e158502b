//! Text to syntax tree.
//!
//! A recursive descent that follows the alternatives of the language's PEG in their order and remembers, as PEG parsers do,
//! the farthest place where something failed and what was expected there; so that a wrong expression gets the sentence that
//! people know. No alternative is parsed twice, the time is linear in the length.

use crate::error::FilterError;
use crate::literal::unquote;
use crate::{DEPTH_MAX, EXPRESSION_BYTES_MAX};
use std::collections::BTreeSet;

/// What a matcher does. The names are those of error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    In,
    NotIn,
    IsEmpty,
    IsNotEmpty,
    Matches,
    NotMatches,
}

impl Operator {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Equal => "Equal",
            Self::NotEqual => "Not Equal",
            Self::In => "In",
            Self::NotIn => "Not In",
            Self::IsEmpty => "Is Empty",
            Self::IsNotEmpty => "Is Not Empty",
            Self::Matches => "Matches",
            Self::NotMatches => "Not Matches",
        }
    }
}

/// An expression as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Syntax {
    All(Vec<Syntax>),
    Any(Vec<Syntax>),
    Not(Box<Syntax>),
    Match { selector: Vec<String>, operator: Operator, value: Option<String> },
}

/// Parses a whole expression.
pub(crate) fn parse(text: &str) -> Result<Syntax, FilterError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(FilterError::TooLong(text.len()));
    }
    let mut parser = Parser { text, at: 0, farthest: 0, expected: BTreeSet::new(), found: Vec::new(), depth: 0, too_deep: false };
    let tree = parser.whole();
    if parser.too_deep {
        return Err(FilterError::TooDeep);
    }
    match tree {
        Some(tree) if parser.found.is_empty() => Ok(tree),
        _ => Err(FilterError::Syntax(parser.explain())),
    }
}

const SPACE: &str = r"[ \t\r\n]";
const END: &str = "EOF";

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Offset of the farthest failure, and what would have been accepted there.
    farthest: usize,
    expected: BTreeSet<&'static str>,
    /// Findings with a sentence of their own: offset, rule, sentence. Any of them refuses the expression.
    found: Vec<(usize, &'static str, &'static str)>,
    depth: usize,
    too_deep: bool,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn miss(&mut self, expected: &'static str) {
        if self.at > self.farthest {
            self.farthest = self.at;
            self.expected.clear();
        }
        if self.at == self.farthest {
            self.expected.insert(expected);
        }
    }

    fn find(&mut self, rule: &'static str, sentence: &'static str) {
        self.find_at(self.at, rule, sentence);
    }

    fn find_at(&mut self, at: usize, rule: &'static str, sentence: &'static str) {
        let finding = (at, rule, sentence);
        if !self.found.contains(&finding) && self.found.len() < 16 {
            self.found.push(finding);
        }
    }

    /// Takes a literal; `shown` is how it looks among what was expected.
    fn literal(&mut self, word: &str, shown: &'static str) -> bool {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return true;
        }
        self.miss(shown);
        false
    }

    fn class(&mut self, accept: impl Fn(u8) -> bool, shown: &'static str) -> bool {
        if self.peek().is_some_and(accept) {
            self.at += 1;
            return true;
        }
        self.miss(shown);
        false
    }

    fn many(&mut self, accept: impl Fn(u8) -> bool, shown: &'static str) -> usize {
        let start = self.at;
        while self.class(&accept, shown) {}
        self.at - start
    }

    fn space(&mut self) -> bool {
        self.many(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'), SPACE) > 0
    }

    /// Nothing may follow. Something that does is a failure where `EOF` was expected.
    fn end(&mut self) -> bool {
        if self.at == self.text.len() {
            return true;
        }
        self.miss(END);
        false
    }

    fn whole(&mut self) -> Option<Syntax> {
        self.space();
        let tree = self.any()?;
        self.space();
        self.end().then_some(tree)
    }

    fn any(&mut self) -> Option<Syntax> {
        self.chain("or", "\"or\"", Self::all).map(|mut parts| if parts.len() == 1 { parts.remove(0) } else { Syntax::Any(parts) })
    }

    fn all(&mut self) -> Option<Syntax> {
        self.chain("and", "\"and\"", Self::not)
            .map(|mut parts| if parts.len() == 1 { parts.remove(0) } else { Syntax::All(parts) })
    }

    fn chain(&mut self, word: &str, shown: &'static str, part: fn(&mut Self) -> Option<Syntax>) -> Option<Vec<Syntax>> {
        let mut parts = vec![part(self)?];
        loop {
            let before = self.at;
            let next = if self.space() && self.literal(word, shown) && self.space() { part(self) } else { None };
            match next {
                Some(next) => parts.push(next),
                None => {
                    self.at = before;
                    return Some(parts);
                }
            }
        }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth >= DEPTH_MAX {
            self.too_deep = true;
            return None;
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn not(&mut self) -> Option<Syntax> {
        let before = self.at;
        if self.literal("not", "\"not\"") && self.space() {
            if let Some(inner) = self.deeper(Self::not) {
                return Some(Syntax::Not(Box::new(inner)));
            }
            if self.too_deep {
                return None;
            }
        }
        self.at = before;
        self.group()
    }

    fn group(&mut self) -> Option<Syntax> {
        let before = self.at;
        if self.literal("(", "\"(\"") {
            self.space();
            if let Some(inner) = self.deeper(Self::any) {
                self.space();
                if self.literal(")", "\")\"") {
                    return Some(inner);
                }
                self.find("grouping", "Unmatched parentheses");
            }
            self.at = before;
            if self.too_deep {
                return None;
            }
        }
        self.matcher()
    }

    fn matcher(&mut self) -> Option<Syntax> {
        let before = self.at;
        if let Some(selector) = self.selector() {
            let after = self.at;
            if let Some(operator) = self.operator_before_value()
                && let Some(value) = self.value()
            {
                return Some(Syntax::Match { selector, operator, value: Some(value) });
            }
            self.at = after;
            if let Some(operator) = self.operator_alone() {
                return Some(Syntax::Match { selector, operator, value: None });
            }
            self.at = before;
        }
        let value = self.value()?;
        let operator = self.operator_before_selector()?;
        let after = self.at;
        if let Some(selector) = self.selector() {
            return Some(Syntax::Match { selector, operator, value: Some(value) });
        }
        self.at = after;
        self.find("match", "Invalid selector");
        self.at = before;
        None
    }

    /// Tries one operator: its words with spaces between them. Symbols need no spaces around.
    fn operator(&mut self, words: &[(&str, &'static str)], spaced_after: bool) -> bool {
        let before = self.at;
        for (word, shown) in words {
            if !self.space() || !self.literal(word, shown) {
                self.at = before;
                return false;
            }
        }
        if spaced_after && !self.space() {
            self.at = before;
            return false;
        }
        true
    }

    fn symbol(&mut self, word: &str, shown: &'static str) -> bool {
        let before = self.at;
        self.space();
        if self.literal(word, shown) {
            self.space();
            return true;
        }
        self.at = before;
        false
    }

    fn operator_before_value(&mut self) -> Option<Operator> {
        const NOT: (&str, &str) = ("not", "\"not\"");
        const CONTAINS: (&str, &str) = ("contains", "\"contains\"");
        const MATCHES: (&str, &str) = ("matches", "\"matches\"");
        if self.symbol("==", "\"==\"") {
            return Some(Operator::Equal);
        }
        if self.symbol("!=", "\"!=\"") {
            return Some(Operator::NotEqual);
        }
        if self.operator(&[CONTAINS], true) {
            return Some(Operator::In);
        }
        if self.operator(&[NOT, CONTAINS], true) {
            return Some(Operator::NotIn);
        }
        if self.operator(&[MATCHES], true) {
            return Some(Operator::Matches);
        }
        self.operator(&[NOT, MATCHES], true).then_some(Operator::NotMatches)
    }

    fn operator_alone(&mut self) -> Option<Operator> {
        const IS: (&str, &str) = ("is", "\"is\"");
        const EMPTY: (&str, &str) = ("empty", "\"empty\"");
        if self.operator(&[IS, EMPTY], false) {
            return Some(Operator::IsEmpty);
        }
        self.operator(&[IS, ("not", "\"not\""), EMPTY], false).then_some(Operator::IsNotEmpty)
    }

    fn operator_before_selector(&mut self) -> Option<Operator> {
        const IN: (&str, &str) = ("in", "\"in\"");
        if self.operator(&[IN], true) {
            return Some(Operator::In);
        }
        self.operator(&[("not", "\"not\""), IN], true).then_some(Operator::NotIn)
    }

    fn identifier(&mut self) -> Option<String> {
        let start = self.at;
        if !self.class(|b| b.is_ascii_alphabetic(), "[a-zA-Z]") {
            return None;
        }
        self.many(|b| b.is_ascii_alphanumeric() || b == b'_', "[a-zA-Z0-9_]");
        Some(self.text[start..self.at].to_owned())
    }

    fn selector(&mut self) -> Option<Vec<String>> {
        let mut path = vec![self.identifier()?];
        loop {
            let before = self.at;
            if self.literal(".", "\".\"")
                && let Some(name) = self.identifier()
            {
                path.push(name);
                continue;
            }
            self.at = before;
            match self.index() {
                Some(key) => path.push(key),
                None => {
                    self.at = before;
                    return Some(path);
                }
            }
        }
    }

    fn index(&mut self) -> Option<String> {
        if !self.literal("[", "\"[\"") {
            return None;
        }
        self.space();
        let Some(key) = self.string_after(self.at) else {
            self.find("index", "Invalid index");
            return None;
        };
        self.space();
        if self.literal("]", "\"]\"") {
            return Some(key);
        }
        self.find("index", "Unclosed index expression");
        None
    }

    /// A string at the current place, which is left as it was when there is none.
    fn string_after(&mut self, start: usize) -> Option<String> {
        let key = self.string();
        if key.is_none() {
            self.at = start;
        }
        key
    }

    fn value(&mut self) -> Option<String> {
        let start = self.at;
        if let Some(path) = self.selector() {
            return Some(path.join("."));
        }
        self.at = start;
        if self.number() {
            return Some(self.text[start..self.at].to_owned());
        }
        self.at = start;
        self.string_after(start)
    }

    fn number(&mut self) -> bool {
        self.literal("-", "\"-\"");
        if !self.literal("0", "\"0\"") {
            if !self.class(|b| matches!(b, b'1'..=b'9'), "[1-9]") {
                return false;
            }
            self.many(|b| b.is_ascii_digit(), "[0-9]");
        }
        let before_fraction = self.at;
        if !(self.literal(".", "\".\"") && self.many(|b| b.is_ascii_digit(), "[0-9]") > 0) {
            self.at = before_fraction;
        }
        let after = self.at;
        let ends = self.space() || self.end() || self.literal(")", "\")\"");
        self.at = after;
        if !ends {
            self.find("number", "Invalid number literal");
        }
        ends
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        let quote = match (self.literal("`", "\"`\""), self.peek()) {
            (true, _) => b'`',
            (false, Some(b'"')) => b'"',
            (false, _) => {
                self.miss("\"\\\"\"");
                return None;
            }
        };
        let inner = start + 1;
        match self.text.as_bytes()[inner..].iter().position(|b| *b == quote) {
            Some(length) => {
                self.at = inner + length + 1;
                let text = unquote(&self.text[start..self.at]);
                if text.is_none() {
                    self.find_at(start, "string", "invalid syntax");
                }
                Some(text.unwrap_or_default())
            }
            None => {
                self.find_at(self.text.len(), "string", "Unterminated string literal");
                None
            }
        }
    }

    /// `line:column (offset)`; lines and columns count characters from 1, a line feed belongs to the line it begins.
    fn place(&self, at: usize) -> String {
        let (mut line, mut column) = (1, 0);
        for (offset, character) in self.text.char_indices() {
            if offset > at {
                break;
            }
            column += 1;
            if character == '\n' {
                line += 1;
                column = 0;
            }
        }
        if at >= self.text.len() {
            column += 1;
        }
        format!("{line}:{column} ({at})")
    }

    fn explain(mut self) -> String {
        if !self.found.is_empty() {
            let lines: Vec<String> =
                self.found.iter().map(|(at, rule, sentence)| format!("{}: rule {rule:?}: {sentence}", self.place(*at))).collect();
            return lines.join("\n");
        }
        let ends = self.expected.remove(END);
        let mut words: Vec<&str> = self.expected.iter().copied().collect();
        if ends {
            words.push(END);
        }
        let list = match words.split_last() {
            None => String::new(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, before)) => format!("{} or {last}", before.join(", ")),
        };
        format!("{}: no match found, expected: {list}", self.place(self.farthest))
    }
}

#[cfg(test)]
mod tests;
