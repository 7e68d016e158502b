//! What is done to the rows of a reply after the catalog gave them: the filter expression, and the order by distance.

use lictor_catalog::{Catalog, QueryScope, State, WatchSet};
use lictor_filter::{Filter, Schema};
use lictor_rpc::ClusterError;
use lictor_types::coordinate::{Coordinate, NodeCoordinate};
use lictor_types::query::CheckServiceNode;
use lictor_types::{Query, QueryOptions, Reply, ServiceName, ServiceNode};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The filter and order of one query.
pub(crate) struct Refine<'a> {
    text: &'a str,
    filter: Option<Filter>,
    near: &'a str,
}

/// Where the nodes are; empty when no order is asked for.
#[derive(Default)]
pub(crate) struct Places {
    by_node: HashMap<String, Arc<NodeCoordinate>>,
    origin: Option<Arc<NodeCoordinate>>,
}

impl<'a> Refine<'a> {
    /// Parses the filter against the rows that the query answers with.
    pub(crate) fn new(query: &Query, options: &'a QueryOptions) -> Result<Self, ClusterError> {
        let (text, filter) = match Schema::of(query) {
            Some(schema) if !options.filter.is_empty() => {
                let filter = Filter::parse(&options.filter, schema)
                    .map_err(|error| ClusterError::BadRequest(error.evaluator_message()))?;
                (options.filter.as_str(), Some(filter))
            }
            _ => ("", None),
        };
        let near = if has_places(query) { options.near.as_str() } else { "" };
        Ok(Self { text, filter, near })
    }

    /// The filter as written; empty where none applies.
    pub(crate) fn filter_text(&self) -> &'a str {
        self.text
    }

    /// The node to sort by distance from; empty where none applies.
    pub(crate) fn near(&self) -> &'a str {
        self.near
    }

    /// Reads where the nodes are, if that is needed; `watch` then also fires when one of them moves.
    pub(crate) fn places(&self, catalog: &Catalog, watch: &mut WatchSet) -> Places {
        if self.near.is_empty() {
            return Places::default();
        }
        let Some((_, Reply::Coordinates(rows), of_rows)) = catalog.query(&Query::Coordinates, &QueryScope::default()) else {
            return Places::default();
        };
        watch.merge(&of_rows);
        Places::of(rows, self.near)
    }

    /// Leaves the services of which an instance fits, with the tags of those that do.
    pub(crate) fn services(&self, reply: &mut Reply, instances: impl FnOnce() -> Vec<ServiceNode>) {
        let Some(filter) = &self.filter else { return };
        let mut names: BTreeMap<ServiceName, Vec<String>> = BTreeMap::new();
        for row in instances().into_iter().filter(|row| filter.matches(row)) {
            names.entry(row.service_name).or_default().extend(row.service_tags);
        }
        for tags in names.values_mut() {
            tags.sort_unstable();
            tags.dedup();
        }
        *reply = Reply::Services(names);
    }

    /// Drops and sorts rows.
    pub(crate) fn apply(&self, reply: &mut Reply, places: &Places) {
        if let Some(filter) = &self.filter {
            filter.retain(reply);
        }
        // A node that nobody knows the place of gives no order, as in Consul.
        let Some(origin) = &places.origin else { return };
        let from = &origin.coord;
        match reply {
            Reply::Nodes(rows) => places.sort(from, rows, |row| &row.node),
            Reply::ServiceNodes(rows) => places.sort(from, rows, |row| &row.node),
            Reply::Checks(rows) => places.sort(from, rows, |row| &row.node),
            Reply::HealthService(rows) => places.sort(from, rows, |row| &row.node.node),
            _ => {}
        }
    }
}

impl Places {
    fn of(rows: Vec<Arc<NodeCoordinate>>, near: &str) -> Self {
        let by_node: HashMap<_, _> = rows.into_iter().map(|row| (row.node.to_lowercase(), row)).collect();
        let origin = by_node.get(&near.to_lowercase()).cloned();
        Self { by_node, origin }
    }

    /// Where the nodes are in a state, seen from one of them.
    pub(crate) fn around(state: &State, near: &str) -> Self {
        match state.query(&Query::Coordinates, &QueryScope::default(), None) {
            Some((_, Reply::Coordinates(rows))) => Self::of(rows, near),
            _ => Self::default(),
        }
    }

    /// Sorts instances by the distance of their nodes; leaves the order as it is when the place to see from is not known.
    pub(crate) fn sort_instances(&self, rows: &mut [CheckServiceNode]) {
        if let Some(origin) = &self.origin {
            self.sort(&origin.coord, rows, |row| &row.node.node);
        }
    }

    /// Nearest first; those whose place is not known last; else the order stays.
    fn sort<T>(&self, from: &Coordinate, rows: &mut [T], node: impl Fn(&T) -> &str) {
        rows.sort_by_cached_key(|row| {
            let distance = self.by_node.get(&node(row).to_lowercase()).and_then(|place| from.distance(&place.coord));
            // Distances are not negative, so their bits sort as they do.
            distance.filter(|d| *d >= 0.0).map_or(u64::MAX, f64::to_bits)
        });
    }
}

fn has_places(query: &Query) -> bool {
    matches!(
        query,
        Query::Nodes
            | Query::ServiceNodes { .. }
            | Query::NodeChecks(_)
            | Query::ServiceChecks(_)
            | Query::ChecksInState(_)
            | Query::HealthService { .. }
    )
}
