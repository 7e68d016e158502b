//! The one authorization point.
//!
//! Owns: what may be asked for ([`Permission`]), who decides ([`Authorizer`]), and how a token becomes an authorizer
//! ([`Acl::resolve`]).
//! Never: fetches a token itself; does IO.
//! Entry points: [`Acl::resolve`], [`Authorizer::check`], [`Permission::of_query`], [`Permission::of_command`].
//!
//! There are no policies yet: every token may do everything. Every query and every command passes here all the same, with
//! its caller's token, so that policies come by changing this room alone.

#![forbid(unsafe_code)]

mod authorizer;
mod permission;

pub use authorizer::{Acl, Authorizer, Denied};
pub use permission::{Access, Permission, Resource};
