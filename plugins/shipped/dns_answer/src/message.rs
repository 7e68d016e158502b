//! DNS messages (RFC 1035, 2782, 3596), as far as one question and its answer need them.

const TYPES: &[(&str, u16)] =
    &[("A", 1), ("NS", 2), ("CNAME", 5), ("SOA", 6), ("PTR", 12), ("MX", 15), ("TXT", 16), ("AAAA", 28), ("SRV", 33)];
const RCODES: &[&str] = &["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
/// Records read of one answer.
const RECORDS_MAX: usize = 256;

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub rcode: String,
    pub is_authoritative: bool,
    pub is_cut: bool,
    /// The data of the records of the type asked for, as people write it.
    pub records: Vec<String>,
}

/// A question, with recursion desired.
pub fn question(id: u16, name: &str, kind: &str) -> Result<Vec<u8>, String> {
    let Some((_, code)) = TYPES.iter().find(|(known, _)| *known == kind) else {
        return Err(["the type ", kind, " is not known"].concat());
    };
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.').filter(|_| name != ".") {
        let size = u8::try_from(label.len()).ok().filter(|size| (1..64).contains(size));
        message.push(size.ok_or_else(|| [name, " is no name"].concat())?);
        message.extend(label.as_bytes());
    }
    message.push(0);
    if message.len() > 12 + 255 {
        return Err([name, " is too long"].concat());
    }
    message.extend(code.to_be_bytes());
    message.extend([0, 1]);
    Ok(message)
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A name, pointers followed; each must lead further back, so that they end.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut back = None;
        let mut before = self.at;
        loop {
            let size = *self.take(1)?.first()?;
            match size {
                0 => break,
                1..64 => {
                    name.push_str(&String::from_utf8_lossy(self.take(usize::from(size))?));
                    name.push('.');
                }
                0xc0.. => {
                    let low = *self.take(1)?.first()?;
                    let to = usize::from(size & 0x3f) << 8 | usize::from(low);
                    if to >= before {
                        return None;
                    }
                    back.get_or_insert(self.at);
                    before = to;
                    self.at = to;
                }
                _ => return None,
            }
            if name.len() > 255 {
                return None;
            }
        }
        if let Some(back) = back {
            self.at = back;
        }
        let bare = name.trim_end_matches('.');
        Some(if bare.is_empty() { ".".to_owned() } else { bare.to_owned() })
    }

    fn data(&mut self, kind: u16, size: usize) -> Option<String> {
        let end = self.at.checked_add(size)?;
        let join = |words: &[&str]| words.join(" ");
        let text = match kind {
            1 => <[u8; 4]>::try_from(self.take(4)?).ok().map(|octets| std::net::Ipv4Addr::from(octets).to_string())?,
            28 => <[u8; 16]>::try_from(self.take(16)?).ok().map(|octets| std::net::Ipv6Addr::from(octets).to_string())?,
            2 | 5 | 12 => self.name()?,
            15 => join(&[&self.u16()?.to_string(), &self.name()?]),
            33 => join(&[&self.u16()?.to_string(), &self.u16()?.to_string(), &self.u16()?.to_string(), &self.name()?]),
            6 => join(&[&self.name()?, &self.name()?, &self.u32()?.to_string()]),
            16 => {
                let mut text = String::new();
                while self.at < end {
                    let size = usize::from(*self.take(1)?.first()?);
                    text.push_str(&String::from_utf8_lossy(self.take(size)?));
                }
                text
            }
            _ => String::new(),
        };
        self.at = end;
        (end <= self.message.len()).then_some(text)
    }
}

impl Answer {
    /// Reads an answer; the error is what is wrong with it.
    pub fn read(message: &[u8], id: u16) -> Result<Self, String> {
        Self::try_read(message, id).ok_or_else(|| "the answer is damaged, or to another question".to_owned())
    }

    fn try_read(message: &[u8], id: u16) -> Option<Self> {
        let mut reader = Reader { message, at: 0 };
        let (own, flags) = (reader.u16()?, reader.u16()?);
        let (questions, answers) = (reader.u16()?, reader.u16()?);
        reader.take(4)?;
        if own != id || flags & 0x8000 == 0 || questions != 1 {
            return None;
        }
        reader.name()?;
        let wanted = reader.u16()?;
        reader.u16()?;
        let code = usize::from(flags & 15);
        let rcode = RCODES.get(code).map_or_else(|| ["RCODE", &code.to_string()].concat(), |word| (*word).to_owned());
        let is_cut = flags & 0x0200 != 0;
        let mut records = Vec::new();
        for _ in 0..usize::from(answers).min(RECORDS_MAX) {
            if is_cut {
                break;
            }
            reader.name()?;
            let kind = reader.u16()?;
            reader.take(6)?;
            let size = usize::from(reader.u16()?);
            let text = reader.data(kind, size)?;
            if kind == wanted {
                records.push(text);
            }
        }
        Some(Self { rcode, is_authoritative: flags & 0x0400 != 0, is_cut, records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_written() {
        let asked = question(0x1234, "a.bc.", "SRV").unwrap();
        assert_eq!(asked, b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02bc\x00\x00\x21\x00\x01");
        for (name, kind) in [("a..b", "A"), ("a", "X"), (&"x".repeat(64), "A"), (&"ab.".repeat(100), "A")] {
            assert!(question(1, name, kind).is_err(), "{name} {kind}");
        }
    }

    fn answered(flags: [u8; 2], answers: u8, rest: &[u8]) -> Vec<u8> {
        let mut message = question(7, "a.b", "A").unwrap();
        message[2..4].copy_from_slice(&flags);
        message[7] = answers;
        message.extend(rest);
        message
    }

    #[test]
    fn answers_are_read() {
        let record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04";
        let alias = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x01x\xc0\x0e";
        let read = Answer::read(&answered([0x85, 0x80], 2, &[&alias[..], record].concat()), 7).unwrap();
        assert_eq!((read.rcode.as_str(), read.is_authoritative, read.is_cut), ("NOERROR", true, false));
        // The alias on the way is not of the type asked for.
        assert_eq!(read.records, ["1.2.3.4"]);
        assert_eq!(Answer::read(&answered([0x81, 0x83], 0, b""), 7).unwrap().rcode, "NXDOMAIN");
        assert!(Answer::read(&answered([0x83, 0x80], 1, b""), 7).unwrap().is_cut);
    }

    #[test]
    fn damaged_answers_are_told() {
        let record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04";
        let good = answered([0x81, 0x80], 1, record);
        assert!(Answer::read(&good, 8).is_err());
        for end in 0..good.len() {
            assert!(Answer::read(&good[..end], 7).is_err(), "{end}");
        }
        // A pointer to itself, and one forward.
        for to in [0x15_u8, 0x30] {
            let looping = [0xc0, to, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 1, 2, 3, 4];
            assert!(Answer::read(&answered([0x81, 0x80], 1, &looping), 7).is_err());
        }
    }
}
