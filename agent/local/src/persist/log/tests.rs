use super::*;
use serde_json::json;
use std::sync::{Arc, Barrier};

/// A disk on which only that is safe which it was asked to finish; it can be told to fail.
#[derive(Clone, Debug, Default)]
struct Cuttable(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Length of the file last finished.
    safe: u64,
    finished: usize,
    folders: usize,
    broken: bool,
    broken_folder: bool,
}

impl Cuttable {
    /// How often a file and a folder were finished.
    fn asked(&self) -> (usize, usize) {
        let known = self.0.lock();
        (known.finished, known.folders)
    }
}

impl Disk for Cuttable {
    fn finish(&self, file: &File) -> io::Result<()> {
        let mut known = self.0.lock();
        if known.broken {
            return Err(io::Error::other("broken disk"));
        }
        known.finished += 1;
        known.safe = file.metadata()?.len();
        Ok(())
    }
    fn finish_folder(&self, _path: &Path) -> io::Result<()> {
        let mut known = self.0.lock();
        if known.broken_folder {
            return Err(io::Error::other("broken folder"));
        }
        known.folders += 1;
        Ok(())
    }
}

fn put(log: &Log, id: &str, value: u64) -> Ticket {
    log.put((Kind::Service, id.to_owned()), ("Service", json!(value))).unwrap()
}

/// What the log of a path holds, as `id=value`.
fn held(path: &Path) -> Vec<String> {
    let (lines, _) = fold(&std::fs::read(path).unwrap());
    let value = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).unwrap()["Service"].to_string();
    lines.iter().map(|((_, id), line)| format!("{id}={}", value(line))).collect()
}

#[test]
fn the_last_of_an_id_counts_and_what_is_acknowledged_is_safe() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("r.log");
    let disk = Cuttable::default();
    let (log, _) = Log::open(path.clone(), disk.clone()).unwrap();
    put(&log, "a", 1);
    put(&log, "b", 1);
    log.remove(Kind::Service, "a");
    log.remove(Kind::Check, "b");
    let last = put(&log, "c", 1);
    assert_eq!((disk.asked(), log.lines().unwrap().len()), ((0, 0), 0));
    log.settle(Some(last)).unwrap();
    assert_eq!(disk.asked(), (1, 1), "one flush for all, and the name of the file once");
    assert_eq!(held(&path), ["b=1", "c=1"]);
    // Settling again asks nothing of the disk; neither does what was never there.
    log.remove(Kind::Service, "never");
    log.settle(None).unwrap();
    assert_eq!(disk.asked(), (1, 1));
    // The power is cut at each length: what was acknowledged is there, and the log can be gone on with.
    let ticket = put(&log, "b", 2);
    log.settle(Some(ticket)).unwrap();
    let safe = disk.0.lock().safe;
    put(&log, "c", 2);
    log.settle(None).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in usize::try_from(safe).unwrap()..=whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let (log, _) = Log::open(path.clone(), Cuttable::default()).unwrap();
        let c = if length + 1 >= whole.len() { 2 } else { 1 };
        assert_eq!(held(&path), ["b=2".to_owned(), format!("c={c}")], "{length}");
        let ticket = put(&log, "d", 1);
        log.settle(Some(ticket)).unwrap();
        assert_eq!(held(&path), ["b=2".to_owned(), format!("c={c}"), "d=1".to_owned()], "{length}");
    }
}

#[test]
fn who_fails_is_told_and_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("r.log");
    let disk = Cuttable::default();
    let (log, _) = Log::open(path.clone(), disk.clone()).unwrap();
    let good = put(&log, "good", 1);
    log.settle(Some(good)).unwrap();
    disk.0.lock().broken = true;
    let (one, two) = (put(&log, "one", 1), put(&log, "two", 1));
    assert_eq!(log.settle(Some(one)).unwrap_err().to_string(), "broken disk");
    disk.0.lock().broken = false;
    assert!(log.settle(Some(two)).is_err(), "it was in that batch, though all is well now");
    log.settle(Some(good)).unwrap();
    let again = put(&log, "one", 2);
    log.settle(Some(again)).unwrap();
    assert!(held(&path).contains(&"one=2".to_owned()));
    // Without its name on the disk no line of the file is safe.
    let (log, _) = Log::open(root.path().join("new.log"), disk.clone()).unwrap();
    disk.0.lock().broken_folder = true;
    let ticket = put(&log, "a", 1);
    assert_eq!(log.settle(Some(ticket)).unwrap_err().to_string(), "broken folder");
    disk.0.lock().broken_folder = false;
    let ticket = put(&log, "a", 1);
    log.settle(Some(ticket)).unwrap();
}

/// Many at once share flushes, and each finds its line when it is answered.
#[test]
fn those_that_wait_together_share_a_flush() {
    const CLIENTS: usize = 16;
    const ROUNDS: usize = 25;
    let root = tempfile::tempdir().unwrap();
    let disk = Cuttable::default();
    let log = Arc::new(Log::open(root.path().join("r.log"), disk.clone()).unwrap().0);
    let start = Arc::new(Barrier::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (log, start) = (log.clone(), start.clone());
            std::thread::spawn(move || {
                for round in 0..ROUNDS as u64 {
                    // All of a round are queued before the first waits.
                    start.wait();
                    let ticket = put(&log, &format!("c{client}"), round);
                    start.wait();
                    log.settle(Some(ticket)).unwrap();
                    assert!(held(&log.path).contains(&format!("c{client}={round}")));
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(disk.asked(), (ROUNDS, 1));
}

#[test]
fn a_log_that_grew_is_written_anew() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("r.log");
    let (log, _) = Log::open(path.clone(), Cuttable::default()).unwrap();
    put(&log, "stays", 7);
    let long = "x".repeat(100_000);
    let mut largest = 0;
    for round in 0..120 {
        log.put((Kind::Service, "big".to_owned()), ("Service", json!(format!("{round}{long}")))).unwrap();
        log.settle(None).unwrap();
        largest = largest.max(std::fs::metadata(&path).unwrap().len());
    }
    assert!(largest <= REWRITE_MIN, "{largest}");
    let after = held(&path);
    assert_eq!((after.len(), after[1].as_str()), (2, "stays=7"));
    assert!(after[0].starts_with("big=\"119x"));
    assert!(!path.with_extension("tmp").exists());
    let (log, unreadable) = Log::open(path, Cuttable::default()).unwrap();
    assert_eq!((log.lines().unwrap().len(), unreadable), (2, 0));
}
