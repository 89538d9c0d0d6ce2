//! `verify`: the integrity of the recorded history.

use crate::bundle::chain::BundledChain;
use crate::bundle::verify::BundleVerified;
use crate::bundle::{self, archive};
use crate::checkpoint::verify::CheckpointsVerified;
use crate::checkpoint::{self, PublicKey};
use crate::cli::args::StoreArgs;
use crate::cli::args::checkpoints::{Location, parse_location, public_key};
use clap::Args as ClapArgs;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::archive::Segment;
use crate::audit::verify::{AccountVerified, Alteration, Verification, Verifier};
use crate::cli::error::{CliError, Exit};
use crate::cli::render::{print, print_json};
use crate::cli::store::Store;
use crate::cli::{progress, suggestions};
use crate::domain::ids::ParseError;
use crate::domain::{AccountId, Clock, Digest, SystemClock};
use crate::output::escape::printable;
use crate::output::text::{count, format_time};
use crate::table::keys;

/// Verify the integrity of the recorded history
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Reads every record once, recomputes all digests and chains, and names each record \
that was edited, removed or inserted. The head of an account is the digest of its \
last run; every run logs it. Pass a logged digest as --head to verify that the table \
was not replaced, and not truncated before that run. With --checkpoints it also \
verifies that the table contains what each signed checkpoint states, and says from \
which time on none covers it.

Examples:
  ccinv verify
  ccinv verify --table codeconnections-inventory --account 123456789012
  ccinv verify --head 5f0c…        a digest that a run logged
  ccinv verify --heads heads.txt   digests of many accounts
  ccinv verify --checkpoints s3://evidence/inventory --public-key key.pub
  ccinv verify --archive s3://old-runs
  ccinv verify --bundle october.tar --manifest-key key.pub

