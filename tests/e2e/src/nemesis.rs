//! Harm done to a cluster while others use it, chosen by a seed.

use crate::agent::{Agent, Role};
use crate::clocks::Clocks;
use crate::cluster::Cluster;
use crate::network::Network;
use crate::wait;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// What is done to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The leader is killed and comes back.
    KillLeader,
    /// The leader stands still until another leads, then goes on as if nothing had been.
    PauseLeader,
    /// A server joins, and one that was there leaves.
    ChangeMembers,
    /// Some server is killed and comes back.
    KillAny,
    /// Two servers at once are killed and come back.
    KillTwo,
    /// Nothing goes between the leader and the others, until another leads and a while longer.
    IsolateLeader,
    /// What the leader sends is lost.
    MuteLeader,
    /// What is sent to the leader is lost.
    DeafenLeader,
    /// A server is cut off and is back, again and again.
    Flap,
    /// The clocks of all servers jump, each elsewhere, again and again.
    JumpClocks,
}

/// All kinds, the most telling first.
pub const HARMS: [Harm; 5] = [Harm::PauseLeader, Harm::KillLeader, Harm::ChangeMembers, Harm::KillAny, Harm::KillTwo];

/// Those of the network; for clusters on hosts of their own.
pub const CUTS: [Harm; 4] = [Harm::IsolateLeader, Harm::MuteLeader, Harm::DeafenLeader, Harm::Flap];

/// How far clocks jump, in seconds: a leap, a wrong time zone, years, either way.
const JUMPS: [i64; 6] = [1, -1, 3600, -3600, 100_000_000, -100_000_000];
/// How long a server is there, and cut off, while it flaps.
const FLAP: Duration = Duration::from_millis(250);
/// How long clients come to a server that stands still, before it goes on.
const HANG: Duration = Duration::from_millis(50);

/// HTTP ports of the agents that clients may use; those that are killed stay among them.
#[derive(Debug, Default)]
pub struct Doors(RwLock<Vec<u16>>);

impl Doors {
    /// All of them.
    pub fn all(&self) -> Vec<u16> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of them.
    pub fn pick(&self, rng: &mut StdRng) -> u16 {
        let doors = self.0.read().unwrap_or_else(PoisonError::into_inner);
        doors.get(rng.random_range(0..doors.len())).copied().expect("it is in the range")
    }

    fn set(&self, doors: Vec<u16>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = doors;
    }
}

/// What a load and those who wait for it share.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    /// Something was acknowledged.
    pub fn step(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// How much was acknowledged so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether the load shall end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Waits until so much more was acknowledged.
    #[track_caller]
    pub fn wait_more(&self, more: u64) {
        let goal = self.done() + more;
        wait::until(&format!("{more} more acknowledged requests"), || (self.done() >= goal).then_some(()));
    }

    /// Ends the load when it is dropped, also by a panic: those who join its threads would wait for ever.
    pub fn stop_at_end(&self) -> impl Drop + use<'_> {
        struct Stop<'a>(&'a Progress);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.stopped.store(true, Ordering::Relaxed);
            }
        }
        Stop(self)
    }
}

/// A cluster and what happens to it.
pub struct Nemesis {
    /// The cluster.
    pub cluster: Cluster,
    /// Ways in.
    pub doors: Arc<Doors>,
    rng: StdRng,
    joined: usize,
}

impl Nemesis {
    /// Over a cluster that runs.
    pub fn over(cluster: Cluster, seed: u64) -> Self {
        let joined = cluster.servers.len();
        let nemesis = Self { cluster, doors: Arc::default(), rng: StdRng::seed_from_u64(seed), joined };
        nemesis.open_doors();
        nemesis
    }

    fn open_doors(&self) {
        self.doors.set(self.cluster.agents().map(|agent| agent.ports.http).collect());
    }

