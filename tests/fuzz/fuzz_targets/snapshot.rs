//! The archive of a snapshot: as it comes, as a tar within right gzip, and as rows within a right archive, restored into a catalog.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lictor_fuzz::snapshot::{archive_of_rows, gzip, restore};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => restore(rest),
        1 => restore(&gzip(rest)),
        _ => restore(&archive_of_rows(rest)),
    }
});
