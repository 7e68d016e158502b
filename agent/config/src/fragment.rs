//! What one source says, read and validated by itself.

use crate::definitions;
use crate::options::{self, Found, OptionRow, Type};
use crate::runtime::PluginEntry;
use crate::syntax::{self, Format};
use crate::tree::{Entry, Kind, Node, Pos};
use crate::weak;
use indexmap::IndexMap;
use lictor_types::definition::decode::nearest;
use lictor_types::report::Problem;
use lictor_types::{CheckDefinition, ServiceDefinition};
use serde_json::Value;
use std::sync::Arc;

/// The value a source gives an option.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) row: &'static OptionRow,
    /// Already of the option's type.
    pub(crate) value: Value,
    pub(crate) pos: Pos,
}

/// What one source says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fragment {
    pub(crate) settings: Vec<Setting>,
    pub(crate) services: Vec<(Arc<ServiceDefinition>, Pos)>,
    pub(crate) checks: Vec<(Arc<CheckDefinition>, Pos)>,
    pub(crate) plugins: Vec<(PluginEntry, Pos)>,
    pub(crate) warnings: Vec<Problem>,
}

/// A source that cannot be used.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BadSource {
    pub(crate) problems: Vec<Problem>,
    /// Whether it sets options of the agent (as far as can be told), not only definitions.
    pub(crate) sets_options: bool,
}

/// Collects problems of one file.
pub(crate) struct Reporter<'f> {
    file: &'f str,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Reporter<'_> {
    pub(crate) fn problem(&mut self, pos: Pos, option: &str, message: impl Into<String>, hint: impl Into<String>) {
        let problem = self.make(pos, option, message.into(), hint.into());
        self.problems.push(problem);
    }
    pub(crate) fn warning(&mut self, pos: Pos, option: &str, message: impl Into<String>, hint: impl Into<String>) {
        let problem = self.make(pos, option, message.into(), hint.into());
        self.warnings.push(problem);
    }
    fn make(&self, pos: Pos, option: &str, message: String, hint: String) -> Problem {
        Problem { file: self.file.to_owned(), line: pos.line, column: pos.column, option: option.to_owned(), message, hint }
    }
    pub(crate) fn file(&self) -> &str {
        self.file
    }
}

/// Reads a source. `file` is how it is called in reports.
pub(crate) fn read(file: &str, bytes: &[u8], format: Format) -> Result<Fragment, BadSource> {
    let mut reporter = Reporter { file, problems: Vec::new(), warnings: Vec::new() };
    let root = match syntax::parse(bytes, format) {
        Ok(root) => root,
        Err(error) => {
            reporter.problem(error.pos, "", error.message, error.hint);
            return Err(BadSource { problems: reporter.problems, sets_options: mentions_options(bytes) });
        }
    };
    let mut fragment = Fragment::default();
    let mut saw_option = false;
    if let Some(map) = root.as_map() {
        section(&mut reporter, &mut fragment, &mut saw_option, "", map);
    }
    definitions::find_duplicates(&mut reporter, &fragment);
    if reporter.problems.is_empty() {
        fragment.warnings = reporter.warnings;
        Ok(fragment)
    } else {
        Err(BadSource { problems: reporter.problems, sets_options: saw_option })
    }
}

fn section(reporter: &mut Reporter<'_>, fragment: &mut Fragment, saw_option: &mut bool, path: &str, map: &IndexMap<String, Entry>) {
    for (key, entry) in map {
        match options::find(path, key) {
            None => {
                let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let hint = nearest(key, options::keys_of(path)).map(|name| format!("did you mean {name:?}?")).unwrap_or_default();
                reporter.problem(entry.key_pos, &full, format!("invalid config key {full}"), hint);
            }
            Some(Found::Section(name)) => {
                *saw_option = true;
                match &entry.value.kind {
                    Kind::Null => {}
                    Kind::Map(inner) => section(reporter, fragment, saw_option, name, inner),
                    Kind::List(list) if list.iter().all(|item| item.as_map().is_some()) => {
                        for inner in list.iter().filter_map(Node::as_map) {
                            section(reporter, fragment, saw_option, name, inner);
                        }
                    }
                    _ => reporter.problem(entry.value.pos, name, "expected a block", format!("write {name} {{ … }}")),
                }
            }
            Some(Found::Option(row)) if row.kind == Type::Definitions => definitions::read(reporter, fragment, row.key, entry),
            Some(Found::Option(row)) => {
                *saw_option = true;
                match weak::convert(row.kind, &entry.value) {
                    Ok(Some(value)) => fragment.settings.push(Setting { row, value, pos: entry.key_pos }),
                    Ok(None) => {}
                    Err((message, hint)) => reporter.problem(entry.value.pos, row.key, format!("{}: {message}", row.key), hint),
                }
            }
        }
    }
}

/// Whether a text that cannot be parsed seems to set options of the agent: it has one of their names where a key may stand.
fn mentions_options(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.split(['\n', '{', ',', ';']).any(|piece| {
        let word: &str = piece.trim_start_matches([' ', '\t', '\r', '"', '[']);
        let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(word.len());
        let (key, rest) = word.split_at(end);
        let assigned = rest.trim_start_matches(['"', ' ', '\t', ']']);
        let looks_like_key = key.len() > 2 && (assigned.starts_with(['=', ':', '{']) || (rest.is_empty() && piece.ends_with(key)));
        // These are keys of definitions as well.
        let shared = matches!(key, "service" | "services" | "check" | "checks" | "plugin" | "ports" | "rpc" | "server" | "tls");
        looks_like_key && !shared && options::find("", key).is_some()
    })
}
