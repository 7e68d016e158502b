//! Streams: joins, exchanges of the whole state, and pings over TCP.

use crate::engine::Engine;
use crate::engine::error::{JoinError, RequestError, Unanswered, WireError};
use crate::engine::event::{Conflict, Event, Output};
use crate::engine::identity::Ident;
use crate::engine::own::Presence;
use crate::engine::timers::Timer;
use crate::engine::wire::record::{Claim, Item, Record};
use crate::engine::wire::stream::{self, Frame, State, StateKind};
use ::bytes::Bytes;
use rand::RngExt;
use std::net::SocketAddr;
use std::time::Duration;

/// A stream that waits for its reply.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    to: SocketAddr,
    kind: ExchangeKind,
    /// A driver that never answers leaves nothing behind.
    pub(crate) expires: Duration,
}

/// What for.
#[derive(Clone, Debug)]
pub(crate) enum ExchangeKind {
    /// An operator (or the start) asked for it.
    Join,
    /// Periodic, or to reconnect.
    PushPull,
    /// Part of a probe.
    Ping {
        /// Who is probed.
        target: Ident,
        /// The probe's number.
        number: u8,
    },
}

/// How long a state exchange may take.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// A pool grows quickly when more than one of so many members are new since the last state exchange.
const GROWTH: usize = 10;
/// What a state exchange costs in time for each member, while the pool grows: in a small pool they can follow each other quickly.
const GROWING_PER_MEMBER: Duration = Duration::from_millis(10);
/// Shortest time between two of them.
const GROWING_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// How many recent user events a state tells.
const EVENTS_TOLD_MAX: usize = 256;
/// From this many members on, state exchanges become rarer.
const PUSH_PULL_SCALED_FROM: usize = 32;

impl Engine {
    /// Begins a join through the member at `to`; ends in [`Event::Contacted`] with the ticket returned here.
    pub fn join(&mut self, now: Duration, to: SocketAddr) -> u64 {
        self.exchange(now, to, ExchangeKind::Join)
    }

    /// Server side of a stream: a ping, a push/pull, a join. The reply's bytes.
    pub fn handle_request(&mut self, now: Duration, from: SocketAddr, bytes: &[u8]) -> Result<Bytes, RequestError> {
        if !self.hears(from) {
            return Ok(stream::write_refusal(&outside(from)));
        }
        let frame = stream::read(bytes).inspect_err(|error| {
            self.stats.packets_refused += 1;
            self.stats.last_refused = Some((from, error.clone()));
        })?;
        match frame {
            Frame::Ping { target } => {
                if target.node != self.own.node {
                    return Err(RequestError::OtherMember);
                }
                if target.generation > self.own.generation {
                    self.renew(now, target.generation);
                }
                Ok(stream::write_ack())
            }
            Frame::PushPull(state) | Frame::Join(state) => {
                let Some(Item::Member(sender)) = state.items.first() else {
                    return Err(WireError::Invalid("state without its sender").into());
                };
                if let Some(card) = &sender.card
                    && sender.ident.node != self.own.node
                    && !self.lets_in(card.address)
                {
                    return Ok(stream::write_refusal(&outside(card.address)));
                }
                if let Some(conflict) = self.conflict_of_sender(sender) {
                    let node = sender.ident.node;
                    let reply = stream::write_refusal(&conflict.to_string());
                    self.tell_conflict(now, node, conflict);
                    return Ok(reply);
                }
                self.merge(now, state, true);
                Ok(self.state(now, StateKind::Reply))
            }
            Frame::Ack | Frame::State(_) | Frame::Refused(_) => Err(WireError::Invalid("reply in place of a request").into()),
        }
    }

