//! Keys and values.

use crate::schema::State;
use lictor_types::Reply;

impl State {
    pub(super) fn kv_get(&self, key: &str) -> Reply {
        Reply::Kv(self.kv.get(key).cloned().into_iter().collect())
    }

    pub(super) fn kv_list(&self, prefix: &str) -> Reply {
        Reply::Kv(self.kv.under(prefix).cloned().collect())
    }

    /// Each key, cut after the first separator behind the prefix; equal ones once.
    pub(super) fn kv_keys(&self, prefix: &str, separator: &str) -> Reply {
        let mut names: Vec<String> = Vec::new();
        for entry in self.kv.under(prefix) {
            let rest = entry.key.get(prefix.len()..).unwrap_or_default();
            let cut = if separator.is_empty() { None } else { rest.find(separator) };
            let name = match cut {
                Some(at) => entry.key.get(..prefix.len() + at + separator.len()).unwrap_or(&entry.key),
                None => entry.key.as_str(),
            };
            if names.last().map(String::as_str) != Some(name) {
                names.push(name.to_owned());
            }
        }
        Reply::Names(names)
    }
}
