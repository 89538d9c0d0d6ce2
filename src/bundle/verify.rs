//! Verifies a bundle by what is in it, and keys.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::archive::Files;
use super::manifest::{Bundle, MANIFEST, SIGNED_MANIFEST};
use super::proofs::{PROOFS, Proof};
use crate::checkpoint::chain_state::{ChainKind, ChainState};
use crate::checkpoint::envelope::Envelope;
use crate::checkpoint::statement::{Checkpoint, Statement};
use crate::checkpoint::{PublicKey, merkle};
use crate::domain::Digest;

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

/// Verifies the files of a bundle. With `keys`, its manifest and its checkpoints have to
/// be signed by one of them.
pub fn verify(files: &Files, keys: &[PublicKey]) -> BundleVerified {
    let mut verifier = Verifier {
        files,
        keys,
        found: BundleVerified::default(),
        heads: BTreeMap::new(),
    };
    verifier.manifest();
    for kind in [
        ChainKind::Connections,
        ChainKind::Dependencies,
        ChainKind::Findings,
    ] {
        verifier.runs(kind);
        verifier.changes(kind);
    }
    verifier.checkpoints();
    verifier.found
}

struct Verifier<'a> {
    files: &'a Files,
    keys: &'a [PublicKey],
    found: BundleVerified,
    /// The digest of each run by account, kind and number.
    heads: BTreeMap<(String, ChainKind, u64), Digest>,
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
        if self.keys.is_empty() {
            return;
        }
        let Some(signed) = self.files.get(SIGNED_MANIFEST) else {
            return self.report(SIGNED_MANIFEST, "is missing: the manifest is not signed");
        };
        let is_same = |envelope: &Envelope| envelope.payload().is_ok_and(|payload| payload == text);
        match Envelope::read(signed) {
            Err(problem) => self.report(SIGNED_MANIFEST, problem),
            Ok(envelope) if !self.is_signed(&envelope) => {
                self.report(SIGNED_MANIFEST, "is not signed by a given key");
            }
            Ok(envelope) if !is_same(&envelope) => {
                self.report(SIGNED_MANIFEST, "signs another manifest");
            }
            Ok(_) => self.found.signed = true,
        }
    }

    fn is_signed(&self, envelope: &Envelope) -> bool {
        self.keys.iter().any(|key| envelope.is_signed_by(key))
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

    /// Each run refers to the one before.
    fn runs(&mut self, kind: ChainKind) {
        let file = format!("records/runs-{kind}.jsonl");
        let mut last: Option<(String, u64, Digest)> = None;
        for (digest, run) in self.lines(&file) {
            let account = run["account"].as_str().unwrap_or_default().to_owned();
            let sequence = run["sequence"].as_u64().unwrap_or(0);
            if let Some((of, before, head)) = &last
                && *of == account
                && (before + 1 != sequence || run["previous_digest"] != head.to_string())
            {
                let problem = format!("account {account}: run {sequence} does not follow");
                self.report(&file, problem);
            }
            self.heads.insert((account.clone(), kind, sequence), digest);
            self.found.runs += 1;
            last = Some((account, sequence, digest));
        }
    }

    /// Each change of a connection refers to the one before, from the first on.
    fn changes(&mut self, kind: ChainKind) {
        let file = format!("records/changes-{kind}.jsonl");
        let mut last: Option<(String, u64, Digest)> = None;
        for (digest, change) in self.lines(&file) {
            let of = format!("{} {}", change["account"], change["arn"]);
            let version = change["version"].as_u64().unwrap_or(0);
            let before = last.take().filter(|(same, _, _)| *same == of);
            let follows = match &before {
                None => version == 1 && change.get("previous_digest").is_none_or(Value::is_null),
                Some((_, before, digest)) => {
                    before + 1 == version && change["previous_digest"] == digest.to_string()
                }
            };
            if !follows {
                self.report(&file, format!("{of}: change {version} does not follow"));
            }
            self.found.changes += 1;
            last = Some((of, version, digest));
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
            if !self.keys.is_empty() && !self.is_signed(&envelope) {
                self.report(name, "is not signed by a given key");
                continue;
            }
            let payload = envelope.payload();
            match payload.and_then(|payload| Statement::<Checkpoint>::read(&payload)) {
                Ok(statement) => {
                    statements.insert(statement.predicate.number, statement.predicate);
                    self.found.checkpoints += 1;
                }
                Err(problem) => self.report(name, problem),
            }
        }
        for (_, value) in self.lines(PROOFS) {
            if let Err(problem) = self.proof(value, &statements) {
                self.report(PROOFS, problem);
            }
        }
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
