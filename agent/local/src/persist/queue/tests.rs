use super::*;
use std::sync::{Arc, Barrier};

/// A disk that does as it is told and remembers what it was asked, in order; some paths fail.
#[derive(Clone, Debug, Default)]
struct Remembering {
    asked: Arc<Mutex<Vec<(&'static str, String)>>>,
    fails: Arc<Mutex<Vec<(&'static str, &'static str)>>>,
}

impl Remembering {
    fn note(&self, what: &'static str, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bad = self.fails.lock().iter().any(|(op, of)| *op == what && name.starts_with(of));
        self.asked.lock().push((what, name));
        if bad { Err(io::Error::other("broken disk")) } else { Ok(()) }
    }
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock()).into_iter().map(|(what, name)| format!("{what} {name}")).collect()
    }
}

impl Disk for Remembering {
    fn begin(&self, _file: &File) {}
    fn finish(&self, _file: &File, path: &Path) -> io::Result<()> {
        self.note("finish", path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note("rename", from)?;
        std::fs::rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.note("remove", path)?;
        std::fs::remove_file(path)
    }
    fn finish_folder(&self, path: &Path) -> io::Result<()> {
        self.note("folder", path)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn content_before_names_before_the_answer() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("services");
    std::fs::create_dir(&folder).unwrap();
    let disk = Remembering::default();
    let queue = Queue::new(disk.clone());
    queue.put(folder.join("a"), b"1").unwrap();
    queue.put(folder.join("b"), b"1").unwrap();
    queue.remove(folder.join("a"), "a");
    queue.remove(folder.join("never"), "never");
    let last = queue.put(folder.join("a"), b"2").unwrap();
    assert_eq!(disk.take(), Vec::<String>::new());
    queue.settle(Some(last)).unwrap();
    let all = [
        "finish a.0.tmp",
        "finish b.1.tmp",
        "finish a.3.tmp",
        "rename a.0.tmp",
        "rename b.1.tmp",
        "remove a",
        "rename a.3.tmp",
        "folder services",
    ];
    assert_eq!(disk.take(), all);
    assert_eq!((names(&folder), std::fs::read(folder.join("a")).unwrap()), (vec!["a".into(), "b".into()], b"2".to_vec()));
    // Nothing waits: nothing is asked.
    queue.settle(None).unwrap();
    queue.settle(Some(last)).unwrap();
    assert_eq!(disk.take(), Vec::<String>::new());
}

#[test]
fn who_fails_is_told_and_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("services");
    std::fs::create_dir(&folder).unwrap();
    let disk = Remembering::default();
    let queue = Queue::new(disk.clone());
    *disk.fails.lock() = vec![("finish", "lost"), ("rename", "stuck")];
    let good = queue.put(folder.join("good"), b"1").unwrap();
    let lost = queue.put(folder.join("lost"), b"1").unwrap();
    let stuck = queue.put(folder.join("stuck"), b"1").unwrap();
    queue.settle(Some(good)).unwrap();
    assert_eq!(queue.settle(Some(lost)).unwrap_err().to_string(), "broken disk");
    assert_eq!(queue.settle(Some(stuck)).unwrap_err().to_string(), "broken disk");
    assert_eq!(names(&folder), ["good"]);
    // Without its folder's entries no file is safe.
    *disk.fails.lock() = vec![("folder", "services")];
    let ticket = queue.put(folder.join("other"), b"1").unwrap();
    assert!(queue.settle(Some(ticket)).is_err());
    // What cannot be written is not queued.
    assert!(queue.put(root.path().join("nowhere/x"), b"1").is_err());
}

/// Many at once share batches, each finds its file there when it is answered, and the last of each name stays.
#[test]
fn those_that_wait_together_share_a_batch() {
    const CLIENTS: usize = 16;
    const ROUNDS: usize = 25;
    let root = tempfile::tempdir().unwrap();
    let disk = Remembering::default();
    let queue = Arc::new(Queue::new(disk.clone()));
    let start = Arc::new(Barrier::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (queue, start, folder) = (queue.clone(), start.clone(), root.path().to_owned());
            std::thread::spawn(move || {
                for round in 0..ROUNDS {
                    let place = folder.join(format!("c{client}"));
                    // All of a round are queued before the first waits.
                    start.wait();
                    let ticket = queue.put(place.clone(), round.to_string().as_bytes()).unwrap();
                    start.wait();
                    queue.settle(Some(ticket)).unwrap();
                    assert_eq!(std::fs::read_to_string(&place).unwrap(), round.to_string());
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let flushes = disk.take().iter().filter(|asked| asked.starts_with("folder")).count();
    assert_eq!(flushes, ROUNDS);
    assert_eq!(names(root.path()).len(), CLIENTS);
}
