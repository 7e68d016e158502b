//! Services, checks and plugins of one source.

use crate::claims::{Claim, Composite};
use crate::fragment::{Fragment, Reporter};
use crate::runtime::{PluginEntry, PluginLimits};
use crate::tree::{Entry, Kind, Node, Pos};
use crate::weak;
use lictor_types::CheckId;
use lictor_types::definition::decode::{self, DecodeError, UnknownKeys, nearest};
use lictor_types::definition::{Origin, validate};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const PLUGIN_KEYS: [&str; 4] = ["path", "sha256", "allow", "limits"];

/// Reads what stands under `service(s)`, `check(s)` or `plugin`.
pub(crate) fn read(reporter: &mut Reporter<'_>, fragment: &mut Fragment, key: &str, entry: &Entry) {
    let items: Vec<(String, &Node, Pos)> = match &entry.value.kind {
        Kind::Null => Vec::new(),
        Kind::List(list) => list
            .iter()
            .enumerate()
            .filter(|(_, item)| item.kind != Kind::Null)
            .map(|(index, item)| (format!("{key}[{index}]"), item, item.pos))
            .collect(),
        _ => vec![(key.to_owned(), &entry.value, entry.key_pos)],
    };
    for (path, item, pos) in items {
        if item.as_map().is_none() {
            reporter.problem(item.pos, &path, "expected a block", format!("write {key} {{ … }}"));
            continue;
        }
        match key {
            "service" | "services" => service(reporter, fragment, &path, item, pos),
            "check" | "checks" => check(reporter, fragment, &path, item, pos),
            _ => plugins(reporter, fragment, item),
        }
    }
}

fn origin(reporter: &Reporter<'_>, pos: Pos) -> Origin {
    Origin::File { path: reporter.file().to_owned(), line: pos.line }
}

fn service(reporter: &mut Reporter<'_>, fragment: &mut Fragment, path: &str, node: &Node, pos: Pos) {
    let (mut definition, errors) = decode::service_partly(&node.to_json(), UnknownKeys::Refuse);
    let mut bad = !errors.is_empty();
    // What is wrong with a part that could not be read whole may be a mere consequence: only the other parts are judged further.
    let unread: Vec<Option<Pos>> = errors.iter().map(|error| part(node, &error.path)).collect();
    report(reporter, path, node, errors);
    for finding in validate::strict_service(&definition) {
        if !unread.contains(&part(node, &finding.path)) {
            bad |= tell(reporter, path, node, pos, finding);
        }
    }
    if bad {
        return;
    }
    definition.origin = origin(reporter, pos);
    for check in &mut definition.checks {
        check.origin = definition.origin.clone();
    }
    for (index, check) in definition.checks.iter().enumerate() {
        if let Some(composite) = &check.composite {
            let pos = node.locate(&format!("checks[{index}]"));
            fragment.composites.push(Composite { id: definition.check_id(index), members: composite.checks.clone(), pos });
        }
    }
    fragment.services.push((Arc::new(definition), pos));
}

/// The check of a service that a path leads into, by its place; `None` for the service itself.
fn part(node: &Node, path: &str) -> Option<Pos> {
    let first = path.split('.').next().unwrap_or_default();
    first.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("check")).then(|| node.locate(first))
}

fn check(reporter: &mut Reporter<'_>, fragment: &mut Fragment, path: &str, node: &Node, pos: Pos) {
    let mut definition = match decode::check(&node.to_json(), UnknownKeys::Refuse) {
        Ok(definition) => definition,
        Err(errors) => return report(reporter, path, node, errors),
    };
    let mut bad = false;
    for finding in validate::strict_check(&definition) {
        bad |= tell(reporter, path, node, pos, finding);
    }
    if bad {
        return;
    }
    definition.origin = origin(reporter, pos);
    if let Some(composite) = &definition.composite {
        let id = CheckId::from(check_id(&definition));
        fragment.composites.push(Composite { id, members: composite.checks.clone(), pos });
    }
    fragment.checks.push((Arc::new(definition), pos));
}

/// Tells of a finding; whether it is fatal.
fn tell(reporter: &mut Reporter<'_>, path: &str, node: &Node, pos: Pos, finding: validate::Finding) -> bool {
    let place = if finding.path.is_empty() { pos } else { node.locate(&finding.path) };
    let option = join(path, &finding.path);
    if finding.fatal {
        reporter.problem(place, &option, finding.message, finding.hint);
    } else {
        reporter.warning(place, &option, finding.message, finding.hint);
    }
    finding.fatal
}

fn join(path: &str, rest: &str) -> String {
    if rest.is_empty() { path.to_owned() } else { format!("{path}.{rest}") }
}

