//! From what is known to the reasons. Pure.

use lictor_rpc::node::{LocalCheck, LocalService};
use lictor_types::check::{NODE_MAINTENANCE, SERF_HEALTH, SERVICE_MAINTENANCE_PREFIX};
use lictor_types::explanation::{CheckExplanation, InstanceExplanation, ServiceExplanation};
use lictor_types::query::CheckServiceNode;
use lictor_types::report::SourceStatus;
use lictor_types::{CheckId, CheckRun, HealthCheck, HealthStatus, Member, NodeName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest part of an output that a reason quotes, in characters.
const QUOTED_MAX: usize = 200;

/// What is known beside the catalog.
#[derive(Default)]
pub(super) struct Facts {
    /// Node of this agent.
    pub(super) own: NodeName,
    /// Whether the catalog is that of this agent's datacenter.
    pub(super) is_own_datacenter: bool,
    /// Members of the LAN pool.
    pub(super) members: Vec<Member>,
    /// Services of this agent.
    pub(super) services: Vec<Arc<LocalService>>,
    /// Checks of this agent.
    pub(super) checks: Vec<Arc<LocalCheck>>,
    /// Runs of this agent's checks, newest first.
    pub(super) runs: BTreeMap<CheckId, Vec<CheckRun>>,
    /// Files of this agent's configuration.
    pub(super) sources: Vec<SourceStatus>,
}

/// Explains all instances of a service.
pub(super) fn explain(service: &str, rows: &[CheckServiceNode], facts: &Facts) -> ServiceExplanation {
    let mut instances: Vec<_> = rows.iter().map(|row| instance(row, facts)).collect();
    instances.sort_by_key(|found| (found.status, found.node.clone(), found.service_id.clone()));
    ServiceExplanation { service: service.into(), asked: facts.own.clone(), notes: notes(service, rows, facts), instances }
}

fn instance(row: &CheckServiceNode, facts: &Facts) -> InstanceExplanation {
    let is_own = facts.is_own_datacenter && row.node.node == facts.own;
    let mut checks: Vec<_> = row.checks.iter().collect();
    checks.sort_by_key(|check| (std::cmp::Reverse(check.status), rank(check), check.check_id.clone()));
    let checks: Vec<_> = checks.into_iter().map(|check| of_check(check, is_own.then_some(facts))).collect();
    let status = row.worst_status();
    let deciding = checks.first().filter(|worst| worst.status > HealthStatus::Passing).cloned();
    let maintenance = match row.checks.iter().map(|check| rank(check)).min() {
        Some(0) => "node",
        Some(1) => "service",
        _ => "",
    };
    let own = facts.services.iter().find(|local| is_own && local.service.id == row.service.id);
    let member = facts.members.iter().find(|member| member.name == row.node.node);
    InstanceExplanation {
        node: row.node.node.clone(),
        service_id: row.service.id.clone(),
        address: if row.service.address.is_empty() { row.node.address.clone() } else { row.service.address.clone() },
        port: row.service.port,
        status,
        answered: status < HealthStatus::Critical,
        answered_if_passing: status == HealthStatus::Passing,
        reason: reason(&checks, maintenance),
        deciding,
        member: member.map(|member| member.status.as_str().to_owned()).unwrap_or_default(),
        maintenance: maintenance.to_owned(),
        source: own.map(|local| (&local.origin).into()),
        modify_index: row.service.modify_index,
        checks,
    }
}

/// Of checks that are equally bad, which one says most.
fn rank(check: &HealthCheck) -> u8 {
    match check.check_id.as_str() {
        NODE_MAINTENANCE => 0,
        id if id.starts_with(SERVICE_MAINTENANCE_PREFIX) => 1,
        SERF_HEALTH => 2,
        _ => 3,
    }
}

fn of_check(check: &HealthCheck, facts: Option<&Facts>) -> CheckExplanation {
    let mut told = CheckExplanation {
        check_id: check.check_id.clone(),
        name: check.name.clone(),
        kind: check.kind.clone(),
        status: check.status,
        notes: check.notes.clone(),
        output: check.output.clone(),
        modify_index: check.modify_index,
        ..CheckExplanation::default()
    };
    let Some(facts) = facts else { return told };
    if let Some(local) = facts.checks.iter().find(|local| local.check.check_id == check.check_id) {
        told.damped = local.damped;
        told.source = Some((&local.origin).into());
    }
    let runs = facts.runs.get(&check.check_id).map(Vec::as_slice).unwrap_or_default();
    told.last_outcome = runs.first().map(|run| run.outcome);
    let alike = runs.iter().take_while(|run| run.status == check.status).count();
    told.since_unix_ms = alike.checked_sub(1).and_then(|first| runs.get(first)).map(|run| run.started_unix_ms);
    told.since_earlier = alike > 0 && alike == runs.len();
    told
}

/// `checks`: the worst first.
fn reason(checks: &[CheckExplanation], maintenance: &str) -> String {
    let Some(worst) = checks.first() else {
        return "it has no checks, and nothing speaks against it".to_owned();
    };
    let said = if maintenance.is_empty() { &worst.output } else { &worst.notes };
    let output = quoted(said);
    let because = if output.is_empty() { String::new() } else { format!(": {output}") };
    let mut reason = match (maintenance, worst.status) {
        (what @ ("node" | "service"), _) => format!("the {what} is in maintenance{because}"),
        (_, HealthStatus::Passing) if checks.len() == 1 => format!("its only check, {:?}, is passing", worst.check_id.as_str()),
        (_, HealthStatus::Passing) => format!("all {} checks are passing", checks.len()),
        (_, HealthStatus::Critical) if worst.check_id == *SERF_HEALTH => format!("its node cannot be reached{because}"),
        (_, status) => format!("the check {:?} is {status}{because}", worst.check_id.as_str()),
    };
    let alike = checks.iter().filter(|check| check.status == worst.status).count();
    if worst.status > HealthStatus::Passing && alike > 1 {
        reason.push_str(&format!(" (and {} more {})", alike - 1, worst.status));
    }
    if let Some(held) = checks.iter().find(|check| check.damped) {
        let found = held.last_outcome.map(|found| format!(", its last run found {found}")).unwrap_or_default();
        reason.push_str(&format!("; flap damping holds {:?} at {}{found}", held.check_id.as_str(), held.status));
    }
    reason
}

/// The first line that says something.
fn quoted(output: &str) -> String {
    let line = output.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut short: String = line.chars().take(QUOTED_MAX).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

fn notes(service: &str, rows: &[CheckServiceNode], facts: &Facts) -> Vec<String> {
    let mut notes = Vec::new();
    let here = |local: &&Arc<LocalService>| local.service.service.eq_ignore_ascii_case(service);
    for local in facts.services.iter().filter(here) {
        let is_known = rows.iter().any(|row| row.node.node == facts.own && row.service.id == local.service.id);
        if !is_known {
            notes.push(format!("{:?} is registered with this agent, and not in the catalog yet", local.service.id.as_str()));
        }
    }
    if rows.is_empty() && notes.is_empty() {
        notes.push(format!("no service {service:?} is in the catalog, and none is registered with this agent"));
    }
    for source in facts.sources.iter().filter(|source| source.state == "quarantined") {
        let why = source.problems.first().map(ToString::to_string).unwrap_or_else(|| source.file.clone());
        let ids = facts.services.iter().filter(here).map(|local| &local.service.id);
        let in_effect = ids.into_iter().any(|id| source.services.contains(id));
        if in_effect {
            notes.push(format!("its file is quarantined, and its last good definition in effect: {why}"));
        } else if rows.is_empty() {
            notes.push(format!("a file of this agent is quarantined, and may be meant to define it: {why}"));
        }
    }
    let elsewhere = rows.iter().any(|row| row.node.node != facts.own);
    if elsewhere || (!rows.is_empty() && !facts.is_own_datacenter) {
        notes.push(
            "where instances on other nodes are defined, whether damping holds them and since when, their own agents tell"
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests;
