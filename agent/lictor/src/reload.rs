//! The walk of a changed configuration: read, compare, apply, report. Start-up is this walk from the empty configuration.

use crate::settings;
use lictor_config::{ConfigDiff, Loaded, Loader, PathSource, Sources};
use lictor_dns::DnsServer;
use lictor_local::LocalHandle;
use lictor_telemetry::logs::LogHandle;
use lictor_telemetry::metrics;
use lictor_types::report::{Problem, ReloadReport, SourceStatus};
use lictor_types::{CheckDefinition, Origin, ServiceDefinition};
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
    /// Id of this node, for its row in the catalog.
    pub(crate) node_id: String,
    /// The plugins.
    #[cfg(feature = "plugins")]
    pub(crate) plugins: Arc<lictor_plugins::PluginHost>,
    /// Seed of the plugins' random numbers.
    #[cfg(feature = "plugins")]
    pub(crate) plugin_seed: [u8; 32],
}

/// Reads the configuration and applies it; one reload at a time.
pub(crate) struct Reloader {
    sources: Sources,
    walk: Mutex<Walk>,
    targets: OnceLock<Targets>,
}

struct Walk {
    /// Taken out while it reads on another thread.
    loader: Option<Loader>,
    running: Loaded,
}

impl Reloader {
    /// A reloader whose last load is `running`. It applies nothing before [`Reloader::begin`].
    pub(crate) fn new(sources: Sources, loader: Loader, running: Loaded) -> Arc<Self> {
        let walk = Mutex::new(Walk { loader: Some(loader), running });
        Arc::new(Self { sources, walk, targets: OnceLock::new() })
    }

    /// Applies the definitions of the first load.
    pub(crate) async fn begin(&self, targets: Targets) -> ReloadReport {
        let walk = self.walk.lock().await;
        let targets = self.targets.get_or_init(|| targets);
        let diff = ConfigDiff::first(&walk.running);
        let report = apply(targets, &diff, &walk.running).await;
        tell(&report);
        report
    }

