//! `export bundle`: the evidence of a period in one archive.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::audit::{Audit, ChangeFilter, ConnectionFilter};
use crate::bundle::archive::{self, Files};
use crate::bundle::manifest::{self, Bundle, MANIFEST, SIGNED_MANIFEST};
use crate::bundle::proofs::{self, Added};
use crate::bundle::records::{self, changes_name, runs_name};
use crate::checkpoint::chain_state::ChainKind;
use crate::checkpoint::envelope::Envelope;
use crate::cli::args::checkpoints::{Location, SigningKey, parse_location, parse_signing_key};
use crate::cli::args::rules::RuleFlags;
use crate::cli::args::{StoreArgs, parse_when};
use crate::cli::error::{CliError, Exit, say};
use crate::cli::evidence;
use crate::cli::out_file::OutFile;
use crate::cli::render::Row;
use crate::cli::render::csv::inert;
use crate::cli::store::Store;
use crate::compliance::check::CheckReport;
use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, Clock, Connection, Dependency, Finding, SystemClock, Timestamp};
use crate::output::text::{count, format_time};
use crate::report::{Report, ReportRequest, page};
use crate::sql::tables::findings::{FINDINGS, FindingRow};

/// For the auditor, in the archive.
const README: &str = include_str!("../../../templates/bundle.md");

/// The options of `export bundle`.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Bundle")]
pub(crate) struct BundleArgs {
    /// Start of its period: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when, required_if_eq("what", "bundle"))]
    since: Option<Timestamp>,
    /// End of its period, excluded: at least 16 minutes ago
    #[arg(long, value_name = "TIME", value_parser = parse_when, required_if_eq("what", "bundle"))]
    until: Option<Timestamp>,
    /// Add the checkpoints of the period from this directory or bucket
    #[arg(long, value_name = "PLACE", value_parser = parse_location)]
    checkpoints: Option<Location>,
    /// Sign the manifest with this private key: a PEM file, an ARN of AWS KMS or alias/NAME
    #[arg(long, value_name = "KEY", value_parser = parse_signing_key)]
    key: Option<SigningKey>,
    /// Evaluate the rules in this TOML file instead of the default rules
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Write the archive (tar) to this file
    #[arg(long, value_name = "FILE", required_if_eq("what", "bundle"))]
    out: Option<PathBuf>,
}

impl BundleArgs {
    /// Returns true if an option of a bundle was given.
    pub(crate) fn any(&self) -> bool {
        self.since.is_some()
            || self.until.is_some()
            || self.checkpoints.is_some()
            || self.key.is_some()
            || self.rules.is_some()
            || self.out.is_some()
    }
}

