//! Writes rows to standard output as they are read, however many there are.

use std::io::{self, Write};

use serde::Serialize;

use super::csv::inert;
use super::print::{json, print_bytes};
use super::row::Row;
use crate::cli::error::CliError;
use crate::output::escape::safe_json;

/// Text is written to standard output in chunks of this many bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Writes rows in one of the formats that need not have all of them first.
///
/// Nothing is written after a failure. Rows that are still in the buffer when
/// the writer is dropped are not written: only [`finish`](Self::finish) does.
pub(crate) enum RowWriter {
    /// One JSON object per line.
    Jsonl(JsonLines),
    /// Comma-separated values with a header.
    Csv(Box<csv::Writer<Buffer>>),
    /// The list at the end of a JSON document.
    Document(DocumentRows),
}

impl RowWriter {
    pub(crate) fn jsonl() -> Self {
        Self::Jsonl(JsonLines::default())
    }

    pub(crate) fn csv<R: Row>() -> Self {
        Self::csv_with(R::header())
    }

    /// A writer of columns that are named at run time.
    pub(crate) fn csv_with(header: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut writer = csv::Writer::from_writer(Buffer::default());
        let names = header.into_iter();
        record(&mut writer, names.map(|name| inert(name.as_ref())));
        Self::Csv(Box::new(writer))
    }

    pub(crate) fn document(document: Document) -> Self {
        Self::Document(DocumentRows::new(document))
    }

    /// Writes a row.
    pub(crate) fn write_row(&mut self, row: &impl Row) {
        self.write_fields(row, || row.csv().iter().map(|field| inert(field)).collect());
    }

    /// Writes a row whose fields in CSV are `fields`, [inert](inert) already.
    pub(crate) fn write_fields(
        &mut self,
        row: &impl Serialize,
        fields: impl FnOnce() -> Vec<String>,
    ) {
        match self {
            Self::Jsonl(lines) => lines.write(row),
            Self::Csv(writer) => record(writer, fields()),
            Self::Document(rows) => rows.write(row),
        }
    }

    /// Returns false if further rows would not be written: writing failed, or
    /// the reader closed the pipe.
    pub(crate) fn wants_more(&self) -> bool {
        match self {
            Self::Jsonl(lines) => lines.wants_more(),
            Self::Csv(writer) => writer.get_ref().wants_more(),
            Self::Document(rows) => rows.buffer.wants_more(),
        }
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// The first failure of any of the writes.
    pub(crate) fn finish(self) -> Result<(), CliError> {
        match self {
            Self::Jsonl(lines) => lines.finish(),
            Self::Csv(writer) => match writer.into_inner() {
                Ok(buffer) => buffer.finish(),
                Err(error) => Err(CliError::failure(error.into_error())),
            },
            Self::Document(rows) => rows.finish(),
        }
    }
}

/// Writes a line of CSV. A buffer takes every write; its failures show in
/// [`Buffer::finish`].
fn record(writer: &mut csv::Writer<Buffer>, fields: impl IntoIterator<Item = impl AsRef<[u8]>>) {
    let _ = writer.write_record(fields);
}

/// Writes one JSON value per line.
#[derive(Default)]
pub(crate) struct JsonLines {
    buffer: Buffer,
}

impl JsonLines {
    /// Writes a value.
    pub(crate) fn write(&mut self, value: &impl Serialize) {
        let line = serde_json::to_string(value);
        let line = line.map(|line| safe_json(&line) + "\n");
        self.buffer.add(line.map_err(CliError::failure));
    }

    /// Returns false if further values would not be written.
    pub(crate) fn wants_more(&self) -> bool {
        self.buffer.wants_more()
    }

    /// Writes what is buffered.
    pub(crate) fn finish(self) -> Result<(), CliError> {
        self.buffer.finish()
    }
}

/// The fields of a JSON document that ends with a list of rows.
pub(crate) struct Document {
    fields: Vec<(&'static str, Result<String, CliError>)>,
    rows: &'static str,
}

impl Document {
    /// A document whose last field, `rows`, is the list.
    pub(crate) fn of_rows(rows: &'static str) -> Self {
        let fields = Vec::new();
        Self { fields, rows }
    }

