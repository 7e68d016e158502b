//! A catalog with a row of each kind.

use lictor_catalog::Catalog;
use lictor_types::{Command, Index, KvEntry, KvVerb, Outcome, Register, Session, SessionVerb};
use serde_json::{Value, json};

/// The id that prepared queries get.
pub const QUERY: &str = "11111111-2222-3333-4444-555555555555";
/// The id of the session there is.
const SESSION: &str = "99999999-2222-3333-4444-555555555555";

fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it is the shape of that type")
}

/// Node `n` with instance `s` and check `c`, a session, key `k` that it holds, and key `k2`.
///
/// # Panics
/// Never: all of it is right.
pub fn catalog() -> Catalog {
    let catalog = Catalog::new("dc1");
    let register = Register {
        node: from(json!({"Node": "n", "Address": "10.0.0.1"})),
        service: Some(from(json!({"ID": "s", "Service": "s", "Port": 1}))),
        checks: vec![from(json!({"Node": "n", "CheckID": "c", "Name": "c", "Status": "passing", "ServiceID": "s"}))],
        ..Register::default()
    };
    let session: Session = from(json!({"ID": SESSION, "Node": "n"}));
    let entry = |key: &str| KvEntry { key: key.to_owned(), session: SESSION.to_owned(), ..KvEntry::default() };
    let commands = [
        Command::Register(Box::new(register)),
        Command::Session { verb: SessionVerb::Create, session, now_unix_ms: 0 },
        Command::Kv { verb: KvVerb::Lock, entry: entry("k"), now_unix_ms: 0 },
        Command::Kv { verb: KvVerb::Set, entry: KvEntry { session: String::new(), ..entry("k2") }, now_unix_ms: 0 },
    ];
    for (at, command) in (1..).zip(&commands) {
        let outcome = catalog.apply(Index(at), command);
        assert!(matches!(outcome, Outcome::Done | Outcome::Decided(true)), "{outcome:?}");
    }
    catalog
}

/// All of a catalog's state as bytes.
///
/// # Panics
/// When it cannot be saved.
pub fn saved(catalog: &Catalog) -> Vec<u8> {
    let mut bytes = Vec::new();
    catalog.snapshot().save_to(&mut bytes).expect("memory can be written");
    bytes
}
