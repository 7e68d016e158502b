//! The world of guests that speak WASI: scripts, and components of language toolchains. It is made of grants like everything
//! else. Without `clock` the wall clock stands at the epoch; without `random` chance is the same in every run, for runtimes
//! that will not start without any; nothing is inherited, and there are no sockets.

use crate::grant::{Grants, Kind};
use lictor_net::clock::{self, Instant};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::time::Duration;
use wasmtime_wasi::{FsPerms, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder};

/// The most random bytes one call gives.
const RANDOM_BYTES_MAX: u64 = 65_536;

/// What the grants open, without arguments and streams.
pub(crate) fn world(grants: &Grants, seed: [u8; 32], started: Instant) -> WasiCtxBuilder {
    let mut world = WasiCtx::builder();
    // A run without the grant has zeros for a seed.
    let (first, second) = (StdRng::from_seed(seed), StdRng::from_seed(seed.map(|byte| !byte)));
    world
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .secure_random(first)
        .insecure_random(second)
        .insecure_random_seed(u128::from_le_bytes(std::array::from_fn(|at| seed[at])))
        .max_random_size(RANDOM_BYTES_MAX)
        .wall_clock(Wall { is_granted: grants.any(Kind::Clock) })
        .monotonic_clock(SinceStart(started));
    for name in grants.variables() {
        if let Ok(value) = std::env::var(name) {
            world.env(name, value);
        }
    }
    for path in grants.directories() {
        // A file is not a directory, and a missing one opens nothing: the guest finds it missing too.
        if let Some(guest) = path.to_str() {
            let _ = world.preopened_dir(path, guest, FsPerms::ReadOnly);
        }
    }
    world
}

struct Wall {
    is_granted: bool,
}

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        if self.is_granted { clock::wall() } else { Duration::ZERO }
    }
}

/// Time since the run began: enough to wait and to measure a wait, and nothing about the world outside. In steps of a
/// millisecond, too coarse to time the machine's caches.
struct SinceStart(Instant);

impl HostMonotonicClock for SinceStart {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        // Go's runtime takes a clock that says zero for a broken one.
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1).saturating_mul(1_000_000)
    }
}
