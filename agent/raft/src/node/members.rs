//! Who belongs to the cluster, and how that is changed. Only the leader can; each change is one or two entries in the log.

use super::RaftNode;
use crate::forward;
use crate::types::Peer;
use lictor_net::clock;
use lictor_rpc::ClusterError;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::error::{ChangeMembershipError, ClientWriteError, InitializeError, RaftError};
use openraft::{ChangeMembers, Instant as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a change may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause before trying again while an earlier change is not committed yet.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Servers of one cluster at most; more make it slower and no safer.
const MEMBERS_MAX: usize = 63;
/// Who is further behind than this is not handed the leadership.
const LAG_MAX: u64 = 4096;

/// One server of the raft cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id; see [`crate::RaftSettings::id_of`].
    pub id: u64,
    /// `ip:port` of its server port, as the log has it.
    pub address: String,
    /// Whether its vote counts; else it only receives the log.
    pub voter: bool,
    /// Whether it leads.
    pub leader: bool,
    /// Index up to which its log is known to equal the leader's. Known to the leader alone.
    pub matched: Option<u64>,
    /// How long ago it last answered the leader. Known to the leader alone; `None` there: not since this one leads.
    pub last_contact: Option<Duration>,
}

/// The servers of the raft cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Index of the log entry that says so.
    pub index: u64,
    /// Whether a change is under way: from one majority to another.
    pub changing: bool,
    /// The servers, by id.
    pub members: Vec<Member>,
}

type Change = ChangeMembers<u64, Peer>;

impl RaftNode {
    /// Founds a cluster of these servers (id and `ip:port`). Each of them may do so, with the same list; doing it again changes
    /// nothing. Refused when this server has a log of another cluster, or is not on the list.
    pub async fn bootstrap(&self, members: Vec<(u64, String)>) -> Result<(), ClusterError> {
        let count = members.len();
        let members: BTreeMap<u64, Peer> = members.into_iter().map(|(id, address)| (id, Peer { address })).collect();
        if members.len() != count || count > MEMBERS_MAX {
            return Err(ClusterError::BadRequest(format!(
                "{count} servers, of which {} differ: no list to begin with",
                members.len()
            )));
        }
        if !members.contains_key(&self.id) {
            return Err(ClusterError::BadRequest(format!("this server ({}) is not on the list to begin with", self.id)));
        }
        let wanted: BTreeSet<u64> = members.keys().copied().collect();
        match self.raft.initialize(members).await {
            Ok(()) => Ok(()),
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {
                let has: BTreeSet<u64> = self.configuration().members.iter().map(|member| member.id).collect();
                // With a vote and no log yet, another founder was quicker and asked for this server's vote: it sends the log.
                if has == wanted || has.is_empty() {
                    Ok(())
                } else {
                    Err(ClusterError::Refused("this server belongs to a cluster already".into()))
                }
            }
            Err(RaftError::APIError(other)) => Err(ClusterError::BadRequest(other.to_string())),
            Err(RaftError::Fatal(fatal)) => Err(forward::of_end(&fatal)),
        }
    }

    /// The servers as this one knows them; the leader knows best.
    pub fn configuration(&self) -> Configuration {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        let leads = now.state.is_leader();
        let membership = now.membership_config.membership();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let member = |(id, peer): (&u64, &Peer)| {
            let is_self = *id == self.id;
            let matched = now.replication.as_ref().and_then(|all| all.get(id)?.map(|matched| matched.index()));
            let answered = now.heartbeat.as_ref().and_then(|all| all.get(id)?.map(|at| at.into_inner().elapsed()));
            Member {
                id: *id,
                address: peer.address.clone(),
                voter: voters.contains(id),
                leader: now.current_leader == Some(*id) && (leads || !is_self),
                matched: if leads && is_self { now.last_log_index } else { matched.filter(|_| leads) },
                last_contact: if leads && is_self { Some(Duration::ZERO) } else { answered.filter(|_| leads) },
            }
        };
        Configuration {
            index: now.membership_config.log_id().map_or(0, |id| id.index()),
            changing: membership.get_joint_config().len() > 1,
            members: membership.nodes().map(member).collect(),
        }
    }

