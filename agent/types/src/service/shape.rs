//! The JSON shape of a service row where it differs from what is stored. Only texts for people and clients are shaped;
//! binary encodings (log, snapshots) keep what is stored.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Reads `null` as the default value.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// Metadata: `null` when there is none.
pub(super) fn meta<S: Serializer>(meta: &BTreeMap<String, String>, to: S) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() && meta.is_empty() { to.serialize_unit() } else { meta.serialize(to) }
}

/// Proxy settings: `MeshGateway` and `Expose` are always there.
pub(super) fn proxy<S: Serializer>(proxy: &Value, to: S) -> Result<S::Ok, S::Error> {
    if !to.is_human_readable() {
        return proxy.serialize(to);
    }
    match proxy {
        Value::Object(given) if !given.is_empty() => {
            let mut full = given.clone();
            for key in ["MeshGateway", "Expose"] {
                let slot = full.entry(key).or_insert(Value::Null);
                if slot.is_null() {
                    *slot = Value::Object(Map::new());
                }
            }
            full.serialize(to)
        }
        _ => json!({"MeshGateway": {}, "Expose": {}}).serialize(to),
    }
}

/// Connect settings: `{}` when there are none.
pub(super) fn connect<S: Serializer>(connect: &Value, to: S) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() && connect.is_null() { Map::new().serialize(to) } else { connect.serialize(to) }
}
