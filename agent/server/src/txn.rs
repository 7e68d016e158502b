//! The way of a transaction: what Consul's endpoint refuses is told for each operation, before the log is troubled.

use crate::authorize;
use crate::server::Server;
use crate::write::validate;
use lictor_acl::Authorizer;
use lictor_rpc::ClusterError;
use lictor_types::{Index, QueryMeta, QueryOptions, TxnError, TxnOp, TxnReply};

impl Server {
    /// What is wrong with operations whatever the state is, or not allowed to the caller.
    pub(crate) fn txn_faults(&self, ops: &[TxnOp], authorizer: &Authorizer) -> Vec<TxnError> {
        let state = self.catalog.snapshot();
        let fault = |(op_index, op): (usize, &TxnOp)| {
            let allowed = || authorize::txn_op(&state, authorizer, op).map_err(|denied| denied.to_string());
            validate::txn_op(op).and_then(|()| allowed()).err().map(|what| TxnError { op_index, what })
        };
        ops.iter().enumerate().filter_map(fault).collect()
    }

    /// Answers a transaction that only reads.
    pub(crate) async fn answer_txn(&self, ops: &[TxnOp], options: &QueryOptions) -> Result<(QueryMeta, TxnReply), ClusterError> {
        if !ops.iter().all(TxnOp::is_read) {
            return Err(ClusterError::BadRequest("a transaction that writes was asked as one that reads".to_owned()));
        }
        if self.is_for_leader(options)
            && let Some(answer) = self.read_txn_at_leader(ops, options).await?
        {
            return Ok(answer);
        }
        self.make_fresh(options.consistency).await?;
        let authorizer = self.authorizer(&options.token).await?;
        let faults = self.txn_faults(ops, &authorizer);
        let mut filtered = false;
        let reply = if faults.is_empty() {
            let mut reply = self.catalog.snapshot().read_txn(ops);
            filtered = authorizer.redact_txn(&mut reply.results);
            reply
        } else {
            TxnReply::failed(faults)
        };
        let meta = QueryMeta {
            // There is nothing to wait for.
            index: Index(0),
            last_contact: self.raft.last_contact(),
            known_leader: self.raft.knows_leader(),
            effective: None,
            filtered_by_acls: filtered,
        };
        Ok((meta, reply))
    }
}
