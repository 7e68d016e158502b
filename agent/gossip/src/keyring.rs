//! The keys by which gossip is encrypted: one primary that encrypts, and others that may still decrypt.
//!
//! A [`Keyring`] is a value; a change makes a new one. The `store` holds the current one, and keeps it in a file. The `rotation`
//! is what members tell each other when the keys of the whole pool change.

pub(crate) mod rotation;
pub(crate) mod store;

pub use rotation::{KeyOperation, KeyReport};

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// Keys in one ring: each costs a try at a datagram that none of them fits.
pub const KEYS_MAX: usize = 16;
/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;
/// Bytes of the tag behind the ciphertext.
pub(crate) const TAG_BYTES: usize = 16;

/// Why a key, a keyring or a change of it is refused. The caller's fault, except for the file; nothing changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// The text is no base64.
    #[error("a gossip key must be base64")]
    NotBase64,
    /// The key has another length than AES knows.
    #[error("a gossip key must have 16, 24 or 32 bytes; this one has {0}")]
    Size(usize),
    /// The pool is not encrypted.
    #[error("gossip is not encrypted: there is no keyring")]
    NoKeyring,
    /// The key is not in the ring.
    #[error("Requested key is not in the keyring")]
    Unknown,
    /// The primary encrypts what is sent: another must take its place first.
    #[error("Removing the primary key is not allowed")]
    Primary,
    /// The ring is full.
    #[error("the keyring holds {KEYS_MAX} keys already; remove one first")]
    Full,
    /// A ring without keys.
    #[error("a keyring needs at least one key")]
    Empty,
    /// The file cannot be read, made sense of, or written. The operator's to mend.
    #[error("the keyring file {path}: {detail}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        detail: String,
    },
}

enum Cipher {
    Aes128(Box<Aes128Gcm>),
    Aes192(Box<AesGcm<Aes192, U12>>),
    Aes256(Box<Aes256Gcm>),
}

/// A key of 16, 24 or 32 bytes: AES-128, AES-192 or AES-256 in Galois/Counter mode (NIST SP 800-38D). Never shown by `Debug`.
#[derive(Clone)]
pub struct Key {
    /// As the operator knows it.
    text: Arc<str>,
    cipher: Arc<Cipher>,
}

impl Key {
    /// Reads a key from base64, as `lictor keygen` prints it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| KeyError::NotBase64)?;
        let size = KeyError::Size(bytes.len());
        let cipher = match bytes.len() {
            16 => Cipher::Aes128(Box::new(Aes128Gcm::new_from_slice(&bytes).map_err(|_| size)?)),
            24 => Cipher::Aes192(Box::new(AesGcm::new_from_slice(&bytes).map_err(|_| size)?)),
            32 => Cipher::Aes256(Box::new(Aes256Gcm::new_from_slice(&bytes).map_err(|_| size)?)),
            _ => return Err(size),
        };
        Ok(Self { text: STANDARD.encode(&bytes).into(), cipher: Arc::new(cipher) })
    }

    /// The key in base64.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Encrypts in place; answers the tag. `None`: longer than the mode allows (64 GiB).
    pub(crate) fn seal(&self, nonce: &[u8; NONCE_BYTES], associated: &[u8], buffer: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        let nonce = nonce.into();
        let tag = match &*self.cipher {
            Cipher::Aes128(cipher) => cipher.encrypt_inout_detached(nonce, associated, buffer.into()),
            Cipher::Aes192(cipher) => cipher.encrypt_inout_detached(nonce, associated, buffer.into()),
            Cipher::Aes256(cipher) => cipher.encrypt_inout_detached(nonce, associated, buffer.into()),
        };
        tag.ok().map(Into::into)
    }

    /// Decrypts in place. `false`: not encrypted by this key, or altered; the buffer is as it was, because the tag is compared
    /// before anything is decrypted (a test holds the crate to that).
    #[must_use]
    pub(crate) fn open(&self, nonce: &[u8; NONCE_BYTES], associated: &[u8], buffer: &mut [u8], tag: &[u8; TAG_BYTES]) -> bool {
        let (nonce, tag) = (nonce.into(), tag.into());
        match &*self.cipher {
            Cipher::Aes128(cipher) => cipher.decrypt_inout_detached(nonce, associated, buffer.into(), tag),
            Cipher::Aes192(cipher) => cipher.decrypt_inout_detached(nonce, associated, buffer.into(), tag),
            Cipher::Aes256(cipher) => cipher.decrypt_inout_detached(nonce, associated, buffer.into(), tag),
        }
        .is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Key {}

/// One or more keys, the primary first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// A ring of one key.
    pub fn new(primary: Key) -> Self {
        Self { keys: vec![primary] }
    }

    /// A ring of base64 keys, the primary first. A key that occurs twice is kept once.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, KeyError> {
        let mut texts = texts.iter();
        let first = texts.next().ok_or(KeyError::Empty)?;
        let mut ring = Self::new(Key::parse(first.as_ref())?);
        for text in texts {
            ring = ring.with(Key::parse(text.as_ref())?)?;
        }
        Ok(ring)
    }

    /// The key that encrypts.
    pub fn primary(&self) -> &Key {
        // A ring is made with a key, and the primary is never removed.
        self.keys.first().expect("a keyring holds a primary")
    }

    /// All keys, the primary first: the order in which they are tried.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// With one more key; the same ring if it is there already.
    pub fn with(&self, key: Key) -> Result<Self, KeyError> {
        let mut ring = self.clone();
        if !ring.keys.contains(&key) {
            if ring.keys.len() >= KEYS_MAX {
                return Err(KeyError::Full);
            }
            ring.keys.push(key);
        }
        Ok(ring)
    }

    /// With another primary, which must be in the ring.
    pub fn using(&self, key: &Key) -> Result<Self, KeyError> {
        let at = self.keys.iter().position(|known| known == key).ok_or(KeyError::Unknown)?;
        let mut ring = self.clone();
        let primary = ring.keys.remove(at);
        ring.keys.insert(0, primary);
        Ok(ring)
    }

    /// Without this key; the same ring if it is not there.
    pub fn without(&self, key: &Key) -> Result<Self, KeyError> {
        if self.primary() == key {
            return Err(KeyError::Primary);
        }
        let keys = self.keys.iter().filter(|known| *known != key).cloned().collect();
        Ok(Self { keys })
    }
}

#[cfg(test)]
mod tests;
