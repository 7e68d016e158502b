//! The walk of a changed configuration: read, compare, apply, report. Start-up is this walk from the empty configuration.

#[cfg(feature = "plugins")]
mod plugins;
mod refused;
mod told;

use crate::agent_tokens::TokenKeeper;
use crate::settings;
use lictor_config::{ConfigDiff, Loaded, Loader, PathSource, RuntimeConfig, Sources};
use lictor_dns::DnsServer;
use lictor_local::LocalHandle;
#[cfg(feature = "plugins")]
use lictor_net::Shutdown;
use lictor_telemetry::logs::LogHandle;
use lictor_types::report::{Problem, ReloadReport, SourceStatus};
use refused::{Definition, Refused};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::sync::Mutex;

/// Words in the names of options whose values are secrets.
const SECRET_WORDS: [&str; 4] = ["encrypt", "token", "secret", "key"];

/// What a reload changes in the running agent.
pub(crate) struct Targets {
    /// The agent's services and checks.
    pub(crate) local: LocalHandle,
    /// DNS, when it is on.
    pub(crate) dns: Option<DnsServer>,
    /// The log.
    pub(crate) logs: LogHandle,
    /// The tokens the agent uses itself.
    pub(crate) keeper: Arc<TokenKeeper>,
    /// Id of this node, for its row in the catalog.
    pub(crate) node_id: String,
    /// The plugins.
    #[cfg(feature = "plugins")]
    pub(crate) plugins: Arc<lictor_plugins::PluginHost>,
    /// Seed of the plugins' random numbers.
    #[cfg(feature = "plugins")]
    pub(crate) plugin_seed: [u8; 32],
    /// Ends what works in the background.
    #[cfg(feature = "plugins")]
    pub(crate) shutdown: Shutdown,
}

/// Reads the configuration and applies it; one reload at a time.
pub(crate) struct Reloader {
    sources: Sources,
    /// What the agent was started with: what cannot change while it runs is still this.
    started: Arc<RuntimeConfig>,
    walk: Mutex<Walk>,
    targets: OnceLock<Targets>,
    #[cfg(feature = "plugins")]
    plugins: plugins::Judge,
}

struct Walk {
    /// Taken out while it reads on another thread.
    loader: Option<Loader>,
    /// What is in effect: what was loaded, without what the agent refused to take.
    running: Loaded,
    told: told::Told,
}

impl Reloader {
    /// A reloader whose last load is `running`. It applies nothing before [`Reloader::begin`].
    pub(crate) fn new(sources: Sources, loader: Loader, running: Loaded) -> Arc<Self> {
        let started = Arc::clone(&running.config);
        let walk = Mutex::new(Walk { loader: Some(loader), running, told: told::Told::default() });
        Arc::new(Self {
            sources,
            started,
            walk,
            targets: OnceLock::new(),
            #[cfg(feature = "plugins")]
            plugins: plugins::Judge::default(),
        })
    }

    /// Applies the definitions of the first load.
    pub(crate) async fn begin(&self, targets: Targets) -> ReloadReport {
        let mut walk = self.walk.lock().await;
        let targets = self.targets.get_or_init(|| targets);
        let diff = ConfigDiff::first(&walk.running);
        let before = Loaded { services: Vec::new(), checks: Vec::new(), ..walk.running.clone() };
        let (report, refused) = apply(targets, &diff, &walk.running).await;
        refused::settle(&mut walk.running, &before, &refused);
        #[cfg(feature = "plugins")]
        self.plugins.look(targets, &walk.running);
        walk.told.tell(&report);
        report
    }

    /// Reads everything anew and applies what changed. Waits a moment for what plugins say to their checks, so that the report
    /// tells of it.
    pub(crate) async fn reload(&self) -> ReloadReport {
        #[cfg(feature = "plugins")]
        {
            let (mut report, looking) = self.walk().await;
            report.warnings.extend(plugins::said(looking).await);
            report
        }
        #[cfg(not(feature = "plugins"))]
        self.walk().await.0
    }

    /// As [`Reloader::reload`], for nobody who reads the report: the log has it all.
    pub(crate) async fn reload_unasked(&self) {
        self.walk().await;
    }

