//! The servers of one datacenter as all who ask them share them, kept in line with a gossip pool.

use crate::pool::Pool;
use crate::server_list::{ServerAddress, ServerList, alive_in};
use lictor_net::{Shutdown, clock};
use lictor_telemetry::loops;
use lictor_types::Member;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How long a server may take to say that it is there before it becomes the one to ask.
const CHECK_PATIENCE: Duration = Duration::from_secs(1);

/// Whom to ask.
#[derive(Debug)]
pub struct Servers {
    datacenter: String,
    list: Mutex<ServerList>,
    /// Members of the pool, by which the time between shuffles grows.
    nodes: AtomicUsize,
}

impl Servers {
    /// No servers of a datacenter yet.
    pub fn new(datacenter: &str, seed: u64) -> Arc<Self> {
        let list = Mutex::new(ServerList::new(seed));
        Arc::new(Self { datacenter: datacenter.to_owned(), list, nodes: AtomicUsize::new(0) })
    }

    /// Takes what the pool tells.
    pub fn update(&self, members: &[Member]) {
        self.nodes.store(members.len(), Ordering::Relaxed);
        self.list.lock().set(alive_in(&self.datacenter, members));
    }

    /// The server to ask now.
    pub fn first(&self) -> Option<ServerAddress> {
        self.list.lock().first().cloned()
    }

    /// All servers, in the order in which they are asked.
    pub fn all(&self) -> Vec<ServerAddress> {
        self.list.lock().all().to_vec()
    }

    /// A server did not do what it should: another one is asked from now on.
    pub fn failed(&self, address: &str) {
        self.list.lock().failed(address);
    }

    /// Number of servers.
    pub fn len(&self) -> usize {
        self.list.lock().all().len()
    }

    /// Whether no server is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A wait by chance, up to `most`.
    pub(crate) fn stagger(&self, most: Duration) -> Duration {
        let part = self.list.lock().chance() % 1024;
        most.mul_f64(part as f64 / 1024.0)
    }

    /// Follows the pool, and shuffles now and then, until shutdown.
    pub async fn run(self: Arc<Self>, mut members: watch::Receiver<Vec<Member>>, pool: Arc<Pool>, shutdown: Shutdown) {
        let status = loops::register(format!("servers of {}", self.datacenter));
        let mut due = clock::now() + self.rebalance_after();
        let mut gone = false;
        loop {
            self.update(&members.borrow_and_update());
            status.state(&format!("{} servers", self.len()));
            let changed = async {
                // Without a sender the list stays as it is.
                if gone || members.changed().await.is_err() {
                    gone = true;
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = shutdown.requested() => return,
                () = changed => {}
                () = clock::sleep_until(due) => {
                    self.rebalance(&pool).await;
                    due = clock::now() + self.rebalance_after();
                }
            }
        }
    }

    fn rebalance_after(&self) -> Duration {
        self.list.lock().rebalance_after(self.nodes.load(Ordering::Relaxed))
    }

    /// Shuffles, and brings one to the front that answers.
    async fn rebalance(&self, pool: &Pool) {
        self.list.lock().rebalance();
        for _ in 0..self.len() {
            let Some(server) = self.first() else { return };
            if pool.ping(&server.address, CHECK_PATIENCE).await.is_ok() {
                return;
            }
            self.failed(&server.address);
        }
    }
}
