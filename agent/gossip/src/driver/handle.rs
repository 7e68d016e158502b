//! What the rest of the agent holds to talk to a pool.

use super::Shared;
use super::address::Place;
use super::error::{AddressError, GossipError, JoinFailed, RetryError};
use super::frame::Subject;
use super::pump::Command;
use super::rejoin::{self, RetryJoin};
use super::streams;
use crate::engine::{EngineStats, Event, FireError};
use crate::events::{JoinDone, JoinTried};
use crate::keyring::rotation::KeyAnswer;
use crate::keyring::{KeyOperation, KeyReport};
use bytes::Bytes;
use futures_util::StreamExt;
use lictor_net::clock;
use lictor_types::coordinate::Coordinate;
use lictor_types::{Member, MemberStatus, NodeName};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Addresses that are joined at the same time.
const JOINED_AT_ONCE: usize = 8;
/// Members that are told of a keyring operation at the same time.
const KEYED_AT_ONCE: usize = 16;
/// How long one member may take for a keyring operation.
const KEY_PATIENCE: Duration = Duration::from_secs(10);

/// A pool's state in numbers.
#[derive(Clone, Debug, Default)]
pub struct GossipStats {
    /// Members known, this one among them.
    pub members: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that left.
    pub left: usize,
    /// Lifeguard's local health; 0 is healthy.
    pub health_score: u32,
    /// Whether there is a keyring.
    pub encrypted: bool,
    /// What the engine counted since the start.
    pub engine: EngineStats,
}

/// One thing heard from an [`EventStream`].
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// News.
    Event(Event),
    /// The reader was too slow: so many of the oldest are lost.
    Missed(u64),
}

/// News of a pool, from the moment it was asked for.
#[derive(Debug)]
pub struct EventStream(broadcast::Receiver<Event>);

impl EventStream {
    /// The next; `None`: the pool has ended.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(event) => Some(Heard::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

/// A pool that runs. Cheap to clone.
#[derive(Clone)]
pub struct GossipHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) members: watch::Receiver<Vec<Member>>,
    pub(super) events: broadcast::WeakSender<Event>,
    pub(super) shared: Arc<Shared>,
}

/// What came of a join.
pub(super) struct Contacts {
    /// Members that answered.
    pub(super) others: usize,
    /// Own addresses among those that answered: a list that is the same on all members names this one too.
    pub(super) own: usize,
    /// Why the rest did not.
    pub(super) failures: Vec<String>,
}

