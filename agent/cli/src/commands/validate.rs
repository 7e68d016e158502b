//! `lictor validate`

use crate::command::{Command, Invocation, Work};
use crate::error::Failure;
use crate::flags::{switch, value};
use std::process::ExitCode;

/// `lictor validate`
pub const VALIDATE: Command = Command {
    name: "validate",
    about: "Finds all problems of configuration files and directories",
    arguments: "FILE_OR_DIRECTORY...",
    help: "Directories that hold only service and check definitions are fine. All problems of all files are shown in one run.",
    flags: || {
        vec![
            value("config-format", "hcl|json|toml", "Format of all files, whatever their names."),
            value("format", "text|json", "How to print."),
            switch("quiet", "Print nothing when all is well."),
        ]
    },
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, terminal, .. } = invocation;
    let paths: Vec<String> = given.rest().into_iter().map(str::to_owned).collect();
    if paths.is_empty() {
        return Err(Failure::Usage("Must specify at least one config file or directory".to_owned()));
    }
    let format = given.text("config-format");
    let problems = lictor_config::validate(&paths, (!format.is_empty()).then_some(format));
    if given.text("format") == "json" {
        terminal.say(&serde_json::to_string_pretty(&problems).unwrap_or_default());
    } else if problems.is_empty() {
        if !given.is_on("quiet") {
            terminal.say("Configuration is valid!");
        }
    } else {
        for problem in &problems {
            terminal.complain(&problem.to_string());
        }
        terminal.complain(&format!("Config validation failed: {} problem(s)", problems.len()));
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
