//! Texts from outside, cleaned: short enough to be stored, in one line, or safe in
//! a template.

use std::borrow::Cow;

/// Cuts a text to at most `max_bytes`, and says how much was left out.
///
/// A run's record has to fit an item (400 KB), however long an error message or
/// an edited attribute is.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
pub fn cut(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(max_bytes);
    let left_out = text.len() - end;
    Cow::Owned(format!("{}… ({left_out} bytes left out)", &text[..end]))
}

/// Returns the beginning of a text, as much as fits a line.
pub fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 120;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Joins the lines of a text: errors are printed as a list, one a line.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// Replaces what would need an escape in a JSON string. A name may hold anything,
/// and rules of `EventBridge` put values into a message, which has to be JSON,
/// without escaping them.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html#eb-transform-input-issues>
pub fn json_safe(text: &str) -> String {
    let replaced = |c: char| match c {
        '"' => '\'',
        '\\' => '/',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_cut_says_so_and_stays_text() {
        assert_eq!(cut("four", 4), "four");
        assert_eq!(cut("fives", 4), "five… (1 bytes left out)");
        assert_eq!(cut("🎉🎉", 5), "🎉… (4 bytes left out)");
        assert_eq!(cut("é", 0), "… (2 bytes left out)");
    }

    #[test]
    fn excerpt_counts_characters() {
        assert_eq!(excerpt(&"é".repeat(120)), "é".repeat(120));
        assert_eq!(excerpt(&"é".repeat(121)), format!("{}…", "é".repeat(120)));
    }

    #[test]
    fn json_safe_text_needs_no_escape() {
        let text = json_safe("say \"yes\" \\ no,\nand\ta tab \u{1}é 漢 🎉 <b>");
        assert_eq!(text, "say 'yes' / no, and a tab  é 漢 🎉 <b>");
        let written = serde_json::Value::from(text.as_str()).to_string();
        assert_eq!(written, format!("\"{text}\""));
    }
}
