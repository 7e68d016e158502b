//! What one source says, read and validated by itself.

use crate::claims::{self, Claim, Composite};
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

/// Most problems told of one file.
const PROBLEMS_MAX: usize = 100;

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
    /// The ids of all that, worked out once.
    pub(crate) ids: Vec<Claim>,
    /// Composite checks, also those of services.
    pub(crate) composites: Vec<Composite>,
    /// Checks that run commands.
    pub(crate) scripts: Vec<(Pos, String)>,
}

/// A source that cannot be used.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BadSource {
    pub(crate) problems: Vec<Problem>,
    /// What would be worth a warning in a good source.
    pub(crate) warnings: Vec<Problem>,
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
            return Err(BadSource { problems: reporter.problems, sets_options: mentions_options(bytes), ..BadSource::default() });
        }
    };
    let mut fragment = Fragment::default();
    let mut saw_option = false;
    if let Some(map) = root.as_map() {
        section(&mut reporter, &mut fragment, &mut saw_option, "", map);
    }
    fragment.ids = claims::ids(&fragment);
    fragment.scripts = claims::scripts(&fragment);
    definitions::find_duplicates(&mut reporter, &fragment);
    if reporter.problems.is_empty() {
        fragment.warnings = reporter.warnings;
        Ok(fragment)
    } else {
        let more = reporter.problems.len().saturating_sub(PROBLEMS_MAX);
        reporter.problems.truncate(PROBLEMS_MAX);
        if more > 0 {
            reporter.problem(Pos::default(), "", format!("{more} more problems"), "");
        }
        Err(BadSource { problems: reporter.problems, warnings: reporter.warnings, sets_options: saw_option })
    }
}

fn section(
    reporter: &mut Reporter<'_>,
    fragment: &mut Fragment,
    saw_option: &mut bool,
    path: &str,
    map: &IndexMap<String, Entry>,
) {
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

/// Whether a text that cannot be parsed seems to set options of the agent: one of their names stands where a key of the outermost
/// level may stand.
fn mentions_options(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let outermost = usize::from(text.trim_start().starts_with('{'));
    let mut depth = 0_usize;
    let mut in_table = false;
    let mut line_is_blank = true;
    let mut rest: &str = &text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '#' => length = rest.find('\n').unwrap_or(rest.len()),
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            // A TOML table: its name counts, the keys below it do not.
            '[' if depth == 0 && line_is_blank => {
                in_table = true;
                let name = rest.trim_start_matches('[').split([']', '.', '\n']).next().unwrap_or_default().trim();
                if is_option(name) {
                    return true;
                }
                length = rest.find('\n').unwrap_or(rest.len());
            }
            '"' | 'a'..='z' | 'A'..='Z' => {
                let quoted = c == '"';
                let body = if quoted { &rest[1..] } else { rest };
                let end =
                    body.find(|c: char| if quoted { c == '"' || c == '\n' } else { !(c.is_ascii_alphanumeric() || c == '_') });
                let word = &body[..end.unwrap_or(body.len())];
                length = (word.len() + 2 * usize::from(quoted)).min(rest.len());
                while !rest.is_char_boundary(length) {
                    length += 1;
                }
                let after = rest[length..].trim_start_matches([' ', '\t']);
                let is_key = after.starts_with(['=', ':', '{']) || (after.is_empty() && !quoted);
                if depth == outermost && !in_table && is_key && is_option(word) {
                    return true;
                }
            }
            _ => {}
        }
        line_is_blank = matches!(c, '\n') || (line_is_blank && matches!(c, ' ' | '\t' | '\r'));
        rest = &rest[length..];
    }
    false
}

fn is_option(word: &str) -> bool {
    match options::find("", word) {
        Some(Found::Option(row)) => row.kind != Type::Definitions,
        Some(Found::Section(_)) => true,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_files_of_options_are_told_from_broken_definitions() {
        for (text, expect) in [
            ("server = true\nports {", true),
            ("ports {", true),
            ("{\"data_dir\": \"/x\"", true),
            ("{\"service\": {\"name\": \"x\", \"meta\": {\"datacenter\": 1}}", false),
            ("service { meta { datacenter = \"x\" }", false),
            ("service {\n name = \"datacenter\"\n", false),
            ("# server = true\nservice {", false),
            ("[[services]]\ndatacenter = ", false),
            ("[ports]\nhttp = ", true),
            ("node_name = \"x\"\n[[services]]\n=", true),
            ("\u{0}garbage \u{1}", false),
        ] {
            assert_eq!(mentions_options(text.as_bytes()), expect, "{text}");
        }
    }

    fn any_key() -> impl Strategy<Value = String> {
        let keys: Vec<&str> = options::keys_of("").into_iter().chain(options::keys_of("dns_config")).collect();
        prop_oneof![proptest::sample::select(keys).prop_map(str::to_owned), "[a-z_]{1,6}"]
    }

    proptest! {
        #[test]
        fn no_text_panics(parts in prop::collection::vec(prop_oneof![
            any_key(), " = ".prop_map(String::from), "[{}\\[\\]=:,#\"\n ]{1,3}", "[0-9a-z\".é-]{0,6}", "-?[0-9]{1,20}(s|ms)?"], 0..40)) {
            let text = parts.concat();
            for format in [Format::Hcl, Format::Json, Format::Toml] {
                let _ = read("x", text.as_bytes(), format);
            }
        }

        #[test]
        fn no_document_panics(pairs in prop::collection::vec((any_key(), "(-?[0-9]{1,19}|true|\"[a-z0-9]{0,4}\"|\\{\\}|\\[\\]|\\[1, 2\\]|\\{ name = 1 \\})"), 0..8)) {
            let text: String = pairs.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
            let sources = crate::Sources { dev: true, hcl: vec![text], ..crate::Sources::default() };
            let _ = crate::Loader::new(sources).load();
        }
    }
}
