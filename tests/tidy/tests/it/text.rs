//! Rules for all text files.

use crate::tree;

#[test]
fn versions_are_pinned() {
    let manifest = std::fs::read_to_string(tree::root().join("Cargo.toml")).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap();
    let loose: Vec<&str> = section
        .lines()
        .filter(|line| line.contains('=') && !line.starts_with('#') && !line.contains("path ="))
        .filter(|line| !line.contains("\"="))
        .collect();
    assert!(loose.is_empty(), "pin exact versions: {loose:?}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = tree::root();
    let mut broken = Vec::new();
    for (path, text) in tree::files(&["md"]) {
        let folder = root.join(&path).parent().map(std::path::Path::to_path_buf).unwrap_or_default();
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#', ' ']).next().unwrap_or("");
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !folder.join(target).exists() {
                broken.push(format!("{path}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