Exit codes: 0 verified, 3 findings, 4 nothing is recorded, or there is no checkpoint or \
archive.")]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
    /// Require a run with this digest, as logged or noted elsewhere
    #[arg(long, value_name = "DIGEST")]
    pub(crate) head: Option<Digest>,
    /// Require the digests in this file, lines of ACCOUNT DIGEST; - reads standard input
    ///
    /// Each account must have a run with the digest. An account may have
    /// several lines.
    #[arg(long, value_name = "FILE", conflicts_with = "account")]
    pub(crate) heads: Option<PathBuf>,
    /// Verify this evidence bundle alone, without a network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["table", "account", "head", "heads", "checkpoints", "archive"])]
    pub(crate) bundle: Option<PathBuf>,
    /// Verify with the runs in this archive, a directory or bucket: DIR or s3://BUCKET/PREFIX
    #[arg(long, value_name = "PLACE", value_parser = parse_location)]
    pub(crate) archive: Option<Location>,
    /// Verify against the checkpoints in this directory or bucket: DIR or s3://BUCKET/PREFIX
    #[arg(long, value_name = "PLACE", value_parser = parse_location, requires = "public_key")]
    pub(crate) checkpoints: Option<Location>,
    /// Verify the signature of the bundle's manifest with this key: a PEM or DER file
    #[arg(long, value_name = "FILE", requires = "bundle")]
    pub(crate) manifest_key: Option<PathBuf>,
    /// Verify signatures of checkpoints with this key, or one of these: a PEM or DER file
    ///
    /// Of a key of AWS KMS: aws kms get-public-key --key-id KEY --query PublicKey
    /// --output text | base64 -d
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Vec<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(args: VerifyArgs) -> Result<Exit, CliError> {
    let keys = args.public_key.iter();
    let keys: Result<Vec<PublicKey>, _> =
        keys.map(|path| public_key("--public-key", path)).collect();
    let keys = keys?;
    if let Some(bundle) = &args.bundle {
        let key = args.manifest_key.as_deref();
        let key = key
            .map(|path| public_key("--manifest-key", path))
            .transpose()?;
        return verify_bundle(bundle, key.as_ref(), &keys, args.json);
    }
    if args.checkpoints.is_none() && !keys.is_empty() {
        let problem = "--public-key: needs --checkpoints or --bundle".to_owned();
        return Err(CliError::Usage(problem));
    }
    let heads = match &args.heads {
        Some(path) => read_heads(path)?,
        None => Vec::new(),
    };
    let checkpoints = match &args.checkpoints {
        Some(place) => {
            let place = place.open("--checkpoints", &args.store.aws).await?;
            // Before the table is read: a later one states runs that were recorded since.
            let listed = place.checkpoints(0).await.map_err(CliError::failure)?;
            Some((place, listed))
        }
        None => None,
    };
    let archive = match &args.archive {
        Some(place) => Some(place.open("--archive", &args.store.aws).await?),
        None => None,
    };
    let store = Store::open(&args.store).await?;
    let now = SystemClock.now();
    let read = AtomicU64::new(0);
    let verifying = async {
        let only = args.account.as_ref();
        let mut verifier = Verifier::default();
        let progress = |records| read.store(records, Ordering::Relaxed);
        let reading = verifier.read(store.table(), progress).await;
        reading.map_err(CliError::failure)?;
        // After the table: what is deleted meanwhile is in the archive.
        let unreadable = match &archive {
            Some(place) => add_archive(&mut verifier, place, only, &read).await?,
            None => Vec::new(),
        };
        let mut found = verifier.verification(only, now).await;
        found.findings.extend(unreadable);
        Ok::<_, CliError>(found)
    };
    let found = progress::shown(verifying, || {
        format!("verifying: {} records read", read.load(Ordering::Relaxed))
    });
    let mut found = found.await?;
    let has_records = !found.accounts.is_empty();
    let is_required = args.head.is_some() || !heads.is_empty();
    let missing = missing_heads(&found, heads);
    found.findings.extend(missing);
    let place = checkpoints.as_ref().map(|(place, _)| place.locate(""));
    let compared = match checkpoints {
        None => None,
        Some((place, listed)) => {
            let only = args.account.as_ref();
            let comparing = checkpoint::verify::verify(&place, listed, &keys, &found, only);
            let compared = progress::shown(comparing, || "verifying checkpoints".to_owned());
            Some(compared.await.map_err(CliError::failure)?)
        }
    };
    let has_findings = |compared: &CheckpointsVerified| !compared.findings.is_empty();
    let has_findings = !found.findings.is_empty() || compared.as_ref().is_some_and(has_findings);
    if !has_records && !has_findings && !is_required {
        let whose = match &args.account {
            Some(account) => format!(" of account {account}"),
            None => String::new(),
        };
        let others = suggestions::other_accounts(&store.audit(), args.account.as_ref()).await?;
        return Err(CliError::NoEvidence(format!(
            "nothing{whose} is recorded here, so nothing can be verified{others}"
        )));
    }
    let stray = args.head.filter(|head| !has_head(&found, *head));
    if args.json {
        print_json(&Verified {
            records: &found,
            checkpoints: compared.as_ref(),
        })?;
    } else {
        print(&describe(&found, compared.as_ref()))?;
    }
    if let Some(head) = stray {
        return Err(CliError::Findings(format!(
            "--head: no run has the digest {head}; the table was replaced, or truncated before that \
             run"
        )));
    }
    if has_findings {
        return Ok(Exit::Findings);
    }
    match (&compared, place) {
        (Some(compared), Some(place)) if compared.checkpoints == 0 => {
            Err(CliError::NoEvidence(format!("no checkpoint is in {place}")))
        }
        _ => Ok(Exit::Success),
    }
}

/// Adds the runs of an archive. Returns what is wrong with its lines.
async fn add_archive(
    verifier: &mut Verifier,
    place: &checkpoint::Store,
    only: Option<&AccountId>,
    read: &AtomicU64,
) -> Result<Vec<Alteration>, CliError> {
    let mut unreadable = Vec::new();
    let segments = Segment::list(place).await.map_err(CliError::failure)?;
    if segments.is_empty() {
        let place = place.locate("");
        return Err(CliError::NoEvidence(format!(
            "no run is archived in {place}"
        )));
    }
    for segment in segments {
        if only.is_some_and(|only| segment.chain.account != *only) {
            continue;
        }
        let content = segment.read(place).await.map_err(CliError::failure)?;
        let name = place.locate(&segment.name());
        let problems = content.problems.into_iter();
        unreadable.extend(problems.map(|problem| Alteration {
            pk: segment.partition(),
            sk: keys::run_sk(segment.first),
            problem: format!("{name}: {problem}"),
        }));
        verifier.add_archived(content.items).await;
        read.store(verifier.read_items(), Ordering::Relaxed);
    }
    Ok(unreadable)
}

/// The result as JSON.
#[derive(Serialize)]
struct Verified<'a> {
    #[serde(flatten)]
    records: &'a Verification,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoints: Option<&'a CheckpointsVerified>,
}

