//! All members, this one among them, as this member sees them.

use crate::engine::coordinates::Latencies;
use crate::engine::identity::{Ident, NodeKey};
use crate::engine::settings::EngineSettings;
use crate::engine::suspicion::Suspicion;
use crate::engine::wire::record::{Card, Claim, Record};
use lictor_types::coordinate::Coordinate;
use lictor_types::duration;
use lictor_types::ids::NodeName;
use lictor_types::member::{Member, MemberStatus};
use rand::RngExt;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The tag in which a member tells how long it is remembered after it failed (a Go duration); Consul's `advertise_reconnect_timeout`.
pub const RECONNECT_TIMEOUT_TAG: &str = "rc_tm";

/// How a member stands.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// Reachable.
    Alive,
    /// Someone got no ack from it; it still counts as there.
    Suspect(Box<Suspicion>),
    /// Not reachable.
    Failed,
    /// Left, or was made to.
    Left {
        /// Not it but an operator said so.
        forced: bool,
    },
}

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Node and generation.
    pub(crate) ident: Ident,
    /// SWIM's incarnation, within the generation.
    pub(crate) incarnation: u16,
    /// How it stands.
    pub(crate) standing: Standing,
    /// What it tells of itself.
    pub(crate) card: Arc<Card>,
    /// When it failed or left, as far as this member saw it.
    pub(crate) gone_at: Duration,
    /// How long it had been gone by then, seconds.
    pub(crate) gone_before_s: u32,
    /// Where it is, and the last round trips to it.
    pub(crate) place: Option<Box<(Option<Coordinate>, Latencies)>>,
    /// Its index in `Roster::order`.
    position: usize,
}

impl Entry {
    /// A member as just heard of.
    pub(crate) fn new(ident: Ident, incarnation: u16, standing: Standing, card: Arc<Card>) -> Self {
        Self { ident, incarnation, standing, card, gone_at: Duration::ZERO, gone_before_s: 0, place: None, position: 0 }
    }

    /// Whether it counts as there.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.standing, Standing::Alive | Standing::Suspect(_))
    }

    /// Whether it is failed.
    pub(crate) fn is_failed(&self) -> bool {
        matches!(self.standing, Standing::Failed)
    }

    /// How long it has been gone.
    pub(crate) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.gone_at) + Duration::from_secs(u64::from(self.gone_before_s))
    }

    /// How long it is remembered once gone.
    pub(crate) fn remembered(&self, settings: &EngineSettings) -> Duration {
        remembered(&self.standing, &self.card, settings)
    }

    /// What is told of it, without its card.
    pub(crate) fn record(&self) -> Record {
        let claim = match &self.standing {
            Standing::Alive => Claim::Alive,
            Standing::Suspect(suspicion) => Claim::Suspect { accuser: suspicion.accuser() },
            Standing::Failed => Claim::Failed,
            Standing::Left { forced } => Claim::Left { forced: *forced },
        };
        let card = matches!(claim, Claim::Alive).then(|| self.card.clone());
        Record { ident: self.ident, incarnation: self.incarnation, claim, card, age_s: 0 }
    }

    /// What is told of it in a state exchange.
    pub(crate) fn full_record(&self, now: Duration) -> Record {
        let age_s = if self.is_active() { 0 } else { u32::try_from(self.age(now).as_secs()).unwrap_or(u32::MAX) };
        Record { card: Some(self.card.clone()), age_s, ..self.record() }
    }

    /// In the shape of the members list.
    pub(crate) fn member(&self) -> Member {
        Member {
            name: self.card.name.clone(),
            addr: self.card.address.ip().to_string(),
            port: self.card.address.port(),
            tags: self.card.tags.to_map(),
            status: match self.standing {
                Standing::Alive | Standing::Suspect(_) => MemberStatus::Alive,
                Standing::Failed => MemberStatus::Failed,
                Standing::Left { .. } => MemberStatus::Left,
            },
            // The numbers that clients of the field expect; ours has one version on the wire and does not negotiate.
            protocol_min: 1,
            protocol_max: 5,
            protocol_cur: 2,
            delegate_min: 2,
            delegate_max: 5,
            delegate_cur: 4,
        }
    }
}

