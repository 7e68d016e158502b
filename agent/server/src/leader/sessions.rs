//! Sessions with a time to live: the leader times them, and ends those that were not renewed.

use crate::events::SessionExpired;
use crate::server::Server;
use lictor_catalog::{QueryScope, WatchSet};
use lictor_net::clock::{self, Instant};
use lictor_rpc::ClusterError;
use lictor_types::{Command, Query, Reply, Session, SessionVerb, duration};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A session is never ended before its time; this part of it is added for renewals that are under way.
const GRACE_PART: u32 = 20;
/// Sessions ended by one log entry at most.
const BATCH_MAX: usize = 256;

/// When which session ends. Pure: it is told the time.
#[derive(Debug, Default)]
pub(crate) struct SessionTimers {
    by_id: HashMap<Arc<str>, Instant>,
    by_deadline: BTreeSet<(Instant, Arc<str>)>,
}

fn lifetime(session: &Session) -> Option<Duration> {
    let ttl = duration::parse(&session.ttl).ok().filter(|ttl| !ttl.is_zero())?;
    Some(ttl + ttl / GRACE_PART)
}

impl SessionTimers {
    /// Takes over the sessions there are: starts the time of new ones, forgets those that are gone, lets the others run.
    pub(crate) fn follow(&mut self, sessions: &[Arc<Session>], now: Instant) {
        let there: BTreeSet<&str> = sessions.iter().map(|session| session.id.as_str()).collect();
        self.by_id.retain(|id, _| there.contains(&**id));
        self.by_deadline.retain(|(_, id)| there.contains(&**id));
        for session in sessions {
            if !self.by_id.contains_key(session.id.as_str()) {
                self.renew(session, now);
            }
        }
    }

    /// Starts the time of a session anew. A session without a time to live has none.
    pub(crate) fn renew(&mut self, session: &Session, now: Instant) {
        if let Some(lifetime) = lifetime(session) {
            self.set(session.id.as_str().into(), now + lifetime);
        }
    }

    fn set(&mut self, id: Arc<str>, deadline: Instant) {
        if let Some(old) = self.by_id.insert(id.clone(), deadline) {
            self.by_deadline.remove(&(old, id.clone()));
        }
        self.by_deadline.insert((deadline, id));
    }

    /// When the next session ends.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// The sessions whose time is up.
    fn due(&self, now: Instant) -> Vec<Arc<str>> {
        self.by_deadline.iter().take_while(|(deadline, _)| *deadline <= now).take(BATCH_MAX).map(|(_, id)| id.clone()).collect()
    }

    fn forget(&mut self, id: &Arc<str>) {
        if let Some(deadline) = self.by_id.remove(id) {
            self.by_deadline.remove(&(deadline, id.clone()));
        }
    }

    /// Forgets all: this node leads no more.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Server {
    /// Takes over the catalog's sessions; answers what tells of the next change to them.
    pub(super) fn follow_sessions(&self) -> WatchSet {
        match self.catalog.query(&Query::Sessions, &QueryScope::default()) {
            Some((_, Reply::Sessions(sessions), watch)) => {
                let mut timers = self.timers.lock();
                timers.follow(&sessions, clock::now());
                lictor_telemetry::metrics::gauge("consul.session_ttl.active", timers.by_id.len() as f64);
                watch
            }
            _ => WatchSet::new(),
        }
    }

    /// Ends the sessions whose time is up.
    pub(super) async fn end_due_sessions(&self) -> Result<(), ClusterError> {
        let due = self.timers.lock().due(clock::now());
        let now_unix_ms = clock::wall_unix_ms();
        let end = |id: &Arc<str>| Command::Session {
            verb: SessionVerb::Destroy,
            session: Session { id: id.to_string(), ..Session::default() },
            now_unix_ms,
        };
        if due.is_empty() {
            return Ok(());
        }
        self.raft.propose(Command::Batch(due.iter().map(end).collect())).await?;
        SessionExpired { count: due.len() }.emit();
        let mut timers = self.timers.lock();
        for id in &due {
            timers.forget(id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, ttl: &str) -> Arc<Session> {
        Arc::new(Session { id: id.into(), ttl: ttl.into(), ..Session::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn ends_what_is_not_renewed_and_never_early() {
        let mut timers = SessionTimers::default();
        let start = clock::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let all = [session("a", "10s"), session("b", "20s"), session("forever", ""), session("zero", "0s")];
        timers.follow(&all, start);
        assert!(timers.due(at(10.0)).is_empty());
        assert_eq!(timers.due(at(11.0)), ["a".into()]);
        timers.renew(&all[0], at(8.0));
        timers.follow(&all, at(9.0));
        assert!(timers.due(at(18.0)).is_empty());
        assert_eq!(timers.due(at(22.0)), ["a".into(), "b".into()]);
        timers.forget(&"a".into());
        timers.follow(&all[2..], at(19.0));
        assert_eq!(timers.next_deadline(), None);
    }
}
