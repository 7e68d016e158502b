use super::*;
use std::fs;

/// Waits for a signal; the deadline is only there so that a failing test ends.
async fn signalled(watcher: &mut Watcher) {
    let signal = tokio::time::timeout(Duration::from_secs(30), watcher.changed()).await;
    assert_eq!(signal, Ok(true));
}

/// Waits until the watcher is armed: writes until a signal comes, then until it is quiet.
async fn armed(watcher: &mut Watcher, probe: &Path) {
    for round in 0.. {
        fs::write(probe, format!("# {round}\n")).unwrap();
        if tokio::time::timeout(Duration::from_millis(300), watcher.changed()).await.is_ok() {
            break;
        }
    }
    while tokio::time::timeout(Duration::from_millis(300), watcher.changed()).await.is_ok() {}
}

async fn quiet(watcher: &mut Watcher) {
    while tokio::time::timeout(Duration::from_millis(300), watcher.changed()).await.is_ok() {}
}

#[tokio::test(start_paused = true)]
async fn nothing_to_watch_is_told_once_and_then_left_alone() {
    let shutdown = Shutdown::new();
    let mut watcher = Watcher::start(Vec::new(), &shutdown);
    assert!(watcher.changed().await, "the first look");
    let again = tokio::time::timeout(Duration::from_secs(3600), watcher.changed()).await;
    assert!(again.is_err(), "{again:?}");
    shutdown.request();
    assert!(!watcher.changed().await, "there will be no more");
}

#[tokio::test]
async fn every_way_to_change_a_file_is_told() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("config.d");
    fs::create_dir(&dir).unwrap();
    let shutdown = Shutdown::new();
    let mut watcher = Watcher::start(vec![dir.clone()], &shutdown);
    armed(&mut watcher, &dir.join("probe.hcl")).await;
    let file = dir.join("a.hcl");
    // Created.
    fs::write(&file, "a = 1").unwrap();
    signalled(&mut watcher).await;
    quiet(&mut watcher).await;
    // Edited in place.
    fs::write(&file, "a = 22").unwrap();
    signalled(&mut watcher).await;
    quiet(&mut watcher).await;
    // Renamed over, from outside the directory.
    fs::write(root.path().join("new"), "a = 333").unwrap();
    fs::rename(root.path().join("new"), &file).unwrap();
    signalled(&mut watcher).await;
    quiet(&mut watcher).await;
    // Deleted.
    fs::remove_file(&file).unwrap();
    signalled(&mut watcher).await;
    quiet(&mut watcher).await;
    // A mounted configuration is switched.
    for version in ["..1", "..2"] {
        fs::create_dir(dir.join(version)).unwrap();
        fs::write(dir.join(version).join("w.hcl"), version).unwrap();
    }
    std::os::unix::fs::symlink("..1", dir.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/w.hcl", dir.join("w.hcl")).unwrap();
    quiet(&mut watcher).await;
    std::os::unix::fs::symlink("..2", dir.join("..tmp")).unwrap();
    fs::rename(dir.join("..tmp"), dir.join("..data")).unwrap();
    signalled(&mut watcher).await;
    assert_eq!(fs::read_to_string(dir.join("w.hcl")).unwrap(), "..2");
    quiet(&mut watcher).await;
    // Removed as a whole and made anew.
    fs::remove_dir_all(&dir).unwrap();
    signalled(&mut watcher).await;
    quiet(&mut watcher).await;
    fs::create_dir(&dir).unwrap();
    quiet(&mut watcher).await;
    fs::write(&file, "a = 4").unwrap();
    signalled(&mut watcher).await;
    shutdown.request();
    while watcher.changed().await {}
}

#[tokio::test]
async fn a_directory_made_later_is_told() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("x/y/config.d");
    let shutdown = Shutdown::new();
    let mut watcher = Watcher::start(vec![dir.clone()], &shutdown);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("a.hcl"), "").unwrap();
    signalled(&mut watcher).await;
    quiet(&mut watcher).await;
    armed(&mut watcher, &dir.join("a.hcl")).await;
    // Neighbours are nobody's business.
    fs::write(root.path().join("neighbour"), "").unwrap();
    fs::write(root.path().join("x/y/neighbour"), "").unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), watcher.changed()).await.is_err());
    shutdown.request();
}

#[tokio::test]
async fn a_single_file_is_watched_by_its_name() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("a.hcl");
    fs::write(&file, "").unwrap();
    let shutdown = Shutdown::new();
    let mut watcher = Watcher::start(vec![file.clone()], &shutdown);
    armed(&mut watcher, &file).await;
    fs::write(root.path().join("b.hcl"), "x").unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), watcher.changed()).await.is_err());
    fs::write(root.path().join("tmp"), "y").unwrap();
    fs::rename(root.path().join("tmp"), &file).unwrap();
    signalled(&mut watcher).await;
    shutdown.request();
}

/// What brings no event is found by looking: a file behind a link out of the directory.
#[tokio::test]
async fn what_brings_no_event_is_found() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("config.d");
    fs::create_dir_all(&dir).unwrap();
    fs::create_dir(root.path().join("elsewhere")).unwrap();
    let target = root.path().join("elsewhere/a.hcl");
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, dir.join("a.hcl")).unwrap();
    let shutdown = Shutdown::new();
    let mut watcher = Watcher::start(vec![dir.clone()], &shutdown);
    armed(&mut watcher, &dir.join("probe.hcl")).await;
    fs::write(&target, "changed").unwrap();
    signalled(&mut watcher).await;
    shutdown.request();
}

/// Editing in place empties the file first: that is given a moment, a file with content none.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_left_alone_for_a_moment() {
    let root = tempfile::tempdir().unwrap();
    let (empty, full) = (root.path().join("empty.hcl"), root.path().join("full.hcl"));
    fs::write(&empty, "").unwrap();
    fs::write(&full, "a = 1").unwrap();
    for (path, expect) in [(full, Duration::ZERO), (empty, FILL * u32::try_from(FILLS).unwrap())] {
        let watching = Watching::new(vec![root.path().to_owned()]);
        watching.emptied.lock().unwrap().push(path);
        let start = lictor_net::clock::now();
        watching.await_filling().await;
        assert_eq!(lictor_net::clock::now() - start, expect);
    }
}
