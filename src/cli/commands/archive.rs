//! `archive`: copies old runs elsewhere, and deletes them from the table.

use std::sync::Mutex;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::archive::write::{Archived, archive, delete_archived};
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
use crate::output::text::{count, format_time};
use crate::table::{StoredKind, Table};

/// Runs stay in the table at least this long: the last checkpoint states one of them,
/// and answers for a month name them.
const LEAST_DAYS: i64 = 35;
const DAY: i64 = 86_400_000;

/// Copy old runs to an archive, and delete them from the table
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Runs are most of a record: one an hour, whether something changed or not. This copies \
those that ended before a time to a directory or bucket, as lines of JSON that \
`ccinv verify --archive` reads as if they were in the table. Connections, changes and \
the last run of each account stay. With --delete it deletes from the table what the \
archive has, run by run, as it is there; that needs dynamodb:DeleteItem, and a table \
that allows it (TableWriters=iam).

Answers about a time whose runs were deleted say so and exit with 4: list --as-of, \
diff, report and runs refuse it; changes and history print the changes, which stay. \
The state at later times is not affected.

Examples:
  ccinv archive --to old-runs/ --before 2026-01-01
  ccinv archive --to s3://old-runs --before 365d --delete
  ccinv verify --archive s3://old-runs

Exit codes: 0 done, 4 nothing is recorded.")]
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
    let archiver = Archiver {
        table: store.table(),
        place: &place,
        args: &args,
        at_work: Mutex::default(),
    };
    let shown = || {
        archiver
            .at_work
            .lock()
            .map_or_else(|_| String::new(), |it| it.clone())
    };
    let chains = progress::shown(archiver.all(), shown).await;
    let chains = chains.map_err(CliError::failure)?;
    if chains.is_empty() {
        return Err(CliError::NoEvidence(
            "no run is recorded here, so none can be archived".to_owned(),
        ));
    }
    if args.json {
        print_json(&json!({
            "archive": place.locate(""),
            "before": args.before,
            "chains": chains,
        }))?;
    } else {
        print(&describe(&chains, &place.locate("")))?;
    }
    Ok(Exit::Success)
}

struct Archiver<'a> {
    table: &'a Table,
    place: &'a checkpoint::Store,
    args: &'a ArchiveArgs,
    /// What is shown while it works.
    at_work: Mutex<String>,
}

impl Archiver<'_> {
    async fn all(&self) -> Result<Vec<Archived>, ArchiveError> {
        let mut there = Segment::list(self.place).await?;
        let there = &mut there;
        let mut chains = self
            .kind::<Connection>(ChainKind::Connections, there)
            .await?;
        chains.extend(
            self.kind::<Dependency>(ChainKind::Dependencies, there)
                .await?,
        );
        chains.extend(self.kind::<Finding>(ChainKind::Findings, there).await?);
        Ok(chains)
    }

    async fn kind<K: StoredKind>(
        &self,
        kind: ChainKind,
        segments: &mut Vec<Segment>,
    ) -> Result<Vec<Archived>, ArchiveError> {
        let mut accounts = self.table.of_kind::<K>().accounts().await?;
        let only = self.args.account.as_ref();
        accounts.retain(|account| only.is_none_or(|only| account == only));
        let (table, place, before) = (self.table, self.place, self.args.before);
        let mut chains = Vec::with_capacity(accounts.len());
        for account in accounts {
            let chain = ChainId { account, kind };
            if let Ok(mut at_work) = self.at_work.lock() {
                *at_work = format!("archiving runs: {chain}");
            }
            let mut archived = archive::<K>(table, place, &chain, segments, before).await?;
            if self.args.delete {
                archived.deleted =
                    delete_archived::<K>(table, place, &chain, segments, before).await?;
            }
            chains.push(archived);
        }
        Ok(chains)
    }
}

fn describe(chains: &[Archived], place: &str) -> String {
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
    text.push_str(&format!("archive {place}\n"));
    text
}
