//! Whole agents, seen from outside.

mod crash;
mod definitions;
mod lifecycle;
mod mutation;
mod reload;
