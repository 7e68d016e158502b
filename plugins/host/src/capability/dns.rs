//! Lookups by the system's resolver.

use crate::contract::{dns, types::Failure};
use crate::grant::normal_name;
use crate::state::{RunState, lookup};

impl dns::Host for RunState {
    async fn lookup(&mut self, name: String, timeout_ms: u32) -> wasmtime::Result<Result<Vec<String>, Failure>> {
        let name = normal_name(&name);
        if !self.grants.lookup(&name) {
            return Ok(Err(self.deny(&format!("dns:{name}"))));
        }
        self.count_connection()?;
        let until = self.until(timeout_ms);
        Ok(lookup(&name, until).await.map(|found| found.iter().map(ToString::to_string).collect()))
    }
}
