//! The log file and its rotation.

use crate::WallClock;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the log file is and when it is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The file that is written to; one that ends in a separator gets the name `lictor.log`.
    pub path: PathBuf,
    /// Rotate once it has so many bytes; 0: never for its size.
    pub rotate_bytes: u64,
    /// Rotate once it is so old; zero: never for its age. Consul's default is a day.
    pub rotate_duration: Duration,
    /// How many rotated files are kept; 0: all; below zero: none.
    pub rotate_max_files: i64,
}

#[derive(Debug)]
pub(super) struct LogFile {
    settings: FileSettings,
    clock: WallClock,
    file: File,
    bytes: u64,
    opened_unix_ms: u64,
}

fn append(path: &Path) -> std::io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

impl LogFile {
    pub(super) fn open(mut settings: FileSettings, clock: WallClock) -> std::io::Result<Self> {
        if settings.path.as_os_str().to_string_lossy().ends_with(std::path::MAIN_SEPARATOR) || settings.path.is_dir() {
            settings.path.push("lictor.log");
        }
        if let Some(parent) = settings.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)?;
        }
        let (file, bytes) = append(&settings.path)?;
        Ok(Self { opened_unix_ms: clock(), settings, clock, file, bytes })
    }

    pub(super) fn write(&mut self, line: &[u8]) -> std::io::Result<()> {
        let now = (self.clock)();
        let age = Duration::from_millis(now.saturating_sub(self.opened_unix_ms));
        let too_big =
            self.settings.rotate_bytes > 0 && self.bytes > 0 && self.bytes + line.len() as u64 > self.settings.rotate_bytes;
        let too_old = !self.settings.rotate_duration.is_zero() && age >= self.settings.rotate_duration;
        if too_big || too_old {
            // A file that cannot be rotated is written on.
            let _ = self.rotate(now);
        }
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// `dir/name-`, `.ext`: between them a rotated file has its time.
    fn name_parts(&self) -> (String, String) {
        let path = &self.settings.path;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
        (format!("{stem}-"), extension)
    }

    fn rotate(&mut self, now_unix_ms: u64) -> std::io::Result<()> {
        let (prefix, suffix) = self.name_parts();
        let mut stamp = now_unix_ms;
        let mut old = self.settings.path.with_file_name(format!("{prefix}{stamp}{suffix}"));
        while old.exists() {
            stamp += 1;
            old = self.settings.path.with_file_name(format!("{prefix}{stamp}{suffix}"));
        }
        std::fs::rename(&self.settings.path, old)?;
        (self.file, self.bytes) = append(&self.settings.path)?;
        self.opened_unix_ms = now_unix_ms;
        self.prune(&prefix, &suffix)
    }

    fn prune(&self, prefix: &str, suffix: &str) -> std::io::Result<()> {
        if self.settings.rotate_max_files == 0 {
            return Ok(());
        }
        let keep = usize::try_from(self.settings.rotate_max_files).unwrap_or(0);
        let folder = self.settings.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut old: Vec<(u64, PathBuf)> = std::fs::read_dir(folder)?
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let stamp = path.file_name()?.to_str()?.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()?;
                Some((stamp, path))
            })
            .collect();
        old.sort();
        for (_, path) in old.iter().take(old.len().saturating_sub(keep)) {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    static NOW: AtomicU64 = AtomicU64::new(1_000);
    fn clock() -> u64 {
        NOW.load(Ordering::Relaxed)
    }

    #[test]
    fn rotates_by_size_and_age_and_keeps_some() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/agent.log");
        let settings =
            FileSettings { path: path.clone(), rotate_bytes: 10, rotate_duration: Duration::from_secs(60), rotate_max_files: 2 };
        let mut log = LogFile::open(settings, clock).unwrap();
        for line in ["one 1\n", "two 2\n", "three\n", "four\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\n");
        NOW.store(62_000, Ordering::Relaxed);
        log.write(b"x\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "x\n");
        let mut names: Vec<String> = std::fs::read_dir(folder.path().join("logs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["agent-1002.log", "agent-62000.log", "agent.log"]);
    }
}
