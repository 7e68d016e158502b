//! Snapshots: taken by hand and on a schedule, restored into servers of one kind and another.

use lictor_e2e::{Agent, Cluster, Plan, binary, wait};
use std::path::{Path, PathBuf};

fn archives(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "snap")).collect();
    found.sort();
    found
}

#[track_caller]
fn command(agent: &Agent, arguments: &[&str]) -> String {
    let output = agent.command(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn put(agent: &Agent, key: &str, value: &str) {
    wait::until("an accepted write", || (agent.put(&format!("/v1/kv/{key}"), value).text.trim() == "true").then_some(()));
}

#[test]
fn the_schedule_keeps_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let block = format!("snapshots {{ directory = \"{}\" interval = \"1s\" retain = 2 }}", kept.display());
    let agent = Plan::durable().hcl(&block).start();
    put(&agent, "a", "scheduled");
    let first = wait::until("a first snapshot", || archives(&kept).first().cloned());
    let newest = wait::until("two newer ones", || {
        let found = archives(&kept);
        (found.len() <= 2 && !found.contains(&first)).then(|| found.last().cloned()).flatten()
    });
    assert!(archives(&kept).len() <= 2);
    let copy = folder.path().join("copy.snap");
    std::fs::copy(newest, &copy).unwrap();
    let told = binary::run(&["snapshot", "inspect", copy.to_str().unwrap()]);
    assert!(told.status.success() && String::from_utf8_lossy(&told.stdout).contains("Version      1001"));
    put(&agent, "a", "changed");
    command(&agent, &["snapshot", "restore", copy.to_str().unwrap()]);
    assert_eq!(agent.get("/v1/kv/a?raw").text, "scheduled");
}

#[test]
fn what_was_restored_survives_a_kill() {
    let mut agent = Plan::durable().start();
    let file = agent.folder().join("saved.snap");
    let file = file.to_str().unwrap().to_owned();
    for at in 0..40 {
        put(&agent, &format!("many/{at}"), &"v".repeat(20_000));
    }
    assert!(command(&agent, &["snapshot", "save", &file]).starts_with("Saved and verified snapshot to index "));
    put(&agent, "many/7", "changed");
    put(&agent, "more", "added");
    assert_eq!(command(&agent, &["snapshot", "restore", &file]), "Restored snapshot\n");
    agent.kill();
    agent.restart();
    assert_eq!(agent.get("/v1/kv/many/7?raw").text.len(), 20_000);
    assert_eq!(agent.get("/v1/kv/more").status, 404);
    assert_eq!(agent.get("/v1/kv/many/?keys").json().as_array().map(Vec::len), Some(40));
}

#[test]
fn a_cluster_takes_the_state_of_another_through_a_client_agent() {
    let old = Plan::durable().start();
    put(&old, "moved", "here");
    let file = old.folder().join("moved.snap");
    command(&old, &["snapshot", "save", file.to_str().unwrap()]);
    let cluster = Cluster::start(3, 1);
    put(&cluster.clients[0], "gone", "soon");
    command(&cluster.clients[0], &["snapshot", "restore", file.to_str().unwrap()]);
    for agent in cluster.agents() {
        wait::until("the restored key", || (agent.get("/v1/kv/moved?stale&raw").text == "here").then_some(()));
        wait::until("the end of the old one", || (agent.get("/v1/kv/gone?stale").status == 404).then_some(()));
        let saved = cluster.clients[0].folder().join(format!("{}.snap", agent.node()));
        command(agent, &["snapshot", "save", saved.to_str().unwrap()]);
    }
    // The node of the other cluster is no member here; those that are come back.
    cluster.clients[0].wait_for("/v1/catalog/nodes", |nodes| nodes.as_array().is_some_and(|nodes| nodes.len() == 4));
}
