//! The one authorization point.
//!
//! Owns: the rule language ([`Rules`]), what may be asked for ([`Permission`]), who decides ([`Authorizer`]), what a token's
//! policies come to ([`Authorizer::of_identity`]), and what an agent remembers of tokens that others know ([`Remembered`]).
//! Never: fetches a token itself; does IO; reads a clock.
//! Entry points: [`Authorizer::of_identity`], [`Authorizer::check`], [`Permission::of_query`], [`Permission::of_command`],
//! [`Rules::parse`], [`translate`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod agent_tokens;
mod authorizer;
mod granted;
mod identity;
mod level;
mod names;
mod permission;
mod remembered;
mod rules;

pub use agent_tokens::{AgentTokens, TokenKind, TokenSet};
pub use authorizer::{Authorizer, Denied};
pub use granted::{Defaults, Granted};
pub use identity::{MANAGEMENT_RULES, node_policy, service_policy};
pub use level::Level;
pub use permission::{Access, Permission, Resource};
pub use remembered::{DownPolicy, Known, Remembered};
pub use rules::{Area, Kind, Rule, RuleError, Rules, Syntax, translate};
