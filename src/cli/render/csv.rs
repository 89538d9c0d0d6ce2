//! Comma-separated values (RFC 4180), for spreadsheets and scripts.

use crate::cli::error::CliError;
use crate::output::escape::printable;

/// The header.
pub(crate) fn header(columns: &[&str]) -> Result<String, CliError> {
    line(columns.iter().copied())
}

/// One row.
pub(crate) fn row(fields: &[String]) -> Result<String, CliError> {
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
/// what it would take for a formula, at the field's beginning and, for
/// spreadsheets that part cells elsewhere (at `;` in many locales), after each
/// sign that may part them.
/// <https://owasp.org/www-community/attacks/CSV_Injection>
fn inert(field: &str) -> String {
    let field = printable(field);
    let mut inert = String::with_capacity(field.len());
    let mut begins = true;
    for c in field.chars() {
        if begins && matches!(c, '=' | '+' | '-' | '@') {
            inert.push('\'');
        }
        // Blanks and quotes before a formula may be dropped.
        begins = matches!(c, ';' | ',' | '\t' | '|') || (begins && matches!(c, ' ' | '"' | '\''));
        inert.push(c);
    }
    inert
}

/// A field, empty for what is not there.
pub(crate) fn field(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formula_is_neutralised_wherever_a_cell_may_begin() {
        for (field, expected) in [
            ("=1+1", "'=1+1"),
            ("a;=1+1;b", "a;'=1+1;b"),
            ("a;  =1+1", "a;  '=1+1"),
            ("a;\"=1+1\"", "a;\"'=1+1\""),
            ("a,@x", "a,'@x"),
            ("a|-2", "a|'-2"),
            ("a=b-c+d@e;f", "a=b-c+d@e;f"),
            ("2026-10-01T00:00:00Z", "2026-10-01T00:00:00Z"),
            ("", ""),
        ] {
            assert_eq!(inert(field), expected, "{field}");
        }
    }
}
