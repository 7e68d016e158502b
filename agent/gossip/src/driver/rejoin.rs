//! Finding the pool: again and again until it works, and after a restart by the members of the last run.

use super::Shared;
use super::error::{JoinFailed, RetryError};
use super::handle::{Contacts, GossipHandle};
use super::peers::{Peer, Peers, PeersFile};
use crate::events::{JoinRetried, PeersNotKept, PeersUnreadable, Rejoined};
use futures_util::StreamExt;
use lictor_net::{Backoff, clock};
use lictor_types::MemberStatus;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Members of the last run that are asked at the same time.
const ASKED_AT_ONCE: usize = 4;
/// Longest pause between two rounds of asking them.
const REJOIN_PAUSE_MAX: Duration = Duration::from_secs(30);
/// The part of the interval by which an attempt comes earlier or later, so that a datacenter that starts anew does not ask in step.
const JITTER: f64 = 0.1;
/// Pause after the first attempt to join.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Bounds of the interval: an interval of nothing would be a busy loop.
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// How to join until it works.
#[derive(Clone, Debug)]
pub struct RetryJoin {
    /// `host`, `host:port`, `[v6]:port`. Looked up anew at each attempt.
    pub addresses: Vec<String>,
    /// Time between attempts.
    pub interval: Duration,
    /// Most attempts; 0: no limit.
    pub attempts_max: u32,
    /// Seed of the jitter.
    pub seed: u64,
}

/// How long to wait after so many attempts. At first not the whole interval: agents that start together find each other soon. When the
/// attempts are counted they keep to it, as their number then says for how long one tries.
fn pause(how: &RetryJoin, attempts: u32) -> Duration {
    if how.attempts_max > 0 {
        return how.interval;
    }
    let doubled = PAUSE_FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    doubled.min(how.interval)
}

/// Whether somebody else is in the pool.
fn knows_others(handle: &GossipHandle) -> bool {
    let own = &handle.shared.own.name;
    handle.members().borrow().iter().any(|member| member.status == MemberStatus::Alive && member.name != *own)
}

/// Runs until somebody was contacted: how many. See [`GossipHandle::retry_join`].
pub(crate) async fn retry(handle: &GossipHandle, how: RetryJoin) -> Result<usize, RetryError> {
    let mut chance = StdRng::seed_from_u64(how.seed);
    let mut attempts: u32 = 0;
    loop {
        let joining = handle.contact_all(&how.addresses);
        let Contacts { others, own, failures } = tokio::select! {
            contacts = joining => contacts,
            () = handle.shared.shutdown.requested() => return Err(RetryError::Ended),
        };
        attempts = attempts.saturating_add(1);
        // Who reached nobody but itself has joined nothing, unless there is nobody else to reach, or others came by themselves.
        let exhausted = how.attempts_max > 0 && attempts >= how.attempts_max;
        if others > 0 || (own > 0 && (failures.is_empty() || exhausted || knows_others(handle))) {
            return Ok(others + own);
        }
        let error = JoinFailed { reasons: failures };
        if exhausted {
            return Err(RetryError::Exhausted { attempts, last: error });
        }
        let wait = pause(&how, attempts).clamp(WAIT_MIN, WAIT_MAX).mul_f64(chance.random_range(1.0 - JITTER..=1.0 + JITTER));
        JoinRetried { pool: handle.shared.pool, attempt: attempts, wait, error: &error }.emit();
        tokio::select! {
            () = clock::sleep(wait) => {}
            () = handle.shared.shutdown.requested() => return Err(RetryError::Ended),
        }
    }
}

/// The members to come back to; none when the agent had left and shall stay away. A damaged file is told and passed over.
pub(crate) async fn read(file: &PeersFile, rejoin_after_leave: bool) -> Vec<Peer> {
    let reading = file.clone();
    let kept = tokio::task::spawn_blocking(move || reading.read()).await.unwrap_or(Ok(None));
    match kept {
        Ok(Some(kept)) if !kept.left || rejoin_after_leave => kept.peers,
        Ok(_) => Vec::new(),
        Err(reason) => {
            PeersUnreadable { path: file.path(), reason: &reason }.emit();
            Vec::new()
        }
    }
}

/// Asks the members of the last run, until one of them answers. Again and again: one that came back under another address is let in only
/// when the old one was found dead.
pub(crate) async fn rejoin(handle: GossipHandle, mut peers: Vec<Peer>, seed: u64) {
    // Not all that come back at once shall ask the same one.
    peers.shuffle(&mut StdRng::seed_from_u64(seed));
    peers.retain(|peer| peer.address != handle.shared.own.address);
    let mut backoff = Backoff::new(PAUSE_FIRST, REJOIN_PAUSE_MAX, seed);
    tokio::select! {
        () = handle.shared.shutdown.requested() => {}
        () = async {
            let mut told = false;
            while !peers.is_empty() && !knows_others(&handle) {
                let by = first_to_answer(&handle, &peers).await;
                let answered = by.is_some();
                if answered || !told {
                    told = true;
                    Rejoined { pool: handle.shared.pool, by: by.as_deref() }.emit();
                }
                if answered {
                    return;
                }
                clock::sleep(backoff.next_wait()).await;
            }
        } => {}
    }
}

