//! `runs`: runs with their outcomes, and the gaps between them.

use clap::Args as ClapArgs;

use crate::audit::concurrently::each_account;
use crate::audit::gaps::usual_interval;
use crate::audit::runs::RunsInTable;
use crate::audit::{Audit, AuditError, Gap};
use crate::cli::args::{StoreArgs, parse_every, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::csv::field;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{FormatArgs, Row, RowAnswer};
use crate::cli::store::Store;
use crate::domain::{AccountId, Clock, Outcome, RunRecord, SystemClock, Timestamp};
use crate::output::text::{count, format_duration, format_time};

/// List runs, newest first, or the gaps between them
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  ccinv runs
  ccinv runs --since 7d --outcome PARTIAL
  ccinv runs --gaps --every 1h --since 2026-10-01
  ccinv runs --limit 5 --json

Exit codes: 0 success, 4 no run is recorded, runs of the time range are not in the \
table, or the gaps of an account are unknown.")]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// List runs started from here on: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    since: Option<Timestamp>,
    /// List runs started before this time
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    until: Option<Timestamp>,
    /// Filter by outcome: COMPLETE, PARTIAL, FAILED
    #[arg(long, value_name = "OUTCOME", value_parser = parse_outcome)]
    outcome: Option<Outcome>,
    /// Maximum runs per account [default: 20; all with --since or --until]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// List periods without a complete run, instead of runs
    #[arg(long, conflicts_with_all = ["outcome", "limit"])]
    gaps: bool,
    /// Expected interval of runs: 1h, 15m, 1d [default: the usual interval]
    ///
    /// A gap is reported when it is at least 10% longer: schedules are not exact.
    #[arg(long, value_name = "DURATION", requires = "gaps", value_parser = parse_every)]
    every: Option<i64>,
    #[command(flatten)]
    format: FormatArgs,
}

const USUAL_LIMIT: usize = 20;

pub(crate) async fn run(args: RunsArgs) -> Result<Exit, CliError> {
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since >= until
    {
        return Err(CliError::Usage(format!(
            "--since {} is not before --until {}",
            format_time(since),
            format_time(until)
        )));
    }
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let bases = evidence::current(&audit, args.account.as_ref()).await?;
    let accounts: Vec<AccountId> = bases.into_iter().map(|basis| basis.account).collect();
    if args.gaps {
        gaps(&audit, &accounts, &args).await
    } else {
        runs(&audit, &accounts, &args).await
    }
}

async fn runs(audit: &Audit, accounts: &[AccountId], args: &RunsArgs) -> Result<Exit, CliError> {
    let in_span = args.since.is_some() || args.until.is_some();
    let usual = if in_span { usize::MAX } else { USUAL_LIMIT };
    let limit = args.limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(usual);
    let of_account = async |account: &AccountId| {
        let mut found = match in_span || args.outcome.is_some() {
            true => {
                let since = args.since.unwrap_or(Timestamp::from_millis(i64::MIN));
                let until = args.until.unwrap_or(Timestamp::from_millis(i64::MAX));
                audit.runs_between(account, since, until).await?
            }
            false => {
                let mut runs = audit.runs(account, limit).await?;
                runs.reverse();
                let first = runs.first().map_or(0, |run| run.sequence);
                let missing = (first > 1).then(|| AuditError::RunsNotInTable {
                    account: account.clone(),
                    first,
                });
                RunsInTable { runs, missing }
            }
        };
        let runs = &mut found.runs;
        runs.reverse();
        runs.retain(|run| args.outcome.is_none_or(|outcome| outcome == run.outcome));
        if runs.len() >= limit {
            runs.truncate(limit);
            found.missing = None;
        }
        Ok(found)
    };
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let read = each_account(audit.reading(accounts), of_account, |of_account| {
        found.extend(of_account.runs);
        missing.extend(of_account.missing);
        true
    });
    read.await.map_err(CliError::failure)?;
    let answer = RowAnswer {
        rows: &found,
        document: &found,
        notes: evidence::earlier_runs_note(missing.len())
            .into_iter()
            .collect(),
    };
    answer.print(args.format, run_table)?;
    // What names no time is asked of the runs that are there.
    let is_asked = args.since.is_some() || (args.until.is_some() && found.is_empty());
    match missing.into_iter().find(|_| is_asked) {
        Some(missing) => Err(CliError::failure(missing)),
        None => Ok(Exit::Success),
    }
}

