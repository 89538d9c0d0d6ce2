//! Makes the next checkpoint.
//!
//! Of each chain the runs since the checkpoint before are read. What that one stated
//! must still be there: what is not is named in the new one, which states what is.
//!
//! The file of states is written first, then the signed checkpoint: a crash in
//! between leaves a file that no checkpoint refers to. The number is the name, and
//! can be taken once, so two that are made at the same time can't fork the chain.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::chain_state::{ChainId, ChainKind, ChainState, from_lines, to_lines};
use super::envelope::Envelope;
use super::error::CheckpointError;
use super::merkle;
use super::signer::Signer;
use super::statement::{Checkpoint, Statement, Subject};
use super::store::{Store, chains_name, checkpoint_name};
use crate::aws::s3::Put;
use crate::domain::{AccountId, Connection, Dependency, Digest, Finding, Timestamp};
use crate::table::read::audit::LAST_RUN;
use crate::table::{StoredKind, Table, TableError, keys};

/// Chains that are read at the same time.
const AT_ONCE: usize = 16;

/// A checkpoint that was made.
#[derive(Debug, Serialize)]
pub struct Made {
    /// What it states.
    #[serde(flatten)]
    pub checkpoint: Checkpoint,
    /// Where it is.
    pub stored: String,
}

/// Makes the next checkpoint of a table.
///
/// # Errors
/// [`CheckpointError`]: then there is no new checkpoint.
pub async fn make(
    table: &Table,
    store: &Store,
    signer: &Signer,
    now: Timestamp,
) -> Result<Made, CheckpointError> {
    let previous = Previous::read(store).await?;
    let mut chains = Vec::new();
    chains.extend(self::chains::<Connection>(table, ChainKind::Connections, &previous).await?);
    chains.extend(self::chains::<Dependency>(table, ChainKind::Dependencies, &previous).await?);
    chains.extend(self::chains::<Finding>(table, ChainKind::Findings, &previous).await?);
    let of_chains = chains.iter_mut().filter_map(|chain| chain.problem.take());
    let mut problems = previous.problems;
    problems.extend(of_chains);
    let problems = Checkpoint::bounded(problems);
    let states = chains.into_iter().filter_map(|chain| chain.state);
    let mut states: Vec<ChainState> = states.collect();
    if states.is_empty() && previous.number == 0 {
        return Err(CheckpointError::NothingRecorded);
    }
    let lines = to_lines(&mut states);
    let leaves = merkle::leaves(&lines);
    let digest = store.put_chains(lines.as_bytes()).await?;
    let checkpoint = Checkpoint {
        number: previous.number + 1,
        made_at: now,
        table: table.name().to_string(),
        chains: leaves.len() as u64,
        root_hash: merkle::root(&leaves),
        previous: previous.statement,
        problems,
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let subject = Subject::of(chains_name(digest), lines.as_bytes());
    let statement = Statement::new(vec![subject], checkpoint);
    let envelope = Envelope::sign(&statement.to_text(), signer).await?;
    let checkpoint = statement.predicate;
    let number = checkpoint.number;
    match store
        .put_checkpoint(number, envelope.to_text().as_bytes())
        .await?
    {
        Put::Done => Ok(Made {
            stored: store.locate(&checkpoint_name(number)),
            checkpoint,
        }),
        Put::Exists => Err(CheckpointError::Superseded { number }),
    }
}

/// The checkpoint before.
#[derive(Default)]
struct Previous {
    /// Its number; 0 if there is none.
    number: u64,
    /// The digest of its statement.
    statement: Option<Digest>,
    states: BTreeMap<ChainId, ChainState>,
    /// What could not be read.
    problems: Vec<String>,
}

impl Previous {
    /// Reads the last checkpoint. One that can't be read is a problem of the next one,
    /// which then compares with the last one that can.
    async fn read(store: &Store) -> Result<Self, CheckpointError> {
        let mut previous = Self::default();
        let stored = store.checkpoints(0).await?;
        for stored in stored.iter().rev() {
            previous.number = previous.number.max(stored.number);
            let read = async {
                let content = store.read(stored).await?;
                let (statement, digest) = store.statement_in(stored, &content)?;
                let states = read_states(store, &statement).await?;
                Ok::<_, CheckpointError>((digest, states))
            };
            match read.await {
                Ok((digest, states)) => {
                    let is_last = stored.number == previous.number;
                    previous.statement = is_last.then_some(digest);
                    previous.states = states.into_iter().map(|it| (it.id.clone(), it)).collect();
                    break;
                }
                Err(error) if error.is_content() => previous.problems.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(previous)
    }
}

/// Reads the states that a checkpoint refers to, and compares them with its digest
/// and root.
pub async fn read_states(
    store: &Store,
    statement: &Statement<Checkpoint>,
) -> Result<Vec<ChainState>, CheckpointError> {
    let [subject] = statement.subject.as_slice() else {
        return Err(CheckpointError::Unreadable {
            object: store.locate(""),
            problem: format!("{} subjects, not one", statement.subject.len()),
        });
    };
    let digest = subject.digest.sha256;
    let bytes = store.read_chains(digest).await?;
    let wrong = |problem: &str| CheckpointError::Unreadable {
        object: store.locate(&chains_name(digest)),
        problem: problem.to_owned(),
    };
    if Digest::of_bytes(&bytes) != digest {
        return Err(wrong("was altered: its SHA-256 is not the one in its name"));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("is no text"))?;
    let leaves = merkle::leaves(&text);
    let stated = &statement.predicate;
    if merkle::root(&leaves) != stated.root_hash || leaves.len() as u64 != stated.chains {
        return Err(wrong(
            "has not the root or the number of chains that is stated",
        ));
    }
    from_lines(&text).map_err(|(line, problem)| wrong(&format!("line {line}: {problem}")))
}

/// Reads the chains of a kind.
async fn chains<K: StoredKind>(
    table: &Table,
    kind: ChainKind,
    previous: &Previous,
) -> Result<Vec<Chain>, CheckpointError> {
    let table = table.of_kind::<K>();
    let mut accounts: BTreeSet<AccountId> = table.accounts().await?.into_iter().collect();
    // An account can't leave a checkpoint by leaving the index.
    let stated = previous.states.keys().filter(|id| id.kind == kind);
    accounts.extend(stated.map(|id| id.account.clone()));
    let of_account = |account| {
        let id = ChainId { account, kind };
        let before = previous.states.get(&id);
        chain(&table, id, before)
    };
    let read = stream::iter(accounts).map(of_account).buffered(AT_ONCE);
    Ok(read.try_collect().await?)
}

/// A chain as it is in the table.
struct Chain {
    /// `None` if it has no run, and never had one.
    state: Option<ChainState>,
    problem: Option<String>,
}

async fn chain<K: StoredKind>(
    table: &Table<K>,
    id: ChainId,
    before: Option<&ChainState>,
) -> Result<Chain, TableError> {
    let mut read = Links::since(table, &id, before).await?;
    if before.is_some()
        && let Some(problem) = read.problem.take()
    {
        // What was stated is not there: what is there instead is read from its start.
        read = Links::since(table, &id, None).await?;
        read.problem = Some(problem);
    }
    let state = read.head.map(|head| ChainState {
        id: id.clone(),
        runs: read.runs,
        changes: read.changes,
        head,
    });
    Ok(Chain {
        // Without a run it keeps the state that was stated, so that it stays named.
        state: state.or_else(|| before.cloned()),
        problem: read.problem.map(|problem| format!("{id}: {problem}")),
    })
}

/// The runs of a chain, one after the other.
#[derive(Default)]
struct Links {
    runs: u64,
    changes: u64,
    head: Option<Digest>,
    problem: Option<String>,
}

impl Links {
    /// Reads the runs of a chain: all, or those since a state, whose last run must be
    /// as it was. Keeps the first problem and goes on: what is there is stated.
    async fn since<K: StoredKind>(
        table: &Table<K>,
        id: &ChainId,
        before: Option<&ChainState>,
    ) -> Result<Self, TableError> {
        let mut links = Self::default();
        let mut expected = before;
        let mut first = keys::run_sk(before.map_or(1, |before| before.runs));
        loop {
            let read = table.runs_from_key(&id.account, first, |run| {
                let digest = run.digest();
                let problem = match expected.take() {
                    Some(stated) if (run.sequence, digest) == (stated.runs, stated.head) => {
                        links.changes = stated.changes;
                        None
                    }
                    Some(stated) => Some(format!(
                        "run {} is not the one that the checkpoint before states",
                        stated.runs
                    )),
                    None => {
                        links.changes += run.changes.values().sum::<u64>();
                        // The runs before the first one in the table may be in an archive:
                        // `verify` finds them there, or names them.
                        let is_first = links.head.is_none() && run.sequence > 1;
                        let follows = is_first
                            || (run.sequence, run.previous_digest) == (links.runs + 1, links.head);
                        let number = run.sequence;
                        (!follows).then(|| format!("run {number} does not follow the one before"))
                    }
                };
                links.note(problem);
                links.runs = run.sequence;
                links.head = Some(digest);
                true
            });
            match read.await {
                Ok(()) => break,
                Err(TableError::CorruptItem(corrupt)) => {
                    links.note(Some(corrupt.to_string()));
                    expected = None;
                    first = keys::after_run_sk(&corrupt.sk);
                    if first > keys::run_sk(LAST_RUN) {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(stated) = expected {
            links.note(Some(format!(
                "run {}, which the checkpoint before states, is not there",
                stated.runs
            )));
        }
        Ok(links)
    }

    fn note(&mut self, problem: Option<String>) {
        if self.problem.is_none() {
            self.problem = problem;
        }
    }
}
