//! The agents that are measured.

use crate::measure::{self, ALL_CORES, SUBJECT_CORE};
use anyhow::{Context, Result, bail};
use lictor_e2e::http;
use lictor_e2e::ports::Ports;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A write that an agent accepts when it is ready.
const WRITE: &str = "/v1/kv/bench/ready";
/// How long it may take until then.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that can be started as an agent.
pub(crate) struct Program {
    /// Name in the table.
    pub(crate) name: &'static str,
    /// Whether it must be told that its files changed.
    pub(crate) needs_reload: bool,
    path: PathBuf,
}

/// What an agent is started as.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) role: Role,
    /// Name of its node; empty: `bench`.
    pub(crate) node: String,
    /// Configuration as JSON.
    pub(crate) config: String,
    /// Further arguments.
    pub(crate) arguments: Vec<String>,
    /// Whether it may use all cores; else it has the subjects' core.
    pub(crate) spread: bool,
}

/// Kind of agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// A server in memory.
    #[default]
    Dev,
    /// A server with a data directory, that expects so many.
    Server(usize),
    /// A client agent with a data directory.
    Client,
}

impl Program {
    pub(crate) fn new(name: &'static str, path: &Path, needs_reload: bool) -> Self {
        Self { name, needs_reload, path: path.to_path_buf() }
    }

    /// Runs a command of the program on the subjects' core; answers what it prints, and the processor time it used, in milliseconds.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<(String, f64)> {
        let before = measure::children_cpu_ms()?;
        let output = Command::new("taskset")
            .args(["-c", &SUBJECT_CORE.to_string()])
            .arg(&self.path)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("taskset starts")?;
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), measure::children_cpu_ms()? - before))
    }

    /// Starts a server with a data directory (or in memory), with this configuration as JSON, and waits until it leads.
    pub(crate) fn start(&self, durable: bool, config: &str) -> Result<Running> {
        let mut running = self.prepare(Plan {
            role: if durable { Role::Server(1) } else { Role::Dev },
            config: config.to_owned(),
            arguments: vec!["-hcl=performance { raft_multiplier = 1 }".to_owned()],
            ..Plan::default()
        })?;
        running.start()?;
        Ok(running)
    }

    /// Makes folders and files, starts nothing.
    pub(crate) fn prepare(&self, plan: Plan) -> Result<Running> {
        let folder = tempfile::Builder::new().prefix("lictor-bench-").tempdir()?;
        fs::create_dir(folder.path().join("config.d"))?;
        let config = if plan.config.is_empty() { "{}" } else { &plan.config };
        fs::write(folder.path().join("config.d/00.json"), config)?;
        Ok(Running { path: self.path.clone(), plan, folder, ports: Ports::free(), child: None, started: Duration::ZERO })
    }
}

/// A running agent.
pub(crate) struct Running {
    path: PathBuf,
    plan: Plan,
    folder: tempfile::TempDir,
    pub(crate) ports: Ports,
    child: Option<Child>,
    /// From the start of the process to what was waited for.
    pub(crate) started: Duration,
}

impl Running {
    pub(crate) fn config_dir(&self) -> PathBuf {
        self.folder.path().join("config.d")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    pub(crate) fn node(&self) -> &str {
        if self.plan.node.is_empty() { "bench" } else { &self.plan.node }
    }

    /// Tells it where to find the others, before it starts.
    pub(crate) fn join(&mut self, ports: &[u16]) {
        self.plan.arguments.extend(ports.iter().map(|port| format!("-retry-join=127.0.0.1:{port}")));
    }

    /// Starts the process; does not wait.
    pub(crate) fn spawn(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        // All cores are named: what the load starts would else stay on the load's.
        let cores = if self.plan.spread { ALL_CORES.to_owned() } else { SUBJECT_CORE.to_string() };
        let mut command = Command::new("taskset");
        command.args(["-c", &cores]).arg(&self.path).arg("agent");
        match self.plan.role {
            Role::Dev => command.arg("-dev"),
            Role::Server(expect) => command.args(["-server", &format!("-bootstrap-expect={expect}")]),
            Role::Client => &mut command,
        };
        if self.plan.role != Role::Dev {
            command.arg(format!("-data-dir={}", self.folder.path().join("data").display()));
        }
        let ports = self.ports;
        command
            .args(["-bind=127.0.0.1", "-grpc-port=-1", "-log-level=err", &format!("-node={}", self.node())])
            .arg("-hcl=limits { http_max_conns_per_client = 6000 }")
            .arg(format!("-config-dir={}", self.config_dir().display()))
            .arg(format!("-http-port={}", ports.http))
            .arg(format!("-dns-port={}", ports.dns))
            .arg(format!("-server-port={}", ports.server))
            .arg(format!("-serf-lan-port={}", ports.serf_lan))
            .arg(format!("-serf-wan-port={}", ports.serf_wan))
            .args(&self.plan.arguments);
        self.child = Some(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn().context("taskset starts")?);
        Ok(())
    }

    /// Starts the process and measures the time to its first accepted write.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.start_until("PUT", WRITE, PATIENCE)
    }

    /// Starts the process and measures the time to the first answer with 200 of a request.
    pub(crate) fn start_until(&mut self, method: &str, path: &str, patience: Duration) -> Result<()> {
        let begin = crate::load::now();
        self.spawn()?;
        self.wait_for(method, path, patience)?;
        self.started = begin.elapsed();
        Ok(())
    }

    /// Waits for the first write that it accepts.
    pub(crate) fn wait_write(&self) -> Result<()> {
        self.wait_for("PUT", WRITE, PATIENCE)
    }

    #[expect(clippy::disallowed_methods, reason = "the pause is between two looks; what is waited for has a deadline")]
    fn wait_for(&self, method: &str, path: &str, patience: Duration) -> Result<()> {
        let begin = crate::load::now();
        while http::send(self.ports.http, method, path, Some("1").filter(|_| method == "PUT")).status != 200 {
            if begin.elapsed() > patience {
                bail!(
                    "{method} {path} had no answer within {patience:?}:\n{}",
                    fs::read_to_string(self.folder.path().join("log"))?
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A request that must succeed.
    pub(crate) fn must(&self, method: &str, path: &str, body: &str) -> Result<http::Reply> {
        let reply = http::send(self.ports.http, method, path, Some(body));
        if reply.status != 200 {
            bail!("{method} {path}: {} {}", reply.status, reply.text);
        }
        Ok(reply)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
