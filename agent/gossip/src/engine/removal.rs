//! Members that an operator wants gone.
//!
//! A member that failed is made to leave, or forgotten, at once; so is one that is suspected: the operator's word stands for the rest of its
//! time. One that is believed to be alive may be dead all the same, because others found it first or nobody did yet. So the wish goes
//! round: who knows the member as gone carries it out, all others hold it for as long as finding a failure may take. A member that is
//! alive hears of the wish too and objects with a new generation, which ends it everywhere.

use crate::engine::broadcasts::Topic;
use crate::engine::identity::{Ident, NodeKey};
use crate::engine::roster::{Entry, Standing};
use crate::engine::wire::record::{Claim, Record};
use crate::engine::{Engine, REMEMBERED_MAX};
use lictor_types::ids::NodeName;
use std::time::Duration;

/// Probe intervals until somebody's turn to be probed comes, and that its suspicion may be lengthened by.
const ROUND_INTERVALS: u32 = 10;

/// A wish that is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// Whom it is about; not one that comes back.
    ident: Ident,
    /// To be forgotten, and not only to have left.
    prune: bool,
    /// Until when it is held.
    pub(crate) until: Duration,
}

impl Engine {
    /// Turns a member that failed, or is suspected, into one that left, or (`prune`) forgets it and one that left. For one believed to be
    /// alive the wish is held as long as finding its failure may take; one that is there stays, with its objection. False: no such member.
    pub fn force_leave(&mut self, now: Duration, name: &str, prune: bool) -> bool {
        let Some(entry) = self.roster.holder(&NodeName::from(name)) else { return false };
        let (ident, incarnation) = (entry.ident, entry.incarnation);
        if ident.node != self.own.node {
            // Asked again, it goes round again.
            self.wishes.remove(&ident.node);
            self.apply(now, Record { ident, incarnation, claim: Claim::Unwanted { prune }, card: None, age_s: 0 }, true);
        }
        true
    }

    /// A wish about a known member's present generation.
    pub(crate) fn apply_wish(&mut self, now: Duration, record: Record, prune: bool, spread: bool) {
        let Some(entry) = self.roster.get(record.ident.node) else { return };
        match entry.standing {
            Standing::Alive => self.hold(now, record, prune, spread),
            Standing::Left { .. } if !prune => {}
            Standing::Suspect(_) | Standing::Failed | Standing::Left { .. } => {
                let record = Record { incarnation: entry.incarnation, ..record };
                self.part(now, record, prune, spread);
            }
        }
    }

    fn hold(&mut self, now: Duration, record: Record, prune: bool, spread: bool) {
        let node = record.ident.node;
        let held = self.wishes.get(&node);
        let nothing_new = held.is_some_and(|wish| wish.ident == record.ident && wish.until > now && (wish.prune || !prune));
        if nothing_new || (held.is_none() && self.wishes.len() >= REMEMBERED_MAX) {
            return;
        }
        let until = now + self.failure_time_max();
        self.wishes.insert(node, Wish { ident: record.ident, prune, until });
        if spread {
            self.spread(now, Topic::Wish(node), record.encode());
        }
    }

    /// The longest that finding a failure takes: its turn to be probed, a suspicion that nobody shares, and once more what doubt of this
    /// member itself may add.
    fn failure_time_max(&self) -> Duration {
        self.suspicion_bounds().max * 2 + self.settings.probe_interval * ROUND_INTERVALS
    }

    /// The wish held about a member that just failed: whether to forget it.
    pub(crate) fn take_wish(&mut self, now: Duration, ident: Ident) -> Option<bool> {
        let wish = self.wishes.get(&ident.node).filter(|wish| wish.ident == ident)?;
        let prune = (wish.until > now).then_some(wish.prune);
        self.wishes.remove(&ident.node);
        prune
    }

    /// A member showed that it is there.
    pub(crate) fn drop_wish(&mut self, node: NodeKey) {
        self.wishes.remove(&node);
        self.broadcasts.remove(Topic::Wish(node));
    }

    /// Makes a member leave in its present generation, or forgets it.
    pub(crate) fn part(&mut self, now: Duration, record: Record, prune: bool, spread: bool) {
        let node = record.ident.node;
        self.drop_wish(node);
        let active = self.roster.get(node).is_some_and(Entry::is_active);
        if active || !prune {
            let left = Record { claim: Claim::Left { forced: true }, ..record.clone() };
            self.apply_gone(now, left, Standing::Left { forced: true }, spread && !prune);
        }
        if prune {
            self.apply_pruned(now, Record { claim: Claim::Pruned, ..record }, spread);
        }
    }

    /// Whether what others did at an operator's word holds for a member that is there by all that is known here: like their word that it
    /// failed, unless it has objected since, or it is old (from the other side of a partition, say) and nothing else speaks against it.
    pub(crate) fn is_believed(&self, entry: &Entry, record: &Record) -> bool {
        let fresh = Duration::from_secs(u64::from(record.age_s)) < self.failure_time_max();
        record.incarnation >= entry.incarnation && (fresh || matches!(entry.standing, Standing::Suspect(_)))
    }
}
