//! Servers and client agents on hosts of their own: ways are cut, both or one direction, messages are late and lost, addresses change.

use lictor_e2e::cluster::member_status;
use lictor_e2e::http::{Client, Fate};
use lictor_e2e::nemesis::Progress;
use lictor_e2e::{Agent, Cluster, Network, wait};
use serde_json::Value;
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

/// Status of a member that is there.
const ALIVE: u64 = 1;
/// How many packets of a hundred are lost on a lossy network.
const LOST: u32 = 10;
/// How many keys are written anew after each harm before it goes on.
const MORE: u64 = 10;

/// Hosts; `None`, told to who runs the tests, where they cannot be made.
pub(crate) fn make(hosts: usize) -> Option<Network> {
    Network::make(hosts).inspect_err(|why| println!("skipped: hosts of their own can be made by root only: {why}")).ok()
}

fn network(cluster: &Cluster) -> &Network {
    cluster.network.as_ref().unwrap()
}

/// Writes keys of its own, one after the other, until told to stop; the keys that were acknowledged.
fn write(agent: &Agent, progress: &Progress, stop: &Progress) -> BTreeSet<String> {
    let (http, mut number, mut acknowledged) = (Client::default(), 0, BTreeSet::new());
    while !stop.is_stopped() {
        number += 1;
        let key = format!("cut/{}/{number}", agent.node());
        let reply = http.put(agent.ports.http, &format!("/v1/kv/{key}"), "v");
        if reply.fate() == Fate::Answered && reply.text.trim() == "true" {
            acknowledged.insert(key);
            progress.step();
        }
        wait::pace(Duration::from_millis(5));
    }
    acknowledged
}

/// The server that leads, by the word of one on the larger side.
fn leader_of(cluster: &Cluster, side: usize, but: Option<usize>) -> usize {
    let mut found = None;
    wait::until("a leader of the larger side", || {
        let address = cluster.servers[side].get("/v1/status/leader").json();
        found =
            cluster.servers.iter().position(|server| address == server.server_address().as_str()).filter(|at| Some(*at) != but);
        found
    })
}

/// No server gives an old answer where a fresh one is asked for: who leads no more must know it.
fn assert_no_old_answer(cluster: &Cluster, writer: &Agent, round: &mut u64) {
    *round += 1;
    wait::until("an acknowledged write", || (writer.put("/v1/kv/fresh", &round.to_string()).text.trim() == "true").then_some(()));
    thread::scope(|scope| {
        for server in &cluster.servers {
            let round = *round;
            scope.spawn(move || {
                let reply = server.get("/v1/kv/fresh?raw");
                assert!(
                    reply.status != 200 || reply.text == round.to_string(),
                    "{} answers {} after {round} was acknowledged",
                    server.node(),
                    reply.text
                );
            });
        }
    });
}

/// All is well: everybody sees everybody, and the servers know the same leader.
fn wait_whole(cluster: &Cluster) {
    for agent in cluster.agents() {
        for other in cluster.agents() {
            wait::until(&format!("{} alive as {} sees it", other.node(), agent.node()), || {
                (member_status(agent, other.node()) == ALIVE).then_some(())
            });
        }
    }
    wait::until("one leader that all know", || {
        let known: BTreeSet<String> =
            cluster.agents().map(|agent| agent.get("/v1/status/leader").json().as_str().unwrap_or("").to_owned()).collect();
        (known.len() == 1 && !known.contains("")).then_some(())
    });
}

/// Everything that a server holds.
fn held(server: &Agent) -> [Value; 2] {
    ["/v1/kv/?recurse&stale", "/v1/catalog/nodes?stale"].map(|path| server.get(path).json())
}

fn wait_equal(cluster: &Cluster) {
    wait::until("servers that hold the same", || {
        let all: Vec<_> = cluster.servers.iter().map(held).collect();
        (!all[0][0].is_null() && all.windows(2).all(|two| two[0] == two[1])).then_some(())
    });
}

