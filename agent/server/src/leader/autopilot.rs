//! How servers come and go by themselves: new ones learn before they vote, dead ones make room. Pure; `membership` carries it out.
//!
//! Rules as in Consul's autopilot (see its documentation): a server is healthy when the pool says it is alive, it heard from the
//! leader lately, is in the leader's term and not far behind.

use lictor_types::{AutopilotConfig, AutopilotHealth, MemberStatus, ServerHealth};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a server tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// How long ago it heard from the leader; zero on the leader.
    pub(crate) last_contact: Duration,
    /// Term of its last log entry.
    pub(crate) last_term: u64,
    /// Index of its last log entry.
    pub(crate) last_index: u64,
}

/// A server: a member of raft, of the LAN pool, or of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Number in raft.
    pub(crate) raft_id: u64,
    /// Id of the node.
    pub(crate) node_id: String,
    /// Name of the node.
    pub(crate) name: String,
    /// `ip:port` by which the pool knows its server port, else by which raft does.
    pub(crate) address: String,
    /// Address that raft's configuration has; `None`: not in raft.
    pub(crate) raft_address: Option<String>,
    /// Whether it votes.
    pub(crate) voter: bool,
    /// Whether it leads.
    pub(crate) leader: bool,
    /// What the LAN pool says; `None`: not in the pool.
    pub(crate) status: MemberStatus,
    /// It never wants to vote.
    pub(crate) non_voter: bool,
    /// Version of its program.
    pub(crate) version: String,
    /// What it told when it was asked; `None`: it did not answer.
    pub(crate) told: Option<Told>,
}

/// A step that brings raft's configuration in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A server of the pool that raft doesn't know.
    Add { raft_id: u64, address: String },
    /// A server with a new address.
    Move { raft_id: u64, address: String },
    /// It has been healthy for long enough to vote.
    Promote { raft_id: u64 },
    /// It left, or it is dead and others are enough.
    Remove { raft_id: u64 },
}

impl Step {
    /// Its name, for people.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add a server",
            Self::Move { .. } => "write down a server's new address",
            Self::Promote { .. } => "let a server vote",
            Self::Remove { .. } => "remove a server",
        }
    }
}

/// Since when a verdict stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    healthy: bool,
    since_unix_ms: u64,
}

/// What is remembered from look to look.
#[derive(Debug, Default)]
pub(crate) struct Autopilot {
    verdicts: BTreeMap<u64, Verdict>,
}

impl Autopilot {
    /// Judges the servers in raft.
    pub(crate) fn judge(&mut self, config: &AutopilotConfig, peers: &[Peer], leader: &Told, now_unix_ms: u64) -> AutopilotHealth {
        self.verdicts.retain(|id, _| peers.iter().any(|peer| peer.raft_id == *id && peer.raft_address.is_some()));
        let mut health = AutopilotHealth { healthy: true, ..AutopilotHealth::default() };
        let (mut voters, mut healthy_voters) = (0_usize, 0_usize);
        for peer in peers.iter().filter(|peer| peer.raft_address.is_some()) {
            let healthy = is_healthy(config, peer, leader);
            let verdict = self.verdicts.entry(peer.raft_id).or_insert(Verdict { healthy, since_unix_ms: now_unix_ms });
            if verdict.healthy != healthy {
                *verdict = Verdict { healthy, since_unix_ms: now_unix_ms };
            }
            voters += usize::from(peer.voter);
            healthy_voters += usize::from(peer.voter && healthy);
            health.healthy &= healthy;
            let told = peer.told.clone().unwrap_or_default();
            health.servers.push(ServerHealth {
                id: peer.node_id.clone(),
                name: peer.name.clone(),
                address: peer.address.clone(),
                serf_status: peer.status,
                version: peer.version.clone(),
                leader: peer.leader,
                last_contact: peer.told.as_ref().map(|told| told.last_contact),
                last_term: told.last_term,
                last_index: told.last_index,
                healthy,
                voter: peer.voter,
                stable_since: verdict.since_unix_ms,
            });
        }
        health.failure_tolerance = healthy_voters.saturating_sub(voters / 2 + 1);
        health
    }

    /// What is to be done, one configuration after the other. The leader itself is never removed here: it hands over first.
    pub(crate) fn plan(&self, config: &AutopilotConfig, peers: &[Peer], now_unix_ms: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        for peer in peers {
            match &peer.raft_address {
                None if peer.status == MemberStatus::Alive => {
                    steps.push(Step::Add { raft_id: peer.raft_id, address: peer.address.clone() });
                }
                Some(known) if peer.status == MemberStatus::Alive && *known != peer.address => {
                    steps.push(Step::Move { raft_id: peer.raft_id, address: peer.address.clone() });
                }
                Some(_) if peer.status == MemberStatus::Left && !peer.leader => {
                    steps.push(Step::Remove { raft_id: peer.raft_id })
                }
                Some(_) if !peer.voter && !peer.non_voter && self.is_stable(config, peer, now_unix_ms) => {
                    steps.push(Step::Promote { raft_id: peer.raft_id });
                }
                _ => {}
            }
        }
        steps.extend(dead(config, peers).into_iter().map(|raft_id| Step::Remove { raft_id }));
        steps
    }

    fn is_stable(&self, config: &AutopilotConfig, peer: &Peer, now_unix_ms: u64) -> bool {
        self.verdicts.get(&peer.raft_id).is_some_and(|verdict| {
            let stable = Duration::from_millis(now_unix_ms.saturating_sub(verdict.since_unix_ms));
            verdict.healthy && stable >= config.server_stabilization_time
        })
    }
}

