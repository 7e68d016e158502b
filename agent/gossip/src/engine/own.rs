//! What this member does about itself: its tags, its leave, and its answers to claims about it.

use crate::engine::broadcasts::Topic;
use crate::engine::event::{Conflict, ConflictKind, Event};
use crate::engine::identity::Ident;
use crate::engine::roster::Standing;
use crate::engine::timers::Timer;
use crate::engine::wire::TAGS_SIZE_MAX;
use crate::engine::wire::packet::{Body, Head};
use crate::engine::wire::record::{Card, Claim, Record, Tags, tags_size};
use crate::engine::{Engine, REMEMBERED_MAX};
use foca::{Message, State};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Whether this member means to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It does.
    Here,
    /// It told that it leaves, and the news spread.
    Leaving,
    /// The news have spread.
    Left,
}

impl Engine {
    /// Tells all that this member leaves on purpose. The driver keeps running until the news had time to spread.
    pub fn leave(&mut self, now: Duration) {
        if self.presence != Presence::Here {
            return;
        }
        let record =
            Record { ident: self.own, incarnation: self.incarnation, claim: Claim::Left { forced: false }, card: None, age_s: 0 };
        let bytes = record.encode();
        self.presence = if self.roster.active() > 1 { Presence::Leaving } else { Presence::Left };
        self.spread(now, Topic::Member(self.own.node), bytes.clone());
        // At once to some, beside the rounds to come.
        let own = self.own.node;
        for node in
            self.roster.random(self.settings.gossip_nodes, &mut self.rng, |entry| entry.is_active() && entry.ident.node != own)
        {
            let Some((dst, to)) = self.roster.get(node).map(|entry| (entry.ident, entry.card.address)) else { continue };
            let head = Head { src: self.own, incarnation: self.incarnation, dst, body: Body::Swim(Message::Gossip) };
            self.send(to, &head, std::slice::from_ref(&bytes), false);
        }
    }

    /// Replaces this member's tags; all others get to know. False: they take more than [`TAGS_SIZE_MAX`] bytes, and nothing changed.
    pub fn set_tags(&mut self, now: Duration, tags: BTreeMap<String, String>) -> bool {
        if tags_size(&tags) > TAGS_SIZE_MAX {
            return false;
        }
        let tags = Tags::new(&tags);
        let own = self.own.node;
        let changed = self.roster.change(own, |entry| {
            let changed = entry.card.tags != tags;
            if changed {
                entry.card = Arc::new(Card { version: entry.card.version.saturating_add(1), tags, ..Card::clone(&entry.card) });
            }
            changed
        });
        if changed == Some(true) && self.presence == Presence::Here {
            self.spread_member(now, own);
        }
        true
    }

    /// This member's own record as others should have it.
    pub(crate) fn own_record(&self) -> Record {
        let claim = if self.presence == Presence::Here { Claim::Alive } else { Claim::Left { forced: false } };
        let card = self.roster.get(self.own.node).map(|entry| entry.card.clone());
        Record { ident: self.own, incarnation: self.incarnation, claim, card, age_s: 0 }
    }

    /// A claim about this member.
    pub(crate) fn apply_own(&mut self, now: Duration, record: Record) {
        if self.presence != Presence::Here || record.ident.generation < self.own.generation {
            return;
        }
        let Some(card) = self.roster.get(self.own.node).map(|entry| entry.card.clone()) else { return };
        if let (Claim::Alive, Some(other)) = (record.claim, &record.card)
            && other.address != card.address
        {
            let conflict = Conflict {
                kind: ConflictKind::Id,
                holder: card.name.clone(),
                holder_address: card.address,
                claimant: other.name.clone(),
                claimant_address: other.address,
                own: true,
            };
            self.tell_conflict(now, record.ident.node, conflict);
            return;
        }
        self.outdo(now, record.card.as_deref());
        if record.ident.generation > self.own.generation {
            // Said of an earlier life of this member, which is not remembered here.
            self.renew(now, record.ident.generation);
            return;
        }
        match record.claim {
            Claim::Left { .. } | Claim::Pruned | Claim::Unwanted { .. } => self.renew(now, record.ident.generation),
            Claim::Failed | Claim::Suspect { .. } if record.incarnation >= self.incarnation => {
                self.refute(now, record.incarnation)
            }
            Claim::Alive if record.incarnation > self.incarnation => self.refute(now, record.incarnation),
            Claim::Alive | Claim::Failed | Claim::Suspect { .. } => {}
        }
    }

