//! The plugins inside the binary, so that a fresh machine needs no files. A `plugin` block or a file in the plugin directory
//! of the same name comes first.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../shipped/", $name, "/", $name, ".wasm")))),*]
    };
}

/// Name and component of each.
pub const SHIPPED: &[(&str, &[u8])] =
    shipped!["dns_answer", "http_json", "memcached", "ntp", "postgres", "redis_ping", "smtp", "system", "tls_expiry",];

pub(crate) fn find(name: &str) -> Option<&'static [u8]> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, bytes)| *bytes)
}
