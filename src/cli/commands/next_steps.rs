//! The commands that a command's output proposes to try next.

use unicode_width::UnicodeWidthStr;

/// Returns an empty line and the commands, each with what it shows. The texts
/// are aligned as far as they fit 80 columns.
pub(crate) fn next_steps(commands: &[(&str, &str)]) -> String {
    const COLUMNS: usize = 80;
    let widest = |column: fn(&(&str, &str)) -> usize| commands.iter().map(column).max();
    let command_width = widest(|(command, _)| command.width()).unwrap_or(0);
    let text_width = widest(|(_, text)| text.width()).unwrap_or(0);
    let mut lines = "\nTry next:\n".to_owned();
    for (command, text) in commands {
        if command_width + text_width + 4 > COLUMNS {
            lines.push_str(&format!("  {command}\n"));
        } else {
            let filling = " ".repeat(command_width - command.width());
            lines.push_str(&format!("  {command}{filling}  {text}\n"));
        }
    }
    lines
}

/// Returns a word as a shell takes it: quoted if it has anything but letters,
/// digits and harmless punctuation.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_if_a_shell_would_split_or_expand_them() {
        assert_eq!(shell_word("made/kept/demo.db"), "made/kept/demo.db");
        assert_eq!(shell_word("my demo.db"), "'my demo.db'");
        assert_eq!(shell_word("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn explanations_are_left_out_where_they_would_not_fit() {
        let short = next_steps(&[("ccinv list", "connections"), ("ccinv runs", "runs")]);
        assert_eq!(
            short,
            "\nTry next:\n  ccinv list  connections\n  ccinv runs  runs\n"
        );
        let long = format!("ccinv list --db {}", "x".repeat(60));
        assert_eq!(
            next_steps(&[(&long, "connections")]),
            format!("\nTry next:\n  {long}\n")
        );
    }
}
