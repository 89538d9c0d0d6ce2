//! Verifies a bundle by what is in it, and keys.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::archive::Files;
use super::manifest::{Bundle, MANIFEST, SIGNED_MANIFEST};
use super::proofs::{PROOFS, Proof};
use crate::audit::FINALITY_DELAY;
use crate::checkpoint::chain_state::{ChainKind, ChainState};
use crate::checkpoint::envelope::Envelope;
use crate::checkpoint::statement::{Checkpoint, Statement};
use crate::checkpoint::store::checkpoint_name;
use crate::checkpoint::{PublicKey, merkle};
use crate::domain::run::SnapshotsRecord;
use crate::domain::{Digest, Timestamp};

/// The result of verifying a bundle.
#[derive(Debug, Default, Serialize)]
pub struct BundleVerified {
    /// What it is about, if it has a manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<Bundle>,
    /// Whether its manifest is signed by a given key.
    pub signed: bool,
    /// The number of files.
    pub files: u64,
    /// The number of runs.
    pub runs: u64,
    /// The number of changes.
    pub changes: u64,
    /// The number of checkpoints.
    pub checkpoints: u64,
    /// What is wrong: a file and its problem. Empty if the bundle is intact.
    pub findings: Vec<BundleFinding>,
}

/// A problem of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleFinding {
    /// The file.
    pub file: String,
    /// What is wrong.
    pub problem: String,
}

/// Verifies the files of a bundle. With a key of its own the manifest has to be signed
/// by it, and with `keys` each checkpoint by one of these.
pub fn verify(
    files: &Files,
    manifest_key: Option<&PublicKey>,
    keys: &[PublicKey],
) -> BundleVerified {
    let mut verifier = Verifier {
        files,
        manifest_key,
        keys,
        found: BundleVerified::default(),
        heads: BTreeMap::new(),
        runs: BTreeMap::new(),
    };
    verifier.manifest();
    for kind in ChainKind::ALL {
        verifier.runs(kind);
        verifier.changes(kind);
    }
    verifier.checkpoints();
    verifier.found
}

struct Verifier<'a> {
    files: &'a Files,
    manifest_key: Option<&'a PublicKey>,
    keys: &'a [PublicKey],
    found: BundleVerified,
    /// The digest of each run by account, kind and number.
    heads: BTreeMap<(String, ChainKind, u64), Digest>,
    /// The runs of each chain, by number.
    runs: BTreeMap<(String, ChainKind), Vec<Value>>,
}

