//! An expression ready for use.

use crate::compile::{Test, compile};
use crate::error::FilterError;
use crate::parse::parse;
use crate::row::Row;
use crate::schema::Schema;
use lictor_types::Reply;

/// A checked expression over rows of one [`Schema`].
#[derive(Debug)]
pub struct Filter {
    /// `None`: everything matches.
    test: Option<Test>,
}

impl Filter {
    /// Parses an expression and checks it against the fields of the rows. The empty expression matches everything
    /// (an expression of blanks alone is an error, as in Consul).
    pub fn parse(expression: &str, schema: Schema) -> Result<Self, FilterError> {
        if expression.is_empty() {
            return Ok(Self { test: None });
        }
        Ok(Self { test: Some(compile(parse(expression)?, schema.fields())?) })
    }

    /// Whether every row matches because there is no expression.
    pub fn is_empty(&self) -> bool {
        self.test.is_none()
    }

    /// Whether a row matches. Rows of `lictor-types` implement [`Row`].
    pub fn matches(&self, row: &dyn Row) -> bool {
        self.test.as_ref().is_none_or(|test| test.holds(row))
    }

    /// Drops the rows of a reply that do not match. Replies that are not filtered (see [`Schema::of`]) stay as they are.
    pub fn retain(&self, reply: &mut Reply) {
        let Some(test) = &self.test else { return };
        match reply {
            Reply::Nodes(rows) => rows.retain(|row| test.holds(row)),
            Reply::ServiceNodes(rows) => rows.retain(|row| test.holds(row)),
            Reply::NodeServices(Some(node)) => node.services.retain(|_, row| test.holds(row)),
            Reply::NodeServiceList(Some(node)) => node.services.retain(|row| test.holds(row)),
            Reply::Checks(rows) => rows.retain(|row| test.holds(row)),
            Reply::HealthService(rows) => rows.retain(|row| test.holds(row)),
            Reply::ConfigEntries(rows) => rows.retain(|row| test.holds(row)),
            Reply::Intentions(rows) => rows.retain(|row| test.holds(row)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
