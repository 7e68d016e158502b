//! `lictor tls …`: a certificate authority for a cluster, and its certificates.

pub mod ca;
pub mod cert;
mod pem;

use crate::error::Failure;
use lictor_net::clock;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use time::{Duration, OffsetDateTime};

/// From now on for so many days.
fn validity(days: i64) -> Result<(OffsetDateTime, OffsetDateTime), Failure> {
    let now = i64::try_from(clock::wall().as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or_else(|| Failure::Failed("the clock is not set".to_owned()))?;
    let end = Duration::checked_seconds_f64(days as f64 * 86_400.0).and_then(|span| now.checked_add(span));
    match end {
        Some(end) if days > 0 => Ok((now, end)),
        _ => Err(Failure::Usage(format!("-days {days} is out of range"))),
    }
}

/// Writes a new file; `mode` in the notation of chmod. One that is there already is left alone.
fn write_new(path: &str, text: &str, mode: u32) -> Result<(), Failure> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            Failure::Failed(format!("{path} already exists."))
        } else {
            Failure::Failed(format!("{path}: {error}"))
        }
    })?;
    file.write_all(text.as_bytes()).map_err(Failure::because(path))
}

/// Certificates may be seen by everybody, keys by their owner.
const CERTIFICATE_MODE: u32 = 0o644;
const KEY_MODE: u32 = 0o600;
