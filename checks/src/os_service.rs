//! os_service probe: the state of a systemd unit.

use crate::exec::Exec;
use crate::probe::{Outcome, Probe};
use async_trait::async_trait;
use lictor_net::clock::Instant;
use lictor_types::{CheckDefinition, HealthStatus};
use std::sync::Arc;

/// Asks `systemctl` for a unit: active is passing, on its way to active or back is warning, all else critical.
pub struct OsServiceProbe {
    unit: String,
    exec: Arc<dyn Exec>,
}

impl OsServiceProbe {
    /// The probe of a definition.
    pub fn new(definition: &CheckDefinition, exec: Arc<dyn Exec>) -> Self {
        Self { unit: definition.os_service.clone(), exec }
    }
}

#[async_trait]
impl Probe for OsServiceProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        let args = ["systemctl", "show", "--property=LoadState,ActiveState,SubState", "--", &self.unit].map(str::to_owned);
        let unit = &self.unit;
        let executed = match self.exec.run(&args, deadline).await {
            Ok(executed) => executed,
            Err(sentence) => {
                return Outcome::new(HealthStatus::Critical, format!("The state of \"{unit}\" is unknown: {sentence}"));
            }
        };
        let field = |name: &str| {
            let mut lines = executed.output.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            lines.next().unwrap_or_default().trim().to_owned()
        };
        let (load, active, sub) = (field("LoadState"), field("ActiveState"), field("SubState"));
        if executed.code != Some(0) || active.is_empty() {
            let said = executed.output.trim();
            return Outcome::new(HealthStatus::Critical, format!("The state of \"{unit}\" is unknown: {said}"));
        }
        if load == "not-found" {
            return Outcome::new(HealthStatus::Critical, format!("Service \"{unit}\" does not exist"));
        }
        match active.as_str() {
            "active" => Outcome::new(HealthStatus::Passing, format!("Service \"{unit}\" is healthy: active ({sub})")),
            "activating" | "reloading" | "deactivating" | "refreshing" => {
                Outcome::new(HealthStatus::Warning, format!("Service \"{unit}\" is {active} ({sub})"))
            }
            _ => Outcome::new(HealthStatus::Critical, format!("Service \"{unit}\" is {active} ({sub})")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Executed;
    use HealthStatus::{Critical, Passing, Warning};
    use parking_lot::Mutex;

    struct FakeExec {
        answer: Result<Executed, String>,
        asked: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Exec for FakeExec {
        async fn run(&self, args: &[String], _deadline: Instant) -> Result<Executed, String> {
            *self.asked.lock() = args.to_vec();
            self.answer.clone()
        }
    }

    #[tokio::test]
    async fn states_of_units() {
        let check = async |code: i32, output: &str, status: HealthStatus, text: &str| {
            let answer = Ok(Executed { code: Some(code), output: output.to_owned() });
            let exec = Arc::new(FakeExec { answer, asked: Mutex::default() });
            let definition = CheckDefinition { os_service: "-x.service".into(), ..CheckDefinition::default() };
            let outcome = OsServiceProbe::new(&definition, exec.clone()).run(lictor_net::clock::now()).await;
            assert_eq!(outcome, Outcome::new(status, text));
            assert_eq!(exec.asked.lock()[3..], ["--", "-x.service"]);
        };
        let ok = "LoadState=loaded\nActiveState=active\nSubState=running\n";
        check(0, ok, Passing, "Service \"-x.service\" is healthy: active (running)").await;
        let start = "ActiveState=activating\nLoadState=loaded\nSubState=start-pre\n";
        check(0, start, Warning, "Service \"-x.service\" is activating (start-pre)").await;
        let failed = "LoadState=loaded\nActiveState=failed\nSubState=failed\n";
        check(0, failed, Critical, "Service \"-x.service\" is failed (failed)").await;
        let missing = "LoadState=not-found\nActiveState=inactive\nSubState=dead\n";
        check(0, missing, Critical, "Service \"-x.service\" does not exist").await;
        let bus = "System has not been booted with systemd\n";
        let text = "The state of \"-x.service\" is unknown: System has not been booted with systemd";
        check(1, bus, Critical, text).await;
    }
}
