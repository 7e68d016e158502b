//! The gossip engine: membership, failure detection, user events and coordinates of one pool, without clock, sockets or chance of its own.
//!
//! Time is a `Duration` since an origin that the caller chose; every decision follows from the inputs, that time and the seed.
//! The caller feeds packets, streams and [`Engine::handle_due`], and takes what [`Engine::poll`] gives.
//!
//! foca runs the probe cycle, the rules of incarnations and the refutation. Around it the engine keeps the roster (cards, suspicions,
//! those that left), carries the news itself, holds foca's timers, and so can add what Lifeguard asks for.

mod acquaintance;
mod allowed;
mod awareness;
mod broadcasts;
mod coordinates;
mod error;
mod event;
mod exchange;
mod identity;
mod merge;
mod own;
mod probe;
mod removal;
mod roster;
mod settings;
mod stats;
mod suspicion;
mod timers;
mod user_event;
mod wire;

#[cfg(test)]
mod tests;

#[doc(hidden)]
pub use acquaintance::Acquaintance;
pub use allowed::AllowedNetworks;
pub use error::{FireError, JoinError, RequestError, Unanswered, WireError};
pub use event::{Conflict, ConflictKind, Event, Output};
pub use roster::RECONNECT_TIMEOUT_TAG;
pub use settings::{EngineSettings, Own};
pub use stats::EngineStats;
pub use wire::record::tags_size;
pub use wire::{MEMBERS_MAX, STREAM_SIZE_MAX, TAGS_SIZE_MAX};

use ::bytes::Bytes;
use awareness::Awareness;
use broadcasts::{Broadcasts, Topic};
use coordinates::Vivaldi;
use exchange::Exchange;
use foca::{Foca, NoCustomBroadcast};
use identity::{Ident, NodeKey};
use lictor_types::coordinate::Coordinate;
use lictor_types::ids::NodeName;
use lictor_types::member::{Member, MemberStatus};
use own::Presence;
use probe::{Probe, Sink};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use removal::Wish;
use roster::{Entry, Roster, Standing};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use timers::{Timer, Timers};
use user_event::{UserEvent, UserEvents};
use wire::packet::{self, Body, Head, HeadCodec};
use wire::record::{Card, Record, Tags};

/// Room in each datagram for what encryption adds.
pub const ENCRYPTION_ROOM: usize = 64;
/// How often gone members are looked through at least.
const REAP_INTERVAL: Duration = Duration::from_secs(15);
/// How many conflicts and pruned members are remembered.
const REMEMBERED_MAX: usize = 1024;

/// The state of one pool as seen by one member.
pub struct Engine {
    settings: EngineSettings,
    /// Who this member is; its entry is in the roster too.
    own: Ident,
    /// The incarnation foca gives this member.
    incarnation: u16,
    presence: Presence,
    /// Whether a join of this member's own succeeded.
    joined: bool,
    roster: Roster,
    /// Members that came since the last state exchange.
    grown: usize,
    /// When the next state exchange is due; a timer that was set for another time counts no more.
    push_pull_at: Duration,
    foca: Foca<Ident, HeadCodec, StdRng, NoCustomBroadcast>,
    sink: Sink,
    rng: StdRng,
    timers: Timers,
    gossip_set: bool,
    outputs: VecDeque<Output>,
    broadcasts: Broadcasts,
    events: UserEvents,
    vivaldi: Vivaldi,
    awareness: Awareness,
    /// The running probe, beside foca's own account of it.
    probe: Option<Probe>,
    /// The latest probes that failed.
    overdue: VecDeque<(Ident, u8)>,
    /// When this member last found itself slow.
    slow_at: Option<Duration>,
    /// When it last heard anything from anybody.
    heard_at: Duration,
    /// When it last heard something again after a silence.
    deaf_until: Option<Duration>,
    /// Probes of others that this member passed on and that are not answered: who asked, the number of its probe.
    relays: HashSet<(NodeKey, u8)>,
    exchanges: HashMap<u64, Exchange>,
    tickets: u64,
    /// Members an operator had forgotten: the generation, and when.
    pruned: BTreeMap<NodeKey, (u32, Duration)>,
    /// Members an operator wants gone that are believed to be alive.
    wishes: BTreeMap<NodeKey, Wish>,
    /// Conflicts told already, and when.
    conflicts: BTreeMap<(NodeKey, SocketAddr), Duration>,
    stats: EngineStats,
}

