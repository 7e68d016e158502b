//! One question → one response, without a socket: where it belongs, what the cluster says, what is answered.

mod node;
mod query;
mod zone;

use crate::answer::prepare::{Ask, Prepared, prepare};
use crate::answer::trim::{Fitted, Space, draw, fit};
use crate::answer::{self, Group, Response};
use crate::cache::{Cache, Entry, Key, Plan, key};
use crate::error::{BindError, rcode};
use crate::events::{AnsweredStale, QueryAnswered, QueryFailed};
use crate::message::{self, Outgoing};
use crate::name::{self, Lookup};
use crate::recursor;
use crate::request::Request;
use crate::settings::DnsSettings;
use crate::wire::{Data, Owner, Rcode, Record, WireName, rtype};
use arc_swap::ArcSwap;
use hickory_proto::op::{Edns, Header, Message as Forwarded, MessageType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::Request as Message;
use lictor_net::clock;
use lictor_rpc::{Answer, Cluster, ClusterError};
use lictor_telemetry::Emit;
use lictor_types::{Consistency, HealthStatus, Query, QueryOptions, Reply, Token};
use node::node_response;
use query::Named;
use std::borrow::Cow;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use zone::{Belongs, Zone};

/// How a question came, and so how much may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A stream.
    Tcp,
}

/// Without EDNS a UDP message has at most this many bytes (RFC 1035 §4.2.1).
pub(crate) const UDP_BYTES: u16 = 512;
/// How often a host name of ours may lead to another.
const HOPS_MAX: u8 = 3;
/// Host names looked up for one SRV answer.
const HOSTS_MAX: usize = 8;
/// Addresses taken of one host name where the client has no EDNS.
const HOST_RECORDS_MAX: usize = 5;
/// An answer older than this counts as stale.
const STALE: Duration = Duration::from_secs(5);

/// Answers questions over a [`Cluster`]. Share it in an `Arc`.
pub struct Resolver {
    cluster: Arc<dyn Cluster>,
    state: ArcSwap<State>,
}

/// The settings in effect and what was prepared under them.
struct State {
    settings: DnsSettings,
    zone: Zone,
    cache: Cache,
}

impl State {
    fn new(settings: DnsSettings) -> Result<Self, BindError> {
        let zone = Zone::new(&settings)?;
        Ok(Self { settings, zone, cache: Cache::default() })
    }

    fn compress(&self) -> bool {
        !self.settings.disable_compression
    }

    /// The datacenter meant by what a name says of it.
    fn datacenter<'a>(&'a self, named: &'a str) -> &'a str {
        if named.is_empty() { &self.settings.datacenter } else { named }
    }

    fn wan(&self, datacenter: &str) -> bool {
        self.settings.translate_wan_addrs && !datacenter.eq_ignore_ascii_case(&self.settings.datacenter)
    }

    fn options(&self, datacenter: &str) -> QueryOptions {
        let own = datacenter.eq_ignore_ascii_case(&self.settings.datacenter);
        QueryOptions {
            datacenter: if own { String::new() } else { datacenter.to_owned() },
            token: self.settings.token.clone(),
            consistency: if self.settings.allow_stale { Consistency::Stale } else { Consistency::Default },
            max_stale: self.settings.allow_stale.then_some(self.settings.max_stale),
            ..QueryOptions::default()
        }
    }

    fn soa(&self) -> Vec<Record> {
        let serial = u32::try_from(clock::wall().as_secs() & u64::from(u32::MAX)).unwrap_or(0);
        answer::soa(&self.settings, &self.zone.domain, serial).into_iter().collect()
    }

