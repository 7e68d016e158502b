//! As much of X.509 (RFC 5280, 4.1) as the end of a certificate's validity needs.

/// One element: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut size = usize::from(first);
    if first & 0x80 != 0 {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, after) = rest.split_at_checked(count)?;
        size = digits.iter().fold(0, |size, digit| size << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(size)?;
    Some((tag, content, after))
}

fn sequence(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(tag, ..)| *tag == 0x30).map(|(_, content, after)| (content, after))
}

/// When a certificate ends, in seconds since the Unix epoch.
pub fn ends_unix_s(certificate: &[u8]) -> Option<i64> {
    let (certificate, _) = sequence(certificate)?;
    let (mut rest, _) = sequence(certificate)?;
    // The version stands in front unless it is the first one.
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (validity, _) = sequence(rest)?;
    let (.., after) = element(validity)?;
    let (tag, text, _) = element(after)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let (year, rest) = match tag {
        0x17 => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        0x18 => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let number = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (number(0)?, number(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days(year, month, day) * 86_400 + number(4)? * 3600 + number(6)? * 60 + number(8)?)
}

/// Days from 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(time(0x17, "700101000000Z"), Some(0));
        assert_eq!(time(0x17, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(time(0x18, "20500101000000Z"), Some(2_524_608_000));
        assert_eq!(time(0x17, "000229120000Z"), Some(951_825_600));
        for bad in ["", "Z", "7001010000Z", "701301000000Z", "70010100000xZ", "700101000000"] {
            assert_eq!(time(0x17, bad), None, "{bad}");
        }
    }

    #[test]
    fn damaged_certificates_are_none() {
        for bad in [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x30\x01\xa0", b"\x30\x80\x00\x00"] {
            assert_eq!(ends_unix_s(bad), None);
        }
    }
}