    /// Adds a field before the list.
    pub(crate) fn with(mut self, name: &'static str, value: &impl Serialize) -> Self {
        self.fields.push((name, json(value)));
        self
    }
}

/// Writes a [`Document`] as indented JSON.
pub(crate) struct DocumentRows {
    buffer: Buffer,
    is_empty: bool,
}

impl DocumentRows {
    fn new(document: Document) -> Self {
        let mut buffer = Buffer::default();
        buffer.add(Ok("{\n".to_owned()));
        for (name, value) in document.fields {
            let field = value.map(|value| format!("  \"{name}\": {},\n", indented(&value, 2)));
            buffer.add(field);
        }
        buffer.add(Ok(format!("  \"{}\": [", document.rows)));
        let is_empty = true;
        Self { buffer, is_empty }
    }

    fn write(&mut self, row: &impl Serialize) {
        let separator = if std::mem::take(&mut self.is_empty) {
            ""
        } else {
            ","
        };
        let row = json(row).map(|row| format!("{separator}\n    {}", indented(&row, 4)));
        self.buffer.add(row);
    }

    fn finish(mut self) -> Result<(), CliError> {
        let indent = if self.is_empty { "" } else { "\n  " };
        self.buffer.add(Ok(format!("{indent}]\n}}\n")));
        self.buffer.finish()
    }
}

/// Indents the lines of a JSON value after its first. Strings in JSON have no
/// line breaks.
fn indented(json: &str, blanks: usize) -> String {
    json.replace('\n', &format!("\n{}", " ".repeat(blanks)))
}

/// Collects text for standard output, and remembers its first failure.
pub(crate) struct Buffer {
    text: Vec<u8>,
    failed: Option<CliError>,
    /// False once the reader closed the pipe.
    is_read: bool,
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            failed: None,
            is_read: true,
        }
    }
}

impl Buffer {
    fn wants_more(&self) -> bool {
        self.is_read && self.failed.is_none()
    }

    fn add(&mut self, text: Result<String, CliError>) {
        match text {
            Ok(text) => self.extend(text.as_bytes()),
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
    }

    fn extend(&mut self, text: &[u8]) {
        if self.wants_more() {
            self.text.extend_from_slice(text);
            if self.text.len() >= CHUNK_BYTES {
                self.print();
            }
        }
    }

    fn print(&mut self) {
        if self.wants_more() {
            match print_bytes(&std::mem::take(&mut self.text)) {
                Ok(is_read) => self.is_read = is_read,
                Err(error) => self.failed = Some(error),
            }
        }
    }

    fn finish(mut self) -> Result<(), CliError> {
        self.print();
        self.failed.map_or(Ok(()), Err)
    }
}

/// For the CSV writer. It succeeds always: failures are kept for `finish`, and
/// nothing is left for `flush`.
impl Write for Buffer {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.extend(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The text of a document, as `finish` would print it.
    fn document(head: &Value, rows: &[Value]) -> String {
        let document = Document::of_rows("rows").with("head", head);
        let mut written = DocumentRows::new(document);
        rows.iter().for_each(|row| written.write(row));
        let indent = if rows.is_empty() { "" } else { "\n  " };
        written.buffer.add(Ok(format!("{indent}]\n}}")));
        String::from_utf8(written.buffer.text).unwrap()
    }

    #[test]
    fn document_has_the_bytes_of_one_that_is_serialized_at_once() {
        let head = json!({"runs": [1, 2], "text": "[]\n}", "none": null});
        let rows = [
            json!({"a": [], "b": {"c": "x\ny"}}),
            json!("[]\n}"),
            json!(3),
        ];
        for number in 0..=rows.len() {
            let whole = json!({"head": head, "rows": rows[..number]});
            let whole = serde_json::to_string_pretty(&whole).unwrap();
            assert_eq!(document(&head, &rows[..number]), whole);
        }
    }
}
