//! Tables as aligned text, one line per row.
//!
//! A table that is wider than the terminal gives up, as far as necessary:
//! columns with one value in all rows, which a line under the table names; the
//! ends or middles of texts; the long form of cells that have a compact one; and
//! columns that may be dropped. Without a width, as in files and pipes, it is
//! printed whole.

use std::borrow::Cow;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::wrap::{without_end, without_middle, wrapped};
use crate::output::escape::printable;

/// How a column becomes narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Not at all.
    Never,
    /// Loses its end: names, texts.
    End,
    /// Loses its end, but keeps this many columns.
    EndAfter(usize),
    /// Loses its middle: ARNs, which differ at their end.
    Middle,
}

/// A column: its header, and how it becomes narrower.
pub(crate) type Column = (&'static str, Cut);

/// A cell.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    compact: Option<String>,
    style: Style,
}

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct TextTable {
    columns: Vec<(Cow<'static, str>, Cut)>,
    droppable: Vec<&'static str>,
    rows: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    cells: Vec<Cell>,
    notes: Vec<String>,
}

/// How a table fits a terminal.
struct Fit {
    /// The width of each column; none for a dropped one.
    widths: Vec<Option<usize>>,
    is_compact: bool,
}

/// Blanks between two columns.
const GAP: usize = 2;
/// The least width of a column that loses its end.
const NARROWEST: usize = 8;
/// The least width of a column that loses its middle: `arn:…` and six characters.
const NARROWEST_MIDDLE: usize = 11;
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::styled(&text, Style::new())
    }
}

impl Cell {
    fn styled(text: &str, style: Style) -> Self {
        Self {
            text: printable(text),
            compact: None,
            style,
        }
    }

    /// A status, an outcome or a verdict, coloured by how good it is.
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
        Self::styled(&text, style)
    }

    /// A text with a shorter form for narrow terminals.
    pub(crate) fn with_compact(text: String, compact: &str) -> Self {
        Self {
            compact: Some(printable(compact)),
            ..text.into()
        }
    }

    fn text(&self, is_compact: bool) -> &str {
        match &self.compact {
            Some(compact) if is_compact => compact,
            _ => &self.text,
        }
    }
}

