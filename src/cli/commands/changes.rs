//! `history` and `changes`: recorded changes, with the runs that observed them.

use std::collections::BTreeSet;

use clap::Args as ClapArgs;

use crate::audit::attribute_columns::{AttributeColumn, FIRST_COLUMNS, LATER_COLUMNS};
use crate::audit::{AuditError, ChangeFilter, ChangeWithRun, History};
use crate::cli::args::{
    StoreArgs, kind_help, parse_connection, parse_kind, parse_provider, parse_status, parse_when,
};
use crate::cli::error::{CliError, Exit};
use crate::cli::render::csv::field;
use crate::cli::render::row_writer::Document;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{
    FormatArgs, Row, RowAnswer, print, print_notes, print_rows, print_table, print_wrapped,
};
use crate::cli::store::Store;
use crate::cli::suggestions::Asked;
use crate::cli::{evidence, suggestions};
use crate::domain::{
    AccountId, Attributes, Cause, Change, ChangeKind, Clock, ConnectionStatus, Digest,
    ProviderType, SystemClock, Timestamp,
};
use crate::output::text::{
    count, describe_change, describe_details, format_time, format_window, format_window_compact,
    or_dash,
};

/// Show every recorded change of one connection
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  ccinv history payments-api
  ccinv history arn:aws:codeconnections:eu-west-1:123456789012:connection/8c0a5f2e-…

Exit codes: 0 success, 4 no such connection is recorded.")]
pub(crate) struct HistoryArgs {
    /// ARN, name, or last part of the ARN
    #[arg(value_name = "ARN_OR_NAME", value_parser = parse_connection)]
    connection: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    #[command(flatten)]
    format: FormatArgs,
}

/// List changes in a time range
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
A change happened somewhere in the range shown with it. It is listed by the time \
it was observed. Results for a time range are final 16 minutes after it ends.

Examples:
  ccinv changes                                   the last 30 days
  ccinv changes --since 2026-10-01 --until 2026-11-01
  ccinv changes --since 7d --kind STATUS_CHANGED --status ERROR --format jsonl

Exit codes: 0 success, 4 no complete run in the time range.")]
pub(crate) struct ChangesArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// List changes observed from here on: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_when)]
    since: Timestamp,
    /// List changes observed before this time
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = parse_when)]
    until: Timestamp,
    #[arg(long, value_name = "KIND", value_parser = parse_kind, help = kind_help())]
    kind: Option<ChangeKind>,
    /// Filter by resulting status (of a deletion: the last status)
    #[arg(long, value_name = "STATUS", value_parser = parse_status)]
    status: Option<ConnectionStatus>,
    /// Filter by provider type
    #[arg(long, value_name = "PROVIDER", value_parser = parse_provider)]
    provider: Option<ProviderType>,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    #[command(flatten)]
    format: FormatArgs,
}

pub(crate) async fn history(args: HistoryArgs) -> Result<Exit, CliError> {
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let histories = audit
        .history(&args.connection, args.account.as_ref())
        .await
        .map_err(CliError::failure)?;
    if histories.is_empty() {
        return Err(
            suggestions::no_connection(&audit, &args.connection, args.account.as_ref()).await?,
        );
    }
    let rows: Vec<ChangeWithRun> = histories.iter().flat_map(|h| h.changes.clone()).collect();
    let without_earlier_runs: BTreeSet<&AccountId> = rows
        .iter()
        .filter(|row| row.first_run_in_table.is_some())
        .map(|row| &row.change.account)
        .collect();
    let answer = RowAnswer {
        rows: &rows,
        document: &histories,
        notes: evidence::earlier_runs_note(without_earlier_runs.len())
            .into_iter()
            .collect(),
    };
    answer.print_with(args.format, |_, notes| {
        print_histories(&histories, args.format.width())?;
        print_notes(notes, args.format.width())
    })?;
    Ok(Exit::Success)
}

/// Refuses to call an answer whole whose runs are not all in the table. Its rows are
/// printed all the same: changes have digests of their own.
fn require_runs<'a>(changes: impl IntoIterator<Item = &'a ChangeWithRun>) -> Result<(), CliError> {
    match changes.into_iter().find_map(run_not_in_table) {
        Some(missing) => Err(CliError::failure(missing)),
        None => Ok(()),
    }
}

fn run_not_in_table(change: &ChangeWithRun) -> Option<AuditError> {
    Some(AuditError::RunsNotInTable {
        account: change.change.account.clone(),
        first: change.first_run_in_table?,
    })
}

