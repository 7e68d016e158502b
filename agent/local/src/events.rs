//! What is worth telling, logged and counted.

use lictor_rpc::ClusterError;
use lictor_telemetry::{Emit, metrics};
use lictor_types::{CheckId, ServiceId};
use std::path::Path;
use std::time::Duration;

/// A file of the data directory is passed over.
pub(crate) struct FileSkipped<'a> {
    pub(crate) path: &'a Path,
    pub(crate) reason: String,
}

impl Emit for FileSkipped<'_> {
    fn emit(self) {
        metrics::count("consul.local.file_skipped", 1);
        tracing::warn!(path = %self.path.display(), reason = %self.reason, "passing over a damaged file");
    }
}

/// The state of a check could not be kept for the next start.
pub(crate) struct StateNotKept<'a> {
    pub(crate) check: &'a CheckId,
    pub(crate) error: &'a std::io::Error,
}

impl Emit for StateNotKept<'_> {
    fn emit(self) {
        metrics::count("consul.local.state_not_kept", 1);
        tracing::warn!(check = %self.check, error = %self.error, "the state of a check cannot be kept");
    }
}

/// The log of registrations could not be written anew; it goes on growing.
pub(crate) struct LogNotRewritten<'a> {
    pub(crate) path: &'a std::path::Path,
    pub(crate) error: &'a std::io::Error,
}

impl Emit for LogNotRewritten<'_> {
    fn emit(self) {
        tracing::warn!(path = %self.path.display(), error = %self.error, "the log of registrations cannot be written anew");
    }
}

/// Something was registered in or removed from the catalog.
pub(crate) struct Synced {
    pub(crate) registered: usize,
    pub(crate) removed: usize,
}

impl Emit for Synced {
    fn emit(self) {
        metrics::count("consul.local.registered", self.registered as u64);
        metrics::count("consul.local.removed", self.removed as u64);
        tracing::debug!(registered = self.registered, removed = self.removed, "synced with the catalog");
    }
}

/// The catalog does not take something; it is not tried again before the next full sync.
pub(crate) struct Refused<'a> {
    pub(crate) what: &'a str,
    pub(crate) reason: &'a str,
}

impl Emit for Refused<'_> {
    fn emit(self) {
        metrics::count("consul.local.refused", 1);
        tracing::warn!(what = self.what, reason = self.reason, "the catalog refused a registration");
    }
}

/// Syncing failed; it is tried again.
pub(crate) struct SyncFailed<'a> {
    pub(crate) error: &'a ClusterError,
    pub(crate) wait: Duration,
    pub(crate) failures: u32,
}

impl Emit for SyncFailed<'_> {
    fn emit(self) {
        metrics::count("consul.local.sync_failed", 1);
        // While an agent starts there is no leader for a moment.
        if self.failures < 4 && *self.error == ClusterError::NoLeader {
            tracing::debug!(error = %self.error, wait = ?self.wait, "cannot sync with the catalog yet");
        } else {
            tracing::warn!(error = %self.error, wait = ?self.wait, "cannot sync with the catalog");
        }
    }
}

/// A service was removed because it was critical for too long.
pub(crate) struct Reaped<'a> {
    pub(crate) service: &'a ServiceId,
    pub(crate) check: &'a CheckId,
}

impl Emit for Reaped<'_> {
    fn emit(self) {
        metrics::count("consul.local.reaped", 1);
        tracing::info!(service = %self.service, check = %self.check, "removed a service that was critical for too long");
    }
}

/// A registration from before the restart could not be taken up again.
pub(crate) struct NotRestored<'a> {
    pub(crate) id: &'a str,
    pub(crate) reason: &'a str,
}

impl Emit for NotRestored<'_> {
    fn emit(self) {
        tracing::warn!(id = self.id, reason = self.reason, "a registration from before the restart was not taken up");
    }
}
