//! Gathers proposals that wait together into one entry, so that one flush carries them all.
//!
//! One entry is under way at a time: who comes alone is proposed at once, who comes meanwhile shares the next entry. There is no timer.

use crate::addresses::Addresses;
use crate::events::Committed;
use crate::forward;
use crate::machine::Machine;
use crate::node::Leadership;
use crate::types::{Proposal, TypeConfig};
use lictor_net::{Shutdown, clock};
use lictor_rpc::ClusterError;
use lictor_types::{Command, Outcome, RestoreStep, TxnOp};
use openraft::Raft;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Proposals that may wait; more wait at the door.
pub(crate) const QUEUE_MAX: usize = 4096;
/// Commands in one entry at most.
const COMMANDS_MAX: usize = 512;
/// Bytes of values in one entry at most (it may be passed by one command).
const BYTES_MAX: usize = 1024 * 1024;
/// How long an entry may take until its proposers are told that it is not known whether it will take place.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command, and who waits for its outcome.
pub(crate) struct Waiting {
    pub(crate) command: Command,
    pub(crate) answer: oneshot::Sender<Result<Outcome, ClusterError>>,
}

/// The loop.
pub(crate) struct Batcher {
    pub(crate) raft: Raft<TypeConfig, Machine>,
    pub(crate) own_id: u64,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) queue: mpsc::Receiver<Waiting>,
    pub(crate) read_only: watch::Receiver<Option<Arc<str>>>,
    pub(crate) shutdown: Shutdown,
}

fn weight(command: &Command) -> usize {
    match command {
        Command::Kv { entry, .. } => entry.value.len() + entry.key.len(),
        Command::RegisterBatch(registrations) => registrations.len() * 512,
        Command::Batch(commands) => commands.iter().map(weight).sum(),
        Command::Txn { ops, .. } => ops.iter().map(weight_of_op).sum(),
        Command::Restore { step: RestoreStep::Rows { rows, .. } | RestoreStep::Packed { rows, .. }, .. } => rows.len(),
        _ => 512,
    }
}

fn weight_of_op(op: &TxnOp) -> usize {
    match op {
        TxnOp::Kv { entry, .. } => entry.value.len() + entry.key.len(),
        _ => 512,
    }
}

impl Batcher {
    /// Runs until the node ends.
    pub(crate) async fn run(mut self) {
        loop {
            let first = tokio::select! {
                first = self.queue.recv() => first,
                () = self.shutdown.requested() => None,
            };
            let Some(first) = first else { break };
            let mut bytes = weight(&first.command);
            let mut commands = vec![first.command];
            let mut answers = vec![first.answer];
            while commands.len() < COMMANDS_MAX && bytes < BYTES_MAX {
                let Ok(next) = self.queue.try_recv() else { break };
                bytes += weight(&next.command);
                commands.push(next.command);
                answers.push(next.answer);
            }
            self.propose(commands, answers).await;
        }
        self.queue.close();
        while let Ok(waiting) = self.queue.try_recv() {
            tell(waiting.answer, Err(ClusterError::ShuttingDown));
        }
    }

    async fn propose(&mut self, mut commands: Vec<Command>, answers: Vec<oneshot::Sender<Result<Outcome, ClusterError>>>) {
        if let Some(reason) = self.read_only.borrow_and_update().clone() {
            return tell_all(answers, &ClusterError::ReadOnly(reason.to_string()));
        }
        let started = clock::now();
        let total = commands.len();
        let proposal = match commands.pop() {
            Some(only) if commands.is_empty() => only,
            Some(last) => {
                commands.push(last);
                Command::Batch(commands)
            }
            None => return,
        };
        let written = tokio::select! {
            written = self.raft.client_write(Proposal(Arc::new(proposal))) => written,
            reason = failed(&mut self.read_only) => {
                let told = format!("{reason}; this write may still take place when the disk recovers");
                return tell_all(answers, &ClusterError::ReadOnly(told));
            }
            () = lost(&mut self.leadership) => return tell_all(answers, &ClusterError::LeadershipLost),
            () = clock::sleep(PATIENCE) => return tell_all(answers, &ClusterError::TimedOut(PATIENCE)),
            () = self.shutdown.requested() => return tell_all(answers, &ClusterError::ShuttingDown),
        };
        match written {
            Ok(response) => {
                Committed { commands: total as u64, millis: started.elapsed().as_secs_f64() * 1e3 }.emit();
                match (response.data.outcome, total) {
                    (Outcome::Batch(outcomes), total) if total > 1 => {
                        for (answer, outcome) in answers.into_iter().zip(outcomes) {
                            tell(answer, Ok(outcome));
                        }
                    }
                    (outcome, _) => {
                        for answer in answers {
                            tell(answer, Ok(outcome.clone()));
                        }
                    }
                }
            }
            Err(error) => tell_all(answers, &forward::of_write(error, self.own_id, &self.addresses)),
        }
    }
}

/// Waits until the disk refuses, and answers why.
async fn failed(read_only: &mut watch::Receiver<Option<Arc<str>>>) -> Arc<str> {
    let reason = read_only.wait_for(Option::is_some).await.ok().map(|reason| reason.clone().unwrap_or_default());
    match reason {
        Some(reason) => reason,
        // The log is gone, so the node is ending; the other branches tell.
        None => std::future::pending().await,
    }
}

/// Waits until this node led and leads no more: what is under way then is decided by others.
async fn lost(leadership: &mut watch::Receiver<Leadership>) {
    let led = leadership.wait_for(|now| now.is_ready_leader).await.is_ok();
    if !led || leadership.wait_for(|now| !now.is_ready_leader).await.is_err() {
        std::future::pending().await
    }
}

fn tell(answer: oneshot::Sender<Result<Outcome, ClusterError>>, outcome: Result<Outcome, ClusterError>) {
    // A proposer that went away does not want to know.
    drop(answer.send(outcome));
}

fn tell_all(answers: Vec<oneshot::Sender<Result<Outcome, ClusterError>>>, error: &ClusterError) {
    for answer in answers {
        tell(answer, Err(error.clone()));
    }
}