    async fn walk(&self) -> (ReloadReport, Looking) {
        let mut walk = self.walk.lock().await;
        let Some(targets) = self.targets.get() else { return (failed("the agent is still starting"), Looking::default()) };
        let Some(mut loader) = walk.loader.take() else {
            return (failed("the last reload did not end; restart the agent"), Looking::default());
        };
        let read = tokio::task::spawn_blocking(move || {
            let loaded = loader.load();
            (loader, loaded)
        });
        let (loader, loaded) = match read.await {
            Ok(read) => read,
            Err(error) => return (failed(&format!("reading the configuration failed within: {error}")), Looking::default()),
        };
        walk.loader = Some(loader);
        let report = match loaded {
            Ok(mut loaded) => {
                let diff = ConfigDiff::between(&walk.running, &loaded);
                let (mut report, refused) = apply(targets, &diff, &loaded).await;
                report.restart_required = told::restarts(&self.started, &loaded.config);
                // What was refused is tried again by the next reload, whatever made it fit by then.
                refused::settle(&mut loaded, &walk.running, &refused);
                walk.running = loaded;
                report
            }
            Err(error) => ReloadReport { rejected: error.problems, ..ReloadReport::default() },
        };
        #[cfg(feature = "plugins")]
        let looking = self.plugins.look(targets, &walk.running);
        #[cfg(not(feature = "plugins"))]
        let looking = Looking::default();
        walk.told.tell(&report);
        (report, looking)
    }

    /// Looks at the files of plugins, and at what plugins say to the checks that call them.
    #[cfg(feature = "plugins")]
    pub(crate) async fn look_at_plugins(&self) {
        let walk = self.walk.lock().await;
        if let Some(targets) = self.targets.get() {
            self.plugins.look(targets, &walk.running);
        }
    }

    /// What a reload would do if these were the configuration's paths.
    pub(crate) async fn plan(&self, paths: &[String]) -> Result<ReloadReport, String> {
        if paths.is_empty() {
            return Err("give at least one path".to_owned());
        }
        let running = self.walk.lock().await.running.clone();
        let mut sources = self.sources.clone();
        sources.paths = paths
            .iter()
            .map(PathBuf::from)
            .map(|path| if path.is_dir() { PathSource::Dir(path) } else { PathSource::File(path) })
            .collect();
        let read = tokio::task::spawn_blocking(move || Loader::new(sources).load()).await.map_err(|error| error.to_string())?;
        Ok(match read {
            Ok(loaded) => ConfigDiff::between(&running, &loaded).report(&loaded),
            Err(error) => ReloadReport { rejected: error.problems, ..ReloadReport::default() },
        })
    }

    /// Every source with its state, and what plugins have to say to its checks now.
    pub(crate) async fn sources(&self) -> Vec<SourceStatus> {
        let walk = self.walk.lock().await;
        let sources: Vec<SourceStatus> = walk.running.sources.iter().map(|source| (**source).clone()).collect();
        #[cfg(feature = "plugins")]
        if let Some(targets) = self.targets.get() {
            return plugins::with_problems(sources, targets, &walk.running);
        }
        sources
    }

    /// Every plugin that was called, with its state and figures.
    #[cfg(feature = "plugins")]
    pub(crate) fn plugins(&self) -> Vec<Value> {
        let plugins = self.targets.get().map(|targets| targets.plugins.status()).unwrap_or_default();
        plugins.iter().filter_map(|plugin| serde_json::to_value(plugin).ok()).collect()
    }

    /// Every option with the value in effect; secrets hidden.
    pub(crate) async fn options(&self) -> Value {
        let walk = self.walk.lock().await;
        let shown = walk.running.config.options.iter().map(|(name, value)| {
            let secret = SECRET_WORDS.iter().any(|word| name.contains(word)) && !matches!(value, Value::Null | Value::Bool(_));
            ((*name).to_owned(), if secret { Value::from("hidden") } else { value.clone() })
        });
        Value::Object(shown.collect::<Map<_, _>>())
    }
}

fn failed(sentence: &str) -> ReloadReport {
    let problem = Problem { message: sentence.to_owned(), ..Problem::default() };
    ReloadReport { rejected: vec![problem], ..ReloadReport::default() }
}

