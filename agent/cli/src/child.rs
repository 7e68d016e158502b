//! Child processes of commands: how they are started, told signals, and ended.

use crate::error::Failure;
use lictor_net::clock;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Shell when the environment names none.
const SHELL: &str = "/bin/sh";

/// Time a child has to end after SIGTERM before it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// A child to start.
pub(crate) struct Plan<'a> {
    /// Program and arguments; with a shell, its text.
    pub(crate) words: &'a [&'a str],
    /// Whether a shell runs it.
    pub(crate) shell: bool,
    /// A variable set for it.
    pub(crate) variable: (&'static str, String),
}

impl Plan<'_> {
    fn command(&self) -> Command {
        let mut command = if self.shell {
            let shell = std::env::var("SHELL").ok().filter(|path| !path.is_empty()).unwrap_or_else(|| SHELL.to_owned());
            let mut command = Command::new(shell);
            command.arg("-c").arg(self.words.join(" "));
            command
        } else {
            let mut command = Command::new(self.words.first().copied().unwrap_or(""));
            command.args(self.words.get(1..).unwrap_or_default());
            command
        };
        command.env(self.variable.0, &self.variable.1);
        command
    }

    fn why(&self, error: &std::io::Error) -> String {
        if error.kind() == std::io::ErrorKind::NotFound && !self.shell {
            return format!("exec: {:?}: executable file not found in $PATH", self.words.first().copied().unwrap_or(""));
        }
        error.to_string()
    }

    /// Runs it to its end with `input` on its standard input; what went wrong, if anything, in a sentence.
    pub(crate) async fn run(&self, input: Vec<u8>) -> Result<(), String> {
        let started = self.command().stdin(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| format!("Error starting handler: {}", self.why(&error)))?;
        // A child that does not read its input, or ends before, is no error.
        let feed = child.stdin.take().map(|mut pipe| async move {
            let _ = pipe.write_all(&input).await;
        });
        let (status, ()) = tokio::join!(child.wait(), async {
            if let Some(feed) = feed {
                feed.await;
            }
        });
        verdict(status.map_err(|error| error.to_string())?).map_err(|error| format!("Error executing handler: {error}"))
    }

    /// Starts it. Without `pass_input` it has no input, and a process group of its own: a signal then reaches all it started.
    pub(crate) fn start(&self, pass_input: bool) -> Result<Running, String> {
        let mut command = self.command();
        if !pass_input {
            command.stdin(Stdio::null()).process_group(0);
        }
        let child = command.spawn().map_err(|error| self.why(&error))?;
        Ok(Running { child, own_group: !pass_input })
    }
}

/// A child that runs.
pub(crate) struct Running {
    child: Child,
    own_group: bool,
}

impl Running {
    /// Its process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its end; what went wrong, if anything.
    pub(crate) async fn wait(&mut self) -> Result<(), String> {
        verdict(self.child.wait().await.map_err(|error| error.to_string())?)
    }

    /// Passes a signal on.
    pub(crate) fn tell(&self, signal: Signal) {
        let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) else { return };
        // It may have ended meanwhile.
        let _ = if self.own_group { kill_process_group(pid, signal) } else { kill_process(pid, signal) };
    }

    /// Ends it: SIGTERM, and SIGKILL after a grace period.
    pub(crate) async fn end(&mut self) {
        self.tell(Signal::TERM);
        if clock::timeout(GRACE, self.child.wait()).await.is_err() {
            self.tell(Signal::KILL);
            let _ = self.child.wait().await;
        }
    }
}

fn verdict(status: ExitStatus) -> Result<(), String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("exit status {code}")),
        (None, Some(number)) => Err(format!("signal: {}", signal_name(number))),
        (None, None) => Err(status.to_string()),
    }
}

/// The name of a signal as Go writes it.
fn signal_name(number: i32) -> String {
    let names = [
        (Signal::HUP, "hangup"),
        (Signal::INT, "interrupt"),
        (Signal::QUIT, "quit"),
        (Signal::ABORT, "aborted"),
        (Signal::KILL, "killed"),
        (Signal::SEGV, "segmentation fault"),
        (Signal::PIPE, "broken pipe"),
        (Signal::TERM, "terminated"),
    ];
    names
        .into_iter()
        .find(|(signal, _)| signal.as_raw() == number)
        .map_or_else(|| format!("signal {number}"), |(_, name)| name.to_owned())
}

/// What this process was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// To end: SIGINT or SIGTERM.
    End,
    /// Something for the child.
    Pass(Signal),
}

/// The signals this process gets, from its making on.
pub(crate) struct Signals {
    told: mpsc::Receiver<Told>,
    /// A listener for each signal; they end with this.
    _listeners: JoinSet<()>,
}

impl Signals {
    /// Listens. Must be called in a runtime with signals.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let (sender, told) = mpsc::channel(16);
        let mut listeners = JoinSet::new();
        for (kind, meaning) in [
            (SignalKind::interrupt(), Told::End),
            (SignalKind::terminate(), Told::End),
            (SignalKind::hangup(), Told::Pass(Signal::HUP)),
            (SignalKind::quit(), Told::Pass(Signal::QUIT)),
            (SignalKind::user_defined1(), Told::Pass(Signal::USR1)),
            (SignalKind::user_defined2(), Told::Pass(Signal::USR2)),
            (SignalKind::alarm(), Told::Pass(Signal::ALARM)),
            (SignalKind::window_change(), Told::Pass(Signal::WINCH)),
        ] {
            let mut stream = signal(kind).map_err(Failure::because("cannot listen for signals"))?;
            let sender = sender.clone();
            listeners.spawn(async move { while stream.recv().await.is_some() && sender.send(meaning).await.is_ok() {} });
        }
        Ok(Self { told, _listeners: listeners })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Told {
        // The listeners live as long as this does, so the channel stays open.
        self.told.recv().await.unwrap_or(Told::End)
    }

    /// Until told to end; other signals are dropped, as there is no child yet to have them.
    pub(crate) async fn end(&mut self) {
        while self.next().await != Told::End {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan<'a>(words: &'a [&'a str], shell: bool) -> Plan<'a> {
        Plan { words, shell, variable: ("LICTOR_TEST", "7".to_owned()) }
    }

    #[tokio::test]
    async fn ends_are_told_in_gos_words() {
        let said = |words: &'static [&'static str], shell| async move { plan(words, shell).run(b"in".to_vec()).await };
        assert_eq!(said(&["exit", "3"], true).await, Err("Error executing handler: exit status 3".to_owned()));
        assert_eq!(said(&["test $LICTOR_TEST = 7"], true).await, Ok(()));
        assert_eq!(said(&["test \"$(cat)\" = in"], true).await, Ok(()));
        assert_eq!(said(&["kill -9 $$"], true).await, Err("Error executing handler: signal: killed".to_owned()));
        assert_eq!(said(&["true", "a b"], false).await, Ok(()));
        let missing = said(&["no-such-program"], false).await.unwrap_err();
        assert!(missing.starts_with("Error starting handler: exec: \"no-such-program\""), "{missing}");
    }

    #[tokio::test]
    async fn a_child_is_ended_with_all_it_started() {
        let mut running = plan(&["sleep 1000 & wait"], true).start(false).unwrap();
        assert!(running.id().is_some());
        running.end().await;
        assert_eq!(running.wait().await, Err("signal: terminated".to_owned()));
    }
}
