//! What a checkpoint states of each chain of runs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, Digest};

/// The kind of resource that a chain of runs records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChainKind {
    /// Runs over connections.
    Connections,
    /// Runs over dependencies.
    Dependencies,
    /// Evaluations of rules.
    Findings,
}

impl ChainKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Connections, Self::Dependencies, Self::Findings];

    /// Returns the kind as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Dependencies => "dependencies",
            Self::Findings => "findings",
        }
    }
}

impl fmt::Display for ChainKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A chain of runs: one kind of resource in one account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainId {
    /// The account.
    pub account: AccountId,
    /// What its runs record.
    pub kind: ChainKind,
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {}, {}", self.account, self.kind)
    }
}

/// The state of a chain. Its head covers every record of the chain: each run refers
/// to the one before, and to the changes recorded by then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainState {
    /// Which chain it is.
    #[serde(flatten)]
    pub id: ChainId,
    /// The number of runs.
    pub runs: u64,
    /// The number of changes that these runs say they recorded: those in the table when the
    /// chain was first stated, and all since.
    pub changes: u64,
    /// The digest of the last of these runs.
    pub head: Digest,
}

impl ChainState {
    /// Returns the state as a line: a leaf of the Merkle tree, in canonical JSON.
    pub fn line(&self) -> String {
        canonical_json(self)
    }
}

/// Returns the lines of states, each ended by a line feed, and sorts the states by
/// account and kind.
pub fn to_lines(states: &mut [ChainState]) -> String {
    states.sort_by(|a, b| a.id.cmp(&b.id));
    let mut text = String::new();
    for state in states {
        text.push_str(&state.line());
        text.push('\n');
    }
    text
}

/// Reads what [`to_lines`] wrote.
///
/// # Errors
/// The number of the first line that is not one of it, and why.
pub fn from_lines(text: &str) -> Result<Vec<ChainState>, (usize, String)> {
    let mut states: Vec<ChainState> = Vec::new();
    for (number, line) in (1..).zip(text.split_terminator('\n')) {
        let state: ChainState =
            serde_json::from_str(line).map_err(|error| (number, error.to_string()))?;
        if state.line() != line {
            return Err((number, "is not canonical JSON".to_owned()));
        }
        if states.last().is_some_and(|last| last.id >= state.id) {
            return Err((number, "is not in order of account and kind".to_owned()));
        }
        states.push(state);
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(account: &str, kind: ChainKind, runs: u64) -> ChainState {
        ChainState {
            id: ChainId {
                account: account.parse().unwrap(),
                kind,
            },
            runs,
            changes: 2,
            head: Digest::of_bytes(b"run"),
        }
    }

    #[test]
    fn states_are_lines_of_canonical_json_in_one_order() {
        let mut states = [
            state("222222222222", ChainKind::Connections, 1),
            state("111111111111", ChainKind::Findings, 2),
            state("111111111111", ChainKind::Connections, 3),
        ];
        let text = to_lines(&mut states);
        let first = text.lines().next().unwrap();
        let head = Digest::of_bytes(b"run");
        assert_eq!(
            first,
            format!(
                r#"{{"account":"111111111111","changes":2,"head":"{head}","kind":"connections","runs":3}}"#
            )
        );
        assert_eq!(from_lines(&text).unwrap(), states);
        let swapped: Vec<&str> = text.lines().rev().collect();
        assert_eq!(from_lines(&swapped.join("\n")).unwrap_err().0, 2);
        assert_eq!(from_lines(&text.replace(":3}", ": 3}")).unwrap_err().0, 1);
        assert_eq!(from_lines("{}\n").unwrap_err().0, 1);
    }
}
