//! A plugin by name: the module that runs now, where it comes from, and how it is swapped.

use crate::budget::Budget;
use crate::compiled::Origin;
use crate::error::LoadError;
use crate::host::{Inner, Source};
use crate::limits::MODULE_BYTES_MAX;
use crate::load::{Loaded, load, sha256_hex};
use crate::run::{Finished, Spent};
use crate::status::{Metric, PluginStatus};
use arc_swap::{ArcSwap, ArcSwapOption};
use lictor_net::clock::{self, Instant};
use parking_lot::Mutex;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// How often the file is looked at while the plugin runs.
const LOOK_EVERY_MS: u64 = 1_000;
/// A file changed so lately may change again within the resolution of its time stamp.
const STAMP_DOUBT: Duration = Duration::from_secs(2);
/// Run times kept for the percentiles.
const TIMES_MAX: usize = 256;

/// A plugin by name.
pub(crate) struct Slot {
    pub(crate) name: Arc<str>,
    current: ArcSwapOption<Loaded>,
    permits: ArcSwap<Semaphore>,
    pub(crate) budget: Budget,
    looked_ms: AtomicU64,
    /// Held while runs wait for the first load: one asks for it, the others wait for that one.
    loading: tokio::sync::Mutex<()>,
    /// Held while loading: one loader at a time.
    book: Mutex<Book>,
    error: Mutex<Option<LoadError>>,
    source: Mutex<String>,
    stats: Mutex<Stats>,
}

/// What the loader remembers.
#[derive(Default)]
struct Book {
    stamp: Option<Stamp>,
    /// The bytes and the pin last judged.
    judged: Option<(String, Option<String>)>,
    concurrent: usize,
}

#[derive(Default)]
struct Stats {
    swaps: u64,
    runs: u64,
    stopped: u64,
    last_stop: Option<String>,
    times_us: Vec<u64>,
    memory_bytes_peak: usize,
    cpu_us: u64,
    last_fuel: u64,
    metrics: Vec<Metric>,
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    source: String,
    size: u64,
    modified: Duration,
    inode: u64,
}

