//! Aligned columns.

use console::measure_text_width;

use super::look::{Look, Tone};

/// Rows under bold titles, columns two blanks apart; a column without any value is left out. Ends
/// with a newline.
pub(super) fn table<const N: usize>(look: &Look, titles: [&str; N], rows: &[[String; N]]) -> String {
    let used: Vec<usize> = (0..N).filter(|&column| rows.iter().any(|row| !row[column].is_empty())).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| measure_text_width(&row[column]));
        cells.chain([measure_text_width(titles[column])]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = used.iter().map(|&column| width(column)).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            format!("{cell}{}", " ".repeat(width.saturating_sub(measure_text_width(cell))))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = look.paint(Tone::Strong, &line(used.iter().map(|&column| titles[column]).collect()));
    for row in rows {
        text.push('\n');
        text.push_str(&line(used.iter().map(|&column| row[column].as_str()).collect()));
    }
    text.push('\n');
    text
}
