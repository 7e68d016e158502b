//! Whether a text has the form of a UUID, and Consul's words when it has not.

/// Refuses what is no UUID, in the words of Consul's index. Hyphens may be anywhere.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if text.len() != 36 {
        return Err("UUID must be 36 characters".to_owned());
    }
    let hyphens = text.bytes().filter(|byte| *byte == b'-').count();
    if hyphens > 4 {
        return Err(format!("UUID should have maximum of 4 \"-\"; got {hyphens}"));
    }
    match not_hexadecimal(text) {
        Some(fault) => Err(format!("Invalid UUID: {fault}")),
        None => Ok(()),
    }
}

/// Refuses what is no node id, in the words of Consul's parser.
pub(crate) fn check_node_id(text: &str) -> Result<(), String> {
    if text.len() != 36 {
        return Err("Bad node ID: uuid string is wrong length".to_owned());
    }
    if [8, 13, 18, 23].iter().any(|at| text.as_bytes().get(*at) != Some(&b'-')) {
        return Err("Bad node ID: uuid is improperly formatted".to_owned());
    }
    match not_hexadecimal(text) {
        Some(fault) => Err(format!("Bad node ID: {fault}")),
        None => Ok(()),
    }
}

fn not_hexadecimal(text: &str) -> Option<String> {
    let bad = text.bytes().find(|byte| *byte != b'-' && !byte.is_ascii_hexdigit())?;
    Some(match bad {
        0x20..0x7f => format!("encoding/hex: invalid byte: U+{bad:04X} '{}'", char::from(bad)),
        _ => format!("encoding/hex: invalid byte: U+{bad:04X}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_as_consul() {
        let wrong = |text: &str| check(text).unwrap_err();
        assert_eq!(check("11111111-2222-3333-4444-555555555555"), Ok(()));
        assert_eq!(wrong("1"), "UUID must be 36 characters");
        assert_eq!(wrong("11111111-2222-3333-444455-55555555-5"), "UUID should have maximum of 4 \"-\"; got 5");
        assert_eq!(wrong("zzzz35fd-242c-3b36-c465-e17f0016acb8"), "Invalid UUID: encoding/hex: invalid byte: U+007A 'z'");
        assert_eq!(check_node_id("b84c35fd-242c-3b36-c465-e17f0016acb8"), Ok(()));
        assert_eq!(check_node_id("abc").unwrap_err(), "Bad node ID: uuid string is wrong length");
    }
}