#[test]
fn cuts_are_survived_and_nothing_acknowledged_is_lost() {
    let Some(network_of) = make(5) else { return };
    let cluster = &Cluster::start_on(network_of, 3, 2, "disable_coordinates = true\n");
    let network = network(cluster);
    // Clients of the network: servers are hosts 0 to 2, client agents 3 and 4.
    let progress: Vec<Progress> = cluster.agents().map(|_| Progress::default()).collect();
    let stop = Progress::default();
    let acknowledged: Vec<BTreeSet<String>> = thread::scope(|scope| {
        let writers: Vec<_> = cluster
            .agents()
            .zip(&progress)
            .map(|(agent, progress)| {
                let stop = &stop;
                scope.spawn(move || write(agent, progress, stop))
            })
            .collect();
        let ended = stop.stop_at_end();
        let mut round = 0;
        let all_write = |why: &str| {
            println!("{why}");
            progress.iter().for_each(|one| one.wait_more(MORE));
        };
        all_write("whole");
        for _ in 0..2 {
            // The leader and a client agent on one side, the majority on the other.
            let leader = leader_of(cluster, 0, None);
            let (side, other) = ((leader + 1) % 3, (leader + 2) % 3);
            network.isolate(&[leader, 3]);
            let new = leader_of(cluster, side, Some(leader));
            println!("the leader s{leader} and c0 are cut off, s{new} leads");
            for at in [side, other, 4] {
                progress[at].wait_more(MORE);
            }
            let before = progress[3].done();
            assert_no_old_answer(cluster, &cluster.clients[1], &mut round);
            assert_eq!(progress[3].done(), before, "the smaller side acknowledges nothing");
            network.heal();
            all_write("healed");
            // One direction only.
            for outward in [true, false] {
                let leader = leader_of(cluster, 0, None);
                for at in (0..5).filter(|at| *at != leader) {
                    if outward { network.cut(leader, at) } else { network.cut(at, leader) }
                }
                println!("what s{leader} {} is lost", if outward { "sends" } else { "is sent" });
                let side = (leader + 1) % 3;
                leader_of(cluster, side, Some(leader));
                progress[side].wait_more(MORE);
                assert_no_old_answer(cluster, &cluster.servers[side], &mut round);
                network.heal();
                all_write("healed");
            }
            // A follower alone harms nobody, and does not unseat the leader when it is back.
            let leader = leader_of(cluster, 0, None);
            let alone = (leader + 1) % 3;
            network.isolate(&[alone]);
            progress[(leader + 2) % 3].wait_more(MORE);
            progress[4].wait_more(MORE);
            assert_no_old_answer(cluster, &cluster.servers[leader], &mut round);
            network.heal();
            all_write("a follower was cut off and is back");
            assert_eq!(leader_of(cluster, alone, None), leader, "a server that was cut off unseats nobody");
        }
        wait_whole(cluster);
        drop(ended);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    wait_equal(cluster);
    let keys = cluster.servers[0].get("/v1/kv/cut/?keys&consistent").json();
    let keys: BTreeSet<&str> = keys.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let count: usize = acknowledged.iter().map(BTreeSet::len).sum();
    for key in acknowledged.iter().flatten() {
        assert!(keys.contains(key.as_str()), "{key} was acknowledged and is lost");
    }
    println!("{count} acknowledged writes are there, {} in all", keys.len());
}

#[test]
fn servers_that_come_back_under_other_addresses_are_found() {
    let Some(network_of) = make(4) else { return };
    let mut cluster = Cluster::start_on(network_of, 3, 1, "");
    for at in 0..3 {
        let address = format!("10.77.0.{}", 100 + at);
        cluster.servers[at].kill();
        network(&cluster).move_to(at, &address);
        // The others may be where they were, or have moved before.
        cluster.tell_servers();
        cluster.servers[at].spawn();
        cluster.servers[at].wait_ready();
        let wanted = cluster.servers[at].server_address();
        let told = |body: &Value| {
            let servers = body["Servers"].as_array().cloned().unwrap_or_default();
            servers.len() == 3 && servers.iter().any(|server| server["Address"] == wanted.as_str() && server["Voter"] == true)
        };
        let mut last = Value::Null;
        let found = wait::within(wait::PATIENCE, || {
            last = cluster.clients[0].get("/v1/operator/raft/configuration").json();
            told(&last).then_some(())
        });
        assert!(found.is_some(), "s{at} is not {wanted} in {last}\n{}", cluster.servers[at].log());
        let name = cluster.servers[at].node().to_owned();
        let mut seen = Value::Null;
        let back = wait::within(wait::PATIENCE, || {
            seen = cluster.clients[0].get("/v1/agent/members").json();
            let members = seen.as_array().cloned().unwrap_or_default();
            let is_back = |member: &Value| {
                member["Name"] == name.as_str() && member["Addr"] == address.as_str() && member["Status"] == ALIVE
            };
            members.iter().any(is_back).then_some(())
        });
        assert!(
            back.is_some(),
            "{name} is not alive at {address}: {seen}\n{}\n{}",
            cluster.servers[at].log(),
            cluster.clients[0].log()
        );
    }
    wait_whole(&cluster);
    // The new addresses carry an election.
    let leader = leader_of(&cluster, 0, None);
    cluster.servers[leader].kill();
    let client = &cluster.clients[0];
    wait::until("a write", || (client.put("/v1/kv/moved", "1").text.trim() == "true").then_some(()));
    cluster.servers[leader].spawn();
    cluster.servers[leader].wait_ready();
    wait_equal(&cluster);
}

/// Writes through every agent while the network is as `trouble` makes it for each host; skipped where that cannot be made.
fn is_borne(trouble: impl Fn(&Network, usize) -> Result<(), String>) {
    let Some(network_of) = make(5) else { return };
    let cluster = Cluster::start_on(network_of, 3, 2, "disable_coordinates = true\n");
    for host in 0..5 {
        if let Err(why) = trouble(network(&cluster), host) {
            println!("skipped: {why}");
            return;
        }
    }
    for number in 0..50 {
        let agent = cluster.agents().nth(number % 5).unwrap();
        wait::until("a write", || (agent.put(&format!("/v1/kv/borne/{number}"), "1").text.trim() == "true").then_some(()));
    }
    wait_whole(&cluster);
    wait_equal(&cluster);
}

#[test]
fn a_slow_network_is_borne() {
    is_borne(Network::delay);
}

#[test]
fn a_lossy_network_is_borne() {
    is_borne(|network, host| network.lose(host, LOST));
}
