//! Printing: tables for people, JSON and CSV for programs.

use std::io::{self, BufWriter, IsTerminal, Write};

use clap::{Args as ClapArgs, ValueEnum};
use serde::Serialize;

use super::CliError;
use super::sink::{Lines, Sink};
use super::table::TextTable;

/// How rows come out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Aligned text that fits the terminal
    #[default]
    Table,
    /// One JSON document, with what the answer rests on
    Json,
    /// One JSON object a line for each row
    Jsonl,
    /// Comma-separated values under a header
    Csv,
}

/// Which format is asked for.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(super) struct FormatArgs {
    /// How rows come out; with jsonl and csv, what they rest on goes to standard error
    #[arg(long, value_name = "FORMAT", default_value = "table", value_enum)]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl FormatArgs {
    /// The format.
    pub(super) fn get(self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

impl Format {
    /// A sink for rows that are written as they come: lines, or in the
    /// list that the document `empty` ends with. A table takes all rows at once.
    pub(super) fn sink<R: Row>(self, empty: &impl Serialize) -> Option<Sink> {
        match self {
            Self::Table => None,
            Self::Json => Some(Sink::document(empty)),
            Self::Jsonl => Some(Sink::new(Lines::Jsonl, &R::header())),
            Self::Csv => Some(Sink::new(Lines::Csv, &R::header())),
        }
    }

    /// Says what rows rest on that were written as they came. A document has it
    /// in itself.
    pub(super) fn note(self, notes: &[String]) {
        if self != Self::Json {
            note(notes);
        }
    }

    /// How rows become lines, if they do.
    pub(super) fn lines(self) -> Option<Lines> {
        match self {
            Self::Jsonl => Some(Lines::Jsonl),
            Self::Csv => Some(Lines::Csv),
            Self::Table | Self::Json => None,
        }
    }
}

/// Something that comes out of a command in rows.
pub(super) trait Row: Serialize {
    /// The columns, as CSV names them.
    fn header() -> Vec<&'static str>;

    /// The fields under those columns; empty for what is not there.
    fn csv(&self) -> Vec<String>;
}

/// An answer: its rows, and the lines that say what it rests on.
pub(super) struct Answer<'a, R, D, T> {
    /// The rows.
    pub(super) rows: &'a [R],
    /// The whole of it as one JSON document.
    pub(super) document: &'a D,
    /// What makes a table of them, if it is to be one.
    pub(super) table: T,
    /// What it rests on, a line each.
    pub(super) notes: Vec<String>,
}

impl<R: Row, D: Serialize, T: FnOnce(&[R]) -> TextTable> Answer<'_, R, D, T> {
    /// Prints it.
    pub(super) fn print(self, format: Format) -> Result<(), CliError> {
        let Some(lines) = format.lines() else {
            if format == Format::Json {
                return print_json(self.document);
            }
            return print_rows(&(self.table)(self.rows), &self.notes);
        };
        let mut sink = Sink::new(lines, &R::header());
        self.rows.iter().for_each(|row| sink.put(row));
        sink.end()?;
        note(&self.notes);
        Ok(())
    }
}

/// Prints rows as a table, and under it what they rest on.
pub(super) fn print_rows(table: &TextTable, notes: &[String]) -> Result<(), CliError> {
    print_table(table)?;
    if !notes.is_empty() {
        print(&format!("\n{}", told(notes)))?;
    }
    Ok(())
}

/// Says on standard error what lines rest on, a line each. Nobody reading it is
/// no failure.
pub(super) fn note(notes: &[String]) {
    let _ = io::stderr().write_all(told(notes).as_bytes());
}

fn told(notes: &[String]) -> String {
    notes.iter().map(|note| printable(note) + "\n").collect()
}

/// Writes text to standard output. A reader that has seen enough (`| head`)
/// is no failure.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    print_on(text).map(|_| ())
}

/// The same, and whether there is a reader who has not seen enough.
pub(super) fn print_on(text: &str) -> Result<bool, CliError> {
    print_with(|out| out.write_all(text.as_bytes()))
}

/// The same of what is written in many small pieces.
pub(super) fn print_with(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<bool, CliError> {
    written(&mut BufWriter::new(io::stdout().lock()), write)
}

/// Writes a table as it fits what it is written to: on a terminal, as wide as
/// that, and coloured unless `NO_COLOR` says otherwise
/// (<https://no-color.org>); anywhere else whole and plain.
pub(super) fn print_table(table: &TextTable) -> Result<(), CliError> {
    let width = if io::stdout().is_terminal() {
        terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
    } else {
        None
    };
    let table = table.laid_out(width);
    let write = |out: &mut dyn Write| out.write_all(table.as_bytes());
    written(&mut anstream::stdout().lock(), write).map(|_| ())
}

fn written(
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<bool, CliError> {
    is_read(write(out).and_then(|()| out.flush()))
}

/// What came of writing to standard output: whether there is a reader who has
/// not seen enough.
pub(super) fn is_read(written: io::Result<()>) -> Result<bool, CliError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::failure(NotPrinted(error))),
    }
}

/// Standard output does not take it: a full disk, for one.
#[derive(Debug, thiserror::Error)]
#[error("standard output: can't be written")]
struct NotPrinted(#[source] io::Error);

/// Writes a value as indented JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    print(&(json(value)? + "\n"))
}

/// A value as indented JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::failure)?;
    Ok(safe_json(&text))
}

/// JSON with what could do something to a terminal escaped: it leaves some of
/// that as it is, and it can only be in a text.
pub(super) fn safe_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_active(c) {
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Text that can do nothing to a terminal: what names say is not ours.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_active(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Whether a character does something instead of showing something: control
/// characters, line separators, and those that turn the direction of what
/// follows.
pub(crate) fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}
