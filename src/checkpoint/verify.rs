//! Verifies checkpoints, and the table against them.
//!
//! A run that a checkpoint states must be in the table, with the digest that was
//! stated. Where it is not, the checkpoints tell what was altered (the runs after the
//! last state that the table still has) and when (after the last checkpoint that the
//! table contradicts, before the next one that it agrees with).

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::chain_state::{ChainId, ChainKind, ChainState};
use super::envelope::Envelope;
use super::error::CheckpointError;
use super::make::read_states;
use super::signer::PublicKey;
use super::statement::{Checkpoint, Statement};
use super::store::{Store, StoredCheckpoint};
use crate::audit::verify::{AccountVerified, MAX_CLOCK_SKEW, Verification};
use crate::domain::{AccountId, Digest, Timestamp};

/// Checkpoints that are read at the same time.
const AT_ONCE: usize = 8;

/// The result of verifying a table against checkpoints.
#[derive(Debug, Serialize)]
pub struct CheckpointsVerified {
    /// The number of checkpoints that were read.
    pub checkpoints: u64,
    /// The first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<CheckpointTime>,
    /// The last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<CheckpointTime>,
    /// The runs that were recorded since the last one, which none covers.
    pub uncovered_runs: u64,
    /// The chains with such runs.
    pub uncovered: Vec<ChainId>,
    /// What is wrong. Empty if the table contains what was stated.
    pub findings: Vec<CheckpointFinding>,
}

/// Which checkpoint, and when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CheckpointTime {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub made_at: Timestamp,
}

/// A problem with a checkpoint, or with what the table has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointFinding {
    /// The checkpoint that shows it.
    pub checkpoint: u64,
    /// The chain that is not as it was stated.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainId>,
    /// The run that is not as it was stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

/// Verifies the checkpoints of a store, each signed by one of these keys, and the verified
/// records of a table, or of one account in it, against them. They were listed before the
/// table was read: a later one states runs that were recorded since.
///
/// # Errors
/// [`CheckpointError`] if they can't be read. What is wrong with one is a finding.
pub async fn verify(
    store: &Store,
    stored: Vec<StoredCheckpoint>,
    keys: &[PublicKey],
    table: &Verification,
    only: Option<&AccountId>,
) -> Result<CheckpointsVerified, CheckpointError> {
    let mut verifier = Verifier::new(table, only);
    let mut read = stream::iter(stored)
        .map(async |stored| {
            let read = Read::of(store, keys, &stored).await;
            read.map(|read| (stored, read))
        })
        .buffered(AT_ONCE);
    while let Some(read) = read.next().await {
        let (stored, read) = read?;
        verifier.add(&stored, read);
    }
    Ok(verifier.finish())
}

/// A checkpoint that was read.
struct Read {
    statement: Option<(Statement<Checkpoint>, Digest)>,
    states: Vec<ChainState>,
    problems: Vec<String>,
}

impl Read {
    async fn of(
        store: &Store,
        keys: &[PublicKey],
        stored: &StoredCheckpoint,
    ) -> Result<Self, CheckpointError> {
        let mut read = Self {
            statement: None,
            states: Vec::new(),
            problems: Vec::new(),
        };
        let bytes = match store.read(stored).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_content() => {
                read.problems.push(error.to_string());
                return Ok(read);
            }
            Err(error) => return Err(error),
        };
        // Anything could be in one with another signature.
        let signed = Envelope::read(&bytes).map(|it| it.is_signed_by(keys).then_some(it));
        let statement = match signed {
            Ok(Some(envelope)) => envelope.statement::<Checkpoint>(),
            Ok(None) => {
                let problem = "is not signed by a given key".to_owned();
                read.problems.push(problem);
                return Ok(read);
            }
            Err(problem) => Err(problem),
        };
        match statement {
            Ok((statement, digest)) => {
                match read_states(store, &statement).await {
                    Ok(states) => read.states = states,
                    Err(error) if error.is_content() => read.problems.push(error.to_string()),
                    Err(error) => return Err(error),
                }
                read.statement = Some((statement, digest));
            }
            Err(problem) => read.problems.push(format!("can't be read: {problem}")),
        }
        Ok(read)
    }
}

