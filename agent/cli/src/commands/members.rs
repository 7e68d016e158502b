//! `lictor members`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{switch, value};
use crate::table;
use lictor_types::{Member, MemberStatus};
use regex::Regex;
use std::process::ExitCode;

/// `lictor members`
pub const MEMBERS: Command = Command {
    name: "members",
    about: "Lists the members of the cluster",
    arguments: "",
    help: "The exit code is 2 if no member is left to show.\n\nExamples:\n  lictor members\n  lictor members -detailed -status=failed",
    flags: &[
        switch("detailed", "Show all tags."),
        switch("wan", "The WAN pool instead of the LAN pool (servers only)."),
        value("status", "expression", "Keep members whose state (alive, leaving, left, failed) fits this regular expression."),
        value("segment", "name", "Only members of this network segment. Lictor has none but `default`."),
    ],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// Exit code when no member is left to show, as Consul's.
const NONE_LEFT: u8 = 2;

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let given = &invocation.given;
    let wanted = Regex::new(given.text("status")).map_err(Failure::because("Failed to compile status regexp"))?;
    let mut members = invocation
        .client
        .members(given.is_on("wan"), given.text("segment"))
        .await
        .map_err(Failure::while_doing("Error retrieving members"))?;
    members.retain(|member| wanted.is_match(status(member)));
    if members.is_empty() {
        return Ok(ExitCode::from(NONE_LEFT));
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let rows = if given.is_on("detailed") { detailed(&members) } else { standard(&members) };
    table::print(&rows, invocation.terminal);
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

fn kind(member: &Member) -> &'static str {
    match member.tags.get("role").map(String::as_str) {
        Some("consul") => "server",
        Some("node") => "client",
        _ => "unknown",
    }
}

/// Servers are in all network segments.
fn segment(member: &Member) -> &str {
    match (kind(member), member.tags.get("segment").map_or("", String::as_str)) {
        ("server", _) => "<all>",
        ("client", "") => "<default>",
        (_, named) => named,
    }
}

fn standard(members: &[Member]) -> Vec<Vec<String>> {
    let mut rows = vec![["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Segment"].map(str::to_owned).to_vec()];
    for member in members {
        let tag = |name: &str| member.tags.get(name).map_or("", String::as_str);
        let (kind, segment) = (kind(member), segment(member));
        let build = tag("build").split(':').next().unwrap_or("");
        let row = [member.name.as_str(), &address(member), status(member), kind, build, tag("vsn"), tag("dc"), segment];
        rows.push(row.map(str::to_owned).to_vec());
    }
    rows
}

fn detailed(members: &[Member]) -> Vec<Vec<String>> {
    let mut rows = vec![["Node", "Address", "Status", "Tags"].map(str::to_owned).to_vec()];
    for member in members {
        let mut tags = member.tags.clone();
        if let Some(tag) = tags.get_mut("segment") {
            *tag = segment(member).to_owned();
        }
        let tags: Vec<String> = tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        rows.push(vec![member.name.to_string(), address(member), status(member).to_owned(), tags.join(",")]);
    }
    rows
}
