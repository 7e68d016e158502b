//! Transactions: operations that take place together or not at all. Sentences are those of Consul's state store.

use super::Writer;
use super::register::{canonical_check, canonical_service, check_meta};
use crate::schema::State;
use bytes::Bytes;
use lictor_types::{
    HealthCheck, Index, KvEntry, KvVerb, Node, NodeName, NodeService, Outcome, ServiceId, TxnError, TxnKvVerb, TxnOp, TxnReply,
    TxnResult, TxnVerb,
};
use std::sync::Arc;

/// The row an operation answers, if any, or why it failed.
type Done = Result<Option<TxnResult>, String>;

impl State {
    /// Answers a transaction of operations that only read. What others would write is seen by the operations after them, and
    /// forgotten.
    pub fn read_txn(&self, ops: &[TxnOp]) -> TxnReply {
        Writer::new(self.clone()).txn(ops, 0)
    }
}

impl Writer {
    /// Carries out all operations, each on what those before it left. When one fails the others are tried all the same, to
    /// tell every failure; then everything is as it was.
    pub(super) fn txn(&mut self, ops: &[TxnOp], now_unix_ms: u64) -> TxnReply {
        let delayed = self.delayed_locks(ops, now_unix_ms);
        if !delayed.is_empty() {
            return TxnReply::failed(delayed);
        }
        // Cheap to keep: the tables are persistent maps.
        let before = self.state.clone();
        let mark = self.changes.mark();
        let mut reply = TxnReply { results: Vec::with_capacity(ops.len()), errors: Vec::new() };
        for (op_index, op) in ops.iter().enumerate() {
            if let Err(what) = self.txn_op(op, now_unix_ms, &mut reply.results) {
                reply.errors.push(TxnError { op_index, what });
            }
        }
        if reply.errors.is_empty() {
            return reply;
        }
        self.state = before;
        self.changes.rewind(mark);
        TxnReply::failed(reply.errors)
    }

    /// Locks that cannot be taken yet. They are told before anything is tried, as Consul's leader does.
    fn delayed_locks(&self, ops: &[TxnOp], now_unix_ms: u64) -> Vec<TxnError> {
        let fault = |(op_index, op): (usize, &TxnOp)| match op {
            TxnOp::Kv { verb: TxnKvVerb::Lock, entry } if self.state.kv.is_delayed(&entry.key, now_unix_ms) => {
                Some(TxnError { op_index, what: format!("failed to lock key {:?} due to lock delay", entry.key) })
            }
            _ => None,
        };
        ops.iter().enumerate().filter_map(fault).collect()
    }

    fn txn_op(&mut self, op: &TxnOp, now_unix_ms: u64, results: &mut Vec<TxnResult>) -> Result<(), String> {
        let result = match op {
            TxnOp::Kv { verb: TxnKvVerb::GetTree, entry } => {
                results.extend(self.state.kv.under(&entry.key).cloned().map(TxnResult::Kv));
                None
            }
            TxnOp::Kv { verb, entry } => self.txn_kv(verb, entry, now_unix_ms)?,
            TxnOp::Node { verb, node } => self.txn_node(verb, node, now_unix_ms)?,
            TxnOp::Service { verb, node, service } => self.txn_service(verb, node, service, now_unix_ms)?,
            TxnOp::Check { verb, check } => self.txn_check(verb, check, now_unix_ms)?,
            TxnOp::EndSession(id) => {
                self.end_session(id, now_unix_ms);
                None
            }
        };
        results.extend(result);
        Ok(())
    }

