//! The Redis protocol, as far as a question and its answer need it.

/// The longest reply taken, in bytes.
const REPLY_BYTES_MAX: usize = 256 << 10;

/// A reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(String),
    Null,
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Simple(text) | Self::Error(text) => f.write_str(text),
            Self::Integer(number) => f.write_str(&number.to_string()),
            Self::Bulk(text) => f.write_str(text.get(..64).unwrap_or(text)),
            Self::Null => f.write_str("nothing"),
        }
    }
}

/// A command, as an array of bulk strings.
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = ["*", &words.len().to_string(), "\r\n"].concat().into_bytes();
    for word in words {
        bytes.extend_from_slice(["$", &word.len().to_string(), "\r\n", word, "\r\n"].concat().as_bytes());
    }
    bytes
}

/// Puts replies together from the pieces the network brings.
#[derive(Default)]
pub struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    /// Adds what has come.
    pub fn feed(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The next whole reply, if it is there. The error is what is wrong with it.
    pub fn next(&mut self) -> Result<Option<Reply>, String> {
        let Some(line_end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") else {
            return if self.buffer.len() > 4096 {
                Err("the answer is not of Redis: its first line does not end".to_owned())
            } else {
                Ok(None)
            };
        };
        let line = String::from_utf8_lossy(&self.buffer[..line_end]).into_owned();
        let mut used = line_end + 2;
        let rest = line.get(1..).unwrap_or_default();
        let strange = || ["the answer is not of Redis: ", line.get(..40).unwrap_or(&line)].concat();
        let reply = match line.as_bytes().first() {
            Some(b'+') => Reply::Simple(rest.to_owned()),
            Some(b'-') => Reply::Error(rest.to_owned()),
            Some(b':') => Reply::Integer(rest.parse().map_err(|_| strange())?),
            Some(b'_') => Reply::Null,
            Some(b'$') => match rest.parse::<i64>().map_err(|_| strange())? {
                -1 => Reply::Null,
                size => {
                    let size = usize::try_from(size).map_err(|_| strange())?;
                    if size > REPLY_BYTES_MAX {
                        return Err("the answer is too long".to_owned());
                    }
                    if self.buffer.len() < used + size + 2 {
                        return Ok(None);
                    }
                    let text = String::from_utf8_lossy(&self.buffer[used..used + size]).into_owned();
                    if &self.buffer[used + size..used + size + 2] != b"\r\n" {
                        return Err(strange());
                    }
                    used += size + 2;
                    Reply::Bulk(text)
                }
            },
            _ => return Err(strange()),
        };
        self.buffer.drain(..used);
        Ok(Some(reply))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&str]) -> Result<Vec<Reply>, String> {
        let mut reader = Reader::default();
        let mut replies = Vec::new();
        for piece in pieces {
            reader.feed(piece.as_bytes());
            while let Some(reply) = reader.next()? {
                replies.push(reply);
            }
        }
        Ok(replies)
    }

    #[test]
    fn replies_come_whole_or_in_pieces() {
        assert_eq!(all(&["+PONG\r\n"]).unwrap(), [Reply::Simple("PONG".into())]);
        assert_eq!(all(&["+PO", "NG\r", "\n:4\r\n"]).unwrap(), [Reply::Simple("PONG".into()), Reply::Integer(4)]);
        assert_eq!(all(&["$5\r\nhel", "lo\r\n$-1\r\n"]).unwrap(), [Reply::Bulk("hello".into()), Reply::Null]);
        assert_eq!(all(&["-NOAUTH no\r\n"]).unwrap(), [Reply::Error("NOAUTH no".into())]);
        assert_eq!(all(&["$5\r\nhel"]).unwrap(), []);
    }

    #[test]
    fn other_protocols_are_told() {
        for strange in ["HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "$-7\r\n", ":a\r\n", "\r\n", "$2\r\nabcd\r\n"] {
            assert!(all(&[strange]).is_err(), "{strange}");
        }
        assert!(all(&[&"x".repeat(5000)]).is_err());
        assert!(all(&["$999999999\r\n"]).is_err());
    }

    #[test]
    fn commands_are_arrays() {
        assert_eq!(command(&["AUTH", "a b"]), b"*2\r\n$4\r\nAUTH\r\n$3\r\na b\r\n");
    }
}
