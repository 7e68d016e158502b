//! Members of the LAN pool become nodes of the catalog, with the check `serfHealth`; servers also the service `consul`.

use crate::events::MemberReconciled;
use crate::server::Server;
use lictor_catalog::{QueryScope, State};
use lictor_net::clock;
use lictor_rpc::ClusterError;
use lictor_types::check::SERF_HEALTH;
use lictor_types::{
    Command, Deregister, HealthCheck, HealthStatus, Member, MemberStatus, Node, NodeName, NodeService, Query, Register, Reply,
};
use std::collections::{BTreeMap, BTreeSet};

/// Name and id of the service that every server agent is an instance of; clients look for it by this name.
const SERVER_SERVICE: &str = "consul";

impl Server {
    /// Brings the catalog in line with the members. What is right already is not written again.
    pub(super) async fn reconcile(&self, members: &[Member]) -> Result<(), ClusterError> {
        // A list without this node is not known yet: judging by it would remove everybody.
        if !members.iter().any(|member| member.name == self.settings.node.node) {
            return Ok(());
        }
        let state = self.catalog.snapshot();
        let commands = plan(&state, &self.settings.node, members, clock::wall_unix_ms());
        if commands.is_empty() {
            return Ok(());
        }
        MemberReconciled { changes: commands.len() }.emit();
        match self.raft.propose(Command::Batch(commands)).await? {
            lictor_types::Outcome::Batch(outcomes) => {
                for outcome in outcomes {
                    if let lictor_types::Outcome::Refused(sentence) = outcome {
                        return Err(ClusterError::Refused(sentence));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The commands that bring the catalog in line. Pure.
fn plan(state: &State, own: &Node, members: &[Member], now_unix_ms: u64) -> Vec<Command> {
    let mut commands = Vec::new();
    for member in members {
        let is_self = member.name == own.node;
        match member.status {
            MemberStatus::Alive => commands.extend(alive(state, is_self.then_some(own), member, now_unix_ms)),
            MemberStatus::Failed => commands.extend(failed(state, member, now_unix_ms)),
            // The own leaving is written by the next leader.
            MemberStatus::Left if !is_self => commands.extend(gone(state, &member.name, now_unix_ms)),
            MemberStatus::Left | MemberStatus::Leaving | MemberStatus::None => {}
        }
    }
    // Nodes that were members once (they have the check) and are none now.
    let names: BTreeSet<String> = members.iter().map(|member| member.name.to_lowercase()).collect();
    for check in checks(state, &Query::ChecksInState(None)) {
        if check.check_id == *SERF_HEALTH && !names.contains(&check.node.to_lowercase()) {
            commands.extend(gone(state, &check.node, now_unix_ms));
        }
    }
    commands
}

fn checks(state: &State, query: &Query) -> Vec<std::sync::Arc<HealthCheck>> {
    match state.query(query, &QueryScope::default(), None) {
        Some((_, Reply::Checks(rows))) => rows,
        _ => Vec::new(),
    }
}

fn alive(state: &State, own: Option<&Node>, member: &Member, now_unix_ms: u64) -> Option<Command> {
    let query = Query::NodeServices(member.name.clone());
    let (known_node, known_services) = match state.query(&query, &QueryScope::default(), None) {
        Some((_, Reply::NodeServices(Some(found)))) => (Some(found.node), found.services),
        _ => (None, BTreeMap::new()),
    };
    let service = server_service(member);
    let healthy = has_serf_health(state, &member.name, HealthStatus::Passing);
    // Of this node all is known, so that its row is whole from the first write.
    let node = match own {
        Some(own) => own.clone(),
        None => Node {
            id: member.tags.get("id").cloned().unwrap_or_default(),
            node: member.name.clone(),
            address: member.addr.clone(),
            ..Node::default()
        },
    };
    // The rest of the row (tagged addresses, metadata) the node syncs itself, once the row is there.
    let node_is_right =
        known_node.is_some_and(|known| known.address == node.address && (node.id.is_empty() || known.id == node.id));
    let service_is_right = service.as_ref().is_none_or(|service| {
        known_services
            .get(SERVER_SERVICE)
            .is_some_and(|known| known.port == service.port && known.meta == service.meta && known.address == service.address)
    });
    if node_is_right && service_is_right && healthy {
        return None;
    }
    let check = serf_health(&member.name, HealthStatus::Passing, "Agent alive and reachable");
    let register = Register { node, service, checks: vec![check], skip_node_update: node_is_right, now_unix_ms };
    Some(Command::Register(Box::new(register)))
}

fn failed(state: &State, member: &Member, now_unix_ms: u64) -> Option<Command> {
    if has_serf_health(state, &member.name, HealthStatus::Critical) {
        return None;
    }
    let node = Node {
        id: member.tags.get("id").cloned().unwrap_or_default(),
        node: member.name.clone(),
        address: member.addr.clone(),
        ..Node::default()
    };
    let check = serf_health(&member.name, HealthStatus::Critical, "Agent not live or unreachable");
    let register = Register { node, checks: vec![check], skip_node_update: true, now_unix_ms, ..Register::default() };
    Some(Command::Register(Box::new(register)))
}

fn gone(state: &State, name: &NodeName, now_unix_ms: u64) -> Option<Command> {
    let query = Query::NodeServices(name.clone());
    match state.query(&query, &QueryScope::default(), None) {
        Some((_, Reply::NodeServices(Some(_)))) => {
            Some(Command::Deregister(Deregister { node: name.clone(), now_unix_ms, ..Deregister::default() }))
        }
        _ => None,
    }
}

fn has_serf_health(state: &State, node: &NodeName, status: HealthStatus) -> bool {
    checks(state, &Query::NodeChecks(node.clone())).iter().any(|check| check.check_id == *SERF_HEALTH && check.status == status)
}

fn serf_health(node: &NodeName, status: HealthStatus, output: &str) -> HealthCheck {
    HealthCheck {
        node: node.clone(),
        check_id: SERF_HEALTH.into(),
        name: "Serf Health Status".to_owned(),
        status,
        output: output.to_owned(),
        ..HealthCheck::default()
    }
}

/// The `consul` service of a member that is a server; `None` for client agents.
fn server_service(member: &Member) -> Option<NodeService> {
    let tag = |name: &str| member.tags.get(name).map(String::as_str).unwrap_or_default();
    if tag("role") != SERVER_SERVICE {
        return None;
    }
    let version = tag("build").split(':').next().unwrap_or_default();
    let meta = [
        ("non_voter", member.tags.contains_key("nonvoter").to_string()),
        ("raft_version", tag("raft_vsn").to_owned()),
        ("serf_protocol_current", member.protocol_cur.to_string()),
        ("serf_protocol_max", member.protocol_max.to_string()),
        ("serf_protocol_min", member.protocol_min.to_string()),
        ("version", version.to_owned()),
    ];
    Some(NodeService {
        id: SERVER_SERVICE.into(),
        service: SERVER_SERVICE.into(),
        port: tag("port").parse().unwrap_or(0),
        meta: meta.map(|(key, value)| (key.to_owned(), value)).into(),
        ..NodeService::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lictor_catalog::Catalog;
    use lictor_types::Index;

    fn member(name: &str, status: MemberStatus, role: &str) -> Member {
        let tags = [("role", role), ("port", "8300"), ("build", "1.2.3:abc"), ("raft_vsn", "3"), ("id", "")];
        Member {
            name: name.into(),
            addr: "127.0.0.1".into(),
            port: 8301,
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            status,
            protocol_min: 1,
            protocol_max: 5,
            protocol_cur: 2,
            delegate_min: 2,
            delegate_max: 5,
            delegate_cur: 4,
        }
    }

    fn own() -> Node {
        Node {
            id: "11111111-2222-3333-4444-555555555555".into(),
            node: "me".into(),
            address: "127.0.0.1".into(),
            datacenter: "dc1".into(),
            tagged_addresses: Some([("lan".to_owned(), "127.0.0.1".to_owned())].into()),
            meta: Some([("consul-network-segment".to_owned(), String::new())].into()),
            ..Node::default()
        }
    }

    struct Bench {
        catalog: Catalog,
        index: u64,
    }

    impl Bench {
        fn settle(&mut self, members: &[Member]) -> usize {
            let commands = plan(&self.catalog.snapshot(), &own(), members, 1);
            for command in &commands {
                self.index += 1;
                let outcome = self.catalog.apply(Index(self.index), command);
                assert!(!matches!(outcome, lictor_types::Outcome::Refused(_)), "{outcome:?}");
            }
            let again = plan(&self.catalog.snapshot(), &own(), members, 1);
            assert_eq!(again, [], "what is right is not written again");
            commands.len()
        }

        fn health(&self, node: &str) -> Option<HealthStatus> {
            checks(&self.catalog.snapshot(), &Query::NodeChecks(node.into())).first().map(|check| check.status)
        }
    }

    #[test]
    fn members_come_fail_and_go() {
        let mut bench = Bench { catalog: Catalog::new("dc1"), index: 1 };
        let me = member("me", MemberStatus::Alive, "consul");
        assert_eq!(bench.settle(std::slice::from_ref(&me)), 1);
        assert_eq!(bench.health("me"), Some(HealthStatus::Passing));
        let client = |status| member("other", status, "node");
        assert_eq!(bench.settle(&[me.clone(), client(MemberStatus::Alive)]), 1);
        assert_eq!(bench.settle(&[me.clone(), client(MemberStatus::Failed)]), 1);
        assert_eq!(bench.health("other"), Some(HealthStatus::Critical));
        assert_eq!(bench.settle(&[me.clone(), client(MemberStatus::Alive)]), 1);
        assert_eq!(bench.settle(&[me.clone(), client(MemberStatus::Left)]), 1);
        assert_eq!(bench.health("other"), None);
        assert_eq!(bench.settle(&[me.clone(), client(MemberStatus::Alive)]), 1);
        assert_eq!(bench.settle(&[me]), 1, "reaped");
        assert_eq!(bench.health("other"), None);
    }

    #[test]
    fn the_server_service_is_as_clients_know_it() {
        let service = server_service(&member("me", MemberStatus::Alive, "consul")).unwrap();
        assert_eq!((service.id.as_str(), service.port), ("consul", 8300));
        assert_eq!(service.meta["version"], "1.2.3");
        assert_eq!(service.meta["non_voter"], "false");
        assert_eq!(server_service(&member("me", MemberStatus::Alive, "node")), None);
    }

    #[test]
    fn nodes_registered_from_outside_stay() {
        let mut bench = Bench { catalog: Catalog::new("dc1"), index: 1 };
        let node = Node { node: "printer".into(), address: "10.0.0.9".into(), ..Node::default() };
        bench.catalog.apply(Index(1), &Command::Register(Box::new(Register { node, ..Register::default() })));
        assert_eq!(bench.settle(&[member("me", MemberStatus::Alive, "consul")]), 1);
        let found = bench.catalog.snapshot().query(&Query::Nodes, &QueryScope::default(), None).unwrap().1;
        let Reply::Nodes(rows) = found else { panic!() };
        assert_eq!(rows.len(), 2);
    }
}
