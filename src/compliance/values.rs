//! Values that rules have as parameters, besides durations: patterns.

use std::fmt;
use std::str::FromStr;

use regex_lite::Regex;
use serde::{Serialize, Serializer};

/// A regular expression that has to match a whole text, not a part of it.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Box<str>,
    whole: Regex,
}

impl Pattern {
    /// Returns true if it matches all of `text`.
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |error: regex_lite::Error| {
            format!("{text:?} is not a regular expression such as team-[a-z]+: {error}")
        };
        // Compiled alone first: "a)(b" is invalid, and must not become valid
        // inside the group below.
        Regex::new(text).map_err(wrong)?;
        Ok(Self {
            whole: Regex::new(&format!("^(?:{text})$")).map_err(wrong)?,
            text: text.into(),
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Writes the allowed values as a choice.
pub(crate) fn one_of<T: fmt::Display>(allowed: impl IntoIterator<Item = T>) -> String {
    let words = allowed.into_iter().map(|allowed| allowed.to_string());
    let words: Vec<String> = words.collect();
    words.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_to_match_the_whole_name() {
        let matches = |pattern: &str, name: &str| pattern.parse::<Pattern>().unwrap().matches(name);
        assert!(matches("a|ab", "ab"));
        assert!(matches("team-[a-z]+", "team-x"));
        for (pattern, name) in [
            ("team", "my-team"),
            ("a|b", "ax"),
            ("a|b", "xb"),
            ("a", "a\n"),
            ("(?m)a", "a\nb"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern:?} {name:?}");
        }
        for wrong in ["a)(b", "[", "(?x)a # )", "a{9999999}"] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong:?}");
        }
    }
}
