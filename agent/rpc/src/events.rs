//! User events: what `/v1/event/fire` sends, and the recent ones an agent has received. Implementations of
//! [`Node`](crate::Node) keep an [`EventLog`]; gossip will feed it once there are other members.

use crate::node::LocalService;
use bytes::Bytes;
use parking_lot::Mutex;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// How many events an agent remembers, as Consul.
const EVENTS_MAX: usize = 256;
/// Largest filter compiled, in bytes of its program.
const FILTER_BYTES_MAX: usize = 1 << 16;

/// A user event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserEvent {
    /// UUID, chosen by who fires it.
    pub id: String,
    /// Name.
    pub name: String,
    /// Payload, for the receivers.
    pub payload: Bytes,
    /// Regular expression over the names of nodes that shall take it; empty: all.
    pub node_filter: String,
    /// Regular expression over the names of services; only agents with such a service take it. Empty: all.
    pub service_filter: String,
    /// Regular expression over the tags of those services.
    pub tag_filter: String,
    /// Lamport time; 0 until the event is received.
    pub lamport_time: u64,
}

impl UserEvent {
    /// Bytes for the members: all but the name and the Lamport time, which travel beside them.
    pub fn to_payload(&self) -> Bytes {
        let wire = Wire {
            id: self.id.clone(),
            payload: self.payload.clone(),
            node_filter: self.node_filter.clone(),
            service_filter: self.service_filter.clone(),
            tag_filter: self.tag_filter.clone(),
        };
        rmp_serde::to_vec_named(&wire).expect("texts and bytes can always be encoded").into()
    }

    /// Reads what another member made with [`UserEvent::to_payload`]; the error says what is wrong with the bytes.
    pub fn from_payload(name: &str, bytes: &[u8]) -> Result<Self, String> {
        let Wire { id, payload, node_filter, service_filter, tag_filter } =
            rmp_serde::from_slice(bytes).map_err(|error| error.to_string())?;
        Ok(Self { id, name: name.to_owned(), payload, node_filter, service_filter, tag_filter, lamport_time: 0 })
    }

    /// What is wrong with the filters, in Consul's words.
    pub fn validate(&self) -> Result<(), String> {
        if !self.tag_filter.is_empty() && self.service_filter.is_empty() {
            return Err("Cannot provide tag filter without service filter".to_owned());
        }
        for (kind, text) in [("node", &self.node_filter), ("service", &self.service_filter), ("tag", &self.tag_filter)] {
            compile(text).map_err(|why| format!("Invalid {kind} filter: error parsing regexp: {why}"))?;
        }
        Ok(())
    }

    /// Whether an agent with this name and these services takes the event.
    fn concerns(&self, node: &str, services: &[Arc<LocalService>]) -> Result<bool, regex::Error> {
        if !compile(&self.node_filter)?.is_match(node) {
            return Ok(false);
        }
        if self.service_filter.is_empty() {
            return Ok(true);
        }
        let (by_name, by_tag) = (compile(&self.service_filter)?, compile(&self.tag_filter)?);
        Ok(services.iter().any(|local| {
            let tagged = self.tag_filter.is_empty() || local.service.tags.iter().any(|tag| by_tag.is_match(tag));
            by_name.is_match(&local.service.service) && tagged
        }))
    }
}

/// An event on the wire. Names are short: a whole event has about 512 bytes.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Wire {
    #[serde(rename = "i")]
    id: String,
    #[serde(rename = "p")]
    payload: Bytes,
    #[serde(rename = "n")]
    node_filter: String,
    #[serde(rename = "s")]
    service_filter: String,
    #[serde(rename = "t")]
    tag_filter: String,
}

/// An empty filter matches everything.
fn compile(filter: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(filter).size_limit(FILTER_BYTES_MAX).build()
}

/// The events an agent received, oldest first.
#[derive(Debug, Default)]
pub struct EventLog {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Arc<UserEvent>>,
    lamport_time: u64,
}

