//! Links that go up and down harm those who have them, not the others; and afterwards all know all.

use lictor_sim::{Findings, Flaps, Scenario};
use std::time::Duration;

/// A quarter of the members has links that are down and up for so many milliseconds each.
fn flapping(times: (u64, u64), lifeguard: bool) -> Findings {
    let times = (Duration::from_millis(times.0), Duration::from_millis(times.1));
    let flaps = Flaps { members: crate::members() / 4, down: times, up: times };
    let mut scenario = Scenario { flaps: Some(flaps), newcomers: Some(0), ..Scenario::new(crate::seed(), crate::members()) };
    scenario.settings.lifeguard = lifeguard;
    scenario.run()
}

/// A probe times out after half a second.
#[test]
fn links_that_flap_as_fast_as_probes_time_out_condemn_nobody_else() {
    for times in [(100, 400), (250, 750)] {
        let found = flapping(times, true);
        assert_eq!(found.false_failures, 0, "{times:?}: {found:?}");
        assert!(found.settled.is_some(), "{times:?}: {found:?}");
    }
}

#[test]
fn lifeguard_makes_twenty_times_fewer_failures_under_links_that_are_down_for_seconds() {
    let (guarded, plain) = (flapping((1_000, 3_000), true), flapping((1_000, 3_000), false));
    assert!(plain.false_failures >= 200, "the scenario is too mild to tell: {plain:?}");
    assert!(guarded.false_failures * 20 <= plain.false_failures, "{guarded:?} beside {plain:?}");
    assert!(guarded.settled.is_some(), "{guarded:?}");
}
