//! Verifies a bundle by what is in it, and keys.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::archive::Files;
use super::chain::{BundledChain, Chain};
use super::manifest::{Bundle, MANIFEST, SIGNED_MANIFEST};
use super::proofs::{PROOFS, Proof};
use super::records::{changes_name, runs_name};
use crate::audit::FINALITY_DELAY;
use crate::audit::verify::period::PeriodRecords;
use crate::checkpoint::chain_state::{ChainId, ChainKind, ChainState};
use crate::checkpoint::envelope::Envelope;
use crate::checkpoint::statement::{Checkpoint, Statement};
use crate::checkpoint::store::{CHECKPOINTS, checkpoint_name};
use crate::checkpoint::{PublicKey, merkle};
use crate::domain::digest::canonical_json;
use crate::domain::{
    AccountId, Change, Connection, Dependency, Digest, Finding, RunRecord, Timestamp,
};
use crate::table::StoredKind;
use crate::table::keys::Partition;

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
    /// The runs of each account and kind, and what checkpoints state of them.
    pub chains: Vec<BundledChain>,
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
        chains: BTreeMap::new(),
    };
    verifier.manifest();
    verifier.records::<Connection>(ChainKind::Connections);
    verifier.records::<Dependency>(ChainKind::Dependencies);
    verifier.records::<Finding>(ChainKind::Findings);
    verifier.completeness();
    verifier.checkpoints();
    verifier.verified()
}

struct Verifier<'a> {
    files: &'a Files,
    manifest_key: Option<&'a PublicKey>,
    keys: &'a [PublicKey],
    found: BundleVerified,
    chains: BTreeMap<ChainId, Chain>,
}