/// What the table has of each chain.
struct Verifier<'a> {
    digests: BTreeMap<ChainId, &'a [(u64, Digest)]>,
    only: Option<&'a AccountId>,
    found: CheckpointsVerified,
    /// The number and the statement of the checkpoint before.
    before: Option<(CheckpointTime, Option<Digest>)>,
    /// The number that is due next.
    due: u64,
    chains: BTreeMap<ChainId, Progress>,
}

/// What is known of a chain so far.
#[derive(Default)]
struct Progress {
    /// The last state that was stated.
    stated: u64,
    /// The last checkpoint whose state the table has, and its number of runs.
    agreed: Option<(CheckpointTime, u64)>,
    disagreed: Option<Disagreement>,
}

/// Checkpoints in a row whose states the table has not.
#[derive(Clone, Copy)]
struct Disagreement {
    first: CheckpointTime,
    /// The number of runs that the first one states.
    run: u64,
    is_missing: bool,
    last: CheckpointTime,
}

impl<'a> Verifier<'a> {
    fn new(table: &'a Verification, only: Option<&'a AccountId>) -> Self {
        let of_kind = |accounts: &'a [AccountVerified], kind| {
            let of_account = move |verified: &'a AccountVerified| {
                let account = verified.account.clone();
                (ChainId { account, kind }, verified.digests.as_slice())
            };
            accounts.iter().map(of_account)
        };
        let digests = of_kind(&table.accounts, ChainKind::Connections)
            .chain(of_kind(&table.dependencies, ChainKind::Dependencies))
            .chain(of_kind(&table.evaluations, ChainKind::Findings));
        Self {
            digests: digests.collect(),
            only,
            found: CheckpointsVerified {
                checkpoints: 0,
                first: None,
                last: None,
                uncovered_runs: 0,
                uncovered: Vec::new(),
                findings: Vec::new(),
            },
            before: None,
            due: 1,
            chains: BTreeMap::new(),
        }
    }

    fn report(&mut self, checkpoint: u64, problem: impl Into<String>) {
        self.found.findings.push(CheckpointFinding {
            checkpoint,
            chain: None,
            run: None,
            problem: problem.into(),
        });
    }

    fn add(&mut self, stored: &StoredCheckpoint, read: Read) {
        let number = stored.number;
        if self.due < number {
            let missing = match number - self.due {
                1 => "is not there".to_owned(),
                _ => format!("is not there, nor are those up to {}", number - 1),
            };
            self.report(self.due, missing);
            // What follows can't refer to it.
            self.before = self.before.map(|(time, _)| (time, None));
        }
        self.due = number + 1;
        self.found.checkpoints += 1;
        if let Some(altered) = &stored.altered {
            self.report(number, altered);
        }
        for problem in read.problems {
            self.report(number, problem);
        }
        let Some((statement, digest)) = read.statement else {
            self.before = self.before.map(|(time, _)| (time, None));
            return;
        };
        let stated = statement.predicate;
        let time = CheckpointTime {
            number,
            made_at: stated.made_at,
        };
        if stated.number != number {
            self.report(
                number,
                format!("states that it is number {}", stated.number),
            );
        }
        self.compare_with_the_one_before(&stated, time);
        // A copy may be made long after.
        if let Some(received_at) = stored.received_at {
            let early = stated.made_at.millis_since(received_at);
            if u128::from(early) > MAX_CLOCK_SKEW.as_millis() {
                let made_at = stated.made_at;
                let problem =
                    format!("says it was made at {made_at}; S3 received it at {received_at}");
                self.report(number, problem);
            }
        }
        let problems: Vec<&String> = match self.only {
            Some(only) => stated.problems_of(only).collect(),
            None => stated.problems.iter().collect(),
        };
        for problem in problems {
            self.report(number, format!("states a problem: {problem}"));
        }
        self.found.first.get_or_insert(time);
        self.found.last = Some(time);
        self.before = Some((time, Some(digest)));
        let mut named = BTreeSet::new();
        for state in &read.states {
            if self.only.is_none_or(|only| *only == state.id.account) {
                self.compare(time, state);
                named.insert(state.id.clone());
            }
        }
        // Without its states nothing can be said about chains that it lacks.
        if stated.chains > 0 && read.states.is_empty() {
            return;
        }
        let lacking: Vec<ChainId> = self.chains.keys().cloned().collect();
        for id in lacking.into_iter().filter(|id| !named.contains(id)) {
            self.chains.remove(&id);
            self.found.findings.push(CheckpointFinding {
                checkpoint: number,
                problem: "lacks this chain, which the one before states".to_owned(),
                chain: Some(id),
                run: None,
            });
        }
    }

    fn compare_with_the_one_before(&mut self, stated: &Checkpoint, time: CheckpointTime) {
        match self.before {
            None => {}
            Some((before, _)) if stated.made_at < before.made_at => {
                let problem = format!(
                    "was made at {}, before checkpoint {} ({})",
                    stated.made_at, before.number, before.made_at
                );
                self.report(time.number, problem);
            }
            Some((before, Some(digest))) if stated.previous != Some(digest) => {
                let problem = format!("does not refer to checkpoint {}", before.number);
                self.report(time.number, problem);
            }
            Some(_) => {}
        }
    }

    /// Compares a state with the table.
    fn compare(&mut self, time: CheckpointTime, state: &ChainState) {
        let digests = self.digests.get(&state.id).copied().unwrap_or_default();
        let there = digests.binary_search_by_key(&state.runs, |(run, _)| *run);
        let there = there.ok().map(|index| digests[index].1);
        let progress = self.chains.entry(state.id.clone()).or_default();
        progress.stated = state.runs;
        if there == Some(state.head) {
            if let Some(disagreed) = progress.disagreed.take() {
                let finding = disagreed.finding(state.id.clone(), progress.agreed, Some(time));
                self.found.findings.push(finding);
            }
            progress.agreed = Some((time, state.runs));
        } else {
            let first = progress.disagreed.get_or_insert(Disagreement {
                first: time,
                run: state.runs,
                is_missing: there.is_none(),
                last: time,
            });
            first.last = time;
        }
    }

    fn finish(mut self) -> CheckpointsVerified {
        for (id, progress) in std::mem::take(&mut self.chains) {
            if let Some(disagreed) = progress.disagreed {
                let finding = disagreed.finding(id.clone(), progress.agreed, None);
                self.found.findings.push(finding);
            }
            let digests = self.digests.remove(&id).unwrap_or_default();
            self.count_uncovered(id, digests, progress.stated);
        }
        for (id, digests) in std::mem::take(&mut self.digests) {
            self.count_uncovered(id, digests, 0);
        }
        self.found
    }

    fn count_uncovered(&mut self, id: ChainId, digests: &[(u64, Digest)], stated: u64) {
        let since = digests.iter().filter(|(run, _)| *run > stated).count() as u64;
        if since > 0 {
            self.found.uncovered_runs += since;
            self.found.uncovered.push(id);
        }
    }
}

impl Disagreement {
    fn finding(
        self,
        chain: ChainId,
        agreed: Option<(CheckpointTime, u64)>,
        then_agrees: Option<CheckpointTime>,
    ) -> CheckpointFinding {
        let Self {
            first,
            run,
            is_missing,
            last,
        } = self;
        let what = match is_missing {
            true => format!(
                "run {run}, which checkpoint {} states, is missing",
                first.number
            ),
            false => format!(
                "run {run} is not the one that checkpoint {} states",
                first.number
            ),
        };
        let since = match agreed {
            // The runs up to there are as they were stated later.
            Some((_, runs)) if runs < run => format!("runs from {} on were altered", runs + 1),
            Some(_) | None => "its runs were altered".to_owned(),
        };
        let at = |time: CheckpointTime| format!("checkpoint {} ({})", time.number, time.made_at);
        let when = match then_agrees {
            Some(then) => format!("after {} and before {}", at(last), at(then)),
            None => format!("after {}", at(last)),
        };
        CheckpointFinding {
            checkpoint: first.number,
            chain: Some(chain),
            run: Some(run),
            problem: format!("{what}: {since} {when}"),
        }
    }
}
