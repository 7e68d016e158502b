//! A pool that was parted becomes one again; a member that hears but is not heard, or speaks but does not hear, is found out.

use lictor_gossip::engine::EngineSettings;
use lictor_sim::{Conditions, Pool};
use std::time::Duration;

#[test]
fn a_healed_partition_leaves_one_pool() {
    let members = crate::members();
    let mut pool = crate::formed(members, EngineSettings::lan(), Conditions::default());
    let (small, large) = (0..members / 4, members / 4..members);
    pool.cut(small.clone(), large.clone());
    pool.cut(large.clone(), small.clone());
    // The small side takes longer: most of what its members ask fails, so that they doubt themselves.
    let is_parted = |pool: &Pool| pool.engine(0).alive() == small.len() && pool.engine(members - 1).alive() == large.len();
    assert!(pool.run_while_not(Duration::from_secs(400), is_parted).is_some(), "each side writes off the other");
    pool.heal();
    let took = pool.run_while_not(Duration::from_secs(240), Pool::is_converged);
    assert!(took.is_some(), "the sides do not find each other");
}

#[test]
fn a_member_that_is_not_heard_fails_and_comes_back() {
    let members = crate::members();
    let mut pool = crate::formed(members, EngineSettings::lan(), Conditions::default());
    pool.cut([7], (0..members).filter(|index| *index != 7));
    let gone = pool.run_while_not(Duration::from_secs(90), |pool| pool.engine(0).alive() == members - 1);
    assert!(gone.is_some(), "a member that nobody hears still counts as there");
    pool.heal();
    assert!(pool.run_while_not(Duration::from_secs(240), Pool::is_converged).is_some());
}
