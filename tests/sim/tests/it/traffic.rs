//! What a member sends does not grow with the pool; and no datagram passes its size.

use lictor_gossip::engine::{ENCRYPTION_ROOM, EngineSettings};
use lictor_sim::{Conditions, Scenario};
use std::time::Duration;

#[test]
fn a_quiet_pool_sends_the_same_per_member_at_any_size() {
    let quiet = |members| Scenario { watched: Duration::from_secs(30), ..Scenario::new(crate::seed(), members) }.run();
    let (small, large) = (quiet(crate::members() / 4), quiet(crate::members()));
    assert!(large.packets <= small.packets * 1.1 && large.packets < 4.0, "{} and {} a second", small.packets, large.packets);
    assert!(large.packet_largest <= 1400 - ENCRYPTION_ROOM, "{}", large.packet_largest);
}

#[test]
fn a_user_event_reaches_all_once() {
    let members = crate::members();
    let mut pool = crate::formed(members, EngineSettings::lan(), Conditions { loss: 0.05, ..Conditions::default() });
    pool.with(3, |engine, now| engine.fire(now, "deploy", bytes::Bytes::from_static(b"v2"))).unwrap();
    let all = |pool: &lictor_sim::Pool| (0..members).all(|index| pool.told(index, "deploy") > 0);
    assert!(pool.run_while_not(Duration::from_secs(60), all).is_some());
    pool.run_for(Duration::from_secs(60));
    for index in 0..members {
        assert_eq!(pool.told(index, "deploy"), 1, "by {index}");
    }
}
