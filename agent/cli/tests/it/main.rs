//! Commands against a small fake of the HTTP API: what they ask, what they print, how they exit.

#![allow(clippy::unwrap_used)]

mod acl;
mod agent;
mod fake;
mod lock;
mod mesh;
mod operator;
mod snapshot;
mod watch;
