//! The tables, one file each: rows, their secondary indexes, and the table's raft index. Tables know nothing of each other;
//! what spans them is in `apply`.

mod acl;
mod checks;
mod config_entries;
mod coordinates;
mod intentions;
mod kv;
mod nodes;
mod prepared_queries;
mod services;
mod sessions;

pub(crate) use acl::Acl;
pub(crate) use checks::Checks;
pub(crate) use config_entries::ConfigEntries;
pub(crate) use coordinates::Coordinates;
pub(crate) use intentions::Intentions;
pub(crate) use kv::Kv;
pub(crate) use nodes::Nodes;
pub(crate) use prepared_queries::{PreparedQueries, PreparedRow};
pub(crate) use services::{Placed, Services, connect_target};
pub(crate) use sessions::{Sessions, checks_of};
