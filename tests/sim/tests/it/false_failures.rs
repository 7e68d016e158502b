//! Members that are up are not told failed: not under loss, and with Lifeguard hardly under stalls of others.

use lictor_sim::{Scenario, Stalls};
use std::time::Duration;

#[test]
fn loss_alone_makes_no_failures() {
    for loss in [0.0, 0.01, 0.10, 0.25] {
        let found = Scenario { loss, watched: Duration::from_secs(40), ..Scenario::new(crate::seed(), crate::members()) }.run();
        assert_eq!(found.false_failures, 0, "at {loss} loss: {found:?}");
    }
}

/// Members that stall long and wake for moments, a quarter of the pool. Without pings over TCP, so that what remains is Lifeguard's part;
/// and with them, where a member that stood still must not judge by what it could not hear.
#[test]
fn lifeguard_makes_fifty_times_fewer_failures_under_stalls() {
    let ms = Duration::from_millis;
    for (stalled, awake, service, tcp_fallback) in
        [((ms(4_000), ms(16_000)), (ms(1), ms(500)), ms(2), false), ((ms(1_000), ms(8_000)), (ms(1), ms(256)), ms(5), true)]
    {
        let stalls = Stalls { members: 25, stalled, awake, service };
        let mut scenario =
            Scenario { stalls: Some(stalls), watched: Duration::from_secs(60), ..Scenario::new(crate::seed(), 100) };
        scenario.settings.tcp_fallback = tcp_fallback;
        let guarded = scenario.run().false_failures;
        scenario.settings.lifeguard = false;
        let plain = scenario.run().false_failures;
        assert!(plain >= 200, "the scenario is too mild to tell: {plain} false failures without Lifeguard");
        assert!(guarded * 50 <= plain, "stalls of {stalled:?}: {guarded} false failures with Lifeguard, {plain} without");
    }
}
