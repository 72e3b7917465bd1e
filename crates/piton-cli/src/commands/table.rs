//! Columns of text.

use unicode_width::UnicodeWidthStr;

/// The rows as lines, each column as wide as its widest cell; `right` marks right-aligned columns.
pub(super) fn table<const N: usize>(rows: &[[String; N]], right: [bool; N]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, &width), right) in row.iter().zip(&widths).zip(right) {
            let space = " ".repeat(width.saturating_sub(cell.width()));
            line += &if right { format!("{space}{cell}  ") } else { format!("{cell}{space}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
