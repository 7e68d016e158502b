use super::*;

fn key(byte: u8, size: usize) -> Key {
    Key::parse(&STANDARD.encode(vec![byte; size])).unwrap()
}

#[test]
fn keys_of_each_size_encrypt() {
    for size in [16, 24, 32] {
        let key = key(7, size);
        let mut buffer = b"who is there".to_vec();
        let tag = key.seal(&[1; NONCE_BYTES], b"context", &mut buffer).unwrap();
        assert_ne!(buffer, b"who is there");
        assert!(key.open(&[1; NONCE_BYTES], b"context", &mut buffer, &tag));
        assert_eq!(buffer, b"who is there");
    }
}

// Test case 4 of "The Galois/Counter Mode of Operation" (McGrew, Viega 2005), and its AES-192 and AES-256 sisters 10 and 16.
#[test]
fn the_cipher_is_the_published_one() {
    let bytes = |text: &str| -> Vec<u8> {
        text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    };
    let plain = bytes(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
    );
    let associated = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let nonce: [u8; NONCE_BYTES] = bytes("cafebabefacedbaddecaf888").try_into().unwrap();
    let whole = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    for (digits, tag) in [
        (32, "5bc94fbc3221a5db94fae95ae7121a47"),
        (48, "2519498e80f1478f37ba55bd6d27618c"),
        (64, "76fc6ece0f4e1768cddf8853bb2d551b"),
    ] {
        let key = Key::parse(&STANDARD.encode(bytes(&whole[..digits]))).unwrap();
        let mut buffer = plain.clone();
        assert_eq!(key.seal(&nonce, &associated, &mut buffer).unwrap().to_vec(), bytes(tag));
    }
}

#[test]
fn what_does_not_open_stays_as_it_was() {
    let mut buffer = vec![9; 64];
    let tag = key(1, 16).seal(&[0; NONCE_BYTES], b"", &mut buffer).unwrap();
    let sealed = buffer.clone();
    assert!(!key(2, 16).open(&[0; NONCE_BYTES], b"", &mut buffer, &tag));
    assert_eq!(buffer, sealed, "the other keys are tried on the same bytes");
    assert!(!key(1, 16).open(&[1; NONCE_BYTES], b"", &mut buffer, &tag), "another nonce");
    assert!(!key(1, 16).open(&[0; NONCE_BYTES], b"x", &mut buffer, &tag), "another context");
    assert!(key(1, 16).open(&[0; NONCE_BYTES], b"", &mut buffer, &tag));
}

#[test]
fn a_wrong_key_is_told() {
    assert_eq!(Key::parse("!!").unwrap_err(), KeyError::NotBase64);
    assert_eq!(Key::parse("").unwrap_err(), KeyError::Size(0));
    assert_eq!(Key::parse(&STANDARD.encode([0; 17])).unwrap_err(), KeyError::Size(17));
    let none: [&str; 0] = [];
    assert_eq!(Keyring::parse(&none).unwrap_err(), KeyError::Empty);
}

#[test]
fn a_key_is_never_shown() {
    let key = key(5, 32);
    assert!(!format!("{:?} {:?}", key, Keyring::new(key.clone())).contains(key.text()));
}

#[test]
fn a_ring_changes_as_operators_know_it() {
    let (a, b, c) = (key(1, 16), key(2, 24), key(3, 32));
    let ring = Keyring::new(a.clone()).with(b.clone()).unwrap().with(b.clone()).unwrap();
    assert_eq!(ring.keys(), [a.clone(), b.clone()]);
    assert_eq!(ring.using(&c).unwrap_err(), KeyError::Unknown);
    assert_eq!(ring.without(&a).unwrap_err(), KeyError::Primary);
    let turned = ring.using(&b).unwrap();
    assert_eq!(turned.keys(), [b.clone(), a.clone()]);
    assert_eq!(turned.without(&c).unwrap(), turned);
    assert_eq!(turned.without(&a).unwrap().keys(), [b]);
}

#[test]
fn a_ring_is_not_endless() {
    let mut ring = Keyring::new(key(0, 16));
    for byte in 1..KEYS_MAX {
        ring = ring.with(key(byte as u8, 16)).unwrap();
    }
    assert_eq!(ring.with(key(200, 16)).unwrap_err(), KeyError::Full);
    assert!(ring.with(key(1, 16)).is_ok(), "one that is there already needs no room");
}
