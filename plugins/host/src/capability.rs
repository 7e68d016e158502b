//! What a guest may be granted: one file per interface of the contract, each asking [`crate::grant`] first.

mod dns;
mod http;
mod small;
pub(crate) mod tcp;
pub(crate) mod udp;
