//! One pool: engines, the network between them, and the queue of what happens when.

use bytes::Bytes;
use lictor_gossip::engine::{Engine, EngineSettings, Event, Output, Own, Unanswered};
use lictor_types::ids::NodeName;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The network's behaviour.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// Shortest way from one member to another.
    pub latency_min: Duration,
    /// Longest.
    pub latency_max: Duration,
    /// Share of datagrams lost.
    pub loss: f64,
    /// Datagrams that a stalled member's socket holds; more are lost.
    pub socket_packets_max: usize,
    /// Time a member that was stalled takes for each message that waited for it, its host being short of processor time.
    pub service: Duration,
}

impl Default for Conditions {
    fn default() -> Self {
        let ms = Duration::from_micros(1000);
        Self { latency_min: ms / 2, latency_max: ms * 3 / 2, loss: 0.0, socket_packets_max: 1000, service: Duration::ZERO }
    }
}

/// What a member told of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// There.
    Joined,
    /// With new tags or a new address.
    Updated,
    /// Gone on purpose.
    Left,
    /// Not reachable.
    Failed,
    /// Forgotten.
    Reaped,
}

/// One piece of news as told by one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: Duration,
    /// By which member.
    pub by: usize,
    /// About which.
    pub about: usize,
    /// What.
    pub news: News,
    /// Whether the one it is about was down or cut off at that time, or had stalled or lost its link before.
    pub impaired: bool,
}

struct Seat {
    engine: Engine,
    address: SocketAddr,
    up: bool,
    /// Stalled until then.
    stalled: Option<Duration>,
    /// Nothing comes from it or to it until then.
    unplugged: Duration,
    /// Was stalled or unplugged at some time.
    ever_troubled: bool,
    held: VecDeque<Input>,
    held_packets: usize,
    /// Works off what is held.
    catches_up: bool,
    wake: Option<Duration>,
}

enum Input {
    Packet { from: SocketAddr, bytes: Bytes },
    Request { from: usize, ticket: u64, bytes: Bytes },
    Reply { ticket: u64, reply: Result<Bytes, Unanswered> },
}

enum Act {
    Deliver(usize, Input),
    Wake(usize),
    Resume(usize),
    CatchUp(usize),
}

struct Entry {
    at: Duration,
    order: u64,
    act: Act,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        // A heap gives its greatest: the earliest.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// A pool of engines on a simulated network.
pub struct Pool {
    seed: u64,
    now: Duration,
    settings: EngineSettings,
    conditions: Conditions,
    rng: StdRng,
    seats: Vec<Seat>,
    queue: BinaryHeap<Entry>,
    order: u64,
    /// Pairs of groups of which the first cannot reach the second.
    cuts: Vec<(Vec<bool>, Vec<bool>)>,
    heard: Vec<Heard>,
    users: BTreeMap<(usize, String), usize>,
    contacted: BTreeMap<usize, Result<usize, String>>,
    conflicts: Vec<(usize, String)>,
    trace: u64,
    packets: u64,
    bytes: u64,
    packet_largest: usize,
}

fn address_of(index: usize) -> SocketAddr {
    let [.., high, low] = (index as u32).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, high, low)), 8301)
}

fn index_of(name: &str) -> Option<usize> {
    name.strip_prefix("node-")?.parse().ok()
}

impl Pool {
    /// A pool of members that are up and know nobody.
    pub fn new(seed: u64, members: usize, settings: EngineSettings, conditions: Conditions) -> Self {
        let mut pool = Self {
            seed,
            now: Duration::ZERO,
            settings,
            conditions,
            rng: StdRng::seed_from_u64(seed),
            seats: Vec::with_capacity(members),
            queue: BinaryHeap::new(),
            order: 0,
            cuts: Vec::new(),
            heard: Vec::new(),
            users: BTreeMap::new(),
            contacted: BTreeMap::new(),
            conflicts: Vec::new(),
            trace: 0xcbf2_9ce4_8422_2325,
            packets: 0,
            bytes: 0,
            packet_largest: 0,
        };
        for index in 0..members {
            let own = pool.own(index);
            pool.add(own);
        }
        pool
    }