impl EventLog {
    /// Takes an event in if it concerns this agent.
    pub fn receive(&self, mut event: UserEvent, node: &str, services: &[Arc<LocalService>]) {
        let mut inner = self.inner.lock();
        // An index that never goes back, whatever the order in which events come.
        inner.lamport_time = event.lamport_time.max(inner.lamport_time + 1);
        event.lamport_time = inner.lamport_time;
        if !event.concerns(node, services).unwrap_or(false) {
            return;
        }
        if inner.events.len() >= EVENTS_MAX {
            inner.events.pop_front();
        }
        inner.events.push_back(Arc::new(event));
        drop(inner);
        self.changed.notify_waiters();
    }

    /// The events of a name (empty: all) with their index, which tells the newest one apart from any other.
    pub fn list(&self, name: &str) -> (u64, Vec<Arc<UserEvent>>) {
        let inner = self.inner.lock();
        let events: Vec<_> = inner.events.iter().filter(|event| name.is_empty() || event.name == name).cloned().collect();
        (events.last().map_or(1, |event| event.lamport_time + 1), events)
    }

    /// As [`EventLog::list`], once the index differs from `index`. Waits without end: the caller sets the limit.
    pub async fn list_after(&self, name: &str, index: u64) -> (u64, Vec<Arc<UserEvent>>) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listening before looking, so that no change is missed.
            changed.as_mut().enable();
            let found = self.list(name);
            if found.0 != index {
                return found;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use lictor_types::{NodeService, Origin};

    fn event(name: &str) -> UserEvent {
        UserEvent { name: name.to_owned(), ..UserEvent::default() }
    }

    #[test]
    fn filters_are_judged_as_consul_does() {
        assert_eq!(event("a").validate(), Ok(()));
        let lone_tag = UserEvent { tag_filter: "x".to_owned(), ..event("a") };
        assert_eq!(lone_tag.validate().unwrap_err(), "Cannot provide tag filter without service filter");
        let broken = UserEvent { node_filter: "(".to_owned(), ..event("a") };
        assert!(broken.validate().unwrap_err().starts_with("Invalid node filter: error parsing regexp: "));
    }

    #[test]
    fn only_what_concerns_this_agent_is_kept() {
        let log = EventLog::default();
        let service = NodeService { service: "web".into(), tags: vec!["v1".to_owned()], ..NodeService::default() };
        let services = [Arc::new(LocalService { service, origin: Origin::Api, content_hash: String::new() })];
        for (node, service, tag, name) in [
            ("", "", "", "all"),
            ("n.", "", "", "node"),
            ("other", "", "", "-"),
            ("", "web", "", "service"),
            ("", "db", "", "-"),
            ("", "web", "v1", "tag"),
            ("", "web", "v9", "-"),
        ] {
            let event = UserEvent {
                node_filter: node.to_owned(),
                service_filter: service.to_owned(),
                tag_filter: tag.to_owned(),
                ..event(name)
            };
            log.receive(event, "n1", &services);
        }
        let names: Vec<_> = log.list("").1.iter().map(|event| event.name.clone()).collect();
        assert_eq!(names, ["all", "node", "service", "tag"]);
        assert_eq!(log.list("tag").1.len(), 1);
        assert_eq!(log.list("none"), (1, Vec::new()));
    }

    #[tokio::test]
    async fn a_new_event_wakes_who_waits_for_its_name() {
        let log = Arc::new(EventLog::default());
        log.receive(event("a"), "n1", &[]);
        let (index, _) = log.list("a");
        let waiting = tokio::spawn({
            let log = log.clone();
            async move { log.list_after("a", index).await }
        });
        log.receive(event("b"), "n1", &[]);
        assert_eq!(log.list("a").0, index);
        log.receive(event("a"), "n1", &[]);
        let (next, events) = waiting.await.unwrap();
        assert!(next > index);
        assert_eq!(events.len(), 2);
    }

    #[test]
    fn an_event_comes_through_the_pool_as_it_was() {
        let sent =
            UserEvent { id: "u".into(), payload: Bytes::from_static(b"\0x"), node_filter: "n.*".into(), ..event("deploy") };
        assert_eq!(UserEvent::from_payload("deploy", &sent.to_payload()), Ok(sent));
        assert!(UserEvent::from_payload("deploy", b"\x01nonsense").is_err());
    }

    #[test]
    fn the_oldest_go() {
        let log = EventLog::default();
        for _ in 0..EVENTS_MAX + 5 {
            log.receive(event("a"), "n1", &[]);
        }
        assert_eq!(log.list("").1.len(), EVENTS_MAX);
    }
}
