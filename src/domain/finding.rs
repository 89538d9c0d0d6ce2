//! The finding as a kind of recorded resource: a rule that a connection, a
//! dependency or an account violates.
//!
//! An evaluation is a run of this kind: the evaluation of one rule is a listing
//! whose scope is the rule's id. A rule with insufficient data is an incomplete
//! listing, so it closes no finding. FIRST_SEEN opens a finding, DELETED closes
//! it, REAPPEARED opens it again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arn::Arn;
use super::ids::{ParseError, identifier, is_account};
use super::kind::{Changed, Fit, Kind};
use super::text::cut;
use super::{AccountId, ApiCall, Change, ChangeKind, Closing, Digest, Region};

/// Findings, each identified by its rule and its subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Finding;

/// The longest id. It is part of a sort key, which has at most 1,024 bytes.
const MAX_ID_BYTES: usize = 970;

/// The longest text of a finding, in bytes. A rule file can have longer ones.
const MAX_TEXT_BYTES: usize = 1000;

/// The most controls of a finding.
const MAX_CONTROLS: usize = 32;

/// Returns true if a text has the form of a rule's id.
fn is_rule_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

identifier!(
    /// The id of a rule, by which reports name it.
    RuleId,
    "a rule id: 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-', such as pending-too-long",
    is_rule_id
);

identifier!(
    /// The id of a finding, unique in the account: its rule, and the ARN of the
    /// connection, the id of the dependency, or the account.
    FindingId,
    "a finding id such as no-shared#arn:aws:codeconnections:eu-west-1:123456789012:connection/1a2b3c4d-1a2b-4c3d-8e4f-1a2b3c4d5e6f",
    |text| {
        let is_subject = |subject: &str| {
            let dependency = subject.split_once('#').map(|(_, rest)| rest);
            is_account(subject)
                || Arn::parse(subject).is_some()
                || dependency.is_some_and(|rest| Arn::parse(rest).is_some())
        };
        let parts = text.split_once('#');
        parts.is_some_and(|(rule, subject)| is_rule_id(rule) && is_subject(subject))
            && text.len() <= MAX_ID_BYTES
            && !text.chars().any(char::is_control)
    }
);

/// The scope of the rule file itself.
const RULE_FILE: &str = "(rule file)";
/// The scope of the import into AWS Security Hub.
const SECURITY_HUB: &str = "(Security Hub)";

identifier!(
    /// A part of an evaluation: a rule, by its id. Reading the rule file and
    /// importing into Security Hub are parts that can fail, too.
    EvaluationScope,
    "a rule id, (rule file) or (Security Hub)",
    |text| is_rule_id(text) || matches!(text, RULE_FILE | SECURITY_HUB)
);

impl EvaluationScope {
    /// The reading of the rule file.
    pub fn rule_file() -> Self {
        Self(RULE_FILE.into())
    }

    /// The import into AWS Security Hub.
    pub fn security_hub() -> Self {
        Self(SECURITY_HUB.into())
    }

    /// Returns the rule; `None` of what is no rule.
    pub fn rule(&self) -> Option<RuleId> {
        self.as_str().parse().ok()
    }
}

impl From<&RuleId> for EvaluationScope {
    fn from(rule: &RuleId) -> Self {
        Self(rule.as_str().into())
    }
}

impl FindingId {
    /// Returns the id of a finding about the account as a whole, or about the
    /// connection or dependency with this id.
    ///
    /// # Errors
    /// [`ParseError`] if the id would be too long.
    pub fn of(
        rule: &RuleId,
        account: &AccountId,
        subject: Option<&str>,
    ) -> Result<Self, ParseError> {
        format!("{rule}#{}", subject.unwrap_or(account.as_str())).parse()
    }

    /// Its rule's id.
    pub fn rule(&self) -> &str {
        self.as_str().split('#').next().unwrap_or_default()
    }

    /// The connection's ARN, the dependency's id, or the account.
    pub fn subject(&self) -> &str {
        let parts = self.as_str().split_once('#');
        parts.map_or("", |(_, subject)| subject)
    }

    /// The ARN in its subject; `None` of an account.
    pub fn subject_arn(&self) -> Option<&str> {
        self.subject()
            .split('#')
            .find(|part| part.starts_with("arn:"))
    }
}

/// The attributes of a finding. The field names are those of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingAttributes {
    /// The severity of its rule, as rule files write it.
    pub severity: Box<str>,
    /// The title of its rule.
    pub title: Box<str>,
    /// What is wrong, in a line. It has no time of an evaluation, so that it is
    /// the same as long as the violation is.
    pub message: Box<str>,
    /// The name of its subject, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_name: Option<Box<str>>,
    /// The controls that its rule supports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<Box<str>>,
    /// What to do about it, as its rule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Box<str>>,
}

impl FindingAttributes {
    /// Returns them with each text cut to what an item can hold twice.
    #[must_use]
    pub fn bounded(self) -> Self {
        let text = |text: Box<str>| cut(&text, MAX_TEXT_BYTES).into();
        let controls = self.controls.into_iter().take(MAX_CONTROLS);
        Self {
            severity: self.severity,
            title: text(self.title),
            message: text(self.message),
            subject_name: self.subject_name.map(text),
            controls: controls.map(text).collect(),
            remediation: self.remediation.map(text),
        }
    }
}

