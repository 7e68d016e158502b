//! `lictor explain …`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::value;
use crate::terminal::{Terminal, json_lines};
use jiff::Timestamp;
use lictor_types::explanation::{CheckExplanation, InstanceExplanation, ServiceExplanation};
use std::process::ExitCode;

/// `lictor explain service`
pub const SERVICE: Command = Command {
    name: "explain service",
    about: "Tells why each instance of a service is answered or left out",
    arguments: "NAME",
    help: "Critical instances are left out by DNS and prepared queries, others by those who want only what is passing. The agent of an \
           instance's own node also tells where it is defined, whether flap damping holds a check, and since when it is in its state. \
           It ends with 1 when there is no instance.\n\nExamples:\n  lictor explain service web\n  lictor explain service -format=json web",
    flags: &[value("format", "pretty|json", "Form of the output. Default pretty.")],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(service(invocation)) as Work<'_>,
};

async fn service(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let [name] = given.rest()[..] else {
        return Err(Failure::Misused("The name of one service must be given".to_owned()));
    };
    let explained = client.explain_service(name).await.map_err(Failure::while_doing("Error explaining service"))?;
    match given.text("format") {
        "json" => terminal.say(&json_lines(&explained, "    ")),
        "" | "pretty" => show(&explained, terminal),
        other => return Err(Failure::Usage(format!("Unknown format {other:?}: it is pretty or json"))),
    }
    Ok(if explained.instances.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn show(explained: &ServiceExplanation, terminal: &mut Terminal) {
    let answered = explained.instances.iter().filter(|one| one.answered).count();
    let count = explained.instances.len();
    let noun = if count == 1 { "instance" } else { "instances" };
    terminal.say(&format!("{}: {count} {noun}, {answered} answered", explained.service));
    for one in &explained.instances {
        terminal.say("");
        show_instance(one, terminal);
    }
    if !explained.notes.is_empty() {
        terminal.say("");
    }
    for note in &explained.notes {
        terminal.say(&format!("Note: {note}."));
    }
}

fn show_instance(one: &InstanceExplanation, terminal: &mut Terminal) {
    let verdict = match (one.answered, one.answered_if_passing) {
        (true, true) => "answered",
        (true, false) => "answered, but not to those who want only what is passing",
        (false, _) => "left out",
    };
    terminal.say(&format!("{}/{} at {}:{} is {}: {verdict}", one.node, one.service_id, one.address, one.port, one.status));
    terminal.say(&format!("    because {}", one.reason));
    if let Some(source) = &one.source {
        terminal.say(&format!("    defined by {source}"));
    }
    if !one.member.is_empty() && one.member != "alive" {
        terminal.say(&format!("    its node is {} in the gossip pool", one.member));
    }
    for check in &one.checks {
        terminal.say(&format!("    {}", line(check)));
    }
}

fn line(check: &CheckExplanation) -> String {
    let mut line = format!("{:<8}  {}", check.status.as_str(), check.check_id);
    if let Some(time) = check.since_unix_ms.and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()) {
        let word = if check.since_earlier { "since before" } else { "since" };
        line.push_str(&format!("  {word} {}", time.strftime("%Y-%m-%dT%H:%M:%SZ")));
    } else {
        line.push_str(&format!("  changed at index {}", check.modify_index.0));
    }
    if let Some(source) = &check.source {
        line.push_str(&format!("  {source}"));
    }
    if check.damped {
        line.push_str("  (held by flap damping)");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use lictor_types::HealthStatus;

    #[test]
    fn a_check_is_told_in_a_line() {
        let mut check = CheckExplanation {
            check_id: "web-http".into(),
            status: HealthStatus::Critical,
            modify_index: lictor_types::Index(7),
            ..CheckExplanation::default()
        };
        assert_eq!(line(&check), "critical  web-http  changed at index 7");
        check.since_unix_ms = Some(1_795_685_793_099);
        check.damped = true;
        assert_eq!(line(&check), "critical  web-http  since 2026-11-26T09:36:33Z  (held by flap damping)");
    }
}
