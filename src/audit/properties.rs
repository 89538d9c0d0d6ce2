//! Properties of connections and hosts: their tags, and with whom they are shared.
//!
//! They are recorded as dependencies, by the ARN that they are about. A connection
//! without a record has no tags only if the region that it lives in was listed
//! completely since. Otherwise they were not observed.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::ConnectionRow;
use super::dependencies::{DependencyBasis, DependencyRow};
use crate::domain::arn::{Arn, normalized};
use crate::domain::dependency_type::{RAM, TAGGING};
use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, DependencyType, Digest, Timestamp};

/// Tags: values by key. A value that is longer than what is recorded of a member is
/// an object of its length and SHA-256.
pub type Tags = BTreeMap<String, Value>;

/// A tag that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagFilter {
    /// The key, case-sensitive.
    pub key: String,
    /// The value; any if there is none.
    pub value: Option<String>,
}

/// The longest key that is recorded by its name, in bytes. AWS allows 128 characters.
/// <https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_Tag.html>
const MAX_KEY_BYTES: usize = 128;

impl FromStr for TagFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        if key.is_empty() {
            return Err(format!("{text:?} has no key; expected KEY or KEY=VALUE"));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(format!(
                "the key is longer than {MAX_KEY_BYTES} bytes, the longest that is recorded"
            ));
        }
        Ok(Self {
            key: key.to_owned(),
            value,
        })
    }
}

impl fmt::Display for TagFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

impl Serialize for TagFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TagFilter {
    /// Returns true if the tag is among these.
    pub fn admits(&self, tags: &Tags) -> bool {
        let Some(found) = tags.get(&self.key) else {
            return false;
        };
        self.value.as_ref().is_none_or(|value| {
            found == value || found["sha256"] == json!(Digest::of(&Value::from(value.as_str())))
        })
    }
}

/// What is known of the properties of connections and hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    rows: HashMap<String, Vec<DependencyRow>>,
    /// The start of the last complete listing of each source, by account and
    /// region.
    observed: HashMap<(&'static str, String, String), Timestamp>,
}

/// A connection or a host, as far as its properties need it.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Its ARN.
    pub arn: &'a str,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// Whether it is deleted.
    pub is_deleted: bool,
}

impl<'a> From<&'a ConnectionRow> for Owner<'a> {
    fn from(row: &'a ConnectionRow) -> Self {
        Self {
            arn: row.connection_arn.as_str(),
            first_seen_at: row.first_seen_at,
            is_deleted: row.deleted_at.is_some(),
        }
    }
}

impl<'a> From<&'a DependencyRow> for Owner<'a> {
    fn from(row: &'a DependencyRow) -> Self {
        Self {
            arn: &row.arn,
            first_seen_at: row.first_seen_at,
            is_deleted: false,
        }
    }
}

impl Properties {
    /// Returns the properties among `rows`, which are based on `bases`.
    pub fn new<'a>(
        rows: impl IntoIterator<Item = DependencyRow>,
        bases: impl IntoIterator<Item = &'a DependencyBasis>,
    ) -> Self {
        let mut properties = Self::default();
        for row in rows {
            properties.add(row);
        }
        for basis in bases {
            for source in &basis.sources {
                if let Some(at) = source.complete_at {
                    properties.observe(&basis.account, &source.source, &source.region, at);
                }
            }
        }
        properties
    }

    /// Adds a dependency, if it is a property.
    pub(super) fn add(&mut self, row: DependencyRow) {
        if row.dependency_type.property_source().is_some() {
            let arn = normalized(row.uses.as_deref().unwrap_or(&row.arn));
            self.rows.entry(arn).or_default().push(row);
        }
    }

    /// Adds a complete listing.
    pub(super) fn observe(
        &mut self,
        account: &AccountId,
        source: &str,
        region: &str,
        at: Timestamp,
    ) {
        let source = [RAM, TAGGING].into_iter().find(|known| *known == source);
        if let Some(source) = source {
            let key = (source, account.to_string(), region.to_owned());
            self.observed.insert(key, at);
        }
    }

    /// Returns the tags of a connection or host; `None` if they were not observed.
    pub fn tags(&self, owner: Owner<'_>) -> Option<Tags> {
        let rows = self.of(owner.arn);
        let mut rows = rows.filter(|row| row.dependency_type == DependencyType::Tags);
        let Some(first) = rows.next() else {
            return self.was_listed(TAGGING, owner).then(Tags::new);
        };
        // Those of many tags are several.
        let all = std::iter::once(first).chain(rows);
        let members = all.flat_map(|row| row.members.iter());
        Some(members.map(|(k, v)| (k.to_owned(), v.clone())).collect())
    }

    /// Returns with whom a connection is shared, and that it is shared with an
    /// account; `None` if that was not observed.
    pub fn shares(&self, owner: Owner<'_>) -> Option<Vec<DependencyRow>> {
        let rows = self.of(owner.arn);
        let shares = rows.filter(|row| row.dependency_type.property_source() == Some(RAM));
        let shares: Vec<DependencyRow> = shares.cloned().collect();
        (!shares.is_empty() || self.was_listed(RAM, owner)).then_some(shares)
    }

    fn of(&self, arn: &str) -> impl Iterator<Item = &DependencyRow> {
        self.rows.get(&normalized(arn)).into_iter().flatten()
    }

    /// Returns true if the account and region that own it were listed completely
    /// since it exists. No other account and region list its properties.
    fn was_listed(&self, source: &'static str, owner: Owner<'_>) -> bool {
        let Some(arn) = Arn::parse(owner.arn) else {
            return false;
        };
        let key = (source, arn.account.to_owned(), arn.region.to_owned());
        let at = self.observed.get(&key);
        !owner.is_deleted && at.is_some_and(|at| *at >= owner.first_seen_at)
    }
}

/// Returns tags for people.
pub fn tags_in_words(tags: Option<&Tags>) -> String {
    let Some(tags) = tags else {
        return "not observed".to_owned();
    };
    if tags.is_empty() {
        return "none".to_owned();
    }
    let tags = tags.iter().map(|(key, value)| match value.as_str() {
        Some(value) => format!("{key}={value}"),
        // Longer than what is recorded.
        None => format!("{key}={}", canonical_json(value)),
    });
    tags.collect::<Vec<_>>().join(", ")
}
