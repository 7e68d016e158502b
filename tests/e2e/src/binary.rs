//! Where the program under test is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Path of the program: `$LICTOR_BIN`, else `lictor` of the same build as the tests, which is built when missing.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match std::env::var_os("LICTOR_BIN") {
        Some(path) => PathBuf::from(path),
        None => built(),
    })
}

/// Tests run from `target/PROFILE/deps`; binaries lie one level up. Building again costs nothing when all is fresh, and
/// keeps a test from judging an old binary.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let profile = if folder.ends_with("release") { "release" } else { "dev" };
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "lictor", "--bin", "lictor", "--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", folder.parent().expect("the profile's folder lies in the target folder"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "building lictor failed:\n{}", String::from_utf8_lossy(&output.stderr));
    folder.join("lictor")
}

/// The program's output and exit code for some arguments.
pub fn run(arguments: &[&str]) -> std::process::Output {
    Command::new(path()).args(arguments).stdin(std::process::Stdio::null()).output().expect("the program starts")
}
