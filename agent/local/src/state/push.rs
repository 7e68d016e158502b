//! What is sent to the catalog, and what happens to it when that fails.

use super::State;
use lictor_types::{CheckId, Deregister, HealthCheck, Register, ServiceId, Token};
use std::collections::BTreeMap;

/// Registrations that go into one command, as one token writes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The token.
    pub token: Token,
    /// The registrations.
    pub registers: Vec<Register>,
    services: Vec<ServiceId>,
    checks: Vec<CheckId>,
    node: bool,
}

/// A deregistration.
#[derive(Clone, Debug, PartialEq)]
pub struct Removal {
    /// The token.
    pub token: Token,
    /// The service or check; its time is filled in by the server.
    pub deregister: Deregister,
    /// Service of the check.
    service: ServiceId,
}

/// What the catalog is to learn and to forget. Until it is told otherwise, the state takes it as done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Push {
    /// To forget, first.
    pub removals: Vec<Removal>,
    /// To learn.
    pub groups: Vec<Group>,
}

impl State {
    /// Takes out what waits to be pushed, at most about `limit` services and checks.
    pub fn take_push(&mut self, limit: usize) -> Push {
        Push { removals: self.take_removals(limit), groups: self.take_groups(limit) }
    }

    fn take_removals(&mut self, limit: usize) -> Vec<Removal> {
        let mut removals = Vec::new();
        while removals.len() < limit
            && let Some((id, token)) = self.gone_services.pop_first()
        {
            // Its checks go with it.
            self.gone_checks.retain(|_, (service, _)| *service != id);
            let deregister = Deregister { node: self.node.node.clone(), service_id: id.clone(), ..Deregister::default() };
            removals.push(Removal { token, deregister, service: id });
        }
        while removals.len() < limit
            && let Some((id, (service, token))) = self.gone_checks.pop_first()
        {
            let deregister = Deregister { node: self.node.node.clone(), check_id: id, ..Deregister::default() };
            removals.push(Removal { token, deregister, service });
        }
        removals
    }

    fn take_groups(&mut self, limit: usize) -> Vec<Group> {
        let mut groups: BTreeMap<Token, Group> = BTreeMap::new();
        let node_dirty = std::mem::take(&mut self.node_dirty);
        if node_dirty {
            let group = group_of(&mut groups, &self.token);
            group.node = true;
            group.registers.push(Register { node: self.node.clone(), ..Register::default() });
        }
        let skeleton = || Register { node: self.node.clone(), skip_node_update: true, ..Register::default() };
        let mut taken = 0;
        while taken < limit
            && let Some(id) = self.dirty_services.pop_first()
        {
            let Some(entry) = self.services.get(&id) else { continue };
            let token = self.token_or_default(&entry.definition.token);
            let group = group_of(&mut groups, &token);
            let mut register = skeleton();
            register.service = Some(entry.local.service.clone());
            // Checks with another token travel by themselves.
            for check in self.checks_of.get(&id).into_iter().flatten() {
                if self.dirty_checks.contains(check)
                    && let Some(row) = self.checks.get(check)
                    && self.token_or_default(&row.definition.token) == token
                {
                    register.checks.push(row.local.check.clone());
                    group.checks.push(check.clone());
                }
            }
            for check in &register.checks {
                self.dirty_checks.remove(&check.check_id);
            }
            taken += 1 + register.checks.len();
            group.registers.push(register);
            group.services.push(id);
        }
        let mut alone: BTreeMap<(Token, ServiceId), Vec<HealthCheck>> = BTreeMap::new();
        while taken < limit
            && let Some(id) = self.dirty_checks.pop_first()
        {
            let Some(entry) = self.checks.get(&id) else { continue };
            let token = self.token_or_default(&entry.definition.token);
            group_of(&mut groups, &token).checks.push(id);
            alone.entry((token, entry.definition.service_id.clone())).or_default().push(entry.local.check.clone());
            taken += 1;
        }
        for ((token, _), checks) in alone {
            let register = Register { checks, ..skeleton() };
            group_of(&mut groups, &token).registers.push(register);
        }
        // The node's row first: what follows hangs on it.
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|group| !group.node);
        groups
    }

    /// A group did not get through: it waits again, as far as it still stands.
    pub fn group_failed(&mut self, group: Group) {
        self.node_dirty |= group.node;
        self.dirty_services.extend(group.services.into_iter().filter(|id| self.services.contains_key(id)));
        self.dirty_checks.extend(group.checks.into_iter().filter(|id| self.checks.contains_key(id)));
    }

    /// A removal did not get through: it waits again, unless the thing is back.
    pub fn removal_failed(&mut self, removal: Removal) {
        let Removal { token, deregister, service } = removal;
        if deregister.check_id.is_empty() {
            if !self.services.contains_key(&service) {
                self.gone_services.insert(service, token);
            }
        } else if !self.checks.contains_key(&deregister.check_id) {
            self.gone_checks.insert(deregister.check_id, (service, token));
        }
    }
}

fn group_of<'a>(groups: &'a mut BTreeMap<Token, Group>, token: &Token) -> &'a mut Group {
    groups.entry(token.clone()).or_insert_with(|| Group {
        token: token.clone(),
        registers: Vec::new(),
        services: Vec::new(),
        checks: Vec::new(),
        node: false,
    })
}
