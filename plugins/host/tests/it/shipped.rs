//! The plugins in the tree: source, module and manifest belong together, and each runs.

use crate::guests::call;
use lictor_plugins::{PluginHost, PluginSettings, SHIPPED};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(at: &Path, into: &mut Vec<PathBuf>) {
    if at.is_file() {
        into.push(at.to_owned());
        return;
    }
    for entry in std::fs::read_dir(at).unwrap() {
        files(&entry.unwrap().path(), into);
    }
}

/// The hashes recorded when the module was built are those of the sources now: a change without `shipped/build` fails here.
#[test]
fn modules_are_built_from_the_sources_beside_them() {
    for (name, bytes) in SHIPPED {
        let dir = format!("shipped/{name}");
        let recorded = std::fs::read_to_string(plugins().join(&dir).join("SOURCES.sha256")).unwrap();
        let recorded: BTreeMap<String, String> = recorded
            .lines()
            .map(|line| line.split_once("  ").unwrap())
            .map(|(hash, path)| (path.to_owned(), hash.to_owned()))
            .collect();
        let mut found = Vec::new();
        let parts = ["wit/v1", "guest/Cargo.toml", "guest/src", "shipped/Cargo.toml", "shipped/Cargo.lock"].map(str::to_owned);
        let own = ["Cargo.toml".to_owned(), "src".to_owned(), format!("{name}.wasm")].map(|part| format!("{dir}/{part}"));
        for part in parts.iter().chain(&own) {
            files(&plugins().join(part), &mut found);
        }
        let found: BTreeMap<String, String> = found
            .iter()
            .map(|path| {
                let hash: String =
                    Sha256::digest(std::fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
                (path.strip_prefix(plugins()).unwrap().display().to_string(), hash)
            })
            .collect();
        assert_eq!(recorded, found, "{name}: run plugins/shipped/build");
        assert_eq!(*bytes, std::fs::read(plugins().join(format!("{dir}/{name}.wasm"))).unwrap(), "{name}");
    }
}

#[test]
fn shipped_plugins_load_and_say_what_they_are() {
    let host = PluginHost::new(PluginSettings::default());
    for (name, _) in SHIPPED {
        // Without settings and grants a plugin says what it lacks, or has nothing to look at and so needs none.
        match host.load_probe(&call(name, &[], json!({}))) {
            Err(refusal) => assert!(refusal.contains("missing grant: add ") || refusal.contains(" is required"), "{refusal}"),
            Ok(_) => assert_eq!(*name, "system"),
        }
    }
    for status in host.status() {
        assert_eq!((status.state, status.source.as_str()), ("ready", "embedded"));
        assert!(!status.summary.is_empty() && status.config_schema.is_object());
    }
}

/// Nothing of the machine that built a module stays in it.
#[test]
fn modules_hold_no_paths() {
    for (name, bytes) in SHIPPED {
        for path in [&b"/root/"[..], b"/home/", b"/usr/", b"/work/", b"/Users/"] {
            assert!(!bytes.windows(path.len()).any(|window| window == path), "{name} holds {}", String::from_utf8_lossy(path));
        }
        assert!(bytes.len() < 200_000, "{name} has {} bytes", bytes.len());
    }
}
