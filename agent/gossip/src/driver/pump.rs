//! The task that owns the engine, its timers and the UDP socket. It waits for all of them at once and for none of them alone.

use super::Shared;
use super::envelope::Purpose;
use super::frame::Subject;
use super::handle::GossipStats;
use super::peers::Peers;
use super::streams::{self, StreamError};
use crate::engine::{Engine, EngineStats, Event, FireError, JoinError, Output, RequestError, Unanswered};
use crate::events::{Counted, Health, News, NotSent, PacketReceived, PacketSent, TookDue};
use bytes::Bytes;
use lictor_net::UdpSocket;
use lictor_net::clock::{self, Instant};
use lictor_telemetry::loops::{self, LoopHandle};
use lictor_types::coordinate::Coordinate;
use lictor_types::{Member, MemberStatus, NodeName};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Datagrams and commands taken at one wake-up, before the timers are looked at again.
const BATCH: usize = 64;
/// Longest datagram there is.
const PACKET_BYTES_MAX: usize = 65_535;
/// How long a full send buffer may hold everything up; then the datagram is dropped.
const SEND_PATIENCE: Duration = Duration::from_millis(20);
/// Shortest time between two publications of the members: a thousand that join at once are not a thousand lists.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(50);
/// A publication that takes long, in a large pool, is followed by a pause so many times as long.
const PUBLISH_PAUSE: u32 = 20;

/// How often what the engine counted goes into the metrics.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// What others ask of the pump.
pub(crate) enum Command {
    /// A request that came over a stream.
    Request {
        from: SocketAddr,
        bytes: Vec<u8>,
        reply: oneshot::Sender<Result<Bytes, RequestError>>,
    },
    Join {
        to: SocketAddr,
        reply: oneshot::Sender<Result<usize, JoinError>>,
    },
    /// The answer tells whether there is anybody to tell it to.
    Leave {
        reply: oneshot::Sender<bool>,
    },
    ForceLeave {
        name: String,
        prune: bool,
        reply: oneshot::Sender<bool>,
    },
    SetTags {
        tags: BTreeMap<String, String>,
        reply: oneshot::Sender<()>,
    },
    Fire {
        name: String,
        payload: Bytes,
        reply: oneshot::Sender<Result<u64, FireError>>,
    },
    /// Of another member, or without a name of this one.
    Coordinate {
        name: Option<String>,
        reply: oneshot::Sender<Option<Coordinate>>,
    },
    /// Of all members.
    Coordinates {
        reply: oneshot::Sender<Vec<(NodeName, Coordinate)>>,
    },
    Stats {
        reply: oneshot::Sender<GossipStats>,
    },
}

/// An answer to a stream of the engine's.
pub(crate) type Replied = (u64, Result<Vec<u8>, StreamError>);

/// Both ends of what connects the pump with the rest.
pub(crate) struct Channels {
    pub(crate) asked: mpsc::Receiver<Command>,
    /// Given to each stream that is opened.
    pub(crate) replies: mpsc::Sender<Replied>,
    pub(crate) replied: mpsc::Receiver<Replied>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) members: watch::Sender<Vec<Member>>,
    /// What the next start should know.
    pub(crate) kept: watch::Sender<Option<Peers>>,
}

pub(crate) struct Pump {
    engine: Engine,
    udp: UdpSocket,
    shared: Arc<Shared>,
    origin: Instant,
    channels: Channels,
    status: LoopHandle,
    /// Who waits for the outcome of a join, by ticket.
    joins: HashMap<u64, oneshot::Sender<Result<usize, JoinError>>>,
    sealed: Vec<u8>,
    /// The members changed since they were published.
    changed: bool,
    /// Not before this are they published again.
    publish_from: Instant,
    left: bool,
    health: Option<u32>,
    counted: EngineStats,
    counted_at: Duration,
}

enum Woken {
    Ended,
    Readable,
    Asked(Command),
    Replied(Replied),
    Due,
}