impl Verifier<'_> {
    fn report(&mut self, file: &str, problem: impl Into<String>) {
        self.found.findings.push(BundleFinding {
            file: file.to_owned(),
            problem: problem.into(),
        });
    }

    /// Every file is in the manifest with its digest, and the manifest is signed.
    fn manifest(&mut self) {
        let Some(manifest) = self.files.get(MANIFEST) else {
            return self.report(MANIFEST, "is missing");
        };
        let text = String::from_utf8_lossy(manifest);
        let statement = match Statement::<Bundle>::read(&text) {
            Ok(statement) => statement,
            Err(problem) => return self.report(MANIFEST, problem),
        };
        let mut unnamed: Vec<&String> = self.files.keys().collect();
        unnamed.retain(|name| ![MANIFEST, SIGNED_MANIFEST].contains(&name.as_str()));
        for subject in &statement.subject {
            unnamed.retain(|name| **name != subject.name);
            match self.files.get(&subject.name) {
                None => self.report(&subject.name, "is missing"),
                Some(content) if Digest::of_bytes(content) != subject.digest.sha256 => {
                    self.report(
                        &subject.name,
                        "was altered: its SHA-256 is not the manifest's",
                    );
                }
                Some(_) => self.found.files += 1,
            }
        }
        for name in unnamed {
            self.report(name, "was added: the manifest does not name it");
        }
        self.found.bundle = Some(statement.predicate);
        let Some(key) = self.manifest_key else {
            return;
        };
        let Some(signed) = self.files.get(SIGNED_MANIFEST) else {
            return self.report(SIGNED_MANIFEST, "is missing: the manifest is not signed");
        };
        let is_same = |envelope: &Envelope| envelope.payload().is_ok_and(|payload| payload == text);
        match Envelope::read(signed) {
            Err(problem) => self.report(SIGNED_MANIFEST, problem),
            Ok(envelope) if !envelope.is_signed_by(std::slice::from_ref(key)) => {
                self.report(SIGNED_MANIFEST, "is not signed by that key");
            }
            Ok(envelope) if !is_same(&envelope) => {
                self.report(SIGNED_MANIFEST, "signs another manifest");
            }
            Ok(_) => self.found.signed = true,
        }
    }

    /// Returns the lines of a file with their digests and what they hold.
    fn lines(&mut self, file: &str) -> Vec<(Digest, Value)> {
        let Some(content) = self.files.get(file) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(content.split_inclusive(|byte| *byte == b'\n')) {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            match serde_json::from_slice(line) {
                Ok(value) => lines.push((Digest::of_bytes(line), value)),
                Err(error) => self.report(file, format!("line {number}: {error}")),
            }
        }
        lines
    }

    /// Each run refers to the one before, and those of an account stand together.
    fn runs(&mut self, kind: ChainKind) {
        let file = format!("records/runs-{kind}.jsonl");
        let mut last: Option<(String, u64, Digest)> = None;
        for (digest, run) in self.lines(&file) {
            let account = run["account"].as_str().unwrap_or_default().to_owned();
            let sequence = run["sequence"].as_u64().unwrap_or(0);
            let before = last.take().filter(|(same, _, _)| *same == account);
            let chain = (account.clone(), kind);
            let follows = match &before {
                None => !self.runs.contains_key(&chain),
                Some((_, before, head)) => {
                    sequence.checked_sub(1) == Some(*before)
                        && run["previous_digest"] == head.to_string()
                }
            };
            if !follows {
                let problem = format!("account {account}: run {sequence} does not follow");
                self.report(&file, problem);
            }
            self.heads.insert((account.clone(), kind, sequence), digest);
            self.runs.entry(chain).or_default().push(run);
            self.found.runs += 1;
            last = Some((account, sequence, digest));
        }
    }

    /// Each change of a connection refers to the one before, from the first on, and
    /// runs digest the last one of each connection.
    fn changes(&mut self, kind: ChainKind) {
        let file = format!("records/changes-{kind}.jsonl");
        let mut last: Option<(String, u64, Digest)> = None;
        let mut changes: BTreeMap<String, Changes> = BTreeMap::new();
        for (digest, change) in self.lines(&file) {
            let text = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
            let (account, arn) = (text("account"), text("arn"));
            let of = format!("{account} {arn}");
            let version = change["version"].as_u64().unwrap_or(0);
            let before = last.take().filter(|(same, _, _)| *same == of);
            let of_account = changes.entry(account).or_default();
            let of_resource = of_account.entry(arn).or_default();
            let follows = match &before {
                None => version == 1 && of_resource.is_empty(),
                Some((_, before, digest)) => {
                    version.checked_sub(1) == Some(*before)
                        && change["previous_digest"] == digest.to_string()
                }
            };
            of_resource.push(ChangeLink {
                observed_until: text("observed_until"),
                run_id: text("run_id"),
                version,
                digest,
            });
            if !follows {
                self.report(&file, format!("{of}: change {version} does not follow"));
            }
            self.found.changes += 1;
            last = Some((of, version, digest));
        }
        let digested = self.runs.iter().filter(|((_, of), _)| *of == kind);
        let digested = digested.filter_map(|((account, _), runs)| {
            let none = Changes::new();
            let changes = changes.get(account).unwrap_or(&none);
            let run = last_that_digests(runs, changes)?;
            let is_so = snapshots_digest(changes, run) == run["snapshots"]["digest"];
            let number = &run["sequence"];
            (!is_so)
                .then(|| format!("account {account}: not the changes that run {number} digests"))
        });
        for problem in digested.collect::<Vec<_>>() {
            self.report(&file, problem);
        }
    }

    /// Each checkpoint is signed, and each of its proofs leads from a run to its root.
    fn checkpoints(&mut self) {
        let mut statements: BTreeMap<u64, Checkpoint> = BTreeMap::new();
        let files = self.files;
        let is_checkpoint = |name: &str| name.starts_with("checkpoints/") && name != PROOFS;
        for (name, content) in files.iter().filter(|(name, _)| is_checkpoint(name)) {
            let envelope = match Envelope::read(content) {
                Ok(envelope) => envelope,
                Err(problem) => {
                    self.report(name, problem);
                    continue;
                }
            };
            if !self.keys.is_empty() && !envelope.is_signed_by(self.keys) {
                self.report(name, "is not signed by a given key");
                continue;
            }
            match envelope.statement::<Checkpoint>() {
                Ok((statement, _)) if checkpoint_name(statement.predicate.number) != *name => {
                    let number = statement.predicate.number;
                    self.report(name, format!("states that it is number {number}"));
                }
                Ok((statement, _)) => {
                    statements.insert(statement.predicate.number, statement.predicate);
                    self.found.checkpoints += 1;
                }
                Err(problem) => self.report(name, problem),
            }
        }
        let mut proven = BTreeSet::new();
        for (_, value) in self.lines(PROOFS) {
            // A wrong one is not missing, too.
            proven.extend(chain_of(&value));
            if let Err(problem) = self.proof(value, &statements) {
                self.report(PROOFS, problem);
            }
        }
        for (number, stated) in statements {
            let name = checkpoint_name(number);
            let bundle = self.found.bundle.as_ref();
            if bundle.is_some_and(|bundle| bundle.table != stated.table) {
                self.report(&name, format!("is of the table {}", stated.table));
            }
            for (account, kind) in self.chains_before(stated.made_at) {
                for problem in stated.problems.iter().filter(|it| it.contains(&account)) {
                    self.report(&name, format!("states a problem: {problem}"));
                }
                if !proven.contains(&(number, account.clone(), kind)) {
                    let problem =
                        format!("checkpoint {number}: no proof of account {account}, {kind}");
                    self.report(PROOFS, problem);
                }
            }
        }
    }

    /// Returns the chains of which a run had ended by then.
    fn chains_before(&self, at: Timestamp) -> Vec<(String, ChainKind)> {
        let had_run = |runs: &Vec<Value>| {
            let first = runs.first();
            let ended = first.and_then(|run| run["finished_at"].as_str()?.parse().ok());
            ended.is_some_and(|ended: Timestamp| ended <= at)
        };
        let chains = self.runs.iter().filter(|(_, runs)| had_run(runs));
        chains.map(|(chain, _)| chain.clone()).collect()
    }

    fn proof(&self, value: Value, statements: &BTreeMap<u64, Checkpoint>) -> Result<(), String> {
        let proof: Proof = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let number = proof.checkpoint;
        let stated = statements.get(&number);
        let stated = stated.ok_or_else(|| format!("checkpoint {number} is missing"))?;
        let count = usize::try_from(stated.chains).unwrap_or(usize::MAX);
        let leaf = merkle::leaf(proof.leaf.as_bytes());
        let root = merkle::root_of_proof(leaf, proof.index, count, &proof.path);
        if root != Some(stated.root_hash) {
            return Err(format!("does not lead to the root of checkpoint {number}"));
        }
        let state: ChainState =
            serde_json::from_str(&proof.leaf).map_err(|error| error.to_string())?;
        let run = (state.id.account.to_string(), state.id.kind, state.runs);
        match self.heads.get(&run) {
            Some(digest) if *digest == state.head => Ok(()),
            Some(_) => Err(format!(
                "{}: run {} is not the one that checkpoint {number} states",
                state.id, state.runs
            )),
            None => Err(format!(
                "{}: run {}, which checkpoint {number} states, is missing",
                state.id, state.runs
            )),
        }
    }
}

