//! `/v1/explain/service/:name`: why each instance is answered or left out. Not in Consul.

mod verdict;

use crate::catalog::named;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::{self, Reply};
use lictor_types::{Query, Reply as Answered};
use std::collections::BTreeMap;
use verdict::Facts;

pub(crate) async fn service(call: &Call<'_>) -> Result<Reply, HttpError> {
    let name = named(call, "Missing service name")?;
    let options = call.read_options()?;
    let query = Query::HealthService { service: name.into(), tags: Vec::new(), worst: None, connect: false };
    let answer = call.query(&query, &options).await.map_err(|error| HttpError::from(error).with_meta())?;
    let Answered::HealthService(rows) = &answer.content.reply else {
        return Err(HttpError::failed("internal error: not instances"));
    };
    let (node, token) = (&call.app.node, call.token());
    let datacenter = &options.query.datacenter;
    let mut facts = Facts { own: node.name().into(), ..Facts::default() };
    if datacenter.is_empty() || datacenter.eq_ignore_ascii_case(node.datacenter()) {
        facts.is_own_datacenter = true;
        // What the caller may not see of this agent is left out; the catalog's part stands by itself.
        facts.members = node.members(false, &token).await.unwrap_or_default();
        facts.services = node.services(&token).await.unwrap_or_default();
        facts.checks = node.checks(&token).await.unwrap_or_default();
        facts.sources = node.config_sources(&token).await.unwrap_or_default();
        let on_own_node = rows.iter().filter(|row| row.node.node == facts.own).flat_map(|row| &row.checks);
        let mut runs = BTreeMap::new();
        for check in on_own_node {
            if let Ok(found) = node.check_history(&check.check_id, &token).await {
                runs.insert(check.check_id.clone(), found);
            }
        }
        facts.runs = runs;
    }
    let mut reply = call.style.json(&verdict::explain(name, rows, &facts));
    respond::set_meta(reply.headers_mut(), &answer.meta);
    Ok(reply)
}
