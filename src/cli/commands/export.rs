//! `export`: all records, streamed for other tools.

use clap::{Args as ClapArgs, ValueEnum};
use serde::Serialize;

use super::changes::{change_fields, change_header};
use super::export_bundle::{BundleArgs, bundle};
use super::export_format::ExportFormat;
use super::export_relations::relations;
use super::tags::{TagColumn, TaggedRow};
use super::{changes, list};
use crate::audit::concurrently::{WithAccount, each_row};
use crate::audit::properties::Owner;
use crate::audit::{Audit, ConnectionFilter, ConnectionRow};
use crate::cli::args::{StoreArgs, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::row_writer::JsonLines;
use crate::cli::render::{Row, csv, note};
use crate::cli::store::Store;
use crate::domain::{AccountId, Change, Digest, Region, RunRecord, Snapshot, Timestamp};
use crate::output::ocsf::{ConnectionRecord, inventory_event};
use crate::table::read::audit::RowPages;

/// Export records as JSON Lines, CSV, OCSF, graph or evidence bundle
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Streams the records in order: connections by account and ARN, changes by account \
and time, runs by account and number. With --format ocsf, each connection is a \
Cloud Resources Inventory Info event (class 5023) of the Open Cybersecurity Schema \
Framework. Relations need a run of `ccinv scan --dependencies`.

A bundle is one archive with the evidence of a period: its records, what signed \
checkpoints state of them, the connections at both ends, changes, findings and the \
report, and a manifest with the SHA-256 of each file. `ccinv verify --bundle` checks it \
without a network; its README says how others do. The same evidence gives the same \
bytes, except for signatures by P-256 keys.

Examples:
  ccinv export > connections.jsonl
  ccinv export --format ocsf --tags > inventory.ocsf.jsonl
  ccinv export changes --format csv > changes.csv
  ccinv export runs --table codeconnections-inventory --account 123456789012
  ccinv export relations --format dot > relations.dot
  ccinv export bundle --since 2026-10-01 --until 2026-11-01 --out october.tar

Exit codes: 0 success, 4 nothing is recorded, of relations not all sources, or no \
complete run covers the relations or the bundle.")]
pub(crate) struct ExportArgs {
    /// Records to export
    #[arg(value_name = "WHAT", default_value = "connections", value_enum)]
    what: What,
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Export the relations at this time: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    as_of: Option<Timestamp>,
    /// Add the tags of connections, by the record of dependencies
    #[arg(long)]
    tags: bool,
    /// Output format [default: jsonl]
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<ExportFormat>,
    #[command(flatten)]
    bundle: BundleArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Every connection, including deleted ones
    Connections,
    /// Every recorded change
    Changes,
    /// Every run
    Runs,
    /// What uses each connection, its host and its account
    Relations,
    /// The evidence of a period, in one archive
    Bundle,
}

pub(crate) async fn run(args: ExportArgs) -> Result<Exit, CliError> {
    let format = args.format.unwrap_or(ExportFormat::Jsonl);
    if format == ExportFormat::Ocsf && args.what != What::Connections {
        return Err(CliError::Usage(
            "--format ocsf: only for connections; export changes and runs as jsonl or csv"
                .to_owned(),
        ));
    }
    let is_graph = matches!(format, ExportFormat::Dot | ExportFormat::Mermaid);
    if args.what != What::Relations && (is_graph || args.as_of.is_some()) {
        return Err(CliError::Usage(
            "--format dot, --format mermaid and --as-of: only for relations".to_owned(),
        ));
    }
    if args.what != What::Connections && args.tags {
        return Err(CliError::Usage("--tags: only for connections".to_owned()));
    }
    if args.what == What::Bundle {
        if args.format.is_some() {
            return Err(CliError::Usage(
                "--format: not for a bundle, which is a tar archive".to_owned(),
            ));
        }
        return Box::pin(bundle(&args.bundle, &args.store, args.account.as_ref())).await;
    }
    if args.bundle.any() {
        return Err(CliError::Usage(
            "--since, --until, --checkpoints, --key, --rules and --out: only for a bundle"
                .to_owned(),
        ));
    }
    if let Some(at) = args.as_of {
        evidence::require_past("--as-of", at)?;
    }
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    if args.what == What::Relations {
        let account = args.account.as_ref();
        relations(&audit, account, args.as_of, format).await?;
        return Ok(Exit::Success);
    }
    let bases = evidence::current(&audit, args.account.as_ref()).await?;
    let accounts: Vec<AccountId> = bases.into_iter().map(|basis| basis.account).collect();
    let tags = match args.tags {
        true => {
            let filter = ConnectionFilter {
                account: args.account.clone(),
                include_deleted: true,
                ..ConnectionFilter::default()
            };
            Some(TagColumn::read(&audit, &filter, None).await?)
        }
        false => None,
    };
    let exported = match (args.what, format) {
        (_, ExportFormat::Ocsf) => ocsf_events(&audit, &accounts, tags.as_ref()).await,
        (What::Connections, format) => match &tags {
            None => connections(&audit, &accounts, format).await,
            Some(tags) => tagged_connections(&audit, &accounts, format, tags).await,
        },
        (What::Changes, format) => changes(&audit, &accounts, format).await,
        (What::Runs, format) => runs(&audit, &accounts, format).await,
        (What::Relations | What::Bundle, _) => Ok(()),
    };
    exported.map(|()| Exit::Success)
}

async fn connections(
    audit: &Audit,
    accounts: &[AccountId],
    format: ExportFormat,
) -> Result<(), CliError> {
    let mut writer = format.writer::<ExportedConnection>();
    let each = |(account, snapshot): (&AccountId, Snapshot)| {
        writer.write_row(&ExportedConnection::new(account, snapshot));
        writer.wants_more()
    };
    let read = each_row(
        audit.reading(accounts),
        |account| snapshots(audit, account),
        each,
    );
    read.await.map_err(CliError::failure)?;
    writer.finish()
}

/// Exports connections with their tags.
async fn tagged_connections(
    audit: &Audit,
    accounts: &[AccountId],
    format: ExportFormat,
    tags: &TagColumn,
) -> Result<(), CliError> {
    let mut writer = format.writer::<TaggedRow<ExportedConnection>>();
    let each = |(account, snapshot): (&AccountId, Snapshot)| {
        if let Some(row) = tags.admit(ExportedConnection::new(account, snapshot)) {
            writer.write_row(&row);
        }
        writer.wants_more()
    };
    let read = each_row(
        audit.reading(accounts),
        |account| snapshots(audit, account),
        each,
    );
    read.await.map_err(CliError::failure)?;
    writer.finish()?;
    note(&tags.notes());
    Ok(())
}

fn snapshots<'a>(
    audit: &'a Audit,
    account: &'a AccountId,
) -> WithAccount<'a, RowPages<'a, Snapshot>> {
    WithAccount {
        account,
        pages: audit.table().snapshots(account),
    }
}

