//! The arguments, and their help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};

use super::asked;
use super::aws::{AwsArgs, GlobalArgs};
use super::changes::{ChangesArgs, HistoryArgs};
use super::check::CheckArgs;
use super::cost::CostArgs;
use super::diff::DiffArgs;
use super::export::ExportArgs;
use super::list::ListArgs;
use super::report::ReportArgs;
use super::runs::RunsArgs;
use super::shell::CompletionsArgs;
use super::show::ShowArgs;
use super::when;
use crate::config::{TableName, parse_concurrency, parse_guard, parse_regions};
use crate::domain::plan::TombstoneGuard;
use crate::domain::{
    AccountId, ChangeKind, Clock, ConnectionArn, ConnectionStatus, Digest, ProviderType, Region,
    SystemClock, Timestamp,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  fine
  1  failure
  2  wrong usage; nothing was written
  3  findings: the record is not whole, or a rule is broken
  4  evidence is missing: nothing is recorded, or a run was not complete
  130  ended by Ctrl-C";

/// An inventory of AWS CodeConnections that can be believed.
#[derive(Debug, Parser)]
#[command(name = "ccinv", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(super) struct Args {
    #[command(flatten)]
    aws: GlobalArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what it does, with no AWS at all
    #[command(after_help = "\
Examples:
  ccinv demo                 an account changes, run by run; what was recorded
  ccinv demo --dir /tmp/d    the same, and the database stays there
  ccinv demo --serve         and then keeps the account up, for the AWS CLI")]
    Demo(DemoArgs),
    /// Take one inventory now, with your AWS credentials
    #[command(after_help = "\
Examples:
  ccinv scan                                      your region, into a local file
  ccinv scan --regions us-east-1,eu-south-1
  ccinv scan --table codeconnections-inventory    into a deployed table
  ccinv scan --profile prod --region eu-west-1    as that profile, there
  ccinv scan --json | jq .changes

Ctrl-C ends the listing, or the writing if it has begun, and records what is known.
A second Ctrl-C ends the command at once.

Exit codes: 0 the run is COMPLETE, 4 it is PARTIAL, 1 it FAILED, 2 wrong usage, 130
it was ended by Ctrl-C.")]
    Scan(ScanArgs),
    /// List connections as they are, or as they were
    #[command(after_help = "\
Examples:
  ccinv list --status PENDING
  ccinv list --provider GitHub --in-region eu-west-1 --json
  ccinv list --include-deleted --format csv > connections.csv
  ccinv list --as-of 2026-10-31T23:59:59Z

Exit codes: 0 fine, 4 no complete run covers it: what is not listed may be there.")]
    List(ListArgs),
    /// Show one connection: what is known of it, and its time line
    #[command(after_help = "\
Examples:
  ccinv show payments-api
  ccinv show payments-api --since 90d
  ccinv show arn:aws:codeconnections:eu-west-1:123456789012:connection/8c0a5f2e-… --json")]
    Show(ShowArgs),
    /// Show every recorded change of a connection
    #[command(after_help = "\
Examples:
  ccinv history payments-api
  ccinv history arn:aws:codeconnections:eu-west-1:123456789012:connection/8c0a5f2e-…")]
    History(HistoryArgs),
    /// List what changed in a span of time
    #[command(after_help = "\
A change lies somewhere in the span that is shown; it is listed by the time at
which it was observed. A range that has been over for 16 minutes has the same
changes for ever.

Examples:
  ccinv changes                                   the last 30 days
  ccinv changes --since 2026-10-01 --until 2026-11-01
  ccinv changes --since 7d --kind STATUS_CHANGED --status ERROR --format jsonl

Exit codes: 0 fine, 4 no complete run looked in that span.")]
    Changes(ChangesArgs),
    /// Show what is different between two times
    #[command(after_help = "\
Examples:
  ccinv diff 2026-10-01 2026-11-01
  ccinv diff 7d
  ccinv diff 2026-10-01 now --provider GitHub --format csv

Exit codes: 0 fine, 4 no complete run covers one of the times.")]
    Diff(DiffArgs),
    /// List the runs, the last one first, or the times without
    #[command(after_help = "\
Examples:
  ccinv runs
  ccinv runs --since 7d --outcome PARTIAL
  ccinv runs --gaps --every 1h --since 2026-10-01
  ccinv runs --limit 5 --json")]
    Runs(RunsArgs),
    /// Write what is known of a period as one web page
    #[command(after_help = "\
The page is one file that loads nothing and needs no network: what was observed of
each connection and when nobody looked, every change and run, what compliance rules
came to at the period's end (those of `ccinv check`), and how to verify it.

Examples:
  ccinv report --out october.html --since 2026-10-01 --until 2026-11-01
  ccinv report --out report.html --since 7d --every 1h
  ccinv report --out report.html --rules rules.toml
  ccinv report --out - --account 123456789012 > report.html

Exit codes: 0 fine, also with findings; 4 no complete run covers an account; if it
covers none, nothing is written.")]
    Report(Box<ReportArgs>),
    /// Prove that the record is whole
    #[command(after_help = "\
Reads everything once, recomputes every digest and chain, and names each record
that was edited, removed or put in. The head of an account stands for all of it:
every run logs it. Give one that was logged as --head to see that the table was not
replaced, or cut off before that run.

Examples:
  ccinv verify
  ccinv verify --table codeconnections-inventory --account 123456789012
  ccinv verify --head 5f0c…   the digest that a run logged
  ccinv verify --heads heads.txt   those of many accounts, in one go

Exit codes: 0 it is whole, 3 it is not, 4 nothing is recorded.")]
    Verify(VerifyArgs),
    /// Judge the inventory by compliance rules
    #[command(after_help = "\
Rules come from --rules, from the options under Rules, or from both. Without any it
is judged by: --pending-longer-than 7d --in-error --not-seen-for 48h
--max-run-age 26h --no-unknown-values.

A rule that can't be judged is never a pass: it is NOT_JUDGED, with the reason. A
rule with findings is FAIL, and what of it could not be judged is told, too.

Examples:
  ccinv check
  ccinv check --pending-longer-than 7d --allow-provider GitHub,GitLab
  ccinv check --rules rules.toml --format junit > check.xml
  ccinv check --rules rules.toml --as-of 2026-10-31 --json
  ccinv check --print-sample-rules > rules.toml

Exit codes: 0 every rule is kept, 3 findings, 4 no findings, but not all was judged.")]
    Check(Box<CheckArgs>),
    /// Write the whole record out, for other tools
    #[command(after_help = "\
Writes as it reads, in order: connections by account and ARN, changes by account
and time, runs by account and number. With --format ocsf, each connection is a
Cloud Resources Inventory Info event (class 5023) of the Open Cybersecurity
Schema Framework.

Examples:
  ccinv export > connections.jsonl
  ccinv export --format ocsf > inventory.ocsf.jsonl
  ccinv export changes --format csv > changes.csv
  ccinv export runs --table codeconnections-inventory --account 123456789012

Exit codes: 0 fine, 4 nothing is recorded.")]
    Export(ExportArgs),
    /// Say what it costs on AWS, for your numbers and prices
    #[command(after_help = "\
Counts times prices: what a run sends and writes is counted, and the tests assert
the counts; the prices are a file, and how long a run takes is assumed. Nothing is
asked of AWS.

Examples:
  ccinv cost
  ccinv cost --accounts 100 --connections 20 --every 15m
  ccinv cost --accounts 1,100,10000
  ccinv cost --print-prices > prices.toml
  ccinv cost --prices prices.toml --free-tier --json

Exit codes: 0 fine, 2 wrong usage, or a price file that can't be used.")]
    Cost(CostArgs),
    /// Print completions for a shell
    #[command(after_help = "\
Examples:
  ccinv completions bash > /etc/bash_completion.d/ccinv
  ccinv completions zsh > \"${fpath[1]}/_ccinv\"
  ccinv completions fish > ~/.config/fish/completions/ccinv.fish")]
    Completions(CompletionsArgs),
    /// Print the manual page
    #[command(after_help = "\
Examples:
  ccinv man | man -l -
  ccinv man > /usr/local/share/man/man1/ccinv.1")]
    Man,
}

