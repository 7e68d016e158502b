//! Tells that configuration files may have changed; nothing more. What changed is found by loading.
//!
//! Events come from the system (notify); a slow look at names, sizes and times covers what brings none: network file systems, files
//! behind symbolic links, an event queue that overflowed, a directory that was removed and made anew. Where events cannot be had
//! the look is a fast one.

mod fingerprint;

use fingerprint::Fingerprint;
use lictor_net::Shutdown;
use lictor_net::clock;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// A change is told when nothing came for so long …
const QUIET: Duration = Duration::from_millis(10);
/// … or when changes go on for so long; doubled while they go on further.
const PATIENCE: Duration = Duration::from_millis(80);
/// Longest patience.
const PATIENCE_MAX: Duration = Duration::from_secs(1);
/// A file that was just emptied is given so long to be filled: who edits in place empties first, and that must not be taken for
/// the removal of what the file defined.
const FILL: Duration = Duration::from_millis(50);
/// How often it is given that time.
const FILLS: usize = 6;
/// Most emptied files remembered.
const EMPTIED_MAX: usize = 64;
/// Time between looks while events come.
const POLL: Duration = Duration::from_secs(5);
/// Time between looks when no events can be had.
const POLL_ALONE: Duration = Duration::from_millis(500);
/// So long after a change it is told once more, should nothing else be: by then the times of files tell each change from the
/// one before, which may have been read already.
const AGAIN: Duration = Duration::from_millis(2500);

/// The receiving end.
#[derive(Debug)]
pub struct Watcher {
    changes: mpsc::Receiver<()>,
}

impl Watcher {
    /// Watches files and directories, which need not exist yet, until shutdown. Needs a tokio runtime.
    pub fn start(paths: Vec<PathBuf>, shutdown: &Shutdown) -> Self {
        let (sender, changes) = mpsc::channel(1);
        let token = shutdown.token();
        shutdown.spawn(async move {
            if paths.is_empty() {
                // Nothing will change; the first look is owed all the same.
                let _ = sender.try_send(());
                tokio::select! {
                    () = token.cancelled() => {}
                    () = sender.closed() => {}
                }
                return;
            }
            let watching = Watching::new(paths);
            tokio::select! {
                () = token.cancelled() => {}
                () = watching.run(sender) => {}
            }
        });
        Self { changes }
    }

    /// Waits for the next change; several at once count as one. The first comes as soon as the watcher is armed, so that nothing
    /// that happened since the last load is missed. `false` when there will be no more.
    pub async fn changed(&mut self) -> bool {
        self.changes.recv().await.is_some()
    }
}

/// A directory that is watched for events.
struct Armed {
    /// Device and inode when it was armed.
    identity: (u64, u64),
}

struct Watching {
    paths: Vec<PathBuf>,
    events: Arc<Notify>,
    /// Files seen empty in an event.
    emptied: Arc<Mutex<Vec<PathBuf>>>,
    notify: Option<RecommendedWatcher>,
    armed: HashMap<PathBuf, Armed>,
    /// Whether every existing directory is armed.
    complete: bool,
}

