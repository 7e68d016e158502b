//! The body of `/v1/query`.

use super::{Decoded, boolean, entries, kind, object, string, string_map, strings, unknown};
use crate::body::decode_failed;
use lictor_types::prepared_query::{QueryDns, QueryFailover, QueryTemplate, ServiceQuery};
use lictor_types::{PreparedQuery, Token};
use serde_json::Value;

/// A prepared query as given, its id too. `null` is a query without anything.
pub(crate) fn query(value: Value) -> Decoded<PreparedQuery> {
    let mut out = PreparedQuery::default();
    for (key, written, value) in object(value, "structs.PreparedQuery")? {
        let field = format!("PreparedQuery.{written}");
        match key.as_str() {
            "id" => out.id = string(value, &field)?,
            "name" => out.name = string(value, &field)?,
            "session" => out.session = string(value, &field)?,
            "token" => out.token = Token::new(&string(value, &field)?),
            "template" => out.template = template(part(value, &field, "structs.QueryTemplateOptions")?)?,
            "service" => out.service = service(part(value, &field, "structs.ServiceQuery")?)?,
            "dns" => out.dns = dns(part(value, &field, "structs.QueryDNSOptions")?)?,
            "createindex" | "modifyindex" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

/// An object within the query.
fn part(value: Value, field: &str, go_type: &str) -> Decoded<Value> {
    Ok(entries(value, field, go_type)?.map_or(Value::Null, Value::Object))
}

fn template(value: Value) -> Decoded<QueryTemplate> {
    let mut out = QueryTemplate::default();
    for (key, written, value) in object(value, "structs.QueryTemplateOptions")? {
        let field = format!("QueryTemplateOptions.Template.{written}");
        match key.as_str() {
            "type" => out.kind = string(value, &field)?,
            "regexp" => out.regexp = string(value, &field)?,
            "removeemptytags" => out.remove_empty_tags = boolean(&value, &field)?,
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

fn service(value: Value) -> Decoded<ServiceQuery> {
    let mut out = ServiceQuery::default();
    for (key, written, value) in object(value, "structs.ServiceQuery")? {
        let field = format!("ServiceQuery.Service.{written}");
        match key.as_str() {
            "service" => out.service = string(value, &field)?.into(),
            "failover" => out.failover = failover(part(value, &field, "structs.QueryDatacenterOptions")?)?,
            "onlypassing" => out.only_passing = boolean(&value, &field)?,
            "ignorecheckids" => {
                out.ignore_check_ids = list(value, &field)?.map(|ids| ids.into_iter().map(Into::into).collect());
            }
            "near" => out.near = string(value, &field)?,
            "tags" => out.tags = list(value, &field)?,
            "nodemeta" => out.node_meta = string_map(value, &field)?,
            "servicemeta" => out.service_meta = string_map(value, &field)?,
            "connect" => out.connect = boolean(&value, &field)?,
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

fn failover(value: Value) -> Decoded<QueryFailover> {
    let mut out = QueryFailover::default();
    for (key, written, value) in object(value, "structs.QueryDatacenterOptions")? {
        let field = format!("QueryDatacenterOptions.Service.Failover.{written}");
        match key.as_str() {
            "nearestn" => out.nearest_n = whole(&value, &field)?,
            "datacenters" => out.datacenters = list(value, &field)?,
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

fn dns(value: Value) -> Decoded<QueryDns> {
    let mut out = QueryDns::default();
    for (key, written, value) in object(value, "structs.QueryDNSOptions")? {
        let field = format!("QueryDNSOptions.DNS.{written}");
        match key.as_str() {
            "ttl" => out.ttl = string(value, &field)?,
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

/// A list that may be absent, which is told apart from an empty one.
fn list(value: Value, field: &str) -> Decoded<Option<Vec<String>>> {
    if value.is_null() { Ok(None) } else { strings(value, field).map(Some) }
}

fn whole(value: &Value, field: &str) -> Decoded<i64> {
    let misfit = |what: String| decode_failed(&format!("json: cannot unmarshal {what} into Go struct field {field} of type int"));
    match value {
        Value::Null => Ok(0),
        Value::Number(number) => number.as_i64().ok_or_else(|| misfit(format!("number {number}"))),
        other => Err(misfit(kind(other).to_owned())),
    }
}
