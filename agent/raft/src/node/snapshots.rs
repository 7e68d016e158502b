//! When a snapshot is taken, and how the log is shortened after it.

use crate::events::{SnapshotFailed, SnapshotTaken};
use crate::log::LogStore;
use crate::machine::Machine;
use crate::types::TypeConfig;
use lictor_net::{Shutdown, clock};
use openraft::Raft;
use std::io;
use std::time::Duration;

/// Pause after a snapshot that failed, and the shortest time between two.
const PAUSE: Duration = Duration::from_secs(5);

/// Takes a snapshot whenever enough has been written since the last: `threshold` commands, and as many bytes as half the last
/// snapshot had, so that a large state is not written over and over for small changes.
pub(super) async fn keep(raft: Raft<TypeConfig, Machine>, machine: Machine, log: LogStore, threshold: u64, shutdown: Shutdown) {
    let (mut commands, mut bytes, mut size) = (machine.commands(), log.bytes_appended(), 0);
    // Index of the snapshot before the last: the log is kept from there, in case the last cannot be read.
    let mut previous = None;
    loop {
        tokio::select! {
            () = machine.progressed() => {}
            () = shutdown.requested() => return,
        }
        if machine.commands() - commands < threshold || log.bytes_appended() - bytes < size / 2 {
            continue;
        }
        (commands, bytes) = (machine.commands(), log.bytes_appended());
        match take(&raft, &machine).await {
            Ok(Some((index, written))) => {
                size = written;
                if let Some(upto) = previous.replace(index)
                    && let Err(error) = raft.trigger().purge_log(upto).await
                {
                    SnapshotFailed { error: error.to_string() }.emit();
                }
            }
            Ok(None) => {}
            Err(error) => SnapshotFailed { error: error.to_string() }.emit(),
        }
        tokio::select! {
            () = clock::sleep(PAUSE) => {}
            () = shutdown.requested() => return,
        }
    }
}

/// Takes a snapshot now; answers its index and size.
pub(super) async fn take(raft: &Raft<TypeConfig, Machine>, machine: &Machine) -> Result<Option<(u64, u64)>, io::Error> {
    let started = clock::now();
    let of_thread = machine.clone();
    // The file is made before openraft is asked to take note of it: a full disk must not end the engine.
    let prepared = tokio::task::spawn_blocking(move || of_thread.prepare_snapshot()).await.map_err(io::Error::other)??;
    if let Some((index, bytes)) = prepared {
        raft.trigger().snapshot().await.map_err(|e| io::Error::other(e.to_string()))?;
        SnapshotTaken { index, bytes, millis: started.elapsed().as_secs_f64() * 1e3 }.emit();
    }
    Ok(prepared)
}