fn print_histories(histories: &[History], width: Option<usize>) -> Result<(), CliError> {
    for (i, history) in histories.iter().enumerate() {
        if i > 0 {
            print("\n")?;
        }
        let heading = format!("{} in account {}", history.connection_arn, history.account);
        print_wrapped(&heading, width)?;
        print_table(&history_table(&history.changes), width)?;
    }
    Ok(())
}

/// Returns a table of one connection's changes.
pub(crate) fn history_table(changes: &[ChangeWithRun]) -> TextTable {
    let mut table = TextTable::new([
        ("#", Cut::Never),
        ("CHANGE", Cut::Never),
        ("WHAT", Cut::Middle),
        ("HAPPENED BETWEEN", Cut::Never),
        ("RUN", Cut::Never),
    ]);
    for recorded in changes {
        let change = &recorded.change;
        let cells = [
            change.version.to_string().into(),
            change.kind.to_string().into(),
            describe_change(change).into(),
            window(change),
            run_number(recorded).into(),
        ];
        table.add(cells, describe_details(recorded));
    }
    table
}

pub(crate) async fn changes(args: ChangesArgs) -> Result<Exit, CliError> {
    check_order(("--since", args.since), ("--until", args.until))?;
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    evidence::current(&audit, args.account.as_ref()).await?;
    Asked::default()
        .status(args.status.as_ref())
        .provider(args.provider.as_ref())
        .refuse_unknown(&audit)
        .await?;
    let at = args.until.min(SystemClock.now());
    let (rests_on, covered) = match audit.bases(args.account.as_ref(), at).await {
        Ok(rests_on) => {
            let covered = evidence::require_complete_run_since(&rests_on, args.since);
            (rests_on, covered)
        }
        // The changes are there.
        Err(missing @ AuditError::RunsNotInTable { .. }) => {
            (Vec::new(), Err(CliError::failure(missing)))
        }
        Err(error) => return Err(CliError::failure(error)),
    };
    let filter = ChangeFilter {
        since: args.since,
        until: args.until,
        kind: args.kind,
        status: args.status,
        provider: args.provider,
        account: args.account,
    };
    let notes = |number| {
        let mut notes = vec![format!(
            "{} observed from {} to {}",
            count(number, "change"),
            format_time(args.since),
            format_time(args.until)
        )];
        notes.extend(evidence::lines(&rests_on));
        notes.extend(evidence::not_final_note(args.until));
        notes
    };
    let format = args.format.get();
    let document = Document::of_rows("changes")
        .with("since", &args.since)
        .with("until", &args.until)
        .with("rests_on", &rests_on);
    let Some(mut writer) = format.writer::<ChangeWithRun>(document) else {
        let changes = audit.changes(&filter).await.map_err(CliError::failure)?;
        if covered.is_ok() || !changes.is_empty() {
            print_rows(
                &change_table(&changes),
                &notes(changes.len()),
                args.format.width(),
            )?;
        }
        covered?;
        return require_runs(&changes).map(|()| Exit::Success);
    };
    let mut number = 0;
    let mut missing = None;
    let each = |change| {
        missing = missing.take().or_else(|| run_not_in_table(&change));
        writer.write_row(&change);
        number += 1;
        writer.wants_more()
    };
    let done = audit.each_change(&filter, each).await;
    done.map_err(CliError::failure)?;
    if covered.is_ok() || number > 0 {
        writer.finish()?;
        format.note(&notes(number));
    }
    covered?;
    match missing {
        Some(missing) => Err(CliError::failure(missing)),
        None => Ok(Exit::Success),
    }
}

/// Returns a table of changes of several connections, with the cause of each
/// under it.
pub(crate) fn change_table(changes: &[ChangeWithRun]) -> TextTable {
    let mut table = TextTable::new([
        ("HAPPENED BETWEEN", Cut::Never),
        ("CHANGE", Cut::Never),
        ("NAME", Cut::End),
        ("WHAT", Cut::Middle),
        ("RUN", Cut::Never),
        ("ACCOUNT", Cut::Never),
        ("ARN", Cut::Middle),
    ])
    .may_drop(["ACCOUNT", "RUN", "ARN"]);
    for recorded in changes {
        let change = &recorded.change;
        let now = change.after.as_ref().or(change.before.as_ref());
        let cells = [
            window(change),
            change.kind.to_string().into(),
            or_dash(now.and_then(|now| now.connection_name.as_deref())).into(),
            describe_change(change).into(),
            run_number(recorded).into(),
            change.account.to_string().into(),
            change.arn.to_string().into(),
        ];
        table.add(cells, describe_details(recorded));
    }
    table
}

/// Returns the time range in which a change happened.
fn window(change: &Change) -> Cell {
    Cell::with_compact(format_window(change), &format_window_compact(change))
}