/// Writes an event for each connection that is not deleted.
async fn ocsf_events(
    audit: &Audit,
    accounts: &[AccountId],
    tags: Option<&TagColumn>,
) -> Result<(), CliError> {
    let mut lines = JsonLines::default();
    let each = |(account, snapshot): (&AccountId, Snapshot)| {
        if let Some(record) = ConnectionRecord::of_snapshot(account, &snapshot) {
            let row = tags.map(|tags| tags.admit(ConnectionRow::of(account, snapshot.clone())));
            let tags = row.flatten().and_then(|row| row.tags);
            let event = inventory_event(&record);
            match &tags {
                Some(tags) => lines.write(&event.with_tags(tags)),
                None => lines.write(&event),
            }
        }
        lines.wants_more()
    };
    let read = each_row(
        audit.reading(accounts),
        |account| snapshots(audit, account),
        each,
    );
    read.await.map_err(CliError::failure)?;
    lines.finish()?;
    note(&tags.map(TagColumn::notes).unwrap_or_default());
    Ok(())
}

async fn changes(
    audit: &Audit,
    accounts: &[AccountId],
    format: ExportFormat,
) -> Result<(), CliError> {
    let mut writer = format.writer::<ExportedChange>();
    let end_of_time = Timestamp::from_millis(i64::MAX);
    let open = |account| audit.table().changes_by(account, end_of_time);
    let each = |change: Change| {
        let digest = change.digest();
        writer.write_row(&ExportedChange { change, digest });
        writer.wants_more()
    };
    let read = each_row(audit.reading(accounts), open, each).await;
    read.map_err(CliError::failure)?;
    writer.finish()
}

