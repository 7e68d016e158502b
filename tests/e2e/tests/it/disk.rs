//! A disk that runs full: a clear error, reads go on, and writes again when there is room.

use lictor_e2e::{Agent, Plan, wait};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A small file system of its own, taken down with the test.
struct Small {
    folder: tempfile::TempDir,
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
