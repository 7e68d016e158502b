//! When a snapshot is taken, and how the log is shortened after it.

use crate::events::{SnapshotFailed, SnapshotTaken};
use crate::log::LogStore;
use crate::machine::Machine;
use crate::types::TypeConfig;
use lictor_net::{Shutdown, clock};
use openraft::Raft;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Shortest time between two snapshots, also after one that failed.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_IN_MEMORY: Duration = Duration::from_millis(100);
/// A log grown by so much is shortened however few commands that were.
const LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;
const LOG_BYTES_MAX_IN_MEMORY: u64 = 4 * 1024 * 1024;

/// Entries kept in memory for members that are behind.
const KEPT_FOR_OTHERS: u64 = 1024;

/// Takes snapshots, one at a time, and shortens the log behind them.
#[derive(Clone)]
pub(super) struct Snapshots {
    raft: Raft<TypeConfig, Machine>,
    machine: Machine,
    /// Index of the last snapshot: at the next one the log is purged up to here, so that it still reaches back to the older of the
    /// two that are kept.
    last: Arc<Mutex<Option<u64>>>,
    /// In memory a snapshot is a pointer and cannot be damaged: it is taken often, and the log kept short.
    in_memory: bool,
}

impl Snapshots {
    /// `last`: index of the snapshot that was loaded at the start.
    pub(super) fn new(raft: Raft<TypeConfig, Machine>, machine: Machine, last: Option<u64>, in_memory: bool) -> Self {
        Self { raft, machine, last: Arc::new(Mutex::new(last)), in_memory }
    }

    /// Takes a snapshot whenever enough has been written since the last: `threshold` commands or a lot of bytes, and as many bytes as half the
    /// last snapshot had, so that a large state is not written over and over for small changes.
    pub(super) async fn keep(self, log: LogStore, threshold: u64, shutdown: Shutdown) {
        let (mut commands, mut bytes, mut size) = (self.machine.commands(), log.bytes_appended(), 0);
        let (log_bytes_max, pause) =
            if self.in_memory { (LOG_BYTES_MAX_IN_MEMORY, PAUSE_IN_MEMORY) } else { (LOG_BYTES_MAX, PAUSE) };
        loop {
            tokio::select! {
                () = self.machine.progressed() => {}
                () = shutdown.requested() => return,
            }
            let grown = log.bytes_appended() - bytes;
            let due = self.machine.commands() - commands >= threshold || grown >= log_bytes_max;
            if !due || grown < size / 2 {
                continue;
            }
            (commands, bytes) = (self.machine.commands(), log.bytes_appended());
            let alone = self.raft.voter_ids().take(2).count() < 2;
            match self.take(alone).await {
                Ok(Some(written)) => size = written,
                Ok(None) => {}
                Err(error) => SnapshotFailed { error: error.to_string() }.emit(),
            }
            tokio::select! {
                () = clock::sleep(pause) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Takes a snapshot now; answers its size, or `None` when there is nothing new. `alone`: no other member needs the log.
    pub(super) async fn take(&self, alone: bool) -> Result<Option<u64>, io::Error> {
        let mut last = self.last.lock().await;
        let started = clock::now();
        let of_thread = self.machine.clone();
        // The file is made before openraft is asked to take note of it: a full disk must not end the engine.
        let prepared = tokio::task::spawn_blocking(move || of_thread.prepare_snapshot()).await.map_err(io::Error::other)??;
        let Some((index, bytes)) = prepared else { return Ok(None) };
        self.raft.trigger().snapshot().await.map_err(|e| io::Error::other(e.to_string()))?;
        SnapshotTaken { index, bytes, millis: started.elapsed().as_secs_f64() * 1e3 }.emit();
        let before = last.replace(index);
        let upto = match (self.in_memory, alone) {
            (true, true) => Some(index),
            // A member that is a little behind shall not need a whole snapshot.
            (true, false) => index.checked_sub(KEPT_FOR_OTHERS),
            (false, _) => before,
        };
        if let Some(upto) = upto {
            self.raft.trigger().purge_log(upto).await.map_err(|e| io::Error::other(e.to_string()))?;
        }
        Ok(Some(bytes))
    }
}
