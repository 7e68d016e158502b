//! The reference page and the help text, from the rows.

use super::{OptionRow, ROWS, Support, Type};
use std::fmt::Write;

/// The reference page, as Markdown.
pub fn docs() -> String {
    let mut page = String::from(
        "# Options of the agent\n\nMade from the option table; do not edit.\n\n\
         Files are HCL, JSON or TOML. A key with dots stands in the blocks its parts name. *Reload* tells whether a change takes effect \
         in a running agent.\n\n| key | flag | type | default | reload | state | |\n|---|---|---|---|---|---|---|\n",
    );
    for row in ROWS {
        let key = if row.key.is_empty() { String::new() } else { format!("`{}`", row.key) };
        let flag = if row.flag.is_empty() { String::new() } else { format!("`-{}`", row.flag) };
        let default = if row.default.is_empty() { String::new() } else { format!("`{}`", row.default) };
        let reload = if row.reload { "yes" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "| {key} | {flag} | {} | {default} | {reload} | {} | {} |",
            row.kind.as_str(),
            state(row),
            row.doc.replace('|', "\\|")
        );
    }
    page
}

fn state(row: &OptionRow) -> String {
    match row.support {
        Support::Built => String::new(),
        Support::Later => "no effect yet, with a warning".to_owned(),
        Support::Silent => "no effect".to_owned(),
        Support::Refused(why) => format!("refused: {why}"),
        Support::Renamed(to) => format!("older name of `{to}`, with a warning"),
    }
}

/// The flags of `lictor agent`, as `-h` prints them.
pub fn flag_help() -> String {
    let mut rows: Vec<&OptionRow> = ROWS.iter().filter(|row| !row.flag.is_empty()).collect();
    rows.sort_by_key(|row| row.flag);
    let mut text = String::new();
    for row in rows {
        let value = match row.kind {
            _ if row.is_switch() => "",
            Type::TextMap => "=<key:value>",
            Type::Duration => "=<duration>",
            Type::Integer | Type::Port => "=<number>",
            _ => "=<value>",
        };
        let note = match row.support {
            Support::Built | Support::Silent => String::new(),
            Support::Later => " (no effect yet)".to_owned(),
            Support::Refused(_) => " (refused)".to_owned(),
            Support::Renamed(to) => format!(" (now {to})"),
        };
        let repeat = if row.is_repeatable() && !row.doc.contains("several times") { "; may be given several times" } else { "" };
        let _ = write!(text, "  -{}{value}\n      {}{repeat}{note}\n\n", row.flag, row.doc);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_DOCS=1 cargo test -p lictor-config reference_page` writes it anew.
    #[test]
    fn reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/OPTIONS.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, docs()).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(there == docs(), "OPTIONS.md is not current: run UPDATE_DOCS=1 cargo test -p lictor-config reference_page");
    }
}