    /// Reads everything anew and applies what changed.
    pub(crate) async fn reload(&self) -> ReloadReport {
        let mut walk = self.walk.lock().await;
        let Some(targets) = self.targets.get() else { return ReloadReport::default() };
        let Some(mut loader) = walk.loader.take() else { return failed("the last reload did not end; restart the agent") };
        let read = tokio::task::spawn_blocking(move || {
            let loaded = loader.load();
            (loader, loaded)
        });
        let (loader, loaded) = match read.await {
            Ok(read) => read,
            Err(error) => return failed(&format!("reading the configuration failed within: {error}")),
        };
        walk.loader = Some(loader);
        let report = match loaded {
            Ok(loaded) => {
                let diff = ConfigDiff::between(&walk.running, &loaded);
                let report = apply(targets, &diff, &loaded).await;
                walk.running = loaded;
                report
            }
            Err(error) => ReloadReport { rejected: error.problems, ..ReloadReport::default() },
        };
        drop(walk);
        tell(&report);
        report
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

    /// Every source with its state.
    pub(crate) async fn sources(&self) -> Vec<SourceStatus> {
        self.walk.lock().await.running.sources.clone()
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

/// Applies a difference. What cannot be applied moves from `applied` to `rejected`.
async fn apply(targets: &Targets, diff: &ConfigDiff, new: &Loaded) -> ReloadReport {
    let mut report = diff.report(new);
    let mut refused = apply_options(targets, diff, new);
    #[cfg(feature = "plugins")]
    apply_plugins(targets, diff, new).await;
    // It writes no file for what files define, but takes locks and starts checks: aside from the threads that serve.
    let (local, diff) = (targets.local.clone(), diff.clone());
    match tokio::task::spawn_blocking(move || apply_definitions(&local, &diff)).await {
        Ok(problems) => refused.extend(problems),
        Err(error) => refused.push(("".to_owned(), Problem { message: error.to_string(), ..Problem::default() })),
    }
    for (id, problem) in refused {
        report.applied.retain(|change| change.id != id);
        report.rejected.push(problem);
    }
    report
}

/// Removals come first: an id may move from one file to another.
fn apply_definitions(local: &LocalHandle, diff: &ConfigDiff) -> Vec<(String, Problem)> {
    let mut refused = Vec::new();
    let _pause = local.pause();
    for check in &diff.checks_removed {
        if let Err(error) = local.deregister_check(&check.id) {
            refused.push((check.id.to_string(), problem(&check.origin, &error.to_string())));
        }
    }
    for service in &diff.services_removed {
        let id = service.effective_id();
        if let Err(error) = local.deregister_service(&id) {
            refused.push((id.to_string(), problem(&service.origin, &error.to_string())));
        }
    }
    let mut service = |service: &Arc<ServiceDefinition>| {
        if let Err(error) = local.register_service(service, true) {
            refused.push((service.effective_id().to_string(), problem(&service.origin, &error.to_string())));
        }
    };
    diff.services_added.iter().chain(&diff.services_changed).chain(&diff.services_moved).for_each(&mut service);
    let mut check = |check: &Arc<CheckDefinition>| {
        if let Err(error) = local.register_check(check) {
            refused.push((check.id.to_string(), problem(&check.origin, &error.to_string())));
        }
    };
    diff.checks_added.iter().chain(&diff.checks_changed).chain(&diff.checks_moved).for_each(&mut check);
    refused
}

fn problem(origin: &Origin, message: &str) -> Problem {
    let (file, line) = match origin {
        Origin::File { path, line } => (path.clone(), *line),
        Origin::Api => (String::new(), 0),
    };
    Problem { file, line, message: message.to_owned(), ..Problem::default() }
}

/// Hands changed options to the rooms that can take them while they run.
fn apply_options(targets: &Targets, diff: &ConfigDiff, new: &Loaded) -> Vec<(String, Problem)> {
    let mut refused = Vec::new();
    if !diff.options.iter().any(|option| option.reloadable) {
        return refused;
    }
    let config = &new.config;
    let mut refuse = |prefix: &str, error: String| {
        for option in diff.options.iter().filter(|option| option.key.starts_with(prefix)) {
            refused.push((option.key.to_owned(), Problem { message: error.clone(), ..Problem::default() }));
        }
    };
    match settings::level(config) {
        Ok(level) => targets.logs.set_level(level),
        Err(error) => refuse("log_level", format!("{error:#}")),
    }
    if let Some(dns) = &targets.dns {
        let updated = settings::dns(config).and_then(|settings| Ok(dns.update(settings)?));
        if let Err(error) = updated {
            refuse("dns_config", format!("{error:#}"));
        }
    }
    targets.local.set_output(config.checks.update_interval, config.checks.discard_output);
    targets.local.set_node(settings::node(config, &targets.node_id));
    refused
}

#[cfg(feature = "plugins")]
async fn apply_plugins(targets: &Targets, diff: &ConfigDiff, new: &Loaded) {
    if diff.plugins.is_empty() && !diff.options.iter().any(|option| option.key.starts_with("plugin")) {
        // A signal from the watcher may also mean that a plugin's file changed.
        targets.plugins.rescan().await;
        return;
    }
    targets.plugins.reconfigure(settings::plugins(&new.config, targets.plugin_seed)).await;
}

/// Says in the log and in a metric what the report says.
fn tell(report: &ReloadReport) {
    metrics::count("consul.config.reload", 1);
    metrics::gauge("consul.config.rejected", report.rejected.len() as f64);
    for problem in &report.rejected {
        tracing::error!(file = problem.file, line = problem.line, column = problem.column, hint = problem.hint, "configuration rejected: {}", problem.message);
    }
    for problem in &report.warnings {
        tracing::warn!(file = problem.file, line = problem.line, "configuration: {}", problem.message);
    }
    for change in &report.restart_required {
        tracing::warn!(option = change.id, "a changed option takes effect after a restart");
    }
    if !report.applied.is_empty() || !report.rejected.is_empty() {
        tracing::info!(
            applied = report.applied.len(),
            unchanged = report.unchanged,
            rejected = report.rejected.len(),
            restart_required = report.restart_required.len(),
            "configuration loaded"
        );
    }
}
