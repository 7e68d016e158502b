//! Snapshots of the servers' state on a schedule, kept in a folder of this agent.

use lictor_acl::AgentTokens;
use lictor_archive::Shelf;
use lictor_config::runtime::SnapshotSettings;
use lictor_net::{Shutdown, clock};
use lictor_rpc::{ChunkReader, Cluster};
use lictor_telemetry::{loops, metrics};
use lictor_types::{Consistency, QueryOptions, Token};
use std::sync::Arc;
use std::time::Duration;

/// After a failure it is tried again so soon, unless the next one is due before.
const RETRY_PAUSE: Duration = Duration::from_secs(30);
/// The servers have so long to find a leader before the first one is due.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Runs until the agent ends.
pub(crate) async fn keep(settings: SnapshotSettings, cluster: Arc<dyn Cluster>, tokens: AgentTokens, shutdown: Shutdown) {
    let status = loops::register("snapshots");
    let shelf = Shelf::new(settings.directory.clone(), settings.retain);
    let mut pause = first_pause(&shelf, settings.interval, clock::wall_unix_ms());
    loop {
        status.state("waiting");
        tokio::select! {
            () = clock::sleep(pause) => {}
            () = shutdown.requested() => return,
        }
        status.state("saving");
        let token = tokens.get().own().clone();
        let taken = tokio::select! {
            taken = take(&shelf, settings.stale, &token, &*cluster) => taken,
            () = shutdown.requested() => return,
        };
        pause = match taken {
            Ok(()) => settings.interval,
            Err(error) => {
                status.error(&error);
                metrics::count("lictor.snapshots.failed", 1);
                tracing::warn!(error, "the scheduled snapshot was not taken; it is tried again");
                settings.interval.min(RETRY_PAUSE)
            }
        };
    }
}

/// An agent that is often started anew takes no more of them than one that is not.
fn first_pause(shelf: &Shelf, interval: Duration, now_unix_ms: u64) -> Duration {
    match shelf.newest_unix_ms() {
        Some(newest) => interval.saturating_sub(Duration::from_millis(now_unix_ms.saturating_sub(newest))).max(FIRST_PAUSE),
        None => FIRST_PAUSE,
    }
}

async fn take(shelf: &Shelf, stale: bool, token: &Token, cluster: &dyn Cluster) -> Result<(), String> {
    let started = clock::now();
    let consistency = if stale { Consistency::Stale } else { Consistency::Default };
    let options = QueryOptions { consistency, token: token.clone(), ..QueryOptions::default() };
    let saved = cluster.save_snapshot(&options).await.map_err(|error| error.to_string())?;
    let (shelf, now_unix_ms) = (shelf.clone(), clock::wall_unix_ms());
    let mut archive = ChunkReader::new(saved.chunks);
    let put = tokio::task::spawn_blocking(move || shelf.put(&mut archive, now_unix_ms));
    let (path, bytes) = put.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let millis = started.elapsed().as_secs_f64() * 1e3;
    tracing::info!(file = %path.display(), index = saved.meta.index.0, bytes, millis, "a scheduled snapshot was taken");
    metrics::sample("lictor.snapshots.taken", millis);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_is_due_when_the_last_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().join("none"), 3);
        let hour = Duration::from_secs(3600);
        assert_eq!(first_pause(&shelf, hour, 10_000_000), FIRST_PAUSE);
        let shelf = Shelf::new(folder.path().to_owned(), 3);
        std::fs::write(folder.path().join(format!("lictor-{:020}.snap", 9_000_000)), "").unwrap();
        assert_eq!(first_pause(&shelf, hour, 9_600_000), Duration::from_secs(3000));
        assert_eq!(first_pause(&shelf, hour, 90_000_000), FIRST_PAUSE);
        // A clock that was set back.
        assert_eq!(first_pause(&shelf, hour, 1_000), hour);
    }
}
