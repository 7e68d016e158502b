//! From a definition to what runs it.

use crate::alias::AliasProbe;
use crate::composite::CompositeProbe;
use crate::dial::Dialer;
use crate::docker::DockerProbe;
use crate::error::CheckError;
use crate::exec::{Exec, SystemExec};
use crate::grpc::GrpcProbe;
use crate::h2ping::H2PingProbe;
use crate::http::HttpProbe;
use crate::os_service::OsServiceProbe;
use crate::plugin::PluginProbe;
use crate::probe::{PluginSource, Probe};
use crate::script::ScriptProbe;
use crate::settings::Settings;
use crate::tcp::TcpProbe;
use crate::tls::Tls;
use crate::udp::UdpProbe;
use crate::view::HealthView;
use lictor_types::definition::CheckKind;
use lictor_types::{CheckDefinition, CheckId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Limit of one run when a definition gives none.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// The same for programs.
const TIMEOUT_SCRIPT_DEFAULT: Duration = Duration::from_secs(30);

/// What all probes share.
pub struct Tools {
    /// The agent's settings.
    pub settings: Settings,
    /// Opens connections.
    pub dialer: Dialer,
    /// Opens TLS connections.
    pub tls: Tls,
    /// A permit per program that may run now.
    pub programs: Semaphore,
    /// Runs programs of the system.
    pub exec: Arc<dyn Exec>,
}

impl Tools {
    /// Tools with their limits.
    pub fn new(settings: Settings) -> Self {
        Self {
            dialer: Dialer::new(settings.lookups_concurrent_max),
            tls: Tls::new(settings.tls.clone()),
            programs: Semaphore::new(settings.scripts_concurrent_max.max(1)),
            exec: Arc::new(SystemExec),
            settings,
        }
    }
}

/// How a check is kept going.
pub(crate) enum Plan {
    /// Runs again and again.
    Interval {
        probe: Arc<dyn Probe>,
        interval: Duration,
        timeout: Duration,
        /// Whether it starts a program and so needs a permit.
        program: bool,
    },
    /// Waits for reports.
    Ttl(Duration),
    /// Runs when other checks change.
    Derived { probe: Arc<dyn Probe> },
}

/// Which probe runs a definition: Consul takes the first of this order when several are given.
const PRECEDENCE: [CheckKind; 12] = [
    CheckKind::Ttl,
    CheckKind::Http,
    CheckKind::Tcp,
    CheckKind::Udp,
    CheckKind::Grpc,
    CheckKind::H2Ping,
    CheckKind::Docker,
    CheckKind::OsService,
    CheckKind::Script,
    CheckKind::Plugin,
    CheckKind::Composite,
    CheckKind::Alias,
];

/// Whether a definition can be run, and as what. The sentences are those Consul's users know where there are such; a bad URL
/// or address is not an error here but a critical outcome, as in Consul.
pub fn validate(definition: &CheckDefinition) -> Result<CheckKind, CheckError> {
    let given = definition.kinds();
    let has = |kind| given.contains(&kind);
    let periodic = given.iter().any(|kind| !matches!(kind, CheckKind::Ttl | CheckKind::Alias | CheckKind::Composite));
    let interval = definition.interval.unwrap_or_default();
    let ttl = definition.ttl.unwrap_or_default();
    if !interval.is_zero() && !ttl.is_zero() {
        return Err(CheckError::invalid("Interval and TTL cannot both be specified"));
    }
    if periodic && interval.is_zero() {
        return Err(CheckError::invalid("Interval must be > 0 for Script, HTTP, or TCP checks"));
    }
    if periodic && has(CheckKind::Alias) {
        return Err(CheckError::invalid("Interval cannot be set for Alias checks"));
    }
    if has(CheckKind::Alias) && !ttl.is_zero() {
        return Err(CheckError::invalid("TTL must be not be set for Alias checks"));
    }
    if has(CheckKind::Docker) && definition.args.is_empty() {
        return Err(CheckError::invalid("Args must be given for Docker checks"));
    }
    if let Some(composite) = &definition.composite {
        let known = composite.checks.len();
        if composite.at_least == 0 || composite.at_least > known {
            return Err(CheckError::invalid(format!("a composite of {known} checks cannot need {}", composite.at_least)));
        }
    }
    let critical = definition.failures_before_critical;
    if critical > 0 && definition.failures_before_warning > critical {
        return Err(CheckError::invalid("FailuresBeforeWarning can't be higher than FailuresBeforeCritical"));
    }
    match PRECEDENCE.into_iter().find(|kind| given.contains(kind)) {
        Some(CheckKind::Ttl) | None if ttl.is_zero() => Err(CheckError::invalid("TTL must be > 0 for TTL checks")),
        Some(kind) => Ok(kind),
        None => Err(CheckError::invalid("TTL must be > 0 for TTL checks")),
    }
}

/// What the probes of one scheduler are built from.
pub(crate) struct Sources {
    pub(crate) tools: Arc<Tools>,
    pub(crate) plugins: Option<Arc<dyn PluginSource>>,
    pub(crate) view: Arc<dyn HealthView>,
}

impl Sources {
    pub(crate) fn output_size_max(&self, definition: &CheckDefinition) -> usize {
        match definition.output_max_size {
            0 => self.tools.settings.output_size_max,
            given => given,
        }
    }

    pub(crate) fn plan(&self, id: &CheckId, definition: &CheckDefinition) -> Result<Plan, CheckError> {
        let kind = validate(definition)?;
        let tools = self.tools.clone();
        let cap = self.output_size_max(definition);
        let program = matches!(kind, CheckKind::Script | CheckKind::OsService);
        let default = if program || kind == CheckKind::Docker { TIMEOUT_SCRIPT_DEFAULT } else { TIMEOUT_DEFAULT };
        let timeout = definition.timeout.filter(|given| !given.is_zero()).unwrap_or(default);
        let probe: Arc<dyn Probe> = match kind {
            CheckKind::Ttl => return Ok(Plan::Ttl(definition.ttl.unwrap_or_default())),
            CheckKind::Alias => {
                return Ok(Plan::Derived { probe: Arc::new(AliasProbe::new(id.clone(), definition, self.view.clone())) });
            }
            CheckKind::Composite => {
                let composite = definition.composite.clone().ok_or_else(|| CheckError::invalid("no composite is given"))?;
                return Ok(Plan::Derived { probe: Arc::new(CompositeProbe::new(composite, self.view.clone())) });
            }
            CheckKind::Http => Arc::new(HttpProbe::new(tools, definition, cap)),
            CheckKind::Tcp => Arc::new(TcpProbe::new(tools, definition)),
            CheckKind::Script => Arc::new(ScriptProbe::new(definition, timeout, cap)),
            CheckKind::Plugin => match (&self.plugins, &definition.plugin) {
                (Some(source), Some(call)) => Arc::new(PluginProbe::new(source.clone(), call.clone())),
                _ => return Err(CheckError::invalid("this agent runs no plugins")),
            },
            CheckKind::Udp => Arc::new(UdpProbe::new(tools, definition)),
            CheckKind::Grpc => Arc::new(GrpcProbe::new(tools, definition)),
            CheckKind::H2Ping => Arc::new(H2PingProbe::new(tools, definition)),
            CheckKind::Docker => Arc::new(DockerProbe::new(tools, definition, timeout, cap)),
            CheckKind::OsService => Arc::new(OsServiceProbe::new(definition, tools.exec.clone())),
        };
        let interval = definition.interval.unwrap_or_default();
        Ok(Plan::Interval { probe, interval: interval.max(tools_interval_min(&self.tools)), timeout, program })
    }
}

fn tools_interval_min(tools: &Tools) -> Duration {
    tools.settings.interval_min.max(Duration::from_millis(1))
}
