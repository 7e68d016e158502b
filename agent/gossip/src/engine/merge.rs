//! What is heard of other members, weighed against what is known.
//!
//! Claims about one generation of a member are ordered: by incarnation, and within one alive < suspect < failed; having left outweighs
//! them all; that an operator made it leave counts like a failure until it is believed. A newer generation outweighs every claim about
//! older ones. So members that heard the same agree, in whatever order.

use crate::engine::broadcasts::Topic;
use crate::engine::event::{Conflict, ConflictKind, Event};
use crate::engine::exchange::ExchangeKind;
use crate::engine::identity::{Ident, NodeKey};
use crate::engine::own::Presence;
use crate::engine::roster::{Entry, Standing, remembered};
use crate::engine::suspicion::{Suspicion, SuspicionBounds};
use crate::engine::timers::Timer;
use crate::engine::wire::MEMBERS_MAX;
use crate::engine::wire::record::{Card, Claim, Item, Record};
use crate::engine::{Engine, REMEMBERED_MAX};
use foca::State;
use std::sync::Arc;
use std::time::Duration;

/// How many probe intervals a suspect has to answer the only one who suspects it.
const ANSWER_INTERVALS: u32 = 2;

impl Engine {
    /// Items of a packet or a state. `spread`: news among them are passed on.
    pub(crate) fn apply_items(&mut self, now: Duration, items: Vec<Item>, spread: bool) {
        for item in items {
            match item {
                Item::Member(record) => self.apply(now, record, spread),
                // Before the join is through it is not known which events are old news; the new ones come again with it.
                Item::Event(_) if self.is_joining() => {}
                Item::Event(event) => self.take_event(now, event),
            }
        }
    }

    /// One claim about one member.
    pub(crate) fn apply(&mut self, now: Duration, record: Record, spread: bool) {
        let Ident { node, generation } = record.ident;
        if node == self.own.node {
            return self.apply_own(now, record);
        }
        if let Some(card) = &record.card
            && !self.lets_in(card.address)
        {
            return;
        }
        if self.pruned.get(&node).is_some_and(|(pruned, _)| generation <= *pruned) {
            return;
        }
        let Some(entry) = self.roster.get(node) else { return self.apply_unknown(now, record, spread) };
        if generation < entry.ident.generation {
            return;
        }
        let newer = generation > entry.ident.generation;
        if newer && record.card.is_none() && matches!(record.claim, Claim::Alive | Claim::Suspect { .. }) {
            // The card known is that of an earlier life.
            return;
        }
        let (active, incarnation) = (entry.is_active(), entry.incarnation);
        match record.claim {
            Claim::Alive => self.apply_alive(now, record, spread),
            Claim::Suspect { accuser } => {
                if newer {
                    let alive = Record { claim: Claim::Alive, ..record.clone() };
                    self.apply_alive(now, alive, spread);
                }
                self.accuse(now, record.ident, record.incarnation, accuser, spread);
            }
            Claim::Failed => {
                if newer || (active && record.incarnation >= incarnation) {
                    self.apply_gone(now, record, Standing::Failed, spread);
                }
            }
            Claim::Left { forced } => {
                let left = matches!(entry.standing, Standing::Left { .. });
                if newer || (!left && (!forced || !active || self.is_believed(entry, &record))) {
                    self.apply_gone(now, record, Standing::Left { forced }, spread);
                }
            }
            Claim::Pruned => {
                // A state tells of those long forgotten too, and not at which incarnation they were.
                if !active || (record.age_s == 0 && (newer || self.is_believed(entry, &record))) {
                    self.part(now, record, true, spread);
                }
            }
            Claim::Unwanted { prune } => {
                if !newer {
                    self.apply_wish(now, record, prune, spread);
                }
            }
        }
    }

    /// A member that sent something is there, with that generation and incarnation at least.
    pub(crate) fn touch(&mut self, now: Duration, src: Ident, incarnation: u16) {
        if self
            .roster
            .get(src.node)
            .is_some_and(|entry| (src.generation, incarnation) > (entry.ident.generation, entry.incarnation))
        {
            self.apply(now, Record { ident: src, incarnation, claim: Claim::Alive, card: None, age_s: 0 }, true);
        }
    }