pub(crate) async fn bundle(
    args: &BundleArgs,
    store_args: &StoreArgs,
    account: Option<&AccountId>,
) -> Result<Exit, CliError> {
    let (Some(since), Some(until), Some(out)) = (args.since, args.until, &args.out) else {
        let problem = "bundle: needs --since, --until and --out".to_owned();
        return Err(CliError::Usage(problem));
    };
    if since >= until {
        let (since, until) = (format_time(since), format_time(until));
        let problem = format!("--since {since} is not before --until {until}");
        return Err(CliError::Usage(problem));
    }
    let final_before = crate::audit::final_before(SystemClock.now());
    if until > final_before {
        return Err(CliError::Usage(format!(
            "--until {}: changes before it may still be recorded; take {} or earlier",
            format_time(until),
            format_time(final_before)
        )));
    }
    let out = OutFile::new(out)?;
    let rules = RuleFlags::default().with_file(args.rules.as_deref())?;
    let signer = match &args.key {
        Some(key) => Some(key.open("--key", &store_args.aws).await?),
        None => None,
    };
    let checkpoints = match &args.checkpoints {
        Some(place) => Some(place.open("--checkpoints", &store_args.aws).await?),
        None => None,
    };
    let store = Store::open(store_args).await?;
    let audit = store.audit();
    let request = ReportRequest {
        since,
        until,
        account: account.cloned(),
        every_ms: None,
        // Not the time of the command: the same evidence gives the same bytes.
        made_at: until,
    };
    let report = Report::gather(&audit, &request, &rules).await;
    let report = report.map_err(CliError::failure)?;
    let bases: Vec<_> = report.accounts.iter().map(|a| a.basis.clone()).collect();
    evidence::require_runs(&audit, &bases, account, Some(until)).await?;
    let covered = evidence::require_complete_run(&bases);
    if !report.is_evidence() {
        return covered.and(Err(CliError::NoEvidence(
            "no complete run in that period; nothing was written".to_owned(),
        )));
    }
    let accounts: Vec<AccountId> = bases.iter().map(|basis| basis.account.clone()).collect();

    let mut files = Files::new();
    let mut page = Vec::new();
    page::write_page(&report, &mut page).map_err(CliError::failure)?;
    files.insert("report.html".to_owned(), page);
    answers(&mut files, &audit, &report, account).await?;
    let basis = bases.iter().map(|basis| canonical_json(basis) + "\n");
    let basis = basis.collect::<String>().into_bytes();
    files.insert("answers/basis.jsonl".to_owned(), basis);
    let mut added = Added::default();
    if let Some(checkpoints) = &checkpoints {
        let adding = proofs::add(&mut files, checkpoints, &accounts, since, until).await;
        added = adding.map_err(CliError::failure)?;
        for problem in &added.problems {
            say(&format!("--checkpoints: {problem}"));
        }
    }
    let table = store.table();
    let period = (since, until);
    let mut stated = |kind| added.runs.remove(&kind).unwrap_or_default();
    let connections = stated(ChainKind::Connections);
    let dependencies = stated(ChainKind::Dependencies);
    let findings = stated(ChainKind::Findings);
    let mut with_runs = BTreeSet::new();
    for (kind, records) in [
        (
            ChainKind::Connections,
            records::read::<Connection>(table, &accounts, period, &connections).await,
        ),
        (
            ChainKind::Dependencies,
            records::read::<Dependency>(table, &accounts, period, &dependencies).await,
        ),
        (
            ChainKind::Findings,
            records::read::<Finding>(table, &accounts, period, &findings).await,
        ),
    ] {
        let records = records.map_err(CliError::failure)?;
        with_runs.extend(records.accounts);
        let of_runs = (runs_name(kind), records.runs);
        let of_changes = (changes_name(kind), records.changes);
        for (name, lines) in [of_runs, of_changes] {
            if !lines.is_empty() {
                files.insert(name, lines.into_bytes());
            }
        }
    }
    files.insert("README.md".to_owned(), README.as_bytes().to_vec());
    let bundle = Bundle {
        since,
        until,
        accounts: with_runs.into_iter().collect(),
        table: table.name().to_string(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let manifest = manifest::of(&files, bundle).to_text();
    if let Some(signer) = &signer {
        let signed = Envelope::sign(&manifest, signer).await;
        let signed = signed.map_err(CliError::failure)?.to_text();
        files.insert(SIGNED_MANIFEST.to_owned(), signed.into_bytes());
    }
    files.insert(MANIFEST.to_owned(), manifest.into_bytes());
    out.write(|file| archive::write(&files, file))?;
    let number = usize::try_from(added.checkpoints).unwrap_or(usize::MAX);
    say(&format!(
        "{} written: {}, {}, {}, {}",
        out.path().display(),
        count(files.len(), "file"),
        count(report.runs.len(), "run"),
        count(report.changes.len(), "change"),
        count(number, "checkpoint")
    ));
    covered.map(|()| Exit::Success)
}

/// Adds the answers to the questions of an audit, each as CSV and JSON Lines.
async fn answers(
    files: &mut Files,
    audit: &Audit,
    report: &Report,
    account: Option<&AccountId>,
) -> Result<(), CliError> {
    let connections = ConnectionFilter {
        account: account.cloned(),
        include_deleted: true,
        ..ConnectionFilter::default()
    };
    for (name, at) in [("since", report.since), ("until", report.until)] {
        let rows = audit.connections_as_of(&connections, at).await;
        let rows = rows.map_err(CliError::failure)?;
        add_rows(files, &format!("connections-{name}"), &rows)?;
    }
    let changes = ChangeFilter {
        since: report.since,
        until: report.until,
        kind: None,
        status: None,
        provider: None,
        account: account.cloned(),
    };
    let changes = audit.changes(&changes).await.map_err(CliError::failure)?;
    add_rows(files, "changes", &changes)?;
    if let Some(checked) = &report.check_report {
        add_rows(files, "findings", &findings(checked))?;
    }
    Ok(())
}

fn add_rows<R: Row>(files: &mut Files, name: &str, rows: &[R]) -> Result<(), CliError> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let mut lines = String::new();
    csv.write_record(R::header()).map_err(CliError::failure)?;
    for row in rows {
        let fields = row.csv();
        let fields = fields.iter().map(|field| inert(field));
        csv.write_record(fields).map_err(CliError::failure)?;
        lines.push_str(&serde_json::to_string(row).map_err(CliError::failure)?);
        lines.push('\n');
    }
    let csv = csv.into_inner();
    let csv = csv.map_err(|error| CliError::failure(error.into_error()))?;
    files.insert(format!("answers/{name}.csv"), csv);
    files.insert(format!("answers/{name}.jsonl"), lines.into_bytes());
    Ok(())
}

/// A finding, with the columns of the table `findings` of `ccinv sql`.
#[derive(Serialize)]
struct FindingLine(Map<String, Json>);

fn findings(checked: &CheckReport) -> Vec<FindingLine> {
    let line = |row: FindingRow| {
        let columns = FINDINGS.iter();
        let members = columns.map(|column| (column.name.to_owned(), column.json(&row)));
        FindingLine(members.collect())
    };
    FindingRow::all_of(checked).map(line).collect()
}

impl Row for FindingLine {
    fn header() -> Vec<&'static str> {
        FINDINGS.iter().map(|column| column.name).collect()
    }

    fn csv(&self) -> Vec<String> {
        let members = FINDINGS.iter().map(|column| &self.0[column.name]);
        let field = |value: &Json| match value {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        members.map(field).collect()
    }
}