impl TextTable {
    /// An empty table with these columns.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        let columns = columns.into().into_iter();
        Self::of(columns.map(|(name, cut)| (name.into(), cut)))
    }

    /// An empty table with columns that are named at run time.
    pub(crate) fn named(columns: impl IntoIterator<Item = (String, Cut)>) -> Self {
        let columns = columns.into_iter();
        Self::of(columns.map(|(name, cut)| (name.into(), cut)))
    }

    fn of(columns: impl Iterator<Item = (Cow<'static, str>, Cut)>) -> Self {
        Self {
            columns: columns.collect(),
            droppable: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Lets narrow terminals do without these columns, in this order.
    pub(crate) fn may_drop(mut self, columns: impl Into<Vec<&'static str>>) -> Self {
        self.droppable = columns.into();
        self
    }

    /// Adds a row, with lines of text under it.
    pub(crate) fn add(&mut self, cells: impl Into<Vec<Cell>>, notes: Vec<String>) {
        self.rows.push(Line {
            cells: cells.into(),
            notes,
        });
    }

    /// Returns the text with colours, in lines of at most `width` columns if
    /// the columns can be made that narrow.
    pub(crate) fn laid_out(&self, width: Option<usize>) -> String {
        let fit = self.fit(width);
        let mut text = String::new();
        let header = self.columns.iter();
        let header: Vec<Cell> = header.map(|(name, _)| Cell::styled(name, BOLD)).collect();
        self.lay_out(&mut text, &header, &fit);
        for row in &self.rows {
            self.lay_out(&mut text, &row.cells, &fit);
            for note in &row.notes {
                let note = wrapped(&format!("   {}", printable(note)), width);
                text.push_str(&(note + "\n"));
            }
        }
        text.push_str(&self.dropped(&fit, width));
        text
    }

    fn lay_out(&self, text: &mut String, cells: &[Cell], fit: &Fit) {
        let mut filling = 0;
        for (cell, ((_, cut), width)) in cells.iter().zip(self.columns.iter().zip(&fit.widths)) {
            let Some(width) = *width else { continue };
            let shown = match cut {
                Cut::Middle => without_middle(cell.text(fit.is_compact), width),
                Cut::Never | Cut::End | Cut::EndAfter(_) => {
                    without_end(cell.text(fit.is_compact), width)
                }
            };
            text.push_str(&" ".repeat(filling));
            let style = cell.style;
            text.push_str(&format!("{style}{shown}{style:#}"));
            filling = width.saturating_sub(shown.width()) + GAP;
        }
        let end = text.trim_end_matches(' ').len();
        text.truncate(end);
        text.push('\n');
    }

    /// Says which columns are left out, and the value of those that have one.
    fn dropped(&self, fit: &Fit, width: Option<usize>) -> String {
        let columns = self.columns.iter().zip(&fit.widths).enumerate();
        let dropped: Vec<String> = columns
            .filter(|(_, (_, width))| width.is_none())
            .map(|(i, ((name, _), _))| match self.only_value(i) {
                Some(value) => format!("{name} ({value})"),
                None => name.to_string(),
            })
            .collect();
        if dropped.is_empty() {
            return String::new();
        }
        let line = format!("Not shown: {}. Use --wide for all.", dropped.join(", "));
        wrapped(&line, width) + "\n"
    }

    /// Returns the value that a column has in every row.
    fn only_value(&self, column: usize) -> Option<&str> {
        let mut values = self
            .rows
            .iter()
            .map(|row| Some(row.cells.get(column)?.text(false)));
        let first = values.next()??;
        values.all(|value| value == Some(first)).then_some(first)
    }

    fn fit(&self, limit: Option<usize>) -> Fit {
        let mut fit = Fit {
            widths: self.widths(false),
            is_compact: false,
        };
        let Some(limit) = limit else { return fit };
        let droppable = self.droppable.iter();
        let droppable: Vec<usize> = droppable
            .filter_map(|name| self.columns.iter().position(|(column, _)| column == name))
            .collect();
        for column in &droppable {
            let is_too_wide = total(fit.widths.iter().copied().flatten()) > limit;
            if is_too_wide && self.rows.len() > 1 && self.only_value(*column).is_some() {
                fit.widths[*column] = None;
            }
        }
        if self.narrowest(&fit.widths) > limit {
            fit.is_compact = true;
            let compact = self.widths(true).into_iter().zip(&fit.widths);
            fit.widths = compact.map(|(compact, width)| width.and(compact)).collect();
        }
        for column in droppable {
            if self.narrowest(&fit.widths) > limit {
                fit.widths[column] = None;
            }
        }
        while total(fit.widths.iter().copied().flatten()) > limit {
            let columns = fit.widths.iter_mut().zip(&self.columns);
            let widest = columns
                .filter_map(|(width, (_, cut))| Some((width.as_mut()?, *cut)))
                .filter(|(width, cut)| **width > least(**width, *cut))
                .max_by_key(|(width, _)| **width);
            match widest {
                Some((width, _)) => *width -= 1,
                None => break,
            }
        }
        fit
    }

    /// The width of each column's widest cell.
    fn widths(&self, is_compact: bool) -> Vec<Option<usize>> {
        let mut widths: Vec<usize> = self.columns.iter().map(|(name, _)| name.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.text(is_compact).width());
            }
        }
        widths.into_iter().map(Some).collect()
    }

    /// The width of the table with every column as narrow as it may be.
    fn narrowest(&self, widths: &[Option<usize>]) -> usize {
        let columns = widths.iter().zip(&self.columns);
        total(columns.filter_map(|(width, (_, cut))| Some(least((*width)?, *cut))))
    }
}

/// The width of a row with columns of these widths.
fn total(widths: impl Iterator<Item = usize>) -> usize {
    let with_gaps: usize = widths.map(|width| width + GAP).sum();
    with_gaps.saturating_sub(GAP)
}

/// How narrow a column of this width may become.
fn least(width: usize, cut: Cut) -> usize {
    match cut {
        Cut::Never => width,
        Cut::End => width.min(NARROWEST),
        Cut::EndAfter(least) => width.min(least),
        Cut::Middle => width.min(NARROWEST_MIDDLE),
    }
}

#[cfg(test)]
mod tests;
