//! The body of a transaction: decoded, then applied to a catalog that has a row of each kind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lictor_fuzz::rows;
use lictor_types::{Command, Index, Outcome};

fuzz_target!(|bytes: &[u8]| {
    let Some(ops) = lictor_http::fuzzing::txn(bytes) else { return };
    let catalog = rows::catalog();
    let count = ops.len();
    let Outcome::Txn(reply) = catalog.apply(Index(100), &Command::Txn { ops, now_unix_ms: 1_000_000 }) else {
        panic!("a transaction answers as one")
    };
    if reply.errors.is_empty() {
        // Reads of a prefix answer with all keys: the two there are, and those that the operations before it wrote.
        assert!(reply.results.len() <= count * (2 + count), "{} results of {count} operations", reply.results.len());
        return;
    }
    assert!(reply.results.is_empty(), "a failure has results");
    assert!(reply.errors.iter().all(|error| error.op_index < count), "{:?}", reply.errors);
    let untouched = rows::catalog();
    untouched.advance(Index(100));
    assert!(rows::saved(&catalog) == rows::saved(&untouched), "a failure changed the state");
});
