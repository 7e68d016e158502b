//! Which services are behind a gateway. There is no table of them: they follow from the gateway's entry and the services.

use crate::schema::State;
use lictor_types::config_entry::WILDCARD;
use lictor_types::discovery_chain::GatewayService;
use lictor_types::{ConfigEntry, EntryBody, EntryKind, Index};

/// The servers' own service.
const SERVERS: &str = "consul";
const GATEWAY_KINDS: [EntryKind; 2] = [EntryKind::TerminatingGateway, EntryKind::IngressGateway];

impl State {
    pub(super) fn gateway_services(&self, gateway: &str) -> Vec<GatewayService> {
        let entries = GATEWAY_KINDS.iter().filter_map(|kind| self.config_entries.get(*kind, gateway));
        let mut rows: Vec<GatewayService> = entries.flat_map(|entry| self.behind(entry)).collect();
        rows.sort_by(|a, b| (&a.service, a.port).cmp(&(&b.service, b.port)));
        rows
    }

    fn behind(&self, entry: &ConfigEntry) -> Vec<GatewayService> {
        let row = |service: &str| GatewayService {
            gateway: entry.name.clone(),
            service: service.to_owned(),
            gateway_kind: entry.kind().as_str().to_owned(),
            create_index: entry.modify_index,
            modify_index: entry.modify_index,
            ..GatewayService::default()
        };
        let given: Vec<GatewayService> = match &entry.body {
            EntryBody::TerminatingGateway(gateway) => {
                let all = gateway.services.iter().flatten();
                all.map(|linked| GatewayService {
                    ca_file: linked.ca_file.clone(),
                    cert_file: linked.cert_file.clone(),
                    key_file: linked.key_file.clone(),
                    sni: linked.sni.clone(),
                    ..row(&linked.name)
                })
                .collect()
            }
            EntryBody::IngressGateway(gateway) => gateway
                .services()
                .map(|(listener, service)| GatewayService {
                    port: listener.port,
                    protocol: listener.protocol.clone(),
                    hosts: service.hosts.clone().unwrap_or_default(),
                    ..row(&service.name)
                })
                .collect(),
            _ => Vec::new(),
        };
        let is_named = |name: &str, port: i64| given.iter().any(|row| row.service == name && row.port == port);
        let (every, mut rows): (Vec<_>, Vec<_>) = given.iter().cloned().partition(|row| row.service == WILDCARD);
        for every in every {
            for (name, index) in self.typical_services().filter(|(name, _)| !is_named(name, every.port)) {
                let index = index.max(every.modify_index);
                let (service, from_wildcard) = (name.to_owned(), true);
                rows.push(GatewayService { service, from_wildcard, create_index: index, modify_index: index, ..every.clone() });
            }
        }
        rows
    }

    /// Services that are neither proxies nor gateways, nor the servers' own, with their indexes.
    fn typical_services(&self) -> impl Iterator<Item = (&str, Index)> {
        self.services.name_indexes().filter(|(name, _)| *name != SERVERS).filter_map(|(name, index)| {
            let typical = self.services.named(name).find(|placed| placed.service.kind.is_empty())?;
            Some((typical.service.service.as_str(), index))
        })
    }
}
