//! `/v1/event/*`: user events.

use crate::dispatch::Call;
use crate::error::HttpError;
use crate::kv::Base64;
use crate::params::read_wait;
use crate::respond::{self, Reply};
use lictor_net::clock;
use lictor_rpc::{ClusterError, NodeError, UserEvent};
use lictor_types::{Index, Operation, QueryOptions};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::time::Duration;
use uuid::Uuid;

/// Largest payload; events travel in gossip packets.
const PAYLOAD_BYTES_MAX: usize = 8 * 1024;
/// How long a list waits by default, and at most.
const WAIT: Duration = Duration::from_secs(5 * 60);
const WAIT_MAX: Duration = Duration::from_secs(10 * 60);

pub(crate) async fn fire(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    if call.tail.is_empty() {
        return Err(HttpError::bad_request("Missing name"));
    }
    let event = UserEvent {
        id: Uuid::new_v4().to_string(),
        name: call.tail.clone(),
        node_filter: call.params.get("node").to_owned(),
        service_filter: call.params.get("service").to_owned(),
        tag_filter: call.params.get("tag").to_owned(),
        payload: call.body(PAYLOAD_BYTES_MAX, None).await?,
        lamport_time: 0,
    };
    event.validate().map_err(HttpError::failed)?;
    let datacenter = call.params.get("dc");
    if datacenter.is_empty() || datacenter.eq_ignore_ascii_case(call.app.node.datacenter()) {
        call.app.node.fire_event(event.clone(), &call.token()).await?;
    } else {
        let operation = Operation::FireEvent { name: event.name.clone(), payload: event.to_payload() };
        call.app.cluster.operate(&operation, &call.write_options()).await?;
    }
    Ok(call.style.json(&Row(&event)))
}

pub(crate) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    let mut options = QueryOptions::default();
    read_wait(&call.params, &mut options)?;
    let (token, name, node) = (call.token(), call.params.get("name"), &call.app.node);
    let Index(index) = options.min_index;
    let found = if index == 0 {
        node.events(name, None, &token).await
    } else {
        tokio::select! {
            biased;
            found = node.events(name, Some(index), &token) => found,
            () = clock::sleep(options.wait.unwrap_or(WAIT).min(WAIT_MAX)) => node.events(name, None, &token).await,
            () = call.app.shutdown.requested() => Err(NodeError::Cluster(ClusterError::ShuttingDown)),
        }
    };
    let (index, events) = found?;
    let rows: Vec<Row<'_>> = events.iter().map(|event| Row(event)).collect();
    let mut reply = call.style.json(&rows);
    respond::set_index(reply.headers_mut(), index);
    Ok(reply)
}

/// An event in the shape of the API.
struct Row<'a>(&'a UserEvent);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let mut row = to.serialize_struct("UserEvent", 8)?;
        row.serialize_field("ID", &event.id)?;
        row.serialize_field("Name", &event.name)?;
        row.serialize_field("Payload", &(!event.payload.is_empty()).then_some(Base64(&event.payload)))?;
        row.serialize_field("NodeFilter", &event.node_filter)?;
        row.serialize_field("ServiceFilter", &event.service_filter)?;
        row.serialize_field("TagFilter", &event.tag_filter)?;
        row.serialize_field("Version", &1)?;
        row.serialize_field("LTime", &event.lamport_time)?;
        row.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_consuls_shape() {
        let event = UserEvent {
            id: "i".into(),
            name: "deploy".into(),
            payload: "hi".into(),
            node_filter: "n.".into(),
            lamport_time: 7,
            ..UserEvent::default()
        };
        let text = String::from_utf8(crate::json::compact(&Row(&event))).unwrap();
        assert_eq!(
            text,
            r#"{"ID":"i","Name":"deploy","Payload":"aGk=","NodeFilter":"n.","ServiceFilter":"","TagFilter":"","Version":1,"LTime":7}"#
        );
    }
}
