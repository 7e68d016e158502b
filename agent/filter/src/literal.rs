//! String literals and numbers in Go's notation. Source: the Go language specification, and documentation of `strconv`.

/// The text of a quoted literal, quotes included; `None` if its escapes make no sense.
pub(crate) fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if quoted.starts_with('`') {
        return Some(inner.replace('\r', ""));
    }
    if inner.contains('\n') {
        return None;
    }
    if !inner.contains('\\') {
        return Some(inner.to_owned());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = escape(&rest[at + 1..], &mut bytes)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    // A byte escape can make what is no UTF-8; it matches nothing in any row either way.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Takes one escape (the backslash is gone already), appends what it stands for, and answers what follows it.
fn escape<'a>(rest: &'a str, out: &mut Vec<u8>) -> Option<&'a str> {
    let kind = rest.chars().next()?;
    let digits = |from: usize, count: usize, radix: u32| {
        let text = rest.get(from..from + count)?;
        text.bytes()
            .all(|b| (b as char).is_digit(radix))
            .then(|| u32::from_str_radix(text, radix).ok())?
            .map(|n| (n, &rest[from + count..]))
    };
    let plain = match kind {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' => b'"',
        'x' => {
            let (number, after) = digits(1, 2, 16)?;
            out.push(u8::try_from(number).ok()?);
            return Some(after);
        }
        '0'..='7' => {
            let (number, after) = digits(0, 3, 8)?;
            out.push(u8::try_from(number).ok()?);
            return Some(after);
        }
        'u' | 'U' => {
            let (number, after) = digits(1, if kind == 'u' { 4 } else { 8 }, 16)?;
            out.extend_from_slice(char::from_u32(number)?.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(after);
        }
        _ => return None,
    };
    out.push(plain);
    Some(&rest[1..])
}

/// Reads an integer as Go's `ParseInt` with base 0 does: sign, `0x`/`0o`/`0b`/`0` prefixes, `_` between digits.
pub(crate) fn integer(text: &str) -> Result<i64, &'static str> {
    const SYNTAX: &str = "invalid syntax";
    const RANGE: &str = "value out of range";
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits, prefixed) = match body.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &body[2..], true),
        [b'0', b'b' | b'B', ..] => (2, &body[2..], true),
        [b'0', b'o' | b'O', ..] => (8, &body[2..], true),
        [b'0', _, ..] => (8, &body[1..], true),
        _ => (10, body, false),
    };
    if digits.is_empty() {
        return Err(SYNTAX);
    }
    let mut total: i128 = 0;
    let mut overflow = false;
    let mut after_digit = prefixed;
    for byte in digits.bytes() {
        if byte == b'_' {
            if !after_digit {
                return Err(SYNTAX);
            }
            after_digit = false;
            continue;
        }
        let digit = (byte as char).to_digit(radix).ok_or(SYNTAX)?;
        after_digit = true;
        if !overflow {
            total = total * i128::from(radix) + i128::from(digit);
            overflow = total > i128::from(i64::MAX) + 1;
        }
    }
    if !after_digit {
        return Err(SYNTAX);
    }
    let signed = if negative { -total } else { total };
    if overflow { Err(RANGE) } else { i64::try_from(signed).map_err(|_| RANGE) }
}

/// Reads a boolean as Go's `ParseBool` does.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquotes_as_go() {
        for (quoted, text) in [
            (r#""a""#, Some("a")),
            (r#""""#, Some("")),
            ("`a\\n`", Some("a\\n")),
            ("\"\\u006e1\"", Some("n1")),
            (r#""\n\t\\""#, Some("\n\t\\")),
            (r#""\101\x42""#, Some("AB")),
            ("\"a\nb\"", None),
            (r#""\xb""#, None),
            (r#""\'""#, None),
            (r#""\q""#, None),
            (r#""\""#, None),
            (r#""\ud800""#, None),
            (r#""\xé""#, None),
        ] {
            assert_eq!(unquote(quoted).as_deref(), text, "{quoted}");
        }
    }

    #[test]
    fn reads_integers_as_go() {
        for (text, number) in [
            ("80", Ok(80)),
            ("-1", Ok(-1)),
            ("+80", Ok(80)),
            ("0x50", Ok(80)),
            ("0120", Ok(80)),
            ("8_0", Ok(80)),
            ("0", Ok(0)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err("value out of range")),
            ("99999999999999999999999999999999999999999999", Err("value out of range")),
            ("", Err("invalid syntax")),
            ("-", Err("invalid syntax")),
            ("080", Err("invalid syntax")),
            ("1.5", Err("invalid syntax")),
            (" 80", Err("invalid syntax")),
            ("8__0", Err("invalid syntax")),
            ("80_", Err("invalid syntax")),
            ("_80", Err("invalid syntax")),
        ] {
            assert_eq!(integer(text), number, "{text}");
        }
    }
}
