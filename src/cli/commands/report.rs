//! `report`: a report of a period, as one HTML page.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

use crate::cli::args::rules::RuleFlags;
use crate::cli::args::{StoreArgs, parse_every, parse_when};
use crate::cli::error::{CliError, Exit, say};
use crate::cli::evidence;
use crate::cli::out_file::OutFile;
use crate::cli::render::print_with;
use crate::cli::store::Store;
use crate::domain::{AccountId, Clock, SystemClock, Timestamp};
use crate::output::text::{count, format_time};
use crate::report::{Report, ReportRequest, page};

/// Write a report of a period as one HTML page
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The page is one file that needs no network. It has each connection's timeline with \
its gaps, every change and run, the results of the compliance rules at the end of \
the period (the rules of `ccinv check`), and how to verify it.

Examples:
  ccinv report --out october.html --since 2026-10-01 --until 2026-11-01
  ccinv report --out report.html --since 7d --every 1h
  ccinv report --out report.html --rules rules.toml
  ccinv report --out - --account 123456789012 > report.html

Exit codes: 0 success, also with findings; 4 an account has no complete run in the \
period. Nothing is written if no account has one.")]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Write to this file, replacing it; - writes to standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Start of the period: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_when)]
    since: Timestamp,
    /// End of the period
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = parse_when)]
    until: Timestamp,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Expected interval of runs: 1h, 15m, 1d [default: the usual interval]
    ///
    /// A gap is reported when it is at least 10% longer: schedules are not exact.
    #[arg(long, value_name = "DURATION", value_parser = parse_every)]
    every: Option<i64>,
    /// Print this time as the page's creation time, to compare two reports byte
    /// by byte [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_when, hide_short_help = true)]
    made_at: Option<Timestamp>,
    /// Evaluate no rules: the page has no findings
    #[arg(long, conflicts_with = "rules")]
    no_rules: bool,
    /// Read rules from this TOML file, as for `ccinv check`
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    #[command(flatten)]
    flags: RuleFlags,
}

pub(crate) async fn run(args: ReportArgs) -> Result<Exit, CliError> {
    if args.since >= args.until {
        return Err(CliError::Usage(format!(
            "--since {} is not before --until {}",
            format_time(args.since),
            format_time(args.until)
        )));
    }
    evidence::require_past("--until", args.until)?;
    let rules = match args.no_rules {
        true => {
            args.flags.refuse_beside("--no-rules")?;
            Vec::new()
        }
        false => args.flags.with_file(args.rules.as_deref())?,
    };
    // Checked before reading, which may take a while.
    let out = Out::new(&args.out)?;
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let request = ReportRequest {
        since: args.since,
        until: args.until,
        account: args.account.clone(),
        every_ms: args.every,
        made_at: args.made_at.unwrap_or_else(|| SystemClock.now()),
    };
    let report = Report::gather(&audit, &request, &rules).await;
    let report = report.map_err(CliError::failure)?;
    let bases: Vec<_> = report.accounts.iter().map(|a| a.basis.clone()).collect();
    evidence::require_runs(&audit, &bases, args.account.as_ref(), Some(args.until)).await?;
    args.flags.asked(&rules).refuse_unknown(&audit).await?;
    if !report.is_evidence() {
        return Err(CliError::NoEvidence(format!(
            "{}; nothing was written",
            not_covered(&report)
        )));
    }
    out.write(&report)?;
    if let Out::File(file) = &out {
        say(&format!(
            "{} written: {}, {}, {}",
            file.path().display(),
            count(report.connections.len(), "connection"),
            count(report.changes.len(), "change"),
            count(report.runs.len(), "run")
        ));
    }
    if report.without_evidence().is_empty() {
        return Ok(Exit::Success);
    }
    Err(CliError::NoEvidence(not_covered(&report)))
}

/// Describes the accounts without a complete run in the period.
fn not_covered(report: &Report) -> String {
    let accounts = report.without_evidence();
    let accounts: Vec<&str> = accounts.iter().map(|a| a.account.as_str()).collect();
    format!(
        "no complete run of account {} from {} to {}: its connections in that period are unknown",
        accounts.join(", "),
        format_time(report.since),
        format_time(report.until)
    )
}

/// The destination of the page.
enum Out {
    Stdout,
    File(OutFile),
}

impl Out {
    /// Checks the destination.
    fn new(path: &Path) -> Result<Self, CliError> {
        match path.as_os_str() == "-" {
            true => Ok(Self::Stdout),
            false => OutFile::new(path).map(Self::File),
        }
    }

    /// Writes the page.
    fn write(&self, report: &Report) -> Result<(), CliError> {
        match self {
            Self::Stdout => print_with(|out| page::write_page(report, out)).map(|_| ()),
            Self::File(file) => file.write(|out| page::write_page(report, out)),
        }
    }
}