    /// The reply to a stream that this engine asked for, or why there is none.
    pub fn handle_reply(&mut self, now: Duration, ticket: u64, reply: Result<&[u8], Unanswered>) {
        let Some(Exchange { to, kind, .. }) = self.exchanges.remove(&ticket) else { return };
        let refused = matches!(&reply, Err(unanswered) if unanswered.refused);
        let frame = match reply {
            Ok(bytes) => stream::read(bytes).map_err(|error| JoinError::Answer { to, error }),
            Err(Unanswered { reason, .. }) => Err(JoinError::Unreachable { to, reason }),
        };
        if let ExchangeKind::Ping { target, number } = kind {
            match frame {
                Ok(Frame::Ack) => self.acked_by_stream(now, target, number),
                _ if refused => self.refused_by_host(now, target, number),
                _ => {}
            }
            return;
        }
        if frame.is_ok() {
            self.heard(now);
        }
        let joins = matches!(kind, ExchangeKind::Join);
        let outcome = match frame {
            Ok(Frame::State(state)) if let Some(address) = self.outside_address(&state) => {
                Err(JoinError::Outside { to, address })
            }
            Ok(Frame::State(state)) => {
                let alive =
                    |item: &&Item| matches!(item, Item::Member(Record { claim: Claim::Alive | Claim::Suspect { .. }, .. }));
                let told = state.items.iter().filter(alive).count();
                if joins && !self.joined {
                    // What was fired before this member came is not for it.
                    self.joined = true;
                    self.events.start_after(state.clock);
                }
                // Who knows nobody has nobody to tell; who does may be the bridge between two pools.
                let spread = self.roster.active() > 1;
                self.merge(now, state, spread);
                if joins {
                    self.spread_own(now);
                }
                Ok(told)
            }
            Ok(Frame::Refused(reason)) => Err(JoinError::Refused { to, reason }),
            Ok(_) => Err(JoinError::Answer { to, error: WireError::Invalid("kind of reply") }),
            Err(error) => Err(error),
        };
        self.stats.exchanges_failed += u64::from(outcome.is_err());
        if joins {
            self.tell(Event::Contacted { ticket, outcome });
        }
    }

    /// The address of a state's sender, if it is in none of the allowed networks.
    fn outside_address(&mut self, state: &State) -> Option<SocketAddr> {
        let Some(Item::Member(sender)) = state.items.first() else { return None };
        let address = sender.card.as_ref().filter(|_| sender.ident.node != self.own.node)?.address;
        (!self.lets_in(address)).then_some(address)
    }

    /// Whether the first join is under way.
    pub(crate) fn is_joining(&self) -> bool {
        !self.joined && self.exchanges.values().any(|exchange| matches!(exchange.kind, ExchangeKind::Join))
    }

    /// Notes a stream and gives its ticket.
    pub(crate) fn open(&mut self, now: Duration, to: SocketAddr, kind: ExchangeKind, timeout: Duration) -> u64 {
        self.tickets += 1;
        self.exchanges.insert(self.tickets, Exchange { to, kind, expires: now + timeout * 2 + Duration::from_secs(10) });
        self.tickets
    }

    /// Begins an exchange of the whole state.
    pub(crate) fn exchange(&mut self, now: Duration, to: SocketAddr, kind: ExchangeKind) -> u64 {
        self.stats.exchanges += 1;
        let state_kind = if matches!(kind, ExchangeKind::Join) { StateKind::Join } else { StateKind::PushPull };
        let bytes = self.state(now, state_kind);
        let ticket = self.open(now, to, kind, EXCHANGE_TIMEOUT);
        self.outputs.push_back(Output::Stream { to, ticket, bytes, timeout: EXCHANGE_TIMEOUT });
        ticket
    }

    /// Whether the sender of a state claims what another member holds.
    fn conflict_of_sender(&self, sender: &Record) -> Option<Conflict> {
        if sender.ident.node == self.own.node {
            let own = self.roster.get(self.own.node)?;
            // A member may reach itself by one of the addresses it joins through.
            if sender.card.as_ref().is_some_and(|card| card.address == own.card.address) {
                return None;
            }
        }
        self.conflict_of(sender)
    }

    /// All that this member knows, its own record first.
    fn state(&self, now: Duration, kind: StateKind) -> Bytes {
        let own = self.own.node;
        let mut items = vec![self.own_record().encode()];
        items.extend(self.roster.iter().filter(|entry| entry.ident.node != own).map(|entry| entry.full_record(now).encode()));
        items.extend(self.pruned.iter().map(|(node, (generation, at))| {
            let ident = Ident { node: *node, generation: *generation };
            // A second at least, as none at all says that it is news.
            let age_s = u32::try_from(now.saturating_sub(*at).as_secs()).unwrap_or(u32::MAX).max(1);
            Record { ident, incarnation: 0, claim: Claim::Pruned, card: None, age_s }.encode()
        }));
        items.extend(self.events.recent(EVENTS_TOLD_MAX).map(|event| event.encode()));
        stream::write_state(kind, self.events.clock(), &items)
    }