    fn apply_unknown(&mut self, now: Duration, record: Record, spread: bool) {
        let Some(card) = record.card.clone() else { return };
        let standing = match record.claim {
            Claim::Alive | Claim::Suspect { .. } => Standing::Alive,
            Claim::Failed => Standing::Failed,
            Claim::Left { forced } => Standing::Left { forced },
            Claim::Pruned | Claim::Unwanted { .. } => return,
        };
        if self.roster.len() >= MEMBERS_MAX {
            return;
        }
        let active = matches!(standing, Standing::Alive);
        let age = Duration::from_secs(u64::from(record.age_s));
        if !active && age >= remembered(&standing, &card, &self.settings) {
            return;
        }
        if let Some(holder) = self.roster.holder(&card.name) {
            let (holder, taken) = (holder.ident.node, holder.is_active());
            if !active {
                // The name has another holder by now, or one that is gone as well: the one known stays.
                return;
            }
            if taken && let Some(conflict) = self.conflict_of(&record) {
                return self.tell_conflict(now, record.ident.node, conflict);
            }
            self.displace(now, holder);
        }
        let node = record.ident.node;
        let mut entry = Entry::new(record.ident, record.incarnation, standing, card);
        (entry.gone_at, entry.gone_before_s) = (now, record.age_s);
        self.roster.insert(entry);
        if active {
            self.grew(now);
            self.foca_set(now, record.ident, record.incarnation, State::Alive);
            self.tell_member(node, Event::Joined);
        } else {
            self.tell_member(node, if matches!(record.claim, Claim::Failed) { Event::Failed } else { Event::Left });
        }
        if spread && active {
            self.spread_member(now, node);
        }
        if let Claim::Suspect { accuser } = record.claim {
            self.accuse(now, record.ident, record.incarnation, accuser, spread);
        }
    }

    /// A rebuilt host takes the name of its dead predecessor, whose entry goes without a word: the name lives on. What is still said of
    /// the predecessor elsewhere must not bring it back.
    fn displace(&mut self, now: Duration, holder: NodeKey) {
        self.broadcasts.remove(Topic::Member(holder));
        let Some(entry) = self.roster.remove(holder) else { return };
        self.bury(now, entry.ident);
        if entry.is_active() {
            self.foca_remove(entry.ident, entry.incarnation);
            self.drain(now);
        }
    }

    /// Remembers that nothing said of this generation of a member counts any more.
    fn bury(&mut self, now: Duration, ident: Ident) {
        if self.pruned.len() < REMEMBERED_MAX {
            self.pruned.insert(ident.node, (ident.generation, now));
        }
    }

    /// Whether a claim to be alive contradicts what is known, and how.
    pub(crate) fn conflict_of(&self, record: &Record) -> Option<Conflict> {
        let card = record.card.as_ref()?;
        let conflict = |kind, holder: &Entry| {
            Some(Conflict {
                kind,
                holder: holder.card.name.clone(),
                holder_address: holder.card.address,
                claimant: card.name.clone(),
                claimant_address: card.address,
                own: holder.ident.node == self.own.node,
            })
        };
        if let Some(entry) = self.roster.get(record.ident.node)
            && entry.is_active()
            && entry.card.address != card.address
            // A newer generation was given by members that had found the old one gone; it is not a copy, which begins with the first.
            && record.ident.generation <= entry.ident.generation
        {
            return conflict(ConflictKind::Id, entry);
        }
        // At the same address only one process can be: the other node was there before it.
        let holder = self.roster.holder(&card.name)?;
        let other = holder.ident.node != record.ident.node && holder.is_active() && holder.card.address != card.address;
        if other || (holder.ident.node == self.own.node && record.ident.node != self.own.node) {
            return conflict(ConflictKind::Name, holder);
        }
        None
    }

