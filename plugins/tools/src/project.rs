//! `lictor plugin new`: a project that builds and tests at once.

use crate::sdk;
use lictor_cli::command::{Command, Invocation, Reach, Work};
use lictor_cli::{Failure, flags::value};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// `lictor plugin new`
pub(crate) const NEW: Command = Command {
    name: "plugin new",
    about: "Makes the project of a plugin, with a check, a test and fixtures",
    arguments: "NAME",
    help: "Languages: rust makes a component, with connections and typed settings; c and go make programs for WASI, judged by their exit code. The project is a new directory NAME; its README tells the commands.\n\nExamples:\n  lictor plugin new page\n  lictor plugin new spool -lang c",
    flags: &[
        value("dir", "path", "Directory of the project; NAME by default."),
        value("lang", "rust|c|go", "Language; rust by default."),
    ],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(async move { run(invocation) }) as Work<'_>,
};

const RUST: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../templates/rust/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("../templates/rust/lib.rs.txt")),
    ("tests/cases.toml", include_str!("../templates/rust/cases.toml")),
    ("README.md", include_str!("../templates/rust/README.md.txt")),
    (".gitignore", "target\n*.wasm\n"),
];

const C: &[(&str, &str)] = &[
    ("main.c", include_str!("../templates/c/main.c.txt")),
    ("tests/cases.toml", include_str!("../templates/program/cases.toml")),
    ("README.md", include_str!("../templates/program/README.md.txt")),
    (".gitignore", "*.wasm\n"),
];

const GO: &[(&str, &str)] = &[
    ("main.go", include_str!("../templates/go/main.go.txt")),
    ("go.mod", include_str!("../templates/go/go.mod.txt")),
    ("tests/cases.toml", include_str!("../templates/program/cases.toml")),
    ("README.md", include_str!("../templates/program/README.md.txt")),
    (".gitignore", "*.wasm\n"),
];

/// A name is a file's, a crate's and a word in grants' messages.
fn is_good(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let [name] = invocation.given.rest()[..] else {
        return Err(Failure::Misused("One name must be given.".to_owned()));
    };
    if !is_good(name) {
        return Err(Failure::Usage(format!(
            "{name:?} is no name for a plugin: lower case letters, digits and _, a letter first"
        )));
    }
    let (files, with_sdk) = match invocation.given.text("lang") {
        "" | "rust" => (RUST, true),
        "c" => (C, false),
        "go" => (GO, false),
        other => return Err(Failure::Usage(format!("no project can be made in {other:?}: use rust, c or go"))),
    };
    let dir = Path::new(Some(invocation.given.text("dir")).filter(|dir| !dir.is_empty()).unwrap_or(name));
    if dir.exists() {
        return Err(Failure::Failed(format!("{} is there already", dir.display())));
    }
    for (path, text) in files {
        write(&dir.join(path), &text.replace("{{name}}", name).replace("{{type}}", &type_name(name)))?;
    }
    if with_sdk {
        for (path, text) in sdk::FILES {
            write(&dir.join("sdk").join(path), text)?;
        }
    }
    invocation.terminal.say(&format!(
        "{name} is made. Next:\n  cd {}\n  lictor plugin build\n  lictor plugin test {name}.wasm tests/cases.toml",
        dir.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let shown = path.display();
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(Failure::because(&shown))?;
    }
    fs::write(path, text).map_err(Failure::because(&shown))
}

/// `disk_full` as `DiskFull`.
fn type_name(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged() {
        for (name, good) in
            [("page", true), ("disk_2", true), ("", false), ("2x", false), ("a-b", false), ("../x", false), ("Page", false)]
        {
            assert_eq!(is_good(name), good, "{name}");
        }
        assert_eq!(type_name("disk_full"), "DiskFull");
    }
}
