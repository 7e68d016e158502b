//! Anti-entropy: the loop that brings the local state into the catalog.
//!
//! Three states. *Full*: compare everything with the catalog's rows of this node, once at the start, after a failure, and from
//! time to time; *partial*: push what changed, as soon as it changes (what changes while a push is under way goes into the
//! next); *stop*: nothing is pushed while a reload or a restore is under way. Nothing is written when nothing changed.

use crate::events::{Refused, SyncFailed, Synced};
use crate::handle::Inner;
use crate::state::{Group, Removal};
use lictor_net::clock::{self, Instant};
use lictor_net::{Backoff, Shutdown};
use lictor_rpc::{ClusterError, WriteOptions};
use lictor_telemetry::{Emit, loops, metrics};
use lictor_types::{Command, Outcome, Query, QueryOptions, Register, Reply};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;

/// Services and checks in one command.
const PUSH_MAX: usize = 512;
/// Removals under way at once; the server writes those that meet in one entry.
const REMOVALS_AT_ONCE: usize = 64;
/// Waits after failures.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(15);
/// A refused check without its service asks for a full sync, this often at most.
const ORPHAN_PAUSE: Duration = Duration::from_secs(10);
/// Up to this many members the interval is not stretched.
const SMALL_CLUSTER: usize = 128;

/// Time between full syncs: the more members, the longer.
fn scaled(interval: Duration, members: usize) -> Duration {
    if members <= SMALL_CLUSTER {
        return interval;
    }
    let factor = (members as f64).log2() - (SMALL_CLUSTER as f64).log2();
    interval * (factor.ceil() as u32 + 1)
}

/// Whether trying again may help; a token that is not there yet may come. What the catalog refuses waits for the next full sync.
fn is_passing(error: &ClusterError) -> bool {
    !matches!(
        error,
        ClusterError::PermissionDenied | ClusterError::Forbidden(_) | ClusterError::BadRequest(_) | ClusterError::Refused(_)
    )
}

pub(crate) async fn run(inner: Arc<Inner>, shutdown: Shutdown, seed: u64) {
    let listed = loops::register("local.sync");
    let mut chance = StdRng::seed_from_u64(seed);
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST, seed.wrapping_add(1));
    let mut next_full = clock::now();
    let mut last_full = next_full;
    loop {
        if inner.is_paused() {
            listed.state("stop");
            tokio::select! {
                () = shutdown.requested() => return,
                () = inner.wake.notified() => continue,
            }
        }
        let full = inner.compare_soon.swap(false, Ordering::AcqRel) || clock::now() >= next_full;
        listed.state(if full { "full" } else { "partial" });
        let work = async {
            if full {
                compare(&inner).await?;
            }
            push(&inner).await
        };
        let result = tokio::select! {
            () = shutdown.requested() => return,
            result = work => result,
        };
        match result {
            Ok(orphans) => {
                backoff.reset();
                if full {
                    last_full = clock::now();
                    let interval = scaled(inner.settings.sync_interval, (inner.settings.cluster_size)());
                    next_full = clock::now() + interval + interval.mul_f64(chance.random_range(0.0..1.0));
                }
                if orphans {
                    // Somebody took the service out of the catalog; a full sync puts it back.
                    next_full = next_full.min(last_full + ORPHAN_PAUSE);
                }
                listed.state("waiting");
                tokio::select! {
                    () = shutdown.requested() => return,
                    () = inner.wake.notified() => {}
                    () = clock::sleep_until(next_full) => {}
                }
            }
            Err(error) => {
                let wait = backoff.next_wait();
                listed.state("retry");
                listed.error(&error);
                SyncFailed { error: &error, wait, failures: backoff.failures() }.emit();
                next_full = pause_after_failure(&inner, &shutdown, wait).await;
                if shutdown.is_requested() {
                    return;
                }
            }
        }
    }
}

/// Waits; what changes meanwhile waits with it. Then everything is compared.
async fn pause_after_failure(_inner: &Inner, shutdown: &Shutdown, wait: Duration) -> Instant {
    tokio::select! {
        () = shutdown.requested() => {}
        () = clock::sleep(wait) => {}
    }
    clock::now()
}

/// Compares the local state with the catalog's rows.
async fn compare(inner: &Inner) -> Result<(), ClusterError> {
    metrics::count("consul.local.full_sync", 1);
    let (name, token) = {
        let state = inner.state.lock();
        (state.node_name().clone(), inner.token())
    };
    let options = QueryOptions { token, ..QueryOptions::default() };
    let services = inner.cluster.query(&Query::NodeServices(name.clone()), &options).await?;
    let checks = inner.cluster.query(&Query::NodeChecks(name), &options).await?;
    let wrong = || ClusterError::Internal("an answer of another kind than the query's".to_owned());
    let Reply::NodeServices(services) = &services.content.reply else { return Err(wrong()) };
    let Reply::Checks(checks) = &checks.content.reply else { return Err(wrong()) };
    let nothing = BTreeMap::new();
    let mut state = inner.state.lock();
    match services {
        Some(rows) => state.compare(Some(&rows.node), &rows.services, checks),
        None => state.compare(None, &nothing, checks),
    }
    Ok(())
}