    fn apply_alive(&mut self, now: Duration, record: Record, spread: bool) {
        let node = record.ident.node;
        let Some(entry) = self.roster.get(node) else { return };
        let newer = record.ident.generation > entry.ident.generation;
        let left = matches!(entry.standing, Standing::Left { .. });
        let revives = newer || (!left && record.incarnation > entry.incarnation);
        let card_is_newer = |card: &Arc<Card>| newer || (card.version > entry.card.version && !left);
        let new_card = record.card.clone().filter(card_is_newer);
        let was_active = entry.is_active();
        if !revives && (new_card.is_none() || !was_active) {
            return;
        }
        if new_card.is_some()
            && let Some(conflict) = self.conflict_of(&record)
        {
            return self.tell_conflict(now, node, conflict);
        }
        if let Some(card) = &new_card
            && let Some(holder) = self.roster.holder(&card.name).map(|holder| holder.ident.node).filter(|holder| *holder != node)
        {
            self.displace(now, holder);
        }
        let updated = self.roster.change(node, |entry| {
            if revives {
                entry.ident = record.ident;
                entry.incarnation = record.incarnation;
                entry.standing = Standing::Alive;
            }
            let Some(card) = new_card else { return false };
            let changed = card.tags != entry.card.tags || card.address != entry.card.address || card.name != entry.card.name;
            entry.card = card;
            changed
        });
        if revives {
            self.drop_wish(node);
            self.foca_set(now, record.ident, record.incarnation, State::Alive);
        }
        if !was_active {
            self.tell_member(node, Event::Joined);
        } else if updated == Some(true) {
            self.tell_member(node, Event::Updated);
        }
        if spread {
            // With a suspicion still running only the card is news; it goes with the claim to be alive, which harms no suspicion.
            let record = self.roster.get(node).map(|entry| Record { claim: Claim::Alive, ..entry.full_record(now) });
            if let Some(record) = record {
                self.spread(now, Topic::Member(node), record.encode());
            }
        }
    }

    pub(crate) fn apply_gone(&mut self, now: Duration, record: Record, standing: Standing, spread: bool) {
        let node = record.ident.node;
        let failed = matches!(standing, Standing::Failed);
        if failed && let Some(prune) = self.take_wish(now, record.ident) {
            return self.part(now, record, prune, spread);
        }
        let was_gone_for =
            self.roster.get(node).filter(|entry| !entry.is_active()).map(|entry| (entry.gone_at, entry.gone_before_s));
        let was_active = was_gone_for.is_none();
        self.roster.change(node, |entry| {
            entry.ident = record.ident;
            entry.incarnation = record.incarnation;
            entry.standing = standing;
            (entry.gone_at, entry.gone_before_s) = was_gone_for.unwrap_or((now, record.age_s));
            if let Some(card) = record.card.clone().filter(|card| card.version > entry.card.version) {
                entry.card = card;
            }
        });
        if was_active {
            self.foca_remove(record.ident, record.incarnation);
            self.drain(now);
        }
        self.tell_member(node, if failed { Event::Failed } else { Event::Left });
        if spread {
            self.spread_member(now, node);
        }
    }

    pub(crate) fn apply_pruned(&mut self, now: Duration, record: Record, spread: bool) {
        let node = record.ident.node;
        self.bury(now, record.ident);
        self.forget(node);
        if spread {
            self.spread(now, Topic::Member(node), Record { card: None, ..record }.encode());
        }
    }

    /// `accuser` got no ack from a member at `incarnation`.
    pub(crate) fn accuse(&mut self, now: Duration, ident: Ident, incarnation: u16, accuser: NodeKey, spread: bool) {
        let Some(entry) = self.roster.get(ident.node) else { return };
        if entry.ident != ident || !entry.is_active() || incarnation < entry.incarnation {
            return;
        }
        let renewed = incarnation > entry.incarnation || !matches!(entry.standing, Standing::Suspect(_));
        let bounds = self.suspicion_bounds();
        let deadline = self.roster.change(ident.node, |entry| {
            entry.incarnation = incarnation;
            if let Standing::Suspect(suspicion) = &mut entry.standing
                && !renewed
            {
                return suspicion.confirm(accuser).then(|| suspicion.deadline());
            }
            let suspicion = Suspicion::new(bounds, now, accuser);
            let deadline = suspicion.deadline();
            entry.standing = Standing::Suspect(Box::new(suspicion));
            Some(deadline)
        });
        let Some(Some(deadline)) = deadline else { return };
        if renewed {
            self.stats.suspicions += 1;
            self.foca_set(now, ident, incarnation, State::Suspect);
        } else {
            self.stats.confirmations += 1;
        }
        self.timers.set(deadline, Timer::Suspicion(ident.node));
        if spread {
            self.spread_member(now, ident.node);
        }
    }

