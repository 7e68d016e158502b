//! Regular expressions in Go's (RE2's) notation.
//!
//! The `regex` crate reads nearly the same language. What differs is translated (`\d`, `\w`, `\s`, `\b` are ASCII in Go; `[`,
//! `&&`, `--`, `~~` are nothing special within a class; `\Q…\E`), and what Go refuses is refused in Go's words.
//! Source: documentation of Go's `regexp/syntax`.

use crate::error::FilterError;
use regex::{Regex, RegexBuilder};

/// Most memory a compiled pattern may take, in bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;
/// Largest count in `{n,m}`.
const REPEAT_MAX: u32 = 1000;
/// Names between `[:` and `:]`.
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit",
];

/// Compiles a pattern.
pub(crate) fn compile(pattern: &str) -> Result<Regex, FilterError> {
    let refuse = |reason: String| FilterError::Pattern { pattern: pattern.to_owned(), reason };
    let translated =
        Translator { text: pattern, at: 0, out: String::with_capacity(pattern.len() + 8), open: 0 }.run().map_err(refuse)?;
    RegexBuilder::new(&translated).size_limit(PATTERN_SIZE_MAX).build().map_err(|error| {
        refuse(match error {
            regex::Error::CompiledTooBig(limit) => format!("expression too large: more than {limit} bytes when compiled"),
            other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        })
    })
}

struct Translator<'a> {
    text: &'a str,
    at: usize,
    out: String,
    open: usize,
}

/// What a repetition would apply to.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Something,
    /// A repetition, which began at this offset.
    Repetition(usize),
}

