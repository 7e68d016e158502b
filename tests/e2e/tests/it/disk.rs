//! A disk that runs full: a clear error, reads go on, and writes again when there is room.

use lictor_e2e::http::{Client, Fate};
use lictor_e2e::nemesis::Progress;
use lictor_e2e::{Agent, Cluster, Plan, wait};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// A small file system of its own, taken down with the test.
struct Small {
    folder: tempfile::TempDir,
}

/// One that lies over a folder.
struct Over(PathBuf);

impl Over {
    /// Puts it there with what the folder holds; `None` where the test may not mount.
    fn mount(folder: &Path, mebibytes: usize) -> Option<Self> {
        let aside = folder.with_extension("aside");
        let run = |program: &str, arguments: &[&str], paths: &[&Path]| {
            Command::new(program).args(arguments).args(paths).output().is_ok_and(|output| output.status.success())
        };
        assert!(run("cp", &["-a"], &[folder, &aside]), "the data can be copied");
        if !run("mount", &["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "lictor-e2e"], &[folder]) {
            return None;
        }
        let mounted = Self(folder.to_owned());
        assert!(run("cp", &["-a"], &[&aside.join("."), folder]), "the data can be copied back");
        // The next one shall not find it.
        fs::remove_dir_all(&aside).expect("the copy can be removed");
        Some(mounted)
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

impl Small {
    /// `None` where the test may not mount.
    fn mount(mebibytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "lictor-e2e"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self { folder })
    }
    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

#[test]
fn a_full_disk_is_survived() {
    let Some(disk) = Small::mount(48) else {
        println!("skipped: a file system can be mounted by root only");
        return;
    };
    let data = format!("-data-dir={}", disk.path().join("data").display());
    let mut agent = Agent::prepare(Plan::durable().argument(&data));
    agent.spawn();
    agent.wait_ready();
    let value = "x".repeat(100_000);
    let ballast = disk.path().join("ballast");
    for round in 0..2 {
        fs::write(&ballast, vec![1_u8; 20 << 20]).unwrap_or_default();
        let mut written = 0;
        let refused = loop {
            let reply = agent.put(&format!("/v1/kv/r{round}/{written}"), &value);
            if reply.status != 200 {
                break reply;
            }
            written += 1;
            assert!(written < 1000, "the disk is small");
        };
        assert!(refused.status >= 500 && refused.text.contains("space"), "{}: {}", refused.status, refused.text);
        assert!(agent.is_running(), "{}", agent.log());
        let keys = |agent: &Agent| agent.get(&format!("/v1/kv/r{round}/?keys")).json().as_array().map_or(0, Vec::len);
        assert_eq!(keys(&agent), written, "reads go on, what was refused is not there");
        assert_eq!(agent.get("/v1/status/leader").status, 200);
        fs::remove_file(&ballast).unwrap();
        wait::until("writes to be taken again", || (agent.put("/v1/kv/after", "1").status == 200).then_some(()));
        agent.restart();
        // The refused one was told to take place perhaps.
        assert!(keys(&agent) == written || keys(&agent) == written + 1, "{} of {written} writes are kept", keys(&agent));
        assert_eq!(lictor_e2e::http::send(agent.ports.http, "DELETE", "/v1/kv/r?recurse", None).status, 200);
    }
}

#[test]
fn a_start_on_a_full_disk_is_told() {
    let Some(disk) = Small::mount(4) else {
        println!("skipped: a file system can be mounted by root only");
        return;
    };
    let _ = fs::write(disk.path().join("ballast"), vec![1_u8; 5 << 20]);
    let mut agent = Agent::prepare(Plan::durable().argument(&format!("-data-dir={}", disk.path().join("data").display())));
    agent.spawn();
    assert_eq!(agent.wait_end().code(), Some(1));
    assert!(agent.log().contains("space"), "{}", agent.log());
}

/// Writes values of some size under keys of its own until told to stop; the keys that were acknowledged.
fn write(agent: &Agent, progress: &Progress) -> BTreeSet<String> {
    let (http, value) = (Client::default(), "x".repeat(20_000));
    let (mut number, mut acknowledged) = (0, BTreeSet::new());
    while !progress.is_stopped() {
        number += 1;
        // Few keys, so that the store does not grow for ever.
        let key = format!("disk/{}", number % 40);
        let reply = http.put(agent.ports.http, &format!("/v1/kv/{key}-{}", agent.node()), &value);
        if reply.fate() == Fate::Answered && reply.text.trim() == "true" {
            acknowledged.insert(format!("{key}-{}", agent.node()));
            progress.step();
        }
        wait::pace(Duration::from_millis(2));
    }
    acknowledged
}

#[test]
fn one_server_of_a_cluster_whose_disk_runs_full_costs_the_others_nothing() {
    let mut cluster = Cluster::start_with(3, 1, "raft_snapshot_threshold = 50\n");
    // Two rounds: the disk of the leader, and that of a follower.
    for leads in [true, false] {
        let leader = cluster.leader(&cluster.clients[0]);
        let victim = if leads { leader } else { (leader + 1) % 3 };
        cluster.servers[victim].kill();
        let data = cluster.servers[victim].data_dir();
        let Some(disk) = Over::mount(&data, 96) else {
            println!("skipped: a file system can be mounted by root only");
            return;
        };
        cluster.servers[victim].spawn();
        cluster.servers[victim].wait_ready();
        if leads {
            // Back to where it was.
            let id = cluster.servers[victim].get("/v1/agent/self").json()["Config"]["NodeID"].as_str().unwrap().to_owned();
            let moved = cluster.servers[victim].command(&["operator", "raft", "transfer-leader", &format!("-id={id}")]);
            println!("{}", String::from_utf8_lossy(&moved.stdout));
            wait::until("the server on the small disk leads", || (cluster.leader(&cluster.clients[0]) == victim).then_some(()));
        }
        let progress = Progress::default();
        let acknowledged = thread::scope(|scope| {
            let writing = scope.spawn(|| write(&cluster.clients[0], &progress));
            let stop = progress.stop_at_end();
            progress.wait_more(50);
            // All that is left of the disk.
            let ballast = data.join("ballast");
            let mut file = fs::File::create(&ballast).unwrap();
            let filled = std::io::copy(&mut std::io::repeat(1), &mut file);
            assert!(filled.is_err(), "the disk is full");
            wait::until("a write that the disk refuses", || {
                cluster.servers[victim].log().contains("the raft log cannot be written").then_some(())
            });
            if leads {
                wait::until("another leader", || {
                    let other = &cluster.servers[(victim + 1) % 3];
                    (cluster.leader(other) != victim).then_some(())
                });
            }
            progress.wait_more(100);
            assert!(cluster.servers[victim].is_running_now(), "it bears it");
            fs::remove_file(&ballast).unwrap();
            progress.wait_more(50);
            drop(stop);
            writing.join().unwrap()
        });
        wait::until("servers that hold the same", || {
            let all: Vec<_> = cluster.servers.iter().map(|server| server.get("/v1/kv/?keys&stale")).collect();
            let same = all.windows(2).all(|two| two[0].text == two[1].text && two[0].index == two[1].index);
            (same && all[0].status == 200).then_some(())
        });
        let keys = cluster.servers[victim].get("/v1/kv/?keys&stale").json();
        for key in &acknowledged {
            assert!(keys.as_array().unwrap().iter().any(|known| known == key), "{key} was acknowledged and is lost");
        }
        println!("leader {leads}: {} acknowledged writes", progress.done());
        // What it has is on the small disk: let it find the same in its folder.
        cluster.servers[victim].kill();
        let kept = data.with_extension("kept");
        assert!(Command::new("cp").arg("-a").args([&data, &kept]).status().unwrap().success());
        drop(disk);
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&kept, &data).unwrap();
        cluster.servers[victim].spawn();
        cluster.servers[victim].wait_ready();
    }
}
