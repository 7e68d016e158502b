//! What is around every datagram and every stream frame: one byte that tells how the rest is protected, and the protection.
//!
//! ```text
//! 0x01 | content                                    in the clear
//! 0x02 | nonce (12) | ciphertext | tag (16)         AES in Galois/Counter mode
//! ```
//!
//! The tag also covers that first byte and the [`Purpose`], so that a datagram that was overheard cannot be played back as a stream
//! frame, nor one answer as the answer to another request.

use crate::keyring::store::KeyStore;
use crate::keyring::{Keyring, NONCE_BYTES, TAG_BYTES};
use thiserror::Error;

const CLEAR: u8 = 1;
const AES_GCM: u8 = 2;
/// What an envelope adds at most, in bytes.
pub(crate) const OVERHEAD: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// What an envelope is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'a> {
    /// A datagram.
    Packet,
    /// What is asked over a stream.
    Request,
    /// The answer to the request that had this [`mark`].
    Reply(&'a [u8]),
}

/// What the tag covers beside the content.
struct Associated([u8; 2 + NONCE_BYTES], usize);

impl Associated {
    fn bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or(&self.0)
    }
}

impl Purpose<'_> {
    fn associated(self) -> Associated {
        let (number, mark) = match self {
            Self::Packet => (1, &[][..]),
            Self::Request => (2, &[][..]),
            Self::Reply(mark) => (3, mark),
        };
        let mut bytes = [0; 2 + NONCE_BYTES];
        let mut length = 0;
        for (place, byte) in bytes.iter_mut().zip([AES_GCM, number].iter().chain(mark)) {
            *place = *byte;
            length += 1;
        }
        Associated(bytes, length)
    }
}

/// The nonce of a request's envelope, to which the answer is bound. Empty for a request in the clear.
pub(crate) fn mark(envelope: &[u8]) -> Vec<u8> {
    match envelope.split_first() {
        Some((&AES_GCM, rest)) => rest.get(..NONCE_BYTES).unwrap_or_default().to_vec(),
        _ => Vec::new(),
    }
}

/// Why an envelope is dropped. The sender's fault or the operator's; nothing was taken from it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Unreadable {
    #[error("it is empty")]
    Empty,
    #[error("its first byte is none that this version knows")]
    Unknown,
    #[error("it is too short to be encrypted")]
    Short,
    #[error("it is not encrypted")]
    Clear,
    #[error("it is encrypted, and there is no key here")]
    NoKey,
    #[error("no key of the keyring fits")]
    WrongKey,
}

impl Unreadable {
    /// A word for a metric.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Empty | Self::Unknown | Self::Short => "malformed",
            Self::Clear => "clear",
            Self::NoKey => "no_key",
            Self::WrongKey => "wrong_key",
        }
    }
}

/// An envelope that cannot be made.
#[derive(Debug, Error)]
pub(crate) enum Unsealable {
    #[error("the system gives no random bytes: {0}")]
    NoChance(getrandom::Error),
    #[error("too long to be encrypted")]
    TooLong,
}

/// Makes and opens envelopes.
#[derive(Debug)]
pub(crate) struct Envelopes {
    pub(crate) keys: KeyStore,
    /// Refuse what is in the clear, although there are keys.
    pub(crate) verify_incoming: bool,
    /// Encrypt, when there are keys.
    pub(crate) verify_outgoing: bool,
}

impl Envelopes {
    /// Puts `content` behind what is in `envelope` already (a length, say). What is encrypted although `verify_outgoing` is off:
    /// requests and answers that carry keys.
    pub(crate) fn seal_into(
        &self,
        envelope: &mut Vec<u8>,
        purpose: Purpose<'_>,
        content: &[u8],
        secret: bool,
    ) -> Result<(), Unsealable> {
        match self.keys.current().filter(|_| secret || self.verify_outgoing) {
            Some(ring) => seal(&ring, envelope, purpose, content),
            None => {
                envelope.push(CLEAR);
                envelope.extend_from_slice(content);
                Ok(())
            }
        }
    }

