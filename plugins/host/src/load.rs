//! From bytes to a plugin that can run: component, contract, description.

use crate::compiled::Origin;
use crate::contract::{PluginPre, inspect};
use crate::core_module::componentize;
use crate::engine::Runtime;
use crate::error::LoadError;
use crate::grant::{Grants, Kind};
use crate::limits::Limits;
use crate::run::{explain, new_store};
use crate::schema::Schema;
use crate::script;
use crate::state::RunState;
use lictor_net::clock;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Component;
use wasmtime::{InstancePre, Module};

/// Time `describe` may take.
const DESCRIBE_TIME_MAX: Duration = Duration::from_secs(5);
/// Text of a description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 256 << 10;
/// Capabilities a plugin may ask for.
const CAPABILITIES_MAX: usize = 64;

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// JSON Schema of `config`; empty: any object.
    pub config_schema: String,
    /// What it asks for.
    pub capabilities: Vec<Asked>,
}

/// A capability a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Asked {
    /// The grant; `{key}` stands for a setting.
    pub grant: String,
    /// What for.
    pub why: String,
    /// Works without it.
    pub optional: bool,
}

/// A plugin ready to run.
pub(crate) struct Loaded {
    pub(crate) guest: Guest,
    pub(crate) about: Description,
    pub(crate) schema: Schema,
    /// In hexadecimal.
    pub(crate) sha256: String,
    pub(crate) size_bytes: usize,
    /// Whether it was compiled now.
    pub(crate) origin: Origin,
    pub(crate) compile_time: Duration,
}

/// What runs.
pub(crate) enum Guest {
    Component(PluginPre<RunState>),
    Script(InstancePre<RunState>),
}

/// The sha256 of bytes, in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compiles and verifies. Takes its time: call it where blocking is allowed.
pub(crate) fn load(
    runtime: &Runtime,
    name: &Arc<str>,
    bytes: &[u8],
    sha256: String,
    limits: &Limits,
) -> Result<Loaded, LoadError> {
    let encoded;
    let binary = match Binary::of(bytes)? {
        Binary::Component => bytes,
        Binary::Core => match componentize(bytes)? {
            Some(component) => {
                encoded = component;
                &encoded
            }
            None => return load_script(runtime, name, bytes, sha256),
        },
    };
    let began = clock::now();
    let (component, origin) =
        runtime.compile(binary, || Component::from_binary(&runtime.engine, binary)).map_err(|error| malformed(&error))?;
    let compile_time = began.elapsed();
    let imports = inspect(&runtime.engine, &component)?;
    let mismatch = |error: wasmtime::Error| LoadError::Mismatch(first_line(&error));
    let pre = runtime.linker.instantiate_pre(&component).map_err(mismatch)?;
    let pre = PluginPre::new(pre).map_err(mismatch)?;
    let about = describe(runtime, name, &pre, limits)?;
    let schema = Schema::parse(&about.config_schema).map_err(LoadError::Description)?;
    for kind in imports.kinds {
        let asks = |asked: &Asked| {
            let word = asked.grant.split(':').next().unwrap_or_default();
            word == kind.as_str() || (kind == Kind::Http && word == "https")
        };
        if !about.capabilities.iter().any(asks) {
            return Err(LoadError::Unasked(kind.as_str()));
        }
    }
    Ok(Loaded { guest: Guest::Component(pre), about, schema, sha256, size_bytes: bytes.len(), origin, compile_time })
}

fn load_script(runtime: &Runtime, name: &Arc<str>, bytes: &[u8], sha256: String) -> Result<Loaded, LoadError> {
    let began = clock::now();
    let (module, origin) =
        runtime.compile(bytes, || Module::from_binary(&runtime.engine, bytes)).map_err(|error| malformed(&error))?;
    let compile_time = began.elapsed();
    let pre = script::link(&runtime.wasi, &module)?;
    let about = script::describe(name, &sha256);
    let schema = Schema::parse(&about.config_schema).map_err(LoadError::Description)?;
    Ok(Loaded { guest: Guest::Script(pre), about, schema, sha256, size_bytes: bytes.len(), origin, compile_time })
}

