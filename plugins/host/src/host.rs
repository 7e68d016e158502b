//! The room's handle: plugins by name, loaded when first called, looked after while they run.

use crate::compiled::Compiled;
use crate::engine::{RUNS_MAX, Runtime};
use crate::error::LoadError;
use crate::grant::{Grants, Kind};
use crate::limits::Limits;
use crate::run::PluginProbe;
use crate::shipped;
use crate::slot::Slot;
use crate::status::PluginStatus;
use arc_swap::ArcSwap;
use lictor_checks::{PluginSource, Probe};
use lictor_types::definition::PluginCall;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Notify, Semaphore, mpsc};

/// The plugin part of the configuration.
#[derive(Clone, Debug, Default)]
pub struct PluginSettings {
    /// Where `NAME.wasm` is looked for.
    pub plugin_dir: Option<PathBuf>,
    /// The `plugin` blocks.
    pub plugins: Vec<PluginBlock>,
    /// Limits of plugins whose block gives none.
    pub limits: Limits,
    /// The agent's data directory: compiled modules are kept below it. `None`: every start compiles anew.
    pub data_dir: Option<PathBuf>,
    /// Takes guests' log lines as well, `level: message`; lines beyond its room are dropped. For tools that show them.
    pub log: Option<mpsc::Sender<String>>,
    /// Where the bytes of the `random` grant come from: 32 unpredictable bytes in production.
    pub seed: [u8; 32],
}

/// A `plugin "NAME" { … }` block.
#[derive(Clone, Debug, Default)]
pub struct PluginBlock {
    /// The name checks call it by.
    pub name: String,
    /// The module; `None`: `NAME.wasm` in the plugin directory, or the shipped plugin.
    pub path: Option<PathBuf>,
    /// The only bytes taken, as sha256 in hexadecimal.
    pub sha256: Option<String>,
    /// Grants for every check that calls it, beside the check's own.
    pub allow: Vec<String>,
    /// Its limits; `None`: the agent's.
    pub limits: Option<Limits>,
}

/// The source of plugin probes.
pub struct PluginHost {
    inner: Arc<Inner>,
}

/// What probes share.
pub(crate) struct Inner {
    runtime: OnceLock<Result<Runtime, LoadError>>,
    settings: ArcSwap<PluginSettings>,
    /// Told when there are new settings.
    configured: Notify,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
    permits: Semaphore,
    chance: Mutex<StdRng>,
}

/// Where a module comes from.
pub(crate) enum Source {
    File(PathBuf),
    Embedded(&'static [u8]),
}

impl PluginHost {
    /// A host; costs nothing until a plugin is called.
    pub fn new(settings: PluginSettings) -> Arc<Self> {
        let chance = Mutex::new(StdRng::from_seed(settings.seed));
        let inner = Inner {
            runtime: OnceLock::new(),
            settings: ArcSwap::from_pointee(settings),
            configured: Notify::new(),
            slots: Mutex::new(BTreeMap::new()),
            permits: Semaphore::new(RUNS_MAX),
            chance,
        };
        Arc::new(Self { inner: Arc::new(inner) })
    }

    /// Loads plugins on a blocking thread, so that the first runs find them ready. Names nothing is known of are passed over:
    /// `probe` says so.
    pub async fn prepare(&self, names: Vec<String>) {
        let inner = Arc::clone(&self.inner);
        let loading = tokio::task::spawn_blocking(move || {
            for name in &names {
                if inner.source(name).is_some() {
                    inner.slot(name).refresh(&inner);
                }
            }
        });
        // Fails only where loading panics, which leaves those plugins to their first runs.
        let _ = loading.await;
    }

    /// Looks at every plugin's file now and swaps what has changed. To be called when the plugin directory or the
    /// configuration has changed; without it a plugin's file is still looked at when it runs, once a second at most.
    pub async fn rescan(&self) {
        let inner = Arc::clone(&self.inner);
        let scanning = tokio::task::spawn_blocking(move || {
            let slots: Vec<Arc<Slot>> = inner.slots.lock().values().cloned().collect();
            for slot in slots {
                slot.refresh(&inner);
            }
        });
        // As above.
        let _ = scanning.await;
    }

    /// Takes new settings: grants and limits hold from each check's next run, paths and pins from the next look at the files.
    pub fn configure(&self, settings: PluginSettings) {
        self.inner.settings.store(Arc::new(settings));
        self.inner.configured.notify_one();
    }

    /// As [`PluginHost::configure`], and looks at the files.
    pub async fn reconfigure(&self, settings: PluginSettings) {
        self.configure(settings);
        self.rescan().await;
    }

    /// Every plugin called so far, by name.
    pub fn status(&self) -> Vec<PluginStatus> {
        let slots: Vec<Arc<Slot>> = self.inner.slots.lock().values().cloned().collect();
        slots.iter().map(|slot| slot.status()).collect()
    }

    /// Files and directories where modules may be: a change there is worth a [`PluginHost::rescan`].
    pub fn watched_paths(&self) -> Vec<PathBuf> {
        let settings = self.inner.settings.load();
        settings.plugin_dir.iter().cloned().chain(settings.plugins.iter().filter_map(|block| block.path.clone())).collect()
    }

    /// Returns when there were new settings since it last did. For one who follows [`PluginHost::watched_paths`].
    pub async fn configured(&self) {
        self.inner.configured.notified().await;
    }