    /// Who the member with this number is by default.
    pub fn own(&self, index: usize) -> Own {
        let tags = [("role", "node"), ("dc", "dc1"), ("build", "0.1.0"), ("vsn", "2")];
        Own {
            name: NodeName::from(format!("node-{index}")),
            id: format!("00000000-0000-0000-0000-{index:012x}"),
            address: address_of(index),
            tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }

    /// Adds a member; its number.
    pub fn add(&mut self, own: Own) -> usize {
        let address = own.address;
        let engine = Engine::new(self.settings.clone(), own, self.now, self.rng.random());
        let seat = Seat {
            engine,
            address,
            up: true,
            stalled: None,
            unplugged: Duration::ZERO,
            ever_troubled: false,
            held: VecDeque::new(),
            held_packets: 0,
            catches_up: false,
            wake: None,
        };
        self.seats.push(seat);
        let index = self.seats.len() - 1;
        self.settle(index);
        index
    }

    /// The seed it was made from, to be printed with whatever fails.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// A member's engine, to look at.
    pub fn engine(&self, index: usize) -> &Engine {
        &self.seats[index].engine
    }

    /// Does something with a member's engine.
    pub fn with<T>(&mut self, index: usize, call: impl FnOnce(&mut Engine, Duration) -> T) -> T {
        let now = self.now;
        let result = call(&mut self.seats[index].engine, now);
        self.settle(index);
        result
    }

    /// All news so far, in order.
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// How often a member was told a user event.
    pub fn told(&self, index: usize, event: &str) -> usize {
        self.users.get(&(index, event.to_owned())).copied().unwrap_or_default()
    }

    /// How a member's latest join went.
    pub fn contacted(&self, index: usize) -> Option<&Result<usize, String>> {
        self.contacted.get(&index)
    }

    /// The conflicts told, and by whom.
    pub fn conflicts(&self) -> &[(usize, String)] {
        &self.conflicts
    }

    /// A hash of all that happened.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Datagrams sent, and their bytes.
    pub fn traffic(&self) -> (u64, u64) {
        (self.packets, self.bytes)
    }

    /// The largest datagram sent.
    pub fn packet_largest(&self) -> usize {
        self.packet_largest
    }

    /// Members that are up.
    pub fn up(&self) -> usize {
        self.seats.iter().filter(|seat| seat.up).count()
    }

    /// Whether all members that are up count as many as are up.
    pub fn is_converged(&self) -> bool {
        let up = self.up();
        self.seats.iter().filter(|seat| seat.up).all(|seat| seat.engine.alive() == up)
    }

    /// A member ends without a word.
    pub fn kill(&mut self, index: usize) {
        self.seats[index].up = false;
        self.seats[index].held.clear();
    }

    /// A member neither receives nor sends nor fires timers until then; after that it catches up.
    pub fn stall(&mut self, index: usize, until: Duration) {
        let seat = &mut self.seats[index];
        if seat.up && seat.stalled.is_none() {
            (seat.stalled, seat.ever_troubled) = (Some(until), true);
            self.push(until, Act::Resume(index));
        }
    }

    /// A member's link is down until then: nothing comes from it or to it.
    pub fn unplug(&mut self, index: usize, until: Duration) {
        let seat = &mut self.seats[index];
        (seat.unplugged, seat.ever_troubled) = (until, true);
    }

    /// Whether a member was stalled or unplugged at some time.
    pub fn ever_troubled(&self, index: usize) -> bool {
        self.seats[index].ever_troubled
    }

    /// Nothing sent by the first group reaches the second.
    pub fn cut(&mut self, from: impl IntoIterator<Item = usize>, to: impl IntoIterator<Item = usize>) {
        let group = |members: &mut dyn Iterator<Item = usize>| {
            let mut group = vec![false; self.seats.len()];
            members.for_each(|index| group[index] = true);
            group
        };
        let cut = (group(&mut from.into_iter()), group(&mut to.into_iter()));
        self.cuts.push(cut);
    }

    /// All cuts are mended.
    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    /// Has a member join through another.
    pub fn join(&mut self, index: usize, through: usize) {
        let to = self.seats[through].address;
        self.with(index, |engine, now| engine.join(now, to));
    }

    /// All join through the first, one after the other within `spread`.
    pub fn join_all(&mut self, spread: Duration) {
        self.join_from(1, spread);
    }

    /// Those from this one on join through the first, one after the other within `spread`.
    pub fn join_from(&mut self, first: usize, spread: Duration) {
        let step = spread / self.seats.len().saturating_sub(first).max(1) as u32;
        for index in first..self.seats.len() {
            self.run_for(step);
            self.join(index, 0);
        }
    }

    /// Has the first `count` members know each other, as if they had for long: no news of it are under way.
    pub fn acquaint(&mut self, count: usize) {
        let all: Vec<_> = self.seats.iter().take(count).map(|seat| seat.engine.acquaintance()).collect();
        for index in 0..all.len() {
            self.with(index, |engine, now| engine.acquaint(now, &all));
        }
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Lets time pass until `wanted` holds, looked at every 100 ms; the time it took, if it does within `limit`.
    pub fn run_while_not(&mut self, limit: Duration, wanted: impl Fn(&Self) -> bool) -> Option<Duration> {
        let start = self.now;
        while !wanted(self) {
            if self.now - start >= limit {
                return None;
            }
            self.run_for(Duration::from_millis(100));
        }
        Some(self.now - start)
    }

    /// Lets time pass until then.
    pub fn run_until(&mut self, end: Duration) {
        while self.queue.peek().is_some_and(|entry| entry.at <= end) {
            let Some(Entry { at, act, .. }) = self.queue.pop() else { break };
            self.now = at;
            match act {
                Act::Deliver(index, input) => self.deliver(index, input),
                Act::Wake(index) => {
                    let seat = &mut self.seats[index];
                    if seat.wake == Some(at) {
                        seat.wake = None;
                        if seat.up && seat.stalled.is_none() {
                            seat.engine.handle_due(at);
                            self.settle(index);
                        }
                    }
                }
                Act::Resume(index) => self.resume(index),
                Act::CatchUp(index) => self.catch_up(index),
            }
        }
        self.now = self.now.max(end);
    }

    fn push(&mut self, at: Duration, act: Act) {
        self.order += 1;
        self.queue.push(Entry { at, order: self.order, act });
    }

    fn mix(&mut self, value: u64) {
        self.trace = (self.trace ^ value).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
    }

    fn deliver(&mut self, index: usize, input: Input) {
        let seat = &mut self.seats[index];
        if !seat.up {
            return;
        }
        if seat.stalled.is_some() || seat.catches_up {
            if matches!(input, Input::Packet { .. }) {
                if seat.held_packets >= self.conditions.socket_packets_max {
                    return;
                }
                seat.held_packets += 1;
            }
            seat.held.push_back(input);
            return;
        }
        self.take_in(index, input);
    }

    fn take_in(&mut self, index: usize, input: Input) {
        let now = self.now;
        self.mix(now.as_nanos() as u64 ^ index as u64);
        match input {
            Input::Packet { from, bytes } => {
                self.mix(bytes.iter().fold(0, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte))));
                self.seats[index].engine.handle_packet(now, from, &bytes);
            }
            Input::Request { from, ticket, bytes } => {
                let address = self.seats[from].address;
                let reply = self.seats[index].engine.handle_request(now, address, &bytes);
                self.settle(index);
                if let Some(way) = self.way(index, from) {
                    self.push(now + way, Act::Deliver(from, Input::Reply { ticket, reply: reply.map_err(Unanswered::because) }));
                }
                return;
            }
            Input::Reply { ticket, reply } => {
                let reply = reply.as_ref().map(|bytes| &**bytes).map_err(Clone::clone);
                self.seats[index].engine.handle_reply(now, ticket, reply);
            }
        }
        self.settle(index);
    }

