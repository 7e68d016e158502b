//! Who decides.

use crate::granted::Granted;
use crate::permission::{Permission, Resource};
use lictor_types::acl::{AclToken, HIDDEN_SECRET};
use lictor_types::prepared_query::HIDDEN_TOKEN;
use lictor_types::{AclQuery, AclReply, Command, EntryKind, Intention, PreparedQuery, Query, Reply, Token, TxnResult};
use std::sync::Arc;
use thiserror::Error;

/// A token does not allow what was asked. Caller's fault; nothing changed; do not retry with the same token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Permission denied")]
pub struct Denied;

/// What one caller may do. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorizer {
    /// Everything.
    AllowAll,
    /// Nothing that is not public.
    DenyAll,
    /// What rules grant.
    Rules(Arc<Granted>),
}

impl Authorizer {
    /// Whether one thing is allowed. Takes no memory.
    pub fn allows(&self, permission: Permission<'_>) -> bool {
        match self {
            Self::AllowAll => true,
            Self::DenyAll => permission.resource == Resource::Public,
            Self::Rules(granted) => granted.allows(permission),
        }
    }

    /// Refuses what is not allowed.
    pub fn check(&self, permission: Permission<'_>) -> Result<(), Denied> {
        if self.allows(permission) { Ok(()) } else { Err(Denied) }
    }

    /// Refuses a query that is not allowed.
    pub fn check_query(&self, query: &Query) -> Result<(), Denied> {
        // On the way of every query.
        if self.sees_all() {
            return Ok(());
        }
        if let Query::IntentionMatch { names, .. } = query {
            return names.iter().try_for_each(|name| self.check(Permission::read(Resource::Intention(&name.name))));
        }
        self.check(Permission::of_query(query))
    }

    /// Refuses a command of which any part is not allowed.
    pub fn check_command(&self, command: &Command) -> Result<(), Denied> {
        // On the way of every write: what is needed is collected only for those who may not do everything.
        if self.sees_all() {
            return Ok(());
        }
        Permission::of_command(command).into_iter().try_for_each(|permission| self.check(permission))
    }

    /// Whether a reply must pass [`Authorizer::redact`] (then it cannot be shared between callers).
    pub fn sees_all(&self) -> bool {
        matches!(self, Self::AllowAll)
    }

    /// As [`Authorizer::redact`], for queries whose replies do not say what is in them.
    pub fn redact_answer(&self, query: &Query, reply: &mut Reply) -> bool {
        match (query, reply) {
            // Who shows a secret may see it.
            (Query::Acl(asked), _) if matches!(**asked, AclQuery::Own(_)) => false,
            (Query::KvKeys { .. }, Reply::Names(keys)) if !self.sees_all() => {
                drop_unless(keys, |key| self.allows(Permission::read(Resource::Key(key))))
            }
            (_, reply) => self.redact(reply),
        }
    }

    /// Drops the rows of a reply that the caller may not see; whether any was dropped.
    pub fn redact(&self, reply: &mut Reply) -> bool {
        if self.sees_all() {
            return false;
        }
        let node = |name: &str| self.allows(Permission::read(Resource::Node(name)));
        let service = |name: &str| self.allows(Permission::read(Resource::Service(name)));
        match reply {
            Reply::Nodes(rows) => drop_unless(rows, |row| node(&row.node)),
            Reply::Services(names) => {
                let before = names.len();
                names.retain(|name, _| service(name));
                names.len() < before
            }
            Reply::ServiceNodes(rows) => drop_unless(rows, |row| node(&row.node) && service(&row.service_name)),
            Reply::NodeServices(Some(list)) if !node(&list.node.node) => {
                *reply = Reply::NodeServices(None);
                true
            }
            Reply::NodeServiceList(Some(list)) if !node(&list.node.node) => {
                *reply = Reply::NodeServiceList(None);
                true
            }
            Reply::NodeServiceList(Some(list)) => drop_unless(&mut list.services, |row| service(&row.service)),
            Reply::NodeServices(Some(list)) => {
                let before = list.services.len();
                list.services.retain(|_, row| service(&row.service));
                list.services.len() < before
            }
            Reply::Checks(rows) => {
                drop_unless(rows, |row| node(&row.node) && (row.service_name.is_empty() || service(&row.service_name)))
            }
            Reply::HealthService(rows) => drop_unless(rows, |row| node(&row.node.node) && service(&row.service.service)),
            Reply::Kv(rows) => drop_unless(rows, |row| self.allows(Permission::read(Resource::Key(&row.key)))),
            Reply::Sessions(rows) => drop_unless(rows, |row| self.allows(Permission::read(Resource::Session(&row.node)))),
            Reply::Coordinates(rows) => drop_unless(rows, |row| node(&row.node)),
            // Who may see all tokens sees all queries; the others never see the token of one.
            Reply::PreparedQueries(_) if self.allows(Permission::write(Resource::Acl)) => false,
            Reply::PreparedQueries(rows) => {
                let query = |name: &str| self.allows(Permission::read(Resource::PreparedQuery(name)));
                rows.iter_mut().for_each(|row| self.hide_token(row));
                drop_unless(rows, |row| row.rule_name().is_some_and(query))
            }
            Reply::ConfigEntries(rows) => drop_unless(rows, |row| row.kind() == EntryKind::ProxyDefaults || service(&row.name)),
            Reply::Intentions(rows) => drop_unless(rows, |row| self.sees_intention(row)),
            Reply::IntentionMatches(lists) => {
                let mut any = false;
                for rows in lists {
                    any |= drop_unless(rows, |row| self.sees_intention(row));
                }
                any
            }
            Reply::GatewayServices(rows) => drop_unless(rows, |row| service(&row.service)),
            Reply::Acl(AclReply::Tokens(rows)) => {
                self.hide_secrets(rows);
                false
            }
            _ => false,
        }
    }

