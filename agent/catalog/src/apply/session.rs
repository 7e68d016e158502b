//! Sessions: their beginning, and what their end does to the keys they hold and the queries bound to them.

use super::Writer;
use crate::key::{Key, fold};
use crate::schema::raise;
use crate::tables::checks_of;
use crate::watch::WatchKey;
use lictor_types::{HealthStatus, Outcome, Session, SessionBehavior, SessionVerb};
use std::sync::Arc;

/// Longest lock-delay that is kept.
const LOCK_DELAY_MAX_MS: u64 = 60_000;
const NANOS_PER_MS: u64 = 1_000_000;

impl Writer {
    pub(super) fn session(&mut self, verb: SessionVerb, session: &Session, now_unix_ms: u64) -> Outcome {
        match verb {
            SessionVerb::Create => self.create_session(session),
            SessionVerb::Destroy => {
                self.end_session(&session.id, now_unix_ms);
                Outcome::Done
            }
        }
    }

    fn create_session(&mut self, given: &Session) -> Outcome {
        if given.id.is_empty() {
            return Outcome::Refused("Missing session ID".to_owned());
        }
        if self.state.nodes.get(&given.node).is_none() {
            return Outcome::Refused("Missing node registration".to_owned());
        }
        if self.state.sessions.get(&given.id).is_some() {
            return Outcome::Refused(format!("Session {:?} exists already", given.id));
        }
        for id in checks_of(given) {
            match self.state.checks.get(&given.node, id) {
                None => return Outcome::Refused(format!("Missing check '{id}' registration")),
                Some(check) if check.status == HealthStatus::Critical => {
                    return Outcome::Refused(format!("Check '{id}' is in critical state"));
                }
                Some(_) => {}
            }
        }
        let session = Session { create_index: self.index, modify_index: self.index, ..given.clone() };
        let session = Arc::new(session);
        self.state.sessions.insert(session.clone());
        self.touch_session(&session);
        Outcome::Done
    }

    pub(super) fn end_sessions_on_check(&mut self, node: &str, check: &str, now_unix_ms: u64) {
        for id in self.state.sessions.on_check(node, check) {
            self.end_session(id.as_str(), now_unix_ms);
        }
    }

    pub(super) fn end_session(&mut self, id: &str, now_unix_ms: u64) {
        let Some(session) = self.state.sessions.remove(id) else { return };
        self.touch_session(&session);
        let delay_ms = (session.lock_delay / NANOS_PER_MS).min(LOCK_DELAY_MAX_MS);
        for key in self.state.kv.held_by(&session.id) {
            match session.behavior {
                SessionBehavior::Release => self.release_entry(key.as_str()),
                SessionBehavior::Delete => self.delete_entry(key.as_str()),
            }
            if delay_ms > 0 {
                self.state.kv.delay(key.as_str(), now_unix_ms.saturating_add(delay_ms), now_unix_ms);
            }
        }
        for query in self.state.prepared_queries.of_session(&session.id) {
            self.remove_prepared_query(query.as_str());
        }
    }

    fn touch_session(&mut self, session: &Session) {
        raise(&mut self.state.sessions.index, self.index);
        self.changes.touch(WatchKey::Sessions);
        self.changes.touch(WatchKey::Session(Key::exact(&fold(&session.id))));
        self.changes.touch(WatchKey::NodeSessions(Key::folded(session.node.shared())));
    }
}
