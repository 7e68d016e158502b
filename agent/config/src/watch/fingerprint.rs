//! A cheap look at files: names, sizes, times.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most entries of a directory that are looked at.
const ENTRIES_MAX: usize = 200_000;

/// Equal when nothing seems to have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut sum = 0_u64;
        for path in paths {
            sum = sum.wrapping_add(entry(path));
            let Ok(entries) = std::fs::read_dir(path) else { continue };
            for item in entries.take(ENTRIES_MAX).filter_map(Result::ok) {
                // The order of a directory means nothing: a sum does not depend on it.
                sum = sum.wrapping_add(entry(&item.path()));
            }
        }
        Self(sum)
    }
}

fn entry(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    // Follows links: the content counts.
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => (meta.dev(), meta.ino()).hash(&mut hasher),
        Ok(meta) => (meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec())
            .hash(&mut hasher),
        Err(_) => "missing".hash(&mut hasher),
    }
    hasher.finish()
}
