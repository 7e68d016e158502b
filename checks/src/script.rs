//! Script probe: a program of the operator, judged by its exit code.

use crate::dial::words;
use crate::output::Tail;
use crate::probe::{Outcome, Probe};
use async_trait::async_trait;
use lictor_net::clock::{self, Instant};
use lictor_net::pipe;
use lictor_types::{CheckDefinition, HealthStatus, duration};
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// How long a killed program may take to be collected.
const REAP_MAX: Duration = Duration::from_secs(2);

/// How a program ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself, or by a signal of somebody else (no code).
    Exited(Option<i32>),
    /// It was still running, or something it started still held its output, at the deadline; the whole process group was
    /// killed.
    TimedOut,
    /// It could not be started; a sentence.
    NotStarted(String),
}

/// Kills a process group when dropped, so that a stopped check leaves nothing behind.
struct Group(Option<Pid>);

impl Group {
    fn kill(&self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program with stdout and stderr in one pipe, in a process group of its own, until it has ended *and* its output is
/// closed. Nothing is set that would keep the standard library from starting it by `posix_spawn`, so that the cost doesn't
/// grow with the agent's memory.
pub async fn execute(args: &[String], deadline: Instant, output_size_max: usize) -> (Ended, Tail) {
    let mut output = Tail::new(output_size_max);
    let ended = match start(args) {
        Ok((child, reader, group)) => follow(child, reader, group, deadline, &mut output).await,
        Err(sentence) => Ended::NotStarted(sentence),
    };
    (ended, output)
}

fn start(args: &[String]) -> Result<(tokio::process::Child, pipe::Receiver, Group), String> {
    let Some((program, rest)) = args.split_first() else {
        return Err("no program is given".to_owned());
    };
    let piped = || -> std::io::Result<_> {
        let (reader, writer) = std::io::pipe()?;
        Ok((pipe::Receiver::from_owned_fd(reader.into())?, writer.try_clone()?, writer))
    };
    let (reader, stdout, stderr) = piped().map_err(|error| format!("pipe: {}", words(&error)))?;
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
    let child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound if !program.contains('/') && !program.is_empty() => {
            format!("exec: \"{program}\": executable file not found in $PATH")
        }
        _ => format!("fork/exec {program}: {}", words(&error)),
    })?;
    // The command holds the writing ends of the pipe; they must go, or the output never ends.
    drop(command);
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    Ok((child, reader, group))
}

async fn follow(
    mut child: tokio::process::Child,
    mut reader: pipe::Receiver,
    mut group: Group,
    deadline: Instant,
    output: &mut Tail,
) -> Ended {
    let work = async {
        let mut chunk = [0_u8; 1024];
        loop {
            match reader.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(size) => output.push(chunk.get(..size).unwrap_or_default()),
            }
        }
        child.wait().await
    };
    match clock::timeout_at(deadline, work).await {
        Ok(waited) => {
            // What it left running on purpose (with its output closed) may stay.
            group.0 = None;
            Ended::Exited(waited.ok().as_ref().and_then(ExitStatus::code))
        }
        Err(_) => {
            group.kill();
            let _ = clock::timeout(REAP_MAX, child.wait()).await;
            group.0 = None;
            Ended::TimedOut
        }
    }
}

/// The state that stands for an exit code.
pub fn status_of(code: Option<i32>) -> HealthStatus {
    match code {
        Some(0) => HealthStatus::Passing,
        Some(1) => HealthStatus::Warning,
        _ => HealthStatus::Critical,
    }
}

/// Runs `args`.
pub struct ScriptProbe {
    args: Vec<String>,
    timeout: Duration,
    output_size_max: usize,
}

impl ScriptProbe {
    /// The probe of a definition; `timeout` is what its output speaks of.
    pub fn new(definition: &CheckDefinition, timeout: Duration, output_size_max: usize) -> Self {
        Self { args: definition.args.clone(), timeout, output_size_max }
    }
}

#[async_trait]
impl Probe for ScriptProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        match execute(&self.args, deadline, self.output_size_max).await {
            (Ended::Exited(code), output) => Outcome::new(status_of(code), output.announced_text()),
            (Ended::NotStarted(sentence), _) => Outcome::new(HealthStatus::Critical, sentence),
            (Ended::TimedOut, output) => {
                let mut text = format!("Timed out ({}) running check", duration::format(self.timeout));
                if output.total() > 0 {
                    text.push_str("\n\n");
                    text.push_str(&output.announced_text());
                }
                Outcome::new(HealthStatus::Critical, text)
            }
        }
    }
}

#[cfg(test)]
mod tests;
