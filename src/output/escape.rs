//! Escapes text and JSON for terminals and pages.

/// Escapes active characters in JSON, which leaves some of them unescaped. They
/// occur only within strings.
pub fn safe_json(json: &str) -> String {
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

/// Replaces active characters: names are untrusted text.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_active(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Returns true for characters that act on a terminal or page: control characters,
/// line separators, and those that change the direction of text.
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}
