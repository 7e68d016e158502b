//! Flags in Go's notation (`-name=value`, `-name value`, `--name`), read by clap.
//! As in Go, flags end at the first argument that is none.

use crate::error::Failure;
use clap::builder::{ArgAction, ValueParser};
use clap::{Arg, ArgMatches};

/// Name under which the arguments behind the flags are found.
pub const REST: &str = "arguments";

/// A flag with a value.
pub fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help).allow_hyphen_values(true).overrides_with(name)
}

/// A flag with a value that may be given several times.
pub fn values(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help).allow_hyphen_values(true).action(ArgAction::Append)
}

/// A flag that is on or off: `-name`, `-name=false`.
pub fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .hide_possible_values(true)
        .value_parser(ValueParser::bool())
        .overrides_with(name)
}

/// A flag with a number.
pub fn number(name: &'static str, help: &'static str) -> Arg {
    value(name, "number", help).value_parser(clap::value_parser!(u64))
}

/// What was given, with short ways to ask.
#[derive(Debug)]
pub struct Given {
    matches: ArgMatches,
}

impl Given {
    /// The text of a flag; empty when not given.
    pub fn text(&self, name: &str) -> &str {
        self.matches.get_one::<String>(name).map_or("", String::as_str)
    }
    /// All texts of a repeatable flag.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        self.matches.get_many::<String>(name).map(|all| all.map(String::as_str).collect()).unwrap_or_default()
    }
    /// Whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.matches.get_one::<bool>(name).copied().unwrap_or(false)
    }
    /// A number, if given.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.matches.get_one::<u64>(name).copied()
    }
    /// Whether the flag was given at all.
    pub fn has(&self, name: &str) -> bool {
        self.matches.contains_id(name)
    }
    /// The arguments behind the flags.
    pub fn rest(&self) -> Vec<&str> {
        self.texts(REST)
    }
}

/// Result of reading arguments.
#[derive(Debug)]
pub enum Read {
    /// They are good.
    Given(Given),
    /// Help was asked for; the text to show.
    Help(String),
}

/// Reads `arguments` by the flags of `command`.
pub fn read(command: clap::Command, arguments: &[String]) -> Result<Read, Failure> {
    let command = command
        .no_binary_name(true)
        .disable_version_flag(true)
        .arg(Arg::new(REST).num_args(0..).trailing_var_arg(true).allow_hyphen_values(false).hide(true));
    match command.try_get_matches_from(normalise(arguments)) {
        Ok(matches) => Ok(Read::Given(Given { matches })),
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {
            Ok(Read::Help(error.to_string().trim_end().to_owned()))
        }
        Err(error) => Err(Failure::Usage(error.to_string().trim_end().to_owned())),
    }
}

/// `-name` becomes `--name`; a lone `-` (standard input), `-h` and all behind `--` stay.
fn normalise(arguments: &[String]) -> Vec<String> {
    let mut literal = false;
    arguments
        .iter()
        .map(|argument| {
            literal |= argument == "--";
            let name = argument.strip_prefix('-').unwrap_or("");
            let is_flag = name.starts_with(|c: char| c.is_ascii_alphabetic());
            if literal || !is_flag || name == "h" { argument.clone() } else { format!("-{argument}") }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[&str]) -> Given {
        let command = clap::Command::new("x").args([
            value("name", "n", ""),
            values("tag", "t", ""),
            switch("keys", ""),
            number("flags", ""),
        ]);
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        match read(command, &arguments).unwrap() {
            Read::Given(given) => given,
            Read::Help(text) => panic!("{text}"),
        }
    }

    #[test]
    fn go_notation() {
        let g = given(&["-name=a", "-tag", "x", "--tag=y", "-keys", "-flags=3", "key", "-"]);
        assert_eq!(g.text("name"), "a");
        assert_eq!(g.texts("tag"), ["x", "y"]);
        assert!(g.is_on("keys"));
        assert_eq!(g.number("flags"), Some(3));
        assert_eq!(g.rest(), ["key", "-"]);
        assert!(!given(&["-keys=false"]).is_on("keys"));
    }

    #[test]
    fn unknown_flags_are_refused() {
        let command = clap::Command::new("x");
        assert!(read(command, &["-nonsense".to_owned()]).is_err());
    }
}
