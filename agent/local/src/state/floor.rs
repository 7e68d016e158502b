//! The floor of flap damping: how many instances it may take out of the answers.
//!
//! Damping holds a check at its worst recent state, so an instance that is well at the moment may be held critical and is not
//! answered. That is meant for one bad instance, not for all of them: when a shared dependency makes every instance flap, a
//! service must not vanish. An agent knows its own instances, so this is the rule it keeps: *damping alone never leaves fewer
//! than half of this agent's instances of a service answered* (one of one, one of two, two of three). Instances that are
//! critical for real count as not answered, so the worse a service is, the less damping may take. Where the floor forbids it,
//! a held check shows `warning` instead of `critical`: still damped and visible as such, and still answered. A check of the node
//! itself would hide every instance, so it is held at `warning` as long as one is answered.

use super::{State, Updated};
use lictor_net::clock::Instant;
use lictor_types::{CheckId, HealthStatus, ServiceId, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// What flap damping asks for while a check is critical by it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// What the check says.
    pub(super) output: String,
    /// Whether it shows critical; else the floor keeps it at warning.
    pub(super) hides: bool,
}

/// Instances of a service that must stay answered as far as damping is concerned.
pub(super) fn floor(instances: usize) -> usize {
    instances.div_ceil(2)
}

impl State {
    /// Decides anew which withheld checks show critical. Answers the most that changed.
    pub(super) fn keep_floor(&mut self, now: Option<Instant>) -> Updated {
        let mut updated = Updated::Unknown;
        if self.withheld.is_empty() {
            return updated;
        }
        for (id, hides, whose) in self.decide() {
            let Some(held) = self.checks.get_mut(&id).and_then(|entry| entry.held.as_mut()) else { continue };
            held.hides = hides;
            let (status, output) = if hides {
                (HealthStatus::Critical, held.output.clone())
            } else {
                (
                    HealthStatus::Warning,
                    format!("Shown as warning: at least half of this agent's {whose} stay answered. {}", held.output),
                )
            };
            updated = updated.max(self.show(&id, status, output, now));
        }
        updated
    }

    /// For each withheld check whether it may hide its instance, and the words for what it would hide.
    fn decide(&self) -> Vec<(CheckId, bool, String)> {
        let mut of_services: BTreeMap<&ServiceName, Vec<(&CheckId, &ServiceId)>> = BTreeMap::new();
        let mut of_node = Vec::new();
        for id in &self.withheld {
            let Some(entry) = self.checks.get(id) else { continue };
            match self.services.get(&entry.definition.service_id) {
                Some(service) => {
                    of_services.entry(&service.local.service.service).or_default().push((id, &entry.definition.service_id));
                }
                None => of_node.push(id),
            }
        }
        let mut decided = Vec::with_capacity(self.withheld.len());
        let mut hidden: BTreeSet<&ServiceId> = BTreeSet::new();
        for (name, mut checks) in of_services {
            let Some(instances) = self.instances.get(name) else { continue };
            let mut answered: BTreeSet<&ServiceId> = instances.iter().filter(|id| self.is_answered(id)).collect();
            // Who hides already goes on, so that two instances don't take turns.
            checks.sort_by_key(|(id, _)| !self.hides(id));
            for (check, instance) in checks {
                let already = !answered.contains(instance);
                let hides = already || answered.len() > floor(instances.len());
                if hides {
                    answered.remove(instance);
                    hidden.insert(instance);
                }
                decided.push((check.clone(), hides, format!("instances of {name}")));
            }
        }
        for check in of_node {
            let one_left = self.services.keys().any(|id| !hidden.contains(id) && self.is_answered(id));
            decided.push((check.clone(), !one_left, "services".to_owned()));
        }
        decided
    }

    fn hides(&self, check: &CheckId) -> bool {
        self.checks.get(check).and_then(|entry| entry.held.as_ref()).is_some_and(|held| held.hides)
    }

