//! Rules for Rust files that clippy has no lint for.

use crate::tree;

/// Lines a product file may have; a uniform list may be named below with its reason.
const LINES_MAX: usize = 800;
/// Files that may be longer: uniform lists.
const LONG: &[(&str, &str)] = &[("agent/config/src/options.rs", "one row per option")];
/// Names that say nothing of what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helpers", "misc", "manager", "mod"];

fn product_lines(text: &str) -> usize {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
}

#[test]
fn files_stay_small() {
    let long: Vec<String> = tree::files(&["rs"])
        .into_iter()
        .filter(|(path, text)| product_lines(text) > LINES_MAX && !LONG.iter().any(|(name, _)| name == path))
        .map(|(path, text)| format!("{path}: {} lines; split it where wire, state and IO mix", product_lines(&text)))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn names_say_something() {
    let empty: Vec<String> = tree::files(&["rs"])
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| {
            let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".rs")).unwrap_or("");
            EMPTY_NAMES.contains(&stem)
        })
        .collect();
    assert!(empty.is_empty(), "name the file for what it holds (`foo.rs` + `foo/`, never `mod.rs`): {empty:?}");
}

#[test]
fn every_file_opens_with_its_purpose() {
    // `tests.rs` beside a file says by its name what it is for.
    let silent: Vec<String> = tree::files(&["rs"])
        .into_iter()
        .filter(|(path, text)| {
            let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
            !path.contains("/examples/") && !path.ends_with("/tests.rs") && !first.is_some_and(|line| line.starts_with("//!"))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "begin with `//!` and what the file is for: {silent:?}");
}

#[test]
fn sockets_are_opened_in_net_alone() {
    let wrong: Vec<String> = tree::files(&["rs"])
        .into_iter()
        .filter(|(path, _)| {
            !path.starts_with("agent/net/")
                && !path.starts_with("tests/")
                && !path.starts_with("plugins/shipped")
                && !path.contains("/tests/")
        })
        .filter(|(_, text)| {
            let product: Vec<&str> = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).collect();
            product.iter().any(|line| {
                (line.contains("tokio::net::")
                    || line.contains("std::net::TcpStream")
                    || line.contains("std::net::TcpListener")
                    || line.contains("std::net::UdpSocket"))
                    && !line.trim_start().starts_with("//")
            })
        })
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "use lictor_net instead, so that tests can simulate the network: {wrong:?}");
}

/// The package with modules that may say `unsafe`, and these; it denies it everywhere else.
const UNSAFE: (&str, [&str; 2]) = ("agent/memory/Cargo.toml", ["agent/memory/src/freed.rs", "agent/memory/src/mapped.rs"]);

#[test]
fn unsafe_is_forbidden_everywhere() {
    let root = tree::root();
    let open: Vec<String> = tree::files(&["toml"])
        .into_iter()
        .filter(|(path, text)| {
            path.ends_with("Cargo.toml")
                && path != "Cargo.toml"
                && !path.starts_with("plugins/")
                && !path.starts_with("examples/plugins/")
                && text.contains("[package]")
        })
        .filter(|(path, text)| {
            let denied = path == UNSAFE.0 && text.contains("unsafe_code = \"deny\"");
            !denied && !text.contains("[lints]\nworkspace = true") && !text.contains("unsafe_code = \"forbid\"")
        })
        .map(|(path, _)| path)
        .collect();
    assert!(open.is_empty(), "inherit the workspace's lints (they forbid unsafe code): {open:?}");
    let workspace = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    let allowed: Vec<String> = tree::files(&["rs"])
        .into_iter()
        .filter(|(path, _)| !UNSAFE.1.contains(&path.as_str()) && !path.starts_with("tests/tidy/"))
        .filter(|(_, text)| text.lines().any(|line| line.contains("(unsafe_code") && !line.contains("forbid(unsafe_code")))
        .map(|(path, _)| path)
        .collect();
    assert!(allowed.is_empty(), "only {:?} may say `unsafe`: {allowed:?}", UNSAFE.1);
}
