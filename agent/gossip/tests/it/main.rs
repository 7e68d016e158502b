//! Pools on loopback sockets.

#![allow(clippy::unwrap_used)]

mod encryption;
mod faults;
mod membership;
mod rejoining;

use lictor_gossip::driver::{EventStream, Heard, Pool};
use lictor_gossip::engine::{EngineSettings, Event, Own};
use lictor_gossip::{Gossip, GossipHandle, GossipSettings};
use lictor_net::{Shutdown, clock};
use lictor_types::{Member, MemberStatus, NodeName};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Timings that find a failure in some seconds, and bear with a busy machine.
fn timings() -> EngineSettings {
    EngineSettings {
        probe_interval: Duration::from_millis(500),
        probe_timeout: Duration::from_millis(200),
        gossip_interval: Duration::from_millis(20),
        push_pull_interval: Duration::from_secs(1),
        reconnect_interval: Duration::from_millis(500),
        ..EngineSettings::local()
    }
}

static NETS: AtomicU8 = AtomicU8::new(1);
thread_local! {
    /// Each test has a thread and a net of its own, so that none takes a port that another one comes back to.
    static NET: u8 = NETS.fetch_add(1, Ordering::Relaxed);
}

/// Settings of the member at that host of the test's net, any port.
fn settings(host: u8) -> GossipSettings {
    let bind = SocketAddr::from(([127, 0, NET.with(|net| *net), host], 0));
    GossipSettings {
        engine: timings(),
        leave_propagate_delay: Duration::from_millis(500),
        peers_interval: Duration::from_millis(20),
        ..GossipSettings::new(Pool::Lan, bind, u64::from(host))
    }
}

/// A member that runs; it stops without leaving when it is dropped.
struct Node {
    handle: GossipHandle,
    shutdown: Shutdown,
}

impl Node {
    async fn start(name: &str, settings: GossipSettings) -> Self {
        let shutdown = Shutdown::new();
        let own = Own {
            name: NodeName::from(name.to_owned()),
            id: format!("00000000-0000-0000-0000-{:0>12}", name.bytes().map(|byte| format!("{byte:x}")).collect::<String>()),
            address: settings.bind,
            tags: BTreeMap::from([("role".to_owned(), "node".to_owned())]),
        };
        let handle = Gossip::start(settings, own, shutdown.clone()).await.unwrap();
        Self { handle, shutdown }
    }

    fn address(&self) -> String {
        self.handle.local_address().to_string()
    }

    async fn join(&self, other: &Self) {
        assert_eq!(self.handle.join(&[other.address()]).await.unwrap(), 1);
    }

    /// Ends it as a crash would: nobody is told.
    async fn stop(self) {
        self.shutdown.finish().await;
    }

    /// Waits until the members are as they should be.
    async fn wait_for(&self, what: &str, check: impl Fn(&[Member]) -> bool) {
        let mut members = self.handle.members();
        let waited = clock::timeout(PATIENCE, members.wait_for(|members| check(members))).await.map(|known| known.is_ok());
        if waited != Ok(true) {
            panic!("{} never saw {what}: {:#?}", self.address(), self.handle.members().borrow());
        }
    }

    async fn wait_for_alive(&self, names: &[&str]) {
        self.wait_for(&format!("{names:?} alive"), |members| {
            let mut alive: Vec<&str> =
                members.iter().filter(|member| member.status == MemberStatus::Alive).map(|member| &*member.name).collect();
            alive.sort_unstable();
            alive == names
        })
        .await;
    }

    async fn wait_for_status(&self, name: &str, status: MemberStatus) {
        self.wait_for(&format!("{name} {status:?}"), |members| is(members, name, status)).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

fn is(members: &[Member], name: &str, status: MemberStatus) -> bool {
    members.iter().any(|member| *member.name == *name && member.status == status)
}

/// A pool of these members, all of which know each other.
async fn pool(names: &[&str], tweak: impl Fn(&mut GossipSettings)) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let mut settings = settings(u8::try_from(at).unwrap() + 1);
        tweak(&mut settings);
        nodes.push(Node::start(name, settings).await);
    }
    for node in &nodes[1..] {
        node.join(&nodes[0]).await;
    }
    for node in &nodes {
        node.wait_for_alive(names).await;
    }
    nodes
}

/// The next event, which must not be one that was missed.
async fn next(events: &mut EventStream) -> Event {
    match clock::timeout(PATIENCE, events.next()).await.unwrap() {
        Some(Heard::Event(event)) => event,
        other => panic!("no event: {other:?}"),
    }
}

/// The next event about that member.
async fn next_about(events: &mut EventStream, name: &str) -> Event {
    loop {
        let event = next(events).await;
        match &event {
            Event::Joined(member) | Event::Updated(member) | Event::Left(member) | Event::Failed(member)
                if *member.name == *name =>
            {
                return event;
            }
            _ => {}
        }
    }
}

/// Reads until a user event of that name came; the names of all user events until then.
async fn user_events_until(events: &mut EventStream, last: &str) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        if let Event::User { name, .. } = next(events).await {
            names.push(name);
            if names.last().is_some_and(|name| name == last) {
                return names;
            }
        }
    }
}
