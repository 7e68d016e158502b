//! Rows as columns.

use crate::terminal::Terminal;

/// Prints rows as columns, two blanks apart.
pub(crate) fn print(rows: &[Vec<String>], terminal: &mut Terminal) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        terminal.say(line.trim_end());
    }
}
