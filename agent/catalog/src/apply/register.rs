//! Registration of nodes, instances and checks.

use super::Writer;
use crate::key::fold;
use crate::schema::State;
use crate::tables::connect_target;
use lictor_types::{HealthCheck, HealthStatus, Node, NodeService, Outcome, Register, Weights};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pairs of metadata an instance may have.
const META_PAIRS_MAX: usize = 64;
const META_KEY_CHARS_MAX: usize = 128;
const META_VALUE_CHARS_MAX: usize = 512;
/// Highest weight of an SRV record.
const WEIGHT_MAX: i64 = 65535;

/// A registration that the state accepts, made canonical.
struct Plan {
    /// `None`: the row stays as it is.
    node: Option<Node>,
    /// The name under which the node has been until now, when its UUID moves to a new name.
    renamed_from: Option<lictor_types::NodeName>,
    service: Option<NodeService>,
    checks: Vec<HealthCheck>,
}

impl Writer {
    pub(super) fn register(&mut self, register: &Register) -> Outcome {
        let plan = match plan(&self.state, register) {
            Ok(plan) => plan,
            Err(sentence) => return Outcome::Refused(sentence),
        };
        let now = register.now_unix_ms;
        if let Some(old) = plan.renamed_from {
            let created = self.state.nodes.get(&old).map(|node| node.create_index);
            self.remove_node(&old, now);
            if let Some(mut node) = plan.node {
                node.create_index = created.unwrap_or(self.index);
                self.insert_node(node);
            }
        } else if let Some(mut node) = plan.node {
            node.create_index = self.state.nodes.get(&node.node).map_or(self.index, |old| old.create_index);
            self.insert_node(node);
        }
        // The name as it was given; in the memory of the node's row when it is written the same there.
        let given = &register.node.node;
        let node = self.state.nodes.get(given).map(|row| &row.node).filter(|name| *name == given).unwrap_or(given).clone();
        if let Some(service) = plan.service {
            self.put_service(&node, service);
        }
        for mut check in plan.checks {
            check.node = node.clone();
            self.put_check(check, now);
        }
        Outcome::Done
    }

    fn insert_node(&mut self, mut node: Node) {
        node.modify_index = self.index;
        let name = node.node.clone();
        self.state.nodes.insert(Arc::new(node));
        self.touch_node(&name);
    }

    fn put_service(&mut self, node: &lictor_types::NodeName, mut service: NodeService) {
        let old = self.state.services.get(node, &service.id).cloned();
        match &old {
            Some(old) => {
                service.create_index = old.create_index;
                service.modify_index = old.modify_index;
                if **old == service {
                    return;
                }
            }
            None => service.create_index = self.index,
        }
        service.modify_index = self.index;
        let service = Arc::new(service);
        self.state.services.insert(node, service.clone());
        self.touch_instance(node, &service);
        if let Some(old) = old
            && (fold(&old.service) != fold(&service.service) || connect_target(&old) != connect_target(&service))
        {
            // The name, or the service made connect-capable, that it had until now lost an instance.
            self.touch_instance(node, &old);
        }
    }

    fn put_check(&mut self, mut check: HealthCheck, now_unix_ms: u64) {
        if !check.service_id.is_empty()
            && let Some(service) = self.state.services.get(&check.node, &check.service_id)
        {
            check.service_name = service.service.clone();
            check.service_tags = service.tags.clone();
        }
        if check.status == HealthStatus::Critical {
            self.end_sessions_on_check(&check.node, &check.check_id, now_unix_ms);
        }
        let old = self.state.checks.get(&check.node, &check.check_id).cloned();
        match &old {
            Some(old) => {
                check.create_index = old.create_index;
                check.modify_index = old.modify_index;
                if **old == check {
                    return;
                }
            }
            None => check.create_index = self.index,
        }
        check.modify_index = self.index;
        let check = Arc::new(check);
        self.state.checks.insert(check.clone());
        if let Some(old) = old
            && (old.status != check.status || old.service_id != check.service_id || old.service_name != check.service_name)
        {
            self.touch_check(&old);
        }
        self.touch_check(&check);
    }
}

