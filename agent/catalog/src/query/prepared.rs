//! Which prepared query is meant by a name or id.

use crate::apply::looks_like_id;
use crate::schema::State;
use lictor_types::PreparedQuery;
use std::sync::Arc;

impl State {
    /// A prepared query by its id.
    pub fn prepared_query(&self, id: &str) -> Option<&Arc<PreparedQuery>> {
        self.prepared_queries.get(id).map(|row| &row.query)
    }

    /// The query that is executed for an id or a name: that of the id, else that of the name, else the template with the
    /// longest name that this one begins with. A template comes filled in.
    ///
    /// # Errors
    /// A sentence for the user: a template has no meaning without a name, or was written by a version that knows more.
    pub fn resolve_prepared_query(&self, name: &str) -> Result<Option<Arc<PreparedQuery>>, String> {
        if name.is_empty() {
            return Ok(None);
        }
        let table = &self.prepared_queries;
        if looks_like_id(name)
            && let Some(row) = table.get(name)
        {
            if row.query.is_template() {
                return Err("prepared query templates can only be resolved up by name, not by ID".to_owned());
            }
            return Ok(Some(row.query.clone()));
        }
        table.named(name).or_else(|| table.template_for(name)).map(|row| row.render(name)).transpose()
    }
}