impl Pump {
    pub(crate) fn new(engine: Engine, udp: UdpSocket, shared: Arc<Shared>, origin: Instant, channels: Channels) -> Self {
        let status = loops::register(format!("gossip.{}", shared.pool));
        Self {
            engine,
            udp,
            shared,
            origin,
            channels,
            status,
            joins: HashMap::new(),
            sealed: Vec::new(),
            changed: true,
            publish_from: origin,
            left: false,
            health: None,
            counted: EngineStats::default(),
            counted_at: Duration::ZERO,
        }
    }

    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.origin)
    }

    /// Runs until the agent ends.
    pub(crate) async fn run(mut self) {
        self.status.state("running");
        let mut packet = vec![0; PACKET_BYTES_MAX];
        loop {
            self.carry_out_due();
            self.hand_out().await;
            self.publish();
            match self.wait().await {
                Woken::Ended => break,
                Woken::Readable => self.receive(&mut packet),
                Woken::Asked(command) => {
                    self.obey(command);
                    for _ in 1..BATCH {
                        let Ok(command) = self.channels.asked.try_recv() else { break };
                        self.obey(command);
                    }
                }
                Woken::Replied((ticket, reply)) => self.take_reply(ticket, reply),
                Woken::Due => {}
            }
        }
        // The writer of the file still comes.
        self.changed = true;
        self.publish_from = self.origin;
        self.publish();
    }

    async fn wait(&mut self) -> Woken {
        let due = self.engine.next_due().and_then(|due| self.origin.checked_add(due));
        let publish = self.changed.then_some(self.publish_from);
        let due = due.into_iter().chain(publish).min();
        let sleep = async {
            match due {
                Some(due) => clock::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.shared.shutdown.requested() => Woken::Ended,
            readable = self.udp.readable() => match readable {
                Ok(()) => Woken::Readable,
                Err(_) => Woken::Ended,
            },
            // The handles and the acceptor hold senders as long as anything can be asked.
            Some(command) = self.channels.asked.recv() => Woken::Asked(command),
            Some(replied) = self.channels.replied.recv() => Woken::Replied(replied),
            () = sleep => Woken::Due,
        }
    }

    fn carry_out_due(&mut self) {
        let now = self.now();
        if self.engine.next_due().is_some_and(|due| due <= now) {
            self.engine.handle_due(now);
            TookDue { took: self.now().saturating_sub(now) }.emit();
            let score = self.engine.health_score();
            if self.health != Some(score) {
                self.health = Some(score);
                Health { score }.emit();
            }
            if now.saturating_sub(self.counted_at) >= COUNT_INTERVAL {
                self.counted_at = now;
                let (before, now) = (&self.counted, self.engine.stats());
                Counted { pool: self.shared.pool, before, now, hush: &|worry| self.shared.hush.worry(worry) }.emit();
                self.counted.clone_from(now);
            }
        }
    }

    fn receive(&mut self, packet: &mut [u8]) {
        for _ in 0..BATCH {
            let now = self.now();
            match self.udp.try_recv_from(packet) {
                Ok((length, from)) => {
                    PacketReceived { bytes: length }.emit();
                    let from = streams::canonical(from);
                    let bytes = packet.get_mut(..length).unwrap_or_default();
                    match self.shared.envelopes.open(Purpose::Packet, bytes) {
                        Ok(content) => self.engine.handle_packet(now, from, content),
                        Err(error) => streams::dropped(&self.shared, from, "packet", error),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // Of an earlier datagram (unreachable, refused): the next may be there already.
                    self.status.error(error);
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Request { from, bytes, reply } => {
                let _ = reply.send(self.engine.handle_request(now, from, &bytes));
            }
            Command::Join { to, reply } => {
                let ticket = self.engine.join(now, to);
                self.joins.insert(ticket, reply);
            }
            Command::Leave { reply } => {
                // Before it leaves: afterwards it may know nobody to come back to.
                self.left = true;
                self.keep();
                self.engine.leave(now);
                self.changed = true;
                let others = self.others_alive();
                let _ = reply.send(others > 0);
            }
            Command::ForceLeave { name, prune, reply } => {
                let known = self.engine.force_leave(now, &name, prune);
                self.changed = true;
                let _ = reply.send(known);
            }
            Command::SetTags { tags, reply } => {
                self.engine.set_tags(now, tags);
                self.changed = true;
                let _ = reply.send(());
            }
            Command::Fire { name, payload, reply } => {
                let _ = reply.send(self.engine.fire(now, &name, payload));
            }
            Command::Coordinate { name, reply } => {
                let coordinate = match name {
                    Some(name) => self.engine.coordinate_of(&name),
                    None => Some(self.engine.coordinate()),
                };
                let _ = reply.send(coordinate);
            }
            Command::Coordinates { reply } => {
                let _ = reply.send(self.engine.coordinates());
            }
            Command::Stats { reply } => {
                let members = self.engine.members();
                let of = |status| members.iter().filter(|member| member.status == status).count();
                let _ = reply.send(GossipStats {
                    members: members.len(),
                    failed: of(MemberStatus::Failed),
                    left: of(MemberStatus::Left),
                    health_score: self.engine.health_score(),
                    encrypted: self.shared.envelopes.keys.current().is_some(),
                    engine: self.engine.stats().clone(),
                });
            }
        }
    }

    fn others_alive(&self) -> usize {
        let own = &self.shared.own.name;
        self.engine.members().iter().filter(|member| member.status == MemberStatus::Alive && member.name != *own).count()
    }

    fn take_reply(&mut self, ticket: u64, reply: Result<Vec<u8>, StreamError>) {
        let now = self.now();
        match reply {
            Ok(bytes) => self.engine.handle_reply(now, ticket, Ok(&bytes)),
            Err(error) => {
                let refused = matches!(&error, StreamError::Connect(cause) if cause.kind() == io::ErrorKind::ConnectionRefused);
                self.engine.handle_reply(now, ticket, Err(Unanswered { reason: error.to_string(), refused }));
            }
        }
    }

    /// Does what the engine wants done.
    async fn hand_out(&mut self) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Packet { to, bytes } => self.send(to, &bytes).await,
                Output::Stream { to, ticket, bytes, timeout } => self.open(to, ticket, bytes, timeout),
                Output::Event(event) => self.tell(event),
            }
        }
    }

    async fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        let shared = &self.shared;
        if shared.interference.as_ref().is_some_and(|faults| !faults.passes(to)) {
            return;
        }
        self.sealed.clear();
        let sent = match shared.envelopes.seal_into(&mut self.sealed, Purpose::Packet, bytes, false) {
            Ok(()) => match self.udp.try_send_to(&self.sealed, to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let waiting = clock::timeout(SEND_PATIENCE, self.udp.send_to(&self.sealed, to)).await;
                    waiting.unwrap_or(Err(error)).map_err(|error| error.to_string())
                }
                sent => sent.map_err(|error| error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        };
        match sent {
            Ok(bytes) => PacketSent { bytes }.emit(),
            Err(error) => NotSent { pool: shared.pool, to, error, hushed: shared.hush.sent.ask() }.emit(),
        }
    }

    fn open(&mut self, to: SocketAddr, ticket: u64, bytes: Bytes, timeout: Duration) {
        let Ok(permit) = Arc::clone(&self.shared.opened).try_acquire_owned() else {
            return self.take_reply(ticket, Err(StreamError::TooMany));
        };
        let (shared, replies) = (Arc::clone(&self.shared), self.channels.replies.clone());
        self.shared.shutdown.spawn(async move {
            let reply = streams::exchange(&shared, to, Subject::Engine, &bytes, timeout).await;
            drop(permit);
            // The pump takes them as long as it runs.
            let _ = replies.send((ticket, reply)).await;
        });
    }

    fn tell(&mut self, event: Event) {
        News { pool: self.shared.pool, event: &event }.emit();
        match event {
            Event::Contacted { ticket, outcome } => {
                if let Some(waiting) = self.joins.remove(&ticket) {
                    let _ = waiting.send(outcome);
                }
                return;
            }
            Event::Joined(_) | Event::Updated(_) | Event::Left(_) | Event::Failed(_) | Event::Reaped(_) => self.changed = true,
            Event::User { .. } | Event::Conflict(_) => {}
        }
        // Nobody listens: nobody misses it.
        let _ = self.channels.events.send(event);
    }

    fn publish(&mut self) {
        let begun = clock::now();
        if !self.changed || begun < self.publish_from {
            return;
        }
        self.changed = false;
        let members = self.engine.members();
        self.channels.members.send_if_modified(|known| {
            let differ = *known != members;
            if differ {
                *known = members;
            }
            differ
        });
        if !self.left {
            self.keep();
        }
        let now = clock::now();
        let pause = now.saturating_duration_since(begun).saturating_mul(PUBLISH_PAUSE).max(PUBLISH_INTERVAL);
        self.publish_from = now.checked_add(pause).unwrap_or(now);
    }

    /// Tells the writer of the file who should be found again. Never nobody, unless it left: when all others are gone, those of
    /// before are still the best guess.
    fn keep(&self) {
        let peers = Peers::of(&self.engine.members(), &self.shared.own.name, self.left);
        if !peers.peers.is_empty() || self.left {
            self.channels.kept.send_if_modified(|kept| {
                let differ = kept.as_ref() != Some(&peers);
                if differ {
                    *kept = Some(peers);
                }
                differ
            });
        }
    }
}
