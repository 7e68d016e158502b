//! Reads arguments by the rows of flags.

use super::{Flag, Kind};
use crate::error::Failure;
use std::collections::HashMap;
use std::time::Duration;

/// What was given, with short ways to ask.
#[derive(Debug, Default)]
pub struct Given {
    flags: HashMap<&'static str, Vec<String>>,
    rest: Vec<String>,
}

impl Given {
    fn last(&self, name: &str) -> Option<&str> {
        self.flags.get(name)?.last().map(String::as_str)
    }
    /// The text of a flag; empty when not given.
    pub fn text(&self, name: &str) -> &str {
        self.last(name).unwrap_or("")
    }
    /// All texts of a repeatable flag.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        self.flags.get(name).map(|all| all.iter().map(String::as_str).collect()).unwrap_or_default()
    }
    /// All pairs of a flag of `key=value`, in the order given.
    pub fn pairs(&self, name: &str) -> Vec<(&str, &str)> {
        self.texts(name).into_iter().filter_map(|pair| pair.split_once('=')).collect()
    }
    /// Whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.switch(name).unwrap_or(false)
    }
    /// What a switch says, if given.
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.last(name).and_then(boolean)
    }
    /// A number from 0, if given.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.last(name).and_then(natural)
    }
    /// A whole number, if given.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.last(name)?.parse().ok()
    }
    /// A duration, if given.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        lictor_types::duration::parse(self.last(name)?).ok()
    }
    /// Whether the flag was given at all.
    pub fn has(&self, name: &str) -> bool {
        self.flags.contains_key(name)
    }
    /// The arguments behind the flags.
    pub fn rest(&self) -> Vec<&str> {
        self.rest.iter().map(String::as_str).collect()
    }
}

/// Result of reading arguments.
#[derive(Debug)]
pub enum Read {
    /// They are good.
    Given(Given),
    /// Help was asked for.
    Help,
}

/// Where flags may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Before all other arguments, as Go's: the first one that is no flag ends them, and what follows may look like flags.
    FlagsFirst,
    /// Anywhere; `--` ends them.
    Any,
}

/// Reads `arguments` by the rows that `find` knows.
pub fn read(find: impl Fn(&str) -> Option<&'static Flag>, arguments: &[String], order: Order) -> Result<Read, Failure> {
    let mut given = Given::default();
    let mut left = arguments.iter();
    while let Some(argument) = left.next() {
        let name = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
        let Some(name) = name.filter(|_| argument != "-") else {
            given.rest.push(argument.clone());
            match order {
                Order::FlagsFirst => break,
                Order::Any => continue,
            }
        };
        if name.is_empty() {
            break;
        }
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        let Some(row) = find(name) else {
            if matches!(name, "h" | "help") {
                return Ok(Read::Help);
            }
            return Err(Failure::Usage(format!("flag provided but not defined: -{name}")));
        };
        let value = match (value, row.kind) {
            (Some(value), _) => value,
            (None, Kind::Switch) => "true".to_owned(),
            (None, _) => left.next().cloned().ok_or_else(|| Failure::Usage(format!("flag needs an argument: -{name}")))?,
        };
        check(row, &value)?;
        given.flags.entry(row.name).or_default().push(value);
    }
    given.rest.extend(left.cloned());
    Ok(Read::Given(given))
}

fn check(row: &Flag, value: &str) -> Result<(), Failure> {
    let name = row.name;
    let wrong = |reason: &str| Err(Failure::Usage(format!("invalid value {value:?} for flag -{name}: {reason}")));
    match row.kind {
        Kind::Text | Kind::Texts => Ok(()),
        Kind::Pairs if value.contains('=') => Ok(()),
        Kind::Pairs => wrong(&format!("Missing \"=\" value in argument: {value}")),
        Kind::Switch if boolean(value).is_some() => Ok(()),
        Kind::Switch => Err(Failure::Usage(format!("invalid boolean value {value:?} for -{name}: parse error"))),
        Kind::Number if natural(value).is_some() => Ok(()),
        Kind::Integer if value.parse::<i64>().is_ok() => Ok(()),
        Kind::Number | Kind::Integer => wrong("parse error"),
        Kind::Duration => match lictor_types::duration::parse(value) {
            Ok(_) => Ok(()),
            Err(error) => wrong(&error.to_string()),
        },
    }
}