/// Pushes until nothing waits. Answers whether a check was refused that came without its service.
async fn push(inner: &Arc<Inner>) -> Result<bool, ClusterError> {
    let mut orphans = false;
    while !inner.is_paused() {
        let mut taken = Taken { inner, removals: Vec::new(), groups: Vec::new() };
        {
            let mut state = inner.state.lock();
            if !state.has_changes() {
                break;
            }
            let push = state.take_push(PUSH_MAX);
            taken.removals = push.removals;
            taken.groups = push.groups;
        }
        orphans |= taken.send().await?;
    }
    Ok(orphans)
}

/// What was taken from the state and is not written yet. What is left when it is dropped (a failure, the end of the agent)
/// goes back.
struct Taken<'a> {
    inner: &'a Arc<Inner>,
    removals: Vec<Removal>,
    groups: Vec<Group>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.inner.state.lock();
        for removal in self.removals.drain(..) {
            state.removal_failed(removal);
        }
        for group in self.groups.drain(..) {
            state.group_failed(group);
        }
    }
}

impl Taken<'_> {
    async fn send(&mut self) -> Result<bool, ClusterError> {
        let mut orphans = false;
        let removed = self.removals.len();
        let registered: usize = self.groups.iter().map(|group| group.registers.len()).sum();
        let first_error = self.send_removals().await;
        while let Some(group) = self.groups.first() {
            orphans |= send_group(self.inner, group).await?;
            self.groups.remove(0);
        }
        if let Some(error) = first_error {
            return Err(error);
        }
        Synced { registered, removed }.emit();
        Ok(orphans)
    }

    /// Removals side by side; those that failed stay in the list. Answers the first failure.
    async fn send_removals(&mut self) -> Option<ClusterError> {
        let mut first_error = None;
        let mut failed = Vec::new();
        while !self.removals.is_empty() {
            let count = self.removals.len().min(REMOVALS_AT_ONCE);
            let mut under_way = JoinSet::new();
            for removal in &self.removals[..count] {
                let cluster = self.inner.cluster.clone();
                let removal = removal.clone();
                under_way.spawn(async move {
                    let options = WriteOptions { token: removal.token.clone(), ..WriteOptions::default() };
                    let result = cluster.apply(Command::Deregister(removal.deregister.clone()), &options).await;
                    (removal, result)
                });
            }
            while let Some(done) = under_way.join_next().await {
                let Ok((removal, result)) = done else { continue };
                match result {
                    Ok(_) => {}
                    Err(error) if is_passing(&error) => {
                        first_error.get_or_insert(error);
                        failed.push(removal);
                    }
                    Err(error) => {
                        let what = format!("{}{}", removal.deregister.service_id, removal.deregister.check_id);
                        Refused { what: &what, reason: &error.to_string() }.emit();
                    }
                }
            }
            self.removals.drain(..count);
        }
        self.removals = failed;
        first_error
    }
}

fn name_of(register: &Register) -> String {
    match (&register.service, register.checks.first()) {
        (Some(service), _) => format!("service {}", service.id),
        (None, Some(check)) => format!("check {}", check.check_id),
        (None, None) => format!("node {}", register.node.node),
    }
}

/// Answers whether a check was refused that came without its service.
async fn send_group(inner: &Inner, group: &Group) -> Result<bool, ClusterError> {
    let options = WriteOptions { token: group.token.clone(), ..WriteOptions::default() };
    let is_orphan = |register: &Register| register.service.is_none() && register.checks.iter().any(|c| !c.service_id.is_empty());
    let mut orphans = false;
    match inner.cluster.apply(Command::RegisterBatch(group.registers.clone()), &options).await {
        Ok(Outcome::Batch(outcomes)) => {
            for (register, outcome) in group.registers.iter().zip(&outcomes) {
                if let Outcome::Refused(reason) = outcome {
                    orphans |= is_orphan(register);
                    Refused { what: &name_of(register), reason }.emit();
                }
            }
        }
        Ok(_) => {}
        Err(error) if is_passing(&error) => return Err(error),
        Err(error) => {
            orphans = group.registers.iter().any(is_orphan);
            let what = group.registers.first().map(name_of).unwrap_or_default();
            Refused { what: &what, reason: &error.to_string() }.emit();
        }
    }
    Ok(orphans)
}

#[cfg(test)]
mod tests;
