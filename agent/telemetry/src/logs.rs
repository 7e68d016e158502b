//! Log setup: one line per event on standard output, or JSON, and a file with rotation.
//!
//! A line reads `2006-01-02T15:04:05.000000Z [INFO]  agent.server: sentence: key=value`; the words for levels are Consul's.

mod file;
mod follow;
mod format;

pub use file::FileSettings;
pub use follow::{Follower, follow};

use crate::WallClock;
use file::LogFile;
use format::{Json, Line};
use parking_lot::Mutex;
use std::io::Write;
use std::sync::Arc;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// Crates whose steps are told at trace level only; below that, what they warn of.
const ENGINES: &[&str] = &[
    "openraft",
    "fjall",
    "lsm_tree",
    "wasmtime",
    "cranelift",
    "regalloc2",
    "hickory_proto",
    "hickory_net",
    "hickory_server",
    "h2",
    "hyper",
];

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What an operator should look at.
    Warn,
    /// What failed.
    Err,
}

impl Level {
    /// Reads Consul's word for a level, in any letter case.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "err" | "error" => Self::Err,
            _ => return None,
        })
    }

    fn filter(self) -> Targets {
        let level = match self {
            Self::Trace => LevelFilter::TRACE,
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Err => LevelFilter::ERROR,
        };
        let all = Targets::new().with_default(level);
        // What engines tell of their own steps is for those who mend engines; with all of it written, nothing else is seen.
        if self == Self::Trace {
            all
        } else {
            ENGINES.iter().fold(all, |all, engine| all.with_target(*engine, level.min(LevelFilter::WARN)))
        }
    }
}

/// What the log should be.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// How much.
    pub level: Level,
    /// One JSON object per line instead of text.
    pub json: bool,
    /// A file besides standard output.
    pub file: Option<FileSettings>,
    /// Clock for the rotation of the file.
    pub clock: WallClock,
}

/// Why the log could not be set up.
#[derive(Debug)]
pub enum LogError {
    /// The file or its directory cannot be written. The operator's to mend.
    File(String, std::io::Error),
    /// The process has a log already. A fault of ours.
    Twice,
}

impl std::fmt::Display for LogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot write the log file {path}: {error}"),
            Self::Twice => f.write_str("the log is set up already"),
        }
    }
}

impl std::error::Error for LogError {}

/// What one holds to change the log while the agent runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogHandle {
    level: reload::Handle<Targets, Registry>,
}

impl LogHandle {
    /// Changes how much is logged, from now on.
    pub fn set_level(&self, level: Level) {
        // It fails only when the subscriber is gone, at the end of the process.
        let _ = self.level.modify(|filter| *filter = level.filter());
    }
}

/// Sets up the log of the process.
pub fn init(settings: &LogSettings) -> Result<LogHandle, LogError> {
    let file = settings
        .file
        .as_ref()
        .map(|file| {
            LogFile::open(file.clone(), settings.clock).map_err(|error| LogError::File(file.path.display().to_string(), error))
        })
        .transpose()?;
    let writer = Tee { file: file.map(|file| Arc::new(Mutex::new(file))) };
    let (filter, level) = reload::Layer::new(settings.level.filter());
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
    // Each layer has a filter of its own: who follows the log may want more of it than is written.
    let written: Box<dyn Layer<Registry> + Send + Sync> = if settings.json {
        layer.event_format(Json).with_filter(filter).boxed()
    } else {
        layer.event_format(Line).with_filter(filter).boxed()
    };
    let mut layers = vec![written];
    layers.extend(follow::layers());
    tracing_subscriber::registry().with(layers).try_init().map_err(|_| LogError::Twice)?;
    Ok(LogHandle { level })
}

/// Where lines go: standard output and the file.
#[derive(Clone, Debug)]
struct Tee {
    file: Option<Arc<Mutex<LogFile>>>,
}

impl Write for Tee {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        // A closed standard output or a full disk must not end the agent, nor silence the other places.
        let _ = std::io::stdout().lock().write_all(line);
        if let Some(file) = &self.file {
            let _ = file.lock().write(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().lock().flush()
    }
}

impl<'a> MakeWriter<'a> for Tee {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_quiet_below_trace() {
        use tracing::Level as Severity;
        for (level, target, severity, expect) in [
            (Level::Info, "openraft::core", Severity::INFO, false),
            (Level::Debug, "openraft::core", Severity::DEBUG, false),
            (Level::Debug, "openraft::core", Severity::WARN, true),
            (Level::Err, "openraft::core", Severity::WARN, false),
            (Level::Trace, "openraft::core", Severity::TRACE, true),
            (Level::Debug, "lictor_raft::node", Severity::DEBUG, true),
        ] {
            assert_eq!(level.filter().would_enable(target, &severity), expect, "{level:?} {target} {severity}");
        }
    }

    #[test]
    fn levels_have_consuls_words() {
        for (word, level) in [
            ("trace", Some(Level::Trace)),
            ("DEBUG", Some(Level::Debug)),
            ("info", Some(Level::Info)),
            ("warn", Some(Level::Warn)),
            ("err", Some(Level::Err)),
            ("error", Some(Level::Err)),
            ("loud", None),
            ("", None),
        ] {
            assert_eq!(Level::parse(word), level, "{word}");
        }
    }
}
