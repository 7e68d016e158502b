//! Clock, chance and environment.

use crate::contract::{clock, env, random, types::Failure};
use crate::grant::Kind;
use crate::state::RunState;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The longest answer of `random.bytes`.
const RANDOM_BYTES_MAX: u32 = 65_536;

fn ungranted(state: &mut RunState, kind: Kind) -> wasmtime::Error {
    state.deny(kind.as_str());
    wasmtime::Error::msg(format!("not granted: add {:?} to the check's allow", kind.as_str()))
}

impl clock::Host for RunState {
    async fn wall_ms(&mut self) -> wasmtime::Result<u64> {
        if !self.grants.any(Kind::Clock) {
            return Err(ungranted(self, Kind::Clock));
        }
        Ok(lictor_net::clock::wall_unix_ms())
    }

    async fn elapsed_us(&mut self) -> wasmtime::Result<u64> {
        if !self.grants.any(Kind::Clock) {
            return Err(ungranted(self, Kind::Clock));
        }
        Ok(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

impl random::Host for RunState {
    async fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        if !self.grants.any(Kind::Random) {
            return Err(ungranted(self, Kind::Random));
        }
        let mut bytes = vec![0; count.min(RANDOM_BYTES_MAX) as usize];
        let seed = self.seed;
        self.rng.get_or_insert_with(|| Box::new(StdRng::from_seed(seed))).fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

impl env::Host for RunState {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<Option<String>, Failure>> {
        if !self.grants.variable(&name) {
            return Ok(Err(self.deny(&format!("env:{name}"))));
        }
        Ok(match std::env::var(&name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(Failure::Other(format!("{name} is not UTF-8"))),
        })
    }
}