    fn merge(&mut self, now: Duration, state: State, spread: bool) {
        self.events.witness(state.clock);
        self.apply_items(now, state.items, spread);
    }

    fn spread_own(&mut self, now: Duration) {
        if self.presence == Presence::Here {
            self.spread_member(now, self.own.node);
        }
    }

    /// Exchanges the state with one member at random.
    pub(crate) fn push_pull_due(&mut self, now: Duration) {
        if now < self.push_pull_at {
            return;
        }
        let own = self.own.node;
        let chosen = self.roster.random(1, &mut self.rng, |entry| entry.is_active() && entry.ident.node != own);
        if let Some(to) = chosen.first().and_then(|node| self.roster.get(*node)).map(|entry| entry.card.address) {
            self.exchange(now, to, ExchangeKind::PushPull);
        }
        self.grown = 0;
        self.set_push_pull(now + push_pull_interval(self.settings.push_pull_interval, self.roster.active()));
    }

    pub(crate) fn set_push_pull(&mut self, at: Duration) {
        self.push_pull_at = at;
        self.timers.set(at, Timer::PushPull);
    }

    /// A member came. While many do, gossip falls behind: a state exchange soon catches up. They become rare again when the pool is at rest.
    pub(crate) fn grew(&mut self, now: Duration) {
        self.grown += 1;
        let members = self.roster.active();
        if self.grown * GROWTH > members {
            let soon = growing_interval(self.settings.push_pull_interval, members).mul_f64(self.rng.random_range(0.5..1.0));
            if now + soon < self.push_pull_at {
                self.set_push_pull(now + soon);
            }
        }
    }

    /// Tries one failed member again. All members do so, hence each only with a chance, such that a few tries in all fall on an interval.
    pub(crate) fn reconnect_due(&mut self, now: Duration) {
        let failed: Vec<SocketAddr> =
            self.roster.iter().filter(|entry| entry.is_failed()).map(|entry| entry.card.address).collect();
        if !failed.is_empty() {
            let chance = (failed.len() as f64 * 2.0 / self.roster.active().max(1) as f64).min(1.0);
            let which = self.rng.random_range(0..failed.len());
            if self.rng.random_bool(chance)
                && let Some(to) = failed.get(which)
            {
                self.exchange(now, *to, ExchangeKind::PushPull);
            }
        }
        self.timers.set(now + self.settings.reconnect_interval, Timer::Reconnect);
    }
}

/// What one is told who is not let in.
fn outside(address: SocketAddr) -> String {
    format!("{} is in none of the networks whose members may join here", address.ip())
}

/// The time between state exchanges: the same up to 32 members, then growing with the logarithm, as each costs with the size of the pool.
fn push_pull_interval(base: Duration, members: usize) -> Duration {
    if members <= PUSH_PULL_SCALED_FROM {
        return base;
    }
    let doublings = ((members as f64).log2() - (PUSH_PULL_SCALED_FROM as f64).log2()).ceil();
    base.mul_f64(doublings + 1.0)
}

/// The time between state exchanges of a pool that grows quickly.
fn growing_interval(base: Duration, members: usize) -> Duration {
    let slowest = base / 4;
    (GROWING_PER_MEMBER * u32::try_from(members).unwrap_or(u32::MAX)).clamp(GROWING_INTERVAL_MIN.min(slowest), slowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_grows_exchanges_the_more_often_the_smaller_it_is() {
        let base = Duration::from_secs(30);
        for (members, ms) in [(3, 1000), (100, 1000), (500, 5000), (5000, 7500)] {
            assert_eq!(growing_interval(base, members), Duration::from_millis(ms), "{members}");
        }
        assert_eq!(growing_interval(Duration::from_secs(1), 3), Duration::from_millis(250));
    }

    #[test]
    fn exchanges_become_rarer_in_large_pools() {
        let base = Duration::from_secs(30);
        assert_eq!(push_pull_interval(base, 32), base);
        assert_eq!(push_pull_interval(base, 33), base * 2);
        assert_eq!(push_pull_interval(base, 64), base * 2);
        assert_eq!(push_pull_interval(base, 5000), base * 9);
    }
}