/// Returns the sequence number of the run that observed a change.
pub(crate) fn run_number(recorded: &ChangeWithRun) -> String {
    match (&recorded.run, recorded.first_run_in_table) {
        (Some(run), _) => run.sequence.to_string(),
        (None, Some(_)) => "not in table".to_owned(),
        (None, None) => "not recorded".to_owned(),
    }
}

/// Refuses a time range that ends before it starts.
pub(crate) fn check_order(
    (first, since): (&str, Timestamp),
    (second, until): (&str, Timestamp),
) -> Result<(), CliError> {
    if since < until {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{first} {} is not before {second} {}",
        format_time(since),
        format_time(until)
    )))
}

/// The columns of attributes before and after a change, without those that
/// came later.
pub(crate) fn attribute_header() -> impl Iterator<Item = &'static str> {
    before_and_after(FIRST_COLUMNS)
}

/// The fields under [`attribute_header`].
pub(crate) fn attribute_fields(
    before: Option<&Attributes>,
    after: Option<&Attributes>,
) -> Vec<String> {
    values_before_and_after(FIRST_COLUMNS, before, after)
}

/// The columns of attributes that came later. They stand last.
pub(crate) fn later_header() -> impl Iterator<Item = &'static str> {
    LATER_COLUMNS
        .iter()
        .flat_map(|group| before_and_after(group))
}

/// The fields under [`later_header`].
pub(crate) fn later_fields(before: Option<&Attributes>, after: Option<&Attributes>) -> Vec<String> {
    let groups = LATER_COLUMNS.iter();
    groups
        .flat_map(|group| values_before_and_after(group, before, after))
        .collect()
}

/// The last column: the consumers on record of a connection that stopped working.
pub(crate) const CONSUMERS: &str = "consumers";

fn before_and_after(columns: &'static [AttributeColumn]) -> impl Iterator<Item = &'static str> {
    let before = columns.iter().map(|column| column.before);
    before.chain(columns.iter().map(|column| column.after))
}

fn values_before_and_after(
    columns: &[AttributeColumn],
    before: Option<&Attributes>,
    after: Option<&Attributes>,
) -> Vec<String> {
    let before = columns.iter().map(|column| column.field(before));
    let after = columns.iter().map(|column| column.field(after));
    before.chain(after).collect()
}

/// The columns of a change, without the run that saw it and [`later_header`].
pub(crate) fn change_header() -> Vec<&'static str> {
    let mut header = vec![
        "account",
        "connection_arn",
        "version",
        "kind",
        "previously_seen_at",
        "observed_at",
        "observed_until",
    ];
    header.extend(attribute_header());
    header.extend([
        "event_id",
        "cause",
        "principal_arn",
        "source_ip",
        "previous_digest",
        "digest",
        "run_id",
    ]);
    header
}

/// Returns the fields of [`change_header`].
pub(crate) fn change_fields(change: &Change, digest: Digest) -> Vec<String> {
    let mut fields = vec![
        change.account.to_string(),
        change.arn.to_string(),
        change.version.to_string(),
        change.kind.to_string(),
        field(change.previously_seen_at),
        change.observed_at.to_string(),
        change.observed_until.to_string(),
    ];
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    fields.extend(attribute_fields(before, after));
    let call = match &change.cause {
        Some(Cause::ApiCall(call)) => Some(call),
        Some(Cause::NoCallSeen) | None => None,
    };
    let cause = change.cause.as_ref();
    fields.extend([
        field(change.event_id.as_deref()),
        field(cause.map(Cause::in_words)),
        field(call.and_then(|call| call.principal_arn.as_deref())),
        field(call.and_then(|call| call.source_ip.as_deref())),
        field(change.previous_digest),
        digest.to_string(),
        change.run_id.to_string(),
    ]);
    fields
}

impl Row for ChangeWithRun {
    fn header() -> Vec<&'static str> {
        let mut header = change_header();
        header.extend([
            "run_sequence",
            "run_outcome",
            "trigger",
            "run_principal_arn",
            "run_source_ip",
        ]);
        header.extend(later_header());
        header.push(CONSUMERS);
        header
    }

    fn csv(&self) -> Vec<String> {
        let run = self.run.as_ref();
        let (principal, source) = run.map_or((None, None), |run| run.trigger.caller());
        let mut fields = change_fields(&self.change, self.digest);
        fields.extend([
            field(run.map(|run| run.sequence)),
            field(run.map(|run| run.outcome)),
            field(run.map(|run| run.trigger.word())),
            field(principal),
            field(source),
        ]);
        let change = &self.change;
        fields.extend(later_fields(change.before.as_ref(), change.after.as_ref()));
        fields.push(field(change.consumers.in_words()));
        fields
    }
}
