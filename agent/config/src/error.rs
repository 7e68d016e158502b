//! What can go wrong for the whole of a load.

use lictor_types::report::Problem;

/// Arguments that cannot be used. The caller's fault; nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// `-h` or `-help`: print [`crate::options::flag_help`] and stop.
    #[error("help was asked for")]
    Help,
    /// Bad flags, all of them.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
}

/// A configuration the agent cannot start with (or, when running, cannot change to: the old one stays). The operator's fault;
/// nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.problems))]
pub struct LoadError {
    /// Every problem found.
    pub problems: Vec<Problem>,
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
