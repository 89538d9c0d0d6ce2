//! Printing: tables for people, JSON and CSV for programs.

pub(crate) mod check;
pub(crate) mod csv;
mod print;
mod row;
pub(crate) mod row_writer;
pub(crate) mod text_table;
mod wrap;

use clap::{Args as ClapArgs, ValueEnum};
use serde::Serialize;

use super::error::CliError;
pub(crate) use print::{
    is_read, note, print, print_json, print_notes, print_rows, print_table, print_with,
    print_wrapped,
};
pub(crate) use row::Row;
use row_writer::{LineFormat, RowWriter};
use text_table::TextTable;

/// How rows come out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned text, fitted to the terminal
    #[default]
    Table,
    /// One JSON document, with the runs it is based on
    Json,
    /// One JSON object per line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
}

/// Selects how wide tables are.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct TableArgs {
    /// Print tables whole, even if they are wider than the terminal
    #[arg(long)]
    wide: bool,
}

impl TableArgs {
    /// Returns the columns that a table must fit; none if it is printed whole,
    /// as in files and pipes.
    pub(crate) fn width(self) -> Option<usize> {
        if self.wide {
            None
        } else {
            print::terminal_width()
        }
    }
}

/// Selects the output format.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct FormatArgs {
    /// Output format; with jsonl and csv, notes go to standard error
    #[arg(long, value_name = "FORMAT", default_value = "table", value_enum)]
    format: Format,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
}

impl FormatArgs {
    /// The format.
    pub(crate) fn get(self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    /// The width of tables.
    pub(crate) fn width(self) -> Option<usize> {
        self.table.width()
    }
}

impl Format {
    /// A sink for rows that are written as they come: lines, or in the
    /// list that the document `empty` ends with. A table takes all rows at once.
    pub(crate) fn writer<R: Row>(self, empty: &impl Serialize) -> Option<RowWriter> {
        match self {
            Self::Table => None,
            Self::Json => Some(RowWriter::document(empty)),
            Self::Jsonl => Some(RowWriter::new(LineFormat::Jsonl, &R::header())),
            Self::Csv => Some(RowWriter::new(LineFormat::Csv, &R::header())),
        }
    }

    /// Says what rows rest on that were written as they came. A document has it
    /// in itself.
    pub(crate) fn note(self, notes: &[String]) {
        if self != Self::Json {
            note(notes);
        }
    }

    /// How rows become lines, if they do.
    pub(crate) fn lines(self) -> Option<LineFormat> {
        match self {
            Self::Jsonl => Some(LineFormat::Jsonl),
            Self::Csv => Some(LineFormat::Csv),
            Self::Table | Self::Json => None,
        }
    }
}

/// An answer: its rows, and the lines that say what it rests on.
pub(crate) struct RowAnswer<'a, R, D, T> {
    /// The rows.
    pub(crate) rows: &'a [R],
    /// The whole of it as one JSON document.
    pub(crate) document: &'a D,
    /// What makes a table of them, if it is to be one.
    pub(crate) table: T,
    /// What it rests on, a line each.
    pub(crate) notes: Vec<String>,
}

impl<R: Row, D: Serialize, T: FnOnce(&[R]) -> TextTable> RowAnswer<'_, R, D, T> {
    /// Prints it.
    pub(crate) fn print(self, format: FormatArgs) -> Result<(), CliError> {
        let width = format.width();
        let format = format.get();
        let Some(lines) = format.lines() else {
            if format == Format::Json {
                return print_json(self.document);
            }
            return print_rows(&(self.table)(self.rows), &self.notes, width);
        };
        let mut writer = RowWriter::new(lines, &R::header());
        self.rows.iter().for_each(|row| writer.write_row(row));
        writer.finish()?;
        note(&self.notes);
        Ok(())
    }
}