impl Slot {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: Arc::from(name),
            current: ArcSwapOption::empty(),
            permits: ArcSwap::from_pointee(Semaphore::new(1)),
            budget: Budget::new(),
            looked_ms: AtomicU64::new(0),
            loading: tokio::sync::Mutex::new(()),
            book: Mutex::new(Book::default()),
            error: Mutex::new(None),
            source: Mutex::new(String::new()),
            stats: Mutex::new(Stats::default()),
        }
    }

    /// The module that runs.
    pub(crate) fn current(&self) -> Option<Arc<Loaded>> {
        self.current.load_full()
    }

    pub(crate) fn permits(&self) -> Arc<Semaphore> {
        self.permits.load_full()
    }

    /// The sentence for a plugin of which nothing is loaded.
    pub(crate) fn why_not_loaded(&self) -> String {
        match &*self.error.lock() {
            Some(error) => format!("plugin {} cannot be used: {error}", self.name),
            None => format!("plugin {} is still being loaded", self.name),
        }
    }

    /// The sentence for a plugin whose newest module was not taken while an older one runs.
    pub(crate) fn why_stale(&self) -> Option<String> {
        let error = self.error.lock();
        let version = self.current.load().as_ref()?.about.version.clone();
        let error = error.as_ref()?;
        Some(format!("plugin {} goes on with its module of version {version}, since the newer was not taken: {error}", self.name))
    }

    /// Whether a load of it ever ended.
    pub(crate) fn was_looked_at(&self) -> bool {
        self.current.load().is_some() || self.error.lock().is_some()
    }

    /// The module that runs; loads it first if there is none. Compiling goes on beyond the deadline, on a thread where it may.
    pub(crate) async fn loaded(self: &Arc<Self>, inner: &Arc<Inner>, deadline: Instant) -> Option<Arc<Loaded>> {
        if let Some(loaded) = self.current() {
            return Some(loaded);
        }
        let work = async {
            let _one = self.loading.lock().await;
            let (slot, inner) = (Arc::clone(self), Arc::clone(inner));
            let look = move || {
                let is_fresh = || clock::wall_unix_ms().abs_diff(slot.looked_ms.load(Ordering::Relaxed)) < LOOK_EVERY_MS;
                if is_fresh() && slot.was_looked_at() {
                    // Whoever looked may still be compiling: wait for the end of it. (A first look that is announced, but
                    // has not begun, is not waited for: it would be over before it began.)
                    drop(slot.book.lock());
                } else {
                    slot.refresh(&inner);
                }
            };
            if self.current.load().is_none() {
                // A panic there leaves the plugin as it is: not loaded.
                let _ = tokio::task::spawn_blocking(look).await;
            }
        };
        let _ = clock::timeout_at(deadline, work).await;
        self.current()
    }

    /// Looks at the file in the background, if the last look is long enough ago. Runs do not wait for it.
    pub(crate) fn look_now_and_then(self: &Arc<Self>, inner: &Arc<Inner>) {
        let now = clock::wall_unix_ms();
        let last = self.looked_ms.load(Ordering::Relaxed);
        if now.abs_diff(last) < LOOK_EVERY_MS || !inner.watches_files() {
            return;
        }
        if self.looked_ms.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let (slot, inner) = (Arc::clone(self), Arc::clone(inner));
            // Not awaited: it ends by itself, and a swap it makes is seen by the next run.
            tokio::task::spawn_blocking(move || slot.refresh(&inner));
        }
    }

    /// Loads what the source holds now, if it is not what runs already. Blocks.
    pub(crate) fn refresh(&self, inner: &Inner) {
        let mut book = self.book.lock();
        self.looked_ms.store(clock::wall_unix_ms(), Ordering::Relaxed);
        let limits = inner.limits(&self.name);
        if book.concurrent != limits.concurrent {
            book.concurrent = limits.concurrent;
            self.permits.store(Arc::new(Semaphore::new(limits.concurrent)));
        }
        let pin = inner.pin(&self.name);
        let source = inner.source(&self.name);
        match self.fetch(&mut book, source, pin.as_ref()) {
            Ok(None) => {}
            Ok(Some((bytes, sha256))) => {
                let judged = self.take(inner, &bytes, sha256.clone(), pin.as_deref(), &limits);
                // An engine that does not start is not the module's fault: try again next time.
                let again = matches!(judged, Err(LoadError::Engine(_)));
                book.judged = (!again).then_some((sha256, pin));
                if again {
                    book.stamp = None;
                }
                self.report(judged.err());
            }
            Err(error) => {
                book.stamp = None;
                book.judged = None;
                self.report(Some(error));
            }
        }
    }

    /// The bytes to judge; `None` when they were judged before.
    fn fetch(
        &self,
        book: &mut Book,
        source: Option<Source>,
        pin: Option<&String>,
    ) -> Result<Option<(Vec<u8>, String)>, LoadError> {
        let known = |book: &Book, sha256: &str| {
            book.judged.as_ref().is_some_and(|(judged, with_pin)| judged == sha256 && with_pin.as_ref() == pin)
        };
        match source {
            None => Err(LoadError::Read { path: self.name.to_string(), reason: "no such plugin any more".to_owned() }),
            Some(Source::Embedded(bytes)) => {
                "embedded".clone_into(&mut self.source.lock());
                let stamp = Stamp { source: "embedded".to_owned(), size: bytes.len() as u64, modified: Duration::ZERO, inode: 0 };
                if book.stamp.as_ref() == Some(&stamp) && book.judged.as_ref().is_some_and(|(_, with)| with.as_ref() == pin) {
                    return Ok(None);
                }
                book.stamp = Some(stamp);
                let sha256 = sha256_hex(bytes);
                Ok((!known(book, &sha256)).then(|| (bytes.to_vec(), sha256)))
            }
            Some(Source::File(path)) => {
                *self.source.lock() = path.display().to_string();
                let stamp = stamp(&path)?;
                if book.stamp.as_ref() == Some(&stamp) && book.judged.as_ref().is_some_and(|(_, with)| with.as_ref() == pin) {
                    return Ok(None);
                }
                let bytes = read(&path)?;
                let settled = clock::wall().saturating_sub(stamp.modified) > STAMP_DOUBT;
                book.stamp = settled.then_some(stamp);
                let sha256 = sha256_hex(&bytes);
                Ok((!known(book, &sha256)).then_some((bytes, sha256)))
            }
        }
    }

    fn take(
        &self,
        inner: &Inner,
        bytes: &[u8],
        sha256: String,
        pin: Option<&str>,
        limits: &crate::limits::Limits,
    ) -> Result<(), LoadError> {
        if let Some(pinned) = pin.filter(|pinned| !pinned.eq_ignore_ascii_case(&sha256)) {
            return Err(LoadError::Pin { found: sha256, pinned: pinned.to_owned() });
        }
        if self.current().is_some_and(|current| current.sha256 == sha256) {
            return Ok(());
        }
        let runtime = inner.runtime()?;
        let loaded = load(runtime, &self.name, bytes, sha256, limits)?;
        let (version, sha256) = (loaded.about.version.clone(), loaded.sha256.clone());
        let old = self.current.swap(Some(Arc::new(loaded)));
        if old.is_some() {
            self.stats.lock().swaps += 1;
        }
        crate::events::loaded(&self.name, &version, &sha256, old.is_some());
        Ok(())
    }

    fn report(&self, error: Option<LoadError>) {
        let mut known = self.error.lock();
        if let Some(error) = &error
            && known.as_ref() != Some(error)
        {
            crate::events::rejected(&self.name, &error.to_string(), self.current.load().is_some());
        }
        *known = error;
    }

    /// Counts a run.
    pub(crate) fn count(&self, took: Duration, finished: &Result<Finished, String>, spent: Spent) {
        let mut stats = self.stats.lock();
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = usize::try_from(stats.runs % TIMES_MAX as u64).unwrap_or_default();
        match stats.times_us.get_mut(at) {
            Some(slot) => *slot = us,
            None => stats.times_us.push(us),
        }
        stats.runs += 1;
        stats.memory_bytes_peak = stats.memory_bytes_peak.max(spent.memory_bytes);
        stats.cpu_us = stats.cpu_us.saturating_add(u64::try_from(spent.cpu.as_micros()).unwrap_or(u64::MAX));
        stats.last_fuel = spent.fuel;
        match finished {
            Ok(finished) => {
                if !finished.metrics.is_empty() {
                    stats.metrics.clone_from(&finished.metrics);
                }
            }
            Err(why) => {
                stats.stopped += 1;
                stats.last_stop = Some(why.clone());
            }
        }
    }

    /// How it stands.
    pub(crate) fn status(&self) -> PluginStatus {
        let current = self.current();
        let error = self.error.lock().as_ref().map(ToString::to_string);
        let state = match (&current, &error) {
            (Some(_), None) => "ready",
            (Some(_), Some(_)) => "stale",
            (None, _) => "failed",
        };
        let stats = self.stats.lock();
        let mut times = stats.times_us.clone();
        times.sort_unstable();
        let percentile = |p: usize| times.get((times.len() * p / 100).min(times.len().saturating_sub(1))).copied().unwrap_or(0);
        PluginStatus {
            name: self.name.to_string(),
            source: self.source.lock().clone(),
            state,
            error,
            version: current.as_ref().map(|loaded| loaded.about.version.clone()).unwrap_or_default(),
            summary: current.as_ref().map(|loaded| loaded.about.summary.clone()).unwrap_or_default(),
            sha256: current.as_ref().map(|loaded| loaded.sha256.clone()).unwrap_or_default(),
            size_bytes: current.as_ref().map(|loaded| loaded.size_bytes).unwrap_or_default(),
            capabilities: current.as_ref().map(|loaded| loaded.about.capabilities.clone()).unwrap_or_default(),
            config_schema: current.as_ref().map(|loaded| loaded.schema.json().clone()).unwrap_or_default(),
            swaps: stats.swaps,
            runs: stats.runs,
            stopped: stats.stopped,
            last_stop: stats.last_stop.clone(),
            p50_us: percentile(50),
            p99_us: percentile(99),
            memory_bytes_peak: stats.memory_bytes_peak,
            cpu_us: stats.cpu_us,
            last_fuel: stats.last_fuel,
            compile_ms: current.as_ref().map(|loaded| loaded.compile_time.as_micros() as f64 / 1000.0),
            compiled_before: current.as_ref().map(|loaded| loaded.origin == Origin::Disk),
            metrics: stats.metrics.clone(),
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> LoadError {
    LoadError::Read { path: path.display().to_string(), reason: error.to_string() }
}

fn stamp(path: &Path) -> Result<Stamp, LoadError> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !meta.is_file() {
        return Err(LoadError::Read { path: path.display().to_string(), reason: "it is no file".to_owned() });
    }
    let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(Stamp { source: path.display().to_string(), size: meta.len(), modified, inode: meta.ino() })
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut bytes = Vec::new();
    file.take(MODULE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    match bytes.len() as u64 {
        size if size > MODULE_BYTES_MAX => Err(LoadError::TooBig { size, limit: MODULE_BYTES_MAX }),
        _ => Ok(bytes),
    }
}