/// Reads a file of heads, one per line: an account and the digest of one of its
/// runs. Skips empty lines and lines that start with `#`.
fn read_heads(path: &Path) -> Result<Vec<(AccountId, Digest)>, CliError> {
    let unreadable = |error: io::Error| CliError::Usage(format!("{}: {error}", path.display()));
    let text = match path == Path::new("-") {
        true => io::read_to_string(io::stdin()),
        false => std::fs::read_to_string(path),
    };
    let text = text.map_err(unreadable)?;
    let mut heads = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let head = head_of(line).map_err(|problem| {
            CliError::Usage(format!("{}:{number}: {problem}", path.display()))
        })?;
        heads.push(head);
    }
    if heads.is_empty() {
        return Err(CliError::Usage(format!(
            "{}: no heads; expected lines of an account and a digest",
            path.display()
        )));
    }
    Ok(heads)
}

fn head_of(line: &str) -> Result<(AccountId, Digest), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [account, digest] = words.as_slice() else {
        return Err("expected an account and a digest, separated by a blank".to_owned());
    };
    let account: AccountId = account.parse().map_err(|e: ParseError| e.to_string())?;
    let digest: Digest = digest.parse().map_err(|e: ParseError| e.to_string())?;
    Ok((account, digest))
}

/// Returns a finding for each account without records, and for each digest that
/// no run of its account has.
fn missing_heads(found: &Verification, heads: Vec<(AccountId, Digest)>) -> Vec<Alteration> {
    let recorded: HashMap<&AccountId, HashSet<&Digest>> = found
        .accounts
        .iter()
        .map(|account| (&account.account, digests_of(found, account)))
        .collect();
    let missing = heads.into_iter().filter_map(|(account, head)| {
        let problem = match recorded.get(&account) {
            Some(digests) if digests.contains(&head) => return None,
            Some(_) => format!(
                "no run of account {account} has the digest {head}; the table was replaced, or \
                 truncated before that run"
            ),
            None => {
                format!("account {account} has no records; one of its runs had the digest {head}")
            }
        };
        Some(Alteration {
            pk: keys::account_pk(&account),
            sk: keys::ACCOUNT_SK.to_owned(),
            problem,
        })
    });
    missing.collect()
}

/// Returns the digests of an account's runs, those of its dependencies and findings
/// too.
fn digests_of<'a>(found: &'a Verification, account: &'a AccountVerified) -> HashSet<&'a Digest> {
    let others = found.dependencies.iter().chain(&found.evaluations);
    let others = others.filter(|other| other.account == account.account);
    let all = std::iter::once(account).chain(others);
    let digests = all.flat_map(|account| &account.digests);
    digests.map(|(_, digest)| digest).collect()
}

fn has_head(found: &Verification, head: Digest) -> bool {
    let accounts = found.accounts.iter().chain(&found.dependencies);
    let mut accounts = accounts.chain(&found.evaluations);
    accounts.any(|account| account.digests.iter().any(|(_, digest)| *digest == head))
}

/// Describes the result in lines of text.
fn describe(found: &Verification, compared: Option<&CheckpointsVerified>) -> String {
    let mut text = String::new();
    let connections = found.accounts.iter().map(|account| (account, "connection"));
    let dependencies = found.dependencies.iter();
    let dependencies = dependencies.map(|account| (account, "dependency"));
    let evaluations = found.evaluations.iter();
    let evaluations = evaluations.map(|account| (account, "finding"));
    for (account, noun) in connections.chain(dependencies).chain(evaluations) {
        let number = |n: u64, what: &str| count(usize::try_from(n).unwrap_or(usize::MAX), what);
        text.push_str(&format!(
            "account {}: {}, {}, {} checked\n",
            account.account,
            number(account.connections, noun),
            number(account.changes, "change"),
            number(account.runs, "run"),
        ));
        match account.head {
            Some(head) => text.push_str(&format!("  head {head}\n")),
            None => text.push_str("  no run recorded, no head\n"),
        }
        if !account.not_recorded.is_empty() {
            text.push_str(&format!(
                "  not recorded: {} with {}, crashed, in progress, archived or made up: \
                 compare the ids (--json) with the function's log\n",
                count(account.not_recorded.len(), "run"),
                number(account.not_recorded.values().sum(), "change"),
            ));
        }
    }
    for finding in &found.findings {
        let line = format!("{} {}: {}", finding.pk, finding.sk, finding.problem);
        text.push_str(&printable(&line));
        text.push('\n');
    }
    let of_checkpoints = compared.map_or(0, |compared| compared.findings.len());
    if let Some(compared) = compared {
        text.push_str(&describe_checkpoints(compared));
    }
    text.push_str(&match found.findings.len() + of_checkpoints {
        0 => "OK: all digests and chains verified, no record missing\n".to_owned(),
        n => format!("FAILED: {}\n", count(n, "finding")),
    });
    text
}

