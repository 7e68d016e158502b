//! The SDK and the contract, as this program was built with them: a new project carries them along and needs nothing else.

/// Files by their paths below a project's `sdk` folder.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("guest/Cargo.toml", include_str!("../../guest/Cargo.toml")),
    ("guest/src/context.rs", include_str!("../../guest/src/context.rs")),
    ("guest/src/describe.rs", include_str!("../../guest/src/describe.rs")),
    ("guest/src/error.rs", include_str!("../../guest/src/error.rs")),
    ("guest/src/files.rs", include_str!("../../guest/src/files.rs")),
    ("guest/src/http.rs", include_str!("../../guest/src/http.rs")),
    ("guest/src/lib.rs", include_str!("../../guest/src/lib.rs")),
    ("guest/src/net.rs", include_str!("../../guest/src/net.rs")),
    ("guest/src/outcome.rs", include_str!("../../guest/src/outcome.rs")),
    ("guest/src/tls.rs", include_str!("../../guest/src/tls.rs")),
    ("wit/v1/host.wit", include_str!("../../wit/v1/host.wit")),
    ("wit/v1/plugin.wit", include_str!("../../wit/v1/plugin.wit")),
    ("wit/v1/types.wit", include_str!("../../wit/v1/types.wit")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn no_file_is_forgotten() {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut there = BTreeSet::from(["guest/Cargo.toml".to_owned()]);
        for dir in ["guest/src", "wit/v1"] {
            for entry in std::fs::read_dir(plugins.join(dir)).unwrap() {
                there.insert(format!("{dir}/{}", entry.unwrap().file_name().to_string_lossy()));
            }
        }
        let listed: BTreeSet<String> = super::FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, there);
    }
}
