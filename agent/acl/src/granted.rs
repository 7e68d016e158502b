//! What the rules of several policies come to.

use crate::level::Level;
use crate::names::Names;
use crate::permission::{Access, Permission, Resource};
use crate::rules::{Area, Kind, Rules};
use std::collections::{HashMap, HashSet};

/// What holds where no rule says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Everything but access control itself is allowed.
    pub allow: bool,
    /// Names of keys are enumerated only by those whom a rule lets (`enable_key_list_policy`).
    pub key_list: bool,
}

/// Rules in the form in which they are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    agents: Names,
    events: Names,
    intentions: Names,
    keys: Names,
    nodes: Names,
    queries: Names,
    services: Names,
    sessions: Names,
    acl: Option<Level>,
    keyring: Option<Level>,
    operator: Option<Level>,
    defaults: Defaults,
}

impl Granted {
    /// Merges policies. Their order does not count.
    pub fn merge<'r>(policies: impl IntoIterator<Item = &'r Rules>, defaults: Defaults) -> Self {
        let mut granted = Self {
            agents: Names::default(),
            events: Names::default(),
            intentions: Names::default(),
            keys: Names::default(),
            nodes: Names::default(),
            queries: Names::default(),
            services: Names::default(),
            sessions: Names::default(),
            acl: None,
            keyring: None,
            operator: None,
            defaults,
        };
        let mut services = Vec::new();
        for rules in policies {
            for rule in &rules.named {
                granted.names_mut(rule.kind).add(&rule.name, rule.is_prefix, rule.level);
                if rule.kind == Kind::Service {
                    services.push(rule);
                }
            }
            for (area, level) in &rules.areas {
                let known = match area {
                    Area::Acl => &mut granted.acl,
                    Area::Keyring => &mut granted.keyring,
                    Area::Operator => &mut granted.operator,
                };
                *known = Some(known.map_or(*level, |known| known.stronger(*level)));
            }
        }
        // What a rule says of intentions counts before what follows from what another says of the service.
        let mut said = HashSet::new();
        for rule in &services {
            if let Some(level) = rule.intentions {
                said.insert((rule.name.as_str(), rule.is_prefix));
                granted.intentions.add(&rule.name, rule.is_prefix, level);
            }
        }
        // Of two that say nothing of them, what counts for the service counts.
        let mut following: HashMap<(&str, bool), Level> = HashMap::new();
        for rule in &services {
            let key = (rule.name.as_str(), rule.is_prefix);
            following.entry(key).and_modify(|known| *known = known.stronger(rule.level)).or_insert(rule.level);
        }
        for ((name, is_prefix), level) in following {
            if !said.contains(&(name, is_prefix)) {
                let follows = if level == Level::Deny { Level::Deny } else { Level::Read };
                granted.intentions.add(name, is_prefix, follows);
            }
        }
        granted
    }

    fn names_mut(&mut self, kind: Kind) -> &mut Names {
        match kind {
            Kind::Key => &mut self.keys,
            Kind::Node => &mut self.nodes,
            Kind::Service => &mut self.services,
            Kind::Session => &mut self.sessions,
            Kind::Agent => &mut self.agents,
            Kind::Event => &mut self.events,
            Kind::Query => &mut self.queries,
        }
    }

    /// Whether everything is allowed, whatever is asked.
    pub fn is_everything(&self) -> bool {
        let named = [
            &self.agents,
            &self.events,
            &self.intentions,
            &self.keys,
            &self.nodes,
            &self.queries,
            &self.services,
            &self.sessions,
        ];
        named.iter().all(|names| names.is_everything())
            && [self.acl, self.keyring, self.operator].iter().all(|level| *level == Some(Level::Write))
    }

    /// Whether what no rule speaks of is allowed.
    pub fn allows_by_default(&self) -> bool {
        self.defaults.allow
    }

    /// Whether one thing is allowed. Takes no memory.
    pub fn allows(&self, Permission { access, resource }: Permission<'_>) -> bool {
        let level = match resource {
            Resource::Public => return true,
            // Not allowed by default whatever the default is: who may write here may do everything.
            Resource::Acl => return self.acl.is_some_and(|level| level.grants(access)),
            Resource::KeyPrefix(_) if access == Access::List && !self.defaults.key_list => return true,
            Resource::KeyPrefix(prefix) if access == Access::Write => self.keys.of_tree(prefix),
            Resource::Intention("*") if access == Access::Write => {
                return self.intentions.are_all_write().unwrap_or(self.defaults.allow);
            }
            Resource::Intention("*") => return self.intentions.any(access).unwrap_or(self.defaults.allow),
            Resource::Key(key) | Resource::KeyPrefix(key) => self.keys.of(key),
            Resource::Agent(node) => self.agents.of(node),
            Resource::Event(name) => self.events.of(name),
            Resource::Intention(service) => self.intentions.of(service),
            Resource::Node(name) => self.nodes.of(name),
            Resource::PreparedQuery(name) => self.queries.of(name),
            Resource::Service(name) => self.services.of(name),
            Resource::Session(node) => self.sessions.of(node),
            Resource::Keyring => self.keyring,
            Resource::Operator => self.operator,
        };
        level.map_or(self.defaults.allow, |level| level.grants(access))
    }
}

#[cfg(test)]
mod tests;