    /// How long a suspicion that begins now lasts.
    pub(crate) fn suspicion_bounds(&self) -> SuspicionBounds {
        let settings = &self.settings;
        SuspicionBounds::new(
            settings.suspicion_mult,
            settings.suspicion_max_timeout_mult,
            self.roster.active(),
            settings.probe_interval,
            settings.lifeguard,
        )
    }

    /// A suspicion's timer fired: it ran out, or it was lengthened meanwhile, or it is over.
    pub(crate) fn suspicion_due(&mut self, now: Duration, node: NodeKey) {
        let Some(entry) = self.roster.get(node) else { return };
        let Standing::Suspect(suspicion) = &entry.standing else { return };
        let deadline = suspicion.deadline();
        // Set anew when it was lengthened or shortened: this one may belong to an earlier deadline. Who leaves judges no one.
        if deadline > now || self.presence != Presence::Here {
            return;
        }
        let record = Record { ident: entry.ident, incarnation: entry.incarnation, claim: Claim::Failed, card: None, age_s: 0 };
        let (to, time) = (entry.card.address, self.settings.probe_interval * ANSWER_INTERVALS);
        // Who hears nobody hears no objection either, and nobody hears its verdict: that waits, though not for ever.
        if self.settings.lifeguard && self.is_deaf(now) {
            let later = self.roster.change(node, |entry| match &mut entry.standing {
                Standing::Suspect(suspicion) => suspicion.wait_to_hear(time).then(|| suspicion.deadline()),
                _ => None,
            });
            if let Some(Some(deadline)) = later {
                return self.timers.set(deadline, Timer::Suspicion(node));
            }
        }
        // The suspect may have objected while this member could not hear it: others heard it, and say nothing.
        let deaf = self.settings.lifeguard && self.was_deaf(now);
        let later = self.roster.change(node, |entry| match &mut entry.standing {
            Standing::Suspect(suspicion) => suspicion.ask(time, deaf).then(|| suspicion.deadline()),
            _ => None,
        });
        if let Some(Some(deadline)) = later {
            self.exchange(now, to, ExchangeKind::PushPull);
            return self.timers.set(deadline, Timer::Suspicion(node));
        }
        // Who has reason to doubt itself leaves it to others to be first: once, for as long as the doubt is large.
        let doubt = f64::from(self.awareness.score()) / f64::from(self.settings.awareness_max_multiplier.max(1));
        if self.settings.lifeguard && doubt > 0.0 && self.is_slow(now) {
            let later = self.roster.change(node, |entry| match &mut entry.standing {
                Standing::Suspect(suspicion) => suspicion.doubt(doubt).then(|| suspicion.deadline()),
                _ => None,
            });
            if let Some(Some(deadline)) = later {
                return self.timers.set(deadline, Timer::Suspicion(node));
            }
        }
        self.stats.failures += 1;
        self.apply_gone(now, record, Standing::Failed, true);
    }

    /// Has foca know how an active member stands.
    fn foca_set(&mut self, now: Duration, ident: Ident, incarnation: u16, state: State) {
        let member = foca::Member::new(ident, incarnation, state);
        self.feed(|foca, sink| foca.apply_many(std::iter::once(member), false, sink));
        self.drain(now);
    }

    /// Has foca drop a member that is not active any more: the roster keeps it, and foca has one less to look through.
    fn foca_remove(&mut self, ident: Ident, incarnation: u16) {
        let member = foca::Member::new(ident, incarnation, State::Down);
        self.feed(|foca, sink| foca.apply_many(std::iter::once(member), false, sink));
        self.feed(|foca, sink| foca.handle_timer(foca::Timer::RemoveDown(ident), sink));
    }
}
