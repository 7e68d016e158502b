//! `lictor reload`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::switch;
use crate::terminal::Terminal;
use lictor_types::report::ReloadReport;
use std::process::ExitCode;

/// `lictor reload`
pub const RELOAD: Command = Command {
    name: "reload",
    about: "Lets the agent read its configuration anew",
    arguments: "",
    help: "Prints what was applied, what was rejected and why. The exit code is 1 if something was rejected.\n\nExamples:\n  lictor reload -report",
    flags: &[switch("report", "Print also what was applied and what needs a restart.")],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let (taken, report) = invocation.client.reload().await.map_err(Failure::while_doing("Error reloading"))?;
    invocation.terminal.say("Configuration reload triggered");
    let Some(report) = report else {
        return Ok(ExitCode::SUCCESS);
    };
    let verbose = invocation.given.is_on("report") || !report.is_clean();
    if verbose {
        print(&report, invocation.terminal);
    }
    Ok(if taken && report.rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Shows a report as text.
pub(crate) fn print(report: &ReloadReport, terminal: &mut Terminal) {
    terminal.say(&format!(
        "applied {}, unchanged {}, rejected {}, restart required {}",
        report.applied.len(),
        report.unchanged,
        report.rejected.len(),
        report.restart_required.len()
    ));
    for change in &report.applied {
        terminal.say(&format!("  {:<8} {} {}  {}", change.action, change.kind, change.id, change.file));
    }
    for change in &report.restart_required {
        terminal.say(&format!("  restart  {} {}  {}", change.kind, change.id, change.file));
    }
    for problem in &report.rejected {
        terminal.complain(&format!("  rejected {problem}"));
    }
    for problem in &report.warnings {
        terminal.complain(&format!("  warning  {problem}"));
    }
}
