//! Central configuration entries. An entry that would break the way to a service is refused, as is the end of one.

use super::Writer;
use crate::chain::Entries;
use crate::key::{Key, fold};
use crate::schema::raise;
use crate::watch::WatchKey;
use lictor_types::{ConfigEntry, ConfigEntryVerb, Index, Outcome};
use std::sync::Arc;

impl Writer {
    pub(super) fn config_entry(&mut self, verb: ConfigEntryVerb, given: &ConfigEntry) -> Outcome {
        let known = self.state.config_entries.get(given.kind(), &given.name).cloned();
        let done = match verb {
            ConfigEntryVerb::Set => self.set_config_entry(given, known.as_deref()).map(|()| Outcome::Done),
            ConfigEntryVerb::Cas => {
                if known.as_ref().map_or(Index(0), |known| known.modify_index) == given.modify_index {
                    self.set_config_entry(given, known.as_deref()).map(|()| Outcome::Decided(true))
                } else {
                    Ok(Outcome::Decided(false))
                }
            }
            ConfigEntryVerb::DeleteCas => match &known {
                Some(known) if known.modify_index == given.modify_index => {
                    self.delete_config_entry(Some(known)).map(|()| Outcome::Decided(true))
                }
                _ => Ok(Outcome::Decided(false)),
            },
            ConfigEntryVerb::Delete => self.delete_config_entry(known.as_deref()).map(|()| Outcome::Done),
        };
        done.unwrap_or_else(Outcome::Refused)
    }

    fn set_config_entry(&mut self, given: &ConfigEntry, known: Option<&ConfigEntry>) -> Result<(), String> {
        Entries::with(&self.state.config_entries, given).check(given)?;
        if given.name.is_empty() {
            return Err("failed inserting config entry: object missing primary index".to_owned());
        }
        let create_index = known.map_or(self.index, |known| known.create_index);
        let entry = Arc::new(ConfigEntry { create_index, modify_index: self.index, ..given.clone() });
        self.state.config_entries.insert(entry.clone());
        self.touch_config_entry(&entry);
        Ok(())
    }

    fn delete_config_entry(&mut self, known: Option<&ConfigEntry>) -> Result<(), String> {
        let Some(known) = known else { return Ok(()) };
        Entries::without(&self.state.config_entries, known).check(known)?;
        self.state.config_entries.remove(known.kind(), &known.name);
        self.touch_config_entry(known);
        Ok(())
    }

    fn touch_config_entry(&mut self, entry: &ConfigEntry) {
        raise(&mut self.state.config_entries.index, self.index);
        self.changes.touch(WatchKey::ConfigEntries);
        self.changes.touch(WatchKey::ConfigEntriesOf(entry.kind()));
        self.changes.touch(WatchKey::ConfigEntry(entry.kind(), Key::exact(&fold(&entry.name))));
    }
}

#[cfg(test)]
mod tests;
