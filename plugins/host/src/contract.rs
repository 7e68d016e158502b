//! The contract `lictor:check`, and what a component says about itself before it runs.

use crate::error::LoadError;
use crate::grant::Kind;
use wasmtime::Engine;
use wasmtime::component::Component;

mod bindings {
    // The generated code is not ours to lint.
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    wasmtime::component::bindgen!({
        path: "../wit/v1",
        world: "plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "lictor:check/tcp.tcp-connection": crate::capability::tcp::Connection,
            "lictor:check/udp.udp-socket": crate::capability::udp::Socket,
        },
    });
}

pub(crate) use bindings::lictor::check::{clock, dir, dns, env, http, log, random, starttls, statfs, tcp, tls, types, udp};
pub(crate) use bindings::{Plugin, PluginPre};

/// The version this agent speaks; components built against `1.x` with `x` not above ours are taken.
pub const CONTRACT: &str = "lictor:check@1.0.0";

/// The interfaces a component imports, judged against the contract.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    /// The kinds of capability it imports.
    pub(crate) kinds: Vec<Kind>,
}

/// Reads a component's imports and exports. Refuses what this agent cannot link, in plain words.
pub(crate) fn inspect(engine: &Engine, component: &Component) -> Result<Imports, LoadError> {
    let ty = component.component_type();
    let mut imports = Imports::default();
    let mut speaks_contract = false;
    for (name, _) in ty.imports(engine) {
        let (interface, version) = name.split_once('@').unwrap_or((name, ""));
        if interface.starts_with("wasi:") {
            // Linked with an empty world: what language runtimes need to start, and nothing behind it.
            continue;
        }
        let Some(short) = interface.strip_prefix("lictor:check/") else {
            return Err(LoadError::UnknownImport(name.to_owned()));
        };
        if version.split('.').next() != Some("1") {
            return Err(LoadError::Version(format!("lictor:check@{version}")));
        }
        speaks_contract = true;
        match short {
            "types" | "log" => {}
            // A handshake is a connection.
            "tls" | "starttls" => imports.kinds.push(Kind::Tcp),
            _ => match Kind::ALL.into_iter().find(|kind| kind.as_str() == short) {
                Some(kind) => imports.kinds.push(kind),
                None => return Err(LoadError::UnknownImport(name.to_owned())),
            },
        }
    }
    for export in ["describe", "run"] {
        if ty.get_export(engine, export).is_none() {
            return Err(LoadError::MissingExport(export));
        }
    }
    if speaks_contract { Ok(imports) } else { Err(LoadError::NotAPlugin) }
}