    /// Others hold a card of this member (of an earlier life) that would outweigh the true one: the true one gets a higher version.
    fn outdo(&mut self, now: Duration, other: Option<&Card>) {
        let own = self.own.node;
        let Some((other, card)) = other.zip(self.roster.get(own).map(|entry| entry.card.clone())) else { return };
        if other.version > card.version || (other.version == card.version && *other != *card) {
            let version = other.version.saturating_add(1);
            self.roster.change(own, |entry| entry.card = Arc::new(Card { version, ..Card::clone(&card) }));
            self.spread_member(now, own);
        }
    }

    /// Objects to a claim made of this member at `incarnation`.
    fn refute(&mut self, now: Duration, incarnation: u16) {
        if !self.settings.refutes {
            return;
        }
        self.stats.refutations += 1;
        if self.settings.lifeguard {
            self.awareness.change(1);
        }
        // foca raises its incarnation above that of a suspicion, and sends some members its new one at once.
        let claim = foca::Member::new(self.own, incarnation, State::Suspect);
        let generation = self.own.generation;
        self.feed(|foca, sink| foca.apply_many(std::iter::once(claim), false, sink));
        // It sends nothing while it knows nobody, so its count is kept here too. At the highest it takes a new generation instead.
        if self.sink.renewed.is_none() && self.own.generation == generation {
            self.incarnation = self.incarnation.max(incarnation.saturating_add(1));
        }
        self.own_changed(now);
    }

    /// Begins a generation above `seen`: what was said of earlier ones holds no more.
    pub(crate) fn renew(&mut self, now: Duration, seen: u32) {
        if self.presence != Presence::Here {
            return;
        }
        let Some(generation) = seen.max(self.own.generation).checked_add(1) else { return };
        self.stats.refutations += 1;
        let ident = Ident { node: self.own.node, generation };
        self.feed(|foca, sink| foca.change_identity(ident, sink));
        self.take_identity(ident);
        // With nothing to apply, this has foca find its members again, which it puts aside with the old identity.
        self.feed(|foca, sink| foca.apply_many(std::iter::empty(), false, sink));
        self.own_changed(now);
    }

    /// foca has another identity now.
    pub(crate) fn take_identity(&mut self, ident: Ident) {
        self.own = ident;
        self.incarnation = 0;
        self.probe = None;
    }

    /// Has all know this member's new generation, incarnation or card, and sends what foca gave out.
    fn own_changed(&mut self, now: Duration) {
        let (own, incarnation) = (self.own, self.incarnation);
        self.roster.change(own.node, |entry| {
            entry.ident = own;
            entry.incarnation = incarnation;
            entry.standing = Standing::Alive;
        });
        self.spread_member(now, own.node);
        self.drain(now);
    }

    /// Tells of a conflict, though not of the same one again and again.
    pub(crate) fn tell_conflict(&mut self, now: Duration, node: u128, conflict: Conflict) {
        /// How long the same conflict is not told again.
        const QUIET: Duration = Duration::from_secs(60);
        let key = (node, conflict.claimant_address);
        if self.conflicts.get(&key).is_some_and(|at| now.saturating_sub(*at) < QUIET) {
            return;
        }
        self.conflicts.retain(|_, at| now.saturating_sub(*at) < QUIET);
        if self.conflicts.len() < REMEMBERED_MAX {
            self.conflicts.insert(key, now);
            self.tell(Event::Conflict(conflict));
        }
    }

    /// This member stood still for `late`: doubts itself, and gives suspects the time back.
    pub(crate) fn forgive(&mut self, now: Duration, late: Duration) {
        self.stats.stalls += 1;
        self.slow_at = Some(now);
        self.awareness.change(1);
        let by = late + self.settings.probe_interval;
        let suspects: Vec<_> = self
            .roster
            .iter()
            .filter(|entry| matches!(entry.standing, Standing::Suspect(_)))
            .map(|entry| entry.ident.node)
            .collect();
        for node in suspects {
            let deadline = self.roster.change(node, |entry| match &mut entry.standing {
                Standing::Suspect(suspicion) => {
                    suspicion.extend(by);
                    Some(suspicion.deadline())
                }
                _ => None,
            });
            if let Some(Some(deadline)) = deadline {
                self.timers.set(deadline, Timer::Suspicion(node));
            }
        }
    }
}
