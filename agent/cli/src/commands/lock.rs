//! `lictor lock`

mod mutex;
mod recipe;
mod semaphore;
mod session;

use crate::child::{Plan, Running, Signals, Told};
use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{Given, duration, integer, switch, value};
use crate::terminal::Terminal;
use lictor_net::clock;
use mutex::Mutex;
use recipe::Recipe;
use semaphore::Semaphore;
use session::Session;
use std::process::ExitCode;
use std::time::Duration;

/// `lictor lock`
pub const LOCK: Command = Command {
    name: "lock",
    about: "Runs a command while holding a lock",
    arguments: "PREFIX CHILD...",
    help: "With -n greater than 1 it is a semaphore: that many may hold it. If the lock is lost, or this command is told to end, the child gets SIGTERM, and SIGKILL 5 s later; other signals are passed on to it.\n\nExamples:\n  lictor lock service/web/leader ./lead\n  lictor lock -n=3 -child-exit-code jobs/import ./import",
    flags: &[
        switch("child-exit-code", "Exit with 2 if the child fails. Else its failure does not change the exit code."),
        integer(
            "monitor-retry",
            "How often to ask again, a second apart, when the agent fails while the lock is watched. Default 3.",
        ),
        integer("n", "How many may hold it. Default 1."),
        value("name", "name", "Name of the session; made of the child by default."),
        switch("pass-stdin", "Give the child this command's standard input."),
        switch("shell", "Run the child by a shell, that of $SHELL. Default true."),
        duration("timeout", "How long to wait for the lock. Default: for ever."),
        duration("try", "Old name of -timeout."),
        switch("verbose", "Tell each step."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// How often a failing agent is asked again while the lock is watched.
const MONITOR_RETRY: u32 = 3;

/// Exit code when the child failed, with `-child-exit-code`.
const CHILD_FAILED: u8 = 2;

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let (prefix, words) = match given.rest()[..] {
        [prefix, ref words @ ..] if !words.is_empty() => (prefix.trim_matches('/').to_owned(), words.to_vec()),
        _ => return Err(Failure::Usage("Key prefix and child command must be specified".to_owned())),
    };
    let limit = given.integer("n").unwrap_or(1);
    let Some(limit) = usize::try_from(limit).ok().filter(|limit| *limit > 0) else {
        return Err(Failure::Usage("Lock holder limit must be positive".to_owned()));
    };
    let Ok(retries) = given.integer("monitor-retry").map_or(Ok(MONITOR_RETRY), u32::try_from) else {
        return Err(Failure::Usage("Number for 'monitor-retry' must be >= 0".to_owned()));
    };
    let name = match given.text("name") {
        "" => format!("Consul lock for '{}' at '{prefix}'", words.join(" ")),
        name => name.to_owned(),
    };
    let patience = given.duration("timeout").or(given.duration("try")).filter(|patience| *patience > Duration::ZERO);
    let verbose = given.is_on("verbose");
    let mut tell = |terminal: &mut Terminal, text: &str| {
        if verbose {
            terminal.say(text);
        }
    };
    tell(
        terminal,
        &if limit == 1 {
            format!("Setting up lock at path: {prefix}/.lock")
        } else {
            format!("Setting up semaphore (limit {limit}) at prefix: {prefix}")
        },
    );
    let mut signals = Signals::listen()?;
    tell(terminal, "Attempting lock acquisition");
    let failed = |error| Failure::Failed(format!("Lock acquisition failed: {error}"));
    let session = Session::open(&client, &name, limit > 1)
        .await
        .map_err(|error| Failure::Failed(format!("Lock acquisition failed: failed to create session: {error}")))?;
    let recipe: Box<dyn Recipe> = if limit == 1 {
        Box::new(Mutex::new(&client, session.id(), &prefix))
    } else {
        Box::new(Semaphore::new(&client, session.id(), &prefix, limit))
    };
    let until = patience.map(|patience| clock::now() + patience);
    let acquired = tokio::select! {
        () = signals.end() => Ok(false),
        acquired = recipe.acquire(until) => acquired,
    };
    match acquired {
        Ok(true) => {}
        Ok(false) => {
            session.end().await;
            return Err(Failure::Failed("Shutdown triggered or timeout during lock acquisition".to_owned()));
        }
        Err(error) => {
            session.end().await;
            return Err(failed(error));
        }
    }
    tell(terminal, "Starting handler");
    let plan =
        Plan { words: &words, shell: given.switch("shell").unwrap_or(true), variable: ("CONSUL_LOCK_HELD", "true".to_owned()) };
    let child_failed = match plan.start(given.is_on("pass-stdin")) {
        Err(error) => {
            terminal.complain(&format!("Error starting handler: {error}"));
            true
        }
        Ok(child) => hold(child, &*recipe, retries, &mut signals, &mut tell, terminal).await,
    };
    let released = recipe.release().await;
    session.end().await;
    released.map_err(|error| Failure::Failed(format!("Lock release failed: {error}")))?;
    match recipe.clean_up().await {
        Ok(true) => tell(terminal, "Cleanup succeeded"),
        Ok(false) => tell(terminal, "Cleanup aborted, lock in use"),
        Err(error) => return Err(Failure::Failed(format!("Lock cleanup failed: {error}"))),
    }
    Ok(code(&given, child_failed))
}

fn code(given: &Given, child_failed: bool) -> ExitCode {
    if child_failed && given.is_on("child-exit-code") { ExitCode::from(CHILD_FAILED) } else { ExitCode::SUCCESS }
}

/// Lets the child run while the lock is held; whether it failed.
async fn hold(
    mut child: Running,
    recipe: &dyn Recipe,
    retries: u32,
    signals: &mut Signals,
    tell: &mut (dyn FnMut(&mut Terminal, &str) + Send),
    terminal: &mut Terminal,
) -> bool {
    let lost = recipe.lost(retries);
    tokio::pin!(lost);
    let why = loop {
        tokio::select! {
            ended = child.wait() => {
                if let Err(error) = &ended {
                    terminal.complain(&format!("Error running handler: {error}"));
                }
                tell(terminal, "Child terminated, releasing lock");
                return ended.is_err();
            }
            () = &mut lost => break "Lock lost, killing child",
            told = signals.next() => match told {
                Told::End => break "Shutdown triggered, killing child",
                Told::Pass(signal) => child.tell(signal),
            },
        }
    };
    tell(terminal, why);
    if let Some(id) = child.id() {
        tell(terminal, &format!("Terminating child pid {id}"));
    }
    child.end().await;
    tell(terminal, "Child terminated");
    false
}
