//! Commands by chance, on few keys, sessions and nodes, so that they meet each other.

use lictor_types::{
    Command, Deregister, HealthCheck, HealthStatus, Index, KvEntry, KvVerb, Node, Register, Session, SessionBehavior,
    SessionVerb, TxnKvVerb, TxnOp,
};
use proptest::prelude::*;

/// Keys of which some are prefixes of others, and some are strange.
const KEYS: [&str; 9] = ["a", "a/", "a/b", "a/b/c", "ab", "b", "b//", "é/日", "\u{10ffff}"];
pub(crate) const PREFIXES: [&str; 7] = ["", "a", "a/", "a/b", "b", "é", "zzz"];
const CHECKS: [&str; 2] = ["c1", "c2"];

/// A command without what hangs on the state: which index is compared is decided when its turn comes.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    /// Milliseconds that pass before it.
    pub(crate) pause_ms: u64,
    command: Command,
    /// Which of its comparisons shall be right.
    right: bool,
}

impl Move {
    /// The command at a time, with indexes of the rows there are where it compares rightly.
    pub(crate) fn command(&self, now_unix_ms: u64, index_of: impl Fn(&str) -> u64) -> Command {
        let mut command = self.command.clone();
        let compared = |entry: &mut KvEntry| {
            entry.modify_index = Index(index_of(&entry.key).saturating_sub(u64::from(!self.right)));
        };
        match &mut command {
            Command::Kv { entry, now_unix_ms: now, .. } => {
                compared(entry);
                *now = now_unix_ms;
            }
            Command::Txn { ops, now_unix_ms: now } => {
                for op in ops {
                    if let TxnOp::Kv { entry, .. } = op {
                        compared(entry);
                    }
                }
                *now = now_unix_ms;
            }
            Command::Session { now_unix_ms: now, .. } => *now = now_unix_ms,
            Command::Deregister(gone) => gone.now_unix_ms = now_unix_ms,
            Command::Register(register) => register.now_unix_ms = now_unix_ms,
            _ => {}
        }
        command
    }
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(&KEYS[..]).prop_map(str::to_owned)
}

/// Ids of sessions, one of them empty and one that is never there.
fn session() -> impl Strategy<Value = String> {
    prop_oneof![12 => (0..6).prop_map(|number| format!("session-{number}")), 1 => Just(String::new()), 1 => Just("nobody".to_owned())]
}

fn node() -> impl Strategy<Value = String> {
    prop::sample::select(&["n1", "n2"][..]).prop_map(str::to_owned)
}

fn entry() -> impl Strategy<Value = KvEntry> {
    (key(), prop::sample::select(&["", "x", "y"][..]), 0..2_u64, session()).prop_map(|(key, value, flags, session)| KvEntry {
        key,
        value: value.into(),
        flags,
        session,
        ..KvEntry::default()
    })
}

fn kv_verb() -> impl Strategy<Value = KvVerb> {
    use KvVerb::*;
    prop_oneof![4 => Just(Set), 3 => Just(Cas), 2 => Just(Delete), 2 => Just(DeleteCas), 1 => Just(DeleteTree), 6 => Just(Lock), 3 => Just(Unlock)]
}

fn txn_op() -> impl Strategy<Value = TxnOp> {
    use TxnKvVerb::*;
    let verb = prop_oneof![
        4 => Just(Set), 2 => Just(Cas), 3 => Just(Lock), 2 => Just(Unlock), 2 => Just(Get), 1 => Just(GetTree), 1 => Just(CheckIndex),
        1 => Just(CheckSession), 1 => Just(CheckNotExists), 1 => Just(Delete), 1 => Just(DeleteCas), 1 => Just(DeleteTree)
    ];
    prop_oneof![
        12 => (verb, entry()).prop_map(|(verb, entry)| TxnOp::Kv { verb, entry }),
        1 => session().prop_map(TxnOp::EndSession),
    ]
}

fn new_session() -> impl Strategy<Value = Command> {
    let checks = prop::sample::subsequence(&CHECKS[..], 0..=1);
    let behavior = prop_oneof![Just(SessionBehavior::Release), Just(SessionBehavior::Delete)];
    let delay = prop::sample::select(&[0_u64, 500_000, 15_000_000_000, 15_000_000_000, 600_000_000_000, 600_000_000_000][..]);
    (session(), node(), checks, behavior, delay).prop_map(|(id, node, checks, behavior, lock_delay)| Command::Session {
        verb: SessionVerb::Create,
        session: Session {
            id,
            node: node.as_str().into(),
            node_checks: checks.into_iter().map(Into::into).collect(),
            behavior,
            lock_delay,
            ..Session::default()
        },
        now_unix_ms: 0,
    })
}

fn register() -> impl Strategy<Value = Command> {
    let status =
        prop_oneof![4 => Just(HealthStatus::Passing), 1 => Just(HealthStatus::Warning), 1 => Just(HealthStatus::Critical)];
    let checks = prop::sample::subsequence(&CHECKS[..], 0..=2);
    (node(), checks, status).prop_map(|(node, checks, status)| registered(&node, &checks, status))
}

fn registered(node: &str, checks: &[&str], status: HealthStatus) -> Command {
    let check = |id: &&str| HealthCheck {
        node: node.into(),
        check_id: (*id).into(),
        name: (*id).to_owned(),
        status,
        ..HealthCheck::default()
    };
    let row = Node { node: node.into(), address: "10.0.0.1".to_owned(), ..Node::default() };
    Command::Register(Box::new(Register { node: row, checks: checks.iter().map(check).collect(), ..Register::default() }))
}

fn deregister() -> impl Strategy<Value = Command> {
    (node(), prop_oneof![1 => Just(""), 4 => prop::sample::select(&CHECKS[..])]).prop_map(|(node, check)| {
        Command::Deregister(Deregister { node: node.as_str().into(), check_id: check.into(), ..Deregister::default() })
    })
}

/// What a walk begins with: both nodes with their checks, which pass.
pub(crate) fn first() -> Vec<Move> {
    let both = ["n1", "n2"].map(|node| registered(node, &CHECKS, HealthStatus::Passing));
    both.into_iter().map(|command| Move { pause_ms: 0, command, right: true }).collect()
}

/// Any move.
pub(crate) fn any() -> impl Strategy<Value = Move> {
    let command = prop_oneof![
        30 => (kv_verb(), entry()).prop_map(|(verb, entry)| Command::Kv { verb, entry, now_unix_ms: 0 }),
        12 => prop::collection::vec(txn_op(), 0..6).prop_map(|ops| Command::Txn { ops, now_unix_ms: 0 }),
        16 => new_session(),
        3 => session().prop_map(|id| Command::Session {
            verb: SessionVerb::Destroy, session: Session { id, ..Session::default() }, now_unix_ms: 0 }),
        4 => register(),
        1 => deregister(),
        1 => (0..400_u64).prop_map(|index| Command::ReapTombstones(Index(index))),
    ];
    let pause = prop_oneof![60 => Just(0_u64), 2 => Just(1), 1 => 14_990..15_010_u64, 1 => 59_990..60_010_u64];
    (pause, command, prop::bool::weighted(0.7)).prop_map(|(pause_ms, command, right)| Move { pause_ms, command, right })
}