impl Engine {
    /// A member that knows nobody yet. Tags beyond [`TAGS_SIZE_MAX`] bytes are left out whole.
    pub fn new(settings: EngineSettings, own: Own, now: Duration, seed: u64) -> Self {
        let settings = settings.bounded();
        let mut rng = StdRng::seed_from_u64(seed);
        let ident = Ident { node: identity::node_key(&own.id), generation: 0 };
        let tags = if tags_size(&own.tags) <= TAGS_SIZE_MAX { Tags::new(&own.tags) } else { Tags::new(&BTreeMap::new()) };
        let card = Arc::new(Card { name: own.name, address: own.address, version: 0, tags });
        let foca_rng = StdRng::seed_from_u64(rng.random());
        let mut roster = Roster::default();
        roster.insert(Entry::new(ident, 0, Standing::Alive, card));
        let mut engine = Self {
            own: ident,
            incarnation: 0,
            presence: Presence::Here,
            joined: false,
            roster,
            grown: 0,
            push_pull_at: Duration::ZERO,
            foca: Foca::new(ident, probe::foca_config(&settings), foca_rng, HeadCodec),
            sink: Sink::default(),
            rng,
            timers: Timers::default(),
            gossip_set: false,
            outputs: VecDeque::new(),
            broadcasts: Broadcasts::default(),
            events: UserEvents::default(),
            vivaldi: Vivaldi::new(),
            awareness: Awareness::new(settings.awareness_max_multiplier),
            probe: None,
            overdue: VecDeque::new(),
            slow_at: None,
            heard_at: now,
            deaf_until: None,
            relays: HashSet::new(),
            exchanges: HashMap::new(),
            tickets: 0,
            pruned: BTreeMap::new(),
            wishes: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            stats: EngineStats::default(),
            settings,
        };
        // Each member begins its rounds at a time of its own, so that a pool started at once does not move in step.
        let first = engine.settings.push_pull_interval.mul_f64(engine.rng.random_range(0.1..1.0));
        engine.set_push_pull(now + first);
        let first = engine.settings.reconnect_interval.mul_f64(engine.rng.random_range(0.1..1.0));
        engine.timers.set(now + first, Timer::Reconnect);
        engine.timers.set(now + engine.reap_interval(), Timer::Reap);
        engine
    }

    /// A datagram came. What is not readable, or not for this member, is counted and dropped.
    pub fn handle_packet(&mut self, now: Duration, from: SocketAddr, bytes: &[u8]) {
        self.stats.packets_in += 1;
        if !self.hears(from) {
            return;
        }
        let packet = match packet::read(bytes) {
            Ok(packet) => packet,
            Err(error) => {
                self.stats.packets_refused += 1;
                self.stats.last_refused = Some((from, error));
                return;
            }
        };
        let Head { src, incarnation, dst, .. } = packet.head;
        if dst.node != self.own.node || src.node == self.own.node {
            self.stats.packets_misdirected += 1;
            return;
        }
        self.heard(now);
        if dst.generation > self.own.generation {
            self.renew(now, dst.generation);
        }
        if let Some((generation, _)) = self.pruned.get(&src.node).filter(|(generation, _)| src.generation <= *generation) {
            let ident = Ident { node: src.node, generation: *generation };
            let record = Record { ident, incarnation, claim: wire::record::Claim::Pruned, card: None, age_s: 0 };
            self.tell_gone(from, src, record);
            return;
        }
        if let Some(entry) = self.roster.get(src.node) {
            let older = (src.generation, incarnation) <= (entry.ident.generation, entry.incarnation);
            if !entry.is_active() && older {
                self.tell_gone(from, src, entry.record());
                return;
            }
            if src.generation < entry.ident.generation {
                return;
            }
        }
        self.apply_items(now, packet.items, true);
        self.touch(now, src, incarnation);
        let known = self.roster.get(src.node).is_some_and(|entry| entry.ident.generation >= src.generation);
        if !known {
            let head = Head { src: self.own, incarnation: self.incarnation, dst: src, body: Body::Who };
            self.send(from, &head, &[], false);
            return;
        }
        let active = self.roster.change(src.node, |entry| {
            if let Some(point) = packet.coordinate.clone() {
                entry.place.get_or_insert_default().0 = Some(point);
            }
            entry.is_active()
        });
        if active == Some(true) {
            self.answer(now, from, packet.head, packet.coordinate);
        }
    }

    /// Whether gossip from that address is taken. What comes from this machine itself comes over no network.
    fn hears(&mut self, from: SocketAddr) -> bool {
        from.ip().to_canonical().is_loopback() || self.lets_in(from)
    }

    /// Whether a member may be at that address; counted if not.
    fn lets_in(&mut self, address: SocketAddr) -> bool {
        let allowed = self.settings.allowed.allow(address.ip());
        if !allowed {
            self.stats.outsiders += 1;
            self.stats.last_outsider = Some(address);
        }
        allowed
    }

