#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]
//! Configuration: HCL, JSON, TOML and flags become one validated [`RuntimeConfig`] and a set of definitions.
//!
//! Owns: the option table, reading and merging of sources, quarantine of bad files, the difference between two loads, the
//! watcher of the files.
//! Never: applies anything, opens a socket, starts a check, reads the data directory.
//! Entry points, in the order an agent uses them:
//!
//! ```no_run
//! # async fn agent() -> Result<(), Box<dyn std::error::Error>> {
//! use lictor_config::{ConfigDiff, Loader, Sources, Watcher};
//! let sources = Sources::from_args(std::env::args().skip(2))?; // after `lictor agent`; may ask for help
//! let mut loader = Loader::new(sources);
//! let mut running = loader.load()?; // start-up: an error lists every problem
//! let shutdown = lictor_net::Shutdown::new();
//! let mut watcher = Watcher::start(loader.watched_paths(), &shutdown);
//! while watcher.changed().await {
//!     let next = loader.load()?; // cheap when nothing changed; bad files are quarantined, not fatal
//!     let diff = ConfigDiff::between(&running, &next); // added / changed / removed / options
//!     // … apply it …
//!     running = next;
//! }
//! # Ok(()) }
//! ```
//!
//! [`validate::validate`] serves `lictor validate`; [`options::docs`] and [`options::flag_help`] the documentation.

mod claims;
mod definitions;
mod diff;
mod error;
mod flags;
mod fragment;
mod load;
mod merge;
pub mod options;
mod resolve;
pub mod runtime;
mod sockaddr;
mod sources;
pub mod validate;
mod watch;
mod weak;

pub use diff::ConfigDiff;
pub use error::{FlagError, LoadError};
pub use lictor_syntax as syntax;
pub use lictor_syntax::tree;
pub use load::{Loaded, Loader};
pub use runtime::RuntimeConfig;
pub use sources::{PathSource, Sources};
pub use watch::Watcher;
