//! Flags: one row each, from which the reader, the help and the shell completion come.
//!
//! The notation is Go's, as Consul's commands have it: `-name=value`, `-name value`, `--name`; a switch takes a value only
//! behind `=`; flags end at the first argument that is none, or behind `--`. That is not what argument libraries of this
//! language read (they permute, and know long and short names), so the reader is our own.

mod help;
mod read;

pub use help::render;
pub use read::{Given, Order, Read, read};

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text; the last one counts.
    Text,
    /// A text, repeatable.
    Texts,
    /// `key=value`, repeatable.
    Pairs,
    /// On or off.
    Switch,
    /// A number from 0.
    Number,
    /// A whole number, also negative.
    Integer,
    /// A duration such as `10s`.
    Duration,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What the help shows for the value.
    pub placeholder: &'static str,
    /// What it is for, in a sentence.
    pub help: &'static str,
}

const fn flag(name: &'static str, kind: Kind, placeholder: &'static str, help: &'static str) -> Flag {
    Flag { name, kind, placeholder, help }
}

/// A flag with a value.
pub const fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Flag {
    flag(name, Kind::Text, placeholder, help)
}

/// A flag with a value that may be given several times.
pub const fn values(name: &'static str, placeholder: &'static str, help: &'static str) -> Flag {
    flag(name, Kind::Texts, placeholder, help)
}

/// A flag with `key=value` that may be given several times.
pub const fn pairs(name: &'static str, help: &'static str) -> Flag {
    flag(name, Kind::Pairs, "key=value", help)
}

/// A flag that is on or off: `-name`, `-name=false`.
pub const fn switch(name: &'static str, help: &'static str) -> Flag {
    flag(name, Kind::Switch, "", help)
}

/// A flag with a number from 0.
pub const fn number(name: &'static str, help: &'static str) -> Flag {
    flag(name, Kind::Number, "number", help)
}

/// A flag with a whole number.
pub const fn integer(name: &'static str, help: &'static str) -> Flag {
    flag(name, Kind::Integer, "number", help)
}

/// A flag with a duration.
pub const fn duration(name: &'static str, help: &'static str) -> Flag {
    flag(name, Kind::Duration, "duration", help)
}

/// Flags that say which agent to talk to and how.
pub const AGENT: &[Flag] = &[
    value("ca-file", "path", "Trust the roots of this PEM file. Also by CONSUL_CACERT."),
    value("ca-path", "path", "Trust the roots of the PEM files of this directory. Also by CONSUL_CAPATH."),
    value("client-cert", "path", "Certificate (PEM) to show to an agent that verifies clients. Also by CONSUL_CLIENT_CERT."),
    value("client-key", "path", "Key (PEM) of -client-cert. Also by CONSUL_CLIENT_KEY."),
    value(
        "http-addr",
        "address",
        "Address of the agent: host:port, http://host:port, https://host:port or unix:///path. Also by CONSUL_HTTP_ADDR; \
         with CONSUL_HTTP_SSL=true an address without scheme is spoken to over TLS. Default 127.0.0.1:8500.",
    ),
    value("tls-server-name", "name", "Name to expect in the agent's certificate. Also by CONSUL_TLS_SERVER_NAME."),
    value("token", "token", "ACL token to show. Also by CONSUL_HTTP_TOKEN. Without one the agent's own default counts."),
    value("token-file", "path", "File that holds the token. Also by CONSUL_HTTP_TOKEN_FILE."),
];

/// Flags of commands that ask a datacenter, beside [`AGENT`].
pub const DATACENTER: &[Flag] = &[
    value("datacenter", "name", "Datacenter to ask; the agent's own by default."),
    switch("stale", "Let any server answer, also one that may be behind."),
];

/// The flag of commands whose objects live in namespaces, which only Consul Enterprise has.
pub const NAMESPACE: Flag = value("namespace", "name", "Only `default` exists; accepted for compatibility.");
