//! The one authorization point of the datacenter: every query and every command passes here with its caller's token.

use lictor_acl::{Authorizer, Denied, Permission, Resource};
use lictor_catalog::{QueryScope, State};
use lictor_rpc::ClusterError;
use lictor_types::query::NodeServices;
use lictor_types::{
    Command, Deregister, Intention, KeyringVerb, Operation, PreparedQuery, Query, Register, Reply, SessionVerb, TxnOp,
};

fn denied(_: Denied) -> ClusterError {
    ClusterError::PermissionDenied
}

/// Refuses a query that the caller may not ask. Rows that he may not see are dropped by the authorizer afterwards.
pub(crate) fn query(authorizer: &Authorizer, query: &Query) -> Result<(), ClusterError> {
    authorizer.check_query(query).map_err(denied)
}

/// Refuses a command that the caller may not give. What it changes is judged too, as it is now.
pub(crate) fn command(state: &State, authorizer: &Authorizer, command: &Command) -> Result<(), ClusterError> {
    if authorizer.sees_all() {
        return Ok(());
    }
    match command {
        Command::Register(given) => register(state, authorizer, given).map_err(denied),
        Command::RegisterBatch(all) => all.iter().try_for_each(|given| register(state, authorizer, given)).map_err(denied),
        Command::Deregister(given) => deregister(state, authorizer, given),
        Command::Session { verb: SessionVerb::Destroy, session, .. } => end_session(state, authorizer, &session.id),
        Command::Batch(parts) => parts.iter().try_for_each(|part| self::command(state, authorizer, part)),
        other => authorizer.check_command(other).map_err(denied),
    }
}

/// Ending a session needs the right to sessions of its node; one that is not there may be ended by anybody.
fn end_session(state: &State, authorizer: &Authorizer, id: &str) -> Result<(), ClusterError> {
    match state.query(&Query::SessionInfo(id.to_owned()), &QueryScope::default(), None) {
        Some((_, Reply::Sessions(found))) => {
            let may = |node: &str| authorizer.check(Permission::write(Resource::Session(node)));
            found.iter().try_for_each(|session| may(&session.node)).map_err(denied)
        }
        _ => Ok(()),
    }
}

fn services_of(state: &State, node: &str) -> Option<NodeServices> {
    // Whole names alone: the query also takes the beginning of an id.
    match state.query(&Query::NodeServices(node.into()), &QueryScope::default(), None) {
        Some((_, Reply::NodeServices(found))) => found.filter(|found| found.node.node.eq_ignore_ascii_case(node)),
        _ => None,
    }
}

/// A registration needs the right to the node only if it changes the node, and to a service as it is and as it is to be.
pub(crate) fn register(state: &State, authorizer: &Authorizer, given: &Register) -> Result<(), Denied> {
    if authorizer.sees_all() {
        return Ok(());
    }
    let write = |resource| authorizer.check(Permission::write(resource));
    let node = &given.node;
    let known = services_of(state, &node.node);
    let same = known.as_ref().is_some_and(|known| {
        let there = &known.node;
        given.skip_node_update
            || (there.address == node.address
                && (node.id.is_empty() || there.id == node.id)
                && there.meta == node.meta
                && there.tagged_addresses == node.tagged_addresses)
    });
    if !same {
        write(Resource::Node(&node.node))?;
    }
    if let Some(service) = &given.service {
        write(Resource::Service(&service.service))?;
        let id = if service.id.is_empty() { service.service.as_str() } else { service.id.as_str() };
        if let Some(there) = known.as_ref().and_then(|known| known.services.get(id)) {
            write(Resource::Service(&there.service))?;
        }
    }
    for check in &given.checks {
        if check.service_id.is_empty() {
            write(Resource::Node(&node.node))?;
        } else if given.service.as_ref().is_some_and(|service| service.id == check.service_id) {
            // Judged above.
        } else if let Some(there) = known.as_ref().and_then(|known| known.services.get(check.service_id.as_str())) {
            write(Resource::Service(&there.service))?;
        } else if check.service_name.is_empty() {
            write(Resource::Node(&node.node))?;
        } else {
            write(Resource::Service(&check.service_name))?;
        }
    }
    Ok(())
}

/// Who may write the node may take anything off it; else the right to the service is needed.
fn deregister(state: &State, authorizer: &Authorizer, given: &Deregister) -> Result<(), ClusterError> {
    if authorizer.allows(Permission::write(Resource::Node(&given.node))) {
        return Ok(());
    }
    let service = if !given.service_id.is_empty() {
        let known = services_of(state, &given.node);
        known.and_then(|known| known.services.get(given.service_id.as_str()).map(|there| there.service.clone()))
    } else if !given.check_id.is_empty() {
        match state.query(&Query::NodeChecks(given.node.clone()), &QueryScope::default(), None) {
            Some((_, Reply::Checks(rows))) => {
                let check = rows.iter().find(|check| check.check_id == given.check_id);
                if check.is_none() {
                    return Err(ClusterError::Refused(format!("Unknown check '{}'", given.check_id)));
                }
                check.map(|check| check.service_name.clone()).filter(|name| !name.is_empty())
            }
            _ => None,
        }
    } else {
        None
    };
    match service {
        Some(service) => authorizer.check(Permission::write(Resource::Service(&service))).map_err(denied),
        None if !given.service_id.is_empty() => Err(ClusterError::Refused(format!("Unknown service '{}'", given.service_id))),
        None => Err(ClusterError::PermissionDenied),
    }
}

/// Refuses a change to a prepared query that the caller may not make.
pub(crate) fn existing_prepared_query(authorizer: &Authorizer, query: &PreparedQuery) -> Result<(), ClusterError> {
    let needed = Permission::of_prepared_query(query);
    needed.map_or(Ok(()), |needed| authorizer.check(needed)).map_err(denied)
}

/// Refuses a change to an intention that the caller may not make.
pub(crate) fn existing_intention(authorizer: &Authorizer, intention: &Intention) -> Result<(), ClusterError> {
    authorizer.check(Permission::of_intention(intention)).map_err(denied)
}

/// Refuses an operation on the cluster itself that the caller may not give.
pub(crate) fn operation(authorizer: &Authorizer, operation: &Operation) -> Result<(), ClusterError> {
    authorizer.check(Permission::of_operation(operation)).map_err(|_| match operation {
        // Consul's sentences, to which it gives the status of its own faults.
        Operation::Keyring(request) if request.verb == KeyringVerb::List => {
            ClusterError::Refused("Reading keyring denied by ACLs".to_owned())
        }
        Operation::Keyring(_) => ClusterError::Refused("Modifying keyring denied due to ACLs".to_owned()),
        _ => ClusterError::PermissionDenied,
    })
}

/// Refuses one who may not save or restore the whole state.
pub(crate) fn snapshot(authorizer: &Authorizer) -> Result<(), ClusterError> {
    authorizer.check(Permission::of_snapshot()).map_err(denied)
}

/// Refuses an operation of a transaction that the caller may not give.
pub(crate) fn txn_op(state: &State, authorizer: &Authorizer, op: &TxnOp) -> Result<(), ClusterError> {
    if let TxnOp::EndSession(id) = op
        && !authorizer.sees_all()
    {
        return end_session(state, authorizer, id);
    }
    Permission::of_txn_op(op).map_or(Ok(()), |needed| authorizer.check(needed)).map_err(denied)
}
