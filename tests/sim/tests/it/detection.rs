//! Members that die are told failed by all others, in a time that follows from the settings; members that leave are told left.

use lictor_gossip::engine::EngineSettings;
use lictor_sim::{Conditions, News, Pool, Scenario};
use std::time::Duration;

#[test]
fn killed_members_are_told_failed_by_all() {
    let scenario = Scenario { kills: 4, watched: Duration::from_secs(10), ..Scenario::new(crate::seed(), crate::members()) };
    let found = scenario.run();
    // A suspicion lasts 4 s x log10(members) at least, and six times that if nobody confirms it; the probe that begins it takes a
    // second or two to come round.
    let shortest = Duration::from_secs_f64(4.0 * (crate::members() as f64).log10());
    assert!(found.first_told.0 >= shortest.mul_f64(0.95), "{found:?}");
    assert!(found.first_told.1 <= shortest * 3, "{found:?}");
    assert!(found.all_told.is_some_and(|time| time <= shortest * 4), "{found:?}");
    assert_eq!(found.false_failures, 0, "{found:?}");
}

#[test]
fn a_leave_is_never_taken_for_a_failure() {
    let members = crate::members();
    let mut pool = crate::formed(members, EngineSettings::lan(), Conditions { loss: 0.10, ..Conditions::default() });
    for index in 1..=3 {
        pool.with(index, |engine, now| engine.leave(now));
    }
    pool.run_for(Duration::from_secs(5));
    (1..=3).for_each(|index| pool.kill(index));
    assert!(pool.run_while_not(Duration::from_secs(60), Pool::is_converged).is_some());
    for index in 1..=3 {
        let told = |news: News| {
            let about =
                pool.heard().iter().filter(|heard| heard.about == index && heard.news == news && !(1..=3).contains(&heard.by));
            about.count()
        };
        assert_eq!((told(News::Left), told(News::Failed)), (members - 3, 0), "{index}: all but the three, the first too");
    }
}
