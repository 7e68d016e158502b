//! A prepared query, and the name by which it is executed: two lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lictor_fuzz::rows;
use lictor_types::{Command, Index, Outcome, PreparedQueryVerb};

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (body, name) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Some(mut query) = lictor_http::fuzzing::prepared_query(body) else { return };
    query.id = rows::QUERY.to_owned();
    let catalog = rows::catalog();
    let command = Command::PreparedQuery { verb: PreparedQueryVerb::Create, query: Box::new(query) };
    match catalog.apply(Index(100), &command) {
        Outcome::Refused(_) => {}
        Outcome::Done => {
            let state = catalog.snapshot();
            assert!(state.prepared_query(rows::QUERY).is_some(), "what was taken is not there");
            for name in [&*String::from_utf8_lossy(name), rows::QUERY] {
                if let Ok(Some(found)) = state.resolve_prepared_query(name) {
                    assert!(!found.is_template() || found.service.service.len() < 1 << 20, "{found:?}");
                }
            }
        }
        other => panic!("{other:?}"),
    }
});
