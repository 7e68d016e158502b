//! Flap damping: a check that changes its state too often is held at its worst recent state until it has been quiet. Pure.

use lictor_net::clock::Instant;
use lictor_types::HealthStatus;
use lictor_types::definition::FlapDamping;
use std::collections::VecDeque;

/// Changes remembered, whatever the definition says.
const CHANGES_MAX: usize = 1024;

/// Watches the states of one check (after its thresholds).
#[derive(Clone, Debug)]
pub struct Damping {
    settings: FlapDamping,
    /// State before any damping.
    raw: Option<HealthStatus>,
    /// Times of the changes within the window, with the state each change left.
    changes: VecDeque<(Instant, HealthStatus)>,
    /// Worst state since the check is held; `None` when it is not.
    held: Option<HealthStatus>,
}

impl Damping {
    /// Nothing seen yet.
    pub fn new(settings: FlapDamping) -> Self {
        Self { settings, raw: None, changes: VecDeque::new(), held: None }
    }

    /// Takes the state found now; the state to show.
    pub fn observe(&mut self, now: Instant, status: HealthStatus) -> HealthStatus {
        if let Some(before) = self.raw
            && before != status
        {
            self.changes.push_back((now, before));
            if self.changes.len() > CHANGES_MAX {
                self.changes.pop_front();
            }
        }
        self.raw = Some(status);
        self.settle(now).unwrap_or(status)
    }

    /// What to show when time has passed without a new result; `None` before the first result.
    pub fn settle(&mut self, now: Instant) -> Option<HealthStatus> {
        let raw = self.raw?;
        while self.changes.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= self.settings.window) {
            self.changes.pop_front();
        }
        if self.changes.is_empty() {
            self.held = None;
        } else if let Some(worst) = self.held {
            self.held = Some(worst.max(raw));
        } else if self.changes.len() > self.settings.max_changes as usize {
            self.held = Some(self.changes.iter().map(|(_, left)| *left).fold(raw, HealthStatus::max));
        }
        Some(self.held.unwrap_or(raw))
    }

    /// Whether the check is held now.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// When a held check is let go, if it stays quiet until then.
    pub fn quiet_at(&self) -> Option<Instant> {
        self.held?;
        self.changes.back().map(|(at, _)| *at + self.settings.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Each item: second, state found (`.` for none: only time passes), state shown, held.
    fn check(window_s: u64, max_changes: u32, steps: &[(u64, char, char, bool)]) {
        let start = lictor_net::clock::now();
        let mut damping = Damping::new(FlapDamping { window: Duration::from_secs(window_s), max_changes });
        let status = |letter| match letter {
            'p' => HealthStatus::Passing,
            'w' => HealthStatus::Warning,
            _ => HealthStatus::Critical,
        };
        for (index, (second, found, shown, held)) in steps.iter().enumerate() {
            let now = start + Duration::from_secs(*second);
            let got = if *found == '.' { damping.settle(now).unwrap() } else { damping.observe(now, status(*found)) };
            assert_eq!((got, damping.is_held()), (status(*shown), *held), "step {index}");
        }
    }

    #[test]
    fn few_changes_are_taken_as_they_come() {
        check(
            10,
            2,
            &[(0, 'c', 'c', false), (1, 'p', 'p', false), (2, 'c', 'c', false), (12, 'p', 'p', false), (13, 'c', 'c', false)],
        );
    }

    #[test]
    fn a_flapping_check_is_held_at_its_worst_until_quiet() {
        check(
            10,
            2,
            &[
                (0, 'p', 'p', false),
                (1, 'w', 'w', false),
                (2, 'p', 'p', false),
                (3, 'w', 'w', true),
                (4, 'c', 'c', true),
                (5, 'p', 'c', true),
                (14, 'p', 'c', true),
                (15, 'p', 'p', false),
                (16, 'c', 'c', false),
            ],
        );
    }

    #[test]
    fn the_worst_includes_states_left_before_it_was_held() {
        check(
            10,
            1,
            &[(0, 'c', 'c', false), (1, 'p', 'p', false), (2, 'w', 'c', true), (11, '.', 'c', true), (12, '.', 'w', false)],
        );
    }

    #[test]
    fn none_allowed_holds_at_the_first_change() {
        check(5, 0, &[(0, 'c', 'c', false), (1, 'p', 'c', true), (6, 'p', 'p', false)]);
    }

    #[test]
    fn the_time_of_release_is_known() {
        let start = lictor_net::clock::now();
        let mut damping = Damping::new(FlapDamping { window: Duration::from_secs(5), max_changes: 0 });
        damping.observe(start, HealthStatus::Critical);
        assert_eq!(damping.quiet_at(), None);
        damping.observe(start + Duration::from_secs(1), HealthStatus::Passing);
        assert_eq!(damping.quiet_at(), Some(start + Duration::from_secs(6)));
    }
}