    /// A response that says there is nothing: the SOA tells for how long that holds.
    fn nothing(&self, rcode: Rcode) -> Response<'static> {
        Response { authority: self.soa(), ..Response::ours(rcode, &self.settings) }
    }

    fn failed(&self, name: &WireName, error: &ClusterError) -> Response<'static> {
        match rcode(error) {
            Rcode::NxDomain => self.nothing(Rcode::NxDomain),
            code => {
                QueryFailed { name, error }.emit();
                Response::ours(code, &self.settings)
            }
        }
    }

    fn plan(&self, name: &WireName, qtype: u16, lookup: Lookup) -> Option<Plan> {
        let Lookup::Service { service, tag, port, connect, datacenter } = lookup else { return None };
        let datacenter = self.datacenter(&datacenter).to_owned();
        let worst = if self.settings.only_passing { HealthStatus::Passing } else { HealthStatus::Warning };
        // A named port may turn out to be a tag: then the tag is looked at here.
        let tags = if tag.is_empty() || !port.is_empty() { Vec::new() } else { vec![tag.clone()] };
        let query = Query::HealthService { service: service.as_str().into(), tags, worst: Some(worst), connect };
        let options = self.options(&datacenter);
        let ask = Ask {
            qtype,
            question: name.lower_labels().join(".") + ".",
            ttl: self.settings.service_ttl_secs(&service),
            tag,
            port,
            wan: self.wan(&datacenter),
            datacenter,
            domain: self.zone.text.clone(),
            only_passing: self.settings.only_passing,
            metas: self.settings.node_meta_txt,
            chosen: false,
        };
        Some(Plan { query, options, ask })
    }
}

impl Resolver {
    /// A resolver with these settings (of which `listeners` is not looked at).
    ///
    /// # Errors
    /// When a domain is no DNS name.
    pub fn new(settings: DnsSettings, cluster: Arc<dyn Cluster>) -> Result<Self, BindError> {
        Ok(Self { cluster, state: ArcSwap::from_pointee(State::new(settings)?) })
    }

    /// Changes the settings for all questions from now on.
    ///
    /// # Errors
    /// When a domain is no DNS name: the settings stay as they were.
    pub fn update(&self, settings: DnsSettings) -> Result<(), BindError> {
        self.state.store(Arc::new(State::new(settings)?));
        Ok(())
    }

    /// Changes the token that is shown with every question from now on.
    pub fn set_token(&self, token: Token) {
        let state = self.state.load_full();
        if state.settings.token != token
            && let Ok(changed) = State::new(DnsSettings { token, ..state.settings.clone() })
        {
            self.state.store(Arc::new(changed));
        }
    }

    /// Answers a packet as the server does, without a socket; `None` for what deserves no answer. `dice` decides the order
    /// of records.
    pub async fn respond(&self, packet: &[u8], transport: Transport, dice: u64) -> Option<Vec<u8>> {
        let header = Header::read(&mut BinDecoder::new(packet)).ok()?;
        let none = message::no_question()?;
        let source = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let protocol = if transport == Transport::Udp { Protocol::Udp } else { Protocol::Tcp };
        let Ok(request) = Message::from_bytes(packet.to_vec(), source, protocol) else {
            let refusal = Outgoing::refusal(&header.metadata, Rcode::FormErr);
            return message::encode(refusal.message(&none, &none), UDP_BYTES).map(|(_, bytes)| bytes);
        };
        if request.metadata.message_type == MessageType::Response {
            return None;
        }
        let reply = self.reply(&request, transport, dice).await;
        let bytes = match transport {
            Transport::Udp => reply.edns.as_ref().map_or(UDP_BYTES, Edns::max_payload),
            Transport::Tcp => u16::MAX,
        };
        message::encode(reply.message(&request.queries, &none), bytes).map(|(_, bytes)| bytes)
    }

    /// Answers a message that the DNS library read.
    pub(crate) async fn reply(&self, message: &Message, transport: Transport, dice: u64) -> Outgoing {
        match Request::of(message) {
            Ok(request) => self.answer(&request, transport, dice).await,
            Err(rcode) => Outgoing::refusal(&message.metadata, rcode),
        }
    }

