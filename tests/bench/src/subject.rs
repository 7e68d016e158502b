//! The agents that are measured.

use crate::measure::SUBJECT_CORE;
use anyhow::{Context, Result, bail};
use lictor_e2e::http;
use lictor_e2e::ports::Ports;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program that can be started as an agent.
pub(crate) struct Program {
    /// Name in the table.
    pub(crate) name: &'static str,
    /// Whether it must be told that its files changed.
    pub(crate) needs_reload: bool,
    path: PathBuf,
}

impl Program {
    pub(crate) fn new(name: &'static str, path: &Path, needs_reload: bool) -> Self {
        Self { name, needs_reload, path: path.to_path_buf() }
    }

    /// Starts a server with a data directory (or in memory), with this configuration as JSON, and waits until it leads.
    pub(crate) fn start(&self, durable: bool, config: &str) -> Result<Running> {
        let folder = tempfile::Builder::new().prefix("lictor-bench-").tempdir()?;
        fs::create_dir(folder.path().join("config.d"))?;
        fs::write(folder.path().join("config.d/00.json"), config)?;
        let mut running =
            Running { path: self.path.clone(), durable, folder, ports: Ports::free(), child: None, started: Duration::ZERO };
        running.start()?;
        Ok(running)
    }
}

/// A running agent on its own core.
pub(crate) struct Running {
    path: PathBuf,
    durable: bool,
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

    /// Starts the process and measures the time to its first accepted write.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.start_until("PUT", "/v1/kv/bench/ready", Duration::from_secs(60))
    }

    /// Starts the process and measures the time to the first answer with 200 of a request.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures the real clock")]
    pub(crate) fn start_until(&mut self, method: &str, path: &str, patience: Duration) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        let ports = self.ports;
        let mut command = Command::new("taskset");
        command.args(["-c", &SUBJECT_CORE.to_string()]).arg(&self.path).arg("agent");
        if self.durable {
            command
                .args(["-server", "-bootstrap-expect=1"])
                .arg(format!("-data-dir={}", self.folder.path().join("data").display()));
        } else {
            command.arg("-dev");
        }
        command
            .args(["-node=bench", "-bind=127.0.0.1", "-grpc-port=-1", "-log-level=err"])
            .arg("-hcl=performance { raft_multiplier = 1 } limits { http_max_conns_per_client = 6000 }")
            .arg(format!("-config-dir={}", self.config_dir().display()))
            .arg(format!("-http-port={}", ports.http))
            .arg(format!("-dns-port={}", ports.dns))
            .arg(format!("-server-port={}", ports.server))
            .arg(format!("-serf-lan-port={}", ports.serf_lan))
            .arg(format!("-serf-wan-port={}", ports.serf_wan));
        let begin = Instant::now();
        self.child = Some(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn().context("taskset starts")?);
        loop {
            let reply = http::send(ports.http, method, path, Some("1").filter(|_| method == "PUT"));
            if reply.status == 200 {
                break;
            }
            if begin.elapsed() > patience {
                bail!(
                    "{method} {path} had no answer within {patience:?}:\n{}",
                    fs::read_to_string(self.folder.path().join("log"))?
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.started = begin.elapsed();
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
