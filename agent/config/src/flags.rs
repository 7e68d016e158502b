//! Flags in Go's syntax: `-flag`, `--flag`, `-flag=value`, `-flag value`; a switch takes a value only after `=`.

use crate::error::FlagError;
use crate::fragment::Setting;
use crate::options::{self, OptionRow, ROWS, Type};
use crate::sources::{PathSource, Sources};
use crate::syntax::Format;
use crate::tree::{Entry, Kind, Node, Pos};
use crate::weak;
use indexmap::IndexMap;
use lictor_types::definition::decode::nearest;
use lictor_types::report::Problem;

/// Name of the source in reports.
pub(crate) const FLAGS: &str = "flags";

pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Sources, FlagError> {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    let mut args = args.into_iter().peekable();
    while let Some(arg) = args.next() {
        let Some(body) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).filter(|body| !body.is_empty()) else {
            let extra: Vec<String> = if arg == "--" { args.collect() } else { std::iter::once(arg).chain(args).collect() };
            if !extra.is_empty() {
                problems.push(problem("", format!("Unexpected extra arguments: [{}]", extra.join(" ")), ""));
            }
            break;
        };
        let (name, inline) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        if matches!(name, "h" | "help") {
            return Err(FlagError::Help);
        }
        let Some(row) = options::by_flag(name) else {
            let known = ROWS.iter().map(|row| row.flag).filter(|flag| !flag.is_empty());
            let hint = nearest(name, known).map(|flag| format!("did you mean -{flag}?")).unwrap_or_default();
            problems.push(problem(name, format!("flag provided but not defined: -{name}"), &hint));
            // What follows is probably its value.
            if inline.is_none() {
                let _ = args.next_if(|next| !next.starts_with('-'));
            }
            continue;
        };
        let value = match inline {
            Some(value) => value,
            None if row.is_switch() => "true".to_owned(),
            None => match args.next() {
                Some(value) => value,
                None => {
                    problems.push(problem(name, format!("flag needs an argument: -{name}"), ""));
                    break;
                }
            },
        };
        if let Err((message, hint)) = take(&mut sources, row, value) {
            problems.push(problem(name, message, &hint));
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(FlagError::Invalid(problems)) }
}

fn problem(flag: &str, message: String, hint: &str) -> Problem {
    let option = if flag.is_empty() { String::new() } else { format!("-{flag}") };
    Problem { file: FLAGS.to_owned(), option, message, hint: hint.to_owned(), ..Problem::default() }
}

/// Flags whose whole sense is a part of the agent that is not built yet. In files the same options bring a warning: files are written
/// for many agents, a flag for this one.
const NOT_BUILT: [&str; 2] = ["primary-gateway", "syslog"];

fn take(sources: &mut Sources, row: &'static OptionRow, value: String) -> Result<(), weak::Misfit> {
    let text = |value: &str| Node { pos: Pos::default(), kind: Kind::Text(value.to_owned()) };
    let invalid = |(message, hint): weak::Misfit| (format!("invalid value {value:?} for flag -{}: {message}", row.flag), hint);
    if NOT_BUILT.contains(&row.flag) {
        return Err((
            format!("the flag -{} is known, but what it asks for is not built yet", row.flag),
            "leave it out".to_owned(),
        ));
    }
    match row.flag {
        "dev" => {
            let on = weak::convert(Type::Bool, &text(&value)).map_err(invalid)?;
            sources.dev = on == Some(serde_json::Value::Bool(true));
        }
        "config-file" => sources.paths.push(PathSource::File(value.into())),
        "config-dir" => sources.paths.push(PathSource::Dir(value.into())),
        "hcl" => sources.hcl.push(value),
        "config-format" => match Format::parse(&value) {
            Some(format) => sources.format = Some(format),
            None => return Err(("-config-format must be either 'hcl', 'json' or 'toml'".to_owned(), String::new())),
        },
        _ => {
            let node = if row.kind == Type::TextMap {
                let (key, item) = value.split_once(':').unwrap_or((&value, ""));
                let mut map = IndexMap::new();
                map.insert(key.to_owned(), Entry { key_pos: Pos::default(), value: text(item) });
                Node { pos: Pos::default(), kind: Kind::Map(map) }
            } else {
                text(&value)
            };
            if let Some(value) = weak::convert(row.kind, &node).map_err(invalid)? {
                sources.flags.push(Setting { row, value, pos: Pos::default() });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(text: &str) -> Result<Sources, FlagError> {
        parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn go_syntax() {
        let sources = args("-dev --node=n1 -http-port 18500 -config-dir a -config-file=b.hcl -config-dir=c -server=false -ui -node-meta k:v:w -recursor 1.1.1.1 -recursor=8.8.8.8 -check_output_max_size=5 -retry-interval 5s").unwrap();
        assert!(sources.dev);
        assert_eq!(sources.paths, [PathSource::Dir("a".into()), PathSource::File("b.hcl".into()), PathSource::Dir("c".into())]);
        let got: Vec<_> = sources.flags.iter().map(|s| (s.row.key, s.value.clone())).collect();
        assert_eq!(
            got,
            [
                ("node_name", json!("n1")),
                ("ports.http", json!(18500)),
                ("server", json!(false)),
                ("ui", json!(true)),
                ("node_meta", json!({"k": "v:w"})),
                ("recursors", json!(["1.1.1.1"])),
                ("recursors", json!(["8.8.8.8"])),
                ("check_output_max_size", json!(5)),
                ("retry_interval", json!(5_000_000_000_i64)),
            ]
        );
    }

    #[test]
    fn refusals() {
        for (text, expect) in [
            ("-nod x", "flags: flag provided but not defined: -nod (did you mean -node?)"),
            ("-http-port", "flags: flag needs an argument: -http-port"),
            ("-http-port x", "flags: invalid value \"x\" for flag -http-port: expected a whole number, found the string \"x\""),
            (
                "-http-port 70000",
                "flags: invalid value \"70000\" for flag -http-port: invalid port: 70000 (ports are 1 to 65535, or -1 for none)",
            ),
            (
                "-primary-gateway 10.0.0.1",
                "flags: the flag -primary-gateway is known, but what it asks for is not built yet (leave it out)",
            ),
            ("-dev extra -node x", "flags: Unexpected extra arguments: [extra -node x]"),
            ("-config-format yaml", "flags: -config-format must be either 'hcl', 'json' or 'toml'"),
            ("-h", "help was asked for"),
            (
                "-server=maybe",
                "flags: invalid value \"maybe\" for flag -server: expected true or false, found the string \"maybe\"",
            ),
        ] {
            assert_eq!(args(text).unwrap_err().to_string(), expect, "{text}");
        }
    }
}
