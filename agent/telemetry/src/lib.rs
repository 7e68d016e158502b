//! Metrics and logs.
//!
//! Owns: the metric registry, log setup, the [`Emit`] trait.
//! Never: knows a domain type.
//! Entry points: [`metrics`], [`Emit`].

#![forbid(unsafe_code)]

pub mod metrics;

/// A typed event that logs itself *and* counts itself, so that no caller does only one of both.
pub trait Emit {
    /// Logs and counts.
    fn emit(self);
}
