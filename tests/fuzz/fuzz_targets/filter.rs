//! A filter expression, against every kind of row.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lictor_filter::{Filter, Row, Schema};
use lictor_types::query::CheckServiceNode;
use lictor_types::{HealthCheck, Node, NodeService};
use std::sync::Arc;

const SCHEMAS: [Schema; 7] = [
    Schema::Node,
    Schema::ServiceNode,
    Schema::NodeService,
    Schema::HealthCheck,
    Schema::CheckServiceNode,
    Schema::AgentService,
    Schema::AgentCheck,
];

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for schema in SCHEMAS {
        match Filter::parse(&text, schema) {
            Ok(filter) => {
                let Some(row) = row(schema) else { continue };
                let matched = filter.matches(&*row);
                assert_eq!(matched, filter.matches(&*row));
                assert!(!filter.is_empty() || matched);
            }
            Err(error) => drop((error.to_string(), error.evaluator_message())),
        }
    }
});

fn row(schema: Schema) -> Option<Box<dyn Row>> {
    let service = NodeService {
        id: "a".into(),
        service: "a".into(),
        tags: vec!["a".to_owned(), String::new()],
        meta: [("a".to_owned(), "b".to_owned())].into(),
        ..NodeService::default()
    };
    let node = Node { node: "a".into(), meta: Some([("a".to_owned(), "b".to_owned())].into()), ..Node::default() };
    Some(match schema {
        Schema::Node => Box::new(node),
        Schema::HealthCheck | Schema::AgentCheck => Box::new(HealthCheck::default()),
        Schema::NodeService | Schema::AgentService => Box::new(service),
        // Its fields are those of the others.
        Schema::ServiceNode => return None,
        Schema::CheckServiceNode => Box::new(CheckServiceNode {
            node: Arc::new(node),
            service: Arc::new(service),
            checks: vec![Arc::new(HealthCheck::default())],
        }),
    })
}
