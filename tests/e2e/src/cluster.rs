//! Several agents of one datacenter, each a process with ports of its own on loopback.

use crate::agent::{Agent, Plan, Role};
use crate::clocks::Clocks;
use crate::network::Network;
use crate::wait;
use serde_json::Value;

/// Times of gossip and autopilot that tests can wait for.
const QUICK: &str = r#"gossip_lan { gossip_interval = "50ms" probe_interval = "200ms" probe_timeout = "100ms" suspicion_mult = 2 }
autopilot { server_stabilization_time = "500ms" last_contact_threshold = "1s" }
retry_interval = "200ms"
"#;

/// The file that is the same on all.
const FILE: &str = "00-cluster.hcl";

/// A running cluster: servers `s0`, `s1`, … and client agents `c0`, `c1`, ….
pub struct Cluster {
    /// The servers.
    pub servers: Vec<Agent>,
    /// The client agents.
    pub clients: Vec<Agent>,
    hcl: String,
    /// The hosts they run on, servers first; after them, as it must outlive them.
    pub network: Option<Network>,
    /// Their clocks, if tests set them.
    pub clocks: Option<Clocks>,
}

impl Cluster {
    /// Starts so many servers and client agents and waits until every one of them is in the catalog.
    pub fn start(servers: usize, clients: usize) -> Self {
        Self::start_with(servers, clients, "")
    }

    /// As [`Cluster::start`], each with this HCL besides.
    pub fn start_with(servers: usize, clients: usize, hcl: &str) -> Self {
        Self { servers: Vec::new(), clients: Vec::new(), hcl: hcl.to_owned(), network: None, clocks: None }
            .begin(servers, clients)
    }

    /// As [`Cluster::start_with`], each on a host of its own.
    pub fn start_on(network: Network, servers: usize, clients: usize, hcl: &str) -> Self {
        let network = Some(network);
        Self { servers: Vec::new(), clients: Vec::new(), hcl: hcl.to_owned(), network, clocks: None }.begin(servers, clients)
    }

    /// As [`Cluster::start`], with clocks that tests set.
    pub fn start_by(clocks: Clocks, servers: usize, clients: usize) -> Self {
        let clocks = Some(clocks);
        Self { servers: Vec::new(), clients: Vec::new(), hcl: String::new(), network: None, clocks }.begin(servers, clients)
    }

    fn begin(mut self, servers: usize, clients: usize) -> Self {
        let cluster = &mut self;
        for at in 0..servers {
            let agent = cluster.prepare(&format!("s{at}"), Role::Server(servers));
            cluster.servers.push(agent);
        }
        for at in 0..clients {
            let agent = cluster.prepare(&format!("c{at}"), Role::Client);
            cluster.clients.push(agent);
        }
        let mut all: Vec<&mut Agent> = cluster.servers.iter_mut().chain(&mut cluster.clients).collect();
        all.iter_mut().for_each(|agent| agent.spawn());
        all.iter_mut().for_each(|agent| agent.wait_ready());
        self
    }

    /// One more agent that joins through the servers there are; not started yet.
    pub fn prepare(&self, node: &str, role: Role) -> Agent {
        let mut plan = Plan::named(node, role).file(FILE, &self.configuration());
        plan.environment.extend(self.clocks.iter().flat_map(|clocks| clocks.environment(node)));
        Agent::prepare(match &self.network {
            Some(network) => plan.on(network.host(self.servers.len() + self.clients.len())),
            None => plan,
        })
    }

    /// What an agent of this cluster is configured with.
    fn configuration(&self) -> String {
        // The first one may be the only one that is known, and is dead later: whoever joins names all.
        let known: Vec<String> =
            self.servers.iter().map(|server| format!("\"{}:{}\"", server.address(), server.ports.serf_lan)).collect();
        format!("{QUICK}retry_join = [{}]\n{}", known.join(", "), self.hcl)
    }

    /// Tells all agents which servers there are, for when they start again.
    pub fn tell_servers(&self) {
        self.agents().for_each(|agent| agent.write(FILE, self.configuration()));
    }

    /// All agents.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.servers.iter().chain(&self.clients)
    }

    /// The server that leads, by the word of an agent that runs.
    #[track_caller]
    pub fn leader(&self, of: &Agent) -> usize {
        wait::until("a leader that runs", || {
            let leader = of.get("/v1/status/leader").json();
            let leader = leader.as_str()?.to_owned();
            self.servers.iter().position(|server| leader == server.server_address())
        })
    }

    /// Waits until raft has so many voters, by the word of an agent.
    #[track_caller]
    pub fn wait_voters(&self, of: &Agent, count: usize) {
        of.wait_for("/v1/operator/raft/configuration", |body| {
            let voters = body["Servers"].as_array().map_or(0, |all| all.iter().filter(|server| server["Voter"] == true).count());
            voters == count
        });
    }
}

/// Status of a member by its name, as an agent sees it; 0: it does not know it.
pub fn member_status(of: &Agent, name: &str) -> u64 {
    let members = of.get("/v1/agent/members").json();
    let found = members.as_array().and_then(|all| all.iter().find(|member| member["Name"] == name)).cloned();
    found.and_then(|member: Value| member["Status"].as_u64()).unwrap_or(0)
}
