//! `sql`: queries on the record as tables, and a database of them.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use rusqlite::types::Value;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::dependency_table;
use crate::audit::Audit;
use crate::cli::args::rules::RuleFlags;
use crate::cli::args::{StoreArgs, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::render::csv::inert;
use crate::cli::render::row_writer::Document;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{FormatArgs, note, print, print_rows};
use crate::cli::store::Store;
use crate::cli::{evidence, suggestions};
use crate::domain::{AccountId, Clock, SystemClock, Timestamp};
use crate::output::escape::printable;
use crate::output::text::{count, or_dash};
use crate::sql::database::SavedDatabase;
use crate::sql::{Database, Loaded, Selection, Statement, StatementError, Table, schema};

/// The longest statement that is read from standard input, in bytes. SQLite takes
/// no longer one.
const MAX_STATEMENT_BYTES: u64 = 1_000_000;

/// Query the record with SQL (SQLite), or save it as a database
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Tables: connections, changes, runs, listings, hosts, tags, consumers, shares, sources, \
findings, meta. `ccinv sql --schema` lists their columns. Only the tables that the \
statement names are read, and nothing is written. Times are RFC 3339 in UTC, as text.

Examples:
  ccinv sql \"select connection_status, count(*) from connections group by 1\"
  ccinv sql --as-of 2026-10-31 \"select * from connections where deleted_at is null\"
  ccinv sql --json < query.sql
  ccinv sql --save record.db                      for Datasette, DuckDB or a notebook

Exit codes: 0 success, 2 the statement is wrong or does not only read, 4 no complete \
run covers a table: it may lack rows.")]
pub(crate) struct SqlArgs {
    /// One statement that reads; without it, standard input
    #[arg(value_name = "STATEMENT")]
    statement: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Load only this account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Load changes, runs and listings from here on: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    since: Option<Timestamp>,
    /// Load the state at this time: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    as_of: Option<Timestamp>,
    /// Write all tables to this SQLite file, instead of a query
    #[arg(long, value_name = "FILE", conflicts_with = "statement")]
    save: Option<PathBuf>,
    /// Replace the file of --save
    #[arg(long, requires = "save")]
    force: bool,
    /// Print the tables and columns as Markdown, and exit
    #[arg(long, conflicts_with_all = ["statement", "save"])]
    schema: bool,
    #[command(flatten)]
    format: FormatArgs,
}

pub(crate) async fn run(args: SqlArgs) -> Result<Exit, CliError> {
    if args.schema {
        print(&schema::markdown())?;
        return Ok(Exit::Success);
    }
    if let Some(at) = args.as_of {
        evidence::require_past("--as-of", at)?;
    }
    match &args.save {
        Some(path) => save(&args, path).await,
        None => query(&args).await,
    }
}

impl SqlArgs {
    fn selection(&self, tables: impl IntoIterator<Item = Table>) -> Result<Selection, CliError> {
        Ok(Selection {
            tables: tables.into_iter().collect(),
            account: self.account.clone(),
            since: self.since,
            as_of: self.as_of,
            now: SystemClock.now(),
            rules: RuleFlags::default().with_file(None)?,
        })
    }

    /// Returns the statement that is given, or that of standard input.
    fn statement(&self) -> Result<String, CliError> {
        if let Some(statement) = &self.statement {
            return Ok(statement.clone());
        }
        let input = io::stdin();
        if input.is_terminal() {
            return Err(CliError::Usage(
                "no statement: give it as an argument (`ccinv sql \"select …\"`) or on standard \
                 input; `ccinv sql --schema` lists the tables"
                    .to_owned(),
            ));
        }
        let mut text = String::new();
        let read = input
            .take(MAX_STATEMENT_BYTES + 1)
            .read_to_string(&mut text);
        let read = read.map_err(|error| {
            CliError::Usage(format!(
                "standard input: the statement can't be read: {error}"
            ))
        })?;
        if u64::try_from(read).is_ok_and(|read| read > MAX_STATEMENT_BYTES) {
            return Err(CliError::Usage(format!(
                "standard input: the statement is longer than {MAX_STATEMENT_BYTES} bytes"
            )));
        }
        Ok(text)
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
    Ok(())
}

/// Describes what tables are based on.
fn notes(selection: &Selection, loaded: &Loaded) -> Vec<String> {
    let mut notes = evidence::lines(&loaded.rests_on);
    let bases = &loaded.dependencies_rest_on;
    notes.extend(match selection.tables.contains(&Table::Consumers) {
        true => dependency_table::notes(bases),
        false => dependency_table::basis_notes(bases),
    });
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
    let mut dependencies = selection.tables.iter().filter(|it| it.is_of_dependencies());
    match dependencies.any(|table| *table != Table::Sources) {
        true => dependency_table::require_sources(&loaded.dependencies_rest_on),
        false => Ok(()),
    }
}

async fn query(args: &SqlArgs) -> Result<Exit, CliError> {
    let text = args.statement()?;
    let statement = Statement::check(&text).map_err(refused)?;
    let format = args.format.get();
    if format.has_names_once() {
        require_distinct(&statement.columns)?;
    }
    let database = Database::in_memory().map_err(CliError::failure)?;
    let selection = args.selection(statement.tables.iter().copied())?;
    let loaded = match selection.tables.is_empty() {
        // It is about no table: no inventory is needed.
        true => Loaded::default(),
        false => {
            let store = Store::open(&args.store).await?;
            let audit = store.audit();
            let loaded = selection.load(&audit, &database).await;
            let loaded = loaded.map_err(CliError::failure)?;
            require_runs(&audit, &selection, &loaded).await?;
            loaded
        }
    };
    let document = Document::of_rows("rows")
        .with("account", &selection.account)
        .with("since", &selection.since)
        .with("as_of", &selection.as_of)
        .with("rests_on", &loaded.rests_on)
        .with("dependencies_rest_on", &loaded.dependencies_rest_on);
    let columns = &statement.columns;
    let notes = notes(&selection, &loaded);
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
            database.run(&statement, each).map_err(refused)?;
            print_rows(&table, &notes, args.format.width())?;
        }
        Some(mut writer) => {
            let each = |values: Vec<Value>| {
                let row = SqlRow { columns, values };
                writer.write_fields(&row, || row.fields());
                writer.wants_more()
            };
            database.run(&statement, each).map_err(refused)?;
            writer.finish()?;
            format.note(&notes);
        }
    }
    require_evidence(&selection, &loaded)?;
    Ok(Exit::Success)
}

async fn save(args: &SqlArgs, path: &Path) -> Result<Exit, CliError> {
    if path.exists() {
        let name = path.display();
        if !args.force {
            return Err(CliError::Usage(format!(
                "--save: {name} exists; --force replaces it"
            )));
        }
        if !SavedDatabase::is_at(path) {
            return Err(CliError::Usage(format!(
                "--force: {name} is not a database that `ccinv sql --save` wrote"
            )));
        }
    }
    let store = Store::open(&args.store).await?;
    let saved = SavedDatabase::create(path).map_err(CliError::failure)?;
    let selection = args.selection(Table::ALL)?;
    let audit = store.audit();
    let loaded = selection.load(&audit, &saved.database).await;
    let loaded = loaded.map_err(CliError::failure)?;
    // Dependencies need not be recorded: table `sources` says what was listed.
    let (bases, account) = (&loaded.rests_on, args.account.as_ref());
    evidence::require_runs(&audit, bases, account, args.as_of).await?;
    saved.persist(args.force).map_err(CliError::failure)?;
    let mut lines = vec![format!("saved {}", path.display())];
    lines.extend(notes(&selection, &loaded));
    note(&lines);
    evidence::require_complete_run(&loaded.rests_on)?;
    Ok(Exit::Success)
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
