//! `lictor validate`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{switch, value};
use lictor_config::syntax::Format;
use lictor_config::validate::{ValidateOptions, Validation, validate};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// `lictor validate`
pub const VALIDATE: Command = Command {
    name: "validate",
    about: "Finds all problems of configuration files and directories",
    arguments: "FILE_OR_DIRECTORY...",
    help: "Directories that hold only service and check definitions are fine. All problems of all files are shown in one run.\n\nExamples:\n  lictor validate /etc/lictor.d\n  lictor validate -format=json web.hcl",
    flags: &[
        value("config-format", "hcl|json|toml", "Format of all files, whatever their names."),
        value("format", "text|json", "How to print."),
        switch("enable-local-script-checks", "Script checks are on, though the files do not say so."),
        switch("lenient", "Accept all that Consul accepts, also what then does not do what it says."),
        switch("quiet", "Print nothing when all is well."),
    ],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, terminal, .. } = invocation;
    let paths: Vec<PathBuf> = given.rest().into_iter().map(PathBuf::from).collect();
    if paths.is_empty() {
        return Err(Failure::Usage("Must specify at least one config file or directory".to_owned()));
    }
    let format = match given.text("config-format") {
        "" => None,
        word => Some(
            Format::parse(word)
                .ok_or_else(|| Failure::Usage(format!("-config-format must be hcl, json or toml, not {word:?}")))?,
        ),
    };
    let options = ValidateOptions { format, strict: !given.is_on("lenient"), scripts: given.is_on("enable-local-script-checks") };
    let Validation { problems, warnings, files } = validate(&paths, options);
    if given.text("format") == "json" {
        let report = json!({ "Valid": problems.is_empty(), "Files": files, "Problems": problems, "Warnings": warnings });
        terminal.say(&serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        if !given.is_on("quiet") {
            warnings.iter().for_each(|warning| terminal.complain(&format!("warning: {warning}")));
        }
        problems.iter().for_each(|problem| terminal.complain(&problem.to_string()));
        if !problems.is_empty() {
            terminal.complain(&format!("Config validation failed: {} in {files} files", count(problems.len())));
        } else if !given.is_on("quiet") {
            terminal.say("Configuration is valid!");
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn count(problems: usize) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}
