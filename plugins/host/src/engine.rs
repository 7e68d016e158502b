//! The one wasmtime engine, made at the first plugin's first use: an agent without plugins pays nothing.

use crate::compiled::{Compiled, Origin};
use crate::contract::Plugin;
use crate::limits::{MEMORY_BYTES_MAX, STACK_BYTES_MAX, TABLE_ELEMENTS_MAX};
use crate::state::RunState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Runs at once, of all plugins.
pub const RUNS_MAX: usize = 96;
/// Slots kept for loading beside the runs.
const LOADS_MAX: usize = 8;
/// How often a running guest can be interrupted: the bound on how late a deadline is.
pub(crate) const TICK: Duration = Duration::from_millis(4);
/// How long the ticker goes on after the last run, so that checks in quick succession do not wake it each time.
const IDLE_TICKS: u32 = 8;

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

    /// Keeps the clock ticking until the guard is dropped.
    pub(crate) fn ticking(&self) -> Ticking<'_> {
        self.ticker.begin()
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
        // Speed of compiling matters more than of the code: a check waits for the network.
        .cranelift_opt_level(OptLevel::Speed);
    config
}

/// A thread that raises the engine's epoch while guests run and sleeps otherwise.
struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stopped: AtomicBool,
}

/// Keeps the clock ticking.
pub(crate) struct Ticking<'a>(&'a Shared);

impl Ticker {
    fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let loop_shared = Arc::clone(&shared);
        let handle = std::thread::Builder::new().name("plugin-epoch".to_owned()).spawn(move || tick(&engine, &loop_shared))?;
        Ok(Self { shared, thread: handle.thread().clone(), handle: Some(handle) })
    }

    fn begin(&self) -> Ticking<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(&self.shared)
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    let mut idle = 0;
    while !shared.stopped.load(Ordering::SeqCst) {
        std::thread::park_timeout(TICK);
        if shared.running.load(Ordering::SeqCst) > 0 {
            engine.increment_epoch();
            idle = 0;
            continue;
        }
        idle += 1;
        if idle >= IDLE_TICKS {
            shared.asleep.store(true, Ordering::SeqCst);
            // A run that began before the store has not seen it: look again before sleeping.
            while shared.asleep.load(Ordering::SeqCst)
                && shared.running.load(Ordering::SeqCst) == 0
                && !shared.stopped.load(Ordering::SeqCst)
            {
                std::thread::park();
            }
            shared.asleep.store(false, Ordering::SeqCst);
            idle = 0;
        }
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
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