fn malformed(error: &wasmtime::Error) -> LoadError {
    LoadError::Malformed(first_line(error))
}

enum Binary {
    Component,
    Core,
}

impl Binary {
    /// Both begin with `\0asm`; the layer behind the version tells them apart.
    fn of(bytes: &[u8]) -> Result<Self, LoadError> {
        match bytes {
            [0, b'a', b's', b'm', _, _, 0, 0, ..] => Ok(Self::Core),
            [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(Self::Component),
            [0, b'a', b's', b'm', ..] => Err(LoadError::Malformed("its header is damaged".to_owned())),
            [] => Err(LoadError::Malformed("the file is empty".to_owned())),
            _ => Err(LoadError::Malformed("it does not begin with the WebAssembly magic".to_owned())),
        }
    }
}

/// Asks the plugin about itself, without any grant. A runtime of its own, since this is called with and without one around.
fn describe(runtime: &Runtime, name: &Arc<str>, pre: &PluginPre<RunState>, limits: &Limits) -> Result<Description, LoadError> {
    let ask = || -> Result<Description, LoadError> {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let tokio = tokio.map_err(|error| LoadError::Engine(error.to_string()))?;
        tokio.block_on(async {
            let deadline = clock::now() + DESCRIBE_TIME_MAX;
            let state = RunState::new(Arc::clone(name), Arc::new(Grants::default()), limits, deadline, [0; 32]);
            let mut store = new_store(runtime, state);
            let _ticking = runtime.ticking(deadline);
            let asked = clock::timeout_at(deadline, async {
                let plugin = pre.instantiate_async(&mut store).await?;
                plugin.call_describe(&mut store).await
            });
            match asked.await {
                Ok(Ok(about)) => Ok(Description {
                    name: about.name,
                    version: about.version,
                    summary: about.summary,
                    config_schema: about.config_schema,
                    capabilities: about
                        .capabilities
                        .into_iter()
                        .map(|one| Asked { grant: one.grant, why: one.why, optional: one.optional })
                        .collect(),
                }),
                Ok(Err(error)) => Err(LoadError::Description(explain(&error))),
                Err(_) => Err(LoadError::Description(format!("it took longer than {DESCRIBE_TIME_MAX:?}"))),
            }
        })
    };
    let asked = std::thread::scope(|scope| scope.spawn(ask).join());
    let about = asked.unwrap_or_else(|_| Err(LoadError::Description("reading it panicked".to_owned())))?;
    check_description(&about)?;
    Ok(about)
}

fn check_description(about: &Description) -> Result<(), LoadError> {
    let texts = [&about.name, &about.version, &about.summary, &about.config_schema];
    let asked = about.capabilities.iter().map(|one| one.grant.len() + one.why.len()).sum::<usize>();
    if texts.iter().map(|text| text.len()).sum::<usize>() + asked > DESCRIPTION_BYTES_MAX {
        return Err(LoadError::Description(format!("it is longer than {DESCRIPTION_BYTES_MAX} bytes")));
    }
    if about.capabilities.len() > CAPABILITIES_MAX {
        return Err(LoadError::Description(format!("it asks for more than {CAPABILITIES_MAX} grants")));
    }
    if about.name.is_empty() || about.version.is_empty() {
        return Err(LoadError::Description("name and version must not be empty".to_owned()));
    }
    for one in &about.capabilities {
        let word = one.grant.split(':').next().unwrap_or_default();
        if word != "https" && !Kind::ALL.iter().any(|kind| kind.as_str() == word) {
            return Err(LoadError::Description(format!("it asks for {:?}, which is no grant", one.grant)));
        }
    }
    Ok(())
}

fn first_line(error: &wasmtime::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}
