//! Passwords: MD5 as PostgreSQL has it, and SCRAM-SHA-256 (RFC 5802, 7677).

use hmac::{Hmac, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// More rounds than any server asks for, and few enough for the run's time.
const ROUNDS_MAX: u32 = 1_000_000;

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

/// The answer to a request for an MD5 password.
pub fn md5(user: &str, password: &str, salt: &[u8]) -> String {
    let inner = hex(&Md5::new().chain_update(password).chain_update(user).finalize());
    ["md5", &hex(&Md5::new().chain_update(inner).chain_update(salt).finalize())].concat()
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let group = piece.iter().chain(&[0; 2]).take(3).fold(0_usize, |group, byte| group << 8 | usize::from(*byte));
        for at in 0..4 {
            text.push(if at > piece.len() { '=' } else { char::from(BASE64[group >> (18 - 6 * at) & 63]) });
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut group, mut bits) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let digit = BASE64.iter().position(|known| *known == letter)?;
        group = (group << 6 | u32::try_from(digit).ok()?) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(group >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // A key of any length is taken; the fallback is never reached, and would only be a wrong answer.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// `Hi` of RFC 5802: PBKDF2 with one block.
fn salted(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    let mut last = mac(password, &[salt, &1_u32.to_be_bytes()]);
    let mut all = last;
    for _ in 1..rounds {
        last = mac(password, &[&last]);
        all.iter_mut().zip(last).for_each(|(all, last)| *all ^= last);
    }
    all
}

/// One login.
pub struct Scram {
    password: String,
    nonce: String,
    /// What the server must prove.
    expected: Option<[u8; 32]>,
    verified: std::cell::Cell<bool>,
}

impl Scram {
    pub fn new(password: &str, chance: &[u8]) -> Self {
        Self { password: password.to_owned(), nonce: encode(chance), expected: None, verified: std::cell::Cell::new(false) }
    }

    fn bare(&self) -> String {
        ["n=,r=", &self.nonce].concat()
    }

    pub fn first(&self) -> String {
        ["n,,", &self.bare()].concat()
    }

    /// The answer to the server's challenge.
    pub fn answer(&mut self, challenge: &[u8]) -> Result<String, String> {
        let wrong = || "the server's challenge is damaged".to_owned();
        let challenge = std::str::from_utf8(challenge).map_err(|_| wrong())?;
        let field = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
        let nonce =
            field("r=").filter(|nonce| nonce.starts_with(&self.nonce) && nonce.len() > self.nonce.len()).ok_or_else(wrong)?;
        let salt = field("s=").and_then(decode).ok_or_else(wrong)?;
        let rounds = field("i=").and_then(|text| text.parse().ok()).filter(|n| (1..=ROUNDS_MAX).contains(n)).ok_or_else(wrong)?;
        let salted = salted(self.password.as_bytes(), &salt, rounds);
        let without_proof = ["c=biws,r=", nonce].concat();
        let all = [&self.bare(), ",", challenge, ",", &without_proof].concat();
        let client = mac(&salted, &[b"Client Key"]);
        let signature = mac(&Sha256::digest(client), &[all.as_bytes()]);
        let proof: Vec<u8> = client.iter().zip(signature).map(|(key, signature)| key ^ signature).collect();
        self.expected = Some(mac(&mac(&salted, &[b"Server Key"]), &[all.as_bytes()]));
        Ok([&without_proof, ",p=", &encode(&proof)].concat())
    }

    /// Whether the server knows the password too.
    pub fn verify(&self, last: &[u8]) -> Result<(), String> {
        let given = last.strip_prefix(b"v=").and_then(|text| decode(std::str::from_utf8(text).ok()?));
        if given.is_some() && given.as_deref() == self.expected.as_ref().map(<[u8; 32]>::as_slice) {
            self.verified.set(true);
            return Ok(());
        }
        Err("the server does not know the password itself".to_owned())
    }

    pub fn is_verified(&self) -> bool {
        self.verified.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_goes_both_ways() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"foobar", "Zm9vYmFy")] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).unwrap(), bytes);
        }
        assert_eq!(decode("a b"), None);
    }

    #[test]
    fn passwords_are_hashed_as_the_server_does() {
        // From `SELECT 'md5' || md5(md5('secret' || 'alice') || 'salt')`.
        assert_eq!(md5("alice", "secret", b"salt"), "md5986e2194384c07f4fd1df4b1351b3e68");
        // RFC 7677, 3, with its user left out as PostgreSQL does, so only the key is comparable.
        let salted = salted(b"pencil", &decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), 4096);
        assert_eq!(hex(&salted), "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d");
    }

    #[test]
    fn challenges_are_judged() {
        let mut scram = Scram::new("pencil", b"chance");
        assert!(scram.first().starts_with("n,,n=,r="));
        for bad in
            ["", "r=other,s=QSXCR+Q6sek8bf92,i=4096", "r=Y2hhbmNl,s=QSXC,i=1", "r=Y2hhbmNlx,s=!,i=1", "r=Y2hhbmNlx,s=QSXC,i=0"]
        {
            assert!(scram.answer(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(scram.answer(b"r=Y2hhbmNlx,s=QSXC,i=2").unwrap().starts_with("c=biws,r=Y2hhbmNlx,p="));
        assert!(scram.verify(b"v=AAAA").is_err() && !scram.is_verified());
    }
}
