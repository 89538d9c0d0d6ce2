//! Comma-separated values (RFC 4180), for spreadsheets and scripts.

use super::CliError;
use super::output::printable;

/// The header.
pub(super) fn header(columns: &[&str]) -> Result<String, CliError> {
    line(columns.iter().copied())
}

/// One row.
pub(super) fn row(fields: &[String]) -> Result<String, CliError> {
    line(fields.iter().map(|field| inert(field)))
}

fn line(fields: impl Iterator<Item: AsRef<[u8]>>) -> Result<String, CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields).map_err(CliError::failure)?;
    let bytes = writer
        .into_inner()
        .map_err(|error| CliError::failure(error.into_error()))?;
    String::from_utf8(bytes).map_err(CliError::failure)
}

/// A field that a spreadsheet shows instead of running: a `'` stands before
/// what it would take for a formula.
/// <https://owasp.org/www-community/attacks/CSV_Injection>
fn inert(field: &str) -> String {
    let field = printable(field);
    if field.starts_with(['=', '+', '-', '@']) {
        format!("'{field}")
    } else {
        field
    }
}

/// A field, empty for what is not there.
pub(super) fn field(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}