/// Returns a table of runs, with their problems under them.
pub(crate) fn run_table(runs: &[RunRecord]) -> TextTable {
    let mut table = TextTable::new([
        ("ACCOUNT", Cut::Never),
        ("#", Cut::Never),
        ("STARTED", Cut::Never),
        ("OUTCOME", Cut::Never),
        ("TRIGGER", Cut::End),
        ("LISTED", Cut::Never),
        ("CONNECTIONS", Cut::Never),
        ("CHANGES", Cut::Never),
    ])
    .may_drop(["LISTED", "ACCOUNT"]);
    for run in runs {
        let complete = run.listings.iter().filter(|listing| listing.complete);
        let cells = [
            run.account.to_string().into(),
            run.sequence.to_string().into(),
            format_time(run.started_at).into(),
            Cell::word(run.outcome.as_str()),
            run.trigger.word().to_owned().into(),
            format!("{}/{}", complete.count(), run.listings.len()).into(),
            run.connections.values().sum::<u64>().to_string().into(),
            run.changes.values().sum::<u64>().to_string().into(),
        ];
        let calls = run.trigger.calls_in_words();
        let mut notes: Vec<String> = calls.iter().map(|calls| format!("after {calls}")).collect();
        notes.extend(run.problems.iter().map(|p| format!("missing: {p}")));
        notes.extend(run.agreement.as_ref().and_then(evidence::disagreement));
        table.add(cells, notes);
    }
    table
}

async fn gaps(audit: &Audit, accounts: &[AccountId], args: &RunsArgs) -> Result<Exit, CliError> {
    let now = SystemClock.now();
    let until = args.until.unwrap_or(now).min(now);
    let mut found = Vec::new();
    let mut notes = Vec::new();
    let mut unknown = Unknown::default();
    let mut without_earlier_runs = 0;
    for account in accounts {
        let beginning = args.since.unwrap_or(Timestamp::from_millis(i64::MIN));
        let between = audit.runs_between(account, beginning, until).await;
        let RunsInTable { runs, missing } = between.map_err(CliError::failure)?;
        without_earlier_runs += usize::from(missing.is_some());
        let complete = runs.iter().find(|run| run.is_evidence());
        let Some(since) = args.since.or(complete.map(|run| run.started_at)) else {
            unknown.without_complete_run.push(account.as_str());
            continue;
        };
        let Some(every) = args.every.or_else(|| usual_interval(&runs)) else {
            match missing.filter(|_| args.since.is_some()) {
                Some(missing) => unknown.not_in_table.push(missing),
                None => unknown.without_interval.push(account.as_str()),
            }
            continue;
        };
        let of_account = match audit.gaps(account, since, until, every).await {
            Err(missing @ AuditError::RunsNotInTable { .. }) => {
                unknown.not_in_table.push(missing);
                continue;
            }
            of_account => of_account.map_err(CliError::failure)?,
        };
        let lasted = of_account.iter().map(|gap| gap.lasted_ms).sum();
        notes.push(format!(
            "account {account}: {} of more than {} from {} to {}, {} in all",
            count(of_account.len(), "gap"),
            format_duration(u64::try_from(every).unwrap_or(0)),
            format_time(since),
            format_time(until),
            format_duration(lasted)
        ));
        found.extend(of_account);
    }
    if notes.is_empty() {
        return unknown.refuse_all(until).map(|()| Exit::Success);
    }
    notes.extend(unknown.note());
    notes.extend(evidence::earlier_runs_note(without_earlier_runs));
    let answer = RowAnswer {
        rows: &found,
        document: &found,
        notes,
    };
    answer.print(args.format, gap_table)?;
    unknown.refuse(until).map(|()| Exit::Success)
}

/// The accounts whose gaps are unknown, by reason.
#[derive(Default)]
struct Unknown<'a> {
    without_complete_run: Vec<&'a str>,
    /// `--every` would help.
    without_interval: Vec<&'a str>,
    not_in_table: Vec<AuditError>,
}