impl<'a> Translator<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn run(mut self) -> Result<String, String> {
        let mut before = Before::Nothing;
        while let Some(character) = self.rest().chars().next() {
            before = match character {
                '(' => self.group()?,
                ')' => {
                    if self.open == 0 {
                        return Err(format!("unexpected ): `{}`", self.text));
                    }
                    self.open -= 1;
                    self.copy(1);
                    Before::Something
                }
                '|' => {
                    self.copy(1);
                    Before::Nothing
                }
                '*' | '+' | '?' => self.repetition(1, before)?,
                '{' => match repeat(self.rest()) {
                    None => {
                        self.out.push_str("\\{");
                        self.at += 1;
                        Before::Something
                    }
                    Some((length, low, high)) => {
                        if low > REPEAT_MAX || high.is_some_and(|high| high > REPEAT_MAX || high < low) {
                            return Err(format!("invalid repeat count: `{}`", &self.rest()[..length]));
                        }
                        self.repetition(length, before)?
                    }
                },
                '[' => {
                    self.class()?;
                    Before::Something
                }
                '\\' => self.escape()?,
                '}' | ']' => {
                    self.out.push('\\');
                    self.copy(1);
                    Before::Something
                }
                other => {
                    self.copy(other.len_utf8());
                    Before::Something
                }
            };
        }
        if self.open > 0 { Err(format!("missing closing ): `{}`", self.text)) } else { Ok(self.out) }
    }

    fn copy(&mut self, length: usize) {
        self.out.push_str(&self.rest()[..length]);
        self.at += length;
    }

    fn repetition(&mut self, length: usize, before: Before) -> Result<Before, String> {
        let start = self.at;
        let end = start + length;
        let lazy = usize::from(self.text.as_bytes().get(end) == Some(&b'?'));
        match before {
            Before::Nothing => Err(format!("missing argument to repetition operator: `{}`", &self.text[start..end + lazy])),
            Before::Repetition(first) => Err(format!("invalid nested repetition operator: `{}`", &self.text[first..end + lazy])),
            Before::Something => {
                self.copy(length + lazy);
                Ok(Before::Repetition(start))
            }
        }
    }

    fn group(&mut self) -> Result<Before, String> {
        let rest = self.rest();
        if !rest.starts_with("(?") {
            self.open += 1;
            self.copy(1);
            return Ok(Before::Nothing);
        }
        if rest.starts_with("(?P<") {
            let Some(close) = rest.find('>') else {
                return Err(format!("invalid named capture: `{rest}`"));
            };
            let name = &rest[4..close];
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(format!("invalid named capture: `{}`", &rest[..=close]));
            }
            // Names are not used, and Go allows digits in front.
            self.out.push('(');
            self.at += close + 1;
            self.open += 1;
            return Ok(Before::Nothing);
        }
        let mut length = 2;
        let (mut negated, mut sign_is_last) = (false, false);
        for character in rest.chars().skip(2) {
            length += character.len_utf8();
            match character {
                'i' | 'm' | 's' | 'U' => sign_is_last = false,
                '-' if !negated => (negated, sign_is_last) = (true, true),
                ':' if !sign_is_last => {
                    self.open += 1;
                    self.copy(length);
                    return Ok(Before::Nothing);
                }
                ')' if !sign_is_last => {
                    // `(?)` sets nothing; the regex crate refuses it.
                    if length == 3 {
                        self.at += length
                    } else {
                        self.copy(length)
                    }
                    return Ok(Before::Nothing);
                }
                _ => return Err(format!("invalid or unsupported Perl syntax: `{}`", &rest[..length])),
            }
        }
        Err(format!("invalid or unsupported Perl syntax: `{rest}`"))
    }

    fn escape(&mut self) -> Result<Before, String> {
        let rest = self.rest();
        let Some(kind) = rest.chars().nth(1) else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        let replacement = match kind {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            's' => r"[\t\n\f\r ]",
            'S' => r"[^\t\n\f\r ]",
            'b' => r"(?-u:\b)",
            'B' => r"\B",
            'Q' => {
                let (quoted, length) = match rest.find("\\E") {
                    Some(end) => (&rest[2..end], end + 2),
                    None => (&rest[2..], rest.len()),
                };
                self.out.push_str(&regex::escape(quoted));
                self.at += length;
                return Ok(Before::Something);
            }
            'A' | 'z' | 'C' => {
                if kind == 'C' {
                    return Err(r"invalid escape sequence: `\C`".to_owned());
                }
                self.copy(2);
                return Ok(Before::Something);
            }
            _ => {
                self.character_escape(kind)?;
                return Ok(Before::Something);
            }
        };
        self.out.push_str(replacement);
        self.at += 2;
        Ok(Before::Something)
    }

    /// An escape that is the same within a class and outside.
    fn character_escape(&mut self, kind: char) -> Result<(), String> {
        let rest = self.rest();
        let invalid = |length: usize| Err(format!("invalid escape sequence: `{}`", rest.get(..length).unwrap_or(rest)));
        match kind {
            'p' | 'P' => {
                let length = match rest.as_bytes().get(2) {
                    Some(b'{') => rest.find('}').map(|close| close + 1),
                    Some(byte) if byte.is_ascii() => Some(3),
                    _ => None,
                };
                let Some(length) = length else { return Err(format!("invalid character class range: `{rest}`")) };
                let piece = &rest[..length];
                if Regex::new(piece).is_err() {
                    return Err(format!("invalid character class range: `{piece}`"));
                }
                self.copy(length);
                Ok(())
            }
            'x' => {
                let length = match rest.as_bytes().get(2) {
                    Some(b'{') => rest.find('}').map(|close| close + 1),
                    _ => Some(4),
                };
                let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
                match length.and_then(|length| rest.get(..length).map(|piece| (length, piece))) {
                    Some((length, piece)) if digits(piece[2..].trim_start_matches('{').trim_end_matches('}')) => {
                        self.copy(length);
                        Ok(())
                    }
                    _ => invalid(rest.len().min(4)),
                }
            }
            'a' | 'f' | 'n' | 'r' | 't' | 'v' => {
                self.copy(2);
                Ok(())
            }
            '0'..='7' => {
                let digits = rest[1..].bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
                if kind != '0' && digits == 1 {
                    return invalid(2);
                }
                let code = u32::from_str_radix(&rest[1..=digits], 8).unwrap_or_default();
                self.out.push_str(&format!("\\x{{{code:x}}}"));
                self.at += 1 + digits;
                Ok(())
            }
            _ if kind.is_ascii_punctuation() => {
                self.out.push_str(&regex::escape(&kind.to_string()));
                self.at += 2;
                Ok(())
            }
            _ => invalid(1 + kind.len_utf8()),
        }
    }

    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest();
        let unclosed = || format!("missing closing ]: `{whole}`");
        self.copy(1);
        if self.rest().starts_with('^') {
            self.copy(1);
        }
        let mut first = true;
        loop {
            let rest = self.rest();
            let character = rest.chars().next().ok_or_else(unclosed)?;
            if character == ']' && !first {
                self.copy(1);
                return Ok(());
            }
            first = false;
            if rest.starts_with("[:")
                && let Some(end) = rest.find(":]")
            {
                let piece = &rest[..end + 2];
                if !POSIX_CLASSES.contains(&piece[2..end].trim_start_matches('^')) {
                    return Err(format!("invalid character class range: `{piece}`"));
                }
                self.copy(end + 2);
                continue;
            }
            let single = |text: &str| match text.strip_prefix('\\') {
                Some(after) => after.chars().next().filter(|c| c.is_ascii_punctuation()),
                None => text.chars().next(),
            };
            if character == '\\' {
                let Some(kind) = rest.chars().nth(1) else {
                    return Err("trailing backslash at end of expression: ``".to_owned());
                };
                match kind {
                    'd' => self.out.push_str("0-9"),
                    'w' => self.out.push_str("0-9A-Za-z_"),
                    's' => self.out.push_str(r"\t\n\f\r "),
                    'D' => self.out.push_str("[^0-9]"),
                    'W' => self.out.push_str("[^0-9A-Za-z_]"),
                    'S' => self.out.push_str(r"[^\t\n\f\r ]"),
                    _ => {
                        self.character_escape(kind)?;
                        continue;
                    }
                }
                self.at += 2;
                continue;
            }
            // A range `a-z`, where the end is no bracket.
            let mut after = rest[character.len_utf8()..].chars();
            if after.next() == Some('-')
                && let Some(end) = after.next().filter(|end| *end != ']')
            {
                let from = character.len_utf8() + 1;
                if let Some(end_character) = single(&rest[from..]) {
                    let length = from + end.len_utf8() + if end == '\\' { end_character.len_utf8() } else { 0 };
                    if end_character < character {
                        return Err(format!("invalid character class range: `{}`", &rest[..length]));
                    }
                    self.member(character);
                    self.out.push('-');
                    self.member(end_character);
                    self.at += length;
                    continue;
                }
                self.member(character);
                self.at += character.len_utf8();
                self.copy(1);
                continue;
            }
            self.member(character);
            self.at += character.len_utf8();
        }
    }

    /// A character of a class as itself.
    fn member(&mut self, character: char) {
        if character.is_ascii_punctuation() {
            self.out.push('\\');
        }
        self.out.push(character);
    }
}

