//! The boot sequence: every room is made here, in the order of their needs, and ended in the opposite order.

use crate::acl::AgentAcl;
use crate::agent_tokens::{TokenKeeper, Users};
use crate::datacenter::{self, Datacenter};
use crate::health_view::LocalView;
use crate::node::LocalNode;
use crate::pools::{self, Pools};
use crate::reload::{Reloader, Targets};
use crate::runner::ScheduledRunner;
use crate::signals::{Asked, Signals};
use crate::{VERSION, banner, identity, settings};
use anyhow::{Context, Result};
use lictor_checks::{PluginSource, Scheduler};
use lictor_cli::Terminal;
use lictor_config::{FlagError, Loader, RuntimeConfig, Sources, Watcher};
use lictor_dns::DnsServer;
use lictor_gossip::driver::RetryError;
use lictor_http::HttpServer;
use lictor_local::PauseGuard;
use lictor_net::Shutdown;
use lictor_rpc::{Cluster, EventLog, Node, SubscriptionSettings, Subscriptions};
use lictor_types::Token;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::Read;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Results of checks that may wait for the local state.
const UPDATES_MAX: usize = 1024;
/// How long everything may take to end once it was asked to.
const END_PATIENCE: Duration = Duration::from_secs(20);

/// `lictor agent`: runs until a signal, the API or a fault ends it.
pub(crate) async fn run(arguments: Vec<String>, terminal: &mut Terminal) -> ExitCode {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(terminal, &error),
    };
    let sources = match Sources::from_args(arguments) {
        Ok(sources) => sources,
        Err(FlagError::Help) => {
            terminal.say(&lictor_config::options::flag_help());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            terminal.complain(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let started = tokio::select! {
        biased;
        started = start(sources, terminal) => started,
        _ = signals.end() => return ExitCode::FAILURE,
    };
    match started {
        Ok(agent) => agent.live(&mut signals).await,
        Err(error) => fail(terminal, &error),
    }
}

fn fail(terminal: &mut Terminal, error: &anyhow::Error) -> ExitCode {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors tell their cause themselves.
        if !text.ends_with(&cause) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&cause);
        }
    }
    terminal.complain(&format!("==> {text}"));
    ExitCode::FAILURE
}

/// A started agent.
struct Agent {
    config: Arc<RuntimeConfig>,
    reloader: Arc<Reloader>,
    leaving: watch::Receiver<bool>,
    pools: Pools,
    datacenter: Datacenter,
    /// Told when joining is given up.
    given_up: mpsc::Receiver<RetryError>,
    /// Ends what serves: listeners, checks, loops.
    shutdown: Shutdown,
    watcher: Option<Watcher>,
    /// Applies the first configuration and what was kept of registrations: the first thing to do.
    beginning: Option<Pin<Box<dyn Future<Output = Result<()>> + Send>>>,
}

