//! What is told about nodes: their addresses and metadata, the servers of our domain, and whose an address is.

use super::{Resolver, State, unexpected};
use crate::answer::address::{self, Accept, Place};
use crate::answer::trim::{Space, draw, fit};
use crate::answer::{Group, Response, text};
use crate::events::QueryFailed;
use crate::name;
use crate::request::Request;
use crate::wire::{Data, Owner, Rcode, Record, WireName, rtype};
use lictor_rpc::ClusterError;
use lictor_telemetry::Emit;
use lictor_types::{HealthStatus, Query, Reply};
use std::borrow::Cow;

/// The service that the servers register themselves under.
const SERVERS: &str = "consul";
/// At most this many name servers are told.
const SERVERS_MAX: usize = 3;

/// The address records of a node and its metadata.
pub(super) struct NodeRecords {
    pub(super) answers: Vec<Record>,
    pub(super) metas: Vec<Record>,
}

impl Resolver {
    /// Records of a node, owned by the question; `None` when there is no such node. A type that nodes don't answer is not
    /// looked up.
    pub(super) async fn node(
        &self,
        state: &State,
        node: &str,
        datacenter: &str,
        qtype: u16,
        hops: u8,
        dice: u64,
    ) -> Result<Option<NodeRecords>, ClusterError> {
        if !matches!(qtype, rtype::A | rtype::AAAA | rtype::ANY | rtype::TXT) {
            return Ok(Some(NodeRecords { answers: Vec::new(), metas: Vec::new() }));
        }
        let datacenter = state.datacenter(datacenter);
        let answer = self.ask(&Query::NodeServices(node.into()), &state.options(datacenter)).await?;
        let Reply::NodeServices(found) = &answer.content.reply else { return Err(unexpected()) };
        let Some(found) = found else { return Ok(None) };
        let node = &found.node;
        let ttl = state.settings.node_ttl_secs();
        let record = |data| Record { owner: Owner::Question, ttl, data };
        let mut answers = Vec::new();
        if qtype != rtype::TXT {
            match address::of_node(node, Accept::of(qtype), state.wan(datacenter)) {
                Some(Place::Ip(ip)) if address::answers(qtype, ip) => answers.push(record(Data::address(ip))),
                Some(Place::Host(host)) => {
                    if let Some(host) = WireName::from_text(host) {
                        answers.push(record(Data::Cname(host.clone())));
                        answers.extend(self.resolve(state, &host, hops, dice).await);
                    }
                }
                _ => {}
            }
        }
        let wanted = state.settings.node_meta_txt || matches!(qtype, rtype::TXT | rtype::ANY);
        let metas = if wanted { text::of_node(node) } else { Vec::new() };
        let mut metas: Vec<Record> = metas.into_iter().map(|strings| record(Data::Txt(strings))).collect();
        if matches!(qtype, rtype::TXT | rtype::ANY) {
            answers.append(&mut metas);
        }
        Ok(Some(NodeRecords { answers, metas }))
    }

    /// NS records of our domain, and the addresses of those servers.
    pub(super) async fn servers(&self, state: &State, dice: u64) -> (Vec<Record>, Vec<Record>) {
        let settings = &state.settings;
        let worst = if settings.only_passing { HealthStatus::Passing } else { HealthStatus::Warning };
        let query = Query::HealthService { service: SERVERS.into(), tags: Vec::new(), worst: Some(worst), connect: false };
        let answer = match self.ask(&query, &state.options(&settings.datacenter)).await {
            Ok(answer) => answer,
            Err(error) => {
                QueryFailed { name: &state.zone.domain, error: &error }.emit();
                return (Vec::new(), Vec::new());
            }
        };
        let Reply::HealthService(instances) = &answer.content.reply else { return (Vec::new(), Vec::new()) };
        let usable: Vec<_> = instances.iter().filter(|i| i.worst_status() <= worst && is_host_label(&i.node.node)).collect();
        let (mut ns, mut glue) = (Vec::new(), Vec::new());
        let ttl = settings.node_ttl_secs();
        for at in draw(usable.len(), SERVERS_MAX, dice) {
            let node = &usable[at].node;
            let datacenter = if node.datacenter.is_empty() { &settings.datacenter } else { &node.datacenter };
            let host = format!("{}.node.{datacenter}.{}", node.node, state.zone.text).to_lowercase();
            let Some(host) = WireName::from_text(&host) else { continue };
            if let Some(Place::Ip(ip)) = address::of_node(node, Accept::Any, false) {
                glue.push(Record { owner: Owner::Name(host.clone()), ttl, data: Data::address(ip) });
            }
            ns.push(Record { owner: Owner::Name(state.zone.domain.clone()), ttl, data: Data::Ns(host) });
        }
        (ns, glue)
    }

    /// The node or service with an address; `None` when nobody here has it.
    pub(super) async fn reverse(&self, state: &State, request: &Request<'_>, labels: &[&str]) -> Option<Response<'static>> {
        let ip = name::parse_reverse(labels)?;
        let settings = &state.settings;
        let options = state.options(&settings.datacenter);
        let nodes = self.ask(&Query::NodesByAddress(ip), &options).await;
        let mut target = match nodes.as_ref().map(|a| &a.content.reply) {
            Ok(Reply::Nodes(nodes)) => {
                nodes.first().map(|n| format!("{}.node.{}.{}", n.node, settings.datacenter, state.zone.text))
            }
            _ => None,
        };
        if target.is_none() {
            let services = self.ask(&Query::ServicesByAddress(ip), &options).await;
            if let Ok(Reply::ServiceNodes(found)) = services.as_ref().map(|a| &a.content.reply) {
                let first = found.first();
                target = first.map(|s| format!("{}.service.{}.{}", s.service_name, settings.datacenter, state.zone.text));
            }
        }
        let target = WireName::from_text(&target?)?;
        let record = Record { owner: Owner::Question, ttl: 0, data: Data::Ptr(target) };
        let response = Response::ours(Rcode::NoError, settings).with(Group::of(vec![record]));
        let authority = if request.qtype == rtype::SOA { state.soa() } else { Vec::new() };
        Some(Response { authority, ..response })
    }
}

/// Whether a name may stand in an NS record.
fn is_host_label(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

pub(super) fn node_response(
    state: &State,
    request: &Request<'_>,
    space: Space,
    records: Result<Option<NodeRecords>, ClusterError>,
) -> Response<'static> {
    match records {
        Err(error) => state.failed(&request.name, &error),
        Ok(None) => state.nothing(Rcode::NxDomain),
        Ok(Some(NodeRecords { answers, metas })) => {
            // Consul sends nodes' answers whole, however long; what the client can't take helps nobody.
            let total = answers.len();
            let group = Group { answers, metas, ..Group::default() };
            let unlimited = space.uncounted();
            let fitted = fit(vec![Cow::Owned(group)], total, request.name.len(), unlimited, state.compress());
            Response { fitted, ..Response::ours(Rcode::NoError, &state.settings) }
        }
    }
}
