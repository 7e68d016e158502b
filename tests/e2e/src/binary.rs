//! Where the program under test is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Path of the program: `$LICTOR_BIN`, else `lictor` of the same build as the tests. Cargo builds it with them, since they are tests of
/// its package.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match std::env::var_os("LICTOR_BIN") {
        Some(path) => PathBuf::from(path),
        None => built(),
    })
}

/// Tests run from `target/PROFILE/deps`; binaries lie one level up.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let path = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps").join("lictor");
    assert!(path.exists(), "{} is not built: run the tests by `cargo test -p lictor --test e2e`", path.display());
    path
}

/// The program's output and exit code for some arguments.
pub fn run(arguments: &[&str]) -> std::process::Output {
    Command::new(path()).args(arguments).stdin(std::process::Stdio::null()).output().expect("the program starts")
}