    /// Whether an instance would be answered if damping held nothing critical.
    fn is_answered(&self, instance: &ServiceId) -> bool {
        let node = ServiceId::default();
        self.checks_of(instance).chain(self.checks_of(&node)).all(|id| {
            self.withheld.contains(id)
                || self.checks.get(id).is_none_or(|entry| entry.local.check.status != HealthStatus::Critical)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lictor_net::clock;
    use lictor_types::{CheckDefinition, CheckUpdate, Node, ServiceDefinition, Token};
    use std::sync::Arc;
    use std::time::Duration;

    /// Instances `a`, `b`, … of one service with a check each of the same id, and a check `node`.
    fn agent(instances: &str) -> State {
        let node = Node { node: "n1".into(), ..Node::default() };
        let mut state = State::new(node, Token::default(), Duration::from_secs(300), false, 7);
        for id in instances.chars().map(String::from) {
            add(&mut state, &id);
        }
        state.add_check(&check("node", ""), None, clock::now());
        tell(&mut state, "node p");
        state
    }

    fn add(state: &mut State, id: &str) {
        state.add_service(
            &Arc::new(ServiceDefinition { id: id.into(), name: "web".into(), ..ServiceDefinition::default() }),
            false,
        );
        state.add_check(&check(id, id), None, clock::now());
        tell(state, &format!("{id} p"));
    }

    fn check(id: &str, service: &str) -> CheckDefinition {
        let ttl = Some(Duration::from_secs(1));
        CheckDefinition { id: id.into(), name: id.into(), service_id: service.into(), ttl, ..CheckDefinition::default() }
    }

    /// `a h`: the check is held critical though it passes; `p`, `w`, `c`: it is what it finds.
    fn tell(state: &mut State, words: &str) -> Updated {
        let (id, what) = words.split_once(' ').unwrap();
        let (status, held) = match what {
            "h" => (HealthStatus::Critical, Some(HealthStatus::Passing)),
            "hc" => (HealthStatus::Critical, Some(HealthStatus::Critical)),
            "p" => (HealthStatus::Passing, None),
            "w" => (HealthStatus::Warning, None),
            _ => (HealthStatus::Critical, None),
        };
        let update = CheckUpdate { id: id.into(), status, output: "says".into(), held, ..CheckUpdate::default() };
        state.update_check(update, clock::now())
    }

    fn shown(state: &State) -> String {
        let mut shown = String::new();
        for (id, entry) in state.checks().iter().filter(|(id, _)| id.len() == 1) {
            shown.push_str(id);
            shown.push_str(entry.local.check.status.as_str().get(..1).unwrap());
        }
        shown
    }

    #[test]
    fn half_of_the_instances_stay() {
        for (instances, steps, expect) in [
            ("a", "a h", "aw"),
            ("ab", "a h", "acbp"),
            ("ab", "a h,b h", "acbw"),
            ("abc", "b h,a h,c h", "awbccw"),
            ("abcd", "a h,b h,c h,d h", "acbccwdw"),
            // What is critical for real is, and leaves less to take.
            ("ab", "b c,a h", "awbc"),
            ("ab", "a h,b c", "awbc"),
            ("ab", "a h,b c,b p", "acbp"),
            ("ab", "a h,b w", "acbw"),
            ("a", "a hc", "ac"),
            ("a", "a h,a hc,a h,a p", "ap"),
            ("ab", "a h,b h,a p", "apbc"),
            // Nothing more is lost where nothing is answered.
            ("ab", "node c,a h,b h", "acbc"),
            ("ab", "node c,a h,b h,node p", "acbw"),
        ] {
            let mut state = agent(instances);
            for step in steps.split(',') {
                tell(&mut state, step);
            }
            assert_eq!(shown(&state), expect, "{instances}: {steps}");
        }
    }

    #[test]
    fn who_hides_goes_on_while_others_come_and_go() {
        let mut state = agent("abc");
        tell(&mut state, "c h");
        tell(&mut state, "a h");
        assert_eq!(shown(&state), "awbpcc", "not a, which comes first in the alphabet");
        add(&mut state, "d");
        assert_eq!(shown(&state), "acbpccdp", "two of four");
        state.remove_service(&"d".into());
        assert_eq!(shown(&state).matches('w').count(), 1, "two of three again: {}", shown(&state));
        state.remove_service(&"b".into());
        assert_eq!(shown(&state).matches('c').count() - 1, 1, "one of two: {}", shown(&state));
        let push = state.take_push(100);
        assert!(!push.groups.is_empty(), "the catalog learns of it");
    }

    #[test]
    fn a_check_of_the_node_hides_nothing_that_is_answered() {
        let mut state = agent("ab");
        let status = |state: &State| state.checks()[&CheckId::from("node")].local.check.status;
        assert_eq!(tell(&mut state, "node h"), Updated::Status);
        assert_eq!(status(&state), HealthStatus::Warning);
        tell(&mut state, "a c");
        assert_eq!(status(&state), HealthStatus::Warning);
        tell(&mut state, "b c");
        assert_eq!(status(&state), HealthStatus::Critical, "nothing is left to hide");
        let mut alone = agent("");
        tell(&mut alone, "node h");
        assert_eq!(status(&alone), HealthStatus::Critical);
    }

    #[test]
    fn it_says_so_and_is_not_removed_for_it() {
        let mut state = agent("a");
        let definition = CheckDefinition { deregister_critical_service_after: Some(Duration::from_secs(1)), ..check("a", "a") };
        state.add_check(&definition, None, clock::now());
        tell(&mut state, "a h");
        let text = "Shown as warning: at least half of this agent's instances of web stay answered. says";
        assert_eq!(state.checks()[&CheckId::from("a")].local.check.output, text);
        assert_eq!(tell(&mut state, "a h"), Updated::Nothing);
        assert_eq!(state.next_deadline(), None);
        tell(&mut state, "a hc");
        assert!(state.next_deadline().is_some(), "what it finds is critical");
        tell(&mut state, "a h");
        assert_eq!(state.next_deadline(), None);
    }
}
