//! A place in a text that moves on character by character, and knows its line and column.

use crate::tree::Pos;

/// The place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    /// In bytes.
    at: usize,
    /// The same as line and column.
    pub(super) pos: Pos,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, pos: Pos { line: 1, column: 1 } }
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.pos = Pos { line: self.pos.line.saturating_add(1), column: 1 };
        } else {
            self.pos.column = self.pos.column.saturating_add(1);
        }
        Some(c)
    }

    pub(super) fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let from = self.at;
        while self.peek().is_some_and(&keep) {
            self.bump();
        }
        self.since(from)
    }

    /// Where it is, in bytes, for [`Cursor::since`].
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What was read since.
    pub(super) fn since(&self, from: usize) -> &'t str {
        self.text.get(from..self.at).unwrap_or_default()
    }
}
