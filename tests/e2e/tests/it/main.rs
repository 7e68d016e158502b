//! Whole agents, seen from outside.

#![allow(clippy::unwrap_used)]

mod crash;
mod definitions;
mod lifecycle;
mod mutation;
mod reload;
