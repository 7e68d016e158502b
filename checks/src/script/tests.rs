use super::*;
use crate::testing::{later, patiently, soon};
use HealthStatus::{Critical, Passing, Warning};

async fn run(args: &[&str], deadline: Instant, output_size_max: usize) -> Outcome {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let definition = CheckDefinition { args, ..CheckDefinition::default() };
    ScriptProbe::new(&definition, Duration::from_millis(1500), output_size_max).run(deadline).await
}

#[tokio::test]
async fn exit_codes_and_outputs() {
    for (script, status, output) in [
        ("echo fine", Passing, "fine\n"),
        ("echo careful; exit 1", Warning, "careful\n"),
        ("echo broken >&2; exit 2", Critical, "broken\n"),
        ("echo o; echo e >&2; echo o", Passing, "o\ne\no\n"),
        ("exit 77", Critical, ""),
        ("echo dying; kill -9 $$", Critical, "dying\n"),
        ("cat; echo done", Passing, "done\n"),
        ("sleep 30 >/dev/null 2>&1 & echo $! | wc -l", Passing, "1\n"),
    ] {
        assert_eq!(run(&["/bin/sh", "-c", script], later(), 4096).await, Outcome::new(status, output), "{script}");
    }
    let lines = "for i in 1 2 3 4 5 6 7 8 9 10; do echo line$i; done";
    let outcome = run(&["/bin/sh", "-c", lines], later(), 20).await;
    assert_eq!(outcome, Outcome::new(Passing, "Captured 20 of 61 bytes\n...\n\nline8\nline9\nline10\n"));
}

#[tokio::test]
async fn what_cannot_be_started() {
    for (args, output) in [
        (&["/no/such/program"][..], "fork/exec /no/such/program: no such file or directory"),
        (&["nosuchprogram_zz", "a"], "exec: \"nosuchprogram_zz\": executable file not found in $PATH"),
        (&["/etc/passwd"], "fork/exec /etc/passwd: permission denied"),
        (&["/"], "fork/exec /: permission denied"),
        (&[""], "fork/exec : no such file or directory"),
        (&[], "no program is given"),
    ] {
        assert_eq!(run(args, later(), 4096).await, Outcome::new(Critical, output), "{args:?}");
    }
}

/// Whether a process is there and not a zombie.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X'])))
}

/// Waits until all processes listed in a file are gone.
async fn gone(pids: &str) {
    let pids: Vec<String> = pids.split_whitespace().map(str::to_owned).collect();
    assert_eq!(pids.len(), 3, "{pids:?}");
    let all = async {
        while pids.iter().any(|pid| lives(pid)) {
            clock::sleep(Duration::from_millis(5)).await;
        }
    };
    clock::timeout_at(later(), all).await.expect("the whole group is killed");
}

/// A family of three: the shell, a child, and a grandchild that ignores polite signals.
fn family(file: &std::path::Path) -> String {
    let file = file.display();
    format!(
        "echo part; trap '' TERM; echo $$ > {file}; sh -c 'trap \"\" TERM INT; echo $$ >> {file}; sleep 60 & echo $! >> {file}; wait' & wait"
    )
}

async fn pids_of(file: &std::path::Path) -> String {
    let all = async {
        loop {
            match std::fs::read_to_string(file) {
                Ok(text) if text.lines().count() == 3 && text.ends_with('\n') => return text,
                _ => clock::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    clock::timeout_at(later(), all).await.expect("the family starts")
}

#[tokio::test]
async fn at_the_timeout_the_whole_family_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = family(&file);
    let args = ["/bin/sh", "-c", &script];
    let complete = |_: &Outcome| std::fs::read_to_string(&file).is_ok_and(|text| text.lines().count() == 3);
    let outcome = patiently(|deadline| run(&args, deadline, 4096), complete).await;
    assert_eq!(outcome, Outcome::new(Critical, "Timed out (1.5s) running check\n\npart\n"));
    gone(&std::fs::read_to_string(&file).unwrap()).await;
}

#[tokio::test]
async fn a_run_that_is_given_up_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = family(&file);
    let task = tokio::spawn(async move { run(&["/bin/sh", "-c", &script], later(), 4096).await });
    let pids = pids_of(&file).await;
    task.abort();
    let _ = task.await;
    gone(&pids).await;
}

#[tokio::test]
async fn somebody_who_holds_the_output_holds_the_check() {
    let expect = Outcome::new(Critical, "Timed out (1.5s) running check\n\nstarted\n");
    patiently(|deadline| run(&["/bin/sh", "-c", "sleep 60 & echo started"], deadline, 4096), |outcome| *outcome == expect).await;
    assert_eq!(run(&["/bin/sleep", "5"], soon(), 4096).await, Outcome::new(Critical, "Timed out (1.5s) running check"));
}

#[tokio::test]
async fn endless_output_is_capped_while_it_comes() {
    let capped = |outcome: &Outcome| outcome.output.starts_with("Timed out (1.5s) running check\n\nCaptured 100 of ");
    let outcome = patiently(|deadline| run(&["/bin/sh", "-c", "yes"], deadline, 100), capped).await;
    assert!(outcome.output.len() < 250);
}

#[tokio::test]
async fn the_ready_made_scripts_do_what_they_say() {
    for (line, status, begins) in [
        ("disk-space -w 101 -c 102 /", Passing, "/: "),
        ("disk-space -w 0 -c 102", Warning, "/: "),
        ("disk-space -c 0 /", Critical, "/: "),
        ("disk-space /no/such/folder", Critical, "/no/such/folder: no such file system"),
        ("disk-space -w much /", Critical, "usage: disk-space"),
        ("load -w 99999 -c 99999", Passing, "load "),
        ("load -w 0 -c 99999", Warning, "load "),
        ("load -x", Critical, ""),
        ("process nobody_has_me", Critical, "0 processes named nobody_has_me (at least 1)"),
        ("process -m 0 nobody_has_me", Passing, "0 processes"),
        ("process process", Passing, ""),
        ("process -M 0 process", Warning, ""),
        ("process", Critical, "usage: process"),
    ] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/");
        let mut args: Vec<&str> = line.split(' ').collect();
        let program = format!("{folder}{}", args[0]);
        args[0] = &program;
        let outcome = run(&args, later(), 4096).await;
        assert_eq!(outcome.status, status, "{line}: {}", outcome.output);
        assert!(outcome.output.starts_with(begins), "{line}: {}", outcome.output);
    }
}