    async fn answer(&self, request: &Request<'_>, transport: Transport, dice: u64) -> Outgoing {
        let started = clock::now();
        let state = self.state.load_full();
        let key = key(&request.name, request.qtype);
        let mut reverse = false;
        let reply = if let Some(entry) = state.cache.get(&key) {
            let plan = entry.plan.clone();
            self.service(&state, request, transport, dice, key, plan, Some(entry)).await
        } else {
            let labels = request.name.lower_labels();
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let recursors = !state.settings.recursors.is_empty();
            match state.zone.place(&labels) {
                // Who owns the name of a zone is a question to its parent.
                Belongs::Ours(_) if request.qtype == rtype::DS && recursors => {
                    self.recurse(&state, request, transport, dice).await
                }
                Belongs::Ours(rest) => self.ours(&state, request, rest, transport, dice, key).await,
                Belongs::Arpa => {
                    reverse = true;
                    match self.reverse(&state, request, &labels).await {
                        Some(response) => response.reply(request, bytes(request, transport)),
                        None => self.recurse(&state, request, transport, dice).await,
                    }
                }
                Belongs::Elsewhere if recursors => self.recurse(&state, request, transport, dice).await,
                Belongs::Elsewhere => {
                    let refused =
                        Response { authoritative: false, edns: false, ..Response::ours(Rcode::Refused, &state.settings) };
                    refused.reply(request, bytes(request, transport))
                }
            }
        };
        QueryAnswered { name: &request.name, qtype: request.qtype, reverse, took: started.elapsed() }.emit();
        reply
    }

