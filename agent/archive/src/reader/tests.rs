//! Whole archives, and all that only looks like one.

use super::*;
use crate::VERSION;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

fn sum(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

fn good(state: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::write(&mut bytes, &Metadata::new(9, 2, state.len() as u64, 77), |out| out.write_all(state)).unwrap();
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive of parts as another program writes them.
fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in parts {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    gzip(&tar.into_inner().unwrap())
}

fn meta(size: usize) -> Vec<u8> {
    format!(r#"{{"Version":1,"ID":"2-9-1","Index":9,"Term":2,"Peers":"ka8=","Configuration":{{"Servers":[]}},"Size":{size}}}"#)
        .into_bytes()
}

#[test]
fn what_is_written_is_read() {
    for state in [b"".to_vec(), b"state".to_vec(), vec![7; 512], vec![9; 100_000]] {
        let bytes = good(&state);
        let (found, taken) = read(bytes.as_slice(), |told, from| {
            assert_eq!(told.version, VERSION);
            let mut all = Vec::new();
            from.read_to_end(&mut all).map(|_| all)
        })
        .unwrap();
        assert_eq!((found.id.as_str(), found.index, found.term, found.size), ("2-9-77", 9, 2, state.len() as u64));
        assert_eq!(taken, state);
    }
    // Who takes less than all does not spare it the check.
    assert!(read(good(b"state").as_slice(), |_, _| Ok::<_, Infallible>(())).is_ok());
    let refused = read(good(b"state").as_slice(), |_, _| Err::<(), _>("not this one"));
    assert!(matches!(refused, Err(ReadError::Taker("not this one"))));
}

#[test]
fn archives_of_others_are_read_and_wrong_ones_named() {
    let (state, told) = (b"state".as_slice(), meta(5));
    let sums = format!("{}  state.bin\n{}  meta.json\n", sum(state), sum(&told));
    let whole = archive(&[("meta.json", &told), ("state.bin", state), ("SHA256SUMS", sums.as_bytes())]);
    let found = verify(whole.as_slice()).unwrap();
    assert_eq!((found.id.as_str(), found.index, found.term, found.size, found.version), ("2-9-1", 9, 2, 5, 1));

    let error = |parts: &[(&str, &[u8])]| verify(archive(parts).as_slice()).unwrap_err();
    let sums = sums.as_bytes();
    let changed = error(&[("meta.json", &told), ("state.bin", b"other"), ("SHA256SUMS", sums)]);
    assert!(matches!(changed, ArchiveError::Damaged("state.bin")), "{changed}");
    for foreign in ["evil", "../meta.json", "/meta.json", "./meta.json", "META.JSON", "state.bin", "SHA256SUMS"] {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..foreign.len()].copy_from_slice(foreign.as_bytes());
        header.set_size(0);
        header.set_cksum();
        let bytes = gzip(&[header.as_bytes().as_slice(), &[0; 1024]].concat());
        let error = verify(bytes.as_slice()).unwrap_err();
        assert!(matches!(&error, ArchiveError::Foreign(name) if name == foreign), "{foreign}: {error}");
    }
    let bare = error(&[("meta.json", &told), ("state.bin", state)]);
    assert!(matches!(bare, ArchiveError::Missing("SHA256SUMS")), "{bare}");
    let twice = error(&[("meta.json", &told), ("state.bin", state), ("SHA256SUMS", sums), ("state.bin", state)]);
    assert!(matches!(&twice, ArchiveError::Foreign(name) if name == "state.bin"), "{twice}");
    let unsummed = error(&[("meta.json", &told), ("state.bin", state), ("SHA256SUMS", b"")]);
    assert!(matches!(unsummed, ArchiveError::Missing("meta.json")), "{unsummed}");
    let lying = meta(6);
    let sums = format!("{}  state.bin\n{}  meta.json\n", sum(state), sum(&lying));
    let lying = error(&[("meta.json", &lying), ("state.bin", state), ("SHA256SUMS", sums.as_bytes())]);
    assert!(matches!(lying, ArchiveError::Size { told: 6, found: 5 }), "{lying}");
    let junk = verify(b"{ \"no\": \"archive\" }".as_slice()).unwrap_err();
    assert_eq!(junk.to_string(), "failed to decompress snapshot: gzip: invalid header");
    let followed = [whole.clone(), b"x".to_vec()].concat();
    assert!(matches!(verify(followed.as_slice()), Err(ArchiveError::Trailing)));
}

#[test]
fn links_folders_and_extensions_are_no_parts() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::GNULongName,
        EntryType::XHeader,
        EntryType::GNUSparse,
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_path("meta.json").unwrap();
        header.set_entry_type(kind);
        header.set_size(5);
        header.set_cksum();
        let bytes = gzip(&[header.as_bytes().as_slice(), &[0; 1024]].concat());
        assert!(matches!(verify(bytes.as_slice()), Err(ArchiveError::Foreign(_))), "{kind:?}");
    }
}

#[test]
fn sizes_are_not_believed() {
    for (size, kind) in
        [(1 << 40, EntryType::Regular), (1 << 40, EntryType::GNULongName), (SMALL_BYTES_MAX + 1, EntryType::Regular)]
    {
        let mut header = tar::Header::new_gnu();
        header.set_path("meta.json").unwrap();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        // Zeros without end: whoever goes on reading them fills its memory or never comes back.
        let endless = io::Cursor::new(header.as_bytes().to_vec()).chain(io::repeat(0));
        let packed = flate2::read::GzEncoder::new(endless, Compression::fast());
        let error = verify(packed).unwrap_err();
        assert!(matches!(error, ArchiveError::TooLarge { .. } | ArchiveError::Foreign(_)), "{error}");
    }
    // Behind the parts, too.
    let (state, told) = (b"state".as_slice(), meta(5));
    let sums = format!("{}  state.bin\n{}  meta.json\n", sum(state), sum(&told));
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in [("meta.json", told.as_slice()), ("state.bin", state), ("SHA256SUMS", sums.as_bytes())] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    let endless = io::Cursor::new(tar.into_inner().unwrap()).chain(io::repeat(0));
    let error = verify(flate2::read::GzEncoder::new(endless, Compression::fast())).unwrap_err();
    assert!(matches!(error, ArchiveError::Trailing), "{error}");
}

#[test]
fn an_archive_cut_short_or_changed_anywhere_is_refused() {
    let whole = good(b"state");
    for end in 0..whole.len() {
        assert!(verify(&whole[..end]).is_err(), "{end} of {}", whole.len());
    }
    // The first ten bytes are gzip's header, of which some (the time, the system) mean nothing.
    for at in 10..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            if let Ok(found) = verify(changed.as_slice()) {
                assert_eq!(found, verify(whole.as_slice()).unwrap(), "bit {bit} of byte {at}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(verify(bytes.as_slice()).is_err());
        prop_assert!(verify(gzip(&bytes).as_slice()).is_err());
    }
}
