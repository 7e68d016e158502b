//! What the agent's configuration says about all checks.

use lictor_net::tls::ClientSettings;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of the room; fixed while the scheduler lives.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of output kept per run, for checks that do not say (`check_output_max_size`).
    pub output_size_max: usize,
    /// Intervals below this are raised to it.
    pub interval_min: Duration,
    /// Scripts (also os_service probes) that may run at the same time; further ones wait their turn.
    pub scripts_concurrent_max: usize,
    /// Host names that may be looked up at the same time.
    pub lookups_concurrent_max: usize,
    /// `User-Agent` of HTTP probes.
    pub user_agent: String,
    /// Socket of the container engine (docker checks).
    pub docker_socket: PathBuf,
    /// Whom probes trust and what they show; `skip_verify` and `alpn` are set per check.
    pub tls: ClientSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            output_size_max: crate::output::SIZE_MAX_DEFAULT,
            interval_min: Duration::from_secs(1),
            scripts_concurrent_max: 100,
            lookups_concurrent_max: 32,
            // Both names, so that log filters written for Consul's probes keep working.
            user_agent: "Lictor Health Check (compatible; Consul Health Check)".to_owned(),
            docker_socket: PathBuf::from("/var/run/docker.sock"),
            tls: ClientSettings::default(),
        }
    }
}

/// Path of the engine's socket from the value of `DOCKER_HOST`; `None` when it is not a unix socket.
pub fn docker_socket(docker_host: &str) -> Option<PathBuf> {
    docker_host.strip_prefix("unix://").filter(|path| !path.is_empty()).map(PathBuf::from)
}
