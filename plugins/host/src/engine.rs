//! The one wasmtime engine, made at the first plugin's first use: an agent without plugins pays nothing.

use crate::compiled::{Compiled, Origin};
use crate::contract::Plugin;
use crate::limits::{MEMORY_BYTES_MAX, STACK_BYTES_MAX, TABLE_ELEMENTS_MAX};
use crate::state::RunState;
use lictor_net::clock::{self, Instant};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Runs at once, of all plugins.
pub const RUNS_MAX: usize = 96;
/// Slots kept for loading beside the runs.
const LOADS_MAX: usize = 8;
/// How often a guest that computes hands its thread back. Deadlines have a tick of their own.
pub(crate) const TICK: Duration = Duration::from_millis(4);

/// Engine, linker and ticker.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<RunState>,
    /// For scripts.
    pub(crate) wasi: wasmtime::Linker<RunState>,
    /// Compiled modules on disk; `None`: every start compiles anew.
    pub(crate) compiled: Option<Compiled>,
    ticker: Ticker,
}

impl Runtime {
    /// Starts the engine. Reserves address space, no memory.
    pub(crate) fn start(compiled: Option<Compiled>) -> Result<Self, String> {
        let mut config = config();
        config.cache(compiled.as_ref().map(Compiled::cache));
        let engine = Engine::new(&config).map_err(|error| format!("{error:#}"))?;
        let mut linker = Linker::new(&engine);
        let linked = wasmtime_wasi::p2::add_to_linker_async(&mut linker)
            .and_then(|()| Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state));
        linked.map_err(|error| format!("{error:#}"))?;
        let mut wasi = wasmtime::Linker::new(&engine);
        wasmtime_wasi::p1::add_to_linker_async(&mut wasi, RunState::script).map_err(|error| format!("{error:#}"))?;
        let ticker = Ticker::start(engine.clone()).map_err(|error| format!("no thread for the clock: {error}"))?;
        Ok(Self { engine, linker, wasi, compiled, ticker })
    }

    /// Loads bytes, from the disk if they were compiled before.
    pub(crate) fn compile<T, E>(&self, wasm: &[u8], load: impl FnOnce() -> Result<T, E>) -> Result<(T, Origin), E> {
        match &self.compiled {
            Some(compiled) => compiled.through(wasm, load),
            None => load().map(|loaded| (loaded, Origin::Compiler)),
        }
    }

    /// Keeps the clock ticking until the guard is dropped, and has it tick at the deadline.
    pub(crate) fn ticking(&self, deadline: Instant) -> Ticking<'_> {
        self.ticker.begin(deadline)
    }
}

fn config() -> Config {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let slots = RUNS_MAX + LOADS_MAX;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(slots))
        .total_core_instances(count(slots * 8))
        .max_core_instances_per_component(32)
        .total_memories(count(slots * 2))
        .max_memories_per_component(8)
        .max_memories_per_module(4)
        .total_tables(count(slots * 4))
        .max_tables_per_component(16)
        .max_tables_per_module(8)
        .table_elements(TABLE_ELEMENTS_MAX)
        .total_stacks(count(slots))
        .max_memory_size(MEMORY_BYTES_MAX)
        // What a small guest touches is kept and wiped by hand, which is cheaper than giving it back and faulting it in again.
        .linear_memory_keep_resident(128 << 10)
        .table_keep_resident(4 << 10)
        .async_stack_keep_resident(16 << 10)
        .max_unused_warm_slots(16);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .memory_reservation(MEMORY_BYTES_MAX as u64)
        .memory_guard_size(1 << 16)
        .memory_may_move(false)
        .wasm_component_model(true)
        .epoch_interruption(true)
        .consume_fuel(true)
        .max_wasm_stack(STACK_BYTES_MAX)
        .async_stack_size(STACK_BYTES_MAX + (512 << 10))
        // What only backtraces read, and nobody reads those: a seventh of what a plugin takes in memory and on the disk.
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(None)
        // Speed of compiling matters more than of the code: a check waits for the network.
        .cranelift_opt_level(OptLevel::Speed);
    config
}

/// A thread that raises the engine's epoch while guests compute and sleeps otherwise: a guest that waits for the network needs
/// no clock.
struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    computing: Mutex<Computing>,
    stopped: AtomicBool,
}

/// Who computes now.
#[derive(Default)]
struct Computing {
    /// The deadlines, each under a number of its own; never more than there are runs.
    deadlines: Vec<(u64, Instant)>,
    next: u64,
    asleep: bool,
}

/// Keeps the clock ticking.
pub(crate) struct Ticking<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Ticker {
    fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let loop_shared = Arc::clone(&shared);
        let handle = std::thread::Builder::new().name("plugin-epoch".to_owned()).spawn(move || tick(&engine, &loop_shared))?;
        Ok(Self { shared, thread: handle.thread().clone(), handle: Some(handle) })
    }

    fn begin(&self, deadline: Instant) -> Ticking<'_> {
        let mut computing = self.shared.computing.lock();
        let number = computing.next;
        computing.next += 1;
        computing.deadlines.push((number, deadline));
        if std::mem::take(&mut computing.asleep) {
            drop(computing);
            self.thread.unpark();
        }
        Ticking { shared: &self.shared, number }
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    while !shared.stopped.load(Ordering::SeqCst) {
        let nearest = {
            let mut computing = shared.computing.lock();
            let nearest = computing.deadlines.iter().map(|(_, deadline)| *deadline).min();
            computing.asleep = nearest.is_none();
            nearest
        };
        match nearest {
            // Whoever comes next finds it asleep and wakes it; a wake-up that is already there is not lost.
            None => std::thread::park(),
            Some(deadline) => {
                // A guest that is past its deadline is on its way out: that is no reason to tick without end.
                let left = deadline.saturating_duration_since(clock::now());
                std::thread::park_timeout(if left.is_zero() { TICK } else { left.min(TICK) });
                engine.increment_epoch();
            }
        }
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        let mut computing = self.shared.computing.lock();
        if let Some(at) = computing.deadlines.iter().position(|(number, _)| *number == self.number) {
            computing.deadlines.swap_remove(at);
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            // Only a panic of the loop above could make this fail, and it holds none.
            let _ = handle.join();
        }
    }
}