/// A look at plugins under way.
#[cfg(feature = "plugins")]
type Looking = Option<plugins::Looking>;
/// Without plugins there is none.
#[cfg(not(feature = "plugins"))]
type Looking = Option<std::convert::Infallible>;

/// Applies a difference. What cannot be applied moves from `applied` to `rejected`.
async fn apply(targets: &Targets, diff: &ConfigDiff, new: &Loaded) -> (ReloadReport, Vec<Refused>) {
    let mut report = diff.report(new);
    let options = apply_options(targets, diff, new);
    #[cfg(feature = "plugins")]
    if !diff.plugins.is_empty() || diff.options.iter().any(|option| option.key.starts_with("plugin")) {
        targets.plugins.configure(settings::plugins(&new.config, targets.plugin_seed));
    }
    // It writes no file for what files define, but takes locks and starts checks: aside from the threads that serve.
    let (local, diff) = (targets.local.clone(), diff.clone());
    let refused = match tokio::task::spawn_blocking(move || apply_definitions(&local, &diff)).await {
        Ok(refused) => refused,
        Err(error) => {
            report.rejected.push(Problem { message: format!("applying failed within: {error}"), ..Problem::default() });
            Vec::new()
        }
    };
    for (key, problem) in options {
        report.applied.retain(|change| (change.kind.as_str(), change.id.as_str()) != ("option", key));
        report.rejected.push(problem);
    }
    for refused in &refused {
        let (kind, id) = (refused.definition.kind(), refused.definition.id());
        report.applied.retain(|change| (change.kind.as_str(), change.id.as_str()) != (kind, id.as_str()));
        report.rejected.push(refused.problem.clone());
    }
    (report, refused)
}

/// Removals come first: an id may move from one file to another. What is refused is tried again as long as something else was
/// taken meanwhile: it may wait for that.
fn apply_definitions(local: &LocalHandle, diff: &ConfigDiff) -> Vec<Refused> {
    let _pause = local.pause();
    let mut refused = Vec::new();
    for definition in
        diff.checks_removed.iter().map(Definition::of_check).chain(diff.services_removed.iter().map(Definition::of_service))
    {
        if let Err(error) = definition.deregister(local) {
            refused.push(Refused::new(definition, &error));
        }
    }
    let services = diff.services_added.iter().chain(&diff.services_changed).chain(&diff.services_moved);
    let checks = diff.checks_added.iter().chain(&diff.checks_changed).chain(&diff.checks_moved);
    let mut waiting: Vec<Definition> = services.map(Definition::of_service).chain(checks.map(Definition::of_check)).collect();
    loop {
        let before = waiting.len();
        let mut failed = Vec::new();
        for definition in waiting {
            if let Err(error) = definition.register(local) {
                failed.push(Refused::new(definition, &error));
            }
        }
        if failed.is_empty() || failed.len() == before {
            refused.extend(failed);
            return refused;
        }
        waiting = failed.into_iter().map(|refused| refused.definition).collect();
    }
}

/// Hands changed options to the rooms that can take them while they run.
fn apply_options(targets: &Targets, diff: &ConfigDiff, new: &Loaded) -> Vec<(&'static str, Problem)> {
    let mut refused = Vec::new();
    if !diff.options.iter().any(|option| option.reloadable) {
        return refused;
    }
    let config = &new.config;
    let mut refuse = |prefix: &str, error: String| {
        for option in diff.options.iter().filter(|option| option.key.starts_with(prefix)) {
            refused.push((option.key, Problem { message: error.clone(), ..Problem::default() }));
        }
    };
    match settings::level(config) {
        Ok(level) => targets.logs.set_level(level),
        Err(error) => refuse("log_level", format!("{error:#}")),
    }
    targets.keeper.reload(config);
    if let Some(dns) = &targets.dns {
        let updated = settings::dns(config, targets.keeper.dns()).and_then(|settings| Ok(dns.update(settings)?));
        if let Err(error) = updated {
            refuse("dns_config", format!("{error:#}"));
        }
    }
    crate::sinks::set_filters(&config.telemetry);
    targets.local.set_output(config.checks.update_interval, config.checks.discard_output);
    targets.local.set_node(settings::node(config, &targets.node_id));
    refused
}
