//! The long loops of the agent, with what each does now: listed for the operator.

use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

/// State of one loop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoopStatus {
    /// Name, for example `local.sync`.
    pub name: String,
    /// What it does now, in a word or two; empty: nothing was told.
    pub state: String,
    /// The last thing that went wrong; empty: nothing yet.
    pub last_error: String,
    /// How often something went wrong.
    pub errors: u64,
}

type Shared = Arc<Mutex<LoopStatus>>;

static NEXT: AtomicU64 = AtomicU64::new(0);
static LOOPS: LazyLock<Mutex<BTreeMap<u64, Shared>>> = LazyLock::new(Mutex::default);

/// What a loop holds to tell of itself. Dropping it takes the loop off the list.
#[derive(Debug)]
pub struct LoopHandle {
    number: u64,
    status: Shared,
}

/// Puts a loop on the list.
pub fn register(name: impl Into<String>) -> LoopHandle {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let status: Shared = Arc::new(Mutex::new(LoopStatus { name: name.into(), ..LoopStatus::default() }));
    LOOPS.lock().insert(number, status.clone());
    LoopHandle { number, status }
}

impl LoopHandle {
    /// Tells what the loop does now.
    pub fn state(&self, state: &str) {
        let mut status = self.status.lock();
        if status.state != state {
            status.state = state.to_owned();
        }
    }

    /// Tells what went wrong.
    pub fn error(&self, error: impl std::fmt::Display) {
        let mut status = self.status.lock();
        status.last_error = error.to_string();
        status.errors += 1;
    }
}

impl Drop for LoopHandle {
    fn drop(&mut self) {
        LOOPS.lock().remove(&self.number);
    }
}

/// All loops that run, in the order they began.
pub fn list() -> Vec<LoopStatus> {
    LOOPS.lock().values().map(|status| status.lock().clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_listed_while_it_runs() {
        let handle = register("test.loop");
        handle.state("waiting");
        handle.error("no leader");
        let mine = |list: Vec<LoopStatus>| list.into_iter().find(|status| status.name == "test.loop");
        let status = mine(list()).unwrap();
        assert_eq!((status.state.as_str(), status.last_error.as_str(), status.errors), ("waiting", "no leader", 1));
        drop(handle);
        assert_eq!(mine(list()), None);
    }
}