/// Describes what checkpoints show in lines of text.
fn describe_checkpoints(compared: &CheckpointsVerified) -> String {
    let number = |n: u64, what: &str| count(usize::try_from(n).unwrap_or(usize::MAX), what);
    let mut text = number(compared.checkpoints, "checkpoint");
    if let (Some(first), Some(last)) = (compared.first, compared.last) {
        let (first, last) = (first.made_at.to_the_second(), last.made_at.to_the_second());
        text.push_str(&format!(": {first} to {last}"));
    }
    text.push('\n');
    if compared.uncovered_runs > 0 {
        let runs = number(compared.uncovered_runs, "run");
        text.push_str(&format!("  no checkpoint covers {runs} since then\n"));
    }
    for finding in &compared.findings {
        let chain = finding.chain.as_ref();
        let chain = chain.map(|chain| format!(" ({chain})")).unwrap_or_default();
        let line = format!(
            "checkpoint {}{chain}: {}",
            finding.checkpoint, finding.problem
        );
        text.push_str(&printable(&line));
        text.push('\n');
    }
    text
}

/// Verifies a bundle.
fn verify_bundle(
    path: &Path,
    manifest_key: Option<&PublicKey>,
    keys: &[PublicKey],
    as_json: bool,
) -> Result<Exit, CliError> {
    let unreadable =
        |error: io::Error| CliError::Usage(format!("--bundle {}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let files = archive::read(io::BufReader::new(file)).map_err(unreadable)?;
    let found = bundle::verify::verify(&files, manifest_key, keys);
    if as_json {
        print_json(&found)?;
    } else {
        print(&describe_bundle(&found, !keys.is_empty()))?;
    }
    Ok(match found.findings.is_empty() {
        true => Exit::Success,
        false => Exit::Findings,
    })
}

/// Describes the result in lines of text.
fn describe_bundle(found: &BundleVerified, with_keys: bool) -> String {
    let number = |n: u64, what: &str| count(usize::try_from(n).unwrap_or(usize::MAX), what);
    let mut text = String::new();
    if let Some(bundle) = &found.bundle {
        let (since, until) = (format_time(bundle.since), format_time(bundle.until));
        let accounts = count(bundle.accounts.len(), "account");
        text.push_str(&format!("{accounts} from {since} to {until}\n"));
    }
    text.push_str(&format!(
        "{}, {}, {}, {} checked\n",
        number(found.files, "file"),
        number(found.runs, "run"),
        number(found.changes, "change"),
        number(found.checkpoints, "checkpoint"),
    ));
    if with_keys {
        let proven = |chain: &BundledChain| Some(chain.proven?.saturating_sub(chain.first) + 1);
        let proven: u64 = found.chains.iter().filter_map(proven).sum();
        let runs = number(found.runs, "run");
        text.push_str(&format!("checkpoints prove {proven} of {runs}\n"));
    }
    let strangers = found.chains.iter().flat_map(|chain| &chain.not_recorded);
    let (strangers, changes) = strangers.fold((0, 0), |(runs, changes), (_, number)| {
        (runs + 1, changes + number)
    });
    if strangers > 0 {
        text.push_str(&format!(
            "not in the bundle: {} with {}, crashed, recorded later or made up: compare the ids \
             (--json) with the function's log\n",
            count(strangers, "run"),
            number(changes, "change"),
        ));
    }
    for finding in &found.findings {
        text.push_str(&printable(&format!(
            "{}: {}",
            finding.file, finding.problem
        )));
        text.push('\n');
    }
    text.push_str(&match (found.findings.len(), found.signed) {
        (0, true) => "OK: signed, all digests and chains verified\n".to_owned(),
        (0, false) => {
            "OK: all digests and chains verified; the manifest's signature was not checked\n"
                .to_owned()
        }
        (n, _) => format!("FAILED: {}\n", count(n, "finding")),
    });
    text
}
