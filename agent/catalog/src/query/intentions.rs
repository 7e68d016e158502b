//! Intentions in the order in which they count.

use crate::schema::State;
use lictor_types::intention::{Intention, IntentionAction, IntentionEnd, QualifiedName, WILDCARD};
use std::sync::Arc;

impl State {
    pub(super) fn intentions_in_order(&self) -> Vec<Arc<Intention>> {
        let mut rows: Vec<Arc<Intention>> = self.intentions.iter().cloned().collect();
        rows.sort_by(|a, b| a.order(b));
        rows
    }

    /// An intention by its id.
    pub fn intention(&self, id: &str) -> Option<&Arc<Intention>> {
        self.intentions.get(id)
    }

    /// The intention about exactly this pair; wildcards stand for themselves.
    pub fn exact_intention(&self, source: &QualifiedName, destination: &QualifiedName) -> Option<&Arc<Intention>> {
        self.intentions.exact(source, destination)
    }

    /// Those that count for a service at one end, the first that fits at the front.
    pub(super) fn matching_intentions(&self, end: IntentionEnd, name: &QualifiedName) -> Vec<Arc<Intention>> {
        let is = |given: &str, wanted: &str| given.to_lowercase() == wanted.to_lowercase();
        let mut rows: Vec<Arc<Intention>> = self
            .intentions
            .iter()
            .filter(|row| {
                let (namespace, service) = match end {
                    IntentionEnd::Source => (&row.source_ns, &row.source_name),
                    IntentionEnd::Destination => (&row.destination_ns, &row.destination_name),
                };
                let of_namespace = is(namespace, &name.namespace) && (service == WILDCARD || is(service, &name.name));
                of_namespace || (namespace == WILDCARD && service == WILDCARD)
            })
            .cloned()
            .collect();
        rows.sort_by(|a, b| a.order(b));
        rows
    }

    /// What the intentions say of a connection; `None`: nothing. The name of the source is compared as it is written.
    pub fn judge_connection(&self, source: &str, destination: &QualifiedName) -> Option<bool> {
        let rows = self.matching_intentions(IntentionEnd::Destination, destination);
        let fits = rows.iter().find(|row| row.source_name == WILDCARD || row.source_name == source);
        fits.map(|row| row.action == IntentionAction::Allow)
    }
}
