//! Request paths: percent-decoding and the lexical cleaning Go's `http.ServeMux` does before it looks a path up.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::borrow::Cow;

/// Why a path cannot be read. Caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadPath;

/// What a path segment must escape in a `Location` header.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Decodes `%XX`; a malformed escape or a result that is not UTF-8 is refused.
pub(crate) fn decode(raw: &str) -> Result<Cow<'_, str>, BadPath> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let bytes = raw.as_bytes();
    let mut at = 0;
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| *b == b'%')) {
        let hex = bytes.get(at + offset + 1..at + offset + 3).ok_or(BadPath)?;
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return Err(BadPath);
        }
        at += offset + 3;
    }
    percent_decode_str(raw).decode_utf8().map_err(|_| BadPath)
}

/// Whether a path holds characters that no one can see, once it is decoded: they make logs and lists of keys lie.
pub(crate) fn is_unprintable(raw: &str) -> bool {
    raw.contains('%') && decode(raw).is_ok_and(|path| path.chars().any(|c| c.is_control() || (c.is_whitespace() && c != ' ')))
}

/// Encodes a decoded path for a `Location` header.
pub(crate) fn encode(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED).to_string()
}

/// Whether [`clean`] would leave the path as it is. The common case, without allocating.
pub(crate) fn is_clean(path: &str) -> bool {
    let bytes = path.as_bytes();
    path.starts_with('/')
        && bytes.iter().enumerate().all(|(at, byte)| *byte != b'/' || starts_with_name(bytes.get(at + 1..).unwrap_or_default()))
}

/// Whether what follows a slash is the end, or a segment that has a name: not empty, not `.`, not `..`.
fn starts_with_name(rest: &[u8]) -> bool {
    !matches!(rest, [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..])
}

/// Removes `.`, `..` and empty segments; a trailing slash stays. Never leaves the root.
pub(crate) fn clean(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut cleaned = String::with_capacity(path.len() + 1);
    for segment in &segments {
        cleaned.push('/');
        cleaned.push_str(segment);
    }
    if cleaned.is_empty() || path.ends_with('/') {
        cleaned.push('/');
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_found() {
        for (raw, expect) in [
            ("/v1/kv/a%20b", false),
            ("/v1/kv/%C3%A9/%E6%97%A5/%F0%9F%98%80", false),
            ("/v1/kv/a", false),
            ("/v1/kv/%00", true),
            ("/v1/kv/a%0Ab", true),
            ("/v1/kv/%7F", true),
            ("/v1/kv/%C2%85", true),
            ("/v1/kv/%E2%80%A8", true),
            ("/v1/kv/%ff", false),
        ] {
            assert_eq!(is_unprintable(raw), expect, "{raw}");
        }
    }

    #[test]
    fn decodes_escapes() {
        for (raw, expect) in [
            ("/v1/kv/a%2Fb", Ok("/v1/kv/a/b")),
            ("/gr%C3%BC", Ok("/grü")),
            ("/a+b", Ok("/a+b")),
            ("/%zz", Err(BadPath)),
            ("/%f", Err(BadPath)),
            ("/%", Err(BadPath)),
            ("/%ff", Err(BadPath)),
            ("/%25", Ok("/%")),
        ] {
            assert_eq!(decode(raw), expect.map(Cow::Borrowed), "{raw}");
        }
    }

    #[test]
    fn cleans_as_go_does() {
        for (path, expect) in [
            ("/", "/"),
            ("", "/"),
            ("//v1//kv", "/v1/kv"),
            ("/v1/kv/a/", "/v1/kv/a/"),
            ("/v1/../v1/./kv", "/v1/kv"),
            ("/../..", "/"),
            ("/a/..", "/"),
            ("/a/b/../", "/a/"),
        ] {
            assert_eq!(clean(path), expect, "{path}");
            assert!(is_clean(expect));
        }
        for path in ["/.a", "/a/..b", "/...", "/a/.b/", "/a./b"] {
            assert!(is_clean(path) && clean(path) == path, "{path}");
        }
        for path in ["//", "/a//b", "/a/./b", "/a/../b", "/a/..", "/.", "a"] {
            assert!(!is_clean(path), "{path}");
        }
    }
}
