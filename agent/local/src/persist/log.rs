//! The log of registrations: a line of JSON for each that came or went; of one id the last counts.
//!
//! `{"Version":1,"Kind":"service","ID":"web","Service":{…}}`, or `"Removed":true` in place of the content. Lines are appended in
//! the order they came, those that meet in one batch: whoever waits first brings all that gathered to the disk with one flush,
//! for all who wait. A flush costs the same for one line or a hundred, while a file for each registration would cost a flush
//! each. A line that a power cut tore was not acknowledged; it is passed over. A log that has grown to several times what is in
//! force is written anew beside it and renamed into place.

use crate::events::LogNotRewritten;
use lictor_telemetry::Emit;
use parking_lot::{Condvar, Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A log below this size, in bytes, is left as it is.
const REWRITE_MIN: u64 = 4 << 20;
/// It is rewritten when it has grown to so many times its size after the last time.
const REWRITE_FACTOR: u64 = 4;
/// Largest log read, in bytes.
const SIZE_MAX: u64 = 1 << 30;
/// Failed batches remembered, for who did not ask yet.
const FAILED_MAX: usize = 64;

/// What is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Service,
    Check,
}

/// A registration's name in the log.
pub(super) type Key = (Kind, String);

/// The beginning of a line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Head {
    version: u64,
    kind: Kind,
    #[serde(rename = "ID")]
    id: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
}

/// What the log asks of the disk.
pub(super) trait Disk: std::fmt::Debug + Send + Sync {
    /// Waits until a file's content is on the disk.
    fn finish(&self, file: &File) -> io::Result<()>;
    /// Waits until a folder's entries are on the disk.
    fn finish_folder(&self, path: &Path) -> io::Result<()>;
}

/// The real one.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn finish(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
    fn finish_folder(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // Some file systems keep no entries that could be brought to a disk.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
            result => result,
        }
    }
}

/// The number of a line, in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// Lines on their way.
#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Number of the next line.
    next: u64,
    /// Lines with a number below are through, well or not.
    done: u64,
    /// Whether somebody carries out a batch.
    busy: bool,
    /// Failed batches: the numbers of their lines, and why.
    failed: VecDeque<(std::ops::Range<u64>, String)>,
    /// What is in force once all lines are through.
    live: HashSet<Key>,
}

/// The file. Only who is `busy` touches it.
#[derive(Debug)]
struct Appender {
    file: File,
    size: u64,
    /// Its size when it was written anew.
    rewritten: u64,
    /// Whether the last line may be torn.
    torn: bool,
    /// Whether its name may not be on the disk yet.
    unnamed: bool,
}

/// The log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    disk: Box<dyn Disk>,
    waiting: Mutex<Waiting>,
    turned: Condvar,
    appender: Mutex<Appender>,
}

/// What is in force by the lines of a log, and the number of lines that cannot be read.
fn fold(bytes: &[u8]) -> (BTreeMap<Key, Vec<u8>>, usize) {
    let (mut lines, mut unreadable) = (BTreeMap::new(), 0);
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<Head>(line) {
            Ok(Head { kind, id, removed: true, .. }) => drop(lines.remove(&(kind, id))),
            Ok(Head { kind, id, .. }) => drop(lines.insert((kind, id), line.to_vec())),
            Err(_) => unreadable += 1,
        }
    }
    (lines, unreadable)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(SIZE_MAX).read_to_end(&mut bytes).map(|_| bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(bytes),
        Err(error) => Err(error),
    }
}

fn open(path: &Path, anew: bool) -> io::Result<File> {
    // Tokens are in there.
    let mut options = File::options();
    if anew {
        options.write(true).truncate(true);
    } else {
        options.append(true);
    }
    options.create(true).mode(0o600).open(path)
}

impl Log {
    /// Opens the log, or begins one. Answers how many of its lines cannot be read.
    pub(super) fn open(path: PathBuf, disk: impl Disk + 'static) -> io::Result<(Self, usize)> {
        let bytes = read(&path)?;
        let (lines, unreadable) = fold(&bytes);
        let size = bytes.len() as u64;
        let torn = bytes.last().is_some_and(|byte| *byte != b'\n');
        let appender = Appender { file: open(&path, false)?, size, rewritten: size, torn, unnamed: true };
        let waiting = Waiting { live: lines.into_keys().collect(), ..Waiting::default() };
        let log = Self {
            path,
            disk: Box::new(disk),
            waiting: Mutex::new(waiting),
            turned: Condvar::new(),
            appender: Mutex::new(appender),
        };
        Ok((log, unreadable))
    }

    /// The lines in force, as far as they are through.
    pub(super) fn lines(&self) -> io::Result<BTreeMap<Key, Vec<u8>>> {
        Ok(fold(&read(&self.path)?).0)
    }

