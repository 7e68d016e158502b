//! A node's metadata as TXT records: RFC 1464 attributes, or plain text for keys that begin with `rfc1035-`.

use lictor_types::Node;

const STRING_LEN_MAX: usize = 255;

/// The data of one TXT record for each metadata entry.
pub(crate) fn of_node(node: &Node) -> Vec<Box<[u8]>> {
    let entries = node.meta.iter().flatten();
    entries.map(|(key, value)| strings(&if is_plain(key) { value.clone() } else { attribute(key, value) })).collect()
}

fn is_plain(key: &str) -> bool {
    key.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("rfc1035-"))
}

/// `key=value` with the quoting of RFC 1464 §2: the first `=` that is not quoted ends the key.
fn attribute(key: &str, value: &str) -> String {
    let key = key.replace('`', "``").replace('=', "`=");
    let inner = key.trim_matches(' ');
    if inner.is_empty() {
        return format!("{}={}", "` ".repeat(key.len()), value.replace('`', "``"));
    }
    let leading = key.len() - key.trim_start_matches(' ').len();
    let trailing = key.len() - key.trim_end_matches(' ').len();
    format!("{}{inner}{}={}", "` ".repeat(leading), "` ".repeat(trailing), value.replace('`', "``"))
}

/// Character strings of at most 255 bytes each; `\x` and `\ddd` stand for a byte, as in a zone file (RFC 1035 §5.1).
fn strings(text: &str) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let code = rest.first_chunk::<3>().filter(|ddd| ddd.iter().all(u8::is_ascii_digit));
        let code = code.map(|ddd| ddd.iter().fold(0u16, |sum, d| sum * 10 + u16::from(d - b'0')));
        match code.map(u8::try_from) {
            Some(Ok(code)) => {
                bytes.push(code);
                rest = &rest[3..];
            }
            _ => {
                bytes.extend(rest.first());
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    let mut out = Vec::with_capacity(bytes.len() + 1 + bytes.len() / STRING_LEN_MAX);
    if bytes.is_empty() {
        out.push(0);
    }
    for part in bytes.chunks(STRING_LEN_MAX) {
        out.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(part);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_quoted() {
        for (key, value, want) in [
            ("rack", "r1", "rack=r1"),
            ("sp ace ", "q`x", "sp ace` =q``x"),
            ("  k", "v", "` ` k=v"),
            ("eq=k", "v", "eq`=k=v"),
            ("`", "=", "``=="),
            (" ", "v", "` =v"),
            ("consul-network-segment", "", "consul-network-segment="),
        ] {
            assert_eq!(attribute(key, value), want);
        }
        assert!(is_plain("RFC1035-U") && !is_plain("rfc1035") && !is_plain("é"));
    }

    #[test]
    fn strings_are_split_and_unescaped() {
        assert_eq!(*strings(""), [0]);
        assert_eq!(*strings("a\"b\\c;d"), *b"\x06a\"bc;d");
        assert_eq!(*strings("\\065\\999\\"), *b"\x04A999");
        let long = strings(&"y".repeat(300));
        assert_eq!((long.len(), long[0], long[256]), (302, 255, 45));
    }
}
