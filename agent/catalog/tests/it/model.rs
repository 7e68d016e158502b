//! What keys, sessions, locks and transactions mean, as simply as it can be said: plain maps, scanned from end to end.
//!
//! Written from what Consul's documentation and its answers say, and from nothing of this crate; it knows commands and rows alone. The
//! store must not be told apart from it. What it leaves out: sessions bound to service checks, and the catalog's own verbs.

use lictor_types::{
    CheckId, Command, HealthStatus, Index, KvEntry, KvVerb, Outcome, Session, SessionBehavior, SessionVerb, TxnKvVerb, TxnOp,
};
use std::collections::BTreeMap;

/// A lock cannot be delayed for longer.
const DELAY_MAX_MS: u64 = 60_000;

/// What a command answers, without its sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Decided(bool),
    Refused,
    /// Rows in order, values left out where a transaction leaves them out.
    Results(Vec<KvEntry>),
    /// Places of what failed.
    Failed(Vec<usize>),
}

impl Answer {
    /// Of the store.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Decided(took_place) => Self::Decided(*took_place),
            Outcome::Refused(_) => Self::Refused,
            Outcome::Txn(reply) if reply.errors.is_empty() => Self::Results(
                reply
                    .results
                    .iter()
                    .filter_map(|result| if let lictor_types::TxnResult::Kv(row) = result { Some((**row).clone()) } else { None })
                    .collect(),
            ),
            Outcome::Txn(reply) => Self::Failed(reply.errors.iter().map(|error| error.op_index).collect()),
            Outcome::Batch(_) => panic!("nothing here is a batch"),
        }
    }
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) rows: BTreeMap<String, KvEntry>,
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Checks of each node.
    nodes: BTreeMap<String, BTreeMap<String, HealthStatus>>,
    /// Until when a key cannot be locked.
    delays: BTreeMap<String, u64>,
    /// When a key was deleted last.
    graves: BTreeMap<String, u64>,
    /// Last change of any key, and of any grave.
    last_change: u64,
    last_burial: u64,
    /// Last change of any session.
    pub(crate) sessions_change: u64,
    /// How often which case came up: walks that never meet one say nothing of it.
    pub(crate) met: BTreeMap<&'static str, usize>,
}

impl Model {
    fn meet(&mut self, case: &'static str) {
        *self.met.entry(case).or_default() += 1;
    }

    pub(crate) fn apply(&mut self, index: u64, command: &Command) -> Answer {
        match command {
            Command::Register(register) => {
                self.nodes.entry(register.node.node.to_string()).or_default();
                for check in &register.checks {
                    self.set_check(index, &register.node.node, &check.check_id, check.status, register.now_unix_ms);
                }
                Answer::Done
            }
            Command::Deregister(gone) => {
                let lost: Vec<String> = match gone.check_id.as_str() {
                    "" => {
                        self.nodes.remove(gone.node.as_str());
                        self.sessions.values().filter(|row| row.node == gone.node).map(|row| row.id.clone()).collect()
                    }
                    check => {
                        let had = self.nodes.get_mut(gone.node.as_str()).and_then(|checks| checks.remove(check));
                        if had.is_some() { self.bound_to(&gone.node, check) } else { Vec::new() }
                    }
                };
                self.end_all(index, &lost, gone.now_unix_ms);
                Answer::Done
            }
            Command::Session { verb: SessionVerb::Create, session, .. } => self.create(index, session),
            Command::Session { verb: SessionVerb::Destroy, session, now_unix_ms } => {
                self.end(index, &session.id, *now_unix_ms);
                Answer::Done
            }
            Command::Kv { verb, entry, now_unix_ms } => self.kv(index, *verb, entry, *now_unix_ms),
            Command::Txn { ops, now_unix_ms } => self.txn(index, ops, *now_unix_ms),
            Command::ReapTombstones(up_to) => {
                let before = self.graves.len();
                self.graves.retain(|_, index| *index > up_to.0);
                if self.graves.len() < before {
                    self.last_burial = index;
                }
                Answer::Done
            }
            other => panic!("the model does not know {other:?}"),
        }
    }

    fn set_check(&mut self, index: u64, node: &str, check: &CheckId, status: HealthStatus, now: u64) {
        self.nodes.entry(node.to_owned()).or_default().insert(check.to_string(), status);
        if status == HealthStatus::Critical {
            let lost = self.bound_to(node, check);
            self.end_all(index, &lost, now);
        }
    }

    fn bound_to(&self, node: &str, check: &str) -> Vec<String> {
        let bound = |row: &&Session| row.node.as_str() == node && row.node_checks.iter().any(|id| id.as_str() == check);
        self.sessions.values().filter(bound).map(|row| row.id.clone()).collect()
    }

