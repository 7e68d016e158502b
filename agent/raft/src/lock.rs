//! One agent per data directory.

use crate::error::StorageError;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// Held for as long as the agent runs; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Makes the directory if it is missing, and locks it.
    pub(crate) fn take(directory: &Path) -> Result<Self, StorageError> {
        let unusable = |source| StorageError::Unusable { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(unusable)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(directory.join("lock")).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StorageError::Locked(directory.to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let first = DirectoryLock::take(directory.path()).unwrap();
        assert!(matches!(DirectoryLock::take(directory.path()), Err(StorageError::Locked(_))));
        drop(first);
        DirectoryLock::take(directory.path()).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        std::fs::write(&path, "x").unwrap();
        assert!(matches!(DirectoryLock::take(&path), Err(StorageError::Unusable { .. })));
    }
}
