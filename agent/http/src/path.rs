//! Request paths: percent-decoding and the lexical cleaning Go's `http.ServeMux` does before it looks a path up.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

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
pub(crate) fn decode(raw: &str) -> Result<String, BadPath> {
    if !raw.contains('%') {
        return Ok(raw.to_owned());
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
    percent_decode_str(raw).decode_utf8().map(|text| text.into_owned()).map_err(|_| BadPath)
}

/// Encodes a decoded path for a `Location` header.
pub(crate) fn encode(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED).to_string()
}

/// Whether [`clean`] would leave the path as it is. The common case, without allocating.
pub(crate) fn is_clean(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains("//")
        && !path.contains("/./")
        && !path.contains("/../")
        && !path.ends_with("/.")
        && !path.ends_with("/..")
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
            assert_eq!(decode(raw), expect.map(str::to_owned), "{raw}");
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
        for path in ["//", "/a//b", "/a/./b", "/a/../b", "/a/..", "/.", "a"] {
            assert!(!is_clean(path), "{path}");
        }
    }
}
