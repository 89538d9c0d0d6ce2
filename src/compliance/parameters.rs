//! The parameters of a rule in a rule file, checked to the last key.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use toml::Spanned;

use super::values::Pattern;
use crate::domain::Duration;
use crate::domain::ProviderType;

/// An error in a rule file.
#[derive(Debug)]
pub(crate) struct RuleFileError {
    /// The byte offset of the error; `None` if it concerns the whole file.
    pub(crate) at: Option<usize>,
    /// What is wrong, and what is expected.
    pub(crate) problem: String,
}

impl RuleFileError {
    /// An error at this byte offset.
    pub(crate) fn new(at: usize, problem: impl fmt::Display) -> Self {
        Self {
            at: Some(at),
            problem: problem.to_string(),
        }
    }
}

/// A list of texts, each with its place in the file.
pub(crate) type Texts = Spanned<Vec<Spanned<String>>>;

/// The parameters that a rule in a file gives. Its kind takes those that it
/// has; one that is left is an error.
#[derive(Debug)]
pub(crate) struct Parameters {
    /// The kind, as the file names it.
    pub(crate) kind: Spanned<String>,
    /// The byte offset of the rule.
    pub(crate) at: usize,
    pub(crate) longer_than: Option<Spanned<String>>,
    pub(crate) within: Option<Spanned<String>>,
    pub(crate) more_than: Option<Spanned<i64>>,
    pub(crate) allowed: Option<Texts>,
    pub(crate) pattern: Option<Spanned<String>>,
    pub(crate) required: Option<Texts>,
}

impl Parameters {
    /// Takes `longer_than`, which must be given.
    pub(crate) fn longer_than(&mut self) -> Result<Duration, RuleFileError> {
        let given = self.maybe_longer_than()?;
        given.ok_or_else(|| self.missing("longer_than", "longer_than = \"7d\""))
    }

    /// Takes `longer_than` if it is given.
    pub(crate) fn maybe_longer_than(&mut self) -> Result<Option<Duration>, RuleFileError> {
        let given = self.longer_than.take();
        given.map(|given| parsed("longer_than", &given)).transpose()
    }

    /// Takes `within`, which must be given.
    pub(crate) fn within(&mut self) -> Result<Duration, RuleFileError> {
        let given = self.within.take();
        let given = given.ok_or_else(|| self.missing("within", "within = \"7d\""))?;
        parsed("within", &given)
    }

    /// Takes `more_than`, which must be given.
    pub(crate) fn more_than(&mut self) -> Result<u32, RuleFileError> {
        let given = self.more_than.take();
        let given = given.ok_or_else(|| self.missing("more_than", "more_than = 3"))?;
        u32::try_from(*given.as_ref()).map_err(|_| {
            let problem = format!(
                "more_than: {} is not a number of changes such as 3",
                given.as_ref()
            );
            RuleFileError::new(given.span().start, problem)
        })
    }

    /// Takes `pattern`, which must be given.
    pub(crate) fn pattern(&mut self) -> Result<Pattern, RuleFileError> {
        let given = self.pattern.take();
        let given = given.ok_or_else(|| self.missing("pattern", "pattern = \"team-[a-z]+\""))?;
        parsed("pattern", &given)
    }

    /// Takes `allowed`, which must have an entry.
    pub(crate) fn allowed<T: Ord, E: fmt::Display>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<BTreeSet<T>, RuleFileError> {
        let given = self.take_allowed()?;
        require_entry("allowed", &given)?;
        parsed_set("allowed", &given, parse)
    }

    /// Takes `allowed`, which may be empty: nothing is allowed then.
    pub(crate) fn allowed_or_none<T: Ord, E: fmt::Display>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<BTreeSet<T>, RuleFileError> {
        parsed_set("allowed", &self.take_allowed()?, parse)
    }