/// The words Go's `strconv.ParseBool` takes.
fn boolean(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A number from 0, decimal or `0x…`.
fn natural(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{duration, integer, number, pairs, switch, value, values};
    use super::*;

    const ROWS: &[Flag] = &[
        value("name", "n", ""),
        values("tag", "t", ""),
        switch("keys", ""),
        number("flags", ""),
        integer("retry", ""),
        duration("wait", ""),
        pairs("meta", ""),
    ];

    fn read_by(order: Order, arguments: &[&str]) -> Result<Read, Failure> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        read(|name| ROWS.iter().find(|row| row.name == name), &arguments, order)
    }

    fn try_read(arguments: &[&str]) -> Result<Read, Failure> {
        read_by(Order::FlagsFirst, arguments)
    }

    fn given(arguments: &[&str]) -> Given {
        match try_read(arguments).unwrap() {
            Read::Given(given) => given,
            Read::Help => panic!("help"),
        }
    }

    #[test]
    fn go_notation() {
        let g =
            given(&["-name=a", "-tag", "x", "--tag=y", "-keys", "-flags=3", "-retry=-1", "-wait", "2s", "-meta=a=b", "key", "-"]);
        assert_eq!(g.text("name"), "a");
        assert_eq!(g.texts("tag"), ["x", "y"]);
        assert!(g.is_on("keys"));
        assert_eq!(g.number("flags"), Some(3));
        assert_eq!(g.integer("retry"), Some(-1));
        assert_eq!(g.duration("wait"), Some(Duration::from_secs(2)));
        assert_eq!(g.pairs("meta"), [("a", "b")]);
        assert_eq!(g.rest(), ["key", "-"]);
        assert!(!given(&["-keys=false"]).is_on("keys"));
        assert!(!given(&["-keys", "-keys=0"]).is_on("keys"), "the last one counts");
    }

    #[test]
    fn flags_end_at_the_first_argument_that_is_none() {
        assert_eq!(given(&["-keys", "lock/path", "ls", "-keys", "-l"]).rest(), ["lock/path", "ls", "-keys", "-l"]);
        assert_eq!(given(&["--", "-keys"]).rest(), ["-keys"]);
        assert_eq!(given(&["-", "-keys"]).rest(), ["-", "-keys"]);
        assert_eq!(given(&["-name", "-keys"]).text("name"), "-keys");
    }

    #[test]
    fn flags_may_follow_arguments_where_that_is_wanted() {
        let Read::Given(g) = read_by(Order::Any, &["page", "-name", "a", "x", "-keys", "--", "-name"]).unwrap() else { panic!() };
        assert_eq!((g.text("name"), g.is_on("keys")), ("a", true));
        assert_eq!(g.rest(), ["page", "x", "-name"]);
    }

    #[test]
    fn bad_flags_are_refused_in_gos_words() {
        for (arguments, text) in [
            (&["-nonsense"][..], "flag provided but not defined: -nonsense"),
            (&["-name"], "flag needs an argument: -name"),
            (&["-keys=x"], "invalid boolean value \"x\" for -keys: parse error"),
            (&["-flags=-1"], "invalid value \"-1\" for flag -flags: parse error"),
            (&["-meta=x"], "invalid value \"x\" for flag -meta: Missing \"=\" value in argument: x"),
        ] {
            assert_eq!(try_read(arguments).unwrap_err().to_string(), text);
        }
        assert!(try_read(&["-wait=soon"]).is_err());
        assert!(matches!(try_read(&["-keys", "-h"]), Ok(Read::Help)));
    }
}
