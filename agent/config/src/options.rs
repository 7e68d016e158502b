//! The option table: one row per option, from which decoding, flags, help, the reload classifier and the reference page come.

mod docs;
mod rows;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use docs::{docs, flag_help};
pub use rows::ROWS;

/// Type of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A string.
    Text,
    /// A truth value.
    Bool,
    /// A whole number.
    Integer,
    /// Any number.
    Float,
    /// A duration in Go's notation.
    Duration,
    /// A port; -1 switches the listener off.
    Port,
    /// A list of strings; lists of several sources are joined.
    Texts,
    /// A map of strings; maps of several sources are merged.
    TextMap,
    /// A map whose values are lists or maps; kept as given.
    Any,
    /// Definitions, read by [`lictor_types::definition::decode`] and the plugin reader.
    Definitions,
    /// Only a flag (`-config-dir`, `-dev`, …).
    FlagOnly,
}

impl Type {
    /// For the reference page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Bool => "bool",
            Self::Integer => "integer",
            Self::Float => "number",
            Self::Duration => "duration",
            Self::Port => "port",
            Self::Texts => "list of strings",
            Self::TextMap => "map of strings",
            Self::Any => "object",
            Self::Definitions => "definitions",
            Self::FlagOnly => "flag",
        }
    }
}

/// What Lictor does with an option today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what it says.
    Built,
    /// It is read and kept, and has no effect yet; a warning names it.
    Later,
    /// It has no effect and need not have any; nothing is said.
    Silent,
    /// The agent does not start with it: doing without would be worse than not starting. The text says why.
    Refused(&'static str),
    /// It does what another does, whose name a warning gives.
    Renamed(&'static str),
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionRow {
    /// Dotted key in files; empty for flags that no key has.
    pub key: &'static str,
    /// Flag of `lictor agent` without its dash; empty: none.
    pub flag: &'static str,
    /// Type.
    pub kind: Type,
    /// Default, as it would be written; empty: none (or zero, false, empty).
    pub default: &'static str,
    /// Whether a reload changes it in a running agent.
    pub reload: bool,
    /// What is built.
    pub support: Support,
    /// One line.
    pub doc: &'static str,
}

pub(crate) const fn row(key: &'static str, kind: Type, default: &'static str, doc: &'static str) -> OptionRow {
    OptionRow { key, flag: "", kind, default, reload: false, support: Support::Built, doc }
}

impl OptionRow {
    pub(crate) const fn flag(self, flag: &'static str) -> Self {
        Self { flag, ..self }
    }
    pub(crate) const fn reloads(self) -> Self {
        Self { reload: true, ..self }
    }
    pub(crate) const fn later(self) -> Self {
        Self { support: Support::Later, ..self }
    }
    pub(crate) const fn silent(self) -> Self {
        Self { support: Support::Silent, ..self }
    }
    pub(crate) const fn refused(self, why: &'static str) -> Self {
        Self { support: Support::Refused(why), ..self }
    }
    pub(crate) const fn renamed(self, to: &'static str) -> Self {
        Self { support: Support::Renamed(to), ..self }
    }
    /// Whether the flag takes no value.
    pub fn is_switch(&self) -> bool {
        self.kind == Type::Bool || self.flag == "dev"
    }
    /// Whether the flag may be given several times.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.kind, Type::Texts | Type::TextMap) || matches!(self.flag, "config-file" | "config-dir" | "hcl")
    }
}

/// What a key leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    /// An option.
    Option(&'static OptionRow),
    /// A section: the beginning of the keys of options.
    Section(&'static str),
}

fn plain(key: &str) -> String {
    key.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

static BY_KEY: LazyLock<HashMap<String, Found>> = LazyLock::new(|| {
    let mut map = HashMap::new();
    for row in ROWS.iter().filter(|row| !row.key.is_empty()) {
        map.insert(plain(row.key), Found::Option(row));
        for (at, _) in row.key.match_indices('.') {
            let section = row.key.get(..at).unwrap_or_default();
            map.entry(plain(section)).or_insert(Found::Section(section));
        }
    }
    map
});

/// Finds an option or section by its dotted key; snake_case and CamelCase, any letter case.
pub(crate) fn find(section: &str, key: &str) -> Option<Found> {
    // A dot in a written key is no nesting.
    if key.contains('.') {
        return None;
    }
    let path = if section.is_empty() { plain(key) } else { format!("{}.{}", plain(section), plain(key)) };
    BY_KEY.get(&path).copied()
}

/// The row of a key that is known to exist.
pub fn by_key(key: &str) -> Option<&'static OptionRow> {
    match BY_KEY.get(&plain(key)) {
        Some(Found::Option(row)) => Some(row),
        _ => None,
    }
}

/// The row of a flag, without dashes.
pub fn by_flag(flag: &str) -> Option<&'static OptionRow> {
    ROWS.iter().find(|row| !row.flag.is_empty() && row.flag == flag)
}

/// The last words of the keys a section knows, for hints.
pub(crate) fn keys_of(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = ROWS
        .iter()
        .filter(|row| !row.key.is_empty())
        .filter_map(|row| {
            let rest = if section.is_empty() { row.key } else { row.key.strip_prefix(section)?.strip_prefix('.')? };
            rest.split('.').next()
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rows_are_unique_and_findable() {
        let mut keys = BTreeSet::new();
        let mut flags = BTreeSet::new();
        for row in ROWS {
            assert!(!row.doc.is_empty() && !row.doc.ends_with('.'), "{}", row.key);
            if !row.key.is_empty() {
                assert!(keys.insert(plain(row.key)), "{} twice", row.key);
                assert!(by_key(row.key).is_some_and(|found| found.key == row.key), "{}", row.key);
            }
            assert!(row.flag.is_empty() || flags.insert(row.flag), "-{} twice", row.flag);
        }
        assert!(matches!(find("dns_config", "NodeTTL"), Some(Found::Option(row)) if row.key == "dns_config.node_ttl"));
        assert!(matches!(find("", "DNSConfig"), Some(Found::Section("dns_config"))));
        assert!(find("", "dns_config.node_ttl").is_none());
    }

    /// Every flag that `consul agent -h` of 1.8.7 prints.
    #[test]
    fn every_flag_of_consul_is_known() {
        let flags = "datacenter advertise advertise-wan allow-write-http-from alt-domain bind bootstrap bootstrap-expect check_output_max_size \
            client config-dir config-file config-format data-dir default-query-time dev disable-host-node-id disable-keyring-file dns-port \
            domain enable-local-script-checks enable-script-checks encrypt grpc-port hcl http-port https-port join join-wan log-file \
            log-json log-level log-rotate-bytes log-rotate-duration log-rotate-max-files max-query-time node node-id node-meta \
            non-voting-server pid-file primary-gateway protocol raft-protocol recursor rejoin retry-interval retry-interval-wan retry-join \
            retry-join-wan retry-max retry-max-wan segment serf-lan-allowed-cidrs serf-lan-bind serf-lan-port serf-wan-allowed-cidrs \
            serf-wan-bind serf-wan-port server server-port syslog ui ui-content-path ui-dir";
        for flag in flags.split_whitespace() {
            assert!(by_flag(flag).is_some(), "-{flag}");
        }
    }
}
