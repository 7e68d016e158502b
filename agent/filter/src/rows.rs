//! The rows of the catalog, as expressions see them.

use crate::row::{Map, Row, Value};
use lictor_types::query::CheckServiceNode;
use lictor_types::service::NamedPort;
use lictor_types::{AddressPort, ConfigEntry, HealthCheck, Intention, Member, Node, NodeService, ServiceNode, Weights};
use std::collections::BTreeMap;

fn texts(map: Option<&BTreeMap<String, String>>) -> Value<'_> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    Value::Map(map.unwrap_or(&NONE))
}

impl Row for Node {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "ID" => Value::Text(&self.id),
            "Node" => Value::Text(&self.node),
            "Address" => Value::Text(&self.address),
            "Datacenter" => Value::Text(&self.datacenter),
            "TaggedAddresses" => texts(self.tagged_addresses.as_ref()),
            "Meta" => texts(self.meta.as_ref()),
            _ => Value::Absent,
        }
    }
}

impl Row for Weights {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Passing" => Value::Number(self.passing),
            "Warning" => Value::Number(self.warning),
            _ => Value::Absent,
        }
    }
}

impl Row for AddressPort {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Address" => Value::Text(&self.address),
            "Port" => Value::Number(self.port.into()),
            _ => Value::Absent,
        }
    }
}

impl Map for BTreeMap<String, AddressPort> {
    fn is_empty(&self) -> bool {
        BTreeMap::is_empty(self)
    }
    fn get(&self, key: &str) -> Option<Value<'_>> {
        BTreeMap::get(self, key).map(|row| Value::Row(row))
    }
}

impl Row for NamedPort {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Name" => Value::Text(&self.name),
            "Port" => Value::Number(self.port.into()),
            "Default" => Value::Bool(self.default),
            _ => Value::Absent,
        }
    }
}

impl Row for NodeService {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Kind" => Value::Text(&self.kind),
            "ID" => Value::Text(&self.id),
            "Service" => Value::Text(&self.service),
            "Tags" => Value::Texts(&self.tags),
            "Address" => Value::Text(&self.address),
            "TaggedAddresses" => Value::Map(&self.tagged_addresses),
            "Meta" => Value::Map(&self.meta),
            "Port" => Value::Number(self.port.into()),
            "Ports" => Value::Rows(&self.ports),
            "Weights" => Value::Row(&self.weights),
            "EnableTagOverride" => Value::Bool(self.enable_tag_override),
            "Proxy" => Value::Json(&self.proxy),
            "Connect" => Value::Json(&self.connect),
            _ => Value::Absent,
        }
    }
}

impl Row for ServiceNode {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "ID" => Value::Text(&self.id),
            "Node" => Value::Text(&self.node),
            "Address" => Value::Text(&self.address),
            "Datacenter" => Value::Text(&self.datacenter),
            "TaggedAddresses" => texts(self.tagged_addresses.as_ref()),
            "NodeMeta" => texts(self.node_meta.as_ref()),
            "ServiceKind" => Value::Text(&self.service_kind),
            "ServiceID" => Value::Text(&self.service_id),
            "ServiceName" => Value::Text(&self.service_name),
            "ServiceTags" => Value::Texts(&self.service_tags),
            "ServiceAddress" => Value::Text(&self.service_address),
            "ServiceTaggedAddresses" => Value::Map(&self.service_tagged_addresses),
            "ServiceWeights" => Value::Row(&self.service_weights),
            "ServiceMeta" => Value::Map(&self.service_meta),
            "ServicePort" => Value::Number(self.service_port.into()),
            "ServicePorts" => Value::Rows(&self.service_ports),
            "ServiceEnableTagOverride" => Value::Bool(self.service_enable_tag_override),
            "ServiceProxy" => Value::Json(&self.service_proxy),
            "ServiceConnect" => Value::Json(&self.service_connect),
            _ => Value::Absent,
        }
    }
}

impl Row for HealthCheck {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Node" => Value::Text(&self.node),
            "CheckID" => Value::Text(&self.check_id),
            "Name" => Value::Text(&self.name),
            "Status" => Value::Text(self.status.as_str()),
            "Notes" => Value::Text(&self.notes),
            "Output" => Value::Text(&self.output),
            "ServiceID" => Value::Text(&self.service_id),
            "ServiceName" => Value::Text(&self.service_name),
            "ServiceTags" => Value::Texts(&self.service_tags),
            "Type" => Value::Text(&self.kind),
            _ => Value::Absent,
        }
    }
}

impl Row for CheckServiceNode {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Node" => Value::Row(&self.node),
            "Service" => Value::Row(&self.service),
            "Checks" => Value::Rows(&self.checks),
            _ => Value::Absent,
        }
    }
}

impl Row for Intention {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "ID" => Value::Text(&self.id),
            "Description" => Value::Text(&self.description),
            "SourceNS" => Value::Text(&self.source_ns),
            "SourceName" => Value::Text(&self.source_name),
            "DestinationNS" => Value::Text(&self.destination_ns),
            "DestinationName" => Value::Text(&self.destination_name),
            "SourceType" => Value::Text(&self.source_type),
            "Action" => Value::Text(self.action.as_str()),
            "DefaultAddr" => Value::Text(&self.default_addr),
            "DefaultPort" => Value::Number(self.default_port),
            "Precedence" => Value::Number(self.precedence.into()),
            "Meta" => Value::Map(&self.meta),
            _ => Value::Absent,
        }
    }
}

impl Row for ConfigEntry {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Kind" => Value::Text(self.kind().as_str()),
            "Name" => Value::Text(&self.name),
            "Meta" => Value::Map(&self.meta),
            _ => Value::Absent,
        }
    }
}

impl Row for Member {
    fn field(&self, name: &str) -> Value<'_> {
        match name {
            "Name" => Value::Text(&self.name),
            "Addr" => Value::Text(&self.addr),
            "Port" => Value::Number(self.port.into()),
            "Tags" => Value::Map(&self.tags),
            "Status" => Value::Number(u8::from(self.status).into()),
            "ProtocolMin" => Value::Number(self.protocol_min.into()),
            "ProtocolMax" => Value::Number(self.protocol_max.into()),
            "ProtocolCur" => Value::Number(self.protocol_cur.into()),
            "DelegateMin" => Value::Number(self.delegate_min.into()),
            "DelegateMax" => Value::Number(self.delegate_max.into()),
            "DelegateCur" => Value::Number(self.delegate_cur.into()),
            _ => Value::Absent,
        }
    }
}
