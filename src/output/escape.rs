//! Text and JSON that can do nothing to a terminal or a page.

/// JSON with what could do something to a terminal escaped: it leaves some of
/// that as it is, and it can only be in a text.
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

/// Text that can do nothing to a terminal: what names say is not ours.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_active(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Whether a character does something instead of showing something: control
/// characters, line separators, and those that turn the direction of what
/// follows.
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}
