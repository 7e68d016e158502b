//! The plugins inside the binary, so that a fresh machine needs no files. A `plugin` block or a file in the plugin directory
//! of the same name comes first.

/// Name and component of each.
pub const SHIPPED: &[(&str, &[u8])] = &[("redis_ping", include_bytes!("../../shipped/redis_ping/redis_ping.wasm"))];

pub(crate) fn find(name: &str) -> Option<&'static [u8]> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, bytes)| *bytes)
}
