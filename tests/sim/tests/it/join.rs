//! All members that join come to know all.

use lictor_gossip::engine::EngineSettings;
use lictor_sim::{Conditions, News, Pool};
use std::time::Duration;

#[test]
fn all_know_all_with_and_without_loss() {
    for loss in [0.0, 0.10] {
        let conditions = Conditions { loss, ..Conditions::default() };
        let mut pool = Pool::new(crate::seed(), crate::members(), EngineSettings::lan(), conditions);
        pool.join_all(Duration::from_secs(2));
        let took = pool.run_while_not(Duration::from_secs(120), Pool::is_converged);
        assert!(took.is_some(), "at {loss} loss some members do not know all after two minutes");
        for index in 1..crate::members() {
            assert!(matches!(pool.contacted(index), Some(Ok(_))), "{:?}", pool.contacted(index));
        }
    }
}

#[test]
fn one_that_joins_later_is_known_to_all_within_seconds_and_each_is_told_once() {
    let members = crate::members();
    let mut pool = crate::formed(members, EngineSettings::lan(), Conditions::default());
    let own = pool.own(members);
    let late = pool.add(own);
    pool.join(late, members / 2);
    let took = pool.run_while_not(Duration::from_secs(30), Pool::is_converged);
    assert!(took.is_some_and(|took| took < Duration::from_secs(20)), "{took:?}");
    for by in 0..members {
        let told =
            pool.heard().iter().filter(|heard| heard.by == by && heard.about == late && heard.news == News::Joined).count();
        assert_eq!(told, 1, "by {by}");
    }
    assert_eq!(pool.engine(late).stats().core_errors, 0);
}
