//! Access control.

use super::Judge;
use crate::runtime::{AclDown, AclSettings, AclTokens};
use lictor_types::Token;
use std::time::Duration;

/// The first of several names of an option that is given; else the default of the first.
fn given<'k>(judge: &Judge<'_>, names: &[&'k str]) -> &'k str {
    let is_given = |name: &&&str| judge.settings.set(name).is_some();
    names.iter().find(is_given).or(names.first()).copied().unwrap_or_default()
}

pub(super) fn acl(judge: &mut Judge<'_>) -> AclSettings {
    let s = judge.settings;
    let enabled = s.flag("acl.enabled") || !s.text("acl_datacenter").is_empty();
    let default_policy = given(judge, &["acl.default_policy", "acl_default_policy"]);
    let default_allow = match s.text(default_policy).as_str() {
        "" | "allow" => true,
        "deny" => false,
        other => {
            judge.problem(default_policy, format!("Unsupported default ACL policy: {other}"), "use allow or deny");
            false
        }
    };
    let down_policy = given(judge, &["acl.down_policy", "acl_down_policy"]);
    let down = match s.text(down_policy).as_str() {
        "" | "extend-cache" => AclDown::ExtendCache,
        "async-cache" => AclDown::AsyncCache,
        "allow" => AclDown::Allow,
        "deny" => AclDown::Deny,
        other => {
            let hint = "use allow, deny, extend-cache or async-cache";
            judge.problem(down_policy, format!("Unsupported down ACL policy: {other}"), hint);
            AclDown::Deny
        }
    };
    // One answer holds token, roles and policies: it may be as old as the one that may be kept shortest.
    let ttl = [given(judge, &["acl.token_ttl", "acl_ttl"]), "acl.policy_ttl", "acl.role_ttl"];
    let ttl = ttl.iter().map(|key| s.duration(key)).min().unwrap_or(Duration::ZERO);
    let token = |names: &[&str]| {
        let texts = names.iter().map(|name| s.text(name));
        Token::new(&texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default())
    };
    AclSettings {
        enabled,
        default_allow,
        down,
        ttl,
        key_list: s.flag(given(judge, &["acl.enable_key_list_policy", "acl_enable_key_list_policy"])),
        persist_tokens: s.flag("acl.enable_token_persistence"),
        tokens: AclTokens {
            initial_management: token(&["acl.tokens.initial_management", "acl.tokens.master", "acl_master_token"]),
            default: token(&["acl.tokens.default", "acl_token"]),
            agent: token(&["acl.tokens.agent", "acl_agent_token"]),
            recovery: token(&["acl.tokens.agent_recovery", "acl.tokens.agent_master", "acl_agent_master_token"]),
            replication: token(&["acl.tokens.replication", "acl_replication_token"]),
            dns: token(&["acl.tokens.dns"]),
        },
    }
}