impl Unknown<'_> {
    fn note(&self) -> Option<String> {
        let accounts =
            self.without_complete_run.len() + self.without_interval.len() + self.not_in_table.len();
        (accounts > 0).then(|| format!("the gaps of {} are unknown", count(accounts, "account")))
    }

    /// Refuses to call the answer complete, and names the accounts.
    fn refuse(&self, until: Timestamp) -> Result<(), CliError> {
        let mut problems = Vec::new();
        if !self.without_complete_run.is_empty() {
            problems.push(format!(
                "account {}: no complete run before {}; the whole period is a gap",
                self.without_complete_run.join(", "),
                format_time(until)
            ));
        }
        if !self.without_interval.is_empty() {
            problems.push(format!(
                "account {}: too few complete runs to determine their usual interval; set it, \
                 such as --every 1h",
                self.without_interval.join(", ")
            ));
        }
        problems.extend(self.not_in_table.iter().map(ToString::to_string));
        match problems.is_empty() {
            true => Ok(()),
            false => Err(CliError::NoEvidence(problems.join("; "))),
        }
    }

    /// Refuses an answer without any account: it is wrong usage if `--every` would help.
    fn refuse_all(&self, until: Timestamp) -> Result<(), CliError> {
        match self.refuse(until) {
            Err(CliError::NoEvidence(problem)) if !self.without_interval.is_empty() => {
                Err(CliError::Usage(problem))
            }
            refused => refused,
        }
    }
}

fn gap_table(gaps: &[Gap]) -> TextTable {
    let mut table = TextTable::new([
        ("ACCOUNT", Cut::Never),
        ("LAST COMPLETE RUN", Cut::Never),
        ("NEXT COMPLETE RUN", Cut::Never),
        ("LASTED", Cut::Never),
        ("MISSED", Cut::Never),
    ]);
    let or_none = |at: Option<Timestamp>| at.map_or("none".to_owned(), format_time);
    for gap in gaps {
        let cells = [
            gap.account.to_string().into(),
            or_none(gap.after).into(),
            or_none(gap.before).into(),
            format_duration(gap.lasted_ms).into(),
            gap.missed.to_string().into(),
        ];
        table.add(cells, Vec::new());
    }
    table
}

fn parse_outcome(text: &str) -> Result<Outcome, String> {
    let outcome = text.to_ascii_uppercase().parse();
    outcome.map_err(|malformed: crate::domain::ids::ParseError| malformed.to_string())
}

impl Row for RunRecord {
    fn header() -> Vec<&'static str> {
        vec![
            "account",
            "sequence",
            "run_id",
            "started_at",
            "finished_at",
            "outcome",
            "trigger",
            "event_id",
            "principal_arn",
            "source_ip",
            "regions",
            "regions_not_complete",
            "connections",
            "changes",
            "tombstones_held_back",
            "unwritten",
            "problems",
            "code_version",
            "previous_digest",
            "digest",
        ]
    }

    fn csv(&self) -> Vec<String> {
        let (principal, source) = self.trigger.caller();
        let regions = |incomplete_only: bool| {
            let names = self.listings.iter();
            let names = names.filter(|listing| !(incomplete_only && listing.complete));
            let names: Vec<&str> = names.map(|listing| listing.region.as_str()).collect();
            names.join(" ")
        };
        vec![
            self.account.to_string(),
            self.sequence.to_string(),
            self.run_id.to_string(),
            self.started_at.to_string(),
            self.finished_at.to_string(),
            self.outcome.to_string(),
            self.trigger.word().to_owned(),
            field(self.trigger.event_id()),
            field(principal),
            field(source),
            regions(false),
            regions(true),
            self.connections.values().sum::<u64>().to_string(),
            self.changes.values().sum::<u64>().to_string(),
            self.tombstones_held_back.to_string(),
            self.unwritten.to_string(),
            self.problems.join("; "),
            self.code_version.to_string(),
            field(self.previous_digest),
            self.digest().to_string(),
        ]
    }
}

impl Row for Gap {
    fn header() -> Vec<&'static str> {
        vec![
            "account",
            "last_complete_run_at",
            "next_complete_run_at",
            "from",
            "until",
            "lasted_ms",
            "missed",
        ]
    }

    fn csv(&self) -> Vec<String> {
        vec![
            self.account.to_string(),
            field(self.after),
            field(self.before),
            self.from.to_string(),
            self.until.to_string(),
            self.lasted_ms.to_string(),
            self.missed.to_string(),
        ]
    }
}
