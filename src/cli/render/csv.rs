//! Comma-separated values (RFC 4180), for spreadsheets and scripts.

use crate::output::escape::printable;

/// Returns a field that no spreadsheet evaluates: `'` stands before what would
/// begin a formula, at the field's beginning and after each character that
/// separates cells in some locale, such as `;`.
/// <https://owasp.org/www-community/attacks/CSV_Injection>
pub(crate) fn inert(field: &str) -> String {
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

/// Returns a field; empty for none.
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
