//! Settings that are kept as they were given.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Deref;

static NOTHING: Value = Value::Null;

/// A value of any shape, or `null`. Nearly all instances have none, and that takes the room of a pointer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Given(Option<Box<Value>>);

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Self((!value.is_null()).then(|| Box::new(value)))
    }
}

impl Deref for Given {
    type Target = Value;
    fn deref(&self) -> &Value {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl PartialEq<Value> for Given {
    fn eq(&self, other: &Value) -> bool {
        **self == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn is_written_and_read_as_the_value_itself() {
        for value in [Value::Null, json!({}), json!({"Native": true}), json!([1, null])] {
            let given = Given::from(value.clone());
            assert_eq!(given, value);
            assert_eq!(serde_json::to_value(&given).unwrap(), value);
            assert_eq!(serde_json::from_value::<Given>(value).unwrap(), given);
        }
        assert_eq!(Given::from(Value::Null), Given::default());
    }
}
