//! The commands, a file for each family. To add one: write it, and name it in [`ALL`].

pub mod acl;
pub mod catalog;
pub mod completion;
pub mod config;
pub mod debug;
pub mod event;
pub mod exec;
pub mod explain;
pub mod force_leave;
pub mod info;
pub mod intention;
pub mod join;
pub mod keygen;
pub mod keyring;
pub mod kv;
pub mod leave;
pub mod lock;
pub mod login;
pub mod maint;
pub mod members;
pub mod monitor;
pub mod operator;
pub mod plan;
pub mod plugin;
pub mod reload;
pub mod rtt;
pub mod services;
pub mod snapshot;
pub mod tls;
pub mod validate;
pub mod version;
pub mod watch;

use crate::command::Command;

/// All commands but `agent`.
pub const ALL: &[&Command] = &[
    &acl::auth_method::CREATE,
    &acl::auth_method::DELETE,
    &acl::auth_method::LIST,
    &acl::auth_method::READ,
    &acl::auth_method::UPDATE,
    &acl::binding_rule::CREATE,
    &acl::binding_rule::DELETE,
    &acl::binding_rule::LIST,
    &acl::binding_rule::READ,
    &acl::binding_rule::UPDATE,
    &acl::policy::CREATE,
    &acl::policy::DELETE,
    &acl::policy::LIST,
    &acl::policy::READ,
    &acl::policy::UPDATE,
    &acl::role::CREATE,
    &acl::role::DELETE,
    &acl::role::LIST,
    &acl::role::READ,
    &acl::role::UPDATE,
    &acl::start::BOOTSTRAP,
    &acl::start::SET_AGENT_TOKEN,
    &acl::start::TRANSLATE_RULES,
    &acl::token::CLONE,
    &acl::token::CREATE,
    &acl::token::DELETE,
    &acl::token::LIST,
    &acl::token::READ,
    &acl::token::UPDATE,
    &catalog::DATACENTERS,
    &catalog::NODES,
    &catalog::SERVICES,
    &completion::COMPLETION,
    &config::entry::DELETE,
    &config::entry::LIST,
    &config::entry::READ,
    &config::entry::WRITE,
    &config::status::STATUS,
    &debug::DEBUG,
    &event::EVENT,
    &exec::EXEC,
    &explain::SERVICE,
    &force_leave::FORCE_LEAVE,
    &info::INFO,
    &intention::create::CREATE,
    &intention::look::CHECK,
    &intention::look::DELETE,
    &intention::look::GET,
    &intention::look::MATCH,
    &join::JOIN,
    &keygen::KEYGEN,
    &keyring::KEYRING,
    &kv::DELETE,
    &kv::EXPORT,
    &kv::GET,
    &kv::IMPORT,
    &kv::PUT,
    &leave::LEAVE,
    &lock::LOCK,
    &login::LOGIN,
    &login::LOGOUT,
    &maint::MAINT,
    &members::MEMBERS,
    &monitor::MONITOR,
    &operator::autopilot::GET_CONFIG,
    &operator::autopilot::SET_CONFIG,
    &operator::autopilot::STATE,
    &operator::raft::LIST_PEERS,
    &operator::raft::REMOVE_PEER,
    &operator::raft::TRANSFER_LEADER,
    &plan::PLAN,
    &plugin::INSPECT,
    &plugin::LIST,
    &reload::RELOAD,
    &rtt::RTT,
    &services::DEREGISTER,
    &services::REGISTER,
    &snapshot::INSPECT,
    &snapshot::RESTORE,
    &snapshot::SAVE,
    &tls::ca::CREATE,
    &tls::cert::CREATE,
    &validate::VALIDATE,
    &version::VERSION,
    &watch::WATCH,
];

/// Commands of Consul that are known by name and refused until they are built.
pub const NOT_BUILT: &[&str] = &["connect", "peering", "resource", "troubleshoot"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// What the list for people says of a command is what becomes of it.
    #[test]
    fn the_list_of_commands_is_true() {
        let page = include_str!("../../http/COMPATIBILITY.md");
        let (_, page) = page.split_once("\n## Commands\n").unwrap();
        let (page, _) = page.split_once("\n## ").unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let listed: BTreeMap<&str, &str> = rows.map(|(name, rest)| (name, rest.split(" |").next().unwrap())).collect();
        for command in ALL {
            let state = listed.get(command.name);
            assert!(matches!(state, Some(&"same" | &"superset" | &"differs")), "{}: {state:?}", command.name);
        }
        for name in NOT_BUILT {
            assert_eq!(listed.get(name), Some(&"not built"), "{name}");
        }
        for (name, state) in listed {
            let built = name == "agent" || ALL.iter().any(|command| command.name == name);
            assert_eq!(built, state != "not built", "{name}");
        }
    }
}
