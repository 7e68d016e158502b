//! Prepared queries: the cluster chooses the instances and their order, here they become records.

use super::{Resolver, State, unexpected};
use crate::answer::prepare::{Ask, Prepared, prepare};
use crate::wire::WireName;
use lictor_rpc::ClusterError;
use lictor_types::prepared_query::{PreparedExecute, QuerySource};
use lictor_types::{Query, Reply, duration};
use std::net::IpAddr;
use std::time::Duration;

/// A prepared query that a name asks for.
pub(super) struct Named<'a> {
    /// Its name or id.
    pub(super) query: &'a str,
    /// As written; empty: the own one.
    pub(super) datacenter: &'a str,
    /// Who wants to know: what `_ip` means.
    pub(super) client: Option<IpAddr>,
}

impl Resolver {
    /// Executes a prepared query; `None` when there is none of that name.
    pub(super) async fn execute(
        &self,
        state: &State,
        name: &WireName,
        qtype: u16,
        named: Named<'_>,
    ) -> Result<Option<(Prepared, Ask)>, ClusterError> {
        let settings = &state.settings;
        let source = QuerySource {
            datacenter: settings.datacenter.clone(),
            agent: settings.node_name.as_str().into(),
            ip: named.client.map(|ip| ip.to_canonical()),
        };
        let order = PreparedExecute { name: named.query.to_owned(), source, ..PreparedExecute::default() };
        let options = state.options(state.datacenter(named.datacenter));
        let answer = self.ask(&Query::PreparedExecute(Box::new(order)), &options).await?;
        let Reply::PreparedExecution(found) = &answer.content.reply else { return Err(unexpected()) };
        let Some(found) = found else { return Ok(None) };
        let own_ttl = duration::parse_nanos(&found.dns.ttl).ok().and_then(|nanos| u64::try_from(nanos).ok());
        let ask = Ask {
            qtype,
            question: name.lower_labels().join(".") + ".",
            ttl: match own_ttl.filter(|_| !found.dns.ttl.is_empty()) {
                Some(nanos) => crate::settings::secs(Duration::from_nanos(nanos)),
                None => settings.service_ttl_secs(&found.service.to_lowercase()),
            },
            // The instances may be another datacenter's.
            wan: state.wan(&found.datacenter),
            datacenter: found.datacenter.clone(),
            domain: state.zone.text.clone(),
            metas: settings.node_meta_txt,
            chosen: true,
            ..Ask::default()
        };
        Ok(Some((prepare(&found.nodes, &ask), ask)))
    }
}