    /// Who may see either end of an intention sees it.
    fn sees_intention(&self, intention: &Intention) -> bool {
        let ends = [&intention.source_name, &intention.destination_name];
        ends.iter().any(|name| self.allows(Permission::read(Resource::Intention(name))))
    }

    /// Hides the secrets of tokens from who may not change them.
    fn hide_secrets(&self, tokens: &mut [Arc<AclToken>]) {
        if self.allows(Permission::write(Resource::Acl)) {
            return;
        }
        for token in tokens.iter_mut().filter(|token| !token.is_anonymous()) {
            Arc::make_mut(token).secret_id = Token::new(HIDDEN_SECRET);
        }
    }

    /// Whether services may connect where no intention says otherwise.
    pub fn may_connect_by_default(&self) -> bool {
        match self {
            Self::AllowAll => true,
            Self::DenyAll => false,
            Self::Rules(granted) => granted.allows_by_default(),
        }
    }

    /// What a caller who knows the id of a prepared query may see of it: all but its token, unless he may see all tokens.
    /// A query without a name is judged by nothing else.
    pub fn hide_token(&self, query: &mut Arc<PreparedQuery>) {
        if !query.token.is_anonymous() && !self.allows(Permission::write(Resource::Acl)) {
            Arc::make_mut(query).token = Token::new(HIDDEN_TOKEN);
        }
    }

    /// Drops the results of a transaction that the caller may not see; whether any was dropped.
    pub fn redact_txn(&self, results: &mut Vec<TxnResult>) -> bool {
        if self.sees_all() {
            return false;
        }
        drop_unless(results, |result| {
            self.allows(Permission::read(match result {
                TxnResult::Kv(row) => Resource::Key(&row.key),
                TxnResult::Node(row) => Resource::Node(&row.node),
                TxnResult::Service(row) => Resource::Service(&row.service),
                TxnResult::Check(row) if row.service_name.is_empty() => Resource::Node(&row.node),
                TxnResult::Check(row) => Resource::Service(&row.service_name),
            }))
        })
    }
}

fn drop_unless<T>(rows: &mut Vec<T>, keep: impl Fn(&T) -> bool) -> bool {
    let before = rows.len();
    rows.retain(keep);
    rows.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Access;
    use lictor_types::{Register, ServiceName};

    #[test]
    fn who_may_do_everything_may_do_everything() {
        let authorizer = Authorizer::AllowAll;
        assert!(authorizer.sees_all());
        assert_eq!(authorizer.check_query(&Query::Nodes), Ok(()));
        assert_eq!(authorizer.check_command(&Command::Batch(vec![])), Ok(()));
        assert_eq!(authorizer.check(Permission::write(Resource::Operator)), Ok(()));
    }

    #[test]
    fn what_a_query_needs() {
        let web = Query::ServiceChecks(ServiceName::from("web"));
        assert_eq!(Permission::of_query(&web), Permission::read(Resource::Public));
        let keys = Query::KvKeys { prefix: "a/".into(), separator: String::new() };
        assert_eq!(Permission::of_query(&keys), Permission { access: Access::List, resource: Resource::KeyPrefix("a/") });
    }

    #[test]
    fn what_a_batch_needs() {
        let mut register = Register::default();
        register.node.node = "n1".into();
        register.service = Some(lictor_types::NodeService { service: "web".into(), ..Default::default() });
        let command = Command::Batch(vec![Command::RegisterBatch(vec![register])]);
        assert_eq!(
            Permission::of_command(&command),
            [Permission::write(Resource::Node("n1")), Permission::write(Resource::Service("web"))]
        );
    }
}
