//! Prepared queries.

use super::Writer;
use crate::key::Key;
use crate::schema::{State, raise};
use crate::tables::PreparedRow;
use crate::template::Template;
use crate::watch::WatchKey;
use lictor_types::{Outcome, PreparedQuery, PreparedQueryVerb};
use std::sync::Arc;
use uuid::Uuid;

impl Writer {
    pub(super) fn prepared_query(&mut self, verb: PreparedQueryVerb, query: &PreparedQuery) -> Outcome {
        let done = match verb {
            PreparedQueryVerb::Create => self.put_prepared_query(query),
            PreparedQueryVerb::Update | PreparedQueryVerb::Delete if self.state.prepared_query(&query.id).is_none() => {
                Err(format!("Cannot modify non-existent prepared query: '{}'", query.id))
            }
            PreparedQueryVerb::Update => self.put_prepared_query(query),
            PreparedQueryVerb::Delete => {
                self.remove_prepared_query(&query.id);
                Ok(())
            }
        };
        done.map_or_else(Outcome::Refused, |()| Outcome::Done)
    }

    fn put_prepared_query(&mut self, given: &PreparedQuery) -> Result<(), String> {
        self.state.judge_prepared_query(given)?;
        let existing = self.state.prepared_query(&given.id);
        let (id, create_index) = match existing {
            Some(known) => (known.id.clone(), known.create_index),
            None => (given.id.clone(), self.index),
        };
        let query = Arc::new(PreparedQuery { id, create_index, modify_index: self.index, ..given.clone() });
        self.state.prepared_queries.insert(PreparedRow::new(query.clone()));
        self.touch_prepared_query(&query);
        Ok(())
    }

    pub(super) fn remove_prepared_query(&mut self, id: &str) {
        if let Some(query) = self.state.prepared_queries.remove(id) {
            self.touch_prepared_query(&query);
        }
    }

    fn touch_prepared_query(&mut self, query: &PreparedQuery) {
        raise(&mut self.state.prepared_queries.index, self.index);
        self.changes.touch(WatchKey::PreparedQueries);
        self.changes.touch(WatchKey::PreparedQuery(Key::uuid(&query.id)));
    }
}

impl State {
    /// Refuses a query that must not be written, in the words of Consul's state store and in its order. For the proposer: what
    /// a template may say depends on the version that reads it, so replicas that apply the command do not look at that.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn check_prepared_query(&self, query: &PreparedQuery) -> Result<(), String> {
        self.judge_prepared_query(query)?;
        if query.is_template() {
            Template::compile(query).map_err(|why| format!("failed compiling template: {why}"))?;
        }
        Ok(())
    }

    /// What the state alone decides.
    fn judge_prepared_query(&self, given: &PreparedQuery) -> Result<(), String> {
        let table = &self.prepared_queries;
        if given.id.is_empty() {
            return Err("Missing Query ID".to_owned());
        }
        let existing = table.get(&given.id);
        let is_other = |row: &PreparedRow| existing.is_none_or(|known| known.query.id != row.query.id);
        let name = &given.name;
        if !name.is_empty() {
            if table.named(name).is_some_and(is_other) {
                return Err(format!("name '{name}' aliases an existing query name"));
            }
        } else if given.is_template() && table.template("").is_some_and(is_other) {
            return Err("a query template with an empty name already exists".to_owned());
        }
        // Ids go before names where a query is looked up: a name like an id would never be found, or hide another's.
        if looks_like_id(name) && table.get(name).is_some() {
            return Err(format!("name '{name}' aliases an existing query ID"));
        }
        if !given.session.is_empty() && self.sessions.get(&given.session).is_none() {
            return Err(format!("invalid session {:?}", given.session));
        }
        Ok(())
    }
}

/// Whether a name has the usual form of a UUID.
pub(crate) fn looks_like_id(name: &str) -> bool {
    name.len() == 36 && Uuid::try_parse(name).is_ok()
}

#[cfg(test)]
mod tests;
