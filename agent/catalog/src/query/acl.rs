//! Policies, roles, tokens, auth methods and binding rules. Secrets are in the answers: whoever asks hides them.

use crate::schema::State;
use crate::watch::AclTable;
use lictor_types::acl::{
    AclAuthMethod, AclBindingRule, AclLink, AclPolicy, AclQuery, AclReply, AclRole, AclToken, AclTokenFilter,
};
use lictor_types::{Index, Token};
use std::sync::Arc;

/// The table that a question is about; `None`: the catalog does not answer it.
pub(crate) fn table_of(query: &AclQuery) -> Option<AclTable> {
    Some(match query {
        AclQuery::Policies | AclQuery::Policy(_) | AclQuery::PolicyNamed(_) => AclTable::Policies,
        AclQuery::Roles(_) | AclQuery::Role(_) | AclQuery::RoleNamed(_) => AclTable::Roles,
        AclQuery::Tokens(_) | AclQuery::Token(_) | AclQuery::Own(_) => AclTable::Tokens,
        AclQuery::AuthMethods | AclQuery::AuthMethod(_) => AclTable::AuthMethods,
        AclQuery::BindingRules(_) | AclQuery::BindingRule(_) => AclTable::BindingRules,
        AclQuery::Resolve { .. } | AclQuery::Judge(_) | AclQuery::Replication => return None,
    })
}

/// What of the state decides about what a token may do. While it is equal, so is the decision, but for tokens that end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AclVersion([Index; 4]);

impl State {
    pub(super) fn acl_reply(&self, query: &AclQuery) -> Option<AclReply> {
        let acl = &self.acl;
        let one = |row: Option<Arc<AclToken>>| AclReply::Tokens(row.into_iter().collect());
        Some(match query {
            AclQuery::Policies => AclReply::Policies(acl.policies.iter().cloned().collect()),
            AclQuery::Policy(id) => AclReply::Policies(acl.policies.get(id).cloned().into_iter().collect()),
            AclQuery::PolicyNamed(name) => AclReply::Policies(acl.policies.named(name).cloned().into_iter().collect()),
            AclQuery::Roles(policy) => {
                let has = |role: &Arc<AclRole>| policy.is_empty() || role.policies.iter().any(|link| link.id == *policy);
                AclReply::Roles(acl.roles.iter().filter(|role| has(role)).map(|role| self.with_names_of_role(role)).collect())
            }
            AclQuery::Role(id) => AclReply::Roles(self.acl_role(id).into_iter().collect()),
            AclQuery::RoleNamed(name) => AclReply::Roles(self.acl_role_named(name).into_iter().collect()),
            AclQuery::Tokens(filter) => {
                let rows = acl.tokens.iter().filter(|token| is_meant(filter, token));
                AclReply::Tokens(rows.map(|token| self.with_names(token)).collect())
            }
            AclQuery::Token(accessor) => one(self.acl_token(accessor)),
            AclQuery::Own(secret) => one(self.acl_token_of(secret)),
            AclQuery::AuthMethods => AclReply::AuthMethods(acl.methods.iter().cloned().collect()),
            AclQuery::AuthMethod(name) => AclReply::AuthMethods(acl.methods.get(name).cloned().into_iter().collect()),
            AclQuery::BindingRules(method) => {
                let meant = |rule: &&Arc<AclBindingRule>| method.is_empty() || rule.auth_method == *method;
                AclReply::BindingRules(acl.rules.iter().filter(meant).cloned().collect())
            }
            AclQuery::BindingRule(id) => AclReply::BindingRules(acl.rules.get(id).cloned().into_iter().collect()),
            AclQuery::Resolve { .. } | AclQuery::Judge(_) | AclQuery::Replication => return None,
        })
    }

    pub(super) fn acl_index(&self, query: &AclQuery) -> Option<Index> {
        let acl = &self.acl;
        Some(match table_of(query)? {
            AclTable::Policies => acl.policies.index,
            // Their links go with the policies.
            AclTable::Roles => acl.roles.index,
            AclTable::Tokens => acl.tokens.index,
            AclTable::AuthMethods => acl.methods.index,
            AclTable::BindingRules => acl.rules.index,
        })
    }

    /// See [`AclVersion`].
    pub fn acl_version(&self) -> AclVersion {
        AclVersion([self.acl.policies.index, self.acl.roles.index, self.acl.tokens.index, self.restored])
    }