    fn resume(&mut self, index: usize) {
        // Whether a process that wakes looks at its timers or at its sockets first is a matter of chance.
        let timers_first = self.rng.random_bool(0.5);
        let now = self.now;
        let seat = &mut self.seats[index];
        seat.stalled = None;
        if !seat.up {
            return;
        }
        if timers_first {
            seat.engine.handle_due(now);
            self.settle(index);
        }
        self.seats[index].catches_up = true;
        self.catch_up(index);
        if !timers_first {
            self.seats[index].engine.handle_due(now);
            self.settle(index);
        }
    }

    /// Takes in the next of what waited for a member; with no time for each, all of it.
    fn catch_up(&mut self, index: usize) {
        loop {
            let seat = &mut self.seats[index];
            if seat.stalled.is_some() || !seat.up {
                seat.catches_up = false;
                return;
            }
            let Some(input) = seat.held.pop_front() else {
                seat.catches_up = false;
                return;
            };
            seat.held_packets -= usize::from(matches!(input, Input::Packet { .. }));
            self.take_in(index, input);
            if !self.conditions.service.is_zero() {
                let at = self.now + self.conditions.service;
                return self.push(at, Act::CatchUp(index));
            }
        }
    }

    /// How long something takes from one member to another; `None` if it does not get there.
    fn way(&mut self, from: usize, to: usize) -> Option<Duration> {
        let (min, max) = (self.conditions.latency_min, self.conditions.latency_max);
        let way = min + (max.saturating_sub(min)).mul_f64(self.rng.random_range(0.0..1.0));
        let is_in = |group: &[bool], index: usize| group.get(index).copied().unwrap_or(false);
        let cut = self.cuts.iter().any(|(sources, targets)| is_in(sources, from) && is_in(targets, to));
        let unplugged = [from, to].iter().any(|end| self.seats[*end].unplugged > self.now);
        (!cut && !unplugged).then_some(way)
    }

