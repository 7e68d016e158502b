//! Files as they were read last: a file that has not changed is neither read nor parsed again.

use crate::fragment::{self, BadSource, Fragment};
use crate::sources::{FileSource, problem};
use crate::syntax::FILE_SIZE_MAX;
use lictor_net::clock;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Times of files are those of a clock that ticks; two changes within one tick leave the same time behind. Where times have
/// fractions of a second it ticks every 10 ms at the slowest, and clocks of file servers run a little beside ours …
const TICK: Duration = Duration::from_millis(100);
/// … and where they have none, every second or two.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// A file that was just emptied is given so long to be filled: who edits in place empties first, and that must not be taken for
/// the removal of what the file defined.
const FILL: Duration = Duration::from_millis(300);
/// Time between looks at such a file.
const FILL_STEP: Duration = Duration::from_millis(10);

/// What tells whether a file is still the one that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the file changed less than `age` ago.
    fn is_younger(&self, age: Duration, wall: Duration) -> bool {
        let part = |number: i64| u64::try_from(number).unwrap_or(0);
        let changed = Duration::from_secs(part(self.changed.0)) + Duration::from_nanos(part(self.changed.1));
        // A time in the future comes from a clock that was set back: no reason to wait.
        wall.checked_sub(changed).is_some_and(|since| since < age)
    }

    /// Whether this stamp, taken before the file was read at `wall`, proves that the file is still what was read when it is met
    /// again. It does not when the last change was so shortly before that the next one may have left the same time.
    fn is_proof(&self, wall: Duration) -> bool {
        let tick = if self.changed.1 == 0 { COARSE_TICK } else { TICK };
        let part = |number: i64| u64::try_from(number).unwrap_or(0);
        let changed = Duration::from_secs(part(self.changed.0)) + Duration::from_nanos(part(self.changed.1));
        changed + tick < wall
    }
}

/// A file as read last.
#[derive(Debug)]
pub(super) struct FileState {
    /// What the file looked like when it was read, as far as that proves anything.
    stamp: Option<Stamp>,
    /// Size when it was read.
    size: usize,
    pub(super) outcome: Result<Arc<Fragment>, BadSource>,
    pub(super) sha256: String,
    /// What was in effect when the file was good for the last time.
    pub(super) last_good: Option<Arc<Fragment>>,
    pub(super) last_sha256: String,
}

/// All files.
#[derive(Debug, Default)]
pub(super) struct Files {
    states: HashMap<PathBuf, FileState>,
    /// When this look at them began.
    wall: Duration,
    #[cfg(test)]
    pub(super) parsed: usize,
}

impl Files {
    /// Begins a look at all files.
    pub(super) fn begin(&mut self) {
        self.wall = clock::wall();
    }

    /// Looks at a file again.
    pub(super) fn refresh(&mut self, source: &FileSource) -> &FileState {
        let state = self.states.entry(source.path.clone()).or_insert_with(|| FileState {
            stamp: None,
            size: 0,
            outcome: Err(BadSource::default()),
            sha256: String::new(),
            last_good: None,
            last_sha256: String::new(),
        });
        let (stamp, bytes) = match read(&source.path, state) {
            Ok(None) => return state,
            Ok(Some(read)) => read,
            Err(message) => {
                state.stamp = None;
                state.size = 0;
                state.sha256 = String::new();
                state.outcome = Err(BadSource { problems: vec![problem(&source.path, &message, "")], ..BadSource::default() });
                return state;
            }
        };
        state.size = bytes.len();
        state.stamp = Some(stamp).filter(|stamp| stamp.is_proof(self.wall));
        let sha256 = digest(&bytes);
        if state.sha256 == sha256 {
            return state;
        }
        state.sha256 = sha256;
        // Back to what was good: the very same definitions, so that nothing counts as changed.
        if let Some(good) = state.last_good.as_ref().filter(|_| state.last_sha256 == state.sha256) {
            state.outcome = Ok(good.clone());
            return state;
        }
        #[cfg(test)]
        {
            self.parsed += 1;
        }
        state.outcome = fragment::read(&source.path.display().to_string(), &bytes, source.format).map(Arc::new);
        state
    }

    /// A file whose content is in effect as a whole.
    pub(super) fn is_good(&mut self, path: &Path) {
        if let Some(state) = self.states.get_mut(path)
            && let Ok(fragment) = &state.outcome
            && !state.last_good.as_ref().is_some_and(|good| Arc::ptr_eq(good, fragment))
        {
            state.last_good = Some(fragment.clone());
            state.last_sha256.clone_from(&state.sha256);
        }
    }

    /// Forgets the files that are gone.
    pub(super) fn retain(&mut self, keep: &HashSet<&Path>) {
        self.states.retain(|path, _| keep.contains(path.as_path()));
    }

    /// The paths known.
    pub(super) fn known(&self) -> impl Iterator<Item = &PathBuf> {
        self.states.keys()
    }
}

/// Waits a little, on a thread that is there for blocking, for who edits a file this moment.
#[expect(clippy::disallowed_methods, reason = "files are read on blocking threads, and the time of files is the real one")]
fn pause() {
    std::thread::sleep(FILL_STEP);
}

/// SHA-256, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The content of a file, unless it is still the one that was read last.
fn read(path: &Path, known: &FileState) -> Result<Option<(Stamp, Vec<u8>)>, String> {
    let describe = |error: std::io::Error| format!("cannot be read: {error}");
    let limit = FILE_SIZE_MAX as u64 + 1;
    loop {
        // By its path each time: a link that leads elsewhere now, and a file put in the place of another, have another inode.
        let meta = std::fs::metadata(path).map_err(describe)?;
        if !meta.is_file() {
            return Err("is no regular file".to_owned());
        }
        let stamp = Stamp::of(&meta);
        if known.stamp.as_ref() == Some(&stamp) {
            return Ok(None);
        }
        let mut file = std::fs::File::open(path).map_err(describe)?;
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(limit)).unwrap_or(0));
        file.by_ref().take(limit).read_to_end(&mut bytes).map_err(describe)?;
        // Asked of the file that was read, afterwards: it may have been emptied since the first look.
        let emptied = bytes.is_empty() && known.size > 0;
        if emptied && Stamp::of(&file.metadata().map_err(describe)?).is_younger(FILL, clock::wall()) {
            pause();
            continue;
        }
        return Ok(Some((stamp, bytes)));
    }
}
