//! The DNS front door: names of nodes and services, answered from the cluster's memory.
//!
//! Owns: the parsing of question names, the building and trimming of answers, the forwarding to recursors, the UDP and TCP loops.
//! Never: knows what an agent is, reads the catalog other than through [`lictor_rpc::Cluster`], knows anything of HTTP.
//! Entry points: [`DnsServer::bind`], [`DnsSettings`]; [`resolver::Resolver`] for a question without a socket.
//!
//! A query costs: decode, one lookup in the cache of prepared answers (valid while the cluster answers with the same
//! [`lictor_rpc::Content`]), a partial shuffle and an encode. The loops are our own and not hickory's server, so that
//! the common case is answered in the task that received it, without a task and a queue per packet; hickory's decoder
//! reads what comes from outside.

#![forbid(unsafe_code)]

mod answer;
mod cache;
mod error;
mod events;
pub mod name;
pub mod recursor;
mod request;
pub mod resolver;
mod server;
mod settings;
mod wire;

pub use error::BindError;
pub use resolver::{Resolver, Transport};
pub use server::DnsServer;
pub use settings::{DnsSettings, RecursorStrategy, SoaSettings};
