//! What a store holds during one run: budgets, grants, and the guest's open things.

use crate::contract::{log, types};
use crate::grant::{Access, Grants, Plan};
use crate::limits::{LimitHit, Limits, Meter, Size};
use lictor_net::clock::{self, Instant};
use rand::rngs::StdRng;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use types::Failure;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

/// The longest list of denials kept for the outcome.
const DENIALS_MAX: usize = 4;

/// The state of one run.
pub(crate) struct RunState {
    pub(crate) plugin: Arc<str>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: Limits,
    pub(crate) meter: Meter,
    pub(crate) table: ResourceTable,
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    pub(crate) denials: Vec<String>,
    pub(crate) rng: Option<Box<StdRng>>,
    pub(crate) seed: [u8; 32],
    /// Takes log lines beside the log.
    pub(crate) tap: Option<mpsc::Sender<String>>,
    log_bytes: usize,
    sent_bytes: usize,
    received_bytes: usize,
    connections: usize,
    wasi: Option<Box<WasiCtx>>,
    pub(crate) script: Option<Box<WasiP1Ctx>>,
}

impl RunState {
    pub(crate) fn new(plugin: Arc<str>, grants: Arc<Grants>, limits: &Limits, deadline: Instant, seed: [u8; 32]) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(1024);
        Self {
            plugin,
            grants,
            meter: Meter::new(limits),
            limits: limits.clone(),
            table,
            started: clock::now(),
            deadline,
            denials: Vec::new(),
            rng: None,
            seed,
            tap: None,
            log_bytes: 0,
            sent_bytes: 0,
            received_bytes: 0,
            connections: 0,
            wasi: None,
            script: None,
        }
    }

    /// Time a capability may take: what the guest gives it, within the run's deadline.
    pub(crate) fn until(&self, timeout_ms: u32) -> Instant {
        self.deadline.min(clock::now() + Duration::from_millis(u64::from(timeout_ms)))
    }

    /// The failure for something not granted, remembered for the outcome.
    pub(crate) fn deny(&mut self, grant: &str) -> Failure {
        let sentence = format!("not granted: add {grant:?} to the check's allow");
        if self.denials.len() < DENIALS_MAX && !self.denials.contains(&sentence) {
            self.denials.push(sentence.clone());
            crate::events::denied(&self.plugin, grant);
        }
        Failure::Denied(sentence)
    }

    /// Counts bytes on their way out.
    pub(crate) fn count_sent(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.sent_bytes = self.sent_bytes.saturating_add(bytes);
        if self.sent_bytes > self.limits.sent_bytes {
            return Err(wasmtime::Error::new(LimitHit::Sent(Size(self.limits.sent_bytes))));
        }
        Ok(())
    }

    /// Counts bytes that came in.
    pub(crate) fn count_received(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.received_bytes = self.received_bytes.saturating_add(bytes);
        if self.received_bytes > self.limits.received_bytes {
            return Err(wasmtime::Error::new(LimitHit::Received(Size(self.limits.received_bytes))));
        }
        Ok(())
    }

    /// Bytes that may still be received, at least one, so that going beyond is noticed.
    pub(crate) fn bytes_left(&self) -> usize {
        self.limits.received_bytes.saturating_sub(self.received_bytes).saturating_add(1)
    }

    /// Counts a connection.
    pub(crate) fn count_connection(&mut self) -> wasmtime::Result<()> {
        self.connections += 1;
        if self.connections > self.limits.connections {
            return Err(wasmtime::Error::new(LimitHit::Connections(self.limits.connections)));
        }
        Ok(())
    }

    /// The granted addresses of a target. A name is looked up here and nowhere else, so that what is judged is what is then
    /// connected to; the look-up counts as any other.
    pub(crate) async fn resolve(
        &mut self,
        access: Access<'_>,
        until: Instant,
    ) -> wasmtime::Result<Result<Vec<SocketAddr>, Failure>> {
        let port = access.target().port;
        let Some(plan) = self.grants.plan(access) else { return Ok(Err(self.deny(&access.grant()))) };
        let addresses = match plan {
            Plan::Addresses(addresses) => addresses,
            Plan::Resolve(name) => {
                self.count_connection()?;
                let found = match lookup(&name, until).await {
                    Ok(found) => found,
                    Err(failure) => return Ok(Err(failure)),
                };
                let granted: Vec<IpAddr> = found.iter().copied().filter(|ip| self.grants.admits(access, *ip)).collect();
                if granted.is_empty() {
                    let list: Vec<String> = found.iter().map(IpAddr::to_string).collect();
                    let sentence = format!("{name} resolves to {}, which is not granted", list.join(", "));
                    crate::events::denied(&self.plugin, &sentence);
                    if self.denials.len() < DENIALS_MAX {
                        self.denials.push(sentence.clone());
                    }
                    return Ok(Err(Failure::Denied(sentence)));
                }
                granted
            }
        };
        Ok(Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()))
    }
}

/// Addresses of a name by the system's resolver, each once.
pub(crate) async fn lookup(name: &str, until: Instant) -> Result<Vec<IpAddr>, Failure> {
    let found = match clock::timeout_at(until, lictor_net::lookup_host((name, 0))).await {
        Err(_) => return Err(Failure::TimedOut),
        Ok(Err(error)) => return Err(Failure::Other(format!("cannot resolve {name}: {error}"))),
        Ok(Ok(found)) => found,
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.take(64) {
        let ip = address.ip().to_canonical();
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    Ok(addresses)
}

/// The failure for an error of the system.
pub(crate) fn failure(error: &std::io::Error) -> Failure {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Failure::Refused,
        Kind::TimedOut => Failure::TimedOut,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof => Failure::Closed,
        _ => Failure::Other(error.to_string()),
    }
}

impl RunState {
    /// The world of a script; an empty one unless its run has set it.
    pub(crate) fn script(&mut self) -> &mut WasiP1Ctx {
        self.script.get_or_insert_with(|| Box::new(WasiCtx::builder().build_p1()))
    }
}

impl log::Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl types::Host for RunState {}

impl log::Host for RunState {
    async fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        // An empty line costs as well: a flood of them is a flood.
        self.log_bytes = self.log_bytes.saturating_add(message.len() + 1);
        if self.log_bytes > self.limits.log_bytes {
            return Err(wasmtime::Error::new(LimitHit::Log(Size(self.limits.log_bytes))));
        }
        crate::events::guest_log(&self.plugin, level, &message);
        if let Some(tap) = &self.tap {
            // Whoever shows lines shows the first ones.
            let _ = tap.try_send(format!("{}: {message}", level.as_str()));
        }
        Ok(())
    }
}

impl WasiView for RunState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Made only when a guest's runtime asks.
        let (grants, seed, started) = (&self.grants, self.seed, self.started);
        let ctx = self.wasi.get_or_insert_with(|| Box::new(crate::wasi::world(grants, seed, started).build()));
        WasiCtxView { ctx, table: &mut self.table }
    }
}
