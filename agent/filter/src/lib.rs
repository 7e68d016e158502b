//! Filter expressions: `?filter=` of the HTTP API.
//!
//! Owns: the expression language (grammar, its errors, selectors and their types per row, evaluation).
//! Never: does IO; turns a row into JSON to look at it; panics on an expression from outside.
//! Entry points: [`Filter::parse`], [`Filter::matches`], [`Filter::retain`], [`Schema::of`].
//!
//! Language: `Selector == value`, `!=`, `in`, `not in`, `contains`, `not contains`, `is empty`, `is not empty`, `matches`,
//! `not matches`, joined by `and`, `or`, `not` and parentheses. See Consul's documentation of filtering, "API features".

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod compile;
mod error;
mod filter;
mod literal;
mod parse;
mod pattern;
mod row;
mod rows;
mod schema;

pub use error::FilterError;
pub use filter::Filter;
pub use row::{Map, Row, Rows, Value};
pub use schema::Schema;

/// Longest expression taken, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of parentheses and `not` taken.
pub const DEPTH_MAX: usize = 128;