async fn runs(audit: &Audit, accounts: &[AccountId], format: ExportFormat) -> Result<(), CliError> {
    let mut writer = format.writer::<ExportedRun>();
    let mut last = None;
    let mut without_earlier_runs = 0;
    let each = |run: RunRecord| {
        if last.as_ref() != Some(&run.account) {
            without_earlier_runs += usize::from(run.sequence > 1);
            last = Some(run.account.clone());
        }
        let digest = run.digest();
        writer.write_row(&ExportedRun { run, digest });
        writer.wants_more()
    };
    let read = each_row(
        audit.reading(accounts),
        |account| audit.table().runs(account),
        each,
    )
    .await;
    read.map_err(CliError::failure)?;
    writer.finish()?;
    let missing = evidence::earlier_runs_note(without_earlier_runs);
    note(&missing.into_iter().collect::<Vec<_>>());
    Ok(())
}

/// A snapshot with all that is recorded of it.
#[derive(Debug, Serialize)]
struct ExportedConnection {
    #[serde(flatten)]
    row: ConnectionRow,
    last_seen_until: Timestamp,
    deleted_until: Option<Timestamp>,
    listed_in: Vec<Region>,
}

/// A change as recorded.
#[derive(Debug, Serialize)]
struct ExportedChange {
    #[serde(flatten)]
    change: Change,
    digest: Digest,
}

/// A run as recorded.
#[derive(Debug, Serialize)]
struct ExportedRun {
    #[serde(flatten)]
    run: RunRecord,
    digest: Digest,
}

impl<'a> From<&'a ExportedConnection> for Owner<'a> {
    fn from(exported: &'a ExportedConnection) -> Self {
        Self::from(&exported.row)
    }
}

impl ExportedConnection {
    fn new(account: &AccountId, snapshot: Snapshot) -> Self {
        Self {
            last_seen_until: snapshot.last_seen.ended_at,
            deleted_until: snapshot.is_deleted().then(|| snapshot.rests_on().ended_at),
            listed_in: snapshot.listed_in.clone(),
            row: ConnectionRow::of(account, snapshot),
        }
    }
}

impl Row for ExportedConnection {
    fn header() -> Vec<&'static str> {
        let mut header = list::connection_header();
        header.extend(["last_seen_until", "deleted_until", "listed_in"]);
        header.extend(list::later_columns().map(|column| column.name));
        header
    }

    fn csv(&self) -> Vec<String> {
        let regions: Vec<&str> = self.listed_in.iter().map(Region::as_str).collect();
        let mut fields = list::connection_fields(&self.row);
        fields.extend([
            self.last_seen_until.to_string(),
            csv::field(self.deleted_until),
            regions.join(" "),
        ]);
        fields.extend(list::later_fields(&self.row));
        fields
    }
}

impl Row for ExportedChange {
    fn header() -> Vec<&'static str> {
        let mut header = change_header();
        header.extend(changes::later_header());
        header.push(changes::CONSUMERS);
        header
    }

    fn csv(&self) -> Vec<String> {
        let change = &self.change;
        let mut fields = change_fields(change, self.digest);
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        fields.extend(changes::later_fields(before, after));
        fields.push(csv::field(change.consumers.in_words()));
        fields
    }
}

impl Row for ExportedRun {
    fn header() -> Vec<&'static str> {
        RunRecord::header()
    }

    fn csv(&self) -> Vec<String> {
        self.run.csv()
    }
}
