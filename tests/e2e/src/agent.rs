//! One agent as a process, ended with the test also when it fails.

use crate::http::{self, Reply};
use crate::network::Host;
use crate::ports::Ports;
use crate::relay::Relay;
use crate::{binary, wait};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

/// How many lines of an agent's log are shown when its test fails.
const LOG_LINES: usize = 40;

/// What kind of agent it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// `-dev`: a server alone, everything in memory.
    #[default]
    Dev,
    /// A server that expects so many servers, itself among them, with a data directory.
    Server(usize),
    /// A client agent with a data directory.
    Client,
}

/// How an agent is to be started.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Kind of agent.
    pub role: Role,
    /// Name of its node; empty: `e2e`.
    pub node: String,
    /// Files of the configuration directory: name and text.
    pub files: Vec<(String, String)>,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Environment.
    pub environment: Vec<(String, String)>,
    /// Where it runs; `None`: on the machine, on loopback.
    pub host: Option<Arc<Host>>,
}

impl Plan {
    /// Everything in memory.
    pub fn dev() -> Self {
        Self::default()
    }
    /// With a data directory.
    pub fn durable() -> Self {
        Self { role: Role::Server(1), ..Self::default() }
    }
    /// One of several.
    pub fn named(node: &str, role: Role) -> Self {
        Self { role, node: node.to_owned(), ..Self::default() }
    }
    /// On a host of its own.
    #[must_use]
    pub fn on(mut self, host: Arc<Host>) -> Self {
        self.host = Some(host);
        self
    }
    /// With a file in the configuration directory.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }
    /// With something set in HCL on the command line.
    #[must_use]
    pub fn hcl(self, text: &str) -> Self {
        self.argument(&format!("-hcl={text}"))
    }
    /// With a further argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }
    /// Starts and waits until the agent leads and its own node is in the catalog.
    pub fn start(self) -> Agent {
        let mut agent = Agent::prepare(self);
        agent.spawn();
        agent.wait_ready();
        agent
    }
}

/// A running agent with its folders.
pub struct Agent {
    plan: Plan,
    folder: tempfile::TempDir,
    child: Option<Child>,
    /// The way to one on a host of its own.
    _relay: Option<Relay>,
    /// Its ports.
    pub ports: Ports,
}

impl Agent {
    /// Makes folders and files, starts nothing.
    pub fn prepare(plan: Plan) -> Self {
        let folder = tempfile::Builder::new().prefix("lictor-e2e-").tempdir().expect("a temporary folder can be made");
        let ports = Ports::free();
        let socket = folder.path().join("http.sock");
        let relay = plan.host.as_ref().map(|_| Relay::start(ports.http, socket.clone()));
        let agent = Self { plan, folder, child: None, _relay: relay, ports };
        fs::create_dir_all(agent.config_dir()).expect("it can be made");
        if agent.plan.host.is_some() {
            let hcl = format!("addresses {{ http = \"unix://{}\" }}\n", socket.display());
            fs::write(agent.config_dir().join("00-door.hcl"), hcl).expect("it can be written");
        }
        for (name, text) in &agent.plan.files {
            fs::write(agent.config_dir().join(name), text).expect("it can be written");
        }
        agent
    }