fn report(reporter: &mut Reporter<'_>, path: &str, node: &Node, errors: Vec<DecodeError>) {
    for error in errors {
        let pos = node.locate(&error.path);
        let option = join(path, &error.path);
        let labelled = error.message.starts_with("unknown key")
            && node.as_map().is_some_and(|map| map.len() == 1 && map.values().all(|entry| entry.value.as_map().is_some()));
        let hint = if labelled { format!("put the name inside: name = {:?}", error.path) } else { error.hint };
        let message =
            if error.message.starts_with("unknown key") { format!("invalid config key {option}") } else { error.message };
        reporter.problem(pos, &option, message, hint);
    }
}

/// `plugin "NAME" { … }`: a map from name to block.
fn plugins(reporter: &mut Reporter<'_>, fragment: &mut Fragment, node: &Node) {
    for (name, entry) in node.as_map().into_iter().flatten() {
        let path = format!("plugin.{name}");
        let Some(fields) = entry.value.as_map() else {
            reporter.problem(entry.key_pos, &path, "a plugin is a block with a name", format!("write plugin {name:?} {{ … }}"));
            continue;
        };
        let mut plugin = PluginEntry { name: name.clone(), ..PluginEntry::default() };
        for (key, field) in fields {
            let option = format!("{path}.{key}");
            let result = match key.as_str() {
                "path" => weak::text(&field.value).map(|text| plugin.path = text),
                "sha256" => weak::text(&field.value).and_then(|text| {
                    let good = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
                    plugin.sha256 = text.to_ascii_lowercase();
                    if good { Ok(()) } else { Err(("a SHA-256 has 64 hexadecimal digits".to_owned(), String::new())) }
                }),
                "allow" => match &field.value.kind {
                    Kind::List(list) => list.iter().map(weak::text).collect::<Result<_, _>>().map(|texts| plugin.allow = texts),
                    _ => weak::text(&field.value).map(|text| plugin.allow = vec![text]),
                },
                "limits" => {
                    limits(reporter, &option, &field.value, &mut plugin.limits);
                    Ok(())
                }
                _ => {
                    let hint = nearest(key, PLUGIN_KEYS).map(|name| format!("did you mean {name:?}?")).unwrap_or_default();
                    Err((format!("invalid config key {option}"), hint))
                }
            };
            if let Err((message, hint)) = result {
                reporter.problem(field.key_pos, &option, message, hint);
            }
        }
        fragment.plugins.push((plugin, entry.key_pos));
    }
}

fn limits(reporter: &mut Reporter<'_>, path: &str, node: &Node, limits: &mut PluginLimits) {
    let Some(fields) = node.as_map() else {
        return reporter.problem(
            node.pos,
            path,
            "expected a block",
            "write limits { memory_bytes_max = … deadline = \"…\" fuel = … }",
        );
    };
    for (key, field) in fields {
        let option = format!("{path}.{key}");
        let positive =
            |number: i64| u64::try_from(number).ok().filter(|n| *n > 0).ok_or(("must be above 0".to_owned(), String::new()));
        let number = limits.numbers().into_iter().find(|(name, _)| name == key).map(|(_, place)| place);
        let result = match (number, key.as_str()) {
            (Some(place), _) => weak::integer(&field.value).and_then(positive).map(|n| *place = Some(n)),
            (None, "deadline") => {
                weak::nanos(&field.value).and_then(positive).map(|n| limits.deadline = Some(Duration::from_nanos(n)))
            }
            _ => {
                let known = limits.numbers().map(|(name, _)| name).into_iter().chain(["deadline"]);
                let hint = nearest(key, known).map(|name| format!("did you mean {name:?}?")).unwrap_or_default();
                Err((format!("invalid config key {option}"), hint))
            }
        };
        if let Err((message, hint)) = result {
            reporter.problem(field.key_pos, &option, message, hint);
        }
    }
}

/// Ids that one file gives twice.
pub(crate) fn find_duplicates(reporter: &mut Reporter<'_>, fragment: &Fragment) {
    let mut seen: HashMap<(&str, &str), Pos> = HashMap::new();
    for Claim { kind, id, pos } in &fragment.ids {
        if let Some(first) = seen.get(&(*kind, id.as_str())) {
            let message = format!("the {kind} {id:?} is defined twice, first in line {}", first.line);
            reporter.problem(*pos, kind, message, "give each an id of its own");
        } else {
            seen.insert((kind, id), *pos);
        }
    }
}

/// The id in effect of a check of its own: the given one, else its name.
pub(crate) fn check_id(check: &lictor_types::CheckDefinition) -> String {
    if check.id.is_empty() { check.name.clone() } else { check.id.to_string() }
}
