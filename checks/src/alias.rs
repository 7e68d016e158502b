//! Alias check: mirrors the checks of a node and of one of its services.

use crate::probe::{Outcome, Probe};
use crate::view::{Aliased, HealthView};
use async_trait::async_trait;
use lictor_net::clock::{self, Instant};
use lictor_types::{CheckDefinition, CheckId, HealthStatus, ServiceId};
use std::sync::Arc;

/// Takes the worst state of the checks it looks at.
pub struct AliasProbe {
    id: CheckId,
    node: String,
    service: ServiceId,
    view: Arc<dyn HealthView>,
}

impl AliasProbe {
    /// The probe of a definition; `id` is the check itself, which it leaves out.
    pub fn new(id: CheckId, definition: &CheckDefinition, view: Arc<dyn HealthView>) -> Self {
        let service = ServiceId::from(definition.alias_service.as_str());
        Self { id, node: definition.alias_node.clone(), service, view }
    }

    fn judge(&self, aliased: &Aliased) -> Outcome {
        if !aliased.found {
            let (service, node) = (&self.service, &self.node);
            let sentence = if service.is_empty() {
                format!("Node {node} could not be found")
            } else {
                format!("Service {service} could not be found on node {node}")
            };
            return Outcome::new(HealthStatus::Critical, sentence);
        }
        let others = aliased.checks.iter().filter(|check| check.id != self.id);
        // The first of the worst, so that the text doesn't jump between equals.
        match others.reduce(|worst, check| if check.status > worst.status { check } else { worst }) {
            None => Outcome::new(HealthStatus::Passing, "No checks found."),
            Some(worst) if worst.status == HealthStatus::Passing => Outcome::new(HealthStatus::Passing, "All checks passing."),
            Some(worst) => Outcome::new(worst.status, format!("Aliased check \"{}\" failing: {}", worst.name, worst.output)),
        }
    }
}

#[async_trait]
impl Probe for AliasProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        match clock::timeout_at(deadline, self.view.aliased(&self.node, &self.service)).await {
            Ok(Ok(aliased)) => self.judge(&aliased),
            Ok(Err(sentence)) => Outcome::new(HealthStatus::Critical, sentence),
            Err(_) => Outcome::new(HealthStatus::Critical, format!("The checks of node {} did not come in time", self.node)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeView;
    use HealthStatus::{Critical, Passing, Warning};

    #[tokio::test]
    async fn the_worst_check_counts() {
        let check = async |found: bool, states: &[(&str, HealthStatus)], status: HealthStatus, output: &str| {
            let view = Arc::new(FakeView::default());
            for (id, status) in states {
                view.set(id, *status, &format!("{id} says"));
            }
            view.state.lock().services = if found { vec![ServiceId::from("web")] } else { Vec::new() };
            let definition = CheckDefinition { alias_service: "web".into(), ..CheckDefinition::default() };
            let probe = AliasProbe::new(CheckId::from("self"), &definition, view);
            let outcome = probe.run(clock::now() + std::time::Duration::from_secs(1)).await;
            assert_eq!(outcome, Outcome::new(status, output), "{states:?}");
        };
        check(true, &[], Passing, "No checks found.").await;
        check(true, &[("self", Critical)], Passing, "No checks found.").await;
        check(true, &[("a", Passing), ("b", Passing)], Passing, "All checks passing.").await;
        check(true, &[("a", Passing), ("b", Warning)], Warning, "Aliased check \"name of b\" failing: b says").await;
        check(
            true,
            &[("a", Warning), ("b", Critical), ("c", Critical), ("d", Warning)],
            Critical,
            "Aliased check \"name of b\" failing: b says",
        )
        .await;
        check(false, &[("a", Passing)], Critical, "Service web could not be found on node ").await;
    }
}
