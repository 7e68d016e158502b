//! Simulations of gossip pools, one invariant a file. `LICTOR_SIM_MEMBERS` sets the size of those that scale (100 if not given; build
//! with `--release` for 1000 and more), `LICTOR_SIM_SEED` the seed of all.

mod detection;
mod false_failures;
mod flaps;
mod join;
mod partition;
mod planted;
mod seed;
mod traffic;

use lictor_gossip::engine::EngineSettings;
use lictor_sim::{Conditions, Pool};
use std::time::Duration;

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// How many members the pools have.
fn members() -> usize {
    from_environment("LICTOR_SIM_MEMBERS", 100) as usize
}

/// The seed of a run, told so that a failure can be repeated.
#[allow(clippy::print_stdout, reason = "shown by the test harness when the test fails")]
fn seed() -> u64 {
    let seed = from_environment("LICTOR_SIM_SEED", 1);
    println!("LICTOR_SIM_SEED={seed}");
    seed
}

/// A pool whose members all know each other.
fn formed(members: usize, settings: EngineSettings, conditions: Conditions) -> Pool {
    let mut pool = Pool::new(seed(), members, settings, conditions);
    pool.join_all(Duration::from_secs(2));
    assert!(pool.run_while_not(Duration::from_secs(120), Pool::is_converged).is_some(), "the pool does not form");
    pool
}