impl Watching {
    fn new(paths: Vec<PathBuf>) -> Self {
        let paths: Vec<PathBuf> = paths.into_iter().map(|path| std::path::absolute(&path).unwrap_or(path)).collect();
        let events = Arc::new(Notify::new());
        let emptied = Arc::new(Mutex::new(Vec::new()));
        let (wake, watched, empties) = (events.clone(), paths.clone(), emptied.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error may mean that events were lost: look.
            let concern = event.map_or(true, |event| {
                let concern = concerns(&event, &watched);
                if concern {
                    let mut empties = empties.lock().unwrap_or_else(PoisonError::into_inner);
                    let found = event.paths.into_iter().filter(|path| is_empty(path));
                    let room = EMPTIED_MAX.saturating_sub(empties.len());
                    empties.extend(found.take(room));
                }
                concern
            });
            if concern {
                wake.notify_one();
            }
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "no file events; configuration files are polled");
        }
        Self { paths, events, emptied, notify: watcher.ok(), armed: HashMap::new(), complete: false }
    }

    /// Arms directories that appeared or were replaced: those of the files, the given ones, and their parents.
    fn arm(&mut self) {
        use std::os::unix::fs::MetadataExt;
        let Some(notify) = &mut self.notify else { return };
        self.complete = true;
        let mut wanted: Vec<PathBuf> = Vec::new();
        for path in &self.paths {
            if path.is_dir() {
                wanted.push(path.clone());
            }
            // The nearest parent that exists: from there the way down will appear.
            if let Some(parent) = path.ancestors().skip(1).find(|parent| parent.is_dir()) {
                wanted.push(parent.to_owned());
            }
        }
        wanted.sort();
        wanted.dedup();
        let gone: Vec<PathBuf> = self.armed.keys().filter(|path| !wanted.contains(path)).cloned().collect();
        for path in gone {
            self.armed.remove(&path);
            // It may be gone already; then there is nothing to take back.
            let _ = notify.unwatch(&path);
        }
        for path in wanted {
            let Ok(meta) = std::fs::metadata(&path) else { continue };
            let identity = (meta.dev(), meta.ino());
            if self.armed.get(&path).is_some_and(|armed| armed.identity == identity) {
                continue;
            }
            if self.armed.remove(&path).is_some() {
                let _ = notify.unwatch(&path);
            }
            match notify.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.armed.insert(path, Armed { identity });
                }
                Err(error) => {
                    tracing::debug!(%error, path = %path.display(), "a directory cannot be watched and is polled");
                    self.complete = false;
                }
            }
        }
    }

    /// A look at all files, off the async threads.
    async fn look(&self) -> Fingerprint {
        let paths = self.paths.clone();
        tokio::task::spawn_blocking(move || Fingerprint::of(&paths)).await.unwrap_or_default()
    }

    async fn run(mut self, sender: mpsc::Sender<()>) {
        self.arm();
        let mut seen = Some(self.look().await);
        if sender.try_send(()).is_err() {
            return;
        }
        let mut patience = PATIENCE;
        let mut again = Some(clock::now() + AGAIN);
        loop {
            let period = if self.notify.is_some() && self.complete { POLL } else { POLL_ALONE };
            let event = tokio::time::timeout(period, self.events.notified()).await.is_ok();
            if event {
                let calm = tokio::time::timeout(patience, self.settle()).await.is_ok();
                self.await_filling().await;
                patience = if calm { PATIENCE } else { (patience * 2).min(PATIENCE_MAX) };
            }
            self.arm();
            let tell = if event {
                // Whoever is told looks at all files now; what comes after is compared with a look that does not hold that up.
                seen = None;
                again = Some(clock::now() + AGAIN);
                true
            } else {
                let now = Some(self.look().await);
                let differs = seen.is_some() && now != seen;
                seen = now;
                let due = again.is_some_and(|at| at <= clock::now());
                again = if differs { Some(clock::now() + AGAIN) } else { again.filter(|_| !due) };
                differs || due
            };
            // A full channel holds a signal that is not taken yet: it covers this change as well.
            let told = if tell { sender.try_send(()) } else { Ok(()) };
            if sender.is_closed() || told.is_err_and(|error| matches!(error, mpsc::error::TrySendError::Closed(()))) {
                return;
            }
        }
    }

    /// Gives files that were just emptied a moment to be filled.
    async fn await_filling(&self) {
        let mut empty = std::mem::take(&mut *self.emptied.lock().unwrap_or_else(PoisonError::into_inner));
        for _ in 0..FILLS {
            empty.retain(|path| is_empty(path));
            if empty.is_empty() {
                return;
            }
            tokio::time::sleep(FILL).await;
        }
    }

    /// Returns when no event came for a while.
    async fn settle(&self) {
        while tokio::time::timeout(QUIET, self.events.notified()).await.is_ok() {}
    }
}

/// Whether a path is a file without content.
fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == 0)
}

/// Whether an event may mean a change of what the paths hold.
fn concerns(event: &Event, paths: &[PathBuf]) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        // Our own reading.
        EventKind::Access(_) => return false,
        _ => {}
    }
    if event.need_rescan() || event.paths.is_empty() {
        return true;
    }
    event.paths.iter().any(|changed| paths.iter().any(|path| is_about(changed, path)))
}

fn is_about(changed: &Path, path: &Path) -> bool {
    // Below the path, the path itself, a directory on the way to it …
    if changed.starts_with(path) || path.starts_with(changed) {
        return true;
    }
    // … or the switch by which mounted configuration is replaced as a whole: a file beside it that begins with two dots.
    changed.parent() == path.parent() && changed.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".."))
}

#[cfg(test)]
mod tests;