    /// Does what is due at `now`.
    pub fn handle_due(&mut self, now: Duration) {
        let Some(first) = self.timers.next_due().filter(|due| *due <= now) else { return };
        let late = now.saturating_sub(first);
        // A timer that fires late says that this agent stood still: what it did not hear meanwhile proves nothing about others.
        let stalled = self.settings.lifeguard && late > self.settings.probe_timeout / 2;
        if stalled {
            self.forgive(now, late);
        }
        while let Some((_, timer)) = self.timers.take(now) {
            match timer {
                Timer::Foca(timer) => self.probe_due(now, timer, stalled),
                Timer::Nack { origin, target, number } => self.nack_due(origin, target, number),
                Timer::Suspicion(node) => self.suspicion_due(now, node),
                Timer::Gossip => self.gossip_due(now),
                Timer::PushPull => self.push_pull_due(now),
                Timer::Reconnect => self.reconnect_due(now),
                Timer::Reap => self.reap_due(now),
            }
        }
    }

    /// When `handle_due` wants to be called next.
    pub fn next_due(&self) -> Option<Duration> {
        self.timers.next_due()
    }

    /// The next thing to send or to tell.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Fires a user event; its Lamport time.
    pub fn fire(&mut self, now: Duration, name: &str, payload: Bytes) -> Result<u64, FireError> {
        let (size, limit) = (name.len() + payload.len(), self.settings.user_event_size_max);
        // The name's length is a byte on the wire, and an event must fit into a packet beside its head.
        let room = self.settings.packet_size_max.saturating_sub(ENCRYPTION_ROOM + 160);
        if name.is_empty() {
            return Err(FireError::NoName);
        }
        if size > limit.min(room) || name.len() > wire::NAME_SIZE_MAX {
            return Err(FireError::TooLarge { size, limit: limit.min(room) });
        }
        let event = UserEvent {
            time: self.events.tick(),
            origin: self.own.node,
            number: self.rng.random(),
            name: name.to_owned(),
            payload,
        };
        let time = event.time;
        self.take_event(now, event);
        Ok(time)
    }

    /// All members, this one among them; failed and left ones until they are reaped.
    pub fn members(&self) -> Vec<Member> {
        self.roster.iter().map(|entry| self.member(entry)).collect()
    }

    /// How many members count as there, this one among them.
    pub fn alive(&self) -> usize {
        self.roster.active()
    }

    /// How a member stands.
    pub fn status_of(&self, name: &str) -> Option<MemberStatus> {
        self.roster.holder(&NodeName::from(name)).map(|entry| self.member(entry).status)
    }

    /// This member's network coordinate.
    pub fn coordinate(&self) -> Coordinate {
        self.vivaldi.point().clone()
    }

    /// The latest coordinate heard of a member.
    pub fn coordinate_of(&self, name: &str) -> Option<Coordinate> {
        let entry = self.roster.holder(&NodeName::from(name))?;
        if entry.ident.node == self.own.node {
            return Some(self.coordinate());
        }
        entry.place.as_ref().and_then(|place| place.0.clone())
    }

    /// The latest coordinates heard of the members, this one among them.
    pub fn coordinates(&self) -> Vec<(NodeName, Coordinate)> {
        let place = |entry: &Entry| {
            let own = (entry.ident.node == self.own.node).then(|| self.coordinate());
            let place = own.or_else(|| entry.place.as_ref()?.0.clone())?;
            Some((entry.card.name.clone(), place))
        };
        self.roster.iter().filter_map(place).collect()
    }

    /// Lifeguard's local health multiplier; 0 is healthy.
    pub fn health_score(&self) -> u32 {
        self.awareness.score()
    }

    /// What was counted since the start.
    pub fn stats(&self) -> &EngineStats {
        &self.stats
    }

