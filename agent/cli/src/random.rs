//! The system's own randomness, for what must not be guessed; a seeded generator will not do for keys.

use crate::error::Failure;
use std::io::Read;

/// So many random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0_u8; N];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(Failure::because("Error reading random data"))?;
    Ok(bytes)
}
