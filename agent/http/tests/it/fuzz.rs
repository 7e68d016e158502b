//! Arbitrary request targets never panic.

use lictor_http::fuzzing;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_target(method in "[A-Z]{0,8}", target in "\\PC*") {
        fuzzing::route(&method, &target);
    }

    #[test]
    fn targets_like_ours(
        method in prop::sample::select(vec!["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "POST"]),
        segments in prop::collection::vec(prop::sample::select(vec![
            "v1", "kv", "agent", "check", "history", "service", "query", "execute", "explain", "..", ".", "", "%2e%2e", "%2F", "%", "%zz", "health", "state", "é", "pass", "?", "a?index",
        ]), 0..9),
        query in "(&?(index|wait|max_stale|near|filter|node-meta|stale|consistent|dc)=?[0-9a-z%+:.&=\"-]{0,12}){0,5}",
    ) {
        fuzzing::route(method, &format!("/{}?{query}", segments.join("/")));
    }
}
