//! How an expression looks at a row, without a copy of it.

use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A structure with named fields.
pub trait Row {
    /// The field of that name; [`Value::Absent`] if the row has none.
    fn field(&self, name: &str) -> Value<'_>;
}

/// A list of structures.
pub trait Rows {
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Whether `holds` for any of them.
    fn any(&self, holds: &mut dyn FnMut(&dyn Row) -> bool) -> bool;
}

/// Values by any key.
pub trait Map {
    /// Whether there are none.
    fn is_empty(&self) -> bool;
    /// The value of that key.
    fn get(&self, key: &str) -> Option<Value<'_>>;
}

/// What is in a field.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// Nothing: the zero value of whatever type is expected.
    Absent,
    /// A text.
    Text(&'a str),
    /// A number.
    Number(i64),
    /// A boolean.
    Bool(bool),
    /// A list of texts.
    Texts(&'a [String]),
    /// Values by key.
    Map(&'a dyn Map),
    /// A structure.
    Row(&'a dyn Row),
    /// A list of structures.
    Rows(&'a dyn Rows),
    /// Something kept as JSON.
    Json(&'a Json),
}

impl Map for BTreeMap<String, String> {
    fn is_empty(&self) -> bool {
        BTreeMap::is_empty(self)
    }
    fn get(&self, key: &str) -> Option<Value<'_>> {
        BTreeMap::get(self, key).map(|text| Value::Text(text))
    }
}

impl<T: Row> Rows for Vec<T> {
    fn len(&self) -> usize {
        Vec::len(self)
    }
    fn any(&self, holds: &mut dyn FnMut(&dyn Row) -> bool) -> bool {
        self.iter().any(|row| holds(row))
    }
}

impl<T: Row> Rows for Box<[T]> {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }
    fn any(&self, holds: &mut dyn FnMut(&dyn Row) -> bool) -> bool {
        self.iter().any(|row| holds(row))
    }
}

impl<T: Row + ?Sized> Row for std::sync::Arc<T> {
    fn field(&self, name: &str) -> Value<'_> {
        (**self).field(name)
    }
}