    /// Whether the engine was started.
    pub fn engine_started(&self) -> bool {
        self.inner.runtime.get().is_some()
    }
}

/// How a call stands with the plugin it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The plugin is loaded and the call fits it.
    Fits,
    /// It is not loaded yet.
    Loading,
    /// What is wrong, for the author of the check. Where an older module goes on running, that is said.
    Refused(String),
}

impl PluginHost {
    /// The probe of a call, its plugin loaded and fitted; the error is a sentence for the operator. Blocks while it compiles.
    pub fn load_probe(&self, call: &PluginCall) -> Result<Arc<dyn Probe>, String> {
        if self.inner.source(&call.name).is_none() {
            return Err(self.inner.unknown(&call.name));
        }
        let slot = self.inner.slot(&call.name);
        if slot.current().is_none() {
            slot.refresh(&self.inner);
        }
        let probe = PluginProbe::new(Arc::clone(&self.inner), slot, call.clone());
        probe.check()?;
        Ok(Arc::new(probe))
    }

    /// How a call stands now. Loads nothing.
    pub fn verdict(&self, call: &PluginCall) -> Verdict {
        if self.inner.source(&call.name).is_none() {
            return Verdict::Refused(self.inner.unknown(&call.name));
        }
        let slot = self.inner.slots.lock().get(&call.name).cloned();
        let Some(slot) = slot.filter(|slot| slot.was_looked_at()) else { return Verdict::Loading };
        let probe = PluginProbe::new(Arc::clone(&self.inner), Arc::clone(&slot), call.clone());
        match (probe.check(), slot.why_stale()) {
            (Err(why), _) | (Ok(()), Some(why)) => Verdict::Refused(why),
            (Ok(()), None) => Verdict::Fits,
        }
    }
}

impl PluginSource for PluginHost {
    /// Never blocks: a plugin that is not loaded yet is loaded by the first run.
    fn probe(&self, call: &PluginCall) -> Result<Arc<dyn Probe>, String> {
        if self.inner.source(&call.name).is_none() {
            return Err(self.inner.unknown(&call.name));
        }
        let slot = self.inner.slot(&call.name);
        Ok(Arc::new(PluginProbe::new(Arc::clone(&self.inner), slot, call.clone())))
    }
}

impl Inner {
    pub(crate) fn settings(&self) -> Arc<PluginSettings> {
        self.settings.load_full()
    }

    pub(crate) fn permits(&self) -> &Semaphore {
        &self.permits
    }

    /// The engine, started at the first call.
    pub(crate) fn runtime(&self) -> Result<&Runtime, LoadError> {
        let start = || {
            let compiled = self.settings.load().data_dir.as_ref().and_then(|dir| {
                let mut key = [0; 32];
                self.chance.lock().fill_bytes(&mut key);
                let opened = Compiled::open(dir, key);
                // A plugin that runs is worth more than one that starts fast.
                opened.map_err(|why| crate::events::compiled_not_kept(&dir.display().to_string(), &why)).ok()
            });
            Runtime::start(compiled).map_err(LoadError::Engine)
        };
        self.runtime.get_or_init(start).as_ref().map_err(Clone::clone)
    }

    fn slot(&self, name: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        Arc::clone(slots.entry(name.to_owned()).or_insert_with(|| Arc::new(Slot::new(name))))
    }

    /// Whether a plugin's module may be in a file at all.
    pub(crate) fn watches_files(&self) -> bool {
        let settings = self.settings.load();
        settings.plugin_dir.is_some() || settings.plugins.iter().any(|block| block.path.is_some())
    }

    /// Where a plugin's module is: its block's path, the plugin directory, the binary, in this order.
    pub(crate) fn source(&self, name: &str) -> Option<Source> {
        let settings = self.settings.load();
        if let Some(path) = settings.plugins.iter().find(|block| block.name == name).and_then(|block| block.path.clone()) {
            return Some(Source::File(path));
        }
        // A name is one file in the directory, never a way out of it.
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        if let Some(dir) = settings.plugin_dir.as_ref().filter(|_| plain) {
            let path = dir.join(format!("{name}.wasm"));
            if path.is_file() {
                return Some(Source::File(path));
            }
        }
        shipped::find(name).map(Source::Embedded)
    }

    fn unknown(&self, name: &str) -> String {
        let shipped: Vec<&str> = shipped::SHIPPED.iter().map(|(name, _)| *name).collect();
        let dir = match &self.settings.load().plugin_dir {
            Some(dir) => format!("no {name}.wasm in {}", dir.display()),
            None => "no plugin directory is set".to_owned(),
        };
        format!(
            "no plugin {name:?}: there is no plugin block of that name, {dir}, and the agent brings only: {}",
            shipped.join(", ")
        )
    }

    pub(crate) fn pin(&self, name: &str) -> Option<String> {
        self.settings.load().plugins.iter().find(|block| block.name == name).and_then(|block| block.sha256.clone())
    }

    pub(crate) fn limits(&self, name: &str) -> Limits {
        let settings = self.settings.load();
        let own = settings.plugins.iter().find(|block| block.name == name).and_then(|block| block.limits.clone());
        own.unwrap_or_else(|| settings.limits.clone()).bounded()
    }

    /// The seed of a run's randomness; zeros for a run that has no grant of it.
    pub(crate) fn seed(&self, grants: &Grants) -> [u8; 32] {
        let mut seed = [0; 32];
        if grants.any(Kind::Random) {
            self.chance.lock().fill_bytes(&mut seed);
        }
        seed
    }
}
