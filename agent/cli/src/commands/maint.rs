//! `lictor maint`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{switch, value};
use lictor_types::check::{NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX};
use serde_json::Value;
use std::process::ExitCode;

/// `lictor maint`
pub const MAINT: Command = Command {
    name: "maint",
    about: "Puts the node or a service in or out of maintenance",
    arguments: "",
    help: "Without -enable and -disable it shows what is in maintenance now.\n\nExamples:\n  lictor maint -enable -reason=\"new disk\"\n  lictor maint -disable -service=web",
    flags: &[
        switch("enable", "Begin maintenance."),
        switch("disable", "End maintenance."),
        value("reason", "text", "Why; shown in the check."),
        value("service", "id", "The service; the whole node by default."),
    ],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let (enable, disable) = (given.is_on("enable"), given.is_on("disable"));
    let (reason, service) = (given.text("reason"), given.text("service"));
    if enable && disable {
        return Err(Failure::Usage("Only one of -enable or -disable may be provided".to_owned()));
    }
    if !enable && !reason.is_empty() {
        return Err(Failure::Usage("Reason may only be provided with -enable".to_owned()));
    }
    if !enable && !disable {
        if !service.is_empty() {
            return Err(Failure::Usage("-service requires either -enable or -disable".to_owned()));
        }
        let checks = client.agent_checks().await.map_err(Failure::while_doing("Error getting checks"))?;
        show(&checks, &client.agent_self().await.map_err(Failure::while_doing("Error querying Consul agent"))?, terminal);
        return Ok(ExitCode::SUCCESS);
    }
    let context = match (enable, service.is_empty()) {
        (true, true) => "Error enabling node maintenance",
        (true, false) => "Error enabling service maintenance",
        (false, true) => "Error disabling node maintenance",
        (false, false) => "Error disabling service maintenance",
    };
    client.maintenance((!service.is_empty()).then_some(service), enable, reason).await.map_err(Failure::while_doing(context))?;
    let now = if enable { "enabled" } else { "disabled" };
    if service.is_empty() {
        terminal.say(&format!("Node maintenance is now {now}"));
    } else {
        terminal.say(&format!("Service maintenance is now {now} for {service:?}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(checks: &Value, agent: &Value, terminal: &mut crate::Terminal) {
    for (id, check) in checks.as_object().into_iter().flatten() {
        let reason = check.get("Notes").and_then(Value::as_str).unwrap_or("");
        if id == NODE_MAINTENANCE {
            let name = agent.pointer("/Config/NodeName").and_then(Value::as_str).unwrap_or("");
            terminal.say(&format!("Node:\n  Name:   {name}\n  Reason: {reason}\n"));
        } else if let Some(service) = id.strip_prefix(SERVICE_MAINTENANCE_PREFIX) {
            terminal.say(&format!("Service:\n  ID:     {service}\n  Reason: {reason}\n"));
        }
    }
}
