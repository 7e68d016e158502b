//! Prepared queries, by id, by name, by the prefix they are a template for, and by the session they end with.

use crate::key::{Key, Pair, PairRef, fold, uuid_digits};
use crate::template::Template;
use imbl::OrdMap;
use lictor_types::{Index, PreparedQuery};
use std::sync::Arc;

/// A query, and its template taken apart.
#[derive(Clone, Debug)]
pub(crate) struct PreparedRow {
    pub(crate) query: Arc<PreparedQuery>,
    /// `None` for a query that is no template, and for a template that this version cannot read.
    template: Option<Arc<Template>>,
}

impl PreparedRow {
    pub(crate) fn new(query: Arc<PreparedQuery>) -> Self {
        let template = query.is_template().then(|| Template::compile(&query).ok()).flatten().map(Arc::new);
        Self { query, template }
    }

    /// The query for a name, which is the query itself if it is no template.
    pub(crate) fn render(&self, name: &str) -> Result<Arc<PreparedQuery>, String> {
        match &self.template {
            Some(template) => Ok(Arc::new(template.render(&self.query, name))),
            None if self.query.is_template() => {
                Err(format!("the template of prepared query '{}' cannot be read by this version", self.query.id))
            }
            None => Ok(self.query.clone()),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct PreparedQueries {
    /// Index of the last change to the table.
    pub(crate) index: Index,
    rows: OrdMap<Key, PreparedRow>,
    by_name: OrdMap<Key, Key>,
    /// Templates by their name, which may be empty.
    by_prefix: OrdMap<Key, Key>,
    by_session: OrdMap<Pair, ()>,
}

impl PreparedQueries {
    pub(crate) fn get(&self, id: &str) -> Option<&PreparedRow> {
        self.rows.get(uuid_digits(id).as_str())
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All queries, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<PreparedQuery>> {
        self.rows.values().map(|row| &row.query)
    }

    /// The query of exactly that name; an empty one names none.
    pub(crate) fn named(&self, name: &str) -> Option<&PreparedRow> {
        self.by_name.get(&*fold(name)).and_then(|id| self.rows.get(id))
    }

    /// The template with exactly that name, also the empty one.
    pub(crate) fn template(&self, prefix: &str) -> Option<&PreparedRow> {
        self.by_prefix.get(&*fold(prefix)).and_then(|id| self.rows.get(id))
    }

    /// The template with the longest name that the given one begins with.
    pub(crate) fn template_for(&self, name: &str) -> Option<&PreparedRow> {
        let name = fold(name);
        let ends = name.char_indices().map(|(at, _)| at).rev();
        let id = std::iter::once(name.len()).chain(ends).find_map(|end| self.by_prefix.get(name.get(..end)?))?;
        self.rows.get(id)
    }

    /// Ids of the queries that end with a session.
    pub(crate) fn of_session(&self, session: &str) -> Vec<Key> {
        let session = fold(session);
        self.by_session
            .range::<_, PairRef<'_>>(PairRef(&session, "")..)
            .take_while(|(key, ())| key.0.as_str() == session)
            .map(|(key, ())| key.1.clone())
            .collect()
    }

    pub(crate) fn insert(&mut self, row: PreparedRow) {
        self.remove(&row.query.id);
        let query = &row.query;
        let id = Key::uuid(&query.id);
        let name = Key::exact(&fold(&query.name));
        if !query.name.is_empty() {
            self.by_name.insert(name.clone(), id.clone());
        }
        if query.is_template() {
            self.by_prefix.insert(name, id.clone());
        }
        if !query.session.is_empty() {
            self.by_session.insert(Pair(Key::exact(&fold(&query.session)), id.clone()), ());
        }
        self.rows.insert(id, row);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<PreparedQuery>> {
        let id = uuid_digits(id);
        let query = self.rows.remove(id.as_str())?.query;
        let name = fold(&query.name);
        self.by_name.remove(&*name);
        if query.is_template() {
            self.by_prefix.remove(&*name);
        }
        self.by_session.remove(&PairRef(&fold(&query.session), &id));
        Some(query)
    }
}
