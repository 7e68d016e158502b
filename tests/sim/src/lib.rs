//! Simulated clusters: pure engines on a simulated network, exactly reproducible from a seed.
//!
//! Owns: the discrete-event network (latency, loss, partitions, stalls) and what is measured on it.
//! Never: reads a clock (but to tell how long a run took), opens a socket, sleeps.
//! Entry points: [`Pool`] for one run, [`Scenario`] for the stock ones.

#![forbid(unsafe_code)]

mod pool;
mod scenario;

pub use pool::{Conditions, Heard, News, Pool};
pub use scenario::{Findings, Flaps, Scenario, Stalls};
