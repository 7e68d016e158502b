//! The commands, a file for each family. To add one: write it, and name it in [`ALL`].

pub mod catalog;
pub mod config;
pub mod info;
pub mod keygen;
pub mod kv;
pub mod leave;
pub mod maint;
pub mod members;
pub mod plan;
pub mod reload;
pub mod services;
pub mod validate;
pub mod version;

use crate::command::Command;

/// All commands but `agent`.
pub const ALL: &[&Command] = &[
    &catalog::DATACENTERS,
    &catalog::NODES,
    &catalog::SERVICES,
    &config::STATUS,
    &info::INFO,
    &keygen::KEYGEN,
    &kv::DELETE,
    &kv::EXPORT,
    &kv::GET,
    &kv::IMPORT,
    &kv::PUT,
    &leave::LEAVE,
    &maint::MAINT,
    &members::MEMBERS,
    &plan::PLAN,
    &reload::RELOAD,
    &services::DEREGISTER,
    &services::REGISTER,
    &validate::VALIDATE,
    &version::VERSION,
];

/// Commands of Consul that are known by name and refused until they are built.
pub const NOT_BUILT: &[&str] = &[
    "acl",
    "connect",
    "debug",
    "event",
    "exec",
    "force-leave",
    "intention",
    "join",
    "keyring",
    "lock",
    "login",
    "logout",
    "monitor",
    "operator",
    "peering",
    "resource",
    "rtt",
    "snapshot",
    "tls",
    "troubleshoot",
    "watch",
];