    /// A member as told to others.
    fn member(&self, entry: &Entry) -> Member {
        let mut member = entry.member();
        if entry.ident.node == self.own.node {
            member.status = match self.presence {
                Presence::Here => MemberStatus::Alive,
                Presence::Leaving => MemberStatus::Leaving,
                Presence::Left => MemberStatus::Left,
            };
        }
        member
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Tells of a member that is in the roster.
    fn tell_member(&mut self, node: NodeKey, event: impl FnOnce(Member) -> Event) {
        if let Some(member) = self.roster.get(node).map(|entry| self.member(entry)) {
            self.tell(event(member));
        }
    }

    /// Puts news on their way.
    fn spread(&mut self, now: Duration, topic: Topic, bytes: Bytes) {
        self.broadcasts.put(topic, bytes);
        self.set_gossip(now);
    }

    /// Puts what this member now knows of `node` on its way.
    fn spread_member(&mut self, now: Duration, node: NodeKey) {
        if let Some(bytes) = self.roster.get(node).map(|entry| entry.record().encode()) {
            self.spread(now, Topic::Member(node), bytes);
        }
    }

    fn set_gossip(&mut self, now: Duration) {
        if !self.gossip_set && !self.broadcasts.is_empty() && self.roster.len() > 1 {
            self.gossip_set = true;
            let wait = self.settings.gossip_interval.mul_f64(self.rng.random_range(0.0..1.0));
            self.timers.set(now + wait, Timer::Gossip);
        }
    }

    fn take_event(&mut self, now: Duration, event: UserEvent) {
        if !self.events.take(event.clone()) {
            return;
        }
        let topic = Topic::Event(event.time, event.origin, event.number);
        self.spread(now, topic, event.encode());
        self.tell(Event::User { name: event.name, payload: event.payload, lamport_time: event.time });
    }

    /// Sends a datagram: these items first, and (`full`) as many news as fit.
    fn send(&mut self, to: SocketAddr, head: &Head, first: &[Bytes], full: bool) {
        let with_coordinate =
            self.settings.coordinates && matches!(head.body, Body::Swim(foca::Message::Ping(_) | foca::Message::Ack(_)));
        let mut writer = packet::begin(head, with_coordinate.then(|| self.vivaldi.point()));
        let size_max = self.settings.packet_size_max.saturating_sub(ENCRYPTION_ROOM);
        for item in first {
            if writer.0.len() + item.len() + 2 <= size_max {
                writer.block(item);
            }
        }
        if full {
            let room = size_max.saturating_sub(writer.0.len());
            let limit = self.retransmit_limit();
            // An item's length takes two bytes at most.
            self.broadcasts.take(room, 2, limit, |item| writer.block(item));
        }
        self.stats.packets_out += 1;
        self.stats.bytes_out += writer.0.len() as u64;
        self.outputs.push_back(Output::Packet { to, bytes: Bytes::from(writer.0) });
    }

    /// How many times a piece of news is sent by each member.
    fn retransmit_limit(&self) -> u32 {
        let scale = ((self.roster.active() + 1) as f64).log10().ceil().max(1.0);
        self.settings.retransmit_mult.saturating_mul(scale as u32)
    }

    /// Tells a member that it is taken for gone, so that it can object. One that left on purpose knows.
    fn tell_gone(&mut self, to: SocketAddr, dst: Ident, record: Record) {
        if record.claim == (wire::record::Claim::Left { forced: false }) {
            return;
        }
        let head = Head { src: self.own, incarnation: self.incarnation, dst, body: Body::Swim(foca::Message::Gossip) };
        self.send(to, &head, &[record.encode()], false);
    }

    fn gossip_due(&mut self, now: Duration) {
        self.gossip_set = false;
        if self.broadcasts.is_empty() {
            return;
        }
        let (own, to_dead) = (self.own.node, self.settings.gossip_to_dead_time);
        let targets = self.roster.random(self.settings.gossip_nodes, &mut self.rng, |entry| {
            entry.ident.node != own && (entry.is_active() || (entry.is_failed() && entry.age(now) < to_dead))
        });
        for node in targets {
            let Some((dst, to)) = self.roster.get(node).map(|entry| (entry.ident, entry.card.address)) else { continue };
            if self.broadcasts.is_empty() {
                break;
            }
            let head = Head { src: self.own, incarnation: self.incarnation, dst, body: Body::Swim(foca::Message::Gossip) };
            self.send(to, &head, &[], true);
        }
        if self.presence == Presence::Leaving && !self.broadcasts.holds(Topic::Member(own)) {
            self.presence = Presence::Left;
        }
        if !self.broadcasts.is_empty() {
            self.gossip_set = true;
            self.timers.set(now + self.settings.gossip_interval, Timer::Gossip);
        }
    }

    fn reap_interval(&self) -> Duration {
        let shortest = self.settings.reconnect_timeout.min(self.settings.tombstone_timeout) / 4;
        REAP_INTERVAL.min(shortest).max(Duration::from_millis(100))
    }

    fn reap_due(&mut self, now: Duration) {
        let over = |entry: &&Entry| !entry.is_active() && entry.age(now) >= entry.remembered(&self.settings);
        let own = self.own.node;
        let gone: Vec<NodeKey> =
            self.roster.iter().filter(over).map(|entry| entry.ident.node).filter(|node| *node != own).collect();
        for node in gone {
            self.forget(node);
        }
        let keep = self.settings.tombstone_timeout;
        self.pruned.retain(|_, (_, at)| now.saturating_sub(*at) < keep);
        self.wishes.retain(|_, wish| wish.until > now);
        self.exchanges.retain(|_, exchange| exchange.expires > now);
        self.timers.set(now + self.reap_interval(), Timer::Reap);
    }

    fn forget(&mut self, node: NodeKey) {
        self.broadcasts.remove(Topic::Member(node));
        if let Some(entry) = self.roster.remove(node) {
            self.tell(Event::Reaped(entry.member()));
        }
    }
}
