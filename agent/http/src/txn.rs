//! `/v1/txn`: several operations that take place together or not at all.

use crate::decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::kv::Entry;
use crate::respond::{self, Reply};
use crate::shape;
use http::StatusCode;
use lictor_net::clock;
use lictor_types::{Command, Outcome, QueryMeta, TxnError, TxnOp, TxnReply, TxnResult};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

pub(crate) async fn handle(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let ops = read_ops(call).await?;
    if ops.iter().all(TxnOp::is_read) {
        let options = call.read_options()?;
        let (meta, reply) = call.app.cluster.read_txn(&ops, &options.query).await?;
        let mut answer = answer(call, &reply, Some(&meta));
        respond::set_age(answer.headers_mut(), &meta);
        return Ok(answer);
    }
    let command = Command::Txn { ops, now_unix_ms: clock::wall_unix_ms() };
    match call.app.cluster.apply(command, &call.write_options()).await? {
        Outcome::Txn(reply) => Ok(answer(call, &reply, None)),
        _ => Err(HttpError::failed("internal error: not the outcome of a transaction")),
    }
}

/// The operations, within all limits.
async fn read_ops(call: &mut Call<'_>) -> Result<Vec<TxnOp>, HttpError> {
    let (body_max, value_max) = (call.app.settings.txn_max_body_bytes, call.app.settings.kv_max_value_bytes);
    // A single value may be as large as the key/value store takes it.
    let bytes = call.body(body_max.max(value_max), Some("txn_max_req_len")).await?;
    let ops = decode::txn::ops(&bytes)?;
    let (count, ops_max) = (ops.len(), call.app.settings.txn_max_ops);
    if count > ops_max {
        return Err(HttpError::too_large(format!("Transaction contains too many operations ({count} > {ops_max})")));
    }
    // Those that name nothing are not counted in the places of failures either.
    let ops: Vec<TxnOp> = ops.into_iter().flatten().collect();
    for op in &ops {
        if let TxnOp::Kv { entry, .. } = op
            && entry.value.len() > value_max
        {
            let (key, size) = (&entry.key, entry.value.len());
            return Err(HttpError::too_large(format!("Value for key {key:?} is too large ({size} > {value_max} bytes)")));
        }
    }
    Ok(ops)
}

/// 200, or 409 when nothing took place.
fn answer(call: &Call<'_>, reply: &TxnReply, meta: Option<&QueryMeta>) -> Reply {
    let status = if reply.errors.is_empty() { StatusCode::OK } else { StatusCode::CONFLICT };
    call.style.json_with(status, &Body { reply, meta })
}

/// The body; what was answered without the log tells by whom and how fresh.
struct Body<'a> {
    reply: &'a TxnReply,
    meta: Option<&'a QueryMeta>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let TxnReply { results, errors } = self.reply;
        let mut body = serializer.serialize_struct("TxnReply", 6)?;
        body.serialize_field("Results", &errors.is_empty().then_some(Results(results)))?;
        body.serialize_field::<Option<&[TxnError]>>("Errors", &(!errors.is_empty()).then_some(errors))?;
        if let Some(meta) = self.meta {
            body.serialize_field("Index", &meta.index)?;
            body.serialize_field("LastContact", &u64::try_from(meta.last_contact.as_nanos()).unwrap_or(u64::MAX))?;
            body.serialize_field("KnownLeader", &meta.known_leader)?;
            body.serialize_field("ConsistencyLevel", "")?;
        }
        body.end()
    }
}

struct Results<'a>(&'a [TxnResult]);

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for result in self.0 {
            list.serialize_element(&One(result))?;
        }
        list.end()
    }
}

struct One<'a>(&'a TxnResult);

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut one = serializer.serialize_map(Some(1))?;
        match self.0 {
            TxnResult::Kv(row) => one.serialize_entry("KV", &Entry(row))?,
            TxnResult::Node(row) => one.serialize_entry("Node", row)?,
            TxnResult::Service(row) => one.serialize_entry("Service", &shape::service(row))?,
            TxnResult::Check(row) => one.serialize_entry("Check", &shape::check(row))?,
        }
        one.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lictor_types::{HealthCheck, KvEntry, Node, NodeService};
    use std::sync::Arc;

    fn text(reply: &TxnReply, meta: Option<&QueryMeta>) -> String {
        String::from_utf8(crate::json::compact(&Body { reply, meta })).unwrap()
    }

    #[test]
    fn bodies_have_consuls_shape() {
        let meta = QueryMeta { known_leader: true, ..QueryMeta::default() };
        let tail = r#","Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""}"#;
        assert_eq!(text(&TxnReply::default(), None), r#"{"Results":[],"Errors":null}"#);
        assert_eq!(text(&TxnReply::default(), Some(&meta)), format!(r#"{{"Results":[],"Errors":null{tail}"#));
        let failed = TxnReply::failed(vec![TxnError { op_index: 2, what: "no".into() }]);
        assert_eq!(text(&failed, None), r#"{"Results":null,"Errors":[{"OpIndex":2,"What":"no"}]}"#);
        let results = vec![
            TxnResult::Kv(Arc::new(KvEntry { key: "a".into(), ..KvEntry::default() })),
            TxnResult::Node(Arc::new(Node { node: "n".into(), ..Node::default() })),
            TxnResult::Service(Arc::new(NodeService { id: "w".into(), service: "web".into(), ..NodeService::default() })),
            TxnResult::Check(Arc::new(HealthCheck { check_id: "c".into(), ..HealthCheck::default() })),
        ];
        assert_eq!(
            text(&TxnReply { results, errors: vec![] }, None),
            concat!(
                r#"{"Results":[{"KV":{"LockIndex":0,"Key":"a","Flags":0,"Value":null,"CreateIndex":0,"ModifyIndex":0}},"#,
                r#"{"Node":{"ID":"","Node":"n","Address":"","Datacenter":"","TaggedAddresses":null,"Meta":null,"CreateIndex":0,"ModifyIndex":0}},"#,
                r#"{"Service":{"ID":"w","Service":"web","Tags":null,"Address":"","Meta":null,"Port":0,"Weights":{"Passing":1,"Warning":1},"#,
                r#""EnableTagOverride":false,"Proxy":{"MeshGateway":{},"Expose":{}},"Connect":{},"CreateIndex":0,"ModifyIndex":0}},"#,
                r#"{"Check":{"Node":"","CheckID":"c","Name":"","Status":"critical","Notes":"","Output":"","ServiceID":"","ServiceName":"","#,
                r#""ServiceTags":null,"Type":"","Definition":{},"CreateIndex":0,"ModifyIndex":0}}],"Errors":null}"#
            )
        );
    }
}