    /// The content of an envelope, decrypted in place.
    pub(crate) fn open<'a>(&self, purpose: Purpose<'_>, envelope: &'a mut [u8]) -> Result<&'a [u8], Unreadable> {
        let ring = self.keys.current();
        let (kind, rest) = envelope.split_first_mut().ok_or(Unreadable::Empty)?;
        match (*kind, ring) {
            (CLEAR, Some(_)) if self.verify_incoming => Err(Unreadable::Clear),
            (CLEAR, _) => Ok(rest),
            (AES_GCM, None) => Err(Unreadable::NoKey),
            (AES_GCM, Some(ring)) => open(&ring, purpose, rest),
            _ => Err(Unreadable::Unknown),
        }
    }
}

fn seal(ring: &Keyring, envelope: &mut Vec<u8>, purpose: Purpose<'_>, content: &[u8]) -> Result<(), Unsealable> {
    // A nonce that occurs twice under one key gives both messages away and lets others be forged. A generator seeded from the
    // configuration, or restored with a virtual machine, would repeat itself after a restart, and a counter would have to be
    // kept by every member for every key: so the bytes are the system's, drawn anew for each message. (Two of 2^40 messages
    // of a pool under one key agree with a chance of 2^-17: keys are worth changing now and then.)
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(Unsealable::NoChance)?;
    envelope.reserve(OVERHEAD + content.len());
    envelope.push(AES_GCM);
    envelope.extend_from_slice(&nonce);
    let at = envelope.len();
    envelope.extend_from_slice(content);
    let body = envelope.get_mut(at..).unwrap_or_default();
    let tag = ring.primary().seal(&nonce, purpose.associated().bytes(), body).ok_or(Unsealable::TooLong)?;
    envelope.extend_from_slice(&tag);
    Ok(())
}

