//! Registration of nodes, instances and checks.

use super::Writer;
use crate::key::fold;
use crate::schema::State;
use crate::tables::connect_target;
use lictor_types::service::Given;
use lictor_types::{HealthCheck, HealthStatus, Node, NodeName, NodeService, Outcome, Register, Weights};
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
    node: Option<NodePlan>,
    service: Option<NodeService>,
    checks: Vec<HealthCheck>,
}

/// A node's row that the state accepts, and that differs from what is there.
struct NodePlan {
    node: Node,
    /// The name under which the node has been until now, when its UUID moves to a new name.
    renamed_from: Option<NodeName>,
}

impl Writer {
    pub(super) fn register(&mut self, register: &Register) -> Outcome {
        let plan = match plan(&self.state, register) {
            Ok(plan) => plan,
            Err(sentence) => return Outcome::Refused(sentence),
        };
        let now = register.now_unix_ms;
        if let Some(node) = plan.node {
            self.carry_out(node, now);
        }
        let node = self.shared_name(&register.node.node);
        if let Some(service) = plan.service {
            self.put_service(&node, service);
        }
        for mut check in plan.checks {
            check.node = node.clone();
            self.put_check(check, now);
        }
        Outcome::Done
    }

    /// Writes a node's row unless it is there already. Refused in the words of Consul's state store.
    pub(super) fn put_node(&mut self, given: &Node, now_unix_ms: u64) -> Result<(), String> {
        if let Some(plan) = plan_node(&self.state, given)? {
            self.carry_out(plan, now_unix_ms);
        }
        Ok(())
    }

    fn carry_out(&mut self, NodePlan { mut node, renamed_from }: NodePlan, now_unix_ms: u64) {
        let old = self.state.nodes.get(renamed_from.as_ref().unwrap_or(&node.node));
        node.create_index = old.map_or(self.index, |old| old.create_index);
        if let Some(old) = renamed_from {
            self.remove_node(&old, now_unix_ms);
        }
        self.insert_node(node);
    }

    /// A node's name as it was given; in the memory of the node's row when it is written the same there.
    pub(super) fn shared_name(&self, given: &NodeName) -> NodeName {
        self.state.nodes.get(given).map(|row| &row.node).filter(|name| *name == given).unwrap_or(given).clone()
    }

    fn insert_node(&mut self, mut node: Node) {
        node.modify_index = self.index;
        let name = node.node.clone();
        self.state.nodes.insert(Arc::new(node));
        self.touch_node(&name);
    }

    pub(super) fn put_service(&mut self, node: &NodeName, mut service: NodeService) {
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

    pub(super) fn put_check(&mut self, mut check: HealthCheck, now_unix_ms: u64) {
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
    let stays = register.skip_node_update && state.nodes.get(&given.node).is_some();
    let node = if stays { None } else { plan_node(state, given).map_err(|why| format!("failed inserting node: {why}"))? };
    let service = register.service.as_ref().map(canonical_service);
    if let Some(service) = &service {
        check_meta(&given.node, service).map_err(|why| format!("failed inserting service: {why}"))?;
    }
    // What the node keeps: a rename takes everything from the old name.
    let renamed_from = node.as_ref().and_then(|plan| plan.renamed_from.as_ref());
    let loses_all = renamed_from.is_some_and(|old| fold(old) == fold(&given.node));
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
    Ok(Plan { node, service, checks })
}

/// What becomes of a node's row; `None`: it stays as it is.
fn plan_node(state: &State, given: &Node) -> Result<Option<NodePlan>, String> {
    let mut node = given.clone();
    if node.datacenter.is_empty() {
        node.datacenter = state.datacenter.to_string();
    }
    if state.nodes.get(&node.node).is_some_and(|old| same_node(old, &node)) {
        return Ok(None);
    }
    let mut renamed_from = None;
    if !node.id.is_empty() {
        match state.nodes.get_by_id(&node.id) {
            Some(holder) if holder.node != node.node => {
                name_is_free(state, &node, false)
                    .map_err(|why| format!("Error while renaming Node ID: {:?} ({}): {why}", node.id, node.address))?;
                renamed_from = Some(holder.node.clone());
            }
            Some(_) => {}
            None => {
                name_is_free(state, &node, true).map_err(|why| format!("Error while renaming Node ID: {:?}: {why}", node.id))?
            }
        }
    }
    Ok(Some(NodePlan { node, renamed_from }))
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

pub(super) fn canonical_service(given: &NodeService) -> NodeService {
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
        service.proxy = Given::default();
    }
    if is_void(&service.connect) {
        service.connect = Given::default();
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

pub(super) fn canonical_check(given: &HealthCheck, node: &NodeName) -> HealthCheck {
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

/// Refuses metadata that an instance may not have.
pub(super) fn check_meta(node: &NodeName, service: &NodeService) -> Result<(), String> {
    meta_fault(&service.meta).map_err(|why| format!("Invalid Service Meta for node {node} and serviceID {}: {why}", service.id))
}

fn meta_fault(meta: &BTreeMap<String, String>) -> Result<(), String> {
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
