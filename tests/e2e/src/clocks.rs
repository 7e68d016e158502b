//! Wall clocks that tests set while agents run, by libfaketime. The clocks that only count are left as they are, as in life.

use std::fs;
use std::path::PathBuf;

/// The clocks of the agents of one cluster.
#[derive(Debug)]
pub struct Clocks {
    library: PathBuf,
    folder: tempfile::TempDir,
}

impl Clocks {
    /// Right clocks; `None` where the library (`$LICTOR_FAKETIME`, else that of the system) is not there.
    pub fn find() -> Option<Self> {
        let known = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
            .map(|folder| PathBuf::from(folder).join("faketime/libfaketimeMT.so.1"));
        let named = std::env::var_os("LICTOR_FAKETIME").map(PathBuf::from);
        let library = named.into_iter().chain(known).find(|path| path.is_file())?;
        let folder = tempfile::Builder::new().prefix("lictor-clocks-").tempdir().expect("a temporary folder can be made");
        Some(Self { library, folder })
    }

    /// What the agent of a node must find in its environment.
    pub(crate) fn environment(&self, node: &str) -> Vec<(String, String)> {
        self.set(node, 0);
        let file = self.folder.path().join(node);
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Sets the clock of a node so many seconds before or behind the right time.
    pub fn set(&self, node: &str, seconds: i64) {
        let aside = self.folder.path().join(format!("{node}.new"));
        fs::write(&aside, format!("{seconds:+}s\n")).expect("it can be written");
        fs::rename(&aside, self.folder.path().join(node)).expect("it can be renamed");
    }
}