fn open<'a>(ring: &Keyring, purpose: Purpose<'_>, sealed: &'a mut [u8]) -> Result<&'a [u8], Unreadable> {
    let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_BYTES>().ok_or(Unreadable::Short)?;
    let (body, tag) = rest.split_last_chunk_mut::<TAG_BYTES>().ok_or(Unreadable::Short)?;
    let associated = purpose.associated();
    for key in ring.keys() {
        if key.open(nonce, associated.bytes(), body, tag) {
            return Ok(body);
        }
    }
    Err(Unreadable::WrongKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{Key, KeyOperation};
    use proptest::prelude::*;

    const A: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
    const B: &str = "k90iWccGbWsvnWy9pVAZb4HjDuWJHgs2d1VqnwCXqUI=";

    fn envelopes(key: Option<&str>) -> Envelopes {
        Envelopes { keys: KeyStore::open(None, key).unwrap().0, verify_incoming: true, verify_outgoing: true }
    }

    fn sealed(by: &Envelopes, purpose: Purpose<'_>, content: &[u8]) -> Vec<u8> {
        let mut envelope = Vec::new();
        by.seal_into(&mut envelope, purpose, content, false).unwrap();
        envelope
    }

    #[test]
    fn the_clear_form_stays_as_it_is() {
        assert_eq!(sealed(&envelopes(None), Purpose::Packet, b"hello"), b"\x01hello");
    }

    // Kept from the first version: later ones must read it.
    #[test]
    fn the_encrypted_form_stays_as_it_is() {
        let mut kept = b"\x02".to_vec();
        let mut body = b"hello".to_vec();
        let tag = Key::parse(A).unwrap().seal(&[9; 12], &[2, 1], &mut body).unwrap();
        kept.extend_from_slice(&[9; 12]);
        kept.extend_from_slice(&body);
        kept.extend_from_slice(&tag);
        assert_eq!(envelopes(Some(A)).open(Purpose::Packet, &mut kept), Ok(&b"hello"[..]));
    }

    #[test]
    fn members_with_a_key_hear_each_other_alone() {
        let (a, b, clear) = (envelopes(Some(A)), envelopes(Some(B)), envelopes(None));
        let mut packet = sealed(&a, Purpose::Packet, b"hello");
        assert_eq!(packet.len(), 5 + OVERHEAD);
        assert_eq!(b.open(Purpose::Packet, &mut packet), Err(Unreadable::WrongKey));
        assert_eq!(clear.open(Purpose::Packet, &mut packet), Err(Unreadable::NoKey));
        assert_eq!(a.open(Purpose::Packet, &mut packet), Ok(&b"hello"[..]));
        assert_eq!(a.open(Purpose::Packet, &mut sealed(&clear, Purpose::Packet, b"hello")), Err(Unreadable::Clear));
    }

    #[test]
    fn a_message_is_good_for_its_purpose_alone() {
        let a = envelopes(Some(A));
        let request = sealed(&a, Purpose::Request, b"ask");
        assert_eq!(a.open(Purpose::Packet, &mut request.clone()), Err(Unreadable::WrongKey));
        let mine = mark(&request);
        let reply = sealed(&a, Purpose::Reply(&mine), b"answer");
        let other = mark(&sealed(&a, Purpose::Request, b"ask"));
        assert_eq!(a.open(Purpose::Reply(&other), &mut reply.clone()), Err(Unreadable::WrongKey));
        assert_eq!(a.open(Purpose::Reply(&mine), &mut reply.clone()), Ok(&b"answer"[..]));
    }

    #[test]
    fn encryption_begins_in_a_running_pool_step_by_step() {
        let old = envelopes(None);
        let first = Envelopes { verify_incoming: false, verify_outgoing: false, ..envelopes(Some(A)) };
        let second = Envelopes { verify_incoming: false, ..envelopes(Some(A)) };
        let third = envelopes(Some(A));
        let hears = |from: &Envelopes, to: &Envelopes| to.open(Purpose::Packet, &mut sealed(from, Purpose::Packet, b"x")).is_ok();
        // Each step's members live with those of the step before and after it.
        for (one, other) in [(&old, &first), (&first, &second), (&second, &third)] {
            assert!(hears(one, other) && hears(other, one));
        }
        assert!(!hears(&old, &third) && !hears(&third, &old));
    }

    #[test]
    fn keys_are_never_sent_in_the_clear() {
        let first = Envelopes { verify_incoming: false, verify_outgoing: false, ..envelopes(Some(A)) };
        let mut envelope = Vec::new();
        first.seal_into(&mut envelope, Purpose::Request, b"a key", true).unwrap();
        assert!(!envelope.windows(5).any(|window| window == b"a key"));
        assert!(!mark(&envelope).is_empty() && mark(&sealed(&first, Purpose::Request, b"x")).is_empty());
    }

    #[test]
    fn a_rotation_leaves_no_moment_unread() {
        let (a, b) = (envelopes(Some(A)), envelopes(Some(A)));
        let both = |check: &dyn Fn(&Envelopes, &Envelopes)| {
            check(&a, &b);
            check(&b, &a);
        };
        let key = |text: &str| Key::parse(text).unwrap();
        for operation in [KeyOperation::Install(key(B)), KeyOperation::Use(key(B)), KeyOperation::Remove(key(A))] {
            for member in [&a, &b] {
                assert_eq!(member.keys.carry_out(&operation).error, None);
                both(&|from, to| {
                    assert!(to.open(Purpose::Packet, &mut sealed(from, Purpose::Packet, b"x")).is_ok(), "{operation:?}");
                });
            }
        }
    }

    #[test]
    fn nonces_do_not_repeat() {
        let a = envelopes(Some(A));
        let marks: std::collections::BTreeSet<_> = (0..1000).map(|_| mark(&sealed(&a, Purpose::Packet, b"the same"))).collect();
        assert_eq!(marks.len(), 1000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_dropped(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), clear in any::<bool>()) {
            let mut own = envelopes(Some(A));
            own.verify_incoming = !clear;
            if let Ok(content) = own.open(Purpose::Packet, &mut bytes.clone()) {
                prop_assert!(clear && bytes[0] == CLEAR && content == &bytes[1..]);
            }
            let _ = envelopes(None).open(Purpose::Reply(b"x"), &mut bytes);
        }

        #[test]
        fn one_altered_bit_is_noticed(content in proptest::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let own = envelopes(Some(B));
            let mut packet = sealed(&own, Purpose::Packet, &content);
            let mut whole = packet.clone();
            prop_assert_eq!(own.open(Purpose::Packet, &mut whole), Ok(&content[..]));
            let at = at.index(packet.len());
            packet[at] ^= 1_u8 << bit;
            prop_assert!(own.open(Purpose::Packet, &mut packet).is_err());
        }
    }
}