/// Name of the first of these that lets this member in.
async fn first_to_answer(handle: &GossipHandle, peers: &[Peer]) -> Option<String> {
    let asking = futures_util::stream::iter(peers.to_vec())
        .map(|peer| async move { handle.contact(peer.address).await.is_ok().then_some(peer.name) })
        .buffer_unordered(ASKED_AT_ONCE)
        .filter_map(std::future::ready);
    pin!(asking).next().await
}

/// Writes the members to the file when they changed, but not more often than each `interval`; a leave, and what is told last, at
/// once.
pub(crate) async fn keep(file: PeersFile, mut kept: watch::Receiver<Option<Peers>>, interval: Duration, shared: Arc<Shared>) {
    // The pump holds the sender, and ends with the agent: then what it told last is written before this ends.
    while kept.changed().await.is_ok() {
        let Some(peers) = kept.borrow_and_update().clone() else { continue };
        let writing = file.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || writing.write(&peers)).await {
            PeersNotKept { path: file.path(), error: &error, hushed: shared.hush.peers.ask() }.emit();
        }
        // By an eye of its own: what it sees is still to be written.
        let mut leave = kept.clone();
        tokio::select! {
            () = clock::sleep(interval) => {}
            () = shared.shutdown.requested() => {}
            _ = leave.wait_for(|peers| peers.as_ref().is_some_and(|peers| peers.left)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::settings::StreamLimits;
    use crate::driver::streams;
    use std::net::SocketAddr;

    #[test]
    fn pauses_grow_to_the_interval_unless_attempts_are_counted() {
        let how = |attempts_max| RetryJoin { addresses: Vec::new(), interval: Duration::from_secs(30), attempts_max, seed: 1 };
        let seconds = |attempts_max, attempts| pause(&how(attempts_max), attempts).as_secs();
        assert_eq!([1, 2, 3, 5, 6, 1000].map(|attempts| seconds(0, attempts)), [1, 2, 4, 16, 30, 30]);
        assert_eq!(seconds(3, 1), 30);
        let quick = RetryJoin { interval: Duration::from_millis(200), ..how(0) };
        assert_eq!(pause(&quick, 1), Duration::from_millis(200));
    }

    fn peers(name: &str, left: bool) -> Peers {
        let text = format!(r#"{{"Version":1,"Left":{left},"Peers":[{{"Name":"{name}","Address":"127.0.0.1:1"}}]}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_file_is_written_now_and_then_and_a_leave_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = PeersFile(folder.path().join("local.peers"));
        let shared = streams::tests::shared(None, StreamLimits::default());
        let told = watch::Sender::new(None);
        let hour = Duration::from_secs(3600);
        let keeping = tokio::spawn(keep(file.clone(), told.subscribe(), hour, Arc::clone(&shared)));
        // Time is paused: it moves on only when everything else waits for it.
        let minute = || clock::sleep(Duration::from_secs(60));
        let kept = || file.read().unwrap().unwrap();

        told.send_replace(Some(peers("a", false)));
        minute().await;
        assert_eq!(kept(), peers("a", false));
        told.send_replace(Some(peers("b", false)));
        told.send_replace(Some(peers("c", false)));
        minute().await;
        assert_eq!(kept(), peers("a", false), "not twice within the interval");
        clock::sleep(hour).await;
        assert_eq!(kept(), peers("c", false));
        told.send_replace(Some(peers("d", true)));
        minute().await;
        assert_eq!(kept(), peers("d", true), "a leave does not wait");
        clock::sleep(hour * 2).await;
        told.send_replace(Some(peers("e", false)));
        minute().await;
        told.send_replace(Some(peers("f", false)));
        shared.shutdown.request();
        drop(told);
        keeping.await.unwrap();
        assert_eq!(kept(), peers("f", false), "what was told last is written before the end");
    }

    #[tokio::test]
    async fn who_left_stays_away_unless_it_shall_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = PeersFile(folder.path().join("local.peers"));
        assert!(read(&file, true).await.is_empty(), "there is no file");
        file.write(&peers("a", false)).unwrap();
        assert_eq!(read(&file, false).await.len(), 1);
        file.write(&peers("a", true)).unwrap();
        assert!(read(&file, false).await.is_empty());
        let there: SocketAddr = "127.0.0.1:1".parse().unwrap();
        assert_eq!(read(&file, true).await[0].address, there);
        std::fs::write(file.path(), "{").unwrap();
        assert!(read(&file, true).await.is_empty(), "a damaged file is passed over");
    }
}
