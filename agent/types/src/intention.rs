//! Intentions: which service may connect to which.

use crate::ids::Index;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// Stands for every namespace, and for every service of one.
pub const WILDCARD: &str = "*";
/// The namespace of names that name none.
pub const NAMESPACE: &str = "default";
/// The one type of source there is.
pub const SOURCE_CONSUL: &str = "consul";

/// A row of the intentions table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Intention {
    /// UUID, chosen by the proposer.
    #[serde(rename = "ID")]
    pub id: String,
    /// Text for people.
    pub description: String,
    /// Namespace of the source, or `*`.
    #[serde(rename = "SourceNS")]
    pub source_ns: String,
    /// Service that connects, or `*`.
    pub source_name: String,
    /// Namespace of the destination, or `*`.
    #[serde(rename = "DestinationNS")]
    pub destination_ns: String,
    /// Service that is connected to, or `*`.
    pub destination_name: String,
    /// `consul`
    pub source_type: String,
    /// Whether it may; `None` only before it was checked.
    pub action: IntentionAction,
    /// Kept as given, without a meaning.
    pub default_addr: String,
    /// The same.
    pub default_port: i64,
    /// Metadata.
    pub meta: BTreeMap<String, String>,
    /// How much it counts, from 9 for two exact names down to 1; follows from the names.
    pub precedence: u8,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it was last changed, RFC 3339.
    pub updated_at: String,
    /// Digest of what it says, base64.
    pub hash: String,
    /// Index of the write that created the row.
    pub create_index: Index,
    /// Index of the last write that changed the row.
    pub modify_index: Index,
}

/// Whether a connection may be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntentionAction {
    /// Not said.
    #[default]
    #[serde(rename = "")]
    None,
    /// It may.
    Allow,
    /// It may not.
    Deny,
}

impl IntentionAction {
    /// The word in JSON; empty when nothing is said.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    /// The action of a word; [`IntentionAction::None`] for all others.
    pub fn parse(word: &str) -> Self {
        match word {
            "allow" => Self::Allow,
            "deny" => Self::Deny,
            _ => Self::None,
        }
    }
}

/// A service with its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QualifiedName {
    /// Its namespace, or `*`.
    pub namespace: String,
    /// Its name, or `*`.
    pub name: String,
}

impl QualifiedName {
    /// Reads `name` or `namespace/name`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            None => Ok(Self { namespace: NAMESPACE.to_owned(), name: text.to_owned() }),
            Some((_, rest)) if rest.contains('/') => Err("input can contain at most one '/'".to_owned()),
            Some((namespace, name)) => Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() }),
        }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Which end of intentions is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IntentionEnd {
    /// The one that connects.
    Source,
    /// The one that is connected to.
    Destination,
}

impl Intention {
    /// The end that connects.
    pub fn source(&self) -> QualifiedName {
        QualifiedName { namespace: self.source_ns.clone(), name: self.source_name.clone() }
    }

    /// The end that is connected to.
    pub fn destination(&self) -> QualifiedName {
        QualifiedName { namespace: self.destination_ns.clone(), name: self.destination_name.clone() }
    }

    /// Fills in what is not said, and the precedence.
    pub fn normalise(&mut self) {
        for (field, default) in
            [(&mut self.source_ns, NAMESPACE), (&mut self.destination_ns, NAMESPACE), (&mut self.source_type, SOURCE_CONSUL)]
        {
            if field.is_empty() {
                default.clone_into(field);
            }
        }
        let exactness = |namespace: &str, name: &str| match (namespace, name) {
            (WILDCARD, _) => 0,
            (_, WILDCARD) => 1,
            _ => 2,
        };
        let destination = exactness(&self.destination_ns, &self.destination_name);
        self.precedence = destination * 3 + exactness(&self.source_ns, &self.source_name) + 1;
    }

    /// The order in which intentions are looked at: the first that fits counts.
    pub fn order(&self, other: &Self) -> Ordering {
        fn names(of: &Intention) -> [&str; 4] {
            [&of.source_ns, &of.source_name, &of.destination_ns, &of.destination_name]
        }
        other.precedence.cmp(&self.precedence).then_with(|| names(self).cmp(&names(other)))
    }

