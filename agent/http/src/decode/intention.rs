//! The body of `/v1/connect/intentions`.

use super::{Decoded, integer, object, string, string_map, unknown};
use lictor_types::{Intention, IntentionAction};
use serde_json::Value;

/// What Go calls the type that Consul reads it into.
const GO_TYPE: &str = "struct { Hash string; CreatedAt string; UpdatedAt string; *structs.Alias }";

/// An intention as given, its id too. `null` is one without anything. What the state fills in is passed over: an intention that
/// was read may be written back.
pub(crate) fn intention(value: Value) -> Decoded<Intention> {
    let mut out = Intention::default();
    for (key, written, value) in object(value, GO_TYPE)? {
        let field = format!(".{written}");
        match key.as_str() {
            "id" => out.id = string(value, &field)?,
            "description" => out.description = string(value, &field)?,
            "sourcens" => out.source_ns = string(value, &field)?,
            "sourcename" => out.source_name = string(value, &field)?,
            "destinationns" => out.destination_ns = string(value, &field)?,
            "destinationname" => out.destination_name = string(value, &field)?,
            "sourcetype" => out.source_type = string(value, &field)?,
            // One that does not exist is refused with all else that is wrong.
            "action" => out.action = IntentionAction::parse(&string(value, &field)?),
            "defaultaddr" => out.default_addr = string(value, &field)?,
            "defaultport" => out.default_port = integer(&value, &field)?,
            "meta" => out.meta = string_map(value, &field)?.unwrap_or_default(),
            "precedence" | "createdat" | "updatedat" | "hash" | "createindex" | "modifyindex" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}
