//! Policies, roles, tokens, auth methods and binding rules. What is written was completed and judged by the leader; here is only looked at
//! what two writes at a time could break.

use super::Writer;
use crate::schema::raise;
use crate::watch::{AclTable, WatchKey};
use lictor_types::acl::{AclAuthMethod, AclBindingRule, AclCommand, AclPolicy, AclRole, AclToken, Bootstrap};
use lictor_types::{Index, Outcome};
use std::sync::Arc;

impl Writer {
    pub(super) fn acl(&mut self, command: &AclCommand) -> Outcome {
        let done = match command {
            AclCommand::Bootstrap(bootstrap) => self.acl_bootstrap(bootstrap),
            AclCommand::SetPolicies(policies) => policies.iter().try_for_each(|policy| self.set_policy(policy)),
            AclCommand::DeletePolicies(ids) => {
                for id in ids {
                    self.state.acl.policies.remove(id);
                }
                self.touch_acl(AclTable::Policies);
                Ok(())
            }
            AclCommand::SetRoles(roles) => roles.iter().try_for_each(|role| self.set_role(role)),
            AclCommand::DeleteRoles(ids) => {
                for id in ids {
                    self.state.acl.roles.remove(id);
                }
                self.touch_acl(AclTable::Roles);
                Ok(())
            }
            AclCommand::SetTokens { tokens, is_bootstrap } => {
                let done = tokens.iter().try_for_each(|token| self.set_token(token));
                if done.is_ok() && *is_bootstrap {
                    self.state.acl.bootstrap = self.index;
                }
                done
            }
            AclCommand::DeleteTokens(secrets) => {
                for secret in secrets {
                    self.state.acl.tokens.remove(secret.secret());
                }
                self.touch_acl(AclTable::Tokens);
                Ok(())
            }
            AclCommand::SetAuthMethod(method) => {
                self.set_auth_method(method);
                Ok(())
            }
            AclCommand::DeleteAuthMethod(name) => {
                self.delete_auth_method(name);
                Ok(())
            }
            AclCommand::SetBindingRule(rule) => self.set_binding_rule(rule),
            AclCommand::DeleteBindingRule(id) => {
                self.state.acl.rules.remove(id);
                self.touch_acl(AclTable::BindingRules);
                Ok(())
            }
        };
        done.map_or_else(Outcome::Refused, |()| Outcome::Done)
    }

    fn acl_bootstrap(&mut self, Bootstrap { token, reset }: &Bootstrap) -> Result<(), String> {
        let done = self.state.acl.bootstrap;
        if done != Index(0) && done != *reset {
            return Err(format!("ACL bootstrap no longer allowed (reset index: {done})"));
        }
        self.set_token(token)?;
        self.state.acl.bootstrap = self.index;
        Ok(())
    }

    fn set_policy(&mut self, given: &AclPolicy) -> Result<(), String> {
        let table = &mut self.state.acl.policies;
        if table.named(&given.name).is_some_and(|other| other.id != given.id) {
            return Err(format!("A policy with name {:?} already exists", given.name));
        }
        let create_index = table.get(&given.id).map_or(self.index, |known| known.create_index);
        table.insert(Arc::new(AclPolicy { create_index, modify_index: self.index, ..given.clone() }));
        self.touch_acl(AclTable::Policies);
        Ok(())
    }

    fn set_role(&mut self, given: &AclRole) -> Result<(), String> {
        let table = &mut self.state.acl.roles;
        if table.named(&given.name).is_some_and(|other| other.id != given.id) {
            return Err(format!("A role with name {:?} already exists", given.name));
        }
        let create_index = table.get(&given.id).map_or(self.index, |known| known.create_index);
        table.insert(Arc::new(AclRole { create_index, modify_index: self.index, ..given.clone() }));
        self.touch_acl(AclTable::Roles);
        Ok(())
    }

    fn set_token(&mut self, given: &AclToken) -> Result<(), String> {
        let table = &mut self.state.acl.tokens;
        let secret = given.secret_id.secret();
        if secret.is_empty() {
            return Err("a token without a secret".to_owned());
        }
        let of_accessor = if given.accessor_id.is_empty() { None } else { table.of_accessor(&given.accessor_id) };
        if of_accessor.is_some_and(|other| other.secret_id != given.secret_id) {
            return Err("Invalid Token: AccessorID is already in use".to_owned());
        }
        let create_index = table.get(secret).map_or(self.index, |known| known.create_index);
        table.insert(Arc::new(AclToken { create_index, modify_index: self.index, ..given.clone() }));
        self.touch_acl(AclTable::Tokens);
        Ok(())
    }

    fn set_auth_method(&mut self, given: &AclAuthMethod) {
        let table = &mut self.state.acl.methods;
        let create_index = table.get(&given.name).map_or(self.index, |known| known.create_index);
        table.insert(Arc::new(AclAuthMethod { create_index, modify_index: self.index, ..given.clone() }));
        self.touch_acl(AclTable::AuthMethods);
    }

    fn delete_auth_method(&mut self, name: &str) {
        let Some(method) = self.state.acl.methods.remove(name) else { return };
        let acl = &mut self.state.acl;
        let rules: Vec<String> =
            acl.rules.iter().filter(|rule| rule.auth_method == method.name).map(|rule| rule.id.clone()).collect();
        let tokens: Vec<_> = acl.tokens.iter().filter(|token| token.auth_method == method.name).cloned().collect();
        for id in rules {
            acl.rules.remove(&id);
        }
        for token in tokens {
            acl.tokens.remove(token.secret_id.secret());
        }
        for table in [AclTable::AuthMethods, AclTable::BindingRules, AclTable::Tokens] {
            self.touch_acl(table);
        }
    }

    fn set_binding_rule(&mut self, given: &AclBindingRule) -> Result<(), String> {
        if self.state.acl.methods.get(&given.auth_method).is_none() {
            return Err(format!("cannot find auth method with name {:?}", given.auth_method));
        }
        let table = &mut self.state.acl.rules;
        let create_index = table.get(&given.id).map_or(self.index, |known| known.create_index);
        table.insert(Arc::new(AclBindingRule { create_index, modify_index: self.index, ..given.clone() }));
        self.touch_acl(AclTable::BindingRules);
        Ok(())
    }

    fn touch_acl(&mut self, table: AclTable) {
        let acl = &mut self.state.acl;
        let index = match table {
            AclTable::Policies => &mut acl.policies.index,
            AclTable::Roles => &mut acl.roles.index,
            AclTable::Tokens => &mut acl.tokens.index,
            AclTable::AuthMethods => &mut acl.methods.index,
            AclTable::BindingRules => &mut acl.rules.index,
        };
        raise(index, self.index);
        self.changes.touch(WatchKey::Acl(table));
    }
}

#[cfg(test)]
mod tests;
