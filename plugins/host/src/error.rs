//! Errors of loading. A *run* has no errors: whatever goes wrong there is a critical outcome.

use crate::contract::CONTRACT;

/// Why a module was not taken. The module is at fault, except for `Read` and `Engine`; what ran before goes on running.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum LoadError {
    /// The file cannot be read. May be retried.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// The file.
        path: String,
        /// As the system says it.
        reason: String,
    },
    /// The file is too big to be a check.
    #[error("it has {size} bytes, more than the limit of {limit}")]
    TooBig {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The bytes are not those the definition pins.
    #[error("its sha256 is {found}, but the plugin block pins {pinned}")]
    Pin {
        /// The hash found.
        found: String,
        /// The hash wanted.
        pinned: String,
    },
    /// Not WebAssembly, or damaged.
    #[error("it is no WebAssembly component: {0}")]
    Malformed(String),
    /// A core module that does not say which contract it was built for.
    #[error(
        "it is a core module that is neither a WASI program (it exports no _start) nor carries the component data of {CONTRACT}; build it for wasm32-wasip1, or with wit-bindgen"
    )]
    CoreModule,
    /// Another major version of the contract.
    #[error("it is built for {0}; this agent speaks {CONTRACT}")]
    Version(String),
    /// Asks for an interface nobody offers.
    #[error("it imports {0}, which this agent does not offer")]
    UnknownImport(String),
    /// Lacks `run` or `describe`.
    #[error("it does not export {0:?}, which {CONTRACT} demands")]
    MissingExport(&'static str),
    /// A component of something else.
    #[error("it is a component, but not one of {CONTRACT}")]
    NotAPlugin,
    /// `run` or `describe` have other types.
    #[error("it does not fit {CONTRACT}: {0}")]
    Mismatch(String),
    /// Imports a capability it does not ask for in `describe`.
    #[error("it imports {0}, but its description does not ask for any {0} grant")]
    Unasked(&'static str),
    /// `describe` failed or says nonsense.
    #[error("its description is unusable: {0}")]
    Description(String),
    /// wasmtime cannot start on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
}
