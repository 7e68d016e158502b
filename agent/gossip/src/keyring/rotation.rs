//! Changing the keys of a whole pool: the request that goes to each member, its answer, and the sum of the answers.
//!
//! Bytes: JSON, because it happens once in months, and an operator's tools may look at it.

use super::{Key, KeyError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the operator asks of every member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOperation {
    /// Tells the keys; changes nothing.
    List,
    /// Makes a key known, so that what it encrypted can be read.
    Install(Key),
    /// Encrypts with it from now on. It must be known.
    Use(Key),
    /// Forgets it. It must not be the primary.
    Remove(Key),
}

/// The sum of all members' answers, in the terms of `/v1/operator/keyring`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyReport {
    /// Members asked: all that were alive.
    pub nodes: usize,
    /// Those that answered, whatever they said.
    pub responses: usize,
    /// Those that refused, failed or did not answer.
    pub errors: usize,
    /// By node: what went wrong there.
    pub messages: BTreeMap<String, String>,
    /// Key to the number of members that hold it.
    pub keys: BTreeMap<String, usize>,
    /// Key to the number of members that encrypt with it.
    pub primary_keys: BTreeMap<String, usize>,
}

impl KeyReport {
    /// Adds a member's answer; `Err`: there was none.
    pub(crate) fn add(&mut self, node: &str, answer: Result<KeyAnswer, String>) {
        self.nodes += 1;
        match answer {
            Ok(answer) => {
                self.responses += 1;
                if let Some(error) = answer.error {
                    self.errors += 1;
                    self.messages.insert(node.to_owned(), error);
                }
                if let Some(primary) = answer.keys.first() {
                    *self.primary_keys.entry(primary.clone()).or_default() += 1;
                }
                for key in answer.keys {
                    *self.keys.entry(key).or_default() += 1;
                }
            }
            Err(error) => {
                self.errors += 1;
                self.messages.insert(node.to_owned(), error);
            }
        }
    }
}

/// An operation on the wire.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "operation", content = "key")]
enum Wire {
    List,
    Install(String),
    Use(String),
    Remove(String),
}

/// A member's answer: its keys after the operation, the primary first (empty unless listing), or why not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeyAnswer {
    pub(crate) keys: Vec<String>,
    pub(crate) error: Option<String>,
}

impl From<KeyError> for KeyAnswer {
    fn from(error: KeyError) -> Self {
        Self { keys: Vec::new(), error: Some(error.to_string()) }
    }
}

impl KeyOperation {
    /// A word for logs and metrics.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Install(_) => "install",
            Self::Use(_) => "use",
            Self::Remove(_) => "remove",
        }
    }

    /// Why this member would be cut off from the others by the operation, judged by its answer to [`KeyOperation::List`].
    pub(crate) fn refusal(&self, listed: &KeyAnswer) -> Option<KeyError> {
        match self {
            // It says itself why it cannot.
            _ if listed.error.is_some() => None,
            Self::Use(key) if !listed.keys.iter().any(|known| known == key.text()) => Some(KeyError::Unknown),
            Self::Remove(key) if listed.keys.first().is_some_and(|primary| primary == key.text()) => Some(KeyError::Primary),
            _ => None,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let wire = match self {
            Self::List => Wire::List,
            Self::Install(key) => Wire::Install(key.text().to_owned()),
            Self::Use(key) => Wire::Use(key.text().to_owned()),
            Self::Remove(key) => Wire::Remove(key.text().to_owned()),
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads what [`KeyOperation::to_bytes`] wrote, from a member of any version.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let wire = serde_json::from_slice(bytes).map_err(|error| format!("no keyring operation known here: {error}"))?;
        let key = |text: String| Key::parse(&text).map_err(|error| error.to_string());
        Ok(match wire {
            Wire::List => Self::List,
            Wire::Install(text) => Self::Install(key(text)?),
            Wire::Use(text) => Self::Use(key(text)?),
            Wire::Remove(text) => Self::Remove(key(text)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";

    #[test]
    fn operations_are_read_as_they_were_written() {
        let key = Key::parse(KEY).unwrap();
        for operation in
            [KeyOperation::List, KeyOperation::Install(key.clone()), KeyOperation::Use(key.clone()), KeyOperation::Remove(key)]
        {
            assert_eq!(KeyOperation::from_bytes(&operation.to_bytes()).unwrap(), operation);
        }
    }

    // Members of two versions speak with each other during an upgrade: the bytes are part of the contract.
    #[test]
    fn the_bytes_stay_as_they_are() {
        let operation = KeyOperation::Use(Key::parse(KEY).unwrap());
        assert_eq!(operation.to_bytes(), br#"{"operation":"use","key":"MDEyMzQ1Njc4OWFiY2RlZg=="}"#);
        assert_eq!(KeyOperation::List.to_bytes(), br#"{"operation":"list"}"#);
        let answer = KeyAnswer { keys: vec![KEY.to_owned()], error: None };
        assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"keys":["MDEyMzQ1Njc4OWFiY2RlZg=="],"error":null}"#);
        assert_eq!(serde_json::from_str::<KeyAnswer>(r#"{"later":1}"#).unwrap(), KeyAnswer::default());
    }

    #[test]
    fn nobody_is_cut_off() {
        let key = Key::parse(KEY).unwrap();
        let listed = |keys: &[&str]| KeyAnswer { keys: keys.iter().map(|key| (*key).to_owned()).collect(), error: None };
        let check = |operation: KeyOperation, keys: &[&str], expect: Option<KeyError>| {
            assert_eq!(operation.refusal(&listed(keys)), expect, "{operation:?} {keys:?}");
        };
        check(KeyOperation::Use(key.clone()), &["x", KEY], None);
        check(KeyOperation::Use(key.clone()), &["x"], Some(KeyError::Unknown));
        check(KeyOperation::Remove(key.clone()), &["x", KEY], None);
        check(KeyOperation::Remove(key.clone()), &["x"], None);
        check(KeyOperation::Remove(key.clone()), &[KEY, "x"], Some(KeyError::Primary));
        check(KeyOperation::Install(key.clone()), &[], None);
        assert_eq!(KeyOperation::Use(key).refusal(&KeyError::NoKeyring.into()), None);
    }

    #[test]
    fn answers_are_summed_by_key() {
        let mut report = KeyReport::default();
        report.add("a", Ok(KeyAnswer { keys: vec!["k1".into(), "k2".into()], error: None }));
        report.add("b", Ok(KeyAnswer { keys: vec!["k2".into()], error: None }));
        report.add("c", Ok(KeyError::Unknown.into()));
        report.add("d", Err("does not answer".into()));
        assert_eq!((report.nodes, report.responses, report.errors), (4, 3, 2));
        assert_eq!(report.keys, BTreeMap::from([("k1".into(), 1), ("k2".into(), 2)]));
        assert_eq!(report.primary_keys, BTreeMap::from([("k1".into(), 1), ("k2".into(), 1)]));
        assert_eq!(report.messages["c"], "Requested key is not in the keyring");
        assert_eq!(report.messages["d"], "does not answer");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = KeyOperation::from_bytes(&bytes);
        }
    }
}
