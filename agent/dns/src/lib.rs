//! The DNS front door: names of nodes and services, answered from the cluster's memory.
//!
//! Owns: the parsing of question names, the building and trimming of answers, the forwarding to recursors, the sockets.
//! Never: knows what an agent is, reads the catalog other than through [`lictor_rpc::Cluster`], knows anything of HTTP.
//! Entry points: [`DnsServer::bind`], [`DnsSettings`]; [`resolver::Resolver`] for a question without a socket.
//!
//! The sockets belong to `hickory_server::Server`, over UDP and over TCP: it reads and decodes messages, and writes what
//! its `RequestHandler`, the resolver, answers. A query costs: decode, one lookup in the cache of prepared answers (valid
//! while the cluster answers with the same [`lictor_rpc::Content`]), a partial shuffle and an encode.
//!
//! No loop of our own stands before it for plain questions: a socket has one reader, and at 9 to 12 µs of processor time
//! for a question over UDP (`examples/throughput.rs`) the library is fast enough to keep it simple.
//!
//! What follows from the library: names are always compressed, so `disable_compression` only lowers what is put into an
//! answer, as if it were sent uncompressed. The questions of one TCP connection are answered one after another. The number
//! of TCP connections is limited by the process's file descriptors alone; a silent one is closed after ten seconds.

#![forbid(unsafe_code)]

mod answer;
mod cache;
mod error;
mod events;
mod message;
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
