//! Why an expression is refused. Always the caller's fault.

use thiserror::Error;

/// An expression that cannot be used. `Display` is the bare sentence; [`FilterError::evaluator_message`] is what most
/// endpoints answer. The wording is that of Consul, which people's tools look for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    /// Longer than [`crate::EXPRESSION_BYTES_MAX`].
    #[error("the expression has {0} bytes, more than {max}", max = crate::EXPRESSION_BYTES_MAX)]
    TooLong(usize),
    /// Nested deeper than [`crate::DEPTH_MAX`].
    #[error("the expression is nested deeper than {max} levels", max = crate::DEPTH_MAX)]
    TooDeep,
    /// It does not follow the grammar. One line per finding: `line:column (offset): message`.
    #[error("{0}")]
    Syntax(String),
    /// The rows have no such field.
    #[error("Selector {0:?} is not valid")]
    Selector(String),
    /// The field is there, the operator doesn't fit its type.
    #[error("Invalid match operator {operator:?} for selector {selector:?}")]
    Operator {
        /// Name of the operator.
        operator: &'static str,
        /// The selector, dotted.
        selector: String,
    },
    /// The value does not fit the field's type.
    #[error("Failed to coerce value {value:?} for selector {selector:?}: {reason}")]
    Value {
        /// The value as written.
        value: String,
        /// The selector, dotted.
        selector: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a regular expression.
    #[error("Failed to compile regular expression {pattern:?}: error parsing regexp: {reason}")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FilterError {
    /// The sentence as all endpoints but `/v1/agent/checks` answer it.
    pub fn evaluator_message(&self) -> String {
        format!("Failed to create boolean expression evaluator: {self}")
    }
}
