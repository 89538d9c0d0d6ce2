//! Tables as aligned text, a line a row.
//!
//! On a terminal that is too narrow, the columns that may be are cut, each to
//! the part that tells rows apart. Where the text goes on to a file or a
//! program, nothing is cut.

use std::borrow::Cow;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::output::escape::printable;

/// What a column gives up when there is too little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing.
    Never,
    /// Its end: names, texts.
    End,
    /// Its beginning: an ARN's end is what is unique in it.
    Start,
}

/// A column: its header, and what it gives up.
pub(crate) type Column = (&'static str, Cut);

/// A cell.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct TextTable {
    columns: Vec<(Cow<'static, str>, Cut)>,
    rows: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    cells: Vec<Cell>,
    notes: Vec<String>,
}

/// Between two columns.
const GAP: usize = 2;
/// No column is cut below this.
const NARROWEST: usize = 8;
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self {
            text: printable(&text),
            style: Style::new(),
        }
    }
}

impl Cell {
    /// A status, an outcome or a kind, coloured by how good it is.
    pub(crate) fn word(text: impl Into<String>) -> Self {
        let text: String = text.into();
        let colour = match text.as_str() {
            "AVAILABLE" | "COMPLETE" | "PASS" => Some(AnsiColor::Green),
            "PENDING" | "PARTIAL" | "INSUFFICIENT_DATA" => Some(AnsiColor::Yellow),
            "ERROR" | "FAILED" | "FAIL" => Some(AnsiColor::Red),
            _ => None,
        };
        let style = match colour {
            Some(colour) => Style::new().fg_color(Some(colour.into())),
            None if text == "DELETED" => DIM,
            None => Style::new(),
        };
        Self {
            text: printable(&text),
            style,
        }
    }
}

impl TextTable {
    /// An empty table with these columns.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        let columns = columns.into().into_iter();
        Self {
            columns: columns.map(|(name, cut)| (name.into(), cut)).collect(),
            rows: Vec::new(),
        }
    }

    /// The same, with names that are not known beforehand.
    pub(crate) fn named(columns: impl IntoIterator<Item = (String, Cut)>) -> Self {
        Self {
            columns: columns
                .into_iter()
                .map(|(name, cut)| (name.into(), cut))
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, with lines of text under it.
    pub(crate) fn add(&mut self, cells: impl Into<Vec<Cell>>, notes: Vec<String>) {
        self.rows.push(Line {
            cells: cells.into(),
            notes,
        });
    }

    /// The text, with colours; no wider than `width` as far as columns may be
    /// cut.
    pub(crate) fn laid_out(&self, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let mut text = String::new();
        let header: Vec<Cell> = self
            .columns
            .iter()
            .map(|(name, _)| Cell {
                text: name.clone().into_owned(),
                style: BOLD,
            })
            .collect();
        self.lay_out(&mut text, &header, &widths);
        for row in &self.rows {
            self.lay_out(&mut text, &row.cells, &widths);
            for note in &row.notes {
                text.push_str(&format!("   {}\n", printable(note)));
            }
        }
        text
    }

    fn lay_out(&self, text: &mut String, cells: &[Cell], widths: &[usize]) {
        let last = cells.len().saturating_sub(1);
        for (i, (cell, (column, width))) in cells
            .iter()
            .zip(self.columns.iter().zip(widths))
            .enumerate()
        {
            let shown = shortened(&cell.text, *width, column.1);
            let style = cell.style;
            text.push_str(&format!("{style}{shown}{style:#}"));
            if i < last {
                let filled = width.saturating_sub(shown.width()) + GAP;
                text.push_str(&" ".repeat(filled));
            }
        }
        let end = text.trim_end_matches(' ').len();
        text.truncate(end);
        text.push('\n');
    }

    /// How wide each column is: as wide as its widest cell, and less, the
    /// widest first, where that is too wide.
    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|(name, _)| name.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.text.width());
            }
        }
        let Some(limit) = limit else { return widths };
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let widest = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(width, (_, cut))| *cut != Cut::Never && **width > NARROWEST)
                .max_by_key(|(width, _)| **width);
            match widest {
                Some((width, _)) => *width -= 1,
                None => break,
            }
        }
        widths
    }
}

/// As much of a text as fits.
fn shortened(text: &str, width: usize, cut: Cut) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let fits = |chars: &mut dyn Iterator<Item = char>| {
        let mut used = 0;
        chars
            .take_while(|c| {
                used += c.width().unwrap_or(0);
                used <= room
            })
            .collect::<Vec<char>>()
    };
    match cut {
        Cut::Start => {
            let kept = fits(&mut text.chars().rev());
            let kept: String = kept.into_iter().rev().collect();
            format!("…{kept}")
        }
        Cut::Never | Cut::End => {
            let kept: String = fits(&mut text.chars()).into_iter().collect();
            format!("{kept}…")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(table: &TextTable, width: Option<usize>) -> String {
        anstream::adapter::strip_str(&table.laid_out(width)).to_string()
    }

    fn sample() -> TextTable {
        let mut table = TextTable::new([
            ("STATUS", Cut::Never),
            ("NAME", Cut::End),
            ("ARN", Cut::Start),
        ]);
        let row = |status: &str, name: &str, arn: &str| {
            [
                Cell::word(status),
                name.to_owned().into(),
                arn.to_owned().into(),
            ]
        };
        table.add(row("ERROR", "payments", "arn:aws:…/first"), Vec::new());
        let note = vec!["under it".to_owned()];
        table.add(row("AVAILABLE", "a-long-name-é", "arn:aws:…/second"), note);
        table
    }

    #[test]
    fn without_a_terminal_nothing_is_cut() {
        assert_eq!(
            plain(&sample(), None),
            "STATUS     NAME           ARN\n\
             ERROR      payments       arn:aws:…/first\n\
             AVAILABLE  a-long-name-é  arn:aws:…/second\n   under it\n"
        );
    }

    #[test]
    fn on_a_terminal_what_may_be_is_cut_to_the_part_that_tells_rows_apart() {
        assert_eq!(
            plain(&sample(), Some(33)),
            "STATUS     NAME        ARN\n\
             ERROR      payments    …s:…/first\n\
             AVAILABLE  a-long-na…  …:…/second\n   under it\n"
        );
        for line in plain(&sample(), Some(5))
            .lines()
            .filter(|l| !l.starts_with(' '))
        {
            assert!(line.width() <= 9 + 8 + 8 + 4, "{line}");
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let mut table = TextTable::new([("NAME", Cut::End), ("X", Cut::Never)]);
        table.add(
            ["日本語の名前です".to_owned().into(), "1".to_owned().into()],
            Vec::new(),
        );
        let text = plain(&table, Some(12));
        assert_eq!(text, "NAME       X\n日本語の…  1\n");
    }

    #[test]
    fn what_could_act_on_a_terminal_is_shown_instead() {
        let mut table = TextTable::new([("NAME", Cut::End)]);
        table.add(
            ["\u{1b}[31mred\n".to_owned().into()],
            vec!["\u{7}".to_owned()],
        );
        assert_eq!(
            plain(&table, None),
            "NAME\n\u{fffd}[31mred\u{fffd}\n   \u{fffd}\n"
        );
    }
}
