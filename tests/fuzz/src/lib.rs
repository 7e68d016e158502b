//! What the fuzz targets share.

#![forbid(unsafe_code)]

pub mod plugin;
pub mod rows;
pub mod rules;
pub mod snapshot;

use lictor_config::syntax::{self, Format};
use lictor_config::validate::{ValidateOptions, validate};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// One file of this process, in memory where there is such a folder: the agent reads its configuration from files.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    folder.join(format!("lictor-fuzz-{}.hcl", std::process::id()))
});

/// Reads bytes as a configuration file: grammar, options, definitions, merging and judging. Every place that is told lies
/// within the file.
///
/// # Panics
/// When one of these promises is broken.
pub fn config(bytes: &[u8], format: Format) {
    let lines = bytes.split(|b| *b == b'\n').count().max(1);
    let parsed = syntax::parse(bytes, format);
    if let Ok(tree) = &parsed {
        drop(tree.to_json());
    }
    std::fs::write(&*FILE, bytes).expect("the folder for temporary files can be written");
    let options = ValidateOptions { format: Some(format), strict: true, ..ValidateOptions::default() };
    let found = validate(&[FILE.clone()], options);
    assert_eq!(found.files, 1);
    assert!(parsed.is_ok() || !found.problems.is_empty(), "a file that cannot be parsed is valid");
    for problem in found.problems.iter().chain(&found.warnings) {
        assert!(usize::try_from(problem.line).is_ok_and(|line| line <= lines + 1), "{problem:?}");
    }
}