/// How long a member that stands so is remembered.
pub(crate) fn remembered(standing: &Standing, card: &Card, settings: &EngineSettings) -> Duration {
    match standing {
        Standing::Left { .. } => settings.tombstone_timeout,
        _ => card
            .tags
            .get(RECONNECT_TIMEOUT_TAG)
            .and_then(|text| duration::parse(text).ok())
            .filter(|time| !time.is_zero())
            .unwrap_or(settings.reconnect_timeout),
    }
}

/// The members. Iterated in an order that follows from what was heard only, never in that of a hash.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    entries: HashMap<NodeKey, Entry>,
    names: HashMap<NodeName, NodeKey>,
    order: Vec<NodeKey>,
    active: usize,
}

/// Names are compared without letter case, as the catalog does.
fn folded(name: &NodeName) -> NodeName {
    if name.chars().any(char::is_uppercase) { NodeName::from(name.to_lowercase()) } else { name.clone() }
}

impl Roster {
    /// A member by its node.
    pub(crate) fn get(&self, node: NodeKey) -> Option<&Entry> {
        self.entries.get(&node)
    }

    /// Changes a member that is known. What decides on names and counts is kept right.
    pub(crate) fn change<T>(&mut self, node: NodeKey, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let entry = self.entries.get_mut(&node)?;
        let was_active = entry.is_active();
        let name = entry.card.name.clone();
        let changed = change(entry);
        match (was_active, entry.is_active()) {
            (true, false) => self.active -= 1,
            (false, true) => self.active += 1,
            _ => {}
        }
        if entry.card.name != name {
            let renamed = folded(&entry.card.name);
            if self.names.get(&folded(&name)) == Some(&node) {
                self.names.remove(&folded(&name));
            }
            self.names.insert(renamed, node);
        }
        Some(changed)
    }

    /// Adds a member that is not known.
    pub(crate) fn insert(&mut self, mut entry: Entry) {
        let node = entry.ident.node;
        self.remove(node);
        entry.position = self.order.len();
        self.order.push(node);
        self.names.insert(folded(&entry.card.name), node);
        self.active += usize::from(entry.is_active());
        self.entries.insert(node, entry);
    }

    /// Forgets a member.
    pub(crate) fn remove(&mut self, node: NodeKey) -> Option<Entry> {
        let entry = self.entries.remove(&node)?;
        self.active -= usize::from(entry.is_active());
        self.order.swap_remove(entry.position);
        if let Some(moved) = self.order.get(entry.position).and_then(|moved| self.entries.get_mut(moved)) {
            moved.position = entry.position;
        }
        let name = folded(&entry.card.name);
        if self.names.get(&name) == Some(&node) {
            self.names.remove(&name);
        }
        Some(entry)
    }

    /// Who holds a name.
    pub(crate) fn holder(&self, name: &NodeName) -> Option<&Entry> {
        self.names.get(&folded(name)).and_then(|node| self.entries.get(node))
    }

    /// All members.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.order.iter().filter_map(|node| self.entries.get(node))
    }

    /// How many are there, this one among them.
    pub(crate) fn active(&self) -> usize {
        self.active
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Up to `count` different members at random for which `pick` holds. Draws a limited number of times, so that it costs the same in
    /// any pool; where few qualify it may find fewer.
    pub(crate) fn random(&self, count: usize, rng: &mut impl RngExt, pick: impl Fn(&Entry) -> bool) -> Vec<NodeKey> {
        let mut chosen: Vec<NodeKey> = Vec::with_capacity(count);
        if self.order.is_empty() {
            return chosen;
        }
        for _ in 0..(count * 10 + 10) {
            if chosen.len() >= count {
                break;
            }
            let Some(node) = self.order.get(rng.random_range(0..self.order.len())) else { break };
            if !chosen.contains(node) && self.entries.get(node).is_some_and(&pick) {
                chosen.push(*node);
            }
        }
        chosen
    }
}
