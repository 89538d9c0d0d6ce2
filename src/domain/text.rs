//! Texts from outside, kept to a length that can be stored and read.

use std::borrow::Cow;

/// A text of at most `most` bytes, and what was left out of a longer one.
///
/// A run's record has to fit an item (400 KB), whatever a service or a table
/// that somebody edited had to say for itself.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(most);
    let left_out = text.len() - end;
    Cow::Owned(format!("{}… ({left_out} bytes left out)", &text[..end]))
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
}
