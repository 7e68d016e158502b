//! Every command except `agent`, over the client.
//!
//! Owns: the commands' flags, their output and exit codes (those of Consul's commands of the same name).
//! Never: opens the data directory; runs an agent.
//! Entry point: [`run`].

#![forbid(unsafe_code)]

pub mod command;
pub mod commands;
pub mod error;
pub mod flags;
pub mod terminal;

pub use command::{Command, Invocation};
pub use error::Failure;
pub use terminal::Terminal;

use std::process::ExitCode;

/// Exit code of an unknown command, as Consul's.
const UNKNOWN_COMMAND: u8 = 127;

/// Runs the command that `arguments` (without the program's name) call for, and tells its exit code.
pub async fn run(arguments: &[String], version: &str, terminal: &mut Terminal) -> ExitCode {
    let first = arguments.first().map(String::as_str);
    match first {
        Some("--help" | "-help" | "-h" | "help") => {
            terminal.say(&overview(version));
            return ExitCode::SUCCESS;
        }
        Some("--version" | "-version" | "-v") => {
            terminal.say(&commands::version::text(version));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let Some((command, rest)) = find(arguments) else {
        if let Some(command) = first.and_then(not_built) {
            terminal.complain(&format!("the command `{command}` of Consul is not built yet"));
            return ExitCode::FAILURE;
        }
        if let Some(group) = first.and_then(group) {
            let asked = arguments.iter().skip(1).any(|argument| matches!(argument.as_str(), "-h" | "-help" | "--help"));
            terminal.say(&group_overview(group));
            return if asked { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        terminal.complain(&overview(version));
        return ExitCode::from(UNKNOWN_COMMAND);
    };
    match command.run(rest, version, terminal).await {
        Ok(code) => code,
        Err(failure) => {
            terminal.complain(&failure.to_string());
            failure.exit_code()
        }
    }
}

/// The command with the longest matching name, and the arguments behind it.
fn find(arguments: &[String]) -> Option<(&'static Command, &[String])> {
    commands::ALL
        .iter()
        .copied()
        .filter(|command| {
            let words: Vec<&str> = command.name.split(' ').collect();
            arguments.len() >= words.len() && words.iter().zip(arguments).all(|(word, argument)| *word == argument)
        })
        .max_by_key(|command| command.name.len())
        .map(|command| (command, arguments.get(command.name.split(' ').count()..).unwrap_or_default()))
}

/// A first word that has only subcommands.
fn group(word: &str) -> Option<&str> {
    commands::ALL.iter().any(|command| command.name.strip_prefix(word).is_some_and(|rest| rest.starts_with(' '))).then_some(word)
}

/// Commands of Consul that are known but not built.
fn not_built(word: &str) -> Option<&'static str> {
    commands::NOT_BUILT.iter().copied().find(|name| *name == word)
}

fn overview(version: &str) -> String {
    let mut text = format!(
        "Usage: lictor [--version] [--help] <command> [<args>]\n\nLictor v{version}: service discovery, health checks, configuration.\n\nAvailable commands are:\n"
    );
    let mut lines = vec![("agent", "Runs an agent")];
    lines.extend(commands::ALL.iter().map(|command| (command.name, command.about)));
    lines.sort_unstable();
    for (name, about) in lines {
        text.push_str(&format!("    {name:<22} {about}\n"));
    }
    text.push_str("\nEach command tells more with -h.");
    text
}

fn group_overview(group: &str) -> String {
    let mut text = format!("Usage: lictor {group} <subcommand> [<args>]\n\nSubcommands:\n");
    for command in commands::ALL {
        if let Some(rest) = command.name.strip_prefix(group).and_then(|rest| rest.strip_prefix(' ')) {
            text.push_str(&format!("    {rest:<14} {}\n", command.about));
        }
    }
    text
}
