//! Links that go up and down harm those who have them, not the others; and afterwards all know all.

use lictor_sim::{Findings, Flaps, Scenario};
use std::time::Duration;

/// Shortest and longest, milliseconds.
type Times = (u64, u64);

/// A quarter of the members has links that are down and up for such times.
fn flapping(down: Times, up: Times, lifeguard: bool) -> Findings {
    let [down, up] = [down, up].map(|(min, max)| (Duration::from_millis(min), Duration::from_millis(max)));
    let flaps = Flaps { members: crate::members() / 4, down, up };
    let mut scenario = Scenario { flaps: Some(flaps), newcomers: Some(0), ..Scenario::new(crate::seed(), crate::members()) };
    scenario.settings.lifeguard = lifeguard;
    scenario.run()
}

/// A probe times out after half a second.
#[test]
fn links_that_flap_as_fast_as_probes_time_out_condemn_nobody_else() {
    for times in [(100, 400), (250, 750)] {
        let found = flapping(times, times, true);
        assert_eq!(found.false_failures, 0, "{times:?}: {found:?}");
        assert!(found.settled.is_some(), "{times:?}: {found:?}");
    }
}

#[test]
fn lifeguard_makes_twenty_times_fewer_failures_under_links_that_are_down_for_seconds() {
    // Where a link is mostly down, all depends on that who hears nobody does not judge.
    for (down, up) in [((1_000, 3_000), (1_000, 3_000)), ((5_000, 15_000), (500, 1_500))] {
        let (guarded, plain) = (flapping(down, up, true), flapping(down, up, false));
        assert!(plain.false_failures >= 200, "the scenario is too mild to tell: {plain:?}");
        assert!(guarded.false_failures * 20 <= plain.false_failures, "{guarded:?} beside {plain:?}");
        assert!(guarded.settled.is_some(), "{guarded:?}");
    }
}
