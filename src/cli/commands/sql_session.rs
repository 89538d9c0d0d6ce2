//! Runs statements on tables of the record. A table is read when a statement first
//! names it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args as ClapArgs;
use rusqlite::types::Value;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{dependency_table, findings};
use crate::audit::Audit;
use crate::cli::args::rules::RuleFlags;
use crate::cli::args::{StoreArgs, parse_when};
use crate::cli::error::CliError;
use crate::cli::render::csv::inert;
use crate::cli::render::row_writer::Document;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{FormatArgs, note, print_rows};
use crate::cli::store::Store;
use crate::cli::{evidence, suggestions};
use crate::domain::{AccountId, Clock, SystemClock, Timestamp};
use crate::output::escape::printable;
use crate::output::text::{count, format_time, or_dash};
use crate::sql::{Database, LoadError, Loaded, Selection, Statement, StatementError, Table};

/// Selects what is loaded, and how rows are printed.
#[derive(Debug, ClapArgs)]
pub(super) struct SessionArgs {
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// Load only this account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Load changes, runs and listings from here on: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    since: Option<Timestamp>,
    /// Load the state at this time: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    pub(super) as_of: Option<Timestamp>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

impl SessionArgs {
    /// Returns what is loaded of these tables.
    pub(super) fn selection(&self, tables: BTreeSet<Table>) -> Result<Selection, CliError> {
        Ok(Selection {
            tables,
            account: self.account.clone(),
            since: self.since,
            as_of: self.as_of,
            now: SystemClock.now(),
            rules: RuleFlags::default().with_file(None)?,
        })
    }
}

/// Loads tables.
pub(super) async fn load(
    selection: &Selection,
    audit: &Audit,
    database: &Database,
) -> Result<Loaded, CliError> {
    let loaded = selection.load(audit, database).await;
    loaded.map_err(|error| match error {
        LoadError::Audit(error) => CliError::failure(error),
        LoadError::Database(_) => CliError::failure(error),
    })
}

/// The tables that were loaded.
struct Held {
    tables: BTreeSet<Table>,
    database: Database,
    loaded: Loaded,
}

/// Statements on one inventory.
pub(super) struct Session<'a> {
    args: &'a SessionArgs,
    store: Option<Store>,
    held: Option<Held>,
    /// Ends statements once it is true.
    ended: Arc<AtomicBool>,
}

impl<'a> Session<'a> {
    /// Returns a session that has read nothing.
    pub(super) fn new(args: &'a SessionArgs) -> Self {
        Self {
            args,
            store: None,
            held: None,
            ended: Arc::default(),
        }
    }

    /// Ends each statement once `ended` is true.
    pub(super) fn end_statements_if(&mut self, ended: Arc<AtomicBool>) {
        self.ended = ended;
    }

    /// Opens the inventory, if it is not open.
    pub(super) async fn open(&mut self) -> Result<Audit, CliError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open(&self.args.store).await?,
        };
        Ok(self.store.insert(store).audit())
    }

    /// Forgets the tables: later statements read them again.
    pub(super) fn reload(&mut self) {
        self.held = None;
    }

    /// Returns loaded tables, these among them. If one is missing, all are loaded
    /// again: what is joined is of one time.
    async fn held(&mut self, selection: &Selection) -> Result<&Held, CliError> {
        let held = self.held.take();
        let held = match held {
            Some(held) if held.tables.is_superset(&selection.tables) => held,
            other => {
                let mut tables = selection.tables.clone();
                tables.extend(other.into_iter().flat_map(|held| held.tables));
                let database = Database::in_memory().map_err(CliError::failure)?;
                database.end_statements_if(Arc::clone(&self.ended));
                let loaded = match tables.is_empty() {
                    // It is about no table: no inventory is needed.
                    true => Loaded::default(),
                    false => {
                        let audit = self.open().await?;
                        let wanted = self.args.selection(tables.clone())?;
                        load(&wanted, &audit, &database).await?
                    }
                };
                Held {
                    tables,
                    database,
                    loaded,
                }
            }
        };
        Ok(self.held.insert(held))
    }

    /// Runs a statement, and prints its rows and what they are based on.
    ///
    /// # Errors
    /// [`CliError::Usage`] if the statement is wrong, [`CliError::NoEvidence`] if a table
    /// may lack rows.
    pub(super) async fn answer(&mut self, text: &str) -> Result<(), CliError> {
        let statement = Statement::check(text).map_err(refused)?;
        let args = self.args;
        let format = args.format.get();
        if format.has_names_once() {
            require_distinct(&statement.columns)?;
        }
        let selection = args.selection(statement.tables.clone())?;
        let loaded = self.held(&selection).await?.loaded.of(&selection.tables);
        if !selection.tables.is_empty() {
            require_runs(&self.open().await?, &selection, &loaded).await?;
        }
        let database = &self.held(&selection).await?.database;
        print_answer(database, &statement, &selection, &loaded, args.format)?;
        require_evidence(&selection, &loaded)
    }
}

/// Refuses tables without a run that they come from: an empty one would read as "there is
/// none".
async fn require_runs(
    audit: &Audit,
    selection: &Selection,
    loaded: &Loaded,
) -> Result<(), CliError> {
    let (account, tables) = (selection.account.as_ref(), &selection.tables);
    if tables.iter().any(|table| table.is_of_connections()) {
        evidence::require_runs(audit, &loaded.rests_on, account, selection.as_of).await?;
    }
    if tables.iter().any(|table| table.is_of_dependencies()) {
        dependency_table::require_runs(audit, &loaded.dependencies_rest_on, account).await?;
    }
    if tables.contains(&Table::RecordedFindings) {
        let bases = &loaded.evaluations_rest_on;
        findings::require_evaluations(audit, bases, account, selection.as_of).await?;
    }
    Ok(())
}