    /// Whether something is in force, once all lines are through.
    pub(super) fn holds(&self, key: &Key) -> bool {
        self.waiting.lock().live.contains(key)
    }

    /// Queues a registration; `content` is its name and value in the line.
    pub(super) fn put(&self, key: Key, content: (&str, serde_json::Value)) -> io::Result<Ticket> {
        let head = Head { version: super::VERSION, kind: key.0, id: key.1.clone(), removed: false };
        let mut line = serde_json::to_value(head)?;
        line[content.0] = content.1;
        let line = serde_json::to_vec(&line)?;
        let mut waiting = self.waiting.lock();
        waiting.live.insert(key);
        Ok(waiting.push(&line))
    }

    /// Queues that a registration is gone, if there is one.
    pub(super) fn remove(&self, kind: Kind, id: &str) {
        let key = (kind, id.to_owned());
        let mut waiting = self.waiting.lock();
        if waiting.live.remove(&key) {
            let head = Head { version: super::VERSION, kind, id: key.1, removed: true };
            let line = serde_json::to_vec(&head).unwrap_or_default();
            waiting.push(&line);
        }
    }

    /// Waits until all that was queued before is on the disk, or brings it there. Answers how it went with the line of
    /// `ticket`; without one, with all.
    pub(super) fn settle(&self, ticket: Option<Ticket>) -> io::Result<()> {
        let mut waiting = self.waiting.lock();
        let (from, until) = (waiting.done, waiting.next);
        while waiting.done < until {
            if waiting.busy {
                self.turned.wait(&mut waiting);
                continue;
            }
            waiting.busy = true;
            let lines = std::mem::take(&mut waiting.lines);
            let batch = waiting.done..waiting.next;
            let result = MutexGuard::unlocked(&mut waiting, || self.append(&mut self.appender.lock(), lines));
            waiting.done = batch.end;
            if let Err(error) = result {
                waiting.failed.push_back((batch, error.to_string()));
                if waiting.failed.len() > FAILED_MAX {
                    waiting.failed.pop_front();
                }
            }
            waiting.busy = false;
            self.turned.notify_all();
        }
        let mine = ticket.map_or(from..until, |Ticket(number)| number..number + 1);
        match waiting.failed.iter().find(|(batch, _)| batch.start < mine.end && mine.start < batch.end) {
            Some((_, reason)) => Err(io::Error::other(reason.clone())),
            None => Ok(()),
        }
    }

    fn append(&self, appender: &mut Appender, lines: Vec<u8>) -> io::Result<()> {
        let mut bytes = if appender.torn { vec![b'\n'] } else { Vec::new() };
        bytes.extend(lines);
        appender.torn = true;
        appender.file.write_all(&bytes)?;
        self.disk.finish(&appender.file)?;
        appender.torn = false;
        appender.size += bytes.len() as u64;
        self.name(appender)?;
        if appender.size > REWRITE_MIN.max(REWRITE_FACTOR * appender.rewritten) {
            if let Err(error) = self.rewrite(appender) {
                LogNotRewritten { path: &self.path, error: &error }.emit();
                // Not with each batch from now on.
                appender.rewritten = appender.size;
            }
            self.name(appender)?;
        }
        Ok(())
    }

    /// Brings the file's name to the disk, when it may not be there.
    fn name(&self, appender: &mut Appender) -> io::Result<()> {
        if appender.unnamed {
            self.disk.finish_folder(self.path.parent().unwrap_or(Path::new(".")))?;
            appender.unnamed = false;
        }
        Ok(())
    }

    /// Writes what is in force anew.
    fn rewrite(&self, appender: &mut Appender) -> io::Result<()> {
        let mut bytes = self.lines()?.into_values().collect::<Vec<_>>().join(&b'\n');
        bytes.push(b'\n');
        let aside = self.path.with_extension("tmp");
        let mut file = open(&aside, true)?;
        file.write_all(&bytes)?;
        self.disk.finish(&file)?;
        std::fs::rename(&aside, &self.path)?;
        let size = bytes.len() as u64;
        *appender = Appender { file, size, rewritten: size, torn: false, unnamed: true };
        Ok(())
    }

    /// Takes in registrations that were kept in another way before; on the disk when this returns.
    pub(super) fn adopt(&self, older: Vec<(Key, (&str, serde_json::Value))>) -> io::Result<()> {
        for (key, content) in older {
            if !self.holds(&key) {
                self.put(key, content)?;
            }
        }
        self.settle(None)
    }
}

impl Waiting {
    fn push(&mut self, line: &[u8]) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        ticket
    }
}

#[cfg(test)]
mod tests;
