//! `export`: the whole record, for other tools, as it is read.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::{Args as ClapArgs, ValueEnum};
use serde::Serialize;

use super::changes::{change_fields, change_header};
use super::{changes, list};
use crate::audit::{Audit, AuditError, ConnectionRow};
use crate::aws::Meter;
use crate::cli::args::StoreArgs;
use crate::cli::error::{CliError, Exit};
use crate::cli::render::row_writer::{LineFormat, RowWriter};
use crate::cli::render::{Row, csv};
use crate::cli::store::Store;
use crate::cli::{evidence, progress};
use crate::domain::{AccountId, Change, Digest, Region, RunRecord, Snapshot, Timestamp};
use crate::output::ocsf::{ConnectionRecord, inventory_event};

/// Export all records as JSON Lines, CSV or OCSF
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Streams the records in order: connections by account and ARN, changes by account \
and time, runs by account and number. With --format ocsf, each connection is a \
Cloud Resources Inventory Info event (class 5023) of the Open Cybersecurity Schema \
Framework.

Examples:
  ccinv export > connections.jsonl
  ccinv export --format ocsf > inventory.ocsf.jsonl
  ccinv export changes --format csv > changes.csv
  ccinv export runs --table codeconnections-inventory --account 123456789012

Exit codes: 0 success, 4 nothing is recorded.")]
pub(crate) struct ExportArgs {
    /// Records to export
    #[arg(value_name = "WHAT", default_value = "connections", value_enum)]
    what: What,
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", value_enum)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Every connection, including deleted ones
    Connections,
    /// Every recorded change
    Changes,
    /// Every run
    Runs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object per line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
    /// One OCSF event per line for each connection that is not deleted
    Ocsf,
}

pub(crate) async fn run(args: ExportArgs) -> Result<Exit, CliError> {
    if args.format == Format::Ocsf && args.what != What::Connections {
        return Err(CliError::Usage(
            "--format ocsf is for connections; changes and runs are written as jsonl or csv"
                .to_owned(),
        ));
    }
    let store = Store::open(&args.store).await?;
    let meter = Arc::new(Meter::default());
    let audit = Audit::new(store.table().metered(Arc::clone(&meter)));
    let bases = evidence::current(&audit, args.account.as_ref()).await?;
    let accounts: Vec<AccountId> = bases.into_iter().map(|basis| basis.account).collect();
    let header = match args.what {
        What::Connections => ExportedConnection::header(),
        What::Changes => ExportedChange::header(),
        What::Runs => ExportedRun::header(),
    };
    let lines = match args.format {
        Format::Csv => LineFormat::Csv,
        Format::Jsonl | Format::Ocsf => LineFormat::Jsonl,
    };
    let mut writer = RowWriter::new(lines, &header);
    let exported = async {
        match args.what {
            What::Connections => {
                let ocsf = args.format == Format::Ocsf;
                connections(&audit, &accounts, ocsf, &mut writer).await
            }
            What::Changes => changes(&audit, &accounts, &mut writer).await,
            What::Runs => runs(&audit, &accounts, &mut writer).await,
        }
    };
    let exported = if io::stdout().is_terminal() {
        // The records themselves show it.
        exported.await
    } else {
        let read = || format!("exporting: {} pages read", meter.requests().read);
        progress::shown(exported, read).await
    };
    exported.map_err(CliError::failure)?;
    writer.finish()?;
    Ok(Exit::Success)
}

async fn connections(
    audit: &Audit,
    accounts: &[AccountId],
    ocsf: bool,
    writer: &mut RowWriter,
) -> Result<(), AuditError> {
    for account in accounts {
        audit
            .table()
            .each_snapshot(account, |snapshot| {
                if !ocsf {
                    writer.write_row(&ExportedConnection::new(account, snapshot));
                } else if !snapshot.is_deleted() {
                    // The class has no word for what is gone.
                    let record = ConnectionRecord::of_snapshot(account, &snapshot);
                    writer.write_json(&inventory_event(&record));
                }
                writer.wants_more()
            })
            .await?;
    }
    Ok(())
}

async fn changes(
    audit: &Audit,
    accounts: &[AccountId],
    writer: &mut RowWriter,
) -> Result<(), AuditError> {
    let ever = Timestamp::from_millis(i64::MAX);
    for account in accounts {
        audit
            .table()
            .each_change_by(account, ever, |change| {
                writer.write_row(&ExportedChange {
                    digest: change.digest(),
                    change,
                });
                writer.wants_more()
            })
            .await?;
    }
    Ok(())
}

async fn runs(
    audit: &Audit,
    accounts: &[AccountId],
    writer: &mut RowWriter,
) -> Result<(), AuditError> {
    for account in accounts {
        audit
            .table()
            .runs_from(account, 1, |run| {
                writer.write_row(&ExportedRun {
                    digest: run.digest(),
                    run,
                });
                writer.wants_more()
            })
            .await?;
    }
    Ok(())
}

/// A snapshot, whole.
#[derive(Debug, Serialize)]
struct ExportedConnection {
    #[serde(flatten)]
    row: ConnectionRow,
    last_seen_until: Timestamp,
    deleted_until: Option<Timestamp>,
    listed_in: Vec<Region>,
}

/// A change as it is recorded.
#[derive(Debug, Serialize)]
struct ExportedChange {
    #[serde(flatten)]
    change: Change,
    digest: Digest,
}

/// A run as it is recorded.
#[derive(Debug, Serialize)]
struct ExportedRun {
    #[serde(flatten)]
    run: RunRecord,
    digest: Digest,
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
        header
    }

    fn csv(&self) -> Vec<String> {
        let change = &self.change;
        let mut fields = change_fields(change, self.digest);
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        fields.extend(changes::later_fields(before, after));
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
