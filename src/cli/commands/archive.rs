//! `archive`: copies old runs elsewhere, and deletes them from the table.

use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args as ClapArgs;
use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::archive::write::{Archived, Archiver};
use crate::archive::{ArchiveError, Segment};
use crate::checkpoint;
use crate::checkpoint::chain_state::{ChainId, ChainKind};
use crate::cli::args::checkpoints::{Location, parse_location};
use crate::cli::args::{StoreArgs, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::progress;
use crate::cli::render::{print, print_json};
use crate::cli::store::Store;
use crate::domain::{AccountId, Clock, Connection, Dependency, Finding, SystemClock, Timestamp};
use crate::output::escape::printable;
use crate::output::text::{count, format_time};
use crate::table::{StoredKind, Table, TableError};

/// Runs stay in the table at least this long: the next checkpoint reads the run that the
/// last one states, and answers for a month are based on them.
const LEAST_DAYS: i64 = 35;
/// Chains at the same time.
const AT_ONCE: usize = 16;
const DAY: i64 = 86_400_000;

/// Copy old runs to an archive, and delete them from the table
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Runs are most of a record: one an hour, whether something changed or not. This copies \
those that ended before a time to a directory or bucket, as lines of JSON that \
`ccinv verify --archive` reads as if they were in the table. Connections, changes, and \
the runs that answers about now are based on stay.

With --delete it deletes from the table the runs that the archive has, each only if \
it is identical to its copy. That needs dynamodb:DeleteItem, and a table that allows it \
(TableWriters=iam). Alarms for altered records and for writes of others will trip, and \
no command puts runs back.

Answers about a time whose runs were deleted exit with 4, and rules over a longer \
period have insufficient data. Other answers stay as they are.

Examples:
  ccinv archive --to old-runs/ --before 2026-10-15
  ccinv archive --to s3://old-runs --before 365d --delete
  ccinv verify --archive s3://old-runs

Exit codes: 0 success, 4 no run is recorded.")]
pub(crate) struct ArchiveArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Store runs in this directory or bucket: DIR or s3://BUCKET/PREFIX
    #[arg(long, value_name = "PLACE", value_parser = parse_location)]
    to: Location,
    /// Archive runs that ended before this time, at least 35 days ago
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    before: Timestamp,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Delete the runs that are in the archive from the table
    #[arg(long)]
    delete: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: ArchiveArgs) -> Result<Exit, CliError> {
    let latest = Timestamp::from_millis(SystemClock.now().millis() - LEAST_DAYS * DAY);
    if args.before > latest {
        let (before, latest) = (format_time(args.before), format_time(latest));
        return Err(CliError::Usage(format!(
            "--before {before}: runs of the last {LEAST_DAYS} days stay; take {latest} or earlier"
        )));
    }
    let place = args.to.open("--to", &args.store.aws).await?;
    let store = Store::open(&args.store).await?;
    let done = AtomicUsize::new(0);
    let archive = Archive {
        table: store.table(),
        place: &place,
        args: &args,
        segments: Segment::list(&place).await.map_err(CliError::failure)?,
        done: &done,
    };
    let shown = || {
        let done = count(done.load(Ordering::Relaxed), "chain");
        format!("archiving runs: {done} done")
    };
    let chains = progress::shown(archive.all(), shown).await;
    let chains = chains.map_err(CliError::failure)?;
    if chains.is_empty() {
        return Err(CliError::NoEvidence(
            "no run is recorded here, so none can be archived".to_owned(),
        ));
    }
    let mut archived = Vec::new();
    let mut failures = Vec::new();
    for chain in chains {
        match chain {
            Ok(chain) => archived.push(chain),
            Err(failure) => failures.push(failure),
        }
    }
    if args.json {
        let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
        print_json(&json!({
            "archive": place.locate(""),
            "before": args.before,
            "chains": archived,
            "failures": failures,
        }))?;
    } else if !archived.is_empty() {
        print(&describe(&archived, &failures, &place.locate("")))?;
    }
    if let Some(failure) = failures.into_iter().next() {
        return Err(CliError::failure(failure));
    }
    Ok(Exit::Success)
}

/// Archives all chains of a table.
struct Archive<'a> {
    table: &'a Table,
    place: &'a checkpoint::Store,
    args: &'a ArchiveArgs,
    /// Of the archive as it was.
    segments: Vec<Segment>,
    /// The number of chains that are done.
    done: &'a AtomicUsize,
}

impl Archive<'_> {
    /// Archives each chain. What fails for one does not keep the others.
    async fn all(&self) -> Result<Vec<Result<Archived, ArchiveError>>, TableError> {
        let mut chains = self.kind::<Connection>(ChainKind::Connections).await?;
        chains.extend(self.kind::<Dependency>(ChainKind::Dependencies).await?);
        chains.extend(self.kind::<Finding>(ChainKind::Findings).await?);
        Ok(chains)
    }

    async fn kind<K: StoredKind>(
        &self,
        kind: ChainKind,
    ) -> Result<Vec<Result<Archived, ArchiveError>>, TableError> {
        let mut accounts = self.table.of_kind::<K>().accounts().await?;
        let only = self.args.account.as_ref();
        accounts.retain(|account| only.is_none_or(|only| account == only));
        let of_account = async |account| {
            let chain = ChainId { account, kind };
            let (segments, before) = (&self.segments, self.args.before);
            let archiver =
                Archiver::<K>::new(self.table, self.place, &chain, segments, before).await?;
            let archived = archiver.archive(self.args.delete).await;
            self.done.fetch_add(1, Ordering::Relaxed);
            archived
        };
        let chains = stream::iter(accounts).map(of_account).buffered(AT_ONCE);
        Ok(chains.collect().await)
    }
}

fn describe(chains: &[Archived], failures: &[ArchiveError], place: &str) -> String {
    let number = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX), "run");
    let mut text = String::new();
    for Archived {
        chain,
        archived,
        last,
        deleted,
    } in chains
    {
        text.push_str(&format!("{chain}: {} archived", number(*archived)));
        if *last > 0 {
            text.push_str(&format!(", up to run {last}"));
        }
        if *deleted > 0 {
            text.push_str(&format!("; {} deleted from the table", number(*deleted)));
        }
        text.push('\n');
    }
    // The first one is the command's error.
    for failure in failures.iter().skip(1) {
        text.push_str(&printable(&format!("{failure}\n")));
    }
    text.push_str(&format!("archive {place}\n"));
    text
}