    /// The configuration directory.
    pub fn config_dir(&self) -> PathBuf {
        self.folder.path().join("config.d")
    }
    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }
    /// What the agent wrote to its standard streams.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
    /// Name of its node.
    pub fn node(&self) -> &str {
        if self.plan.node.is_empty() { "e2e" } else { &self.plan.node }
    }
    /// The address at which other agents reach it.
    pub fn address(&self) -> String {
        self.plan.host.as_ref().map_or_else(|| "127.0.0.1".to_owned(), |host| host.address())
    }
    /// `ip:port` of its server port.
    pub fn server_address(&self) -> String {
        format!("{}:{}", self.address(), self.ports.server)
    }
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the agent was started").id()
    }

    /// The arguments the agent is started with.
    pub fn arguments(&self) -> Vec<String> {
        let ports = self.ports;
        let mut arguments = vec!["agent".to_owned()];
        match self.plan.role {
            Role::Dev => arguments.push("-dev".to_owned()),
            Role::Server(expect) => arguments.extend(["-server".to_owned(), format!("-bootstrap-expect={expect}")]),
            Role::Client => {}
        }
        if self.plan.role != Role::Dev {
            arguments.push(format!("-data-dir={}", self.data_dir().display()));
        }
        arguments.extend([
            format!("-node={}", self.node()),
            format!("-bind={}", self.address()),
            format!("-config-dir={}", self.config_dir().display()),
            format!("-http-port={}", ports.http),
            format!("-dns-port={}", ports.dns),
            format!("-server-port={}", ports.server),
            format!("-serf-lan-port={}", ports.serf_lan),
            format!("-serf-wan-port={}", ports.serf_wan),
            "-grpc-port=-1".to_owned(),
        ]);
        arguments.extend(self.plan.arguments.iter().cloned());
        arguments
    }

    /// Starts the process; does not wait.
    pub fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).expect("the log can be opened");
        let mut command = match &self.plan.host {
            None => Command::new(binary::path()),
            Some(host) => {
                let prefix = host.prefix();
                let (program, rest) = prefix.split_first().expect("it names a program");
                let mut command = Command::new(program);
                command.args(rest).arg(binary::path());
                command
            }
        };
        let child = command
            .args(self.arguments())
            .envs(self.plan.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file handle can be copied"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.child = Some(child);
    }

    /// Waits until the agent leads and its own node is in the catalog.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        let port = self.ports.http;
        let log = self.folder.path().join("log");
        let path = format!("/v1/health/node/{}", self.node());
        let child = self.child.as_mut().expect("the agent was started");
        wait::until("a leader, and the agent's node in the catalog", || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the agent ended by itself ({status}):\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            let health = http::send(port, "GET", &path, None).json();
            let alive = health.as_array()?.iter().any(|check| check["CheckID"] == "serfHealth" && check["Status"] == "passing");
            alive.then_some(())
        });
    }

    /// Whether the process lives.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The same, of an agent that others ask at the same time: by its id alone.
    pub fn is_running_now(&self) -> bool {
        let Some(pid) = rustix::process::Pid::from_raw(self.pid() as i32) else { return false };
        rustix::process::test_kill_process(pid).is_ok()
    }

    /// Ends the process at once (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).expect("a process id is not zero");
        rustix::process::kill_process(pid, signal).expect("the process is there");
    }

    /// Waits until the process has ended by itself.
    pub fn wait_end(&mut self) -> ExitStatus {
        // It stays ours while we wait: when the patience ends, so does the agent.
        let child = self.child.as_mut().expect("the agent was started");
        let status = wait::until("the agent's end", || child.try_wait().ok().flatten());
        self.child = None;
        status
    }

    /// Starts again on the same folders and ports.
    pub fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.wait_ready();
    }

    /// Writes many files at once: aside, then renamed over, one after the other.
    pub fn write_all(&self, files: impl IntoIterator<Item = (String, String)>) {
        files.into_iter().for_each(|(name, text)| self.write(&name, text));
    }

    /// Writes a file of the configuration directory as editors should: aside, then renamed over.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let aside = self.folder.path().join("aside");
        fs::write(&aside, text).expect("it can be written");
        fs::rename(&aside, self.config_dir().join(name)).expect("it can be renamed");
    }

    /// Its sources as the agent reports them; `null` for a file that it does not know.
    pub fn source(&self, name: &str) -> Value {
        let sources = self.get("/v1/agent/config/sources").json();
        let list = sources.as_array().cloned().unwrap_or_default();
        list.into_iter().find(|s| s["File"].as_str().is_some_and(|file| file.ends_with(name))).unwrap_or_default()
    }

    /// Ports of a service's instances in the catalog.
    pub fn service_ports(&self, name: &str) -> Vec<u64> {
        let rows = self.get(&format!("/v1/catalog/service/{name}")).json();
        rows.as_array().map(|rows| rows.iter().filter_map(|row| row["ServicePort"].as_u64()).collect()).unwrap_or_default()
    }

    /// Waits until a service's instances have these ports.
    #[track_caller]
    pub fn wait_ports(&self, name: &str, expected: &[u64]) {
        wait::until(&format!("ports {expected:?} of {name}"), || (self.service_ports(name) == expected).then_some(()));
    }

    /// Removes a file of the configuration directory.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.config_dir().join(name)).expect("it is there");
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Reply {
        http::send(self.ports.http, "GET", path, None)
    }
    /// A PUT.
    pub fn put(&self, path: &str, body: &str) -> Reply {
        http::send(self.ports.http, "PUT", path, Some(body))
    }
    /// Waits until a path's JSON fits.
    #[track_caller]
    pub fn wait_for(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait::until(path, || {
            let reply = self.get(path);
            let json = reply.json();
            (reply.status == 200 && fits(&json)).then_some(json)
        })
    }
    /// Runs a command of the program against this agent.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(binary::path())
            .args(arguments)
            .env("CONSUL_HTTP_ADDR", format!("127.0.0.1:{}", self.ports.http))
            .stdin(Stdio::null())
            .output()
            .expect("the program starts")
    }
    /// The folder of this agent, for other files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Agent {
    #[expect(clippy::print_stderr, reason = "a test that fails tells what its agents did")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
            // A panic is told in two lines.
            let panics = lines.windows(2).filter(|two| two.iter().any(|line| line.contains("panicked at"))).flatten();
            let panics: Vec<&str> = panics.copied().take(LOG_LINES).collect();
            eprintln!("--- the last of {}\n{}\n{}", self.node(), panics.join("\n"), last.join("\n"));
        }
        self.kill();
    }
}
