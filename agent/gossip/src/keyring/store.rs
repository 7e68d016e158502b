//! The current keyring of a pool, and the file that keeps it.
//!
//! The file is that of Consul: a JSON array of base64 keys, the primary first, readable by its owner alone. It is flushed to
//! the disk before a change counts: a member that forgot a key after a power cut could read none of its pool's messages.

use super::rotation::{KeyAnswer, KeyOperation};
use super::{KeyError, Keyring};
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file read, in bytes.
const FILE_SIZE_MAX: u64 = 64 << 10;

/// Where the keys of a pool are, and what is not encrypted.
#[derive(Debug)]
pub(crate) struct KeyStore {
    current: ArcSwapOption<Keyring>,
    file: Option<PathBuf>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl KeyStore {
    /// The keys of the file if there is one, else `first`, which is then kept in it. The flag tells that `first` was given and
    /// is not in the file: the file wins, because a key that was rotated away must not come back with a restart.
    pub(crate) fn open(file: Option<PathBuf>, first: Option<&str>) -> Result<(Self, bool), KeyError> {
        let first = first.filter(|text| !text.is_empty()).map(super::Key::parse).transpose()?;
        let kept = file.as_deref().map(read).transpose()?.flatten();
        let ignored = match (&kept, &first) {
            (Some(ring), Some(first)) => !ring.keys().contains(first),
            _ => false,
        };
        let fresh = kept.is_none();
        let ring = kept.or_else(|| first.map(Keyring::new));
        if let (Some(ring), Some(file), true) = (&ring, &file, fresh) {
            write(file, ring)?;
        }
        Ok((Self { current: ArcSwapOption::new(ring.map(Arc::new)), file, changing: Mutex::new(()) }, ignored))
    }

    /// The ring now; `None`: the pool is not encrypted.
    pub(crate) fn current(&self) -> Option<Arc<Keyring>> {
        self.current.load_full()
    }

    /// Carries out an operation here. Blocks on the disk.
    pub(crate) fn carry_out(&self, operation: &KeyOperation) -> KeyAnswer {
        match self.change(operation) {
            Ok(keys) => KeyAnswer { keys, error: None },
            Err(error) => error.into(),
        }
    }

    fn change(&self, operation: &KeyOperation) -> Result<Vec<String>, KeyError> {
        let _alone = self.changing.lock();
        let ring = self.current().ok_or(KeyError::NoKeyring)?;
        let changed = match operation {
            KeyOperation::List => return Ok(ring.keys().iter().map(|key| key.text().to_owned()).collect()),
            KeyOperation::Install(key) => ring.with(key.clone())?,
            KeyOperation::Use(key) => ring.using(key)?,
            KeyOperation::Remove(key) => ring.without(key)?,
        };
        if changed != *ring {
            if let Some(file) = &self.file {
                write(file, &changed)?;
            }
            self.current.store(Some(Arc::new(changed)));
        }
        Ok(Vec::new())
    }
}

fn refused(path: &Path, detail: impl ToString) -> KeyError {
    KeyError::File { path: path.display().to_string(), detail: detail.to_string() }
}

/// `None`: there is no file. A file that makes no sense is an error: to go on without keys would be to speak in the clear.
fn read(path: &Path) -> Result<Option<Keyring>, KeyError> {
    let size = match std::fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(path, error)),
    };
    if size > FILE_SIZE_MAX {
        return Err(refused(path, format!("{size} bytes are more than {FILE_SIZE_MAX}")));
    }
    let bytes = std::fs::read(path).map_err(|error| refused(path, error))?;
    let texts: Vec<String> = serde_json::from_slice(&bytes)
        .map_err(|_| refused(path, "it should be a JSON array of base64 keys, the primary first"))?;
    Keyring::parse(&texts).map(Some).map_err(|error| refused(path, error))
}

fn write(path: &Path, ring: &Keyring) -> Result<(), KeyError> {
    let texts: Vec<&str> = ring.keys().iter().map(super::Key::text).collect();
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let unfinished = path.with_extension("keyring.tmp");
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&unfinished)?;
        // One left over from a crash keeps its own mode otherwise.
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        file.write_all(&serde_json::to_vec_pretty(&texts)?)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| refused(path, error))
}

#[cfg(test)]
mod tests {
    use super::super::Key;
    use super::*;

    const A: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
    const B: &str = "k90iWccGbWsvnWy9pVAZb4HjDuWJHgs2d1VqnwCXqUI=";

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    #[test]
    fn without_a_key_or_a_file_there_is_no_ring() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = KeyStore::open(Some(folder.path().join("serf/local.keyring")), Some("")).unwrap();
        assert!(store.current().is_none());
        assert_eq!(store.carry_out(&KeyOperation::Install(key(A))).error.unwrap(), KeyError::NoKeyring.to_string());
        assert!(!folder.path().join("serf").exists());
    }

    #[test]
    fn the_ring_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("serf/local.keyring");
        let (store, ignored) = KeyStore::open(Some(file.clone()), Some(A)).unwrap();
        assert!(!ignored);
        for operation in [KeyOperation::Install(key(B)), KeyOperation::Use(key(B))] {
            assert_eq!(store.carry_out(&operation), KeyAnswer::default());
        }
        assert_eq!(store.carry_out(&KeyOperation::List).keys, [B, A]);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(serde_json::from_slice::<Vec<String>>(&std::fs::read(&file).unwrap()).unwrap(), [B, A]);

        let (again, ignored) = KeyStore::open(Some(file.clone()), Some(A)).unwrap();
        assert!(!ignored, "it is one of the ring");
        assert_eq!(again.current().unwrap().primary().text(), B, "the file wins over the configuration");
        assert_eq!(again.carry_out(&KeyOperation::Remove(key(A))), KeyAnswer::default());
        let (last, ignored) = KeyStore::open(Some(file), Some(A)).unwrap();
        assert!(ignored, "a key that was rotated away is told");
        assert_eq!(last.carry_out(&KeyOperation::List).keys, [B]);
    }

    #[test]
    fn consuls_own_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("local.keyring");
        std::fs::write(&file, format!("[\n  \"{B}\",\n  \"{A}\"\n]\n")).unwrap();
        let (store, _) = KeyStore::open(Some(file), None).unwrap();
        assert_eq!(store.carry_out(&KeyOperation::List).keys, [B, A]);
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("local.keyring");
        for bytes in ["", "[]", "{}", "[\"x\"]", "[1]"] {
            std::fs::write(&file, bytes).unwrap();
            let error = KeyStore::open(Some(file.clone()), Some(A)).unwrap_err().to_string();
            assert!(error.contains("local.keyring"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_kept_does_not_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("serf/local.keyring");
        let (store, _) = KeyStore::open(Some(file.clone()), Some(A)).unwrap();
        std::fs::remove_dir_all(folder.path().join("serf")).unwrap();
        std::fs::write(folder.path().join("serf"), "in the way").unwrap();
        assert!(store.carry_out(&KeyOperation::Install(key(B))).error.unwrap().contains("local.keyring"));
        assert_eq!(store.carry_out(&KeyOperation::List).keys, [A]);
    }
}
