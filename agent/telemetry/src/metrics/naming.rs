//! The names under which metrics leave the process, and which leave at all.

use std::borrow::Cow;

/// What all names begin with in the code.
const HOUSE: &str = "consul.";

/// Prefix, host and filters of names, with Consul's meaning of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// What names begin with (`metrics_prefix`).
    pub prefix: String,
    /// Put between the prefix and the names of gauges; empty: nothing (`disable_hostname`).
    pub host: String,
    /// Names that begin so are let out.
    pub allowed: Vec<String>,
    /// Names that begin so are not, unless a longer allowed beginning fits.
    pub blocked: Vec<String>,
    /// Whether names that neither list knows are let out (`filter_default`).
    pub others: bool,
}

impl Default for Naming {
    fn default() -> Self {
        Self { prefix: "consul".to_owned(), host: String::new(), allowed: Vec::new(), blocked: Vec::new(), others: true }
    }
}

impl Naming {
    /// Name of a counter or sample; `None` if it is filtered out.
    pub fn plain<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        self.judged(self.with_prefix("", name))
    }

    /// Name of a gauge; `None` if it is filtered out.
    pub fn gauge<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        self.judged(self.with_prefix(&self.host, name))
    }

    /// The name of a gauge for those who know the host themselves.
    pub(super) fn gauge_without_host<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        self.gauge(name).and(Some(self.with_prefix("", name)))
    }

    fn with_prefix<'a>(&self, host: &str, name: &'a str) -> Cow<'a, str> {
        let Some(rest) = name.strip_prefix(HOUSE) else { return Cow::Borrowed(name) };
        if host.is_empty() && HOUSE.strip_suffix('.') == Some(self.prefix.as_str()) {
            return Cow::Borrowed(name);
        }
        let parts = [self.prefix.as_str(), host, rest];
        Cow::Owned(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("."))
    }

    fn judged<'a>(&self, name: Cow<'a, str>) -> Option<Cow<'a, str>> {
        let longest =
            |list: &[String]| list.iter().filter(|prefix| name.starts_with(prefix.as_str())).map(|prefix| prefix.len() + 1).max();
        let out = match (longest(&self.allowed), longest(&self.blocked)) {
            (None, None) => self.others,
            // Of two that are equal, the one that blocks counts.
            (allowed, blocked) => allowed > blocked,
        };
        out.then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_stand_in_gauges_only() {
        let naming = Naming { host: "vm".to_owned(), ..Naming::default() };
        assert_eq!(naming.plain("consul.raft.apply").as_deref(), Some("consul.raft.apply"));
        assert_eq!(naming.gauge("consul.raft.last_index").as_deref(), Some("consul.vm.raft.last_index"));
        assert_eq!(naming.gauge_without_host("consul.raft.last_index").as_deref(), Some("consul.raft.last_index"));
        let naming = Naming { prefix: "lictor".to_owned(), ..naming };
        assert_eq!(naming.plain("consul.raft.apply").as_deref(), Some("lictor.raft.apply"));
        assert_eq!(naming.gauge("consul.raft.last_index").as_deref(), Some("lictor.vm.raft.last_index"));
    }

    #[test]
    fn the_longest_filter_decides() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let naming =
            Naming { allowed: list(&["consul.raft.apply"]), blocked: list(&["consul.raft", "consul.http"]), ..Naming::default() };
        for (name, out) in [
            ("consul.raft.apply", true),
            ("consul.raft.commitTime", false),
            ("consul.http.GET", false),
            ("consul.rpc.query", true),
        ] {
            assert_eq!(naming.plain(name).is_some(), out, "{name}");
        }
        let naming = Naming { others: false, ..naming };
        assert_eq!(naming.plain("consul.rpc.query"), None);
        assert_eq!(naming.plain("consul.raft.apply").as_deref(), Some("consul.raft.apply"));
        let both = Naming { allowed: list(&["consul.raft"]), blocked: list(&["consul.raft"]), ..Naming::default() };
        assert_eq!(both.plain("consul.raft.apply"), None);
        // What is filtered is the name as it leaves.
        let host = Naming { host: "vm".to_owned(), blocked: list(&["consul.vm.raft"]), ..Naming::default() };
        assert_eq!((host.gauge("consul.raft.last_index"), host.plain("consul.raft.apply").is_some()), (None, true));
    }
}