async fn start(sources: Sources, terminal: &mut Terminal) -> Result<Agent> {
    lictor_memory::keep_little();
    let mut loader = Loader::new(sources.clone());
    let (loader, loaded) = tokio::task::spawn_blocking(move || {
        let loaded = loader.load();
        (loader, loaded)
    })
    .await
    .context("reading the configuration failed within")?;
    let loaded = loaded?;
    let config = Arc::clone(&loaded.config);
    let data_dir = config.data_dir.as_deref().filter(|_| !config.dev);
    if let Some(data_dir) = data_dir {
        make_usable(data_dir)?;
    }
    let mut chance = StdRng::from_seed(unpredictable_bytes()?);
    let logs = lictor_telemetry::logs::init(&settings::logs(&config)?)?;
    let shutdown = Shutdown::new();
    crate::sinks::start(&config.telemetry, chance.next_u64(), &shutdown);
    let watched = loader.watched_paths();
    let watcher = config.auto_reload_config.then(|| Watcher::start(watched, &shutdown));
    let reloader = Reloader::new(sources, loader, loaded);

    let node_id = identity::node_id(&config.node_id, data_dir)?;
    let prepared = datacenter::prepare(&config, &node_id, &mut chance, &shutdown).await?;
    let pools = match Pools::start(&config, &node_id, prepared.raft_id(), &mut chance, &shutdown).await {
        Ok(pools) => pools,
        Err(error) => {
            shutdown.finish().await;
            prepared.end().await;
            return Err(error);
        }
    };
    terminal.say(&banner::text(&config, &node_id, VERSION));
    write_pid(&config)?;
    let datacenter = prepared.enter(&config, &node_id, &pools, &mut chance, &shutdown);
    let cluster = datacenter.cluster();

    #[cfg(feature = "plugins")]
    let (plugins, plugin_seed) = {
        let mut seed = [0; 32];
        chance.fill_bytes(&mut seed);
        (lictor_plugins::PluginHost::new(settings::plugins(&config, seed)), seed)
    };
    #[cfg(feature = "plugins")]
    let plugin_source: Option<Arc<dyn PluginSource>> = Some(plugins.clone());
    #[cfg(not(feature = "plugins"))]
    let plugin_source: Option<Arc<dyn PluginSource>> = None;

    let (updates, results) = mpsc::channel(UPDATES_MAX);
    let keeper = Arc::new(TokenKeeper::new(&config));
    let view = LocalView::new(config.node_name.clone(), Arc::clone(&cluster), keeper.tokens());
    let scheduler =
        Scheduler::new(settings::checks(&config), updates, plugin_source, view.clone(), shutdown.clone(), chance.next_u64());
    let runner = Arc::new(ScheduledRunner::new(scheduler.clone()));
    let local_settings = settings::local(&config, settings::node(&config, &node_id), chance.next_u64());
    let (local, syncing) = lictor_local::start(local_settings, Arc::clone(&cluster), runner, results, &shutdown)?;
    view.attach(local.clone());

    let (leave, leaving) = watch::channel(false);
    let events = Arc::new(EventLog::default());
    shutdown.spawn(pools::receive_events(pools.lan.clone(), Arc::clone(&events), config.node_name.clone(), local.clone()));
    if !config.cluster.disable_coordinates {
        let seed = chance.next_u64();
        shutdown.spawn(crate::coordinates::send(
            config.node_name.clone(),
            pools.lan.clone(),
            Arc::clone(&cluster),
            keeper.tokens(),
            seed,
            shutdown.clone(),
        ));
    }
    let node: Arc<dyn Node> = Arc::new(LocalNode {
        config: Arc::clone(&config),
        node_id: node_id.clone(),
        acl: AgentAcl::new(&config, datacenter.tokens(), keeper.tokens()),
        keeper: Arc::clone(&keeper),
        local: local.clone(),
        scheduler,
        reloader: Arc::clone(&reloader),
        raft: datacenter.raft().cloned(),
        pools: pools.clone(),
        events,
        leaving: leave,
    });
    let kept = Subscriptions::start(Arc::clone(&cluster), SubscriptionSettings::new(chance.next_u64()), &shutdown);
    let doors = open_doors(&config, &cluster, kept, &node, &shutdown, chance.next_u64()).await;
    let (http, dns) = match doors {
        Ok(doors) => doors,
        Err(error) => {
            // The log was opened already: leave it in good order.
            shutdown.finish().await;
            datacenter.end().await;
            return Err(error);
        }
    };
    shutdown.spawn(http.serve());
    shutdown.spawn(crate::gauges::tell(datacenter.raft().cloned(), shutdown.clone()));
    shutdown.spawn(lictor_memory::give_back(shutdown.clone()));
    if let Some(settings) = config.snapshots.clone() {
        shutdown.spawn(crate::snapshots::keep(settings, Arc::clone(&cluster), keeper.tokens(), shutdown.clone()));
    }
    keeper.attach(Users { local: local.clone(), dns: dns.clone() });

    let targets = Targets {
        local: local.clone(),
        dns,
        logs,
        keeper,
        node_id,
        #[cfg(feature = "plugins")]
        plugins: Arc::clone(&plugins),
        #[cfg(feature = "plugins")]
        plugin_seed,
        #[cfg(feature = "plugins")]
        shutdown: shutdown.clone(),
    };
    #[cfg(feature = "plugins")]
    shutdown.spawn(crate::plugin_files::run(plugins, Arc::clone(&reloader), shutdown.clone()));
    let beginning = Box::pin({
        let reloader = Arc::clone(&reloader);
        async move {
            reloader.begin(targets).await;
            restore(local, syncing).await
        }
    });
    let (giving_up, given_up) = mpsc::channel(1);
    if let Err(error) = pools.join(&config, &mut chance, &shutdown, giving_up).await {
        shutdown.finish().await;
        datacenter.end().await;
        return Err(error);
    }
    Ok(Agent { config, reloader, leaving, pools, datacenter, given_up, shutdown, watcher, beginning: Some(beginning) })
}

/// Binds HTTP and DNS, so that a taken port is told before anything is served.
async fn open_doors(
    config: &RuntimeConfig,
    cluster: &Arc<dyn Cluster>,
    kept: Arc<Subscriptions>,
    node: &Arc<dyn Node>,
    shutdown: &Shutdown,
    seed: u64,
) -> Result<(HttpServer, Option<DnsServer>)> {
    // A server has the catalog in memory; a client agent has what it keeps of answers.
    let of_dns: Arc<dyn Cluster> = if config.server { Arc::clone(cluster) } else { kept.clone() };
    let http = HttpServer::bind(settings::http(config)?, Arc::clone(cluster), Arc::clone(node), kept, shutdown.clone()).await?;
    let dns = if config.listeners.dns.is_empty() {
        None
    } else {
        Some(DnsServer::bind(settings::dns(config, Token::default())?, of_dns, seed, shutdown).await?)
    };
    Ok((http, dns))
}

