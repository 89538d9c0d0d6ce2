//! Records that are written as they are read, however many there are.

use serde::Serialize;

use super::csv;
use super::print::{json, print_on};
use super::row::Row;
use crate::cli::error::CliError;
use crate::output::escape::safe_json;

/// How records become lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values under a header.
    Csv,
}

/// What records come out as.
enum Shape {
    LineFormat(LineFormat),
    /// The elements of the list that a JSON document ends with.
    Document {
        is_empty: bool,
    },
}

/// Where records go.
pub(crate) struct RowWriter {
    shape: Shape,
    /// What is not written yet: the header at first.
    text: String,
    /// What went wrong: nothing is written after it.
    failed: Option<CliError>,
    /// Whether somebody still reads.
    is_read: bool,
}

/// What an indented JSON document ends with whose last field is an empty list.
const EMPTY_LIST: &str = "[]\n}";

/// A document that records can't go into.
#[derive(Debug, thiserror::Error)]
#[error("the document does not end with an empty list")]
struct NoListAtTheEnd;

/// So much text is written at once.
const CHUNK: usize = 64 * 1024;

impl RowWriter {
    /// A sink that has written nothing yet. The header comes with the first
    /// text, and is there even if there are no records.
    pub(crate) fn new(lines: LineFormat, header: &[&str]) -> Self {
        let mut writer = Self::of(Shape::LineFormat(lines));
        match lines {
            LineFormat::Csv => writer.add(csv::header(header)),
            LineFormat::Jsonl => {}
        }
        writer
    }

    /// A sink of one JSON document, which is that of `empty` with the records in
    /// the list that it ends with. It has none yet.
    pub(crate) fn document(empty: &impl Serialize) -> Self {
        let mut writer = Self::of(Shape::Document { is_empty: true });
        writer.add(json(empty).and_then(|text| {
            let opened = text.strip_suffix(EMPTY_LIST);
            let opened = opened.map(|before| format!("{before}["));
            opened.ok_or_else(|| CliError::failure(NoListAtTheEnd))
        }));
        writer
    }

    fn of(shape: Shape) -> Self {
        Self {
            shape,
            text: String::new(),
            failed: None,
            is_read: true,
        }
    }

    /// Adds a record.
    pub(crate) fn write_row(&mut self, record: &impl Row) {
        match &mut self.shape {
            Shape::LineFormat(LineFormat::Csv) => self.add(csv::row(&record.csv())),
            Shape::LineFormat(LineFormat::Jsonl) => self.write_json(record),
            Shape::Document { is_empty } => {
                let separator = if std::mem::take(is_empty) { "" } else { "," };
                self.add(json(record).map(|text| {
                    // A text in JSON has no line of its own.
                    let indented = text.replace('\n', "\n    ");
                    format!("{separator}\n    {indented}")
                }));
            }
        }
    }

    /// Adds a record that is a line of JSON in any case.
    pub(crate) fn write_json(&mut self, record: &impl Serialize) {
        let line = serde_json::to_string(record);
        self.add(
            line.map(|line| safe_json(&line) + "\n")
                .map_err(CliError::failure),
        );
    }

    /// Whether there is any use in more records.
    pub(crate) fn wants_more(&self) -> bool {
        self.is_read && self.failed.is_none()
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> Result<(), CliError> {
        if let Shape::Document { is_empty } = self.shape {
            let indent = if is_empty { "" } else { "\n  " };
            self.add(Ok(format!("{indent}]\n}}\n")));
        }
        self.flush();
        match self.failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn add(&mut self, line: Result<String, CliError>) {
        if !self.wants_more() {
            return;
        }
        match line {
            Ok(line) => self.text.push_str(&line),
            Err(error) => self.failed = Some(error),
        }
        if self.text.len() >= CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.wants_more() {
            return;
        }
        match print_on(&std::mem::take(&mut self.text)) {
            Ok(is_read) => self.is_read = is_read,
            Err(error) => self.failed = Some(error),
        }
    }
}
