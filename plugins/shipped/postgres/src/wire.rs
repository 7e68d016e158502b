//! The protocol's messages, version 3 (PostgreSQL's documentation, "Frontend/Backend Protocol").

/// The longest message taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A message of the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: u8,
    pub body: Vec<u8>,
}

impl Message {
    /// The number in front, and the rest.
    pub fn u32(&self) -> Option<(u32, &[u8])> {
        let (number, rest) = self.body.split_first_chunk::<4>()?;
        Some((u32::from_be_bytes(*number), rest))
    }

    /// Code and text of an error.
    pub fn error(&self) -> (String, String) {
        let (mut code, mut text) = (String::new(), String::new());
        for field in self.body.split(|byte| *byte == 0) {
            match field.split_first() {
                Some((b'C', rest)) => code = String::from_utf8_lossy(rest).into_owned(),
                Some((b'M', rest)) => text = String::from_utf8_lossy(rest).into_owned(),
                _ => {}
            }
        }
        (code, text)
    }

    /// The values of a row, as text.
    pub fn row(&self) -> Option<Vec<Option<String>>> {
        let (count, mut rest) = self.body.split_first_chunk::<2>()?;
        let mut values = Vec::new();
        for _ in 0..u16::from_be_bytes(*count) {
            let (size, after) = rest.split_first_chunk::<4>()?;
            rest = after;
            match i32::from_be_bytes(*size) {
                -1 => values.push(None),
                size => {
                    let (value, after) = rest.split_at_checked(usize::try_from(size).ok()?)?;
                    values.push(Some(String::from_utf8_lossy(value).into_owned()));
                    rest = after;
                }
            }
        }
        Some(values)
    }
}

/// Puts messages together from the pieces the network brings.
#[derive(Default)]
pub struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    pub fn feed(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The next whole message. The error is what is wrong.
    pub fn next(&mut self) -> Result<Option<Message>, String> {
        let Some(head) = self.buffer.first_chunk::<5>() else { return Ok(None) };
        let [kind, size @ ..] = *head;
        let size = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX);
        if !kind.is_ascii_alphanumeric() || !(4..MESSAGE_BYTES_MAX).contains(&size) {
            return Err("it does not answer like PostgreSQL".to_owned());
        }
        if self.buffer.len() < size + 1 {
            return Ok(None);
        }
        let body = self.buffer[5..=size].to_vec();
        self.buffer.drain(..=size);
        Ok(Some(Message { kind, body }))
    }
}

fn framed(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    kind.into_iter().chain(size.to_be_bytes()).chain(body.iter().copied()).collect()
}

pub fn ssl_request() -> Vec<u8> {
    framed(None, &80_877_103_u32.to_be_bytes())
}

pub fn startup(user: &str, database: &str) -> Vec<u8> {
    let pairs = ["user", user, "database", database, "application_name", "lictor"].join("\0");
    framed(None, &[&196_608_u32.to_be_bytes()[..], pairs.as_bytes(), b"\0\0"].concat())
}

pub fn password(text: &[u8]) -> Vec<u8> {
    framed(Some(b'p'), &[text, b"\0"].concat())
}

pub fn password_raw(bytes: &[u8]) -> Vec<u8> {
    framed(Some(b'p'), bytes)
}

pub fn sasl_initial(mechanism: &str, first: &[u8]) -> Vec<u8> {
    let size = u32::try_from(first.len()).unwrap_or(u32::MAX);
    framed(Some(b'p'), &[mechanism.as_bytes(), b"\0", &size.to_be_bytes(), first].concat())
}

pub fn query(text: &str) -> Vec<u8> {
    framed(Some(b'Q'), &[text.as_bytes(), b"\0"].concat())
}

pub fn terminate() -> Vec<u8> {
    framed(Some(b'X'), b"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_pieces() {
        let mut reader = Reader::default();
        for byte in b"Z\0\0\0\x05I" {
            assert_eq!(reader.next(), Ok(None));
            reader.feed(&[*byte]);
        }
        assert_eq!(reader.next(), Ok(Some(Message { kind: b'Z', body: b"I".to_vec() })));
        reader.feed(b"HTTP/1.1 400 Bad");
        assert!(reader.next().is_err());
    }

    #[test]
    fn rows_and_errors_are_read() {
        let row = Message { kind: b'D', body: b"\0\x02\0\0\0\x01t\xff\xff\xff\xff".to_vec() };
        assert_eq!(row.row(), Some(vec![Some("t".to_owned()), None]));
        assert_eq!(Message { kind: b'D', body: b"\0\x02\0\0\0\x09t".to_vec() }.row(), None);
        let error = Message { kind: b'E', body: b"SFATAL\0C57P03\0Mit starts\0\0".to_vec() };
        assert_eq!(error.error(), ("57P03".to_owned(), "it starts".to_owned()));
    }
}
