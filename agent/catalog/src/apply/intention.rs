//! Intentions.

use super::Writer;
use crate::key::Key;
use crate::schema::raise;
use crate::watch::WatchKey;
use lictor_types::intention::Intention;
use lictor_types::{IntentionVerb, Outcome};
use std::sync::Arc;

impl Writer {
    pub(super) fn intention(&mut self, verb: IntentionVerb, given: &Intention) -> Outcome {
        let table = &self.state.intentions;
        let of_id = table.get(&given.id).cloned();
        let of_pair = table.exact(&given.source(), &given.destination()).cloned();
        let done = match (verb, of_id) {
            (IntentionVerb::Create, of_id) => self.put_intention(given, of_id.as_deref(), of_pair.as_deref()),
            (IntentionVerb::Update, Some(known)) => self.put_intention(given, Some(&known), of_pair.as_deref()),
            (IntentionVerb::Update, None) => Err(format!("Cannot modify non-existent intention: '{}'", given.id)),
            (IntentionVerb::Delete, Some(known)) => {
                self.remove_intention(&known);
                Ok(())
            }
            (IntentionVerb::Delete, None) => Err(format!("Cannot delete non-existent intention: '{}'", given.id)),
            (IntentionVerb::Upsert, _) => self.put_intention(given, of_pair.as_deref(), of_pair.as_deref()),
            (IntentionVerb::DeleteExact, _) => {
                if let Some(known) = of_pair {
                    self.remove_intention(&known);
                }
                Ok(())
            }
        };
        done.map_or_else(Outcome::Refused, |()| Outcome::Done)
    }

    fn put_intention(&mut self, given: &Intention, known: Option<&Intention>, of_pair: Option<&Intention>) -> Result<(), String> {
        let id = known.map_or(given.id.as_str(), |known| known.id.as_str());
        if id.is_empty() {
            return Err("Missing Intention ID".to_owned());
        }
        if let Some(other) = of_pair.filter(|other| other.id != id) {
            let (source, destination) = (other.source(), other.destination());
            let action = other.action.as_str().to_uppercase();
            let what = format!("{action} {source} => {destination} (ID: {}, Precedence: {})", other.id, other.precedence);
            return Err(format!("duplicate intention found: {what}"));
        }
        let mut intention = Intention { id: id.to_owned(), create_index: self.index, modify_index: self.index, ..given.clone() };
        if let Some(known) = known {
            intention.create_index = known.create_index;
            intention.created_at.clone_from(&known.created_at);
        }
        self.state.intentions.insert(Arc::new(intention));
        self.touch_intention(id);
        Ok(())
    }

    fn remove_intention(&mut self, known: &Intention) {
        self.state.intentions.remove(&known.id);
        self.touch_intention(&known.id);
    }

    fn touch_intention(&mut self, id: &str) {
        raise(&mut self.state.intentions.index, self.index);
        self.changes.touch(WatchKey::Intentions);
        self.changes.touch(WatchKey::Intention(Key::uuid(id)));
    }
}

#[cfg(test)]
mod tests;