    /// Takes `required`, a list that must be given and have entries.
    pub(crate) fn required<T: Ord, E: fmt::Display>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<BTreeSet<T>, RuleFileError> {
        let given = self.required.take();
        let given = given.ok_or_else(|| self.missing("required", "required = [\"team\"]"))?;
        require_entry("required", &given)?;
        parsed_set("required", &given, parse)
    }

    /// Takes `allowed` as patterns; it must have an entry.
    pub(crate) fn allowed_patterns(&mut self) -> Result<Vec<Pattern>, RuleFileError> {
        let given = self.take_allowed()?;
        require_entry("allowed", &given)?;
        let patterns = given.as_ref().iter();
        patterns.map(|given| parsed("allowed", given)).collect()
    }

    fn take_allowed(&mut self) -> Result<Texts, RuleFileError> {
        let given = self.allowed.take();
        given.ok_or_else(|| self.missing("allowed", "allowed = [\"…\"]"))
    }

    /// Refuses a parameter that the kind did not take: it would look as if it
    /// had an effect.
    pub(crate) fn require_all_taken(&self) -> Result<(), RuleFileError> {
        let Self {
            kind,
            at: _,
            longer_than,
            within,
            more_than,
            allowed,
            pattern,
            required,
        } = self;
        let left = [
            ("longer_than", longer_than.as_ref().map(Spanned::span)),
            ("within", within.as_ref().map(Spanned::span)),
            ("more_than", more_than.as_ref().map(Spanned::span)),
            ("allowed", allowed.as_ref().map(Spanned::span)),
            ("pattern", pattern.as_ref().map(Spanned::span)),
            ("required", required.as_ref().map(Spanned::span)),
        ];
        for (key, span) in left {
            if let Some(span) = span {
                let problem = format!("`{key}` is not a parameter of kind {:?}", kind.as_ref());
                return Err(RuleFileError::new(span.start, problem));
            }
        }
        Ok(())
    }

    fn missing(&self, key: &str, example: &str) -> RuleFileError {
        let problem = format!(
            "kind {:?} requires {key}, such as {example}",
            self.kind.as_ref()
        );
        RuleFileError::new(self.at, problem)
    }
}

/// Parses the value of `key`.
pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(
    key: &str,
    given: &Spanned<String>,
) -> Result<T, RuleFileError> {
    let parsed = given.as_ref().parse();
    parsed.map_err(|error| RuleFileError::new(given.span().start, format!("{key}: {error}")))
}

/// Parses each entry of the list `key`.
pub(crate) fn parsed_set<T: Ord, E: fmt::Display>(
    key: &str,
    given: &Texts,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<BTreeSet<T>, RuleFileError> {
    let entry = |text: &Spanned<String>| {
        let parsed = parse(text.as_ref());
        parsed.map_err(|error| RuleFileError::new(text.span().start, format!("{key}: {error}")))
    };
    given.as_ref().iter().map(entry).collect()
}

/// Refuses an empty list: it would allow nothing, or apply to nothing.
pub(crate) fn require_entry(key: &str, given: &Texts) -> Result<(), RuleFileError> {
    if given.as_ref().is_empty() {
        let problem = format!("{key}: is empty; expected at least one value");
        return Err(RuleFileError::new(given.span().start, problem));
    }
    Ok(())
}

/// Returns the text, which must not be blank.
pub(crate) fn require_text(text: &str, what: &str) -> Result<Box<str>, String> {
    if text.trim().is_empty() {
        return Err(format!("is empty; expected {what}"));
    }
    Ok(text.into())
}

/// Parses a provider in any case; a known one comes as the service writes it.
pub(crate) fn parse_provider(text: &str) -> Result<ProviderType, String> {
    if text.is_empty() {
        return Err("is empty; expected a provider such as GitHub".to_owned());
    }
    let known = ProviderType::KNOWN
        .into_iter()
        .find(|known| known.as_str().eq_ignore_ascii_case(text));
    Ok(known.unwrap_or_else(|| text.into()))
}