/// Describes what tables are based on.
pub(super) fn notes(selection: &Selection, loaded: &Loaded) -> Vec<String> {
    let mut notes = evidence::lines(&loaded.rests_on);
    let bases = &loaded.dependencies_rest_on;
    notes.extend(match selection.tables.contains(&Table::Consumers) {
        true => dependency_table::notes(bases),
        false => dependency_table::basis_notes(bases),
    });
    notes.extend(findings::basis_notes(&loaded.evaluations_rest_on));
    notes.extend(evidence::earlier_runs_note(loaded.without_earlier_runs));
    if loaded.not_evaluated > 0 {
        notes.push(format!(
            "findings: {} could not be evaluated (INSUFFICIENT_DATA)",
            count(loaded.not_evaluated, "result")
        ));
    }
    notes.extend(selection.as_of.and_then(evidence::not_final_note));
    notes
}

/// Refuses tables that may lack rows.
fn require_evidence(selection: &Selection, loaded: &Loaded) -> Result<(), CliError> {
    let has = |table| selection.tables.contains(&table);
    if has(Table::Connections) || has(Table::Changes) || has(Table::Findings) {
        evidence::require_complete_run(&loaded.rests_on)?;
    }
    if let Some(since) = selection.since.filter(|_| has(Table::Changes)) {
        evidence::require_complete_run_since(&loaded.rests_on, since)?;
    }
    if let (Some(since), Some(note)) = (
        selection.since,
        evidence::earlier_runs_note(loaded.without_earlier_runs),
    ) {
        let since = format_time(since);
        return Err(CliError::NoEvidence(format!("--since {since}: {note}")));
    }
    findings::require_rules(&loaded.evaluations_rest_on)?;
    let mut dependencies = selection.tables.iter().filter(|it| it.is_of_dependencies());
    match dependencies.any(|table| *table != Table::Sources) {
        true => dependency_table::require_sources(&loaded.dependencies_rest_on),
        false => Ok(()),
    }
}

fn print_answer(
    database: &Database,
    statement: &Statement,
    selection: &Selection,
    loaded: &Loaded,
    format_args: FormatArgs,
) -> Result<(), CliError> {
    let format = format_args.get();
    let document = Document::of_rows("rows")
        .with("account", &selection.account)
        .with("since", &selection.since)
        .with("as_of", &selection.as_of)
        .with("rests_on", &loaded.rests_on)
        .with("dependencies_rest_on", &loaded.dependencies_rest_on)
        .with("evaluations_rest_on", &loaded.evaluations_rest_on);
    let columns = &statement.columns;
    let notes = notes(selection, loaded);
    match format.writer_with(columns, document) {
        None => {
            let mut table = TextTable::named(columns.iter().map(|name| {
                // Active characters in a name would act on the terminal.
                (printable(name), Cut::Middle)
            }));
            let each = |values: Vec<Value>| {
                let cells = values
                    .iter()
                    .map(|value| Cell::from(or_dash(in_text(value).as_deref())));
                let cells: Vec<Cell> = cells.collect();
                table.add(cells, Vec::new());
                true
            };
            database.run(statement, each).map_err(refused)?;
            print_rows(&table, &notes, format_args.width())?;
        }
        Some(mut writer) => {
            let each = |values: Vec<Value>| {
                let row = SqlRow { columns, values };
                writer.write_fields(&row, || row.fields());
                writer.wants_more()
            };
            database.run(statement, each).map_err(refused)?;
            writer.finish()?;
            format.note(&notes);
        }
    }
    Ok(())
}

/// Shows where a statement is wrong, and returns the error.
fn refused(error: StatementError) -> CliError {
    if let Some(place) = &error.place {
        let indent = " ".repeat(place.column.saturating_sub(1));
        note(&[format!("  {}", place.text), format!("  {indent}^")]);
    }
    let unknown = error.message.strip_prefix("no such table: ");
    let names = Table::ALL.map(Table::as_str);
    let hint = unknown.map_or(String::new(), |name| suggestions::hint_of(name, &names));
    CliError::Usage(format!("sql: {error}{hint}"))
}

/// Refuses columns with the same name, which one JSON object can't have.
fn require_distinct(columns: &[String]) -> Result<(), CliError> {
    let mut seen = std::collections::BTreeSet::new();
    match columns.iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(CliError::Usage(format!(
            "sql: two columns are named {name}; in JSON each needs a name of its own (`… as other`)"
        ))),
    }
}

/// A row of a statement.
struct SqlRow<'a> {
    columns: &'a [String],
    values: Vec<Value>,
}

impl Serialize for SqlRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (name, value) in self.columns.iter().zip(&self.values) {
            match value {
                Value::Null => map.serialize_entry(name, &()),
                Value::Integer(number) => map.serialize_entry(name, number),
                Value::Real(number) => map.serialize_entry(name, number),
                Value::Text(text) => map.serialize_entry(name, text),
                Value::Blob(bytes) => map.serialize_entry(name, &hex(bytes)),
            }?;
        }
        map.end()
    }
}

impl SqlRow<'_> {
    /// Returns the fields in CSV. Numbers stay numbers: no spreadsheet evaluates them.
    fn fields(&self) -> Vec<String> {
        let fields = self.values.iter().map(|value| {
            let text = in_text(value).unwrap_or_default();
            match value {
                Value::Integer(_) | Value::Real(_) => text,
                Value::Null | Value::Text(_) | Value::Blob(_) => inert(&text),
            }
        });
        fields.collect()
    }
}

/// Returns a value as text; `None` for NULL.
fn in_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Blob(bytes) => Some(hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