    /// Takes a server in. It receives the log and does not vote until it is promoted. One that is in already gets the address.
    pub async fn add_server(&self, id: u64, address: &str) -> Result<(), ClusterError> {
        let _one_at_a_time = self.begin().await?;
        let now = self.configuration();
        match now.members.iter().find(|member| member.id == id) {
            Some(member) if member.address == address => return Ok(()),
            None if now.members.len() >= MEMBERS_MAX => {
                return Err(ClusterError::Refused(format!("there are {MEMBERS_MAX} servers already")));
            }
            _ => {}
        }
        self.addresses.heard(id, address);
        self.change(Change::SetNodes(BTreeMap::from([(id, Peer { address: address.to_owned() })])), true).await
    }

    /// Writes down a server's new address. One that is not in is refused.
    pub async fn set_address(&self, id: u64, address: &str) -> Result<(), ClusterError> {
        self.known(id)?;
        self.add_server(id, address).await
    }

    /// Makes a server that receives the log one that votes.
    pub async fn promote(&self, id: u64) -> Result<(), ClusterError> {
        let _one_at_a_time = self.begin().await?;
        if self.known(id)?.voter {
            return Ok(());
        }
        self.change(Change::AddVoterIds(BTreeSet::from([id])), true).await
    }

    /// Takes a server's vote; it goes on to receive the log. The leader hands over first, and the new one must be asked again.
    pub async fn demote(&self, id: u64) -> Result<(), ClusterError> {
        if !self.known(id)?.voter {
            return Ok(());
        }
        self.step_aside(id).await?;
        let _one_at_a_time = self.begin().await?;
        self.change(Change::RemoveVoters(BTreeSet::from([id])), true).await
    }

    /// Removes a server. The leader hands over first, and the new one must be asked again ([`ClusterError::NotLeader`]).
    pub async fn remove_server(&self, id: u64) -> Result<(), ClusterError> {
        let Ok(member) = self.known(id) else {
            return if self.is_leader() { Ok(()) } else { Err(self.not_leader()) };
        };
        self.step_aside(id).await?;
        let _one_at_a_time = self.begin().await?;
        let ids = BTreeSet::from([id]);
        self.change(if member.voter { Change::RemoveVoters(ids) } else { Change::RemoveNodes(ids) }, false).await?;
        self.addresses.forget(id);
        Ok(())
    }

    /// Hands the leadership to a server, or to the one that is furthest; answers its address once it leads.
    pub async fn transfer_leadership(&self, to: Option<u64>) -> Result<String, ClusterError> {
        let _one_at_a_time = self.begin().await?;
        let now = self.configuration();
        let last = now.members.iter().find(|member| member.id == self.id).and_then(|own| own.matched).unwrap_or(0);
        let fit = |member: &&Member| {
            member.voter
                && member.id != self.id
                && member.last_contact.is_some_and(|ago| ago < self.timing.lease())
                && member.matched.is_some_and(|matched| last.saturating_sub(matched) < LAG_MAX)
        };
        let chosen = now.members.iter().filter(fit).filter(|member| to.is_none_or(|to| member.id == to));
        let Some(chosen) = chosen.max_by_key(|member| member.matched) else {
            let why = match to {
                Some(to) if to == self.id => "this server leads already".to_owned(),
                Some(to) => format!("raft member {to} is no voter that could take over now"),
                None => "no other voter could take over now".to_owned(),
            };
            return Err(ClusterError::Refused(why));
        };
        let mut leadership = self.leadership();
        // From here on the other may lead, whatever the lease says.
        self.contact.set_handing_over(true);
        self.ready.store(0, Ordering::Release);
        // By itself: what is borrowed locks out whoever tells.
        let term = leadership.borrow_and_update().term;
        self.tell(None, false, term);
        self.raft.trigger().transfer_leader(chosen.id).await.map_err(|fatal| forward::of_end(&fatal))?;
        let patience = self.timing.lease() * 4;
        let own = self.address.clone();
        let elected = leadership.wait_for(|now| now.leader.as_ref().is_some_and(|leader| *leader != own));
        match clock::timeout(patience, elected).await {
            Ok(Ok(now)) => now.leader.clone().ok_or(ClusterError::NoLeader),
            Ok(Err(_)) => Err(ClusterError::ShuttingDown),
            Err(_) => Err(ClusterError::TimedOut(patience)),
        }
    }

