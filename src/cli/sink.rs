//! Records that are written as they are read, however many there are.

use serde::Serialize;

use super::CliError;
use super::csv;
use super::output::{Row, print_on, safe_json};

/// How records become lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values under a header.
    Csv,
}

/// Where records go.
pub(super) struct Sink {
    lines: Lines,
    /// What is not written yet: the header at first.
    text: String,
    /// What went wrong: nothing is written after it.
    failed: Option<CliError>,
    /// Whether somebody still reads.
    is_read: bool,
}

/// So much text is written at once.
const CHUNK: usize = 64 * 1024;

impl Sink {
    /// A sink that has written nothing yet. The header comes with the first
    /// text, and is there even if there are no records.
    pub(super) fn new(lines: Lines, header: &[&str]) -> Self {
        let mut sink = Self {
            lines,
            text: String::new(),
            failed: None,
            is_read: true,
        };
        match lines {
            Lines::Csv => sink.add(csv::header(header)),
            Lines::Jsonl => {}
        }
        sink
    }

    /// Adds a record.
    pub(super) fn put(&mut self, record: &impl Row) {
        match self.lines {
            Lines::Csv => self.add(csv::row(&record.csv())),
            Lines::Jsonl => self.put_json(record),
        }
    }

    /// Adds a record that is a line of JSON in any case.
    pub(super) fn put_json(&mut self, record: &impl Serialize) {
        let line = serde_json::to_string(record);
        self.add(
            line.map(|line| safe_json(&line) + "\n")
                .map_err(CliError::failure),
        );
    }

    /// Whether there is any use in more records.
    pub(super) fn is_open(&self) -> bool {
        self.is_read && self.failed.is_none()
    }

    /// Writes what is left.
    pub(super) fn end(mut self) -> Result<(), CliError> {
        self.flush();
        match self.failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn add(&mut self, line: Result<String, CliError>) {
        if !self.is_open() {
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
        if !self.is_open() {
            return;
        }
        match print_on(&std::mem::take(&mut self.text)) {
            Ok(is_read) => self.is_read = is_read,
            Err(error) => self.failed = Some(error),
        }
    }
}
