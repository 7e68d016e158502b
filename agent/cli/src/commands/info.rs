//! `lictor info`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use serde_json::Value;
use std::process::ExitCode;

/// `lictor info`
pub const INFO: Command = Command {
    name: "info",
    about: "Prints figures of the agent for operators",
    arguments: "",
    help: "Example:\n  lictor info",
    flags: &[],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let agent = invocation.client.agent_self().await.map_err(Failure::while_doing("Error querying agent"))?;
    let Some(Value::Object(stats)) = agent.get("Stats") else {
        return Err(Failure::Failed("Agent response did not contain 'Stats' key".to_owned()));
    };
    let mut groups: Vec<_> = stats.iter().collect();
    groups.sort_by_key(|(name, _)| name.as_str());
    for (name, group) in groups {
        invocation.terminal.say(&format!("{name}:"));
        let mut lines: Vec<_> = group.as_object().into_iter().flatten().collect();
        lines.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in lines {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            invocation.terminal.say(&format!("\t{name} = {value}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