    fn txn_kv(&mut self, verb: &TxnKvVerb, given: &KvEntry, now_unix_ms: u64) -> Done {
        let key = &given.key;
        let existing = self.state.kv.get(key).cloned();
        let write = match verb {
            TxnKvVerb::Get => {
                return existing.map(|entry| Some(TxnResult::Kv(entry))).ok_or_else(|| format!("key {key:?} doesn't exist"));
            }
            TxnKvVerb::GetTree => return Ok(None),
            TxnKvVerb::CheckNotExists => {
                return if existing.is_some() { Err(format!("key {key:?} exists")) } else { Ok(None) };
            }
            TxnKvVerb::CheckIndex => {
                let entry = existing.ok_or_else(|| format!("failed to check index, key {key:?} doesn't exist"))?;
                let (is, wanted) = (entry.modify_index, given.modify_index);
                return if is == wanted {
                    Ok(Some(without_value(&entry)))
                } else {
                    Err(format!("failed index check for key {key:?}, current modify index {is} != {wanted}"))
                };
            }
            TxnKvVerb::CheckSession => {
                let entry = existing.ok_or_else(|| format!("failed to check session, key {key:?} doesn't exist"))?;
                let (is, wanted) = (&entry.session, &given.session);
                return if is == wanted {
                    Ok(Some(without_value(&entry)))
                } else {
                    Err(format!("failed session check for key {key:?}, current session {is:?} != {wanted:?}"))
                };
            }
            TxnKvVerb::Unknown(word) => return Err(format!("unknown KV verb {word:?}")),
            TxnKvVerb::Set => KvVerb::Set,
            TxnKvVerb::Cas => KvVerb::Cas,
            TxnKvVerb::Lock => KvVerb::Lock,
            TxnKvVerb::Unlock => KvVerb::Unlock,
            TxnKvVerb::Delete => KvVerb::Delete,
            TxnKvVerb::DeleteCas => KvVerb::DeleteCas,
            TxnKvVerb::DeleteTree => KvVerb::DeleteTree,
        };
        match self.kv(write, given, now_unix_ms) {
            Outcome::Refused(sentence) => Err(sentence),
            Outcome::Decided(false) => Err(match write {
                KvVerb::Lock => format!("failed to lock key {key:?}, lock is already held"),
                KvVerb::Unlock => format!("failed to unlock key {key:?}, lock isn't held, or is held by another session"),
                KvVerb::DeleteCas => stale("delete", &format!("key {key:?}")),
                _ => stale("set", &format!("key {key:?}")),
            }),
            _ if matches!(write, KvVerb::Delete | KvVerb::DeleteCas | KvVerb::DeleteTree) => Ok(None),
            _ => Ok(self.state.kv.get(key).map(|entry| without_value(entry))),
        }
    }

    fn txn_node(&mut self, verb: &TxnVerb, given: &Node, now_unix_ms: u64) -> Done {
        let name = &given.node;
        let row_index = self.state.nodes.get(name).map(|row| row.modify_index);
        match verb {
            TxnVerb::Get => {
                let row = self.node_meant(given);
                return row
                    .map(|row| Some(TxnResult::Node(row)))
                    .ok_or_else(|| format!("node {:?} doesn't exist", name.as_str()));
            }
            TxnVerb::Cas if !may_write(row_index, given.modify_index) => {
                return Err(stale("set", &format!("node {:?}", name.as_str())));
            }
            TxnVerb::Set | TxnVerb::Cas => {
                self.put_node(given, now_unix_ms)?;
                return Ok(self.node_meant(given).map(TxnResult::Node));
            }
            TxnVerb::DeleteCas if row_index != Some(given.modify_index) => {
                return Err(stale("delete", &format!("node {:?}", name.as_str())));
            }
            TxnVerb::Delete | TxnVerb::DeleteCas => self.remove_node(name, now_unix_ms),
            TxnVerb::Unknown(word) => return Err(format!("unknown Node verb {word:?}")),
        }
        Ok(None)
    }

    /// The row with the given UUID, or by name when none is given.
    fn node_meant(&self, given: &Node) -> Option<Arc<Node>> {
        let nodes = &self.state.nodes;
        if given.id.is_empty() { nodes.get(&given.node) } else { nodes.get_by_id(&given.id) }.cloned()
    }