impl Verifier<'_> {
    fn report(&mut self, file: &str, problem: impl Into<String>) {
        self.found.findings.push(BundleFinding {
            file: file.to_owned(),
            problem: problem.into(),
        });
    }

    fn verified(mut self) -> BundleVerified {
        let chains = self.chains.into_iter();
        let chains = chains.filter_map(|(id, chain)| chain.verified(id));
        self.found.chains = chains.collect();
        self.found
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

    /// Returns what the lines of a file hold, each with its digest. A line has to be as
    /// this software writes it: what it says beyond that would not be checked.
    fn lines<T: Serialize + DeserializeOwned>(&mut self, file: &str) -> Vec<(Digest, T)> {
        let Some(content) = self.files.get(file) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(content.split_inclusive(|byte| *byte == b'\n')) {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            match serde_json::from_slice(line) {
                Err(error) => self.report(file, format!("line {number}: {error}")),
                Ok(value) if canonical_json(&value).as_bytes() != line => {
                    let problem = "is not written as this software writes it";
                    self.report(file, format!("line {number}: {problem}"));
                }
                Ok(value) => lines.push((Digest::of_bytes(line), value)),
            }
        }
        lines
    }

    /// Each run and each change refers to the one before, and each run states what the
    /// changes left.
    fn records<K: StoredKind>(&mut self, kind: ChainKind) {
        let files = [runs_name(kind), changes_name(kind)];
        let [runs, changes] = &files;
        let mut records = PeriodRecords::<K>::default();
        let mut accounts = BTreeSet::new();
        for (digest, run) in self.lines::<RunRecord<K>>(runs) {
            let account = run.account.clone();
            accounts.insert((runs, account.clone()));
            let chain = self.chains.entry(ChainId { account, kind }).or_default();
            chain.add_run(&run, digest);
            self.found.runs += 1;
            records.add_run(run, digest);
        }
        let bundle = self.found.bundle.clone();
        let until = bundle.as_ref().map(|bundle| bundle.until);
        for (digest, change) in self.lines::<Change<K>>(changes) {
            let account = change.account.clone();
            accounts.insert((changes, account.clone()));
            let chain = self.chains.entry(ChainId { account, kind }).or_default();
            let until = until.unwrap_or(change.observed_until);
            if let Err(problem) = chain.add_change(&change, until) {
                let (account, arn, version) = (&change.account, &change.arn, change.version);
                let what = format!("account {account}: change {version} of {arn}: {problem}");
                self.report(changes, what);
            }
            self.found.changes += 1;
            records.add_change(change, digest);
        }
        let is_named = |account: &AccountId| {
            let bundle = bundle.as_ref();
            bundle.is_none_or(|it| it.accounts.contains(account))
        };
        accounts.retain(|(_, account)| !is_named(account));
        for (file, account) in accounts {
            let problem = format!("is of account {account}, which the manifest does not name");
            self.report(file, problem);
        }
        for altered in records.verified() {
            let file = match K::KEYS.partition_of(&altered.pk) {
                Some(Partition::Runs) => runs,
                _ => changes,
            };
            self.report(
                file,
                format!("{} {}: {}", altered.pk, altered.sk, altered.problem),
            );
        }
    }

    /// The manifest's accounts have runs, and no run is missing at the beginning.
    fn completeness(&mut self) {
        let Some(bundle) = self.found.bundle.clone() else {
            return;
        };
        for account in bundle.accounts {
            let mut chains = self.chains.iter();
            if !chains.any(|(id, chain)| id.account == account && chain.first().is_some()) {
                self.report("records/", format!("has no run of account {account}"));
            }
        }
        let cut: Vec<ChainId> = self
            .chains
            .iter()
            .filter(|(_, chain)| !chain.begins_before(bundle.since))
            .map(|(id, _)| id.clone())
            .collect();
        for ChainId { account, kind } in cut {
            let problem = format!("has no run of account {account} that ended before the period");
            self.report(&runs_name(kind), problem);
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
        if statements.is_empty() && !self.keys.is_empty() {
            self.report(
                CHECKPOINTS,
                "has no checkpoint: the records may have been rewritten",
            );
        }
        let mut proven = BTreeSet::new();
        for (_, proof) in self.lines::<Proof>(PROOFS) {
            let state = serde_json::from_str::<ChainState>(&proof.leaf);
            // A wrong one is not missing, too.
            let id = state.as_ref().ok().map(|state| state.id.clone());
            proven.extend(id.map(|id| (proof.checkpoint, id)));
            let state = state.map_err(|error| error.to_string());
            if let Err(problem) = state.and_then(|state| self.prove(&proof, &state, &statements)) {
                self.report(PROOFS, problem);
            }
        }
        for (number, stated) in statements {
            let name = checkpoint_name(number);
            let bundle = self.found.bundle.as_ref();
            if bundle.is_some_and(|bundle| bundle.table != stated.table) {
                self.report(&name, format!("is of the table {}", stated.table));
            }
            for id in self.chains_before(stated.made_at) {
                for problem in stated.problems_of(&id.account) {
                    self.report(&name, format!("states a problem: {problem}"));
                }
                if !proven.contains(&(number, id.clone())) {
                    self.report(PROOFS, format!("checkpoint {number}: no proof of {id}"));
                }
            }
        }
    }

    /// Returns the chains of which a run had been recorded by then.
    fn chains_before(&self, at: Timestamp) -> Vec<ChainId> {
        let had_run = |chain: &Chain| {
            chain.first().is_some_and(|(number, ended)| match number {
                // A checkpoint may be made while the first run is being recorded.
                1 => u128::from(at.millis_since(ended)) > FINALITY_DELAY.as_millis(),
                _ => ended <= at,
            })
        };
        let chains = self.chains.iter().filter(|(_, chain)| had_run(chain));
        chains.map(|(id, _)| id.clone()).collect()
    }

    /// Checks that a proof leads from a run to the root of its checkpoint.
    fn prove(
        &mut self,
        proof: &Proof,
        state: &ChainState,
        statements: &BTreeMap<u64, Checkpoint>,
    ) -> Result<(), String> {
        let number = proof.checkpoint;
        let stated = statements.get(&number);
        let stated = stated.ok_or_else(|| format!("checkpoint {number} is missing"))?;
        let count = usize::try_from(stated.chains).unwrap_or(usize::MAX);
        let leaf = merkle::leaf(proof.leaf.as_bytes());
        let root = merkle::root_of_proof(leaf, proof.index, count, &proof.path);
        if root != Some(stated.root_hash) {
            return Err(format!("does not lead to the root of checkpoint {number}"));
        }
        let ChainState { id, runs, head, .. } = state;
        let missing = || format!("{id}: run {runs}, which checkpoint {number} states, is missing");
        let chain = self.chains.get_mut(id).ok_or_else(missing)?;
        let digest = chain.digest_of(*runs).ok_or_else(missing)?;
        if digest != *head {
            return Err(format!(
                "{id}: run {runs} is not the one that checkpoint {number} states"
            ));
        }
        if !self.keys.is_empty() {
            chain.prove(*runs);
        }
        Ok(())
    }
}
