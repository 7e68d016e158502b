//! What this room tells people: each event logs and counts.

use crate::contract::log::Level;
use lictor_telemetry::metrics;

/// A plugin was loaded or swapped.
pub(crate) fn loaded(plugin: &str, version: &str, sha256: &str, swapped: bool) {
    metrics::count("lictor.plugin.loaded", 1);
    tracing::info!(plugin, version, sha256, swapped, "plugin loaded");
}

/// A module was not taken.
pub(crate) fn rejected(plugin: &str, error: &str, kept: bool) {
    metrics::count("lictor.plugin.rejected", 1);
    tracing::warn!(plugin, error, kept_old = kept, "plugin rejected");
}

/// A guest asked for something not granted.
pub(crate) fn denied(plugin: &str, grant: &str) {
    metrics::count("lictor.plugin.denied", 1);
    tracing::warn!(plugin, grant, "plugin asked for what is not granted");
}

/// A run was ended by a limit or a crash.
pub(crate) fn stopped(plugin: &str, why: &str) {
    metrics::count("lictor.plugin.stopped", 1);
    tracing::warn!(plugin, why, "plugin stopped");
}

/// A compiled module on disk was not what this agent had put there.
pub(crate) fn compiled_refused(file: &str, why: &str) {
    metrics::count("lictor.plugin.compiled_refused", 1);
    tracing::warn!(file, why, "a compiled plugin on disk was refused and is compiled anew");
}

/// A compiled module could not be kept.
pub(crate) fn compiled_not_kept(file: &str, why: &str) {
    tracing::warn!(file, why, "compiled plugins are not kept: the next start compiles anew");
}

/// A guest's log line; control characters are the log's to escape.
pub(crate) fn guest_log(plugin: &str, level: Level, message: &str) {
    match level {
        Level::Debug => tracing::debug!(plugin, message, "plugin says"),
        Level::Info => tracing::info!(plugin, message, "plugin says"),
        Level::Warn => tracing::warn!(plugin, message, "plugin says"),
        Level::Error => tracing::error!(plugin, message, "plugin says"),
    }
}
