//! Core modules, as wit-bindgen leaves them before a tool wraps them into a component.

use crate::error::LoadError;

/// The contract's text.
const CONTRACT_WIT: &[(&str, &str)] = &[
    ("types.wit", include_str!("../../wit/v1/types.wit")),
    ("host.wit", include_str!("../../wit/v1/host.wit")),
    ("plugin.wit", include_str!("../../wit/v1/plugin.wit")),
];

/// Wraps a core module. What it says about its own types is not read (the reader of such data trusts it too much: some
/// damaged modules send it into endless recursion) but replaced by the contract, which its imports and exports must then fit.
/// `None`: it says nothing of a contract, as programs for WASI do.
pub(crate) fn componentize(module: &[u8]) -> Result<Option<Vec<u8>>, LoadError> {
    let (mut bare, described) = without_component_data(module)?;
    if !described {
        return Ok(None);
    }
    let mut encode = || {
        let mut resolve = wit_parser::Resolve::default();
        let mut contract = wit_parser::SourceMap::new();
        for (path, text) in CONTRACT_WIT {
            contract.push_str(path, *text);
        }
        let group = contract.parse().map_err(|(_, error)| error)?;
        let package = resolve.push_group(group)?;
        let world = resolve.select_world(&[package], Some("plugin"))?;
        wit_component::embed_component_metadata(&mut bare, &resolve, world, wit_component::StringEncoding::UTF8, false)?;
        wit_component::ComponentEncoder::default().validate(true).module(&bare)?.encode()
    };
    encode().map(Some).map_err(|error| LoadError::Mismatch(format!("{error:#}").lines().next().unwrap_or_default().to_owned()))
}

/// A component of a core module built with wit-bindgen, for tools that want one in a file; what is none already, or says nothing
/// of a contract, stays as it is. The agent takes all of them.
pub fn component_of(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    match module {
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => Ok(componentize(module)?.unwrap_or_else(|| module.to_vec())),
        _ => Ok(module.to_vec()),
    }
}

/// The module without its `component-type` sections, and whether it had any.
fn without_component_data(module: &[u8]) -> Result<(Vec<u8>, bool), LoadError> {
    let cut_short = || LoadError::Malformed("a section is cut short".to_owned());
    let number = |bytes: &[u8], at: usize| -> Option<(usize, usize)> {
        let mut value = 0_usize;
        for (i, byte) in bytes.get(at..)?.iter().take(5).enumerate() {
            value |= usize::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                return Some((value, at + i + 1));
            }
        }
        None
    };
    let mut bare = module.get(..8).ok_or_else(cut_short)?.to_vec();
    let mut described = false;
    let mut at = 8;
    while at < module.len() {
        let (size, body) = number(module, at + 1).ok_or_else(cut_short)?;
        let end = body.checked_add(size).filter(|end| *end <= module.len()).ok_or_else(cut_short)?;
        let is_component_data = module.get(at) == Some(&0)
            && number(module, body)
                .is_some_and(|(_, name)| module.get(name..end).is_some_and(|rest| rest.starts_with(b"component-type")));
        if is_component_data {
            described = true;
        } else {
            bare.extend_from_slice(module.get(at..end).ok_or_else(cut_short)?);
        }
        at = end;
    }
    Ok((bare, described))
}