    /// The member that has an address now: the latest one there.
    fn seat_at(&self, address: SocketAddr) -> Option<usize> {
        let IpAddr::V4(ip) = address.ip() else { return None };
        let [_, _, high, low] = ip.octets();
        let index = usize::from(u16::from_be_bytes([high, low]));
        let taken = |index: &usize| self.seats.get(*index).is_some_and(|seat| seat.address == address && seat.up);
        if taken(&index) { Some(index) } else { (0..self.seats.len()).rev().find(|index| taken(index)) }
    }

    /// Takes out what an engine gives and sets its next waking.
    fn settle(&mut self, index: usize) {
        let now = self.now;
        while let Some(output) = self.seats[index].engine.poll() {
            match output {
                Output::Packet { to, bytes } => {
                    self.packets += 1;
                    self.bytes += bytes.len() as u64;
                    self.packet_largest = self.packet_largest.max(bytes.len());
                    let lost = self.conditions.loss > 0.0 && self.rng.random_bool(self.conditions.loss);
                    let Some(target) = self.seat_at(to) else { continue };
                    let way = self.way(index, target);
                    if let Some(way) = way.filter(|_| !lost) {
                        let from = self.seats[index].address;
                        self.push(now + way, Act::Deliver(target, Input::Packet { from, bytes }));
                    }
                }
                Output::Stream { to, ticket, bytes, timeout } => {
                    // Failure comes at the latest with the timeout; a reply before it wins, as tickets are answered once.
                    let failure = Input::Reply { ticket, reply: Err(Unanswered::because("timed out")) };
                    self.push(now + timeout, Act::Deliver(index, failure));
                    let Some(target) = self.seat_at(to) else { continue };
                    // Setting up the connection is a round trip before the request.
                    let ways = [self.way(index, target), self.way(target, index), self.way(index, target)];
                    if let [Some(one), Some(two), Some(three)] = ways {
                        let request = Input::Request { from: index, ticket, bytes };
                        self.push(now + one + two + three, Act::Deliver(target, request));
                    }
                }
                Output::Event(event) => self.note(index, event),
            }
        }
        let due = self.seats[index].engine.next_due();
        if let Some(due) = due
            && self.seats[index].wake.is_none_or(|wake| due < wake)
        {
            let at = due.max(now);
            self.seats[index].wake = Some(at);
            self.push(at, Act::Wake(index));
        }
    }

    fn note(&mut self, by: usize, event: Event) {
        let (news, member) = match event {
            Event::Joined(member) => (News::Joined, member),
            Event::Updated(member) => (News::Updated, member),
            Event::Left(member) => (News::Left, member),
            Event::Failed(member) => (News::Failed, member),
            Event::Reaped(member) => (News::Reaped, member),
            Event::User { name, .. } => {
                *self.users.entry((by, name)).or_default() += 1;
                return;
            }
            Event::Contacted { outcome, .. } => {
                self.contacted.insert(by, outcome.map_err(|error| error.to_string()));
                return;
            }
            Event::Conflict(conflict) => {
                self.conflicts.push((by, conflict.to_string()));
                return;
            }
        };
        let Some(about) = index_of(&member.name) else { return };
        self.mix(self.now.as_nanos() as u64 ^ ((by as u64) << 32) ^ ((about as u64) << 8) ^ news as u64);
        let seat = self.seats.get(about);
        let cut =
            self.cuts.iter().any(|(sources, targets)| sources.get(about) == Some(&true) || targets.get(about) == Some(&true));
        let impaired = cut || seat.is_none_or(|seat| !seat.up || seat.ever_troubled);
        self.heard.push(Heard { at: self.now, by, about, news, impaired });
    }
}
