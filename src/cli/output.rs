//! Printing: tables for people, JSON and CSV for programs.

use std::io::{self, IsTerminal, Write};

use clap::{Args as ClapArgs, ValueEnum};
use serde::Serialize;

use super::CliError;
use super::csv;
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

/// Something that comes out of a command in rows.
pub(super) trait Row: Serialize {
    /// The columns, as CSV names them.
    fn header() -> Vec<&'static str>;

    /// The fields under those columns; empty for what is not there.
    fn csv(&self) -> Vec<String>;
}

/// An answer: its rows, and the lines that say what it rests on.
pub(super) struct Answer<'a, R, D> {
    /// The rows.
    pub(super) rows: &'a [R],
    /// The whole of it as one JSON document.
    pub(super) document: &'a D,
    /// The rows as a table.
    pub(super) table: TextTable,
    /// What it rests on, a line each.
    pub(super) notes: Vec<String>,
}

impl<R: Row, D: Serialize> Answer<'_, R, D> {
    /// Prints it.
    pub(super) fn print(self, format: Format) -> Result<(), CliError> {
        match format {
            Format::Table => {
                print_table(&self.table)?;
                if !self.notes.is_empty() {
                    print(&format!("\n{}", lines(&self.notes)))?;
                }
                return Ok(());
            }
            Format::Json => return print_json(self.document),
            Format::Jsonl => {
                let mut text = String::new();
                for row in self.rows {
                    let line = serde_json::to_string(row).map_err(CliError::failure)?;
                    text.push_str(&safe_json(&line));
                    text.push('\n');
                }
                print(&text)?;
            }
            Format::Csv => print(&csv::written(&R::header(), self.rows.iter().map(Row::csv))?)?,
        }
        // Nobody reading it is no failure.
        let _ = io::stderr().write_all(lines(&self.notes).as_bytes());
        Ok(())
    }
}

fn lines(notes: &[String]) -> String {
    notes.iter().map(|note| printable(note) + "\n").collect()
}

/// Writes text to standard output. A reader that has seen enough (`| head`)
/// is no failure.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    written(&mut io::stdout().lock(), text)
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
    written(&mut anstream::stdout().lock(), &table.laid_out(width))
}

fn written(out: &mut impl Write, text: &str) -> Result<(), CliError> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::failure(error)),
        _ => Ok(()),
    }
}

/// Writes a value as indented JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::failure)?;
    print(&(safe_json(&text) + "\n"))
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