    /// Does it, and returns when all is well again. The load goes on before, meanwhile (as far as it can) and after.
    pub fn strike(&mut self, harm: Harm, progress: &Progress) {
        progress.wait_more(20);
        match harm {
            Harm::KillLeader => {
                let leader = self.leader();
                self.kill(&[leader]);
                progress.wait_more(20);
                self.revive(&[leader]);
            }
            Harm::KillAny => {
                let victim = self.any();
                self.kill(&[victim]);
                progress.wait_more(20);
                self.revive(&[victim]);
            }
            Harm::KillTwo => {
                let spared = self.any();
                let victims: Vec<usize> = (0..self.cluster.servers.len()).filter(|at| *at != spared).collect();
                self.kill(&victims);
                self.revive(&victims);
            }
            Harm::PauseLeader => {
                let leader = self.leader();
                self.server(leader).signal(Signal::STOP);
                // Else all clients would soon hang there.
                let port = self.server(leader).ports.http;
                self.doors.set(self.doors.all().into_iter().filter(|door| *door != port).collect());
                self.wait_other_leader(leader);
                progress.wait_more(20);
                // Some shall hang there when it goes on and does not know yet that it leads no longer.
                self.open_doors();
                wait::pace(HANG);
                self.server(leader).signal(Signal::CONT);
            }
            Harm::ChangeMembers => self.change_members(progress),
            Harm::IsolateLeader => {
                let leader = self.leader();
                self.network().isolate(&[leader]);
                self.wait_other_leader(leader);
                progress.wait_more(20);
                self.network().heal();
            }
            Harm::MuteLeader | Harm::DeafenLeader => {
                let leader = self.leader();
                for other in (0..=self.cluster.servers.len()).filter(|other| *other != leader) {
                    let (from, to) = if harm == Harm::MuteLeader { (leader, other) } else { (other, leader) };
                    self.network().cut(from, to);
                }
                progress.wait_more(20);
                self.network().heal();
            }
            Harm::JumpClocks => {
                for _ in 0..JUMPS.len() {
                    for at in 0..self.cluster.servers.len() {
                        let jump = JUMPS.get(self.rng.random_range(0..JUMPS.len())).copied().unwrap_or(0);
                        self.clocks().set(self.server(at).node(), jump);
                    }
                    progress.wait_more(10);
                }
                for at in 0..self.cluster.servers.len() {
                    self.clocks().set(self.server(at).node(), 0);
                }
            }
            Harm::Flap => {
                let victim = self.any();
                for _ in 0..6 {
                    self.network().isolate(&[victim]);
                    wait::pace(FLAP);
                    self.network().heal();
                    wait::pace(FLAP);
                }
            }
        }
        progress.wait_more(40);
    }

    /// Kills these servers at once.
    pub fn kill(&mut self, victims: &[usize]) {
        for at in victims {
            self.server_mut(*at).kill();
        }
    }

    /// Starts killed servers again, and waits until they are part of the cluster.
    pub fn revive(&mut self, victims: &[usize]) {
        for at in victims {
            self.server_mut(*at).spawn();
        }
        for at in victims {
            self.server_mut(*at).wait_ready();
        }
    }

    /// One or, now and then, two servers, to be killed.
    pub fn victims(&mut self) -> Vec<usize> {
        let first = self.any();
        if !self.rng.random_ratio(1, 5) {
            return vec![first];
        }
        vec![first, (first + 1) % self.cluster.servers.len()]
    }

    fn change_members(&mut self, progress: &Progress) {
        let count = self.cluster.servers.len();
        let mut joining = self.cluster.prepare(&format!("s{}", self.joined), Role::Server(count));
        self.joined += 1;
        joining.spawn();
        joining.wait_ready();
        self.cluster.servers.push(joining);
        self.open_doors();
        self.cluster.wait_voters(self.client(), count + 1);
        progress.wait_more(20);
        let leaving = self.rng.random_range(0..count);
        let mut leaving = self.cluster.servers.remove(leaving);
        self.open_doors();
        assert_eq!(leaving.put("/v1/agent/leave", "").status, 200);
        leaving.wait_end();
        self.cluster.wait_voters(self.client(), count);
        // Whoever is killed later shall not look for those who left.
        self.cluster.tell_servers();
    }

    fn clocks(&self) -> &Clocks {
        self.cluster.clocks.as_ref().expect("tests set the cluster's clocks")
    }

    fn network(&self) -> &Network {
        self.cluster.network.as_ref().expect("the cluster is on hosts of its own")
    }

    fn wait_other_leader(&self, than: usize) {
        let old = self.server(than).server_address();
        let other = (than + 1) % self.cluster.servers.len();
        wait::until("another leader", || {
            let leader = self.server(other).get("/v1/status/leader").json();
            leader.as_str().is_some_and(|leader| !leader.is_empty() && leader != old).then_some(())
        });
    }

    fn any(&mut self) -> usize {
        self.rng.random_range(0..self.cluster.servers.len())
    }

    fn leader(&self) -> usize {
        self.cluster.leader(self.client())
    }

    fn client(&self) -> &Agent {
        self.cluster.clients.first().expect("the cluster has a client agent")
    }

    fn server(&self, at: usize) -> &Agent {
        self.cluster.servers.get(at).expect("there is such a server")
    }

    fn server_mut(&mut self, at: usize) -> &mut Agent {
        self.cluster.servers.get_mut(at).expect("there is such a server")
    }
}
