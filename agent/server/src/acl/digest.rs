//! Digests of what users set, by which they see whether something changed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lictor_types::acl::{AclLink, AclPolicy, AclRole, AclToken, NodeIdentity, ServiceIdentity};
use sha2::{Digest, Sha256};

struct Sum(Sha256);

impl Sum {
    fn text(&mut self, text: &str) -> &mut Self {
        // With its length, so that no text runs into the next.
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    fn count(&mut self, count: usize) -> &mut Self {
        self.0.update((count as u64).to_le_bytes());
        self
    }

    fn links(&mut self, links: &[AclLink]) -> &mut Self {
        self.count(links.len());
        for link in links {
            self.text(&link.id);
        }
        self
    }

    fn identities(&mut self, services: &[ServiceIdentity], nodes: &[NodeIdentity]) -> &mut Self {
        self.count(services.len());
        for identity in services {
            self.text(&identity.service_name).count(identity.datacenters.len());
            for name in &identity.datacenters {
                self.text(name);
            }
        }
        self.count(nodes.len());
        for identity in nodes {
            self.text(&identity.node_name).text(&identity.datacenter);
        }
        self
    }

    fn told(&mut self) -> String {
        STANDARD.encode(self.0.finalize_reset())
    }
}

fn begin(of: &str) -> Sum {
    let mut sum = Sum(Sha256::new());
    sum.text(of);
    sum
}

pub(super) fn policy(policy: &AclPolicy) -> String {
    let mut sum = begin("policy");
    sum.text(&policy.name).text(&policy.description).text(&policy.rules).count(policy.datacenters.len());
    for name in &policy.datacenters {
        sum.text(name);
    }
    sum.told()
}

pub(super) fn role(role: &AclRole) -> String {
    let mut sum = begin("role");
    sum.text(&role.name).text(&role.description).links(&role.policies);
    sum.identities(&role.service_identities, &role.node_identities).told()
}

/// Neither ids nor secrets are in it.
pub(super) fn token(token: &AclToken) -> String {
    let mut sum = begin("token");
    sum.text(&token.description).count(usize::from(token.local)).links(&token.policies).links(&token.roles);
    sum.identities(&token.service_identities, &token.node_identities);
    if let Some(legacy) = &token.legacy {
        sum.count(usize::from(legacy.is_management)).text(&legacy.rules);
    }
    sum.told()
}
