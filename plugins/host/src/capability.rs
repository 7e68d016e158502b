//! What a guest may be granted: one file per interface of the contract, each asking [`crate::grant`] first.

mod dns;
mod files;
mod http;
mod small;
mod starttls;
pub(crate) mod tcp;
mod tls;
pub(crate) mod udp;
