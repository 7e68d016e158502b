//! From two answers to the difference, and from both to events.

use crate::json;
use crate::kv::{Entries, Entry};
use bytes::Bytes;
use lictor_types::query::CheckServiceNode;
use lictor_types::{KvEntry, NodeName, Reply, ServiceId, ServiceName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An event as it is sent.
fn event<T: Serialize>(name: &str, index: Option<u64>, data: &T) -> Bytes {
    let mut text = Vec::new();
    if let Some(index) = index {
        text.extend_from_slice(format!("id: {index}\n").as_bytes());
    }
    text.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    // Compact JSON is one line.
    text.extend_from_slice(&json::compact(data));
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// Rows in the shape of the endpoint that answers them at once.
enum Rows<'a> {
    Keys(&'a [Arc<KvEntry>]),
    Other(&'a Reply),
}

impl Serialize for Rows<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keys(entries) => Entries(entries).serialize(serializer),
            Self::Other(reply) => reply.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Whole<'a> {
    index: u64,
    rows: Rows<'a>,
}

/// All rows of an answer.
pub(super) fn snapshot(index: u64, reply: &Reply) -> Bytes {
    let rows = match reply {
        Reply::Kv(entries) => Rows::Keys(entries),
        other => Rows::Other(other),
    };
    event("snapshot", Some(index), &Whole { index, rows })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reason<'a> {
    index: u64,
    reason: &'a str,
}

/// Tells a reader to forget what it has; a snapshot follows.
pub(super) fn reset(index: u64, reason: &str) -> Bytes {
    event("reset", None, &Reason { index, reason })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Difference<P, D> {
    index: u64,
    put: P,
    delete: Vec<D>,
}

/// What differs between two answers to one question; `None`: nothing.
pub(super) fn change(index: u64, old: &Reply, new: &Reply) -> Option<Bytes> {
    match (old, new) {
        (Reply::Kv(old), Reply::Kv(new)) => keys(index, old, new),
        (Reply::Services(old), Reply::Services(new)) => services(index, old, new),
        (Reply::HealthService(old), Reply::HealthService(new)) => instances(index, old, new),
        // Not one of the questions that are followed.
        _ => None,
    }
}

fn keys(index: u64, old: &[Arc<KvEntry>], new: &[Arc<KvEntry>]) -> Option<Bytes> {
    let (mut put, mut delete) = (Vec::new(), Vec::new());
    let mut before = old.iter().peekable();
    // Both are in the order of the keys.
    for entry in new {
        while let Some(gone) = before.next_if(|row| row.key < entry.key) {
            delete.push(gone.key.as_str());
        }
        let same = before.next_if(|row| row.key == entry.key).is_some_and(|row| Arc::ptr_eq(row, entry) || row == entry);
        if !same {
            put.push(Entry(entry));
        }
    }
    delete.extend(before.map(|gone| gone.key.as_str()));
    told(index, put.is_empty(), Difference { index, put, delete })
}

fn services(index: u64, old: &BTreeMap<ServiceName, Vec<String>>, new: &BTreeMap<ServiceName, Vec<String>>) -> Option<Bytes> {
    let put: BTreeMap<_, _> = new.iter().filter(|(name, tags)| old.get(*name) != Some(tags)).collect();
    let delete: Vec<_> = old.keys().filter(|name| !new.contains_key(*name)).collect();
    told(index, put.is_empty(), Difference { index, put, delete })
}

#[derive(Serialize)]
struct Instance<'a> {
    #[serde(rename = "Node")]
    node: &'a NodeName,
    #[serde(rename = "ServiceID")]
    service_id: &'a ServiceId,
}

fn instances(index: u64, old: &[CheckServiceNode], new: &[CheckServiceNode]) -> Option<Bytes> {
    let name = |row: &CheckServiceNode| (row.node.node.clone(), row.service.id.clone());
    let mut before: BTreeMap<_, _> = old.iter().map(|row| (name(row), row)).collect();
    let put: Vec<_> = new.iter().filter(|row| before.remove(&name(row)) != Some(*row)).collect();
    let delete: Vec<_> = before.keys().map(|(node, service_id)| Instance { node, service_id }).collect();
    told(index, put.is_empty(), Difference { index, put, delete })
}

fn told<P: Serialize, D: Serialize>(index: u64, nothing_put: bool, difference: Difference<P, D>) -> Option<Bytes> {
    (!nothing_put || !difference.delete.is_empty()).then(|| event("change", Some(index), &difference))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lictor_types::{Index, Node, NodeService};
    use proptest::prelude::*;

    fn entry(key: &str, value: &str, index: u64) -> Arc<KvEntry> {
        Arc::new(KvEntry { key: key.into(), value: value.to_owned().into(), modify_index: Index(index), ..KvEntry::default() })
    }

    fn text(bytes: Option<Bytes>) -> String {
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default()
    }

    #[test]
    fn keys_differ_by_what_was_written_and_removed() {
        let old = Reply::Kv(vec![entry("a", "1", 1), entry("b", "1", 2), entry("d", "1", 3)]);
        let new = Reply::Kv(vec![entry("b", "1", 2), entry("c", "x\ny", 4), entry("d", "2", 5)]);
        assert_eq!(
            text(change(5, &old, &new)),
            "id: 5\nevent: change\ndata: {\"Index\":5,\"Put\":[\
             {\"LockIndex\":0,\"Key\":\"c\",\"Flags\":0,\"Value\":\"eAp5\",\"CreateIndex\":0,\"ModifyIndex\":4},\
             {\"LockIndex\":0,\"Key\":\"d\",\"Flags\":0,\"Value\":\"Mg==\",\"CreateIndex\":0,\"ModifyIndex\":5}],\
             \"Delete\":[\"a\"]}\n\n"
        );
        assert_eq!(change(6, &new, &new.clone()), None);
        assert_eq!(
            text(change(7, &new, &Reply::Kv(vec![]))),
            "id: 7\nevent: change\ndata: {\"Index\":7,\"Put\":[],\"Delete\":[\"b\",\"c\",\"d\"]}\n\n"
        );
        assert!(
            text(Some(snapshot(3, &Reply::Kv(vec![])))).starts_with("id: 3\nevent: snapshot\ndata: {\"Index\":3,\"Rows\":[]}")
        );
        assert_eq!(text(Some(reset(3, "so"))), "event: reset\ndata: {\"Index\":3,\"Reason\":\"so\"}\n\n");
    }

    #[test]
    fn services_and_instances_differ_by_name() {
        let of = |pairs: &[(&str, &str)]| {
            Reply::Services(pairs.iter().map(|(name, tag)| ((*name).into(), vec![(*tag).to_owned()])).collect())
        };
        assert_eq!(
            text(change(2, &of(&[("a", "x"), ("b", "x"), ("c", "x")]), &of(&[("a", "x"), ("b", "y"), ("d", "x")]))),
            "id: 2\nevent: change\ndata: {\"Index\":2,\"Put\":{\"b\":[\"y\"],\"d\":[\"x\"]},\"Delete\":[\"c\"]}\n\n"
        );
        let row = |node: &str, port: i64| CheckServiceNode {
            node: Arc::new(Node { node: node.into(), ..Node::default() }),
            service: Arc::new(NodeService {
                id: "web".into(),
                service: "web".into(),
                port: port.try_into().unwrap(),
                ..NodeService::default()
            }),
            checks: Vec::new(),
        };
        let (old, new) = (vec![row("n1", 1), row("n2", 1), row("n3", 1)], vec![row("n3", 1), row("n1", 2)]);
        let told = text(change(9, &Reply::HealthService(old), &Reply::HealthService(new)));
        assert!(told.contains("\"Port\":2") && !told.contains("n3"), "{told}");
        assert!(told.ends_with("\"Delete\":[{\"Node\":\"n2\",\"ServiceID\":\"web\"}]}\n\n"), "{told}");
    }

    proptest! {
        /// Whoever applies the changes to the first answer has the last one.
        #[test]
        fn changes_lead_from_one_answer_to_the_next(
            states in prop::collection::vec(prop::collection::btree_map("[a-e]{1,2}", 0..4_u64, 0..6), 2..8),
        ) {
            let replies: Vec<_> = states.iter().map(|state| {
                Reply::Kv(state.iter().map(|(key, value)| entry(key, &value.to_string(), *value)).collect())
            }).collect();
            let mut mine: BTreeMap<String, u64> = states[0].clone();
            for (pair, now) in replies.windows(2).zip(&states[1..]) {
                let told = text(change(1, &pair[0], &pair[1]));
                if !told.is_empty() {
                    let data: serde_json::Value = serde_json::from_str(told.split("data: ").nth(1).unwrap().trim()).unwrap();
                    for row in data["Put"].as_array().unwrap() {
                        mine.insert(row["Key"].as_str().unwrap().to_owned(), row["ModifyIndex"].as_u64().unwrap());
                    }
                    for key in data["Delete"].as_array().unwrap() {
                        prop_assert!(mine.remove(key.as_str().unwrap()).is_some());
                    }
                }
                prop_assert_eq!(&mine, now);
            }
        }
    }
}