    /// A policy by id.
    pub fn acl_policy(&self, id: &str) -> Option<&Arc<AclPolicy>> {
        self.acl.policies.get(id)
    }

    /// A policy by name.
    pub fn acl_policy_named(&self, name: &str) -> Option<&Arc<AclPolicy>> {
        self.acl.policies.named(name)
    }

    /// A role by id, its links called as their policies are now; links to policies that are gone are left out.
    pub fn acl_role(&self, id: &str) -> Option<Arc<AclRole>> {
        self.acl.roles.get(id).map(|role| self.with_names_of_role(role))
    }

    /// A role by name, as [`State::acl_role`].
    pub fn acl_role_named(&self, name: &str) -> Option<Arc<AclRole>> {
        self.acl.roles.named(name).map(|role| self.with_names_of_role(role))
    }

    /// A token by accessor id, its links as in [`State::acl_role`].
    pub fn acl_token(&self, accessor: &str) -> Option<Arc<AclToken>> {
        self.acl.tokens.of_accessor(accessor).map(|token| self.with_names(token))
    }

    /// A token by secret, as [`State::acl_token`].
    pub fn acl_token_of(&self, secret: &Token) -> Option<Arc<AclToken>> {
        self.acl.tokens.get(secret.secret()).map(|token| self.with_names(token))
    }

    /// An auth method by name.
    pub fn acl_auth_method(&self, name: &str) -> Option<&Arc<AclAuthMethod>> {
        self.acl.methods.get(name)
    }

    /// A binding rule by id.
    pub fn acl_binding_rule(&self, id: &str) -> Option<&Arc<AclBindingRule>> {
        self.acl.rules.get(id)
    }

    /// All binding rules of an auth method.
    pub fn acl_binding_rules_of(&self, method: &str) -> Vec<Arc<AclBindingRule>> {
        self.acl.rules.iter().filter(|rule| rule.auth_method == method).cloned().collect()
    }

    /// Index at which the first token was made; 0: it was not.
    pub fn acl_bootstrap(&self) -> Index {
        self.acl.bootstrap
    }

    /// Secrets of tokens that have ended at a time, at most `limit`.
    pub fn acl_ended(&self, now_unix_ms: u64, limit: usize) -> Vec<Token> {
        self.acl.tokens.ended(now_unix_ms).take(limit).map(|token| token.secret_id.clone()).collect()
    }

    /// When the next token ends, Unix milliseconds.
    pub fn acl_next_end(&self) -> Option<u64> {
        self.acl.tokens.next_end()
    }

    fn with_names(&self, token: &Arc<AclToken>) -> Arc<AclToken> {
        let policies = renamed(&token.policies, |id| self.acl.policies.get(id).map(|row| row.name.as_str()));
        let roles = renamed(&token.roles, |id| self.acl.roles.get(id).map(|row| row.name.as_str()));
        if policies.is_none() && roles.is_none() {
            return token.clone();
        }
        let mut token = AclToken::clone(token);
        token.policies = policies.unwrap_or(token.policies);
        token.roles = roles.unwrap_or(token.roles);
        Arc::new(token)
    }

    fn with_names_of_role(&self, role: &Arc<AclRole>) -> Arc<AclRole> {
        match renamed(&role.policies, |id| self.acl.policies.get(id).map(|row| row.name.as_str())) {
            Some(policies) => Arc::new(AclRole { policies, ..AclRole::clone(role) }),
            None => role.clone(),
        }
    }
}

/// The links as they are called now, without those that lead nowhere; `None`: they are so already.
fn renamed<'a>(links: &[AclLink], name_of: impl Fn(&str) -> Option<&'a str>) -> Option<Vec<AclLink>> {
    if links.iter().all(|link| name_of(&link.id) == Some(&link.name)) {
        return None;
    }
    let named = links.iter().filter_map(|link| Some(AclLink { id: link.id.clone(), name: name_of(&link.id)?.to_owned() }));
    Some(named.collect())
}

fn is_meant(filter: &AclTokenFilter, token: &AclToken) -> bool {
    let has = |links: &[AclLink], id: &str| id.is_empty() || links.iter().any(|link| link.id == id);
    has(&token.policies, &filter.policy)
        && has(&token.roles, &filter.role)
        && (filter.auth_method.is_empty() || token.auth_method == filter.auth_method)
}