    fn txn_service(&mut self, verb: &TxnVerb, node: &NodeName, given: &NodeService, now_unix_ms: u64) -> Done {
        if *verb == TxnVerb::Get {
            let row = self.state.services.get(node, &given.id).cloned();
            let missing = || format!("service {:?} on node {:?} doesn't exist", given.id.as_str(), node.as_str());
            return row.map(|row| Some(TxnResult::Service(row))).ok_or_else(missing);
        }
        let id = if given.id.is_empty() { ServiceId::from(given.service.as_str()) } else { given.id.clone() };
        let row_index = self.state.services.get(node, &id).map(|row| row.modify_index);
        let stale = |what: &str| stale(what, &format!("service {:?} on node {:?}", id.as_str(), node.as_str()));
        match verb {
            TxnVerb::Cas if !may_write(row_index, given.modify_index) => Err(stale("set")),
            TxnVerb::Get | TxnVerb::Set | TxnVerb::Cas => {
                let service = canonical_service(given);
                check_meta(node, &service)?;
                if self.state.nodes.get(node).is_none() {
                    return Err(MISSING_NODE.to_owned());
                }
                if id.is_empty() {
                    return Err("failed inserting service: object missing primary index".to_owned());
                }
                self.put_service(&self.shared_name(node), service);
                Ok(self.state.services.get(node, &id).cloned().map(TxnResult::Service))
            }
            TxnVerb::DeleteCas if row_index != Some(given.modify_index) => Err(stale("delete")),
            TxnVerb::Delete | TxnVerb::DeleteCas => {
                self.remove_service(node, &id, now_unix_ms);
                Ok(None)
            }
            TxnVerb::Unknown(word) => Err(format!("unknown Service verb {word:?}")),
        }
    }

    fn txn_check(&mut self, verb: &TxnVerb, given: &HealthCheck, now_unix_ms: u64) -> Done {
        let node = &given.node;
        if *verb == TxnVerb::Get {
            let row = self.state.checks.get(node, &given.check_id).cloned();
            let missing = || format!("check {:?} on node {:?} doesn't exist", given.check_id.as_str(), node.as_str());
            return row.map(|row| Some(TxnResult::Check(row))).ok_or_else(missing);
        }
        // The kind is kept as given; a registration finds it from the definition.
        let mut check = HealthCheck { kind: given.kind.clone(), ..canonical_check(given, node) };
        let id = check.check_id.clone();
        let row_index = self.state.checks.get(node, &id).map(|row| row.modify_index);
        let stale = |what: &str| stale(what, &format!("check {:?} on node {:?}", id.as_str(), node.as_str()));
        match verb {
            TxnVerb::Cas if !may_write(row_index, given.modify_index) => Err(stale("set")),
            TxnVerb::Get | TxnVerb::Set | TxnVerb::Cas => {
                if self.state.nodes.get(node).is_none() {
                    return Err(MISSING_NODE.to_owned());
                }
                if !check.service_id.is_empty() && self.state.services.get(node, &check.service_id).is_none() {
                    return Err("Missing service registration".to_owned());
                }
                if id.is_empty() {
                    return Err("failed inserting check: object missing primary index".to_owned());
                }
                check.node = self.shared_name(node);
                self.put_check(check, now_unix_ms);
                Ok(self.state.checks.get(node, &id).cloned().map(TxnResult::Check))
            }
            TxnVerb::DeleteCas if row_index != Some(given.modify_index) => Err(stale("delete")),
            TxnVerb::Delete | TxnVerb::DeleteCas => {
                self.remove_check(node, &id, now_unix_ms);
                Ok(None)
            }
            TxnVerb::Unknown(word) => Err(format!("unknown Check verb {word:?}")),
        }
    }
}

const MISSING_NODE: &str = "Missing node registration";

/// Whether a row may be written under a condition: 0 demands that there is none.
fn may_write(row_index: Option<Index>, wanted: Index) -> bool {
    match row_index {
        Some(index) => wanted != Index(0) && index == wanted,
        None => wanted == Index(0),
    }
}

fn stale(verb: &str, what: &str) -> String {
    format!("failed to {verb} {what}, index is stale")
}

/// What is answered of an entry that was not asked for.
fn without_value(entry: &KvEntry) -> TxnResult {
    TxnResult::Kv(Arc::new(KvEntry { value: Bytes::new(), ..entry.clone() }))
}

#[cfg(test)]
mod tests;
