//! `lictor members`

use crate::command::{Command, Invocation, Work};
use crate::error::Failure;
use crate::flags::{switch, value};
use crate::terminal::Terminal;
use lictor_types::{Member, MemberStatus};
use std::process::ExitCode;

/// `lictor members`
pub const MEMBERS: Command = Command {
    name: "members",
    about: "Lists the members of the cluster",
    arguments: "",
    help: "",
    flags: || {
        vec![
            switch("detailed", "Show all tags."),
            switch("wan", "The WAN pool instead of the LAN pool (servers only)."),
            value("status", "alive|leaving|left|failed", "Keep only members in this state."),
            value("segment", "name", "Network segments are not part of Lictor; accepted for compatibility."),
        ]
    },
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// Exit code when no member is left to show, as Consul's.
const NONE_LEFT: u8 = 2;

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let given = &invocation.given;
    let wanted = given.text("status");
    let mut members =
        invocation.client.members(given.is_on("wan")).await.map_err(Failure::while_doing("Error retrieving members"))?;
    members.retain(|member| wanted.is_empty() || status(member) == wanted);
    if members.is_empty() {
        return Ok(ExitCode::from(NONE_LEFT));
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let rows = if given.is_on("detailed") { detailed(&members) } else { standard(&members) };
    table(&rows, invocation.terminal);
    Ok(ExitCode::SUCCESS)
}

fn status(member: &Member) -> &'static str {
    match member.status {
        MemberStatus::None => "none",
        MemberStatus::Alive => "alive",
        MemberStatus::Leaving => "leaving",
        MemberStatus::Left => "left",
        MemberStatus::Failed => "failed",
    }
}

fn address(member: &Member) -> String {
    if member.addr.contains(':') {
        format!("[{}]:{}", member.addr, member.port)
    } else {
        format!("{}:{}", member.addr, member.port)
    }
}

fn standard(members: &[Member]) -> Vec<Vec<String>> {
    let mut rows = vec![["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Segment"].map(str::to_owned).to_vec()];
    for member in members {
        let tag = |name: &str| member.tags.get(name).map_or("", String::as_str);
        let (kind, segment) = match tag("role") {
            "consul" => ("server", "<all>"),
            "node" => ("client", if tag("segment").is_empty() { "<default>" } else { tag("segment") }),
            _ => ("unknown", ""),
        };
        let build = tag("build").split(':').next().unwrap_or("");
        let row = [member.name.as_str(), &address(member), status(member), kind, build, tag("vsn"), tag("dc"), segment];
        rows.push(row.map(str::to_owned).to_vec());
    }
    rows
}

fn detailed(members: &[Member]) -> Vec<Vec<String>> {
    let mut rows = vec![["Node", "Address", "Status", "Tags"].map(str::to_owned).to_vec()];
    for member in members {
        let tags: Vec<String> = member.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        rows.push(vec![member.name.to_string(), address(member), status(member).to_owned(), tags.join(",")]);
    }
    rows
}

/// Shows rows as columns, two blanks apart.
pub(crate) fn table(rows: &[Vec<String>], terminal: &mut Terminal) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        terminal.say(line.trim_end());
    }
}
