//! Following the log: lines as they are written, at a level and in a form of the reader's own.

use super::Level;
use super::format::{Json, Line};
use parking_lot::Mutex;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{Layer, Registry, reload};

/// Lines a slow reader may lag behind before it loses some.
const LINES_MAX: usize = 512;

/// Most who may follow at a time.
const FOLLOWERS_MAX: usize = 64;

/// Those who follow in one form. The log is the process's, and so are they.
#[derive(Debug)]
struct Circle {
    followers: Mutex<Vec<Arc<Seat>>>,
    /// Lets through what the most curious wants: nothing, when nobody follows.
    filter: Mutex<Option<reload::Handle<Targets, Registry>>>,
}

static TEXT: Circle = Circle { followers: Mutex::new(Vec::new()), filter: Mutex::new(None) };
static JSON: Circle = Circle { followers: Mutex::new(Vec::new()), filter: Mutex::new(None) };

impl Circle {
    /// Fits the filter to who follows. Not while a line is written: changing a filter asks every place that logs.
    fn fit(&self) {
        let most = self.followers.lock().iter().map(|seat| seat.level).min();
        let targets = most.map_or_else(nothing, Level::filter);
        if let Some(filter) = self.filter.lock().as_ref() {
            // It fails only when the subscriber is gone, at the end of the process.
            let _ = filter.modify(|current| *current = targets);
        }
    }
}

fn nothing() -> Targets {
    Targets::new().with_default(LevelFilter::OFF)
}

/// One who follows, as the log sees it.
#[derive(Debug)]
struct Seat {
    level: Level,
    filter: Targets,
    lines: mpsc::Sender<Arc<str>>,
    lost: AtomicU64,
}

/// Lines of the log from its making on. The log forgets it when it is dropped.
#[derive(Debug)]
pub struct Follower {
    circle: &'static Circle,
    seat: Arc<Seat>,
    lines: mpsc::Receiver<Arc<str>>,
}

impl Follower {
    /// The next line, with its line feed. A reader that lags too far loses lines, and is told how many.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<str>>> {
        if let Poll::Ready(line) = self.lines.poll_recv(context) {
            return Poll::Ready(line);
        }
        // All that was kept is read: now is the place of what was not.
        match self.seat.lost.swap(0, Ordering::Relaxed) {
            0 => Poll::Pending,
            lost => Poll::Ready(Some(format!("[WARN]  monitor: {lost} lines lost, the reader is too slow\n").into())),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.circle.followers.lock().retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        self.circle.fit();
    }
}

/// Follows the log of this process; `None` when too many do already.
pub fn follow(level: Level, json: bool) -> Option<Follower> {
    let circle = if json { &JSON } else { &TEXT };
    let (sender, lines) = mpsc::channel(LINES_MAX);
    let seat = Arc::new(Seat { level, filter: level.filter(), lines: sender, lost: AtomicU64::new(0) });
    {
        let mut followers = circle.followers.lock();
        if followers.len() >= FOLLOWERS_MAX {
            return None;
        }
        followers.push(seat.clone());
    }
    circle.fit();
    Some(Follower { circle, seat, lines })
}

/// The layers that feed those who follow.
pub(super) fn layers() -> [Box<dyn Layer<Registry> + Send + Sync>; 2] {
    let filter = |circle: &'static Circle| {
        let (filter, handle) = reload::Layer::new(nothing());
        *circle.filter.lock() = Some(handle);
        filter
    };
    let layer = |circle| tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Pulpit { circle });
    [
        layer(&TEXT).event_format(Line).with_filter(filter(&TEXT)).boxed(),
        layer(&JSON).event_format(Json).with_filter(filter(&JSON)).boxed(),
    ]
}

/// Makes a writer for each event: to those who want it.
struct Pulpit {
    circle: &'static Circle,
}

/// Writes one event's line.
struct Voice {
    to: Vec<Arc<Seat>>,
}

impl Write for Voice {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let line: Arc<str> = Arc::from(String::from_utf8_lossy(line));
        for seat in &self.to {
            if seat.lines.try_send(line.clone()).is_err() {
                seat.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Pulpit {
    type Writer = Voice;

    fn make_writer(&'a self) -> Voice {
        Voice { to: Vec::new() }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Voice {
        let wants = |seat: &&Arc<Seat>| seat.filter.would_enable(event.target(), event.level());
        Voice { to: self.circle.followers.lock().iter().filter(wants).cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    fn read(follower: &mut Follower) -> Vec<String> {
        let mut context = Context::from_waker(Waker::noop());
        let mut lines = Vec::new();
        while let Poll::Ready(Some(line)) = follower.poll_next(&mut context) {
            lines.push(line.to_string());
        }
        lines
    }

    /// One test, as the process has one log.
    #[test]
    fn each_follows_at_its_own_level_and_form() {
        let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = layers().into();
        let _log = tracing_subscriber::registry().with(layers).set_default();
        tracing::warn!("before");
        let (mut warned, mut all) = (follow(Level::Warn, false).unwrap(), follow(Level::Debug, false).unwrap());
        let mut json = follow(Level::Info, true).unwrap();
        tracing::debug!(a = 1, "quiet");
        tracing::warn!("loud");
        tracing::trace!("unheard");
        let (warned_lines, all_lines, json_lines) = (read(&mut warned), read(&mut all), read(&mut json));
        assert_eq!(warned_lines.len(), 1, "{warned_lines:?}");
        assert!(warned_lines[0].contains("[WARN]") && warned_lines[0].ends_with("loud\n"), "{warned_lines:?}");
        assert_eq!(all_lines.len(), 2, "{all_lines:?}");
        assert!(all_lines[0].contains("quiet: a=1"), "{all_lines:?}");
        assert_eq!(json_lines.len(), 1, "{json_lines:?}");
        assert!(json_lines[0].contains("\"@message\":\"loud\""), "{json_lines:?}");

        for _ in 0..LINES_MAX + 3 {
            tracing::warn!("flood");
        }
        let lines = read(&mut warned);
        assert_eq!(lines.len(), LINES_MAX + 1);
        assert!(lines.last().unwrap().contains("monitor: 3 lines lost"), "{lines:?}");
        drop((warned, all, json));
        assert!(TEXT.followers.lock().is_empty() && JSON.followers.lock().is_empty());
        assert!(!tracing::enabled!(tracing::Level::ERROR), "nobody follows, nothing is formatted");
    }
}
