//! `list`, `history` and `runs`: what is in the table.

use serde::Serialize;

use super::args::{ChangesArgs, HistoryArgs, ListArgs, RunsArgs};
use super::output::{
    count, or_dash, print, print_json, short, span, table, table_with_notes, what_changed,
};
use super::store::Store;
use super::{CliError, Exit};
use crate::audit::{Audit, ChangeFilter, ConnectionFilter, ConnectionRow, History, ToldChange};
use crate::domain::account::RunReference;
use crate::domain::{AccountId, AccountRecord, RunRecord};

/// What an answer rests on: a line for each account.
#[derive(Debug, Serialize)]
struct RestsOn {
    account: AccountId,
    last_run: RunReference,
    last_complete_run: Option<RunReference>,
}

impl From<AccountRecord> for RestsOn {
    fn from(record: AccountRecord) -> Self {
        Self {
            account: record.account,
            last_run: record.last_attempt,
            last_complete_run: record.last_complete,
        }
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    rests_on: Vec<RestsOn>,
    connections: Vec<ConnectionRow>,
}

pub(super) async fn list(args: ListArgs) -> Result<Exit, CliError> {
    let store = Store::open(&args.store).await?;
    let audit = Audit::new(store.table().clone());
    let rests_on = rests_on(&audit, args.account.as_ref()).await?;
    let filter = ConnectionFilter {
        status: args.status,
        provider: args.provider,
        account: args.account,
        region: args.region,
        include_deleted: args.include_deleted,
    };
    let connections = audit
        .connections(&filter)
        .await
        .map_err(CliError::failure)?;
    let listed = Listed {
        rests_on,
        connections,
    };
    if args.json {
        print_json(&listed)?;
    } else {
        print(&connection_table(&listed.connections))?;
        print(&format!(
            "\n{}\n",
            count(listed.connections.len(), "connection")
        ))?;
        for basis in &listed.rests_on {
            print(&basis_line(basis))?;
        }
    }
    Ok(Exit::Fine)
}

/// Connections as text.
pub(super) fn connection_table(rows: &[ConnectionRow]) -> String {
    let rows = rows.iter().map(|row| {
        let status = match (row.deleted_at, &row.connection_status) {
            (Some(_), _) => "DELETED".to_owned(),
            (None, status) => or_dash(status.as_ref().map(|s| s.as_str())),
        };
        let since = row.deleted_at.unwrap_or(row.status_since);
        [
            status,
            short(since),
            or_dash(row.connection_name.as_deref()),
            or_dash(row.provider_type.as_ref().map(|p| p.as_str())),
            row.account.to_string(),
            row.connection_arn.to_string(),
        ]
    });
    table(
        ["STATUS", "SINCE", "NAME", "PROVIDER", "ACCOUNT", "ARN"],
        rows.collect(),
    )
}

fn basis_line(basis: &RestsOn) -> String {
    let account = &basis.account;
    let last = &basis.last_run;
    let mut line = format!(
        "account {account}: last run {} at {}",
        last.outcome,
        short(last.started_at)
    );
    match &basis.last_complete_run {
        Some(complete) if complete.sequence == last.sequence => {}
        Some(complete) => {
            line.push_str(&format!(
                "; last complete run at {}",
                short(complete.started_at)
            ));
        }
        None => line.push_str("; no run was ever complete"),
    }
    line.push('\n');
    line
}

pub(super) async fn history(args: HistoryArgs) -> Result<Exit, CliError> {
    let store = Store::open(&args.store).await?;
    let audit = Audit::new(store.table().clone());
    let histories = audit
        .history(&args.connection, args.account.as_ref())
        .await
        .map_err(CliError::failure)?;
    if histories.is_empty() {
        return Err(CliError::NoEvidence(format!(
            "nothing is recorded of a connection {:?}",
            args.connection
        )));
    }
    if args.json {
        print_json(&histories)?;
        return Ok(Exit::Fine);
    }
    for (i, history) in histories.iter().enumerate() {
        if i > 0 {
            print("\n")?;
        }
        print(&format!(
            "{} in account {}\n",
            history.connection_arn, history.account
        ))?;
        print(&history_table(history))?;
    }
    Ok(Exit::Fine)
}

/// A history as text.
pub(super) fn history_table(history: &History) -> String {
    let rows = history.changes.iter().map(|ToldChange { change, .. }| {
        [
            change.version.to_string(),
            change.kind.to_string(),
            what_changed(change),
            span(change),
            change.run_id.to_string(),
        ]
    });
    table(
        ["#", "CHANGE", "WHAT", "HAPPENED BETWEEN", "RUN"],
        rows.collect(),
    )
}

pub(super) async fn changes(args: ChangesArgs) -> Result<Exit, CliError> {
    if args.since >= args.until {
        return Err(CliError::Usage(format!(
            "--since {} is not before --until {}",
            short(args.since),
            short(args.until)
        )));
    }
    let store = Store::open(&args.store).await?;
    let audit = Audit::new(store.table().clone());
    rests_on(&audit, args.account.as_ref()).await?;
    let filter = ChangeFilter {
        since: args.since,
        until: args.until,
        kind: args.kind,
        status: args.status,
        provider: args.provider,
        account: args.account,
    };
    let changes = audit.changes(&filter).await.map_err(CliError::failure)?;
    if args.json {
        print_json(&changes)?;
    } else {
        print(&change_table(&changes))?;
        print(&format!(
            "\n{} observed from {} to {}\n",
            count(changes.len(), "change"),
            short(args.since),
            short(args.until)
        ))?;
    }
    Ok(Exit::Fine)
}

/// Changes of several connections as text.
pub(super) fn change_table(changes: &[ToldChange]) -> String {
    let rows = changes.iter().map(|ToldChange { change, .. }| {
        let told = change.after.as_ref().or(change.before.as_ref());
        [
            span(change),
            change.kind.to_string(),
            or_dash(told.and_then(|told| told.connection_name.as_deref())),
            what_changed(change),
            change.account.to_string(),
            change.arn.to_string(),
        ]
    });
    table(
        [
            "HAPPENED BETWEEN",
            "CHANGE",
            "NAME",
            "WHAT",
            "ACCOUNT",
            "ARN",
        ],
        rows.collect(),
    )
}

pub(super) async fn runs(args: RunsArgs) -> Result<Exit, CliError> {
    let store = Store::open(&args.store).await?;
    let audit = Audit::new(store.table().clone());
    rests_on(&audit, args.account.as_ref()).await?;
    let mut runs = Vec::new();
    let accounts = audit.accounts(args.account.as_ref()).await;
    for account in accounts.map_err(CliError::failure)? {
        let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
        runs.extend(
            audit
                .runs(&account, most)
                .await
                .map_err(CliError::failure)?,
        );
    }
    if args.json {
        print_json(&runs)?;
    } else {
        print(&run_table(&runs))?;
    }
    Ok(Exit::Fine)
}

/// Runs as text; what is missing of a run stands under it.
pub(super) fn run_table(runs: &[RunRecord]) -> String {
    let rows = runs.iter().map(|run| {
        let complete = run.listings.iter().filter(|listing| listing.complete);
        [
            run.account.to_string(),
            run.sequence.to_string(),
            short(run.started_at),
            run.outcome.to_string(),
            run.trigger.word().to_owned(),
            format!("{}/{}", complete.count(), run.listings.len()),
            run.connections.values().sum::<u64>().to_string(),
            run.changes.values().sum::<u64>().to_string(),
        ]
    });
    let missing: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            run.problems
                .iter()
                .map(|p| format!("missing: {p}"))
                .collect()
        })
        .collect();
    table_with_notes(
        [
            "ACCOUNT",
            "#",
            "STARTED",
            "OUTCOME",
            "TRIGGER",
            "LISTED",
            "CONNECTIONS",
            "CHANGES",
        ],
        rows.collect(),
        &missing,
    )
}

/// The accounts' records. No record at all means that nothing can be said:
/// an empty answer would read as "there is nothing".
async fn rests_on(audit: &Audit, account: Option<&AccountId>) -> Result<Vec<RestsOn>, CliError> {
    let mut found = Vec::new();
    for account in audit.accounts(account).await.map_err(CliError::failure)? {
        let record = audit.table().read_record(&account).await;
        found.extend(record.map_err(CliError::failure)?.map(RestsOn::from));
    }
    if found.is_empty() {
        let whose = account.map_or(String::new(), |account| format!(" of account {account}"));
        return Err(CliError::NoEvidence(format!(
            "no run{whose} is recorded here: nothing can be said about its connections"
        )));
    }
    Ok(found)
}