    async fn ours(
        &self,
        state: &State,
        request: &Request<'_>,
        labels: &[&str],
        transport: Transport,
        dice: u64,
        key: Key,
    ) -> Outgoing {
        let settings = &state.settings;
        let space = space(request, transport, settings);
        let response = match request.qtype {
            rtype::SOA => {
                let (ns, glue) = self.servers(state, dice).await;
                let soa = Response::ours(Rcode::NoError, settings).with(Group::of(state.soa()));
                Response { authority: ns, additional: glue, ..soa }
            }
            rtype::NS => {
                let (ns, glue) = self.servers(state, dice).await;
                Response { additional: glue, ..Response::ours(Rcode::NoError, settings).with(Group::of(ns)) }
            }
            rtype::AXFR => Response::ours(Rcode::NotImp, settings),
            qtype => match name::parse(labels, qtype == rtype::SRV) {
                Lookup::Invalid | Lookup::NotBuilt => state.nothing(Rcode::NxDomain),
                Lookup::Nothing => Response::ours(Rcode::NoError, settings),
                Lookup::Address(ip) => {
                    let record = Record { owner: Owner::Question, ttl: settings.node_ttl_secs(), data: Data::address(ip) };
                    Response::ours(Rcode::NoError, settings).with(Group::of(vec![record]))
                }
                Lookup::Node { node, datacenter } => {
                    let records = self.node(state, &node, &datacenter, qtype, HOPS_MAX, dice).await;
                    node_response(state, request, space, records)
                }
                Lookup::PreparedQuery { query, datacenter } => {
                    let client = Some(request.client());
                    let named = Named { query: &query, datacenter: &datacenter, client };
                    match self.execute(state, &request.name, qtype, named).await {
                        Ok(Some((prepared, ask))) => {
                            return self.instances(state, request, transport, dice, &prepared, &ask).await;
                        }
                        Ok(None) => state.nothing(Rcode::NxDomain),
                        Err(error) => state.failed(&request.name, &error),
                    }
                }
                lookup @ Lookup::Service { .. } => match state.plan(&request.name, qtype, lookup) {
                    Some(plan) => return self.service(state, request, transport, dice, key, Arc::new(plan), None).await,
                    None => state.nothing(Rcode::NxDomain),
                },
            },
        };
        response.reply(request, bytes(request, transport))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one question, passed on once")]
    async fn service(
        &self,
        state: &State,
        request: &Request<'_>,
        transport: Transport,
        dice: u64,
        key: Key,
        plan: Arc<Plan>,
        cached: Option<Entry>,
    ) -> Outgoing {
        let prepared = match self.prepared(state, Some(key), plan.clone(), cached).await {
            Ok(prepared) => prepared,
            Err(error) => return state.failed(&request.name, &error).reply(request, bytes(request, transport)),
        };
        self.instances(state, request, transport, dice, &prepared, &plan.ask).await
    }

    /// The answer with what was prepared of the instances.
    async fn instances(
        &self,
        state: &State,
        request: &Request<'_>,
        transport: Transport,
        dice: u64,
        prepared: &Prepared,
        ask: &Ask,
    ) -> Outgoing {
        if !prepared.exists {
            return state.nothing(Rcode::NxDomain).reply(request, bytes(request, transport));
        }
        let space = space(request, transport, &state.settings);
        let fitted = self.compose(state, prepared, ask, request.name.len(), space, request.edns.is_some(), HOPS_MAX, dice).await;
        let response = if fitted.records == 0 {
            state.nothing(Rcode::NoError)
        } else {
            let tells_cut = state.settings.enable_truncate;
            Response { fitted, tells_cut, ..Response::ours(Rcode::NoError, &state.settings) }
        };
        response.reply(request, bytes(request, transport))
    }

    /// What there is to answer about a service: taken from the cache while the cluster's reply is the same one.
    async fn prepared(
        &self,
        state: &State,
        key: Option<Key>,
        plan: Arc<Plan>,
        cached: Option<Entry>,
    ) -> Result<Arc<Prepared>, ClusterError> {
        let answer = self.ask(&plan.query, &plan.options).await?;
        if let Some(entry) = cached
            && Arc::ptr_eq(&entry.content, &answer.content)
        {
            return Ok(entry.prepared);
        }
        let Reply::HealthService(instances) = &answer.content.reply else { return Err(unexpected()) };
        let prepared = Arc::new(prepare(instances, &plan.ask));
        if let Some(key) = key
            && prepared.exists
        {
            state.cache.put(key, Entry { plan, content: answer.content.clone(), prepared: prepared.clone() });
        }
        Ok(prepared)
    }

    /// Chooses, completes and fits the records of a service.
    #[expect(clippy::too_many_arguments, reason = "the parts of one question, passed on once")]
    async fn compose<'p>(
        &self,
        state: &State,
        prepared: &'p Prepared,
        ask: &Ask,
        question: usize,
        space: Space,
        edns: bool,
        hops: u8,
        dice: u64,
    ) -> Fitted<'p> {
        let kept = if edns { usize::MAX } else { HOST_RECORDS_MAX };
        if prepared.groups.is_empty() {
            let chosen = order(ask, prepared.hosts.len(), 1, dice).first().and_then(|at| prepared.hosts.get(*at));
            let Some(mut group) = chosen.cloned() else { return Fitted::default() };
            if let Some(host) = &group.external {
                let found = self.resolve(state, host, hops, dice).await;
                group.answers.extend(addresses(found, ask.ttl).take(kept));
            }
            let total = group.answers.len();
            return fit(vec![Cow::Owned(group)], total, question, space, state.compress());
        }
        let srv = ask.qtype == rtype::SRV;
        let limit = if srv || state.settings.a_record_limit == 0 { usize::MAX } else { state.settings.a_record_limit };
        let total = prepared.groups.len().min(limit);
        let order = order(ask, prepared.groups.len(), space.worth(total), dice);
        let mut groups: Vec<Cow<'p, Group>> = order.into_iter().map(|at| Cow::Borrowed(&prepared.groups[at])).collect();
        let hosts = groups.iter_mut().filter(|group| group.external.is_some());
        for group in hosts.take(HOSTS_MAX) {
            let Some(host) = group.external.clone() else { continue };
            let found = self.resolve(state, &host, hops, dice).await;
            group.to_mut().extras.extend(addresses(found, ask.ttl).take(kept));
        }
        fit(groups, total, question, space, state.compress())
    }

    async fn recurse(&self, state: &State, request: &Request<'_>, transport: Transport, dice: u64) -> Outgoing {
        let forwarded = recursor::forward(&state.settings, request.raw(), transport == Transport::Tcp, dice).await;
        match forwarded.map(|bytes| Forwarded::from_vec(&bytes)) {
            Some(Ok(message)) => Outgoing::forwarded(message, request),
            unread => {
                if let Some(Err(error)) = unread {
                    tracing::warn!(name = %request.name, %error, "the answer of a recursor is not readable");
                }
                let ours = Response::ours(Rcode::ServFail, &state.settings);
                Response { authoritative: false, recursion: true, ..ours }.reply(request, bytes(request, transport))
            }
        }
    }

    /// Records of a host name that stands in the place of an address: ours from the cluster, others from the recursors.
    fn resolve<'a>(
        &'a self,
        state: &'a State,
        host: &'a WireName,
        hops: u8,
        dice: u64,
    ) -> Pin<Box<dyn Future<Output = Vec<Record>> + Send + 'a>> {
        Box::pin(async move {
            let labels = host.lower_labels();
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let Belongs::Ours(rest) = state.zone.place(&labels) else {
                if state.settings.recursors.is_empty() {
                    return Vec::new();
                }
                return recursor::resolve(&state.settings, host, dice).await;
            };
            if hops == 0 {
                tracing::warn!(name = %host, "names lead to each other in a circle");
                return Vec::new();
            }
            let found = match name::parse(rest, false) {
                Lookup::Address(ip) => {
                    vec![Record { owner: Owner::Question, ttl: state.settings.node_ttl_secs(), data: Data::address(ip) }]
                }
                Lookup::Node { node, datacenter } => {
                    let records = self.node(state, &node, &datacenter, rtype::ANY, hops - 1, dice).await;
                    records.ok().flatten().map(|r| r.answers).unwrap_or_default()
                }
                Lookup::PreparedQuery { query, datacenter } => {
                    let named = Named { query: &query, datacenter: &datacenter, client: None };
                    let found = self.execute(state, host, rtype::ANY, named).await;
                    let Ok(Some((prepared, ask))) = found else { return Vec::new() };
                    self.records(state, host, &prepared, &ask, hops - 1, dice).await
                }
                lookup => match state.plan(host, rtype::ANY, lookup) {
                    None => Vec::new(),
                    Some(plan) => {
                        let plan = Arc::new(plan);
                        let Ok(prepared) = self.prepared(state, None, plan.clone(), None).await else { return Vec::new() };
                        self.records(state, host, &prepared, &plan.ask, hops - 1, dice).await
                    }
                },
            };
            let named = |record: Record| match record.owner {
                Owner::Question => Record { owner: Owner::Name(host.clone()), ..record },
                _ => record,
            };
            found.into_iter().map(named).collect()
        })
    }

    /// The answers that a host name of ours stands for.
    async fn records(&self, state: &State, host: &WireName, prepared: &Prepared, ask: &Ask, hops: u8, dice: u64) -> Vec<Record> {
        let space = Space::udp(None, &state.settings);
        let fitted = self.compose(state, prepared, ask, host.len(), space, false, hops, dice).await;
        let records = fitted.groups.iter().flat_map(|g| g.answers.iter().cloned());
        records.take(fitted.records).collect()
    }

    async fn ask(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        let answer = match self.cluster.query_now(query, options) {
            Some(answer) => answer?,
            None => self.cluster.query(query, options).await?,
        };
        if answer.meta.last_contact > STALE {
            AnsweredStale.emit();
        }
        Ok(answer)
    }
}

fn unexpected() -> ClusterError {
    ClusterError::Internal("the reply is not of the kind asked for".to_owned())
}

fn space(request: &Request<'_>, transport: Transport, settings: &DnsSettings) -> Space {
    match transport {
        Transport::Tcp => Space::tcp(),
        Transport::Udp => Space::udp(request.edns, settings),
    }
}

/// Which of the answers, in order: as chosen, or any.
fn order(ask: &Ask, total: usize, count: usize, dice: u64) -> Vec<usize> {
    if ask.chosen { (0..total.min(count)).collect() } else { draw(total, count, dice) }
}

/// How long the message may be.
fn bytes(request: &Request<'_>, transport: Transport) -> u16 {
    match transport {
        Transport::Tcp => u16::MAX,
        Transport::Udp => request.edns.map_or(UDP_BYTES, |edns| edns.payload.max(UDP_BYTES)),
    }
}

/// What may follow an alias of a service, with the service's TTL.
fn addresses(records: Vec<Record>, ttl: u32) -> impl Iterator<Item = Record> {
    let kept = records.into_iter().filter(|r| matches!(r.data, Data::A(_) | Data::Aaaa(_) | Data::Cname(_)));
    kept.map(move |record| Record { ttl, ..record })
}