fn plan(state: &State, register: &Register) -> Result<Plan, String> {
    let given = &register.node;
    if given.node.is_empty() {
        return Err("Must provide node".to_owned());
    }
    let existing = state.nodes.get(&given.node);
    let mut node = given.clone();
    if node.datacenter.is_empty() {
        node.datacenter = state.datacenter.to_string();
    }
    let changes = existing.is_none_or(|old| !register.skip_node_update && !same_node(old, &node));
    let mut renamed_from = None;
    if changes && !node.id.is_empty() {
        match state.nodes.get_by_id(&node.id) {
            Some(holder) if holder.node != node.node => {
                name_is_free(state, &node, false).map_err(|why| {
                    format!("failed inserting node: Error while renaming Node ID: {:?} ({}): {why}", node.id, node.address)
                })?;
                renamed_from = Some(holder.node.clone());
            }
            Some(_) => {}
            None => name_is_free(state, &node, true)
                .map_err(|why| format!("failed inserting node: Error while renaming Node ID: {:?}: {why}", node.id))?,
        }
    }
    let service = register.service.as_ref().map(canonical_service);
    if let Some(service) = &service {
        check_meta(&service.meta).map_err(|why| {
            format!("failed inserting service: Invalid Service Meta for node {} and serviceID {}: {why}", given.node, service.id)
        })?;
    }
    // What the node keeps: a rename takes everything from the old name.
    let loses_all = renamed_from.as_ref().is_some_and(|old| fold(old) == fold(&given.node));
    let mut checks = Vec::with_capacity(register.checks.len());
    for check in &register.checks {
        let check = canonical_check(check, &given.node);
        if check.node != given.node {
            return Err(format!("check node {:?} does not match node {:?}", check.node.as_str(), given.node.as_str()));
        }
        if check.check_id.is_empty() {
            return Err(format!(
                "failed inserting check: failed inserting check: object missing primary index on node {:?}",
                given.node.as_str()
            ));
        }
        let known = check.service_id.is_empty()
            || service.as_ref().is_some_and(|service| fold(&service.id) == fold(&check.service_id))
            || (!loses_all && state.services.get(&given.node, &check.service_id).is_some());
        if !known {
            return Err(format!("failed inserting check: Missing service registration on node {:?}", given.node.as_str()));
        }
        checks.push(check);
    }
    Ok(Plan { node: changes.then_some(node), renamed_from, service, checks })
}

fn same_node(old: &Node, new: &Node) -> bool {
    old.id == new.id
        && old.node == new.node
        && old.address == new.address
        && old.datacenter == new.datacenter
        && old.tagged_addresses == new.tagged_addresses
        && old.meta == new.meta
}

/// Whether a node with another UUID may take a name. A live member keeps its name; a node without `serfHealth` is not a
/// member and gives it up.
fn name_is_free(state: &State, node: &Node, may_take_from_unnamed: bool) -> Result<(), String> {
    let Some(holder) = state.nodes.get(&node.node).filter(|holder| holder.id != node.id) else { return Ok(()) };
    let alive = state
        .checks
        .get(&holder.node, lictor_types::check::SERF_HEALTH)
        .is_some_and(|check| check.status != HealthStatus::Critical);
    if alive && !(holder.id.is_empty() && may_take_from_unnamed) {
        return Err(format!(
            "Node name {} is reserved by node {} with name {} ({})",
            node.node, holder.id, holder.node, holder.address
        ));
    }
    Ok(())
}

fn canonical_service(given: &NodeService) -> NodeService {
    let mut service = given.clone();
    if service.id.is_empty() {
        service.id = lictor_types::ServiceId::from(service.service.as_str());
    }
    let weights = service.weights;
    let valid = (1..=WEIGHT_MAX).contains(&weights.passing) && (0..=WEIGHT_MAX).contains(&weights.warning);
    if !valid {
        service.weights = Weights::default();
    }
    if is_void(&service.proxy) {
        service.proxy = Value::Null;
    }
    if is_void(&service.connect) {
        service.connect = Value::Null;
    }
    service
}

/// Whether a value says nothing: null, or objects all the way down to nothing.
fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_void),
        _ => false,
    }
}

fn canonical_check(given: &HealthCheck, node: &lictor_types::NodeName) -> HealthCheck {
    let mut check = given.clone();
    if check.node.is_empty() {
        check.node = node.clone();
    }
    if check.check_id.is_empty() {
        check.check_id = lictor_types::CheckId::from(check.name.as_str());
    }
    check.definition = check.definition.canonical();
    if check.kind.is_empty() {
        check.kind = check.definition.kind().to_owned();
    }
    check
}

fn check_meta(meta: &BTreeMap<String, String>) -> Result<(), String> {
    if meta.len() > META_PAIRS_MAX {
        return Err(format!("Node metadata cannot contain more than {META_PAIRS_MAX} key/value pairs"));
    }
    for (key, value) in meta {
        let why = if key.is_empty() {
            "Key cannot be blank".to_owned()
        } else if !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            "Key contains invalid characters".to_owned()
        } else if key.len() > META_KEY_CHARS_MAX {
            format!("Key is too long (limit: {META_KEY_CHARS_MAX} characters)")
        } else if key.starts_with("consul-") {
            "Key prefix 'consul-' is reserved for internal use".to_owned()
        } else if value.len() > META_VALUE_CHARS_MAX {
            format!("Value is too long (limit: {META_VALUE_CHARS_MAX} characters)")
        } else {
            continue;
        };
        return Err(format!("Couldn't load metadata pair ('{key}', '{value}'): {why}"));
    }
    Ok(())
}
