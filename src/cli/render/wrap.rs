//! Fits text into a number of terminal columns: shortens it, or breaks lines.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The indent of continuation lines, beyond that of the first line.
const CONTINUATION: usize = 4;

/// Returns the beginning of `text`, with `…` for the rest if it is wider than
/// `width`.
pub(crate) fn without_end(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let kept = fitting(text.chars(), width.saturating_sub(1));
    kept.into_iter().chain(['…']).collect()
}

/// Returns `text`, with `…` in place of its middle if it is wider than `width`.
///
/// Of an ARN `arn:` is kept, and as much of its end as fits: ARNs differ at their
/// end. Of another text a third is kept, and its end.
pub(crate) fn without_middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let head = match text.starts_with("arn:") {
        true => "arn:".len(),
        false => room / 3,
    };
    let head: String = fitting(text.chars(), head.min(room)).into_iter().collect();
    let tail = fitting(text.chars().rev(), room.saturating_sub(head.width()));
    let tail: String = tail.into_iter().rev().collect();
    format!("{head}…{tail}")
}

/// Returns the first of `chars` that take no more than `room` columns.
fn fitting(chars: impl Iterator<Item = char>, room: usize) -> Vec<char> {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

/// Breaks one line of text at blanks, into lines of at most `width` columns.
///
/// Lines after the first are indented further. A word that is wider than a line
/// is shortened in its middle. Without a width, the text stays as it is.
pub(crate) fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| text.width() > *width) else {
        return text.to_owned();
    };
    let words = text.trim_start_matches(' ');
    let indent = text.len() - words.len();
    let continuation = " ".repeat(indent + CONTINUATION);
    let room = width.saturating_sub(continuation.len()).max(1);
    let mut lines = vec![" ".repeat(indent)];
    let mut is_first_word = true;
    for word in words.split(' ') {
        let word = without_middle(word, room);
        let used = lines.last().map_or(0, |line| line.width());
        if !is_first_word && used + 1 + word.width() > width {
            lines.push(continuation.clone() + &word);
        } else if let Some(line) = lines.last_mut() {
            line.push_str(if is_first_word { "" } else { " " });
            line.push_str(&word);
        }
        is_first_word = false;
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str =
        "arn:aws:codeconnections:eu-west-1:123456789012:connection/e220a839-7b1d-4daf";

    #[test]
    fn arn_keeps_its_beginning_and_the_end_that_tells_it_apart() {
        assert_eq!(without_middle(ARN, ARN.len()), ARN);
        assert_eq!(without_middle(ARN, 24), "arn:…/e220a839-7b1d-4daf");
        assert_eq!(without_middle(ARN, 11), "arn:…d-4daf");
        for width in 0..ARN.len() {
            assert!(
                without_middle(ARN, width).width() <= width.max(1),
                "{width}"
            );
        }
    }

    #[test]
    fn other_texts_keep_both_ends() {
        assert_eq!(
            without_middle("https://github.example.com", 13),
            "http…mple.com"
        );
        assert_eq!(without_end("payments-gateway", 9), "payments…");
        assert_eq!(without_end("日本語の名前です", 9), "日本語の…");
    }

    #[test]
    fn lines_break_at_blanks_and_go_on_indented() {
        let line = "  not observed: eu-south-1: AccessDeniedException: no policy allows it";
        assert_eq!(wrapped(line, None), line);
        assert_eq!(wrapped(line, Some(80)), line);
        assert_eq!(
            wrapped(line, Some(40)),
            "  not observed: eu-south-1:\n      AccessDeniedException: no policy\n      allows it"
        );
        let named = format!("after CreateConnection of {ARN}");
        assert_eq!(
            wrapped(&named, Some(30)),
            "after CreateConnection of\n    arn:…on/e220a839-7b1d-4daf"
        );
    }
}
