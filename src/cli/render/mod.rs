//! Prints rows: as tables for people, as JSON and CSV for programs.

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
use row_writer::{Document, RowWriter};
use text_table::TextTable;

/// A format of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
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
#[derive(Debug, Clone, Copy, Default, ClapArgs)]
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
    format: RowFormat,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
}

impl FormatArgs {
    /// The format.
    pub(crate) fn get(self) -> RowFormat {
        if self.json {
            RowFormat::Json
        } else {
            self.format
        }
    }

    /// The width of tables.
    pub(crate) fn width(self) -> Option<usize> {
        self.table.width()
    }
}

impl RowFormat {
    /// Returns a writer of rows as they are read, for a JSON document those of
    /// the list at its end; none for a table, which needs all rows first.
    pub(crate) fn writer<R: Row>(self, document: Document) -> Option<RowWriter> {
        self.writer_with(R::header(), document)
    }

    /// As [`Self::writer`], of rows whose columns are named at run time.
    pub(crate) fn writer_with(
        self,
        header: impl IntoIterator<Item = impl AsRef<str>>,
        document: Document,
    ) -> Option<RowWriter> {
        match self {
            Self::Table => None,
            Self::Json => Some(RowWriter::document(document)),
            Self::Jsonl => Some(RowWriter::jsonl()),
            Self::Csv => Some(RowWriter::csv_with(header)),
        }
    }

    /// Returns true if a row has each name once.
    pub(crate) fn has_names_once(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl)
    }

    /// Prints notes on rows that a writer wrote. A document has them itself.
    pub(crate) fn note(self, notes: &[String]) {
        if self != Self::Json {
            note(notes);
        }
    }
}

/// An answer: its rows, and notes on what it is based on.
pub(crate) struct RowAnswer<'a, R, D> {
    /// The rows.
    pub(crate) rows: &'a [R],
    /// All of it as one JSON document.
    pub(crate) document: &'a D,
    /// The notes, one line each.
    pub(crate) notes: Vec<String>,
}

impl<R: Row, D: Serialize> RowAnswer<'_, R, D> {
    /// Prints the answer, as text with `table`.
    pub(crate) fn print(
        self,
        format: FormatArgs,
        table: impl FnOnce(&[R]) -> TextTable,
    ) -> Result<(), CliError> {
        let width = format.width();
        self.print_with(format, |rows, notes| print_rows(&table(rows), notes, width))
    }

    /// Prints the answer, as text with `print_text`, which gets the rows and
    /// the notes.
    pub(crate) fn print_with(
        self,
        format: FormatArgs,
        print_text: impl FnOnce(&[R], &[String]) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let mut writer = match format.get() {
            RowFormat::Table => return print_text(self.rows, &self.notes),
            RowFormat::Json => return print_json(self.document),
            RowFormat::Jsonl => RowWriter::jsonl(),
            RowFormat::Csv => RowWriter::csv::<R>(),
        };
        self.rows.iter().for_each(|row| writer.write_row(row));
        writer.finish()?;
        note(&self.notes);
        Ok(())
    }
}
