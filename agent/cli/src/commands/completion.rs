//! `lictor completion`: scripts that complete commands and flags in a shell, made from the table of commands.

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// `lictor completion`
pub const COMPLETION: Command = Command {
    name: "completion",
    about: "Prints a script that completes commands and flags",
    arguments: "bash|zsh|fish",
    help: "Examples:\n  lictor completion bash > /etc/bash_completion.d/lictor\n  lictor completion zsh >> ~/.zshrc\n  lictor completion fish > ~/.config/fish/completions/lictor.fish",
    flags: &[],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let words = words(invocation.commands);
    let script = match invocation.given.rest()[..] {
        ["bash"] => bash(&words),
        // Zsh reads bash's scripts when asked to.
        ["zsh"] => format!("autoload -Uz compinit bashcompinit\ncompinit\nbashcompinit\n{}", bash(&words)),
        ["fish"] => fish(&words),
        _ => return Err(Failure::Misused("One shell must be named: bash, zsh or fish.".to_owned())),
    };
    invocation.terminal.put(script.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// For each beginning of a command (`""`, `kv`, `kv get`) the words that may follow: subcommands or flags.
fn words(commands: &[&'static Command]) -> BTreeMap<String, BTreeSet<String>> {
    let mut words: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    words.entry(String::new()).or_default().insert("agent".to_owned());
    for command in commands {
        let mut path = String::new();
        for word in command.name.split(' ') {
            words.entry(path.clone()).or_default().insert(word.to_owned());
            path = format!("{path} {word}").trim_start().to_owned();
        }
        words.entry(path).or_default().extend(command.all_flags().map(|row| format!("-{}", row.name)));
    }
    words
}

fn joined(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn bash(words: &BTreeMap<String, BTreeSet<String>>) -> String {
    let known: Vec<String> = words.keys().filter(|path| !path.is_empty()).map(|path| format!("\" {path}\"")).collect();
    let mut script = format!(
        "_lictor() {{\n  local current=${{COMP_WORDS[COMP_CWORD]}} path=\"\" word words=\"\"\n  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n    case \"$path $word\" in\n      {}) path=\"$path $word\" ;;\n      *) break ;;\n    esac\n  done\n  case \"$path\" in\n",
        known.join("|")
    );
    for (path, next) in words {
        let path = if path.is_empty() { String::new() } else { format!(" {path}") };
        script.push_str(&format!("    \"{path}\") words=\"{}\" ;;\n", joined(next)));
    }
    script.push_str("  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n}\ncomplete -o default -F _lictor lictor\n");
    script
}

fn fish(words: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut script = "function __lictor_at\n  set -l words (commandline -opc)\n  set -e words[1]\n  set -l path (string join ' ' -- (string match -v -- '-*' $words))\n  test \"$path\" = \"$argv[1]\"\nend\n".to_owned();
    for (path, next) in words {
        script.push_str(&format!("complete -c lictor -f -n '__lictor_at \"{path}\"' -a '{}'\n", joined(next)));
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command as Process;

    fn completed(line: &[&str]) -> String {
        let script = format!(
            "{}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_lictor\nprintf '%s ' \"${{COMPREPLY[@]}}\"",
            bash(&words(crate::commands::ALL)),
            line.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            line.len() - 1
        );
        let output = Process::new("bash").arg("-c").arg(script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn bash_completes_commands_and_flags() {
        assert_eq!(completed(&["lictor", "kv", ""]).trim(), "delete export get import put");
        assert_eq!(completed(&["lictor", "operator", "raft", "l"]).trim(), "list-peers");
        assert_eq!(completed(&["lictor", "kv", "get", "-sep"]).trim(), "-separator");
        assert!(completed(&["lictor", ""]).contains("agent catalog "));
        assert_eq!(completed(&["lictor", "no", "x"]).trim(), "");
    }
}
