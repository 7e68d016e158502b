//! A run follows from its seed alone.

use lictor_sim::{Scenario, Stalls};
use std::time::Duration;

#[test]
fn the_same_seed_gives_the_same_run_and_another_a_different_one() {
    let ms = Duration::from_millis;
    let stalls = Stalls { members: 5, stalled: (ms(500), ms(4_000)), awake: (ms(10), ms(1_000)), service: ms(1) };
    let scenario = Scenario {
        loss: 0.05,
        kills: 2,
        stalls: Some(stalls),
        watched: Duration::from_secs(20),
        ..Scenario::new(crate::seed(), 40)
    };
    let trace = scenario.run().trace;
    assert_eq!(scenario.run().trace, trace);
    assert_ne!(Scenario { seed: scenario.seed + 1, ..scenario }.run().trace, trace);
}