    /// Refuses an intention that makes no sense whatever else there is.
    ///
    /// # Errors
    /// A sentence for the user, of all that is wrong with it.
    pub fn validate(&self) -> Result<(), String> {
        const TEXT_LEN_MAX: usize = 512;
        const KEY_LEN_MAX: usize = 128;
        const PAIRS_MAX: usize = 64;
        let mut faults = Vec::new();
        let mut refuse_if = |wrong: bool, why: String| {
            if wrong {
                faults.push(why);
            }
        };
        let ends =
            [("Source", &self.source_ns, &self.source_name), ("Destination", &self.destination_ns, &self.destination_name)];
        for (end, _, name) in ends {
            refuse_if(name.is_empty(), format!("{end}Name must be set"));
        }
        for (end, namespace, name) in ends {
            let partial = |text: &str| text != WILDCARD && text.contains('*');
            let misused = "wildcard character '*' cannot be used with partial values";
            refuse_if(partial(namespace), format!("{end}NS: {misused}"));
            refuse_if(partial(name), format!("{end}Name: {misused}"));
            let exact = !name.is_empty() && name != WILDCARD;
            refuse_if(namespace == WILDCARD && exact, format!("{end}Name: exact value cannot follow wildcard namespace"));
        }
        refuse_if(self.description.len() > TEXT_LEN_MAX, format!("description exceeds maximum length {TEXT_LEN_MAX}"));
        refuse_if(self.meta.len() > PAIRS_MAX, format!("meta exceeds maximum element count {PAIRS_MAX}"));
        for (key, value) in &self.meta {
            refuse_if(key.len() > KEY_LEN_MAX, format!("meta key {key:?} exceeds maximum length {KEY_LEN_MAX}"));
            refuse_if(value.len() > TEXT_LEN_MAX, format!("meta value for key {key:?} exceeds maximum length {TEXT_LEN_MAX}"));
        }
        refuse_if(self.action == IntentionAction::None, "action must be set to 'allow' or 'deny'".to_owned());
        refuse_if(self.source_type != SOURCE_CONSUL, "SourceType must be set to 'consul'".to_owned());
        match faults.len() {
            0 => Ok(()),
            count => {
                let errors = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
                let list: String = faults.iter().map(|fault| format!("\n\t* {}", capitalised(fault))).collect();
                Err(format!("{errors} occurred:{list}\n\n"))
            }
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(body: Value) -> Intention {
        let mut intention: Intention = serde_json::from_value(body).unwrap();
        intention.normalise();
        intention
    }

    #[test]
    fn precedence_follows_from_the_names() {
        for (source_ns, source, destination_ns, destination, expect) in [
            ("", "web", "", "db", 9),
            ("x", "web", "", "db", 9),
            ("", "*", "", "db", 8),
            ("*", "*", "", "db", 7),
            ("", "web", "", "*", 6),
            ("", "*", "", "*", 5),
            ("*", "*", "", "*", 4),
            ("", "web", "*", "*", 3),
            ("", "*", "*", "*", 2),
            ("*", "*", "*", "*", 1),
        ] {
            let body = json!({"SourceNS": source_ns, "SourceName": source, "DestinationNS": destination_ns, "DestinationName": destination});
            assert_eq!(of(body.clone()).precedence, expect, "{body}");
        }
    }

    #[test]
    fn the_first_that_fits_comes_first() {
        let row = |source: &str, destination: &str| of(json!({"SourceName": source, "DestinationName": destination}));
        let mut rows = [row("*", "*"), row("web", "db"), row("*", "db"), row("api", "db"), row("web", "*"), row("api", "cache")];
        rows.sort_by(Intention::order);
        let shown: Vec<String> = rows.iter().map(|row| format!("{}>{}", row.source_name, row.destination_name)).collect();
        assert_eq!(shown, ["api>cache", "api>db", "web>db", "*>db", "web>*", "*>*"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let many: BTreeMap<String, String> = (0..65).map(|number| (number.to_string(), String::new())).collect();
        let key = "k".repeat(129);
        for (body, faults) in [
            (
                json!({}),
                &["SourceName must be set", "DestinationName must be set", "Action must be set to 'allow' or 'deny'"][..],
            ),
            (
                json!({"SourceName": "w*", "DestinationName": "*b", "Action": "allow"}),
                &[
                    "SourceName: wildcard character '*' cannot be used with partial values",
                    "DestinationName: wildcard character '*' cannot be used with partial values",
                ],
            ),
            (
                json!({"SourceNS": "*", "SourceName": "a", "DestinationName": "b", "Action": "deny"}),
                &["SourceName: exact value cannot follow wildcard namespace"],
            ),
            (
                json!({"SourceName": "a", "DestinationName": "b", "Action": "deny", "SourceType": "Consul"}),
                &["SourceType must be set to 'consul'"],
            ),
            (
                json!({"SourceName": "a", "DestinationName": "b", "Action": "deny", "Description": "x".repeat(513)}),
                &["Description exceeds maximum length 512"],
            ),
            (
                json!({"SourceName": "a", "DestinationName": "b", "Action": "deny", "Meta": {key.clone(): "v"}}),
                &[&format!("Meta key {key:?} exceeds maximum length 128")],
            ),
            (
                json!({"SourceName": "a", "DestinationName": "b", "Action": "deny", "Meta": {"k": "v".repeat(513)}}),
                &["Meta value for key \"k\" exceeds maximum length 512"],
            ),
            (
                json!({"SourceName": "a", "DestinationName": "b", "Action": "deny", "Meta": many}),
                &["Meta exceeds maximum element count 64"],
            ),
        ] {
            let count = if faults.len() == 1 { "1 error".to_owned() } else { format!("{} errors", faults.len()) };
            let list: String = faults.iter().map(|fault| format!("\n\t* {fault}")).collect();
            assert_eq!(of(body.clone()).validate(), Err(format!("{count} occurred:{list}\n\n")), "{body}");
        }
        assert_eq!(of(json!({"SourceName": "a b", "DestinationName": "c/d", "Action": "allow"})).validate(), Ok(()));
    }

    #[test]
    fn names_may_name_a_namespace() {
        let parse = |text: &str| QualifiedName::parse(text).map(|name| name.to_string());
        assert_eq!(parse("db"), Ok("default/db".to_owned()));
        assert_eq!(parse("x/db"), Ok("x/db".to_owned()));
        assert_eq!(parse("a/b/c"), Err("input can contain at most one '/'".to_owned()));
    }
}