    fn create(&mut self, index: u64, given: &Session) -> Answer {
        let Some(checks) = self.nodes.get(given.node.as_str()) else { return Answer::Refused };
        let healthy = |id: &CheckId| checks.get(id.as_str()).is_some_and(|status| *status != HealthStatus::Critical);
        if given.id.is_empty() || self.sessions.contains_key(&given.id) || !given.node_checks.iter().all(healthy) {
            return Answer::Refused;
        }
        let row = Session { create_index: Index(index), modify_index: Index(index), ..given.clone() };
        self.sessions.insert(given.id.clone(), row);
        self.sessions_change = index;
        Answer::Done
    }

    fn end_all(&mut self, index: u64, ids: &[String], now: u64) {
        ids.iter().for_each(|id| self.end(index, id, now));
    }

    fn end(&mut self, index: u64, id: &str, now: u64) {
        let Some(session) = self.sessions.remove(id) else { return };
        self.sessions_change = index;
        let held: Vec<String> = self.rows.values().filter(|row| row.session == id).map(|row| row.key.clone()).collect();
        for key in held {
            match session.behavior {
                SessionBehavior::Delete => {
                    self.meet("a key deleted with its session");
                    self.delete(index, &key);
                }
                SessionBehavior::Release => {
                    self.meet("a key released with its session");
                    let row = self.rows.get_mut(&key).unwrap();
                    row.session.clear();
                    row.modify_index = Index(index);
                    self.last_change = index;
                }
            }
            let delay_ms = (session.lock_delay / 1_000_000).min(DELAY_MAX_MS);
            if delay_ms > 0 {
                self.delays.insert(key, now + delay_ms);
            }
        }
    }

    fn is_delayed(&self, key: &str, now: u64) -> bool {
        self.delays.get(key).is_some_and(|until| now < *until)
    }

    fn kv(&mut self, index: u64, verb: KvVerb, given: &KvEntry, now: u64) -> Answer {
        let key = given.key.as_str();
        let old = self.rows.get(key).cloned();
        let holder = old.as_ref().map_or("", |row| row.session.as_str()).to_owned();
        let is_index = old.as_ref().map_or(0, |row| row.modify_index.0);
        match verb {
            KvVerb::Set => {
                self.write(index, given, &holder, given.lock_index);
                Answer::Done
            }
            KvVerb::Cas if is_index == given.modify_index.0 => {
                self.write(index, given, &holder, given.lock_index);
                Answer::Decided(true)
            }
            KvVerb::Cas => Answer::Decided(false),
            KvVerb::Delete => {
                self.delete(index, key);
                Answer::Done
            }
            // What is not there is as good as deleted.
            KvVerb::DeleteCas if old.is_none() => Answer::Decided(true),
            KvVerb::DeleteCas if is_index == given.modify_index.0 => {
                self.delete(index, key);
                Answer::Decided(true)
            }
            KvVerb::DeleteCas => Answer::Decided(false),
            KvVerb::DeleteTree => {
                let under: Vec<String> = self.rows.keys().filter(|name| name.starts_with(key)).cloned().collect();
                under.iter().for_each(|name| self.delete(index, name));
                Answer::Done
            }
            KvVerb::Lock | KvVerb::Unlock if given.session.is_empty() => Answer::Refused,
            KvVerb::Lock if self.is_delayed(key, now) => {
                self.meet("a lock that is delayed");
                Answer::Decided(false)
            }
            KvVerb::Lock if !self.sessions.contains_key(&given.session) => Answer::Refused,
            KvVerb::Lock if holder == given.session => {
                self.write(index, given, &given.session, old.map_or(0, |row| row.lock_index));
                Answer::Decided(true)
            }
            KvVerb::Lock if !holder.is_empty() => {
                self.meet("a lock that is held");
                Answer::Decided(false)
            }
            KvVerb::Lock => {
                self.meet("a lock");
                self.write(index, given, &given.session, old.map_or(0, |row| row.lock_index) + 1);
                Answer::Decided(true)
            }
            KvVerb::Unlock if holder == given.session => {
                self.meet("an unlock");
                self.write(index, given, "", old.map_or(0, |row| row.lock_index));
                Answer::Decided(true)
            }
            KvVerb::Unlock => Answer::Decided(false),
        }
    }