/// `{n}`, `{n,}` or `{n,m}` at the front: its length and bounds.
fn repeat(text: &str) -> Option<(usize, u32, Option<u32>)> {
    let close = text.find('}')?;
    let number = |digits: &str| {
        (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse::<u32>().unwrap_or(u32::MAX))
    };
    let inner = &text[1..close];
    let (low, high) = match inner.split_once(',') {
        None => (number(inner)?, None),
        Some((low, "")) => (number(low)?, None),
        Some((low, high)) => (number(low)?, Some(number(high)?)),
    };
    Some((close + 1, low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_go() {
        for (pattern, text, expect) in [
            ("fo[12]", "fo1", true),
            ("^fo$", "fo1", false),
            ("(?i)FO1", "fo1", true),
            (r"\d", "٣", false),
            (r"[\d.]+", "1.2", true),
            (r"\pN", "٣", true),
            ("(?P<1x>f)", "f", true),
            (r"\Qa.b\Ec", "a.bc", true),
            (r"\Qa.b\Ec", "axbc", false),
            ("a{2", "a{2", true),
            ("[[]", "[", true),
            ("[]a]", "]", true),
            ("[a&&b]", "&", true),
            ("[a-]", "-", true),
            ("[!--]", "-", true),
            ("[[:alpha:]]", "x", true),
            ("a|", "", true),
            (r"\bfoo\b", "a foo b", true),
            (r"\x{66}", "f", true),
            (r"\101", "A", true),
            ("a??", "", true),
            ("}", "}", true),
            ("(?)p", "p", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text), expect, "{pattern} on {text}");
        }
    }

    #[test]
    fn refuses_in_go_words() {
        for (pattern, reason) in [
            ("[", "missing closing ]: `[`"),
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a++", "invalid nested repetition operator: `++`"),
            ("*", "missing argument to repetition operator: `*`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("x{1001}", "invalid repeat count: `{1001}`"),
            ("(?<x>f)", "invalid or unsupported Perl syntax: `(?<`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?z)", "invalid or unsupported Perl syntax: `(?z`"),
            ("(?i-", "invalid or unsupported Perl syntax: `(?i-`"),
            ("*?", "missing argument to repetition operator: `*?`"),
            (r"\1", r"invalid escape sequence: `\1`"),
            (r"\q", r"invalid escape sequence: `\q`"),
            ("\\", "trailing backslash at end of expression: ``"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
        ] {
            match compile(pattern) {
                Err(FilterError::Pattern { reason: found, .. }) => assert_eq!(found, reason, "{pattern}"),
                other => panic!("{pattern}: {other:?}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(pattern in "[\\[\\](){}*+?|^$\\\\a-z0-9:,<>&~\\-é.PQEdx=!]{0,24}") {
            let _ = compile(&pattern);
        }
    }
}
