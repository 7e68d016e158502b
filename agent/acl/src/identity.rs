//! What service and node identities stand for, and how an identity becomes an authorizer.

use crate::authorizer::Authorizer;
use crate::granted::{Defaults, Granted};
use crate::rules::{Rules, Syntax};
use lictor_types::acl::{AclIdentity, AclPolicy, NodeIdentity, ServiceIdentity};
use std::sync::Arc;

/// Rules of the policy that allows everything.
pub const MANAGEMENT_RULES: &str = "
acl = \"write\"
agent_prefix \"\" {
\tpolicy = \"write\"
}
event_prefix \"\" {
\tpolicy = \"write\"
}
key_prefix \"\" {
\tpolicy = \"write\"
}
keyring = \"write\"
node_prefix \"\" {
\tpolicy = \"write\"
}
operator = \"write\"
query_prefix \"\" {
\tpolicy = \"write\"
}
service_prefix \"\" {
\tpolicy = \"write\"
\tintentions = \"write\"
}
session_prefix \"\" {
\tpolicy = \"write\"
}";

/// What a service needs: itself, its sidecar, and to see the others.
pub fn service_policy(identity: &ServiceIdentity) -> AclPolicy {
    let name = &identity.service_name;
    AclPolicy {
        rules: format!(
            "service \"{name}\" {{ policy = \"write\" }}\nservice \"{name}-sidecar-proxy\" {{ policy = \"write\" }}\n\
             service_prefix \"\" {{ policy = \"read\" }}\nnode_prefix \"\" {{ policy = \"read\" }}\n"
        ),
        datacenters: identity.datacenters.clone(),
        ..AclPolicy::default()
    }
}

/// What the agent of a node needs: its node, and to see the services.
pub fn node_policy(identity: &NodeIdentity) -> AclPolicy {
    AclPolicy {
        rules: format!("node \"{}\" {{ policy = \"write\" }}\nservice_prefix \"\" {{ policy = \"read\" }}\n", identity.node_name),
        datacenters: vec![identity.datacenter.clone()],
        ..AclPolicy::default()
    }
}

impl Authorizer {
    /// What an identity may do in a datacenter. Policies that do not count there, or that this version cannot read, grant nothing;
    /// the names of the latter are answered too.
    pub fn of_identity(identity: &AclIdentity, datacenter: &str, defaults: Defaults) -> (Self, Vec<String>) {
        if identity.is_management {
            return (Self::AllowAll, Vec::new());
        }
        let mut unreadable = Vec::new();
        let mut all = Vec::new();
        for policy in identity.policies.iter().filter(|policy| policy.counts_in(datacenter)) {
            let syntax = if policy.legacy { Syntax::Legacy } else { Syntax::Current };
            match Rules::parse(&policy.rules, syntax) {
                Ok(rules) => all.push(rules),
                Err(_) => unreadable.push(policy.name.clone()),
            }
        }
        (Self::of_granted(Granted::merge(&all, defaults)), unreadable)
    }

    /// What rules grant.
    pub fn of_granted(granted: Granted) -> Self {
        if granted.is_everything() { Self::AllowAll } else { Self::Rules(Arc::new(granted)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::{Permission, Resource};

    const DENY: Defaults = Defaults { allow: false, key_list: false };

    fn identity(policies: Vec<AclPolicy>) -> AclIdentity {
        AclIdentity { policies: policies.into_iter().map(Arc::new).collect(), ..AclIdentity::default() }
    }

    #[test]
    fn management_allows_everything() {
        let policy = AclPolicy { rules: MANAGEMENT_RULES.to_owned(), ..AclPolicy::default() };
        assert_eq!(Authorizer::of_identity(&identity(vec![policy.clone()]), "dc1", DENY).0, Authorizer::AllowAll);
        // Unless something else is taken out.
        let hole = AclPolicy { rules: "key \"a\" { policy = \"deny\" }".to_owned(), ..AclPolicy::default() };
        let (authorizer, _) = Authorizer::of_identity(&identity(vec![policy, hole]), "dc1", DENY);
        assert!(!authorizer.allows(Permission::read(Resource::Key("a"))));
        assert!(authorizer.allows(Permission::write(Resource::Acl)));
    }

    #[test]
    fn identities_count_in_their_datacenters() {
        let web = ServiceIdentity { service_name: "web".to_owned(), datacenters: vec!["dc1".to_owned()] };
        let n1 = NodeIdentity { node_name: "n1".to_owned(), datacenter: "dc1".to_owned() };
        let identity = identity(vec![service_policy(&web), node_policy(&n1)]);
        let (here, unreadable) = Authorizer::of_identity(&identity, "dc1", DENY);
        assert!(unreadable.is_empty());
        for allowed in [
            Permission::write(Resource::Service("web")),
            Permission::write(Resource::Service("web-sidecar-proxy")),
            Permission::read(Resource::Service("db")),
            Permission::read(Resource::Intention("db")),
            Permission::write(Resource::Node("n1")),
            Permission::read(Resource::Node("n2")),
        ] {
            assert!(here.allows(allowed), "{allowed:?}");
        }
        assert!(!here.allows(Permission::write(Resource::Node("n2"))));
        let (there, _) = Authorizer::of_identity(&identity, "dc2", DENY);
        assert!(!there.allows(Permission::read(Resource::Service("web"))));
    }

    #[test]
    fn what_cannot_be_read_grants_nothing_and_is_named() {
        let bad = AclPolicy { name: "bad".to_owned(), rules: "{{".to_owned(), ..AclPolicy::default() };
        let (authorizer, unreadable) = Authorizer::of_identity(&identity(vec![bad]), "dc1", DENY);
        assert_eq!(unreadable, ["bad"]);
        assert!(!authorizer.allows(Permission::read(Resource::Key("a"))));
    }
}