/// Registers what is kept in the data directory, then lets anti-entropy begin.
async fn restore(local: lictor_local::LocalHandle, syncing: PauseGuard) -> Result<()> {
    let restored = tokio::task::spawn_blocking(move || local.restore()).await.context("restoring failed within")?;
    drop(syncing);
    if restored.services + restored.checks + restored.skipped > 0 {
        tracing::info!(
            services = restored.services,
            checks = restored.checks,
            skipped = restored.skipped,
            "registrations restored"
        );
    }
    Ok(())
}

impl Agent {
    /// Lives until it is ended; tells the exit code, which is Consul's: 0 after a leave, 1 after a signal that only ends.
    async fn live(mut self, signals: &mut Signals) -> ExitCode {
        let left = match self.serve(signals).await {
            Ok(left) => left,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the agent cannot go on");
                false
            }
        };
        tracing::info!(leave = left, "ending");
        let end = async {
            // Also of one that comes back: the others need not wait until they miss it.
            self.datacenter.hand_over().await;
            if left {
                self.pools.leave().await;
                self.datacenter.wait_removed().await;
            }
            self.shutdown.finish().await;
            self.datacenter.end().await;
        };
        tokio::select! {
            done = lictor_net::clock::timeout(END_PATIENCE, end) => if done.is_err() {
                tracing::error!("not everything ended in time; going anyway");
            },
            // A second signal means it: what is acknowledged is on disk already.
            _ = signals.end() => {}
        }
        if let Some(pid_file) = &self.config.pid_file {
            let _ = std::fs::remove_file(pid_file);
        }
        if left { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Agent {
    /// Serves until it shall end; tells whether it leaves.
    async fn serve(&mut self, signals: &mut Signals) -> Result<bool> {
        if let Some(beginning) = self.beginning.take() {
            tokio::select! {
                begun = beginning => begun?,
                asked = signals.end() => return Ok(self.leaves_by(asked)),
            }
        }
        loop {
            // `None`: the API asked it to leave.
            let end = tokio::select! {
                asked = signals.next() => Some(asked),
                changed = changed(&mut self.watcher) => {
                    if !changed {
                        self.watcher = None;
                        continue;
                    }
                    Some(Asked::Reload)
                }
                _ = self.leaving.wait_for(|leaving| *leaving) => None,
                // An agent that answers nothing but errors helps nobody; its supervisor may start it again.
                () = self.datacenter.ended() => anyhow::bail!("the raft engine ended; the log above says why"),
                Some(error) = self.given_up.recv() => {
                    if matches!(error, RetryError::Exhausted { .. }) {
                        return Err(error.into());
                    }
                    continue;
                }
            };
            let end = if end == Some(Asked::Reload) {
                // Files may lie on a disk that does not answer: that must not keep the agent from ending.
                tokio::select! {
                    () = self.reloader.reload_unasked() => continue,
                    asked = signals.end() => Some(asked),
                    _ = self.leaving.wait_for(|leaving| *leaving) => None,
                }
            } else {
                end
            };
            return Ok(end.is_none_or(|asked| self.leaves_by(asked)));
        }
    }

    /// Whether the agent leaves when it is ended by this signal.
    fn leaves_by(&self, asked: Asked) -> bool {
        match asked {
            Asked::Reload => false,
            Asked::Interrupt => !self.config.skip_leave_on_interrupt,
            Asked::Terminate => self.config.leave_on_terminate,
        }
    }
}

/// Waits for a change of the files; for ever when they are not watched.
async fn changed(watcher: &mut Option<Watcher>) -> bool {
    match watcher {
        Some(watcher) => watcher.changed().await,
        None => std::future::pending().await,
    }
}

/// Makes the data directory, and tells at once when it cannot be written.
fn make_usable(data_dir: &Path) -> Result<()> {
    let named = || format!("the data directory {} cannot be used", data_dir.display());
    std::fs::create_dir_all(data_dir).with_context(named)?;
    let probe = data_dir.join(".writable");
    std::fs::write(&probe, b"").with_context(named)?;
    std::fs::remove_file(&probe).with_context(named)
}

fn write_pid(config: &RuntimeConfig) -> Result<()> {
    let Some(path) = &config.pid_file else { return Ok(()) };
    std::fs::write(path, std::process::id().to_string()).with_context(|| format!("cannot write pid_file {}", path.display()))
}

/// What seeds all chance of the process.
fn unpredictable_bytes() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes)
}
