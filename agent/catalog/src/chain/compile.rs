//! The way to one service, node by node.

use super::Entries;
use lictor_types::config_entry::{
    HttpMatch, MeshGateway, RouteDestination, RouteMatch, ServiceResolver, ServiceRoute, ServiceRouter, Span, WILDCARD,
};
use lictor_types::discovery_chain::{
    ChainFailover, ChainNode, ChainRequest, ChainResolver, ChainRoute, ChainSplit, ChainTarget, DiscoveryChain, NAMESPACE,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How long connecting may take when nothing is said.
const CONNECT_TIMEOUT: Span = Span(5_000_000_000);
/// So many splitters may lead to each other: the work for each is done inside that for the one before.
const DEPTH_MAX: usize = 64;
/// Into so many parts one splitter may come out, those of the splitters behind it included.
const SPLITS_MAX: usize = 4096;
/// Bytes of the digest that tells customized chains apart.
const HASH_BYTES: usize = 4;

/// Finds the way. `here` is the datacenter that asks.
pub(super) fn chain(entries: Entries<'_>, request: &ChainRequest, here: &str) -> Result<DiscoveryChain, String> {
    if request.service.is_empty() {
        return Err("serviceName is required".to_owned());
    }
    let datacenter = if request.datacenter.is_empty() { here } else { &request.datacenter };
    let mut work = Work {
        entries,
        request,
        here,
        datacenter,
        plain: !request.protocol.is_empty() && !is_http_like(&request.protocol),
        protocol: String::new(),
        advanced: false,
        customized: BTreeSet::new(),
        splitters: BTreeSet::new(),
        nodes: BTreeMap::new(),
        targets: BTreeMap::new(),
    };
    let start_node = work.assemble()?;
    work.refuse_circles(&start_node, &mut Vec::new(), &mut BTreeSet::new())?;
    work.flatten()?;
    work.forget_unreachable(&start_node);
    if work.advanced && !is_http_like(&work.protocol) {
        return Err(format!(
            "discovery chain {:?} uses a protocol {:?} that does not permit advanced routing or splitting behavior",
            request.service, work.protocol
        ));
    }
    if !request.protocol.is_empty() && request.protocol != work.protocol {
        work.protocol.clone_from(&request.protocol);
        work.customized.insert("protocol");
    }
    Ok(DiscoveryChain {
        service_name: request.service.clone(),
        namespace: NAMESPACE.to_owned(),
        datacenter: datacenter.to_owned(),
        customization_hash: work.customization_hash(),
        protocol: work.protocol,
        start_node,
        nodes: work.nodes,
        targets: work.targets,
    })
}

fn is_http_like(protocol: &str) -> bool {
    matches!(protocol, "http" | "http2" | "grpc")
}

struct Work<'a> {
    entries: Entries<'a>,
    request: &'a ChainRequest,
    here: &'a str,
    datacenter: &'a str,
    /// The caller speaks what can neither be routed nor split.
    plain: bool,
    /// What all services on the way speak; empty before the first.
    protocol: String,
    /// A router or splitter is on the way.
    advanced: bool,
    /// Which of the caller's wishes made a difference.
    customized: BTreeSet<&'static str>,
    splitters: BTreeSet<String>,
    nodes: BTreeMap<String, ChainNode>,
    targets: BTreeMap<String, ChainTarget>,
}

