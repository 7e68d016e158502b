//! The help of a command, from its rows.

use super::Flag;

/// Columns of the help.
const WIDTH: usize = 78;

/// Renders help: usage, what the command does, examples, its own flags, and those all commands share.
pub fn render(usage: &str, about: &str, text: &str, own: &[Flag], shared: &[&[Flag]]) -> String {
    let mut page = format!("Usage: {usage}\n");
    for paragraph in [about, text].iter().filter(|paragraph| !paragraph.is_empty()) {
        page.push('\n');
        for line in paragraph.lines() {
            page.push_str(&wrap(line, 2));
        }
    }
    let mut section = |title: &str, mut rows: Vec<&Flag>| {
        if rows.is_empty() {
            return;
        }
        rows.sort_by_key(|row| row.name);
        page.push_str(&format!("\n{title}\n"));
        for row in rows {
            let value = if row.placeholder.is_empty() { String::new() } else { format!("=<{}>", row.placeholder) };
            page.push_str(&format!("\n  -{}{value}\n{}", row.name, wrap(row.help, 5)));
        }
    };
    section("Command options", own.iter().collect());
    section("HTTP API options", shared.iter().flat_map(|rows| rows.iter()).collect());
    page
}

/// A line wrapped and indented; its own indentation (of examples) stays, and such lines are not wrapped.
fn wrap(line: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    if line.trim().is_empty() {
        return "\n".to_owned();
    }
    if line.starts_with(' ') {
        return format!("{margin}{line}\n");
    }
    let (mut text, mut width) = (String::new(), 0);
    for word in line.split(' ') {
        if width > 0 && width + 1 + word.len() > WIDTH {
            text.push('\n');
            width = 0;
        }
        if width == 0 {
            text.push_str(&margin);
            width = indent;
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += word.len();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::{switch, value};
    use super::*;

    #[test]
    fn a_page() {
        let own = [value("z", "path", "A path."), switch("a", "On or off.")];
        let page = render("lictor x [options] Y", "Does x.", "Examples:\n  lictor x y", &own, &[]);
        assert_eq!(
            page,
            "Usage: lictor x [options] Y\n\n  Does x.\n\n  Examples:\n    lictor x y\n\nCommand options\n\n  -a\n     On or off.\n\n  -z=<path>\n     A path.\n"
        );
    }

    #[test]
    fn long_lines_are_wrapped() {
        let text = wrap(&"word ".repeat(40), 5);
        assert!(text.lines().count() > 2);
        assert!(text.lines().all(|line| line.len() <= WIDTH && line.starts_with("     ")), "{text}");
    }
}
