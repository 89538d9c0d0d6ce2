//! Writes text, tables and JSON to standard output.

use std::io::{self, BufWriter, IsTerminal, Write};

use serde::Serialize;

use super::text_table::TextTable;
use super::wrap::wrapped;
use crate::cli::error::CliError;
use crate::cli::progress;
use crate::output::escape::{printable, safe_json};

/// Prints rows as a table, and the notes under it.
pub(crate) fn print_rows(
    table: &TextTable,
    notes: &[String],
    width: Option<usize>,
) -> Result<(), CliError> {
    print_table(table, width)?;
    print_notes(notes, width)
}

/// Prints an empty line and notes, if there are any.
pub(crate) fn print_notes(notes: &[String], width: Option<usize>) -> Result<(), CliError> {
    if notes.is_empty() {
        return Ok(());
    }
    print(&format!("\n{}", note_lines(notes, width)))
}

/// Prints lines of text, broken to fit the width.
pub(crate) fn print_wrapped(text: &str, width: Option<usize>) -> Result<(), CliError> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    print(&note_lines(&lines, width))
}

/// Prints notes on standard error. Ignores a closed standard error.
pub(crate) fn note(notes: &[String]) {
    let _ = io::stderr().write_all(note_lines(notes, None).as_bytes());
}

fn note_lines(notes: &[String], width: Option<usize>) -> String {
    let lines = notes.iter().map(|note| wrapped(&printable(note), width));
    lines.map(|line| line + "\n").collect()
}

/// Writes text to standard output. Ignores a closed pipe (`| head`).
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    print_bytes(text.as_bytes()).map(|_| ())
}

/// Writes bytes to standard output. Returns false if the reader closed the pipe.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<bool, CliError> {
    print_with(|out| out.write_all(bytes))
}

/// Writes what `write` writes, buffered. Returns false if the reader closed the
/// pipe.
pub(crate) fn print_with(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<bool, CliError> {
    written(&mut BufWriter::new(io::stdout().lock()), write)
}

/// Returns the columns of the terminal on standard output; none if it is none.
pub(crate) fn terminal_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Prints a table, in colour on a terminal unless `NO_COLOR` is set
/// (<https://no-color.org>).
pub(crate) fn print_table(table: &TextTable, width: Option<usize>) -> Result<(), CliError> {
    let table = table.laid_out(width);
    let write = |out: &mut dyn Write| out.write_all(table.as_bytes());
    written(&mut anstream::stdout().lock(), write).map(|_| ())
}

fn written(
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<bool, CliError> {
    if io::stdout().is_terminal() {
        progress::end_reads();
    }
    is_read(write(out).and_then(|()| out.flush()))
}

/// Converts the result of writing to standard output: false if the reader closed
/// the pipe.
pub(crate) fn is_read(written: io::Result<()>) -> Result<bool, CliError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::failure(StdoutError(error))),
    }
}

/// Standard output failed, for example on a full disk.
#[derive(Debug, thiserror::Error)]
#[error("standard output: can't write")]
struct StdoutError(#[source] io::Error);

/// Writes a value as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    print(&(json(value)? + "\n"))
}

/// Returns a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::failure)?;
    Ok(safe_json(&text))
}
