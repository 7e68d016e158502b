//! What a member sends does not grow with the pool; and no datagram passes its size.

use lictor_gossip::engine::{ENCRYPTION_ROOM, EngineSettings};
use lictor_sim::{Conditions, Scenario};
use std::time::Duration;

#[test]
fn a_quiet_pool_sends_the_same_per_member_at_any_size() {
    let watched = Duration::from_secs(30);
    let quiet = |members| Scenario { newcomers: Some(0), watched, ..Scenario::new(crate::seed(), members) }.run();
    let (small, large) = (quiet(crate::members() / 4), quiet(crate::members()));
    assert!(
        (large.packets - small.packets).abs() < 0.1 && large.packets < 2.5,
        "{} and {} a second",
        small.packets,
        large.packets
    );
    assert!((large.bytes - small.bytes).abs() < 10.0, "{} and {} bytes a second", small.bytes, large.bytes);
}

#[test]
fn datagrams_of_a_pool_that_forms_keep_within_their_size() {
    let found = Scenario { watched: Duration::from_secs(5), ..Scenario::new(crate::seed(), crate::members()) }.run();
    assert!(found.packet_largest > 1000 && found.packet_largest <= 1400 - ENCRYPTION_ROOM, "{}", found.packet_largest);
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