    /// A server is known to be reachable under an address, whatever the log says: from gossip. Cheap when nothing changed.
    pub fn heard_of(&self, id: u64, address: &str) {
        if id != self.id {
            self.addresses.heard(id, address);
        }
    }

    /// Ends a change that an earlier leader left half done.
    pub(super) async fn settle(&self) {
        if !self.configuration().changing {
            return;
        }
        if let Err(error) = self.begin().await {
            tracing::warn!(%error, "a change of the servers is left half done; the next change ends it");
        }
    }

    /// The member of this id.
    fn known(&self, id: u64) -> Result<Member, ClusterError> {
        let unknown = || ClusterError::BadRequest(format!("raft member {id} is unknown"));
        self.configuration().members.into_iter().find(|member| member.id == id).ok_or_else(unknown)
    }

    /// Waits for its turn, and ends what was left half done.
    async fn begin(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, ClusterError> {
        if !self.is_leader() {
            return Err(self.not_leader());
        }
        let waiting = clock::timeout(PATIENCE, self.changing.lock());
        let turn = waiting.await.map_err(|_| ClusterError::TimedOut(PATIENCE))?;
        if self.configuration().changing {
            self.change(Change::AddVoterIds(BTreeSet::new()), true).await?;
        }
        Ok(turn)
    }

    async fn step_aside(&self, id: u64) -> Result<(), ClusterError> {
        if id != self.id || !self.is_leader() {
            return Ok(());
        }
        if self.configuration().members.iter().filter(|member| member.voter).count() == 1 {
            return Err(ClusterError::BadRequest("the only voter cannot go".into()));
        }
        let leader = self.transfer_leadership(None).await?;
        Err(ClusterError::NotLeader { leader })
    }

    async fn change(&self, change: Change, retain: bool) -> Result<(), ClusterError> {
        let changed = async {
            loop {
                match self.raft.change_membership(change.clone(), retain).await {
                    Ok(changed) => {
                        self.see(changed.log_id.index()).await;
                        return Ok(());
                    }
                    Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)))) => {
                        clock::sleep(RETRY_PAUSE).await;
                    }
                    Err(error) => return Err(forward::of_write(error, self.id, &self.addresses)),
                }
            }
        };
        clock::timeout(PATIENCE, changed).await.unwrap_or(Err(ClusterError::TimedOut(PATIENCE)))
    }

    /// Waits until this server's own view, which is told a moment after the change, shows the membership of that index.
    async fn see(&self, index: u64) {
        let mut metrics = self.raft.metrics();
        loop {
            let seen = metrics.borrow_watched().membership_config.log_id().map(|id| id.index());
            if seen >= Some(index) || metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// What to answer when this server does not lead.
    pub(super) fn not_leader(&self) -> ClusterError {
        match self.leader() {
            Some(leader) if leader != self.address => ClusterError::NotLeader { leader },
            _ => ClusterError::NoLeader,
        }
    }

    /// Where a member can be reached.
    pub(super) fn address_of(&self, id: u64) -> Option<String> {
        if id == self.id {
            return Some(self.address.clone());
        }
        self.addresses.of(id).or_else(|| {
            let metrics = self.raft.server_metrics();
            let now = metrics.borrow_watched();
            now.membership_config.membership().get_node(&id).map(|peer| peer.address.clone())
        })
    }

    /// Takes note of a membership that may be new.
    pub(super) fn note(&self, membership: &crate::types::Membership) {
        self.contact.set_alone(membership.voter_ids().eq([self.id]));
        let index = membership.log_id().map(|id| id.index());
        let mut noted = self.noted.lock();
        if *noted == index {
            return;
        }
        *noted = index;
        for (id, peer) in membership.nodes().filter(|(id, _)| **id != self.id) {
            self.addresses.heard(*id, &peer.address);
        }
    }
}
