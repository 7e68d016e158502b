//! What the tests of this crate share.

use crate::{Catalog, QueryScope};
use lictor_types::{
    Command, ConfigEntry, ConfigEntryVerb, Index, KvEntry, KvVerb, Outcome, PreparedQueryVerb, Query, Register, Reply, Session,
    SessionVerb,
};
use lictor_types::{Intention, IntentionVerb};
use serde_json::{Value, json};

/// A catalog, and the index of the last command.
pub(crate) struct Bench {
    pub(crate) catalog: Catalog,
    pub(crate) index: u64,
    pub(crate) now_unix_ms: u64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { catalog: Catalog::new("dc1"), index: 10, now_unix_ms: 1_000_000 }
    }

    pub(crate) fn apply(&mut self, command: &Command) -> Outcome {
        self.index += 1;
        self.catalog.apply(Index(self.index), command)
    }

    /// Registers from the JSON of `/v1/catalog/register`.
    pub(crate) fn register(&mut self, body: Value) -> Outcome {
        let now = self.now_unix_ms;
        self.apply(&register(body, now))
    }

    pub(crate) fn deregister(&mut self, node: &str, service: &str, check: &str) -> Outcome {
        let body = json!({"node": node, "service_id": service, "check_id": check, "now_unix_ms": self.now_unix_ms});
        self.apply(&Command::Deregister(serde_json::from_value(body).unwrap()))
    }

    pub(crate) fn kv(&mut self, verb: KvVerb, entry: KvEntry) -> Outcome {
        let now_unix_ms = self.now_unix_ms;
        self.apply(&Command::Kv { verb, entry, now_unix_ms })
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) -> Outcome {
        self.kv(KvVerb::Set, entry(key, value))
    }

    pub(crate) fn delete(&mut self, key: &str) -> Outcome {
        self.kv(KvVerb::Delete, entry(key, ""))
    }

    pub(crate) fn session(&mut self, verb: SessionVerb, body: Value) -> Outcome {
        let session: Session = serde_json::from_value(body).unwrap();
        let now_unix_ms = self.now_unix_ms;
        self.apply(&Command::Session { verb, session, now_unix_ms })
    }

    pub(crate) fn prepared(&mut self, verb: PreparedQueryVerb, body: Value) -> Outcome {
        let query = serde_json::from_value(body).unwrap();
        self.apply(&Command::PreparedQuery { verb, query })
    }

    /// Writes the JSON of `/v1/config`; `None` or the sentence that refuses it.
    pub(crate) fn set_entry(&mut self, body: Value) -> Option<String> {
        self.config_entry(ConfigEntryVerb::Set, body).1
    }

    pub(crate) fn config_entry(&mut self, verb: ConfigEntryVerb, body: Value) -> (Outcome, Option<String>) {
        let modify_index = Index(body["ModifyIndex"].as_u64().unwrap_or_default());
        let mut entry = ConfigEntry { modify_index, ..ConfigEntry::decode(body).unwrap() };
        entry.normalise();
        let outcome = self.apply(&Command::ConfigEntry { verb, entry: Box::new(entry) });
        let sentence = if let Outcome::Refused(sentence) = &outcome { Some(sentence.clone()) } else { None };
        (outcome, sentence)
    }

    /// Changes an intention; `None` or the sentence that refuses it.
    pub(crate) fn intention(&mut self, verb: IntentionVerb, body: Value) -> Option<String> {
        let mut intention: Intention = serde_json::from_value(body).unwrap();
        intention.normalise();
        match self.apply(&Command::Intention { verb, intention: Box::new(intention) }) {
            Outcome::Done => None,
            Outcome::Refused(sentence) => Some(sentence),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ask(&self, query: &Query) -> (u64, Reply) {
        let (index, reply) = self.catalog.snapshot().query(query, &QueryScope::default(), None).unwrap();
        (index.0, reply)
    }

    pub(crate) fn index_of(&self, query: &Query) -> u64 {
        self.ask(query).0
    }

    /// The JSON of an answer.
    pub(crate) fn json(&self, query: &Query) -> Value {
        serde_json::to_value(self.ask(query).1).unwrap()
    }
}

pub(crate) fn entry(key: &str, value: &str) -> KvEntry {
    KvEntry { key: key.to_owned(), value: value.to_owned().into(), ..KvEntry::default() }
}

/// A registration from the JSON of `/v1/catalog/register`.
pub(crate) fn register(body: Value, now_unix_ms: u64) -> Command {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let mut register = Register { now_unix_ms, ..Register::default() };
    register.node.id = text("ID");
    register.node.node = text("Node").into();
    register.node.address = text("Address");
    register.node.meta = serde_json::from_value(body["NodeMeta"].clone()).unwrap();
    register.skip_node_update = body["SkipNodeUpdate"].as_bool().unwrap_or_default();
    if body["Service"].is_object() {
        register.service = Some(serde_json::from_value(body["Service"].clone()).unwrap());
    }
    if body["Check"].is_object() {
        register.checks.push(serde_json::from_value(body["Check"].clone()).unwrap());
    }
    for check in body["Checks"].as_array().into_iter().flatten() {
        register.checks.push(serde_json::from_value(check.clone()).unwrap());
    }
    Command::Register(Box::new(register))
}

pub(crate) fn health(service: &str) -> Query {
    Query::HealthService { service: service.into(), tags: vec![], worst: None, connect: false }
}

pub(crate) fn instances(service: &str) -> Query {
    Query::ServiceNodes { service: service.into(), tags: vec![], connect: false }
}

pub(crate) fn connect(service: &str) -> Query {
    Query::ServiceNodes { service: service.into(), tags: vec![], connect: true }
}
