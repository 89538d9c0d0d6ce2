//! Writes text, tables and JSON to standard output.

use std::io::{self, BufWriter, IsTerminal, Write};

use serde::Serialize;

use super::text_table::TextTable;
use crate::cli::error::CliError;
use crate::output::escape::{printable, safe_json};

/// Prints rows as a table, and under it what they rest on.
pub(crate) fn print_rows(table: &TextTable, notes: &[String]) -> Result<(), CliError> {
    print_table(table)?;
    if !notes.is_empty() {
        print(&format!("\n{}", told(notes)))?;
    }
    Ok(())
}

/// Says on standard error what lines rest on, a line each. Nobody reading it is
/// no failure.
pub(crate) fn note(notes: &[String]) {
    let _ = io::stderr().write_all(told(notes).as_bytes());
}

fn told(notes: &[String]) -> String {
    notes.iter().map(|note| printable(note) + "\n").collect()
}

/// Writes text to standard output. A reader that has seen enough (`| head`)
/// is no failure.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    print_on(text).map(|_| ())
}

/// The same, and whether there is a reader who has not seen enough.
pub(crate) fn print_on(text: &str) -> Result<bool, CliError> {
    print_with(|out| out.write_all(text.as_bytes()))
}

/// The same of what is written in many small pieces.
pub(crate) fn print_with(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<bool, CliError> {
    written(&mut BufWriter::new(io::stdout().lock()), write)
}

/// Writes a table as it fits what it is written to: on a terminal, as wide as
/// that, and coloured unless `NO_COLOR` says otherwise
/// (<https://no-color.org>); anywhere else whole and plain.
pub(crate) fn print_table(table: &TextTable) -> Result<(), CliError> {
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
pub(crate) fn is_read(written: io::Result<()>) -> Result<bool, CliError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::failure(StdoutError(error))),
    }
}

/// Standard output does not take it: a full disk, for one.
#[derive(Debug, thiserror::Error)]
#[error("standard output: can't be written")]
struct StdoutError(#[source] io::Error);

/// Writes a value as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    print(&(json(value)? + "\n"))
}

/// A value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::failure)?;
    Ok(safe_json(&text))
}