impl Work<'_> {
    fn assemble(&mut self) -> Result<String, String> {
        let name = self.request.service.as_str();
        // Only the router of the service that was asked for counts.
        match self.entries.router(name) {
            Some(_) if self.plain => {
                self.customized.insert("protocol");
                self.splitter_or_resolver(&self.target(name, "", ""))
            }
            Some(router) => self.router(name, router),
            None => self.splitter_or_resolver(&self.target(name, "", "")),
        }
    }

    fn target(&self, service: &str, subset: &str, namespace: &str) -> ChainTarget {
        let namespace = if namespace.is_empty() { NAMESPACE } else { namespace };
        ChainTarget::new(service, subset, namespace, self.datacenter)
    }

    fn router(&mut self, name: &str, router: &ServiceRouter) -> Result<String, String> {
        self.advanced = true;
        self.record_protocol(name)?;
        let mut routes = Vec::new();
        for route in router.routes.iter().flatten() {
            let nowhere = RouteDestination::default();
            let to = route.destination.as_ref().unwrap_or(&nowhere);
            let service = if to.service.is_empty() { name } else { &to.service };
            let target = self.target(service, &to.service_subset, &to.namespace);
            let next_node = if to.service_subset.is_empty() {
                self.splitter_or_resolver(&target)?
            } else {
                self.resolver(target, false)?.key()
            };
            routes.push(ChainRoute { definition: route.clone(), next_node });
        }
        // What no route takes goes on as if there were no router.
        let next_node = self.splitter_or_resolver(&self.target(name, "", ""))?;
        routes.push(ChainRoute { definition: default_route(name), next_node });
        let node = ChainNode { kind: "router".to_owned(), name: format!("{name}.{NAMESPACE}"), routes, ..ChainNode::default() };
        Ok(self.record(node))
    }

    fn splitter_or_resolver(&mut self, target: &ChainTarget) -> Result<String, String> {
        match self.splitter(&target.service, 0)? {
            Some(node) => Ok(node),
            None => Ok(self.resolver(target.clone(), false)?.key()),
        }
    }

    fn splitter(&mut self, service: &str, depth: usize) -> Result<Option<String>, String> {
        let name = format!("{service}.{NAMESPACE}");
        let key = format!("splitter:{name}");
        if self.splitters.contains(&key) {
            return Ok(Some(key));
        }
        let Some(splitter) = self.entries.splitter(service) else { return Ok(None) };
        if self.plain {
            self.customized.insert("protocol");
            return Ok(None);
        }
        if depth >= DEPTH_MAX {
            return Err(format!("discovery chain {:?} has more than {DEPTH_MAX} splitters in a row", self.request.service));
        }
        // Noted first, so that splitters that lead to each other come to an end here; circles are looked for afterwards.
        self.splitters.insert(key.clone());
        let mut splits = Vec::new();
        for split in &splitter.splits {
            let to = if split.service.is_empty() { service } else { &split.service };
            let is_other = to != service && split.service_subset.is_empty();
            let further = if is_other { self.splitter(to, depth + 1)? } else { None };
            let next_node = match further {
                Some(node) => node,
                None => self.resolver(self.target(to, &split.service_subset, &split.namespace), false)?.key(),
            };
            splits.push(ChainSplit { weight: split.weight, next_node });
        }
        self.advanced = true;
        self.record(ChainNode { kind: "splitter".to_owned(), name, splits, ..ChainNode::default() });
        Ok(Some(key))
    }

    /// The resolver of a target. One that is only failed over to is no node of its own, and does not fail over itself.
    fn resolver(&mut self, mut target: ChainTarget, in_failover: bool) -> Result<ChainNode, String> {
        let mut way: Vec<String> = Vec::new();
        let default = ServiceResolver::default();
        let (resolver, defaults) = loop {
            if let Some(known) = self.nodes.get(&format!("resolver:{}", target.id)) {
                return Ok(known.clone());
            }
            self.record_protocol(&target.service)?;
            let resolver = self.entries.resolver(&target.service).unwrap_or(&default);
            let seen = way.contains(&target.id);
            way.push(target.id.clone());
            if seen {
                return Err(format!("detected circular resolver redirect: [{}]", way.join(" -> ")));
            }
            if let Some(to) = &resolver.redirect {
                let redirected = target.rewritten(&to.service, &to.service_subset, &to.namespace, &to.datacenter);
                if redirected.id != target.id {
                    target = redirected;
                    continue;
                }
            }
            if target.service_subset.is_empty() && !resolver.default_subset.is_empty() {
                target = target.rewritten("", &resolver.default_subset, "", "");
                continue;
            }
            if !target.service_subset.is_empty() && !resolver.subsets.contains_key(&target.service_subset) {
                let ChainTarget { service, service_subset, .. } = &target;
                return Err(format!("service {service:?} does not have a subset named {service_subset:?}"));
            }
            break (resolver, self.entries.service_defaults(&target.service));
        };
        target.subset = resolver.subsets.get(&target.service_subset).cloned().unwrap_or_default();
        if let Some(defaults) = defaults.filter(|defaults| !defaults.external_sni.is_empty()) {
            target.sni.clone_from(&defaults.external_sni);
            target.external = true;
            refuse_external(&target.service, resolver)?;
        }
        target.mesh_gateway = self.gateway_of(&target, defaults.map(|defaults| &defaults.mesh_gateway));
        let node = ChainNode {
            kind: "resolver".to_owned(),
            name: target.id.clone(),
            resolver: Some(ChainResolver {
                default: *resolver == default,
                connect_timeout: self.connect_timeout(resolver),
                target: target.id.clone(),
                failover: None,
            }),
            ..ChainNode::default()
        };
        self.targets.insert(target.id.clone(), target.clone());
        if in_failover {
            return Ok(node);
        }
        let key = self.record(node.clone());
        let failover = resolver.failover.get(&target.service_subset).or_else(|| resolver.failover.get(WILDCARD));
        let Some(failover) = failover else { return Ok(node) };
        let mut others: Vec<ChainTarget> = match failover.datacenters.as_slice() {
            [] => vec![target.failed_over(failover, "")],
            all => all.iter().map(|datacenter| target.failed_over(failover, datacenter)).collect(),
        };
        others.retain(|other| other.id != target.id);
        if others.is_empty() {
            return Ok(node);
        }
        let mut targets = Vec::new();
        for other in others {
            let found = self.resolver(other, true)?;
            targets.extend(found.resolver.map(|resolver| resolver.target));
        }
        let resolver = node.resolver.map(|known| ChainResolver { failover: Some(ChainFailover { targets }), ..known });
        let node = ChainNode { resolver, ..node };
        self.nodes.insert(key, node.clone());
        Ok(node)
    }

    fn connect_timeout(&mut self, resolver: &ServiceResolver) -> Span {
        let configured = if resolver.connect_timeout < Span(1) { CONNECT_TIMEOUT } else { resolver.connect_timeout };
        let wish = self.request.connect_timeout;
        if wish <= Span(0) || wish == configured {
            return configured;
        }
        self.customized.insert("connect timeout");
        wish
    }

    fn gateway_of(&mut self, target: &ChainTarget, of_service: Option<&MeshGateway>) -> MeshGateway {
        if target.datacenter == self.here || target.external {
            return MeshGateway::default();
        }
        let mut gateway = of_service.cloned().unwrap_or_default();
        if gateway.mode.is_empty()
            && let Some(defaults) = self.entries.proxy_defaults()
        {
            gateway = defaults.mesh_gateway.clone();
        }
        let wish = &self.request.mesh_gateway;
        if !wish.is_empty() && gateway.mode != *wish {
            gateway.mode.clone_from(wish);
            self.customized.insert("mesh gateway");
        }
        gateway
    }

    /// All services on the way must speak the same.
    fn record_protocol(&mut self, service: &str) -> Result<(), String> {
        let protocol = match (self.entries.service_defaults(service), self.entries.proxy_defaults()) {
            (Some(defaults), _) => &defaults.protocol,
            (None, Some(defaults)) => defaults.protocol(),
            (None, None) => "",
        };
        let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_lowercase() };
        if self.protocol.is_empty() {
            self.protocol = protocol;
        } else if self.protocol != protocol {
            return Err(format!(
                "discovery chain {:?} uses inconsistent protocols; service {service:?} has {protocol:?} which is not {:?}",
                self.request.service, self.protocol
            ));
        }
        Ok(())
    }

    fn record(&mut self, node: ChainNode) -> String {
        let key = node.key();
        self.nodes.insert(key.clone(), node);
        key
    }

    /// Splitters may lead to each other in a circle; redirects were looked at on the way.
    fn refuse_circles(&self, key: &str, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> Result<(), String> {
        if done.contains(key) {
            return Ok(());
        }
        let seen = way.iter().any(|known| known == key);
        way.push(key.to_owned());
        if seen {
            return Err(format!("detected circular reference: [{}]", way.join(" -> ")));
        }
        self.next(key).into_iter().try_for_each(|next| self.refuse_circles(next, way, done))?;
        done.extend(way.pop());
        Ok(())
    }

    fn next(&self, key: &str) -> Vec<&str> {
        let Some(node) = self.nodes.get(key) else { return Vec::new() };
        let routes = node.routes.iter().map(|route| route.next_node.as_str());
        routes.chain(node.splits.iter().map(|split| split.next_node.as_str())).collect()
    }

    /// A splitter that leads to splitters takes over their parts. Without circles, so it comes to an end.
    fn flatten(&mut self) -> Result<(), String> {
        loop {
            let nested = |node: &ChainNode| node.splits.iter().any(|split| split.next_node.starts_with("splitter:"));
            let keys: Vec<String> = self.nodes.iter().filter(|(_, node)| nested(node)).map(|(key, _)| key.clone()).collect();
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                let Some(node) = self.nodes.get(&key) else { continue };
                let mut flat = Vec::new();
                for split in &node.splits {
                    match self.nodes.get(&split.next_node).filter(|next| next.kind == "splitter") {
                        Some(next) => flat.extend(next.splits.iter().map(|inner| ChainSplit {
                            weight: split.weight.of(inner.weight),
                            next_node: inner.next_node.clone(),
                        })),
                        None => flat.push(split.clone()),
                    }
                    if flat.len() > SPLITS_MAX {
                        return Err(format!(
                            "discovery chain {:?} splits into more than {SPLITS_MAX} parts",
                            self.request.service
                        ));
                    }
                }
                if let Some(node) = self.nodes.get_mut(&key) {
                    node.splits = flat;
                }
            }
        }
    }

    fn forget_unreachable(&mut self, start: &str) {
        let mut reached = BTreeSet::new();
        let mut open = vec![start.to_owned()];
        while let Some(key) = open.pop() {
            if reached.insert(key.clone()) {
                open.extend(self.next(&key).into_iter().map(str::to_owned));
            }
        }
        self.nodes.retain(|key, _| reached.contains(key));
    }

    /// Empty when no wish made a difference.
    fn customization_hash(&self) -> String {
        let mut sum = Sha256::new();
        for wish in &self.customized {
            sum.update(wish);
            sum.update([0]);
            match *wish {
                "protocol" => sum.update(&self.request.protocol),
                "connect timeout" => sum.update(self.request.connect_timeout.0.to_le_bytes()),
                _ => sum.update(&self.request.mesh_gateway),
            }
        }
        if self.customized.is_empty() {
            return String::new();
        }
        sum.finalize().iter().take(HASH_BYTES).fold(String::new(), |mut text, byte| {
            // Writing into a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

fn default_route(service: &str) -> ServiceRoute {
    let http = HttpMatch { path_prefix: "/".to_owned(), ..HttpMatch::default() };
    let destination =
        RouteDestination { service: service.to_owned(), namespace: NAMESPACE.to_owned(), ..RouteDestination::default() };
    ServiceRoute { matches: Some(RouteMatch { http: Some(http) }), destination: Some(destination) }
}

/// What is outside cannot be led elsewhere.
fn refuse_external(service: &str, resolver: &ServiceResolver) -> Result<(), String> {
    for (is_given, what) in [
        (resolver.redirect.is_some(), "redirects"),
        (!resolver.subsets.is_empty(), "subsets"),
        (!resolver.failover.is_empty(), "failover"),
    ] {
        if is_given {
            return Err(format!("service {service:?} has an external SNI set; cannot define {what} for external services"));
        }
    }
    Ok(())
}