/// Returns the checkpoint and the chain that a proof is about.
fn chain_of(proof: &Value) -> Option<(u64, String, ChainKind)> {
    let state: ChainState = serde_json::from_str(proof["leaf"].as_str()?).ok()?;
    let number = proof["checkpoint"].as_u64()?;
    Some((number, state.id.account.to_string(), state.id.kind))
}

/// The changes of each resource.
type Changes = BTreeMap<String, Vec<ChangeLink>>;

/// The part of a change that a run's digest needs.
struct ChangeLink {
    observed_until: String,
    run_id: String,
    version: u64,
    digest: Digest,
}

/// Returns the last run with a digest of snapshots, if it is certain which changes it
/// digests. They are not where another run that is not before it saw some at the time.
fn last_that_digests<'a>(runs: &'a [Value], changes: &Changes) -> Option<&'a Value> {
    let index = runs.iter().rposition(|run| run["snapshots"].is_object())?;
    let run = &runs[index];
    let by_then: BTreeSet<&str> = runs[..=index]
        .iter()
        .filter_map(|run| run["run_id"].as_str())
        .collect();
    let began: Timestamp = run["started_at"].as_str()?.parse().ok()?;
    let is_uncertain = |change: &ChangeLink| {
        let seen: Option<Timestamp> = change.observed_until.parse().ok();
        let is_late = seen.is_none_or(|seen| seen > began || within(seen, began));
        is_late && !by_then.contains(change.run_id.as_str())
    };
    let ended = run["finished_at"].as_str()?;
    let mut links = changes.values().flatten();
    let is_certain = !links.any(|it| it.observed_until.as_str() <= ended && is_uncertain(it));
    is_certain.then_some(run)
}

/// Returns true if a change that was seen then may be written as late as `began`.
fn within(seen: Timestamp, began: Timestamp) -> bool {
    u128::from(began.millis_since(seen)) <= FINALITY_DELAY.as_millis()
}

/// Returns the digest of the snapshots that these changes had left when a run ended.
fn snapshots_digest(changes: &Changes, run: &Value) -> String {
    let ended = run["finished_at"].as_str().unwrap_or_default();
    let mut snapshots = SnapshotsRecord::builder();
    for (arn, changes) in changes {
        let by_then = changes
            .iter()
            .filter(|it| it.observed_until.as_str() <= ended);
        if let Some(last) = by_then.max_by_key(|it| it.version) {
            let version = u32::try_from(last.version).unwrap_or(u32::MAX);
            snapshots.add(arn, version, last.digest);
        }
    }
    snapshots.build().digest.to_string()
}
