//! Who may do what: policies, roles, tokens, auth methods and binding rules.

mod named;
mod tokens;

pub(crate) use named::Named;
pub(crate) use tokens::Tokens;

use crate::key::{Key, fold, uuid_digits};
use imbl::OrdMap;
use lictor_types::Index;
use lictor_types::acl::{AclAuthMethod, AclBindingRule, AclPolicy, AclRole};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct Acl {
    pub(crate) policies: Named<AclPolicy>,
    pub(crate) roles: Named<AclRole>,
    pub(crate) tokens: Tokens,
    pub(crate) methods: Methods,
    pub(crate) rules: BindingRules,
    /// Index at which the first token was made; 0: it was not.
    pub(crate) bootstrap: Index,
}

/// Auth methods, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Methods {
    pub(crate) index: Index,
    rows: OrdMap<Key, Arc<AclAuthMethod>>,
}

impl Methods {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<AclAuthMethod>> {
        self.rows.get(&*fold(name))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<AclAuthMethod>> {
        self.rows.values()
    }

    pub(crate) fn insert(&mut self, row: Arc<AclAuthMethod>) {
        self.rows.insert(Key::exact(&fold(&row.name)), row);
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Arc<AclAuthMethod>> {
        self.rows.remove(&*fold(name))
    }
}

/// Binding rules, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct BindingRules {
    pub(crate) index: Index,
    rows: OrdMap<Key, Arc<AclBindingRule>>,
}

impl BindingRules {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<AclBindingRule>> {
        self.rows.get(uuid_digits(id).as_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<AclBindingRule>> {
        self.rows.values()
    }

    pub(crate) fn insert(&mut self, row: Arc<AclBindingRule>) {
        self.rows.insert(Key::uuid(&row.id), row);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<AclBindingRule>> {
        self.rows.remove(uuid_digits(id).as_str())
    }
}