/// The rule file of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFileVersion {
    /// Where it was read: a path, or the ARN of a parameter or an object.
    pub source: Box<str>,
    /// Its version there, if that has versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Box<str>>,
    /// The SHA-256 of its text.
    pub sha256: Digest,
}

/// What an evaluation was based on, as its run records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationBasis {
    /// The rule file.
    pub rules: RuleFileVersion,
    /// The number of the last run of the account's connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections_run: Option<u64>,
    /// The number of the last run of the account's dependencies, if a rule needs
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependencies_run: Option<u64>,
    /// Rules with open findings that do not apply to the account any more: the
    /// file lacks them, or their scope lacks the account. Their findings are
    /// closed for this reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed_rules: Vec<RuleId>,
}

impl Kind for Finding {
    type Id = FindingId;
    type Scope = EvaluationScope;
    type Attributes = FindingAttributes;

    const DEFAULT_REGIONS_AGREE: bool = false;
    const NOUN: (&'static str, &'static str) = ("finding", "findings");

    fn region(_: &EvaluationScope) -> Option<Region> {
        None
    }

    fn is_home(_: &FindingId, _: &EvaluationScope) -> bool {
        // One rule yields it.
        true
    }

    fn is_always_listed_by(_: &FindingId, _: &EvaluationScope) -> bool {
        false
    }

    /// Runs count findings by severity.
    fn status_word(attributes: &FindingAttributes) -> &str {
        &attributes.severity
    }

    /// A finding is open or closed; a severity is an attribute.
    fn has_same_status(_: &FindingAttributes, _: &FindingAttributes) -> bool {
        true
    }

    fn breaks_consumers(_: Option<&FindingAttributes>, _: Option<&FindingAttributes>) -> bool {
        false
    }

    fn fit(_: &ApiCall, _: Changed<'_, Self>) -> Option<Fit> {
        None
    }
}

/// A change of a finding, as its event describes it. Every text is present, and
/// empty where it has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingSummary {
    /// `OPENED`, `CLOSED`, `REOPENED` or `UPDATED`.
    pub state: &'static str,
    /// The rule.
    pub rule: String,
    /// What violates it: an ARN, a dependency's id or an account.
    pub subject: String,
    /// Its severity.
    pub severity: String,
    /// The title of the rule.
    pub title: String,
    /// Why it closed: `RESOLVED`, `WAIVED` or `RULE_REMOVED`. Not stored where it is
    /// unknown, as in what earlier versions recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_because: Option<&'static str>,
    /// All of this in a sentence.
    pub summary: String,
}

impl FindingSummary {
    /// Returns the summary of a change.
    pub fn of(change: &Change<Finding>) -> Self {
        let (state, verb) = match change.kind {
            ChangeKind::FirstSeen => ("OPENED", "violates"),
            ChangeKind::Reappeared => ("REOPENED", "violates again"),
            ChangeKind::Deleted => ("CLOSED", "has no open finding any more for"),
            ChangeKind::StatusChanged | ChangeKind::AttributesChanged => {
                ("UPDATED", "still violates")
            }
        };
        let attributes = change.after.as_ref().or(change.before.as_ref());
        let of = |get: fn(&FindingAttributes) -> &str| {
            attributes.map_or_else(String::new, |it| get(it).to_owned())
        };
        let (rule, subject) = (change.arn.rule(), change.arn.subject());
        let name = attributes.and_then(|it| it.subject_name.as_deref());
        let name = name.unwrap_or(subject);
        let why = match (&change.after, &change.closed) {
            (Some(after), _) => format!(": {}", after.message),
            (None, Some(closing)) => format!(": {}", closing.in_words()),
            (None, None) => String::new(),
        };
        let severity = of(|it| &it.severity);
        let until = change.observed_until.to_the_second();
        let sentence = format!(
            "{name} {verb} {rule} ({severity}){why}, evaluated at {until}, in account {}",
            change.account
        );
        Self {
            state,
            rule: rule.to_owned(),
            subject: subject.to_owned(),
            severity,
            title: of(|it| &it.title),
            closed_because: change.closed.as_ref().map(Closing::as_str),
            summary: super::text::json_safe(&sentence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_rule_and_subject() {
        let account: AccountId = "123456789012".parse().unwrap();
        let rule: RuleId = "no-shared".parse().unwrap();
        let arn = "arn:aws:codeconnections:eu-west-1:123456789012:host/name-1a2b3c4d";
        let host = format!("HOST#{arn}");
        for (subject, expected, expected_arn) in [
            (None, "123456789012", None),
            (Some(arn), arn, Some(arn)),
            (Some(host.as_str()), &host, Some(arn)),
        ] {
            let id = FindingId::of(&rule, &account, subject).unwrap();
            assert_eq!((id.rule(), id.subject()), ("no-shared", expected));
            assert_eq!(id.subject_arn(), expected_arn);
        }
        for wrong in ["no-shared", "#123456789012", "a b#123456789012", "a#b"] {
            assert!(wrong.parse::<FindingId>().is_err(), "{wrong}");
        }
    }
}
