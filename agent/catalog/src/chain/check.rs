//! Whether entries go together after a change.

use super::{Entries, compile, same};
use lictor_types::config_entry::{IngressGateway, WILDCARD};
use lictor_types::discovery_chain::{ChainRequest, DiscoveryChain};
use lictor_types::{ConfigEntry, EntryBody, EntryKind};
use std::collections::BTreeSet;

/// Kinds that make the way to a service.
const CHAIN_KINDS: [EntryKind; 3] = [EntryKind::ServiceRouter, EntryKind::ServiceSplitter, EntryKind::ServiceResolver];
/// Where a service is does not matter for whether there is a way to it.
const ANY_DATACENTER: &str = "dc1";

impl Entries<'_> {
    /// Refuses the change that these entries stand for if a service that it has to do with has no way left.
    pub(crate) fn check(&self, changed: &ConfigEntry) -> Result<(), String> {
        let (kind, name) = (changed.kind(), changed.name.as_str());
        match &changed.body {
            EntryBody::IngressGateway(gateway) => {
                self.check_clash(kind, EntryKind::TerminatingGateway, name)?;
                return if self.get(kind, name).is_some() { self.check_ingress(gateway, true) } else { Ok(()) };
            }
            EntryBody::TerminatingGateway(_) => self.check_clash(kind, EntryKind::IngressGateway, name)?,
            _ => {}
        }
        let mut services = BTreeSet::new();
        let mut gateways = Vec::new();
        if kind == EntryKind::ProxyDefaults {
            services.extend(CHAIN_KINDS.iter().flat_map(|kind| self.table.of_kind(*kind)).map(|entry| entry.name.to_lowercase()));
            gateways.extend(self.table.of_kind(EntryKind::IngressGateway));
        } else {
            self.chain_of(name)?;
            for entry in self.table.iter() {
                if !entry.related_services().iter().any(|service| same(service, name)) {
                    continue;
                }
                if entry.kind() == EntryKind::IngressGateway {
                    gateways.push(entry);
                } else {
                    services.insert(entry.name.to_lowercase());
                }
            }
        }
        services.iter().try_for_each(|service| self.chain_of(service).map(drop))?;
        gateways.into_iter().try_for_each(|entry| match &entry.body {
            EntryBody::IngressGateway(gateway) => self.check_ingress(gateway, false),
            _ => Ok(()),
        })
    }

    /// A gateway is of one kind.
    fn check_clash(&self, kind: EntryKind, other: EntryKind, name: &str) -> Result<(), String> {
        if self.get(kind, name).is_some() && self.get(other, name).is_some() {
            let why = format!("a \"{other}\" config entry with that name already exists");
            return Err(format!("cannot create a \"{kind}\" config entry with name {name:?}, {why}"));
        }
        Ok(())
    }

    /// What is behind a port must speak what the port speaks. A gateway that is there already may pass on as TCP what is neither
    /// routed nor split.
    fn check_ingress(&self, gateway: &IngressGateway, strictly: bool) -> Result<(), String> {
        for (listener, service) in gateway.services().filter(|(_, service)| service.name != WILDCARD) {
            let (name, expected) = (&service.name, &listener.protocol);
            let chain = self.chain_of(name)?;
            let passed_on = !strictly && expected == "tcp" && chain.start_node.starts_with("resolver:");
            let protocol = chain.protocol;
            if protocol != *expected && !passed_on {
                let why = format!("which does not match defined listener protocol {expected:?}");
                return Err(format!("service {name:?} has protocol {protocol:?}, {why}"));
            }
        }
        Ok(())
    }

    fn chain_of(&self, service: &str) -> Result<DiscoveryChain, String> {
        compile::chain(*self, &ChainRequest::of(service), ANY_DATACENTER)
    }
}
