//! Policies, roles and identities that tokens and roles name.

use lictor_catalog::State;
use lictor_types::acl::{AclLink, LINKS_MAX, NodeIdentity, ServiceIdentity, is_identity_name};
use std::collections::BTreeSet;

/// Who names them, for the sentences.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Token,
    Role,
}

impl Holder {
    fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Role => "role",
        }
    }
}

/// Links to policies, each once, with id and name.
pub(super) fn policies(state: &State, given: &[AclLink], holder: Holder) -> Result<Vec<AclLink>, String> {
    resolve(given, |link| {
        if link.id.is_empty() {
            let found = state.acl_policy_named(&link.name);
            return found
                .map(|row| (row.id.clone(), row.name.clone()))
                .ok_or_else(|| format!("No such ACL policy with name {:?}", link.name));
        }
        let found = state.acl_policy(&link.id);
        found.map(|row| (row.id.clone(), row.name.clone())).ok_or_else(|| match holder {
            Holder::Token => format!("No such ACL policy with ID {:?}", link.id),
            Holder::Role => format!("No such policy with ID: {}", link.id),
        })
    })
}

/// Links to roles, each once, with id and name.
pub(super) fn roles(state: &State, given: &[AclLink]) -> Result<Vec<AclLink>, String> {
    resolve(given, |link| {
        let (found, missing) = if link.id.is_empty() {
            (state.acl_role_named(&link.name), format!("No such ACL role with name {:?}", link.name))
        } else {
            (state.acl_role(&link.id), format!("No such ACL role with ID {:?}", link.id))
        };
        found.map(|row| (row.id.clone(), row.name.clone())).ok_or(missing)
    })
}

fn resolve(given: &[AclLink], find: impl Fn(&AclLink) -> Result<(String, String), String>) -> Result<Vec<AclLink>, String> {
    limit(given.len())?;
    let mut seen = BTreeSet::new();
    let mut links = Vec::with_capacity(given.len());
    for link in given {
        let (id, name) = find(link)?;
        if seen.insert(id.clone()) {
            links.push(AclLink { id, name });
        }
    }
    Ok(links)
}

fn limit(count: usize) -> Result<(), String> {
    if count > LINKS_MAX { Err(format!("more than {LINKS_MAX} links or identities")) } else { Ok(()) }
}

/// Service identities: looked at, each name once, sorted.
pub(super) fn services(given: &[ServiceIdentity], local: bool, holder: Holder) -> Result<Vec<ServiceIdentity>, String> {
    limit(given.len())?;
    for identity in given {
        let name = &identity.service_name;
        if name.is_empty() {
            return Err(format!("Service identity is missing the service name field on this {}", holder.as_str()));
        }
        if local && !identity.datacenters.is_empty() {
            return Err(format!("Service identity {name:?} cannot specify a list of datacenters on a local token"));
        }
        if !is_identity_name(name) {
            return Err(format!(
                "Service identity {name:?} has an invalid name. Only alphanumeric characters, '-' and '_' are allowed"
            ));
        }
    }
    let mut all: Vec<ServiceIdentity> = Vec::new();
    for identity in given {
        match all.iter_mut().find(|known| known.service_name == identity.service_name) {
            None => all.push(identity.clone()),
            // All datacenters are more than some.
            Some(known) if known.datacenters.is_empty() || identity.datacenters.is_empty() => known.datacenters.clear(),
            Some(known) => {
                known.datacenters.extend(identity.datacenters.iter().cloned());
                known.datacenters.sort_unstable();
                known.datacenters.dedup();
            }
        }
    }
    all.sort_by(|a, b| a.service_name.cmp(&b.service_name));
    Ok(all)
}

/// Node identities: looked at, each once, sorted.
pub(super) fn nodes(given: &[NodeIdentity], holder: Holder) -> Result<Vec<NodeIdentity>, String> {
    limit(given.len())?;
    for identity in given {
        if identity.node_name.is_empty() {
            return Err(format!("Node identity is missing the node name field on this {}", holder.as_str()));
        }
        if identity.datacenter.is_empty() {
            return Err(format!("Node identity is missing the datacenter field on this {}", holder.as_str()));
        }
        if !is_identity_name(&identity.node_name) {
            return Err("Node identity has an invalid name. Only alphanumeric characters, '-' and '_' are allowed".to_owned());
        }
    }
    let mut all = given.to_vec();
    all.sort();
    all.dedup();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, datacenters: &[&str]) -> ServiceIdentity {
        ServiceIdentity {
            service_name: name.to_owned(),
            datacenters: datacenters.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn identities_are_merged() {
        let given = [service("web", &["dc1", "dc1"]), service("web", &["dc2"]), service("api", &[])];
        let want = [service("api", &[]), service("web", &["dc1", "dc2"])];
        assert_eq!(services(&given, false, Holder::Token).unwrap(), want);
        let all = [service("web", &["dc2"]), service("web", &[])];
        assert_eq!(services(&all, false, Holder::Token).unwrap(), [service("web", &[])]);
        assert!(services(&[service("web", &["dc1"])], true, Holder::Token).is_err());
        assert!(services(&[service("Web", &[])], false, Holder::Role).is_err());
    }
}