/// Where the inventory is.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct StoreArgs {
    /// The local database file
    #[arg(
        long,
        value_name = "FILE",
        default_value = "codeconnections-inventory.db"
    )]
    pub(super) db: PathBuf,
    /// A DynamoDB table instead, reached as the AWS CLI would
    #[arg(long, value_name = "NAME", conflicts_with = "db")]
    pub(super) table: Option<TableName>,
    #[command(flatten)]
    pub(super) aws: AwsArgs,
}

#[derive(Debug, ClapArgs)]
pub(super) struct DemoArgs {
    /// Keep the database in this folder (made if it is not there)
    #[arg(long, value_name = "FOLDER")]
    pub(super) dir: Option<PathBuf>,
    /// Afterwards keep the stand-in account up, until Ctrl-C
    #[arg(long)]
    pub(super) serve: bool,
    /// The port to serve on; 0 for any
    #[arg(long, value_name = "PORT", default_value_t = 0, requires = "serve")]
    pub(super) port: u16,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ScanArgs {
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// The regions to ask, separated by commas [default: your region]
    ///
    /// A listing shows the connections of all regions but the opt-in ones,
    /// which keep theirs to themselves and have to be named.
    #[arg(long, value_name = "REGIONS", value_parser = RegionList::parse)]
    pub(super) regions: Option<RegionList>,
    /// Regions no longer inventoried, separated by commas
    ///
    /// Connections that only these regions listed stay on record as they were
    /// last seen. The run does not report them as not confirmed.
    #[arg(long, value_name = "REGIONS", value_parser = RegionList::parse)]
    pub(super) retired_regions: Option<RegionList>,
    /// The account that your credentials belong to [default: asked of AWS]
    #[arg(long, value_name = "ID")]
    pub(super) account: Option<AccountId>,
    /// Only connections of this provider; such a run deletes nothing
    #[arg(long, value_name = "PROVIDER")]
    pub(super) provider: Option<String>,
    /// Only connections through this host; such a run deletes nothing
    #[arg(long, value_name = "ARN")]
    pub(super) host_arn: Option<String>,
    /// Believe that connections are gone however many they are
    #[arg(long)]
    pub(super) accept_deletions: bool,
    /// The share of the account that may be gone in one run: 0.5, 50% or off
    #[arg(long, value_name = "SHARE", default_value = "0.5", value_parser = parse_guard)]
    pub(super) tombstone_guard: TombstoneGuard,
    /// Table requests at the same time
    #[arg(long, value_name = "NUMBER", default_value = "8", value_parser = parse_concurrency)]
    pub(super) max_concurrency: usize,
    /// Limit the run's duration: 30s, 2m, at most 15m
    ///
    /// Calls that fail are retried until then, and each retry is reported on
    /// standard error. Listing may take six tenths of it.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_timeout)]
    pub(super) timeout: Duration,
    /// Print the run's summary as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// Only this account
    #[arg(long, value_name = "ID")]
    pub(super) account: Option<AccountId>,
    /// A head that was noted elsewhere: some run must still have that digest
    #[arg(long, value_name = "DIGEST")]
    pub(super) head: Option<Digest>,
    /// Heads of many accounts: a file with lines ACCOUNT DIGEST; - for standard input
    ///
    /// Some run of each account must still have that digest. An account may
    /// have several lines.
    #[arg(long, value_name = "FILE", conflicts_with = "account")]
    pub(super) heads: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Regions, separated by commas.
#[derive(Debug, Clone)]
pub(super) struct RegionList(pub(super) Vec<Region>);

impl RegionList {
    fn parse(text: &str) -> Result<Self, String> {
        parse_regions(text).map(Self)
    }
}

/// An ARN or a name. What begins as an ARN is meant as one: with a slip in it,
/// it must not be answered as a name that nobody ever had.
pub(super) fn parse_connection(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty; should be a connection's ARN or name".to_owned());
    }
    if text.starts_with("arn:") {
        let arn: Result<ConnectionArn, _> = text.parse();
        arn.map_err(|malformed| malformed.to_string())?;
    }
    Ok(text.to_owned())
}

pub(super) fn parse_when(text: &str) -> Result<Timestamp, String> {
    when::parse(text, SystemClock.now())
}

/// A span of time in milliseconds, longer than none.
pub(super) fn parse_every(text: &str) -> Result<i64, String> {
    when::span(text)
        .filter(|span| *span > 0)
        .ok_or_else(|| format!("{text:?} is not a span of time such as 1h, 15m or 1d"))
}

/// How long a run may take: not longer than Lambda would let it.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    let seconds = text
        .strip_suffix('s')
        .and_then(|number| number.parse().ok());
    let millis = when::span(text).and_then(|millis| u64::try_from(millis).ok());
    let duration = seconds
        .map(Duration::from_secs)
        .or(millis.map(Duration::from_millis));
    duration
        .filter(|time| (Duration::from_secs(1)..=Duration::from_secs(900)).contains(time))
        .ok_or_else(|| format!("{text:?} is not a duration from 1s to 15m"))
}

/// A kind in any case, with dashes too.
pub(super) fn parse_kind(text: &str) -> Result<ChangeKind, String> {
    let word = text.to_ascii_uppercase().replace('-', "_");
    word.parse().map_err(|_| {
        let kinds = ChangeKind::ALL.map(ChangeKind::as_str);
        let hint = asked::hint_of(&word, &kinds);
        format!("{text:?} is not one of {}{hint}", kinds.join(", "))
    })
}

/// A status in any case: statuses are written in capitals.
pub(super) fn parse_status(text: &str) -> Result<ConnectionStatus, String> {
    let status = ConnectionStatus::from(text.to_ascii_uppercase().as_str());
    if text.is_empty() {
        return Err("is empty; should be a status such as PENDING".to_owned());
    }
    Ok(status)
}

/// A provider in any case, as the service writes it if it is known.
pub(super) fn parse_provider(text: &str) -> Result<ProviderType, String> {
    if text.is_empty() {
        return Err("is empty; should be a provider such as GitHub".to_owned());
    }
    let known = ProviderType::KNOWN
        .into_iter()
        .find(|known| known.as_str().eq_ignore_ascii_case(text));
    Ok(known.unwrap_or_else(|| text.into()))
}