fn is_healthy(config: &AutopilotConfig, peer: &Peer, leader: &Told) -> bool {
    let Some(told) = &peer.told else { return false };
    peer.status == MemberStatus::Alive
        && told.last_contact <= config.last_contact_threshold
        && told.last_term == leader.last_term
        && told.last_index.saturating_add(config.max_trailing_logs) >= leader.last_index
}

/// Dead members of raft that may go: fewer than half of the voters at once, and never below the bound.
fn dead(config: &AutopilotConfig, peers: &[Peer]) -> Vec<u64> {
    if !config.cleanup_dead_servers {
        return Vec::new();
    }
    let gone = |peer: &&Peer| {
        let dead = matches!(peer.status, MemberStatus::Failed | MemberStatus::None);
        peer.raft_address.is_some() && dead && !peer.leader
    };
    let all: Vec<&Peer> = peers.iter().filter(gone).collect();
    let voters = peers.iter().filter(|peer| peer.voter).count();
    let dying = all.iter().filter(|peer| peer.voter).count();
    let enough_stay = voters - dying >= config.min_quorum as usize;
    // Learners have no say: losing them costs no quorum.
    let may_go = dying == 0 || (dying < voters / 2 && enough_stay);
    all.iter().filter(|peer| !peer.voter || may_go).map(|peer| peer.raft_id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(raft_id: u64) -> Peer {
        Peer {
            raft_id,
            node_id: format!("id-{raft_id}"),
            name: format!("n{raft_id}"),
            address: format!("127.0.0.{raft_id}:8300"),
            raft_address: Some(format!("127.0.0.{raft_id}:8300")),
            voter: true,
            leader: raft_id == 1,
            status: MemberStatus::Alive,
            non_voter: false,
            version: "1.0.0".to_owned(),
            told: Some(Told { last_contact: Duration::from_millis(20), last_term: 3, last_index: 1000 }),
        }
    }

    fn peers(count: u64) -> Vec<Peer> {
        (1..=count).map(peer).collect()
    }

    fn leader() -> Told {
        Told { last_contact: Duration::ZERO, last_term: 3, last_index: 1000 }
    }

    #[test]
    fn health_follows_the_four_rules() {
        let config = AutopilotConfig::default();
        let mut autopilot = Autopilot::default();
        let mut all = peers(3);
        let health = autopilot.judge(&config, &all, &leader(), 1_000);
        assert!(health.healthy);
        assert_eq!(health.failure_tolerance, 1);
        for spoil in [
            (|peer: &mut Peer| peer.status = MemberStatus::Failed) as fn(&mut Peer),
            |peer| peer.told = None,
            |peer| peer.told.as_mut().unwrap().last_contact = Duration::from_millis(201),
            |peer| peer.told.as_mut().unwrap().last_term = 2,
            |peer| peer.told.as_mut().unwrap().last_index = 749,
        ] {
            all[2] = peer(3);
            spoil(&mut all[2]);
            let health = autopilot.judge(&config, &all, &leader(), 2_000);
            assert!(!health.healthy && !health.servers[2].healthy && health.servers[1].healthy);
            assert_eq!((health.failure_tolerance, health.servers[2].stable_since), (0, 2_000));
        }
    }

    #[test]
    fn a_new_server_learns_first_and_votes_when_it_is_stable() {
        let config = AutopilotConfig::default();
        let mut autopilot = Autopilot::default();
        let mut all = peers(3);
        all.push(Peer { raft_address: None, voter: false, ..peer(4) });
        autopilot.judge(&config, &all, &leader(), 0);
        assert_eq!(autopilot.plan(&config, &all, 0), [Step::Add { raft_id: 4, address: "127.0.0.4:8300".to_owned() }]);
        all[3].raft_address = Some(all[3].address.clone());
        autopilot.judge(&config, &all, &leader(), 1_000);
        assert_eq!(autopilot.plan(&config, &all, 10_999), []);
        assert_eq!(autopilot.plan(&config, &all, 11_000), [Step::Promote { raft_id: 4 }]);
        all[3].non_voter = true;
        assert_eq!(autopilot.plan(&config, &all, 11_000), []);
    }

    #[test]
    fn a_server_with_a_new_address_is_moved() {
        let mut all = peers(3);
        all[1].address = "127.0.1.2:8300".to_owned();
        let step = Step::Move { raft_id: 2, address: "127.0.1.2:8300".to_owned() };
        assert_eq!(Autopilot::default().plan(&AutopilotConfig::default(), &all, 0), [step]);
    }

    #[test]
    fn who_left_is_removed_and_who_died_only_while_enough_stay() {
        let config = AutopilotConfig::default();
        let plan = |config: &AutopilotConfig, peers: &[Peer]| Autopilot::default().plan(config, peers, 0);
        let mut all = peers(3);
        all[2].status = MemberStatus::Left;
        assert_eq!(plan(&config, &all), [Step::Remove { raft_id: 3 }]);
        all[2].status = MemberStatus::Failed;
        assert_eq!(plan(&config, &all), [], "one of three is half of the voters");
        all.push(peer(4));
        assert_eq!(plan(&config, &all), [Step::Remove { raft_id: 3 }], "a new one came in its place");
        let cautious = AutopilotConfig { min_quorum: 4, ..config.clone() };
        assert_eq!(plan(&cautious, &all), []);
        let off = AutopilotConfig { cleanup_dead_servers: false, ..config.clone() };
        assert_eq!(plan(&off, &all), []);
        all[1].status = MemberStatus::None;
        assert_eq!(plan(&config, &all), [], "two of four are too many at once");
    }

    #[test]
    fn the_leader_never_removes_itself() {
        let mut all = peers(3);
        all[0].status = MemberStatus::Left;
        assert_eq!(Autopilot::default().plan(&AutopilotConfig::default(), &all, 0), []);
    }
}
