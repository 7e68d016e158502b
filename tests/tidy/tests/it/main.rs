//! Rules that matter run as tests; each names what to do instead.

#![allow(clippy::unwrap_used)]

mod arrows;
mod sources;
mod text;
mod tree;
