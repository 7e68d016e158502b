//! The HTTP front door: Consul's HTTP API over [`lictor_rpc::Cluster`] and [`lictor_rpc::Node`].
//!
//! Owns: listeners for HTTP (TCP and unix sockets), the closed list of routes, query parameters, JSON shapes, headers, the
//! pairing of errors with a status.
//! Never: names raft, catalog, gossip, local or a plugin engine; decides who may do what; keeps state of the domain.
//! Entry points: [`HttpServer::bind`], then [`HttpServer::serve`]; [`HttpSettings`].
//!
//! Shapes, texts and headers are those of HashiCorp Consul 1.8's HTTP API (<https://developer.hashicorp.com/consul/api-docs>).

#![forbid(unsafe_code)]

mod acl;
mod agent;
mod body;
mod cache;
mod catalog;
mod config_entry;
mod coordinate;
mod decode;
mod dispatch;
mod error;
mod event;
mod events;
mod explain;
mod gather;
mod health;
mod intention;
mod internal;
mod json;
mod kv;
mod operator;
mod params;
mod path;
mod patience;
mod prepared_query;
mod reply_body;
mod respond;
mod route;
mod server;
mod session;
mod settings;
mod shape;
mod snapshot;
mod status;
mod stream;
mod txn;
mod wan;

pub use server::{BindError, HttpServer};
pub use settings::{HttpSettings, Listen, UnixSocket};

/// Doors into the room for its own tests and for fuzzing: pure functions over outside bytes.
#[doc(hidden)]
pub mod fuzzing {
    /// Routes a method and a raw request target; must never panic.
    pub fn route(method: &str, target: &str) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let _ = crate::route::resolve(method, path, query);
        let params = crate::params::Params::parse(query);
        let _ = crate::params::read_options(&params, &http::HeaderMap::new(), &crate::params::Defaults::default());
    }

    /// Reads the body of a transaction; `None` if it is refused.
    pub fn txn(body: &[u8]) -> Option<Vec<lictor_types::TxnOp>> {
        crate::decode::txn::ops(body).ok().map(|ops| ops.into_iter().flatten().collect())
    }

    /// Reads the body of a prepared query; `None` if it is refused.
    pub fn prepared_query(body: &[u8]) -> Option<lictor_types::PreparedQuery> {
        let body = serde_json::from_slice(body).ok()?;
        crate::decode::prepared_query::query(body).ok()
    }
}
