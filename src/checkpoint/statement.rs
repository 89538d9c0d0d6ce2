//! What a checkpoint states, as an in-toto statement.
//! <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, Digest, Timestamp};

/// The media type of a statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The type of all in-toto statements.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The type of what a checkpoint states.
const CHECKPOINT_TYPE: &str = "urn:codeconnections-inventory:checkpoint:v1";

/// A statement about files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement<P> {
    #[serde(rename = "_type")]
    statement_type: String,
    /// The files, by name and digest.
    pub subject: Vec<Subject>,
    predicate_type: String,
    /// What is stated.
    pub predicate: P,
}

/// A file and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its digests by algorithm.
    pub digest: Sha256Digest,
}

/// A digest by the name of its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sha256Digest {
    /// The SHA-256.
    pub sha256: Digest,
}

/// What a checkpoint states besides the digest of its file of chain states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// 1 for the first one, and one more for each next.
    pub number: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// The name of the table.
    pub table: String,
    /// The number of chains.
    pub chains: u64,
    /// The root of the Merkle tree over the chains' states.
    pub root_hash: Digest,
    /// The SHA-256 of the statement before, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// Chains of which the table does not contain what the checkpoint before stated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The version of this software.
    pub code_version: String,
}

/// Ends the line for the problems that are not named.
const MORE_PROBLEMS: &str = " more problems";

impl Checkpoint {
    /// Returns problems as a checkpoint states them, the first ones by name: it is to
    /// stay small.
    pub fn bounded(mut problems: Vec<String>) -> Vec<String> {
        const MAX_NAMED: usize = 10;
        let more = problems.len().saturating_sub(MAX_NAMED);
        if more > 0 {
            problems.truncate(MAX_NAMED);
            problems.push(format!("{more}{MORE_PROBLEMS}"));
        }
        problems
    }

    /// Returns the problems that concern an account, or may: some are not named.
    pub fn problems_of(&self, account: &AccountId) -> impl Iterator<Item = &String> {
        let concerns = |problem: &&String| {
            problem.contains(account.as_str()) || problem.ends_with(MORE_PROBLEMS)
        };
        self.problems.iter().filter(concerns)
    }
}

/// A kind of statement.
pub trait Predicate: Serialize + DeserializeOwned {
    /// Its type, a URI.
    const TYPE: &'static str;
}

impl Predicate for Checkpoint {
    const TYPE: &'static str = CHECKPOINT_TYPE;
}

impl<P: Predicate> Statement<P> {
    /// Returns a statement about files.
    pub fn new(subject: Vec<Subject>, predicate: P) -> Self {
        Self {
            statement_type: STATEMENT_TYPE.to_owned(),
            subject,
            predicate_type: P::TYPE.to_owned(),
            predicate,
        }
    }

    /// Returns the statement as it is signed.
    pub fn to_text(&self) -> String {
        canonical_json(self)
    }

    /// Reads a statement of this type.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let statement: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if statement.statement_type != STATEMENT_TYPE || statement.predicate_type != P::TYPE {
            return Err(format!(
                "is a statement of type {:?}, not {:?}",
                statement.predicate_type,
                P::TYPE
            ));
        }
        Ok(statement)
    }
}

impl Subject {
    /// Returns a file as a subject.
    pub fn of(name: String, content: &[u8]) -> Self {
        Self {
            name,
            digest: Sha256Digest {
                sha256: Digest::of_bytes(content),
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn problems_that_are_not_named_may_concern_each_account() {
        let account = |number: u64| format!("{number:012}").parse::<AccountId>().unwrap();
        let problem = |number| format!("account {}, connections: wrong", account(number));
        let of = |problems: u64, number| {
            let problems = Checkpoint::bounded((1..=problems).map(problem).collect());
            let checkpoint = Checkpoint {
                number: 1,
                made_at: Timestamp::from_millis(0),
                table: String::new(),
                chains: 1,
                root_hash: Digest::of_bytes(&[]),
                previous: None,
                problems,
                code_version: String::new(),
            };
            let found: Vec<String> = checkpoint.problems_of(&account(number)).cloned().collect();
            found
        };
        assert_eq!(of(10, 10), [problem(10)]);
        assert_eq!(of(10, 11), [""; 0]);
        assert_eq!(of(12, 11), ["2 more problems"]);
    }
}
