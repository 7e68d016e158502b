//! The datacenter, on a server agent: answers queries and carries out writes.
//!
//! Owns: `Server` (the `Cluster` of server agents): authorization, consistency, blocking queries, the cache of answers, what is
//! refused before raft, passing on to the leader and to other datacenters,
//! how many requests are taken, and the duties of the leader (members into the catalog, sessions and tokens that run out, old tombstones).
//! Never: parses HTTP or DNS; keeps state of its own that isn't in the catalog (but for timers).
//! Entry points: [`Server::start`], [`Server::start_linked`], [`ServerSettings`], [`Links`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod acl;
mod authorize;
mod blocking;
mod bootstrap;
mod cache;
mod consistency;
mod distance;
mod events;
mod forward;
mod leader;
mod limit;
mod links;
mod prepared;
mod query;
mod refine;
mod server;
mod settings;
mod snapshot;
mod txn;
mod uuid_text;
mod write;

pub use acl::{AclSettings, TokenLimits};
pub use limit::{LimitMode, RequestLimits};
pub use links::{DistantServer, DistantServers, GossipDoor, IdentityDoor, Links};
pub use server::Server;
pub use settings::ServerSettings;
