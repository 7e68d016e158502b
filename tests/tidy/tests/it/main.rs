//! Rules that matter run as tests; each names what to do instead.

mod arrows;
mod sources;
mod text;
mod tree;