impl GossipHandle {
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, GossipError> {
        let (reply, replied) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| GossipError::Ended)?;
        replied.await.map_err(|_| GossipError::Ended)
    }

    /// Where it listens.
    pub fn local_address(&self) -> SocketAddr {
        self.shared.local
    }

    /// All members: this one among them; failed and left ones until they are forgotten.
    pub fn members(&self) -> watch::Receiver<Vec<Member>> {
        self.members.clone()
    }

    /// News from now on. A reader that is too slow loses the oldest and is told how many; nobody waits for it.
    pub fn events(&self) -> EventStream {
        let receiver = match self.events.upgrade() {
            Some(sender) => sender.subscribe(),
            // The pool has ended: neither will anything come here.
            None => broadcast::channel(1).1,
        };
        EventStream(receiver)
    }

    /// Joins the pool through these (`host`, `host:port`, `[v6]:port`): how many members were contacted. An error only if none was.
    pub async fn join(&self, addresses: &[String]) -> Result<usize, JoinFailed> {
        let Contacts { others, own, failures } = self.contact_all(addresses).await;
        if others + own == 0 { Err(JoinFailed { reasons: failures }) } else { Ok(others + own) }
    }

    /// Joins through all of these.
    pub(super) async fn contact_all(&self, addresses: &[String]) -> Contacts {
        JoinTried { pool: self.shared.pool, addresses }.emit();
        let mut failures = Vec::new();
        let mut places: Vec<SocketAddr> = Vec::new();
        let mut lookups = futures_util::stream::iter(addresses.to_vec()).map(|text| self.look_up(text)).buffered(JOINED_AT_ONCE);
        while let Some(found) = lookups.next().await {
            match found {
                Ok(found) => {
                    for address in found {
                        if !places.contains(&address) {
                            places.push(address);
                        }
                    }
                }
                Err(error) => failures.push(error.to_string()),
            }
        }
        let outcomes: Vec<_> =
            futures_util::stream::iter(places.clone()).map(|to| self.contact(to)).buffered(JOINED_AT_ONCE).collect().await;
        let (mut others, mut own) = (0, 0);
        for (place, outcome) in places.into_iter().zip(outcomes) {
            match outcome {
                Ok(_) if place == self.shared.own.address || place == self.shared.local => own += 1,
                Ok(_) => others += 1,
                Err(reason) => failures.push(reason),
            }
        }
        JoinDone { pool: self.shared.pool, contacted: others + own, failures: &failures }.emit();
        Contacts { others, own, failures }
    }

    async fn look_up(&self, text: String) -> Result<Vec<SocketAddr>, AddressError> {
        Place::parse(&text, self.shared.default_port)?.look_up(self.shared.interference.as_deref()).await
    }

    /// Joins through one member.
    pub(super) async fn contact(&self, to: SocketAddr) -> Result<usize, String> {
        match self.ask(|reply| Command::Join { to, reply }).await {
            Ok(Ok(members)) => Ok(members),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Joins again and again until somebody was contacted: how many. An error when the attempts are used up (the agent should
    /// end then) or the pool ends.
    pub async fn retry_join(&self, how: RetryJoin) -> Result<usize, RetryError> {
        rejoin::retry(self, how).await
    }

    /// Leaves on purpose, and gives the news the time to spread. The pool runs on until it is shut down.
    pub async fn leave(&self) -> Result<(), GossipError> {
        let others = self.ask(|reply| Command::Leave { reply }).await?;
        if others {
            tokio::select! {
                () = clock::sleep(self.shared.leave_propagate_delay) => {}
                () = self.shared.shutdown.requested() => {}
            }
        }
        Ok(())
    }

    /// Turns a failed or suspected member into one that left, or (`prune`) forgets it; one believed to be alive, when it fails within the
    /// time that finding it may take. `false`: there is no such member.
    pub async fn force_leave(&self, name: &str, prune: bool) -> Result<bool, GossipError> {
        self.ask(|reply| Command::ForceLeave { name: name.to_owned(), prune, reply }).await
    }

    /// Replaces this member's tags.
    pub async fn set_tags(&self, tags: BTreeMap<String, String>) -> Result<(), GossipError> {
        self.ask(|reply| Command::SetTags { tags, reply }).await
    }

    /// Fires a user event: its Lamport time.
    pub async fn fire(&self, name: &str, payload: Bytes) -> Result<Result<u64, FireError>, GossipError> {
        self.ask(|reply| Command::Fire { name: name.to_owned(), payload, reply }).await
    }

    /// This member's network coordinate.
    pub async fn coordinate(&self) -> Result<Coordinate, GossipError> {
        Ok(self.ask(|reply| Command::Coordinate { name: None, reply }).await?.unwrap_or_default())
    }

    /// The coordinate last heard of a member.
    pub async fn coordinate_of(&self, name: &str) -> Result<Option<Coordinate>, GossipError> {
        self.ask(|reply| Command::Coordinate { name: Some(name.to_owned()), reply }).await
    }

    /// The coordinates last heard of all members, this one among them.
    pub async fn coordinates(&self) -> Result<Vec<(NodeName, Coordinate)>, GossipError> {
        self.ask(|reply| Command::Coordinates { reply }).await
    }

    /// Lifeguard's local health; 0 is healthy.
    pub async fn health_score(&self) -> Result<u32, GossipError> {
        Ok(self.stats().await?.health_score)
    }

    /// The pool in numbers.
    pub async fn stats(&self) -> Result<GossipStats, GossipError> {
        self.ask(|reply| Command::Stats { reply }).await
    }

    /// Waits until the pool has ended: with the agent, or by a fault.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }

    /// Whether there is a keyring.
    pub fn is_encrypted(&self) -> bool {
        self.shared.envelopes.keys.current().is_some()
    }

    /// Carries out a keyring operation on every member that is alive, and sums their answers. Nothing is changed anywhere when
    /// that would cut a member off: when a key shall be used that one of them does not hold, or removed while one of them
    /// encrypts with it.
    pub async fn keyring(&self, operation: KeyOperation) -> KeyReport {
        if matches!(operation, KeyOperation::Use(_) | KeyOperation::Remove(_)) {
            let mut endangered = KeyReport::default();
            for (node, answer) in self.ask_all(&KeyOperation::List).await {
                // One that does not answer says nothing against it: it may be about to fail.
                let refusal = answer.ok().and_then(|answer| operation.refusal(&answer));
                endangered.add(&node, Ok(refusal.map_or_else(KeyAnswer::default, KeyAnswer::from)));
            }
            if endangered.errors > 0 {
                return endangered;
            }
        }
        let mut report = KeyReport::default();
        for (node, answer) in self.ask_all(&operation).await {
            report.add(&node, answer);
        }
        report
    }

    async fn ask_all(&self, operation: &KeyOperation) -> Vec<(String, Result<KeyAnswer, String>)> {
        let members = self.members.borrow().clone();
        let alive = members.into_iter().filter(|member| member.status == MemberStatus::Alive);
        let bytes = operation.to_bytes();
        futures_util::stream::iter(alive)
            .map(|member| {
                let bytes = &bytes;
                async move {
                    let answer = if member.name == self.shared.own.name {
                        streams::change_keys(&self.shared, operation.clone()).await.map_err(|error| error.to_string())
                    } else {
                        self.ask_one(&member, bytes).await
                    };
                    (member.name.to_string(), answer)
                }
            })
            .buffer_unordered(KEYED_AT_ONCE)
            .collect()
            .await
    }

    async fn ask_one(&self, member: &Member, bytes: &[u8]) -> Result<KeyAnswer, String> {
        let ip = member.addr.parse().map_err(|_| format!("it has no address that could be asked: {:?}", member.addr))?;
        let to = SocketAddr::new(ip, member.port);
        let answer = streams::exchange(&self.shared, to, Subject::Keyring, bytes, KEY_PATIENCE).await;
        let answer = answer.map_err(|error| error.to_string())?;
        serde_json::from_slice(&answer).map_err(|error| format!("its answer cannot be read: {error}"))
    }
}

impl fmt::Debug for GossipHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GossipHandle").field("pool", &self.shared.pool).field("local", &self.shared.local).finish_non_exhaustive()
    }
}
