//! Compiled modules on disk: taken again, and refused when anybody touched them.

use crate::guests::{Guest, call, run};
use lictor_plugins::{PluginHost, PluginSettings};
use lictor_types::HealthStatus;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An agent's start: a host over the same directories.
fn start(dir: &Path, seed: u8) -> Arc<PluginHost> {
    PluginHost::new(PluginSettings {
        plugin_dir: Some(dir.join("modules")),
        data_dir: Some(dir.join("data")),
        seed: [seed; 32],
        ..PluginSettings::default()
    })
}

fn place(module: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("modules")).unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("modules/guest.wasm"), module).unwrap();
    dir
}

/// Loads and runs; answers whether the module came from the disk.
async fn comes_from_disk(host: &PluginHost) -> bool {
    let probe = host.load_probe(&call("guest", &[], serde_json::json!({}))).unwrap();
    let outcome = run(&probe).await;
    assert_eq!((outcome.status, outcome.output.as_str()), (HealthStatus::Passing, "1.0.0"));
    host.status()[0].compiled_before.unwrap()
}

fn sealed(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir.join("data/plugins/compiled")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_restart_compiles_nothing() {
    let dir = place(&Guest::default().build());
    assert!(!comes_from_disk(&start(dir.path(), 1)).await);
    // Another seed: the key is the directory's, not the process's.
    assert!(comes_from_disk(&start(dir.path(), 2)).await);
    assert!(comes_from_disk(&start(dir.path(), 3)).await);
    assert_eq!(sealed(dir.path()).len(), 1);
    let mode = |path: &str| std::fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data/plugins"), mode("data/plugins/key"), mode("data/plugins/compiled")), (0o700, 0o600, 0o700));
    // Nothing that the engine would believe lies about while nothing is loaded.
    assert!(!dir.path().join("data/plugins/work/modules").exists());
}

#[tokio::test]
async fn what_was_touched_is_compiled_anew() {
    let dir = place(&Guest::default().build());
    assert!(!comes_from_disk(&start(dir.path(), 1)).await);
    let path = sealed(dir.path()).remove(0);
    let good = std::fs::read(&path).unwrap();
    for at in [0, 31, 32, 39, 45, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, bad).unwrap();
        assert!(!comes_from_disk(&start(dir.path(), 1)).await, "byte {at}");
        // And sealed anew.
        assert!(comes_from_disk(&start(dir.path(), 1)).await, "byte {at}");
    }
    for bad in [&good[..0], &good[..20], &good[..good.len() - 1], b"not at all"] {
        std::fs::write(&path, bad).unwrap();
        assert!(!comes_from_disk(&start(dir.path(), 1)).await);
    }
    // A file others may write is not believed, whatever it holds.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(!comes_from_disk(&start(dir.path(), 1)).await);
    // Nor one under another key.
    std::fs::write(dir.path().join("data/plugins/key"), [9; 32]).unwrap();
    assert!(!comes_from_disk(&start(dir.path(), 1)).await);
    std::fs::write(dir.path().join("data/plugins/key"), [9; 5]).unwrap();
    assert!(!comes_from_disk(&start(dir.path(), 1)).await);
}

#[tokio::test]
async fn one_modules_code_is_not_taken_for_another() {
    let evil = Guest { run: "(i32.const 2112)".to_owned(), ..Guest::default() };
    let dir = place(&evil.build());
    let host = start(dir.path(), 1);
    assert_eq!(run(&host.load_probe(&call("guest", &[], serde_json::json!({}))).unwrap()).await.status, HealthStatus::Critical);
    let evil = sealed(dir.path()).remove(0);
    std::fs::write(dir.path().join("modules/guest.wasm"), Guest::default().build()).unwrap();
    assert!(!comes_from_disk(&start(dir.path(), 1)).await);
    let good = sealed(dir.path()).into_iter().find(|path| *path != evil).unwrap();
    std::fs::copy(&evil, &good).unwrap();
    assert!(!comes_from_disk(&start(dir.path(), 1)).await);
}

/// What somebody puts where the engine looks is gone before it looks.
#[tokio::test]
async fn the_engines_own_directory_is_swept() {
    let dir = place(&Guest::default().build());
    let work = dir.path().join("data/plugins/work/modules/wasmtime-48.0.8");
    std::fs::create_dir_all(&work).unwrap();
    std::fs::write(work.join("planted"), b"code").unwrap();
    let host = start(dir.path(), 1);
    assert!(!comes_from_disk(&host).await);
    assert!(!work.exists());
    assert_eq!(sealed(dir.path()).len(), 1);
}

#[tokio::test]
async fn without_a_place_to_keep_them_plugins_run_all_the_same() {
    let dir = place(&Guest::default().build());
    std::fs::write(dir.path().join("data/plugins"), b"a file in the way").unwrap();
    assert!(!comes_from_disk(&start(dir.path(), 1)).await);
}
