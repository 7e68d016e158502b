//! The state store from outside.

#![allow(clippy::unwrap_used)]

mod equal;
mod model;
mod moves;
