//! Composite check: all, any or some of other checks of this agent.

use crate::probe::{Outcome, Probe};
use crate::view::HealthView;
use async_trait::async_trait;
use lictor_net::clock::Instant;
use lictor_types::HealthStatus;
use lictor_types::definition::Composite;
use std::sync::Arc;

/// Passing when enough of its checks are passing, warning when enough are at least warning, else critical.
pub struct CompositeProbe {
    composite: Composite,
    view: Arc<dyn HealthView>,
}

impl CompositeProbe {
    /// The probe of a composite.
    pub fn new(composite: Composite, view: Arc<dyn HealthView>) -> Self {
        Self { composite, view }
    }
}

#[async_trait]
impl Probe for CompositeProbe {
    async fn run(&self, _deadline: Instant) -> Outcome {
        let (mut passing, mut warning) = (0, 0);
        let mut others = Vec::new();
        for id in &self.composite.checks {
            match self.view.check(id).map(|check| check.status) {
                Some(HealthStatus::Passing) => passing += 1,
                Some(HealthStatus::Warning) => {
                    warning += 1;
                    others.push(format!("{id} is warning"));
                }
                Some(HealthStatus::Critical) => others.push(format!("{id} is critical")),
                None => others.push(format!("{id} does not exist")),
            }
        }
        let needed = self.composite.at_least;
        let status = if passing >= needed {
            HealthStatus::Passing
        } else if passing + warning >= needed {
            HealthStatus::Warning
        } else {
            HealthStatus::Critical
        };
        let mut text = format!("{passing} of {} checks passing, {needed} needed", self.composite.checks.len());
        if !others.is_empty() {
            text.push_str(": ");
            text.push_str(&others.join(", "));
        }
        Outcome::new(status, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeView;
    use HealthStatus::{Critical, Passing, Warning};
    use lictor_types::CheckId;

    #[tokio::test]
    async fn enough_of_them() {
        let view = Arc::new(FakeView::default());
        for (id, status) in [("p1", Passing), ("p2", Passing), ("w", Warning), ("c", Critical)] {
            view.set(id, status, "");
        }
        for (checks, at_least, status, output) in [
            ("p1 p2", 2, Passing, "2 of 2 checks passing, 2 needed"),
            ("p1 c", 1, Passing, "1 of 2 checks passing, 1 needed: c is critical"),
            ("p1 w c", 2, Warning, "1 of 3 checks passing, 2 needed: w is warning, c is critical"),
            ("p1 w c", 3, Critical, "1 of 3 checks passing, 3 needed: w is warning, c is critical"),
            ("p1 gone", 2, Critical, "1 of 2 checks passing, 2 needed: gone does not exist"),
        ] {
            let composite = Composite { checks: checks.split(' ').map(CheckId::from).collect(), at_least };
            let outcome = CompositeProbe::new(composite, view.clone()).run(lictor_net::clock::now()).await;
            assert_eq!(outcome, Outcome::new(status, output));
        }
    }
}
