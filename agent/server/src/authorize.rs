//! The one authorization point of the datacenter: every query and every command passes here with its caller's token.

use lictor_acl::{Acl, Authorizer, Permission};
use lictor_rpc::ClusterError;
use lictor_types::{Command, Intention, Operation, PreparedQuery, Query, Token, TxnOp};

/// What the caller may do, if this query is among it. Rows that the caller may not see are dropped by the authorizer afterwards.
pub(crate) fn query(acl: &Acl, token: &Token, query: &Query) -> Result<Authorizer, ClusterError> {
    let authorizer = acl.resolve(token);
    authorizer.check_query(query).map_err(|_| ClusterError::PermissionDenied)?;
    Ok(authorizer)
}

/// Refuses a command that the caller may not give.
pub(crate) fn command(acl: &Acl, token: &Token, command: &Command) -> Result<(), ClusterError> {
    acl.resolve(token).check_command(command).map_err(|_| ClusterError::PermissionDenied)
}

/// Refuses a change to a prepared query that the caller may not make.
pub(crate) fn existing_prepared_query(acl: &Acl, token: &Token, query: &PreparedQuery) -> Result<(), ClusterError> {
    let needed = Permission::of_prepared_query(query);
    needed.map_or(Ok(()), |needed| acl.resolve(token).check(needed)).map_err(|_| ClusterError::PermissionDenied)
}

/// Refuses a change to an intention that the caller may not make.
pub(crate) fn existing_intention(acl: &Acl, token: &Token, intention: &Intention) -> Result<(), ClusterError> {
    acl.resolve(token).check(Permission::of_intention(intention)).map_err(|_| ClusterError::PermissionDenied)
}

/// Refuses an operation on the cluster itself that the caller may not give.
pub(crate) fn operation(acl: &Acl, token: &Token, operation: &Operation) -> Result<(), ClusterError> {
    acl.resolve(token).check(Permission::of_operation(operation)).map_err(|_| ClusterError::PermissionDenied)
}

/// Refuses one who may not save or restore the whole state.
pub(crate) fn snapshot(acl: &Acl, token: &Token) -> Result<(), ClusterError> {
    acl.resolve(token).check(Permission::of_snapshot()).map_err(|_| ClusterError::PermissionDenied)
}

/// Refuses an operation of a transaction that the caller may not give.
pub(crate) fn txn_op(acl: &Acl, token: &Token, op: &TxnOp) -> Result<(), ClusterError> {
    let needed = Permission::of_txn_op(op);
    needed.map_or(Ok(()), |needed| acl.resolve(token).check(needed)).map_err(|_| ClusterError::PermissionDenied)
}