    /// What is the same as before is no change.
    fn write(&mut self, index: u64, given: &KvEntry, session: &str, lock_index: u64) {
        let old = self.rows.get(&given.key);
        let create_index = old.map_or(Index(index), |row| row.create_index);
        let new = KvEntry { session: session.to_owned(), lock_index, create_index, modify_index: Index(index), ..given.clone() };
        let same = |old: &KvEntry| KvEntry { modify_index: old.modify_index, ..new.clone() } == *old;
        if !old.is_some_and(same) {
            self.rows.insert(given.key.clone(), new);
            self.last_change = index;
        }
    }

    fn delete(&mut self, index: u64, key: &str) {
        if self.rows.remove(key).is_some() {
            self.graves.insert(key.to_owned(), index);
            self.last_change = index;
            self.last_burial = index;
        }
    }

    fn txn(&mut self, index: u64, ops: &[TxnOp], now: u64) -> Answer {
        let locks_early =
            |op: &TxnOp| matches!(op, TxnOp::Kv { verb: TxnKvVerb::Lock, entry } if self.is_delayed(&entry.key, now));
        let early: Vec<usize> = (0..).zip(ops).filter(|(_, op)| locks_early(op)).map(|(at, _)| at).collect();
        if !early.is_empty() {
            self.meet("a transaction with a lock that is delayed");
            return Answer::Failed(early);
        }
        let before = self.clone();
        let (mut results, mut failed) = (Vec::new(), Vec::new());
        for (at, op) in ops.iter().enumerate() {
            match self.txn_op(index, op, now) {
                Some(rows) => results.extend(rows),
                None => failed.push(at),
            }
        }
        if failed.is_empty() {
            self.meet("a transaction");
            return Answer::Results(results);
        }
        *self = before;
        self.meet("a transaction that fails");
        Answer::Failed(failed)
    }

    /// The rows that an operation answers; `None` if it fails.
    fn txn_op(&mut self, index: u64, op: &TxnOp, now: u64) -> Option<Vec<KvEntry>> {
        let (verb, given) = match op {
            TxnOp::Kv { verb, entry } => (verb, entry),
            TxnOp::EndSession(id) => {
                self.end(index, id, now);
                return Some(Vec::new());
            }
            other => panic!("the model does not know {other:?}"),
        };
        let row = self.rows.get(&given.key).cloned();
        let bare = |row: KvEntry| vec![KvEntry { value: Default::default(), ..row }];
        let write = match verb {
            TxnKvVerb::Get => return row.map(|row| vec![row]),
            TxnKvVerb::GetTree => {
                return Some(self.rows.values().filter(|row| row.key.starts_with(&given.key)).cloned().collect());
            }
            TxnKvVerb::CheckNotExists => return row.is_none().then(Vec::new),
            TxnKvVerb::CheckIndex => return row.filter(|row| row.modify_index == given.modify_index).map(bare),
            TxnKvVerb::CheckSession => return row.filter(|row| row.session == given.session).map(bare),
            TxnKvVerb::Unknown(_) => return None,
            TxnKvVerb::Set => KvVerb::Set,
            TxnKvVerb::Cas => KvVerb::Cas,
            TxnKvVerb::Lock => KvVerb::Lock,
            TxnKvVerb::Unlock => KvVerb::Unlock,
            TxnKvVerb::Delete => KvVerb::Delete,
            TxnKvVerb::DeleteCas => KvVerb::DeleteCas,
            TxnKvVerb::DeleteTree => KvVerb::DeleteTree,
        };
        match self.kv(index, write, given, now) {
            Answer::Refused | Answer::Decided(false) => None,
            _ if matches!(write, KvVerb::Delete | KvVerb::DeleteCas | KvVerb::DeleteTree) => Some(Vec::new()),
            _ => self.rows.get(&given.key).cloned().map(bare),
        }
    }

    /// Index of all keys together; there is no index 0, for which nobody could wait.
    fn whole(&self) -> u64 {
        self.last_change.max(self.last_burial).max(1)
    }

    /// Rows under a prefix, and the index of that answer.
    pub(crate) fn list(&self, prefix: &str) -> (u64, Vec<KvEntry>) {
        let rows: Vec<KvEntry> = self.rows.values().filter(|row| row.key.starts_with(prefix)).cloned().collect();
        let whole = self.whole();
        if prefix.is_empty() {
            return (whole, rows);
        }
        let newest = rows.iter().map(|row| row.modify_index.0).max().unwrap_or(0);
        let buried = self.graves.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, index)| *index).max().unwrap_or(0);
        match newest.max(buried) {
            0 => (whole, rows),
            index => (index, rows),
        }
    }

    /// One row, and the index of that answer.
    pub(crate) fn get(&self, key: &str) -> (u64, Option<KvEntry>) {
        let row = self.rows.get(key).cloned();
        (row.as_ref().map_or(self.whole(), |row| row.modify_index.0), row)
    }
}
