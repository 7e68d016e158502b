//! Rows shown as they are stored: no tags are `null`, which the catalog's endpoints show as an empty list.

use lictor_types::{HealthCheck, NodeService};
use serde_json::Value;

pub(crate) fn service(row: &NodeService) -> Option<Value> {
    without_empty(serde_json::to_value(row).ok()?, "Tags")
}

pub(crate) fn check(row: &HealthCheck) -> Option<Value> {
    without_empty(serde_json::to_value(row).ok()?, "ServiceTags")
}

fn without_empty(mut row: Value, name: &str) -> Option<Value> {
    if let Some(list) = row.get_mut(name)
        && list.as_array().is_some_and(Vec::is_empty)
    {
        *list = Value::Null;
    }
    Some(row)
}
