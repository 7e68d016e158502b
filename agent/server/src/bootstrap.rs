//! Founding a cluster of several servers: when as many are there as each of them expects, one founds it for all.

use crate::events::{Founded, FoundingWaits};
use crate::leader::raft_id_of;
use crate::server::Server;
use lictor_net::clock;
use lictor_rpc::server_list::as_server;
use lictor_types::{Member, MemberStatus};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pause before looking again while not all is well.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a server may take to tell whether it belongs to a cluster already.
const PATIENCE: Duration = Duration::from_secs(2);

/// Servers that would found a cluster together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Founder {
    raft_id: u64,
    address: String,
}

/// Why there is nothing to found yet, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Waiting {
    /// Too few servers are there.
    Servers { here: usize, expected: usize },
    /// A server expects another number.
    Disagreement { node: String },
}

/// The servers that found a cluster, once there are `expected`. Servers that expect nothing belong to a cluster, or will be taken in.
fn founders(members: &[Member], datacenter: &str, expected: usize) -> Result<Vec<Founder>, Waiting> {
    let mut founders = Vec::new();
    for member in members.iter().filter(|member| member.status == MemberStatus::Alive) {
        let Some((_, server)) = as_server(member).filter(|(dc, _)| dc.eq_ignore_ascii_case(datacenter)) else { continue };
        let Some(expects) = member.tags.get("expect") else { continue };
        if expects.parse() != Ok(expected) {
            return Err(Waiting::Disagreement { node: member.name.to_string() });
        }
        if !member.tags.contains_key("nonvoter") {
            founders.push(Founder { raft_id: raft_id_of(member), address: server.address.to_string() });
        }
    }
    founders.sort_by_key(|founder| founder.raft_id);
    if founders.len() < expected {
        return Err(Waiting::Servers { here: founders.len(), expected });
    }
    Ok(founders)
}

/// Runs until this server belongs to a cluster.
pub(crate) async fn run(server: Arc<Server>, expected: usize, mut members: watch::Receiver<Vec<Member>>) {
    while server.raft.configuration().members.is_empty() {
        let known = members.borrow_and_update().clone();
        match founders(&known, &server.settings.node.datacenter, expected) {
            Ok(founders) => found(&server, founders).await,
            Err(Waiting::Disagreement { node }) => {
                FoundingWaits { why: &format!("{node} expects another number of servers") }.emit()
            }
            Err(Waiting::Servers { here, expected }) => {
                FoundingWaits { why: &format!("{here} of {expected} servers are here") }.emit();
            }
        }
        tokio::select! {
            () = clock::sleep(PAUSE) => {}
            Ok(()) = members.changed() => {}
            () = server.shutdown.requested() => return,
        }
    }
}

/// The one with the lowest number founds it, so that no two lists can differ; but not when another one belongs to a cluster: its leader
/// takes us in.
async fn found(server: &Server, founders: Vec<Founder>) {
    if founders.first().map(|first| first.raft_id) != Some(server.raft.id()) {
        return;
    }
    let Some(pool) = &server.links.pool else { return };
    for other in founders.iter().filter(|founder| founder.raft_id != server.raft.id()) {
        match pool.ping(&other.address, PATIENCE).await {
            Ok(status) if status.last_log_index == 0 && status.term == 0 => {}
            Ok(_) => return FoundingWaits { why: &format!("{} belongs to a cluster already", other.address) }.emit(),
            Err(error) => return FoundingWaits { why: &error.to_string() }.emit(),
        }
    }
    let count = founders.len();
    let list = founders.into_iter().map(|founder| (founder.raft_id, founder.address)).collect();
    match server.raft.bootstrap(list).await {
        Ok(()) => Founded { servers: count }.emit(),
        Err(error) => FoundingWaits { why: &error.to_string() }.emit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, id: &str, expect: Option<&str>) -> Member {
        let mut tags = vec![("role", "consul"), ("dc", "dc1"), ("port", "8300"), ("id", id)];
        tags.extend(expect.map(|number| ("expect", number)));
        Member {
            name: name.into(),
            addr: "127.0.0.1".into(),
            port: 8301,
            tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            status: MemberStatus::Alive,
            protocol_min: 1,
            protocol_max: 5,
            protocol_cur: 2,
            delegate_min: 2,
            delegate_max: 5,
            delegate_cur: 4,
        }
    }

    const IDS: [&str; 4] = [
        "40000000-0000-4000-8000-000000000001",
        "10000000-0000-4000-8000-000000000002",
        "30000000-0000-4000-8000-000000000003",
        "20000000-0000-4000-8000-000000000004",
    ];

    #[test]
    fn as_many_as_expected_found_a_cluster_in_one_order() {
        let mut all: Vec<Member> =
            IDS.iter().take(3).enumerate().map(|(at, id)| server(&format!("n{at}"), id, Some("3"))).collect();
        let order: Vec<u64> = founders(&all, "DC1", 3).unwrap().iter().map(|founder| founder.raft_id).collect();
        let mut expected: Vec<u64> = IDS.iter().take(3).map(|id| lictor_raft::RaftSettings::id_of(id)).collect();
        expected.sort_unstable();
        assert_eq!(order, expected);
        all[1].status = MemberStatus::Failed;
        assert_eq!(founders(&all, "dc1", 3), Err(Waiting::Servers { here: 2, expected: 3 }));
        assert_eq!(founders(&all, "dc2", 3), Err(Waiting::Servers { here: 0, expected: 3 }));
    }

    #[test]
    fn who_expects_another_number_stops_it() {
        let all = [server("a", IDS[0], Some("3")), server("b", IDS[1], Some("5")), server("c", IDS[2], Some("3"))];
        assert_eq!(founders(&all, "dc1", 3), Err(Waiting::Disagreement { node: "b".to_owned() }));
    }

    #[test]
    fn who_expects_nothing_and_who_never_votes_does_not_count() {
        let mut silent = server("d", IDS[3], Some("3"));
        silent.tags.insert("nonvoter".to_owned(), "1".to_owned());
        let all = [server("a", IDS[0], Some("3")), server("b", IDS[1], None), silent];
        assert_eq!(founders(&all, "dc1", 3), Err(Waiting::Servers { here: 1, expected: 3 }));
    }
}
