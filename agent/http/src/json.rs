//! JSON as Go's `encoding/json` writes it: HTML characters escaped, control characters as `\u00XX`, floats in Go's form,
//! and four spaces where indented.

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};
use std::io::{self, Write};

/// Compact JSON. Encoding our own types cannot fail; a value that does yields `null`.
pub(crate) fn compact<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    encode(value, Go::default(), 256)
}

/// Indented JSON with a final newline.
pub(crate) fn pretty<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut text = encode(value, Go { indent: true, ..Go::default() }, 512);
    text.push(b'\n');
    text
}

/// Appends a text as [`compact`] writes it.
pub(crate) fn push_text(out: &mut String, text: &str) {
    // What neither JSON nor Go escapes; one look at most texts is enough.
    let is_plain = |byte: &u8| (b' '..0xE2).contains(byte) && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&');
    if text.bytes().fold(true, |plain, byte| plain & is_plain(&byte)) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&String::from_utf8_lossy(&compact(text)));
    }
}

fn encode<T: Serialize + ?Sized>(value: &T, formatter: Go, capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
    let mut serializer = Serializer::with_formatter(&mut out, formatter);
    match value.serialize(&mut serializer) {
        Ok(()) => out,
        Err(error) => {
            tracing::error!(%error, "a reply could not be encoded");
            b"null".to_vec()
        }
    }
}

#[derive(Default)]
struct Go {
    indent: bool,
    depth: usize,
    has_value: bool,
}

impl Go {
    fn new_line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        out.write_all(b"\n")?;
        for _ in 0..self.depth {
            out.write_all(b"    ")?;
        }
        Ok(())
    }
    fn open<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        out.write_all(bracket)
    }
    fn close<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.indent && self.has_value {
            self.new_line(out)?;
        }
        self.has_value = true;
        out.write_all(bracket)
    }
    fn item<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        if self.indent { self.new_line(out) } else { Ok(()) }
    }
}

impl Formatter for Go {
    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(go_float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        // Most texts have nothing to escape, and this goes over them many bytes at a time.
        if !bytes.iter().fold(false, |found, byte| found | matches!(byte, b'<' | b'>' | b'&' | 0xE2)) {
            return out.write_all(bytes);
        }
        let mut from = 0;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let (escape, length): (&[u8], usize) = match byte {
                b'<' => (b"\\u003c", 1),
                b'>' => (b"\\u003e", 1),
                b'&' => (b"\\u0026", 1),
                // U+2028 and U+2029
                0xE2 if bytes.get(at + 1) == Some(&0x80) => match bytes.get(at + 2) {
                    Some(0xA8) => (b"\\u2028", 3),
                    Some(0xA9) => (b"\\u2029", 3),
                    _ => (b"", 1),
                },
                _ => (b"", 1),
            };
            if !escape.is_empty() {
                out.write_all(bytes.get(from..at).unwrap_or_default())?;
                out.write_all(escape)?;
                from = at + length;
            }
            at += length;
        }
        out.write_all(bytes.get(from..).unwrap_or_default())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Quote => out.write_all(b"\\\""),
            CharEscape::ReverseSolidus => out.write_all(b"\\\\"),
            CharEscape::Solidus => out.write_all(b"/"),
            CharEscape::LineFeed => out.write_all(b"\\n"),
            CharEscape::CarriageReturn => out.write_all(b"\\r"),
            CharEscape::Tab => out.write_all(b"\\t"),
            CharEscape::Backspace => out.write_all(b"\\u0008"),
            CharEscape::FormFeed => out.write_all(b"\\u000c"),
            CharEscape::AsciiControl(byte) => write!(out, "\\u{byte:04x}"),
        }
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }
    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.item(out, first)
    }
    fn end_array_value<W: ?Sized + Write>(&mut self, _out: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }
    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.item(out, first)
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(if self.indent { b": " } else { b":" })
    }
    fn end_object_value<W: ?Sized + Write>(&mut self, _out: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
}

/// Shortest form, without a fraction that is zero; exponents only below 1e-6 and from 1e21 on.
fn go_float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        // Go writes e+21 and e-7
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        };
    }
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn escapes_as_go_does() {
        assert_eq!(
            text(compact("<a>&\u{2028}\u{2029}\u{7}é\"\\\n\u{8}\u{c}\u{2020}/")),
            r#""\u003ca\u003e\u0026\u2028\u2029\u0007é\"\\\n\u0008\u000c†/""#
        );
        assert_eq!(text(compact(&json!({"<": "&"}))), r#"{"\u003c":"\u0026"}"#);
    }

    #[test]
    fn indents_as_consul_does() {
        assert_eq!(text(pretty(&json!(["dc1"]))), "[\n    \"dc1\"\n]\n");
        assert_eq!(text(pretty(&json!({}))), "{}\n");
        assert_eq!(text(pretty(&json!([]))), "[]\n");
        assert_eq!(
            text(pretty(&json!({"a": {"b": [1, {}], "c": []}, "d": null}))),
            "{\n    \"a\": {\n        \"b\": [\n            1,\n            {}\n        ],\n        \"c\": []\n    },\n    \"d\": null\n}\n"
        );
    }

    #[test]
    fn writes_floats_as_go_does() {
        for (value, expect) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (1.0, "1"),
            (1e-5, "0.00001"),
            (1e-7, "1e-7"),
            (1e21, "1e+21"),
            (-2.5e-9, "-2.5e-9"),
            (123456789.0, "123456789"),
        ] {
            assert_eq!(text(compact(&value)), expect);
        }
    }
}
