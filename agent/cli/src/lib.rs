//! Every command except `agent`, over the client.
//!
//! Owns: the commands' flags, their output and exit codes (those of Consul's commands of the same name).
//! Never: opens the data directory; runs an agent.
//! Entry point: [`run`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod child;
pub mod command;
pub mod commands;
pub mod error;
pub mod flags;
mod random;
mod table;
pub mod terminal;

pub use command::{Command, Invocation};
pub use error::Failure;
pub use terminal::Terminal;

use std::process::ExitCode;

/// Exit code of an unknown command, as Consul's.
const UNKNOWN_COMMAND: u8 = 127;

/// Runs the command that `arguments` (without the program's name) call for, and tells its exit code. `more` are commands of other
/// rooms, known beside those of this one.
pub async fn run(arguments: &[String], version: &str, more: &[&'static Command], terminal: &mut Terminal) -> ExitCode {
    let commands: Vec<&'static Command> = commands::ALL.iter().chain(more).copied().collect();
    let first = arguments.first().map(String::as_str);
    match first {
        Some("--help" | "-help" | "-h" | "help") => {
            terminal.say(&overview(version, &commands));
            return ExitCode::SUCCESS;
        }
        Some("--version" | "-version" | "-v") => {
            terminal.say(&commands::version::text(version));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let Some((command, rest)) = find(arguments, &commands) else {
        if let Some(command) = not_built(arguments) {
            terminal.complain(&format!("the command `{command}` of Consul is not built yet"));
            return ExitCode::FAILURE;
        }
        let words: Vec<&str> = arguments.iter().take_while(|word| !word.starts_with('-')).map(String::as_str).collect();
        if let Some(page) = (1..=words.len()).rev().find_map(|count| group_overview(&words.get(..count)?.join(" "), &commands)) {
            if arguments.iter().any(|argument| matches!(argument.as_str(), "-h" | "-help" | "--help")) {
                terminal.say(page.trim_end());
                return ExitCode::SUCCESS;
            }
            terminal.complain(page.trim_end());
            return ExitCode::FAILURE;
        }
        terminal.complain(&overview(version, &commands));
        return ExitCode::from(UNKNOWN_COMMAND);
    };
    match command.run(rest, version, &commands, terminal).await {
        Ok(code) => code,
        Err(failure) => {
            terminal.complain(&failure.to_string());
            failure.exit_code()
        }
    }
}

/// The command with the longest matching name, and the arguments behind it.
fn find<'a>(arguments: &'a [String], commands: &[&'static Command]) -> Option<(&'static Command, &'a [String])> {
    commands
        .iter()
        .copied()
        .filter(|command| {
            let words: Vec<&str> = command.name.split(' ').collect();
            arguments.len() >= words.len() && words.iter().zip(arguments).all(|(word, argument)| *word == argument)
        })
        .max_by_key(|command| command.name.len())
        .map(|command| (command, arguments.get(command.name.split(' ').count()..).unwrap_or_default()))
}

/// Whether the words begin with a command of Consul that is known but not built.
fn not_built(arguments: &[String]) -> Option<&'static str> {
    let begins = |name: &&&str| name.split(' ').enumerate().all(|(at, word)| arguments.get(at).is_some_and(|had| had == word));
    commands::NOT_BUILT.iter().find(begins).copied()
}

fn overview(version: &str, commands: &[&'static Command]) -> String {
    let mut text = format!(
        "Usage: lictor [--version] [--help] <command> [<args>]\n\nLictor v{version}: service discovery, health checks, configuration.\n\nAvailable commands are:\n"
    );
    let mut lines = vec![("agent", "Runs an agent")];
    lines.extend(commands.iter().map(|command| (command.name, command.about)));
    lines.sort_unstable();
    for (name, about) in lines {
        text.push_str(&format!("    {name:<30} {about}\n"));
    }
    text.push_str("\nEach command tells more with -h.");
    text
}

/// What words that only begin a command's name can be followed by; `None` if no command begins so.
fn group_overview(group: &str, commands: &[&'static Command]) -> Option<String> {
    let mut text = format!("Usage: lictor {group} <subcommand> [options] [args]\n\nSubcommands:\n");
    let empty = text.len();
    for command in commands {
        if let Some(rest) = command.name.strip_prefix(group).and_then(|rest| rest.strip_prefix(' ')) {
            text.push_str(&format!("    {rest:<22} {}\n", command.about));
        }
    }
    if text.len() == empty {
        return None;
    }
    text.push_str(&format!("\nFor examples: lictor {group} <subcommand> -h"));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_shows_an_example() {
        for command in commands::ALL {
            let page = command.page();
            assert!(page.contains("Example") && page.contains(&format!("  lictor {}", command.name)), "{page}");
        }
    }

    #[test]
    fn no_command_has_a_flag_twice() {
        for command in commands::ALL {
            let mut names: Vec<&str> = command.all_flags().map(|row| row.name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{}", command.name);
        }
    }

    #[test]
    fn names_are_found_by_the_longest_match() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(find(&words("kv get -keys a"), commands::ALL).unwrap().0.name, "kv get");
        assert_eq!(find(&words("operator raft list-peers"), commands::ALL).unwrap().1.len(), 0);
        assert!(find(&words("kv"), commands::ALL).is_none());
        assert!(group_overview("operator", commands::ALL).unwrap().contains("raft list-peers"));
        assert!(group_overview("k", commands::ALL).is_none());
    }
}
