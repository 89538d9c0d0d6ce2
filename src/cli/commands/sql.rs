//! `sql`: queries on the record as tables, a prompt for them, and a database.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

use super::sql_prompt;
use super::sql_session::{Session, SessionArgs, load, notes};
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::{note, print};
use crate::cli::store::Store;
use crate::sql::database::SavedDatabase;
use crate::sql::{Table, schema};

/// The longest statement that is read from standard input, in bytes. SQLite takes
/// no longer one.
const MAX_STATEMENT_BYTES: u64 = 1_000_000;

/// Query the record with SQL (SQLite), or save it as a database
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Tables: connections, changes, runs, listings, hosts, tags, consumers, shares, sources, \
findings, recorded_findings, meta. `ccinv sql --schema` lists their columns. Only the tables that the \
statement names are read, and nothing is written. Times are RFC 3339 in UTC, as text.

Examples:
  ccinv sql \"select connection_status, count(*) from connections group by 1\"
  ccinv sql --as-of 2026-10-31 \"select * from connections where deleted_at is null\"
  ccinv sql --json < query.sql
  ccinv sql                                       a prompt, on a terminal
  ccinv sql --save record.db                      for Datasette, DuckDB or a notebook

Exit codes: 0 success, 2 the statement is wrong or does not only read, 4 no complete \
run covers a table: it may lack rows.")]
pub(crate) struct SqlArgs {
    /// One statement that reads; without it, standard input, and on a terminal a prompt
    #[arg(value_name = "STATEMENT")]
    statement: Option<String>,
    #[command(flatten)]
    session: SessionArgs,
    /// Write all tables to this SQLite file, instead of a query
    #[arg(long, value_name = "FILE", conflicts_with = "statement")]
    save: Option<PathBuf>,
    /// Replace the file of --save
    #[arg(long, requires = "save")]
    force: bool,
    /// Print the tables and columns as Markdown, and exit
    #[arg(long, conflicts_with_all = ["statement", "save"])]
    schema: bool,
}

pub(crate) async fn run(args: SqlArgs) -> Result<Exit, CliError> {
    if args.schema {
        print(&schema::markdown())?;
        return Ok(Exit::Success);
    }
    if let Some(at) = args.session.as_of {
        evidence::require_past("--as-of", at)?;
    }
    if let Some(path) = &args.save {
        return save(&args, path).await;
    }
    let mut session = Session::new(&args.session);
    let given = match args.statement {
        Some(statement) => Some(statement),
        None => statement_of_input()?,
    };
    match given {
        Some(statement) => {
            session.answer(&statement).await?;
            Ok(Exit::Success)
        }
        None => sql_prompt::run(session).await,
    }
}

/// Returns the statement of standard input; none if statements are typed there.
fn statement_of_input() -> Result<Option<String>, CliError> {
    let input = io::stdin();
    if input.is_terminal() {
        if io::stdout().is_terminal() {
            return Ok(None);
        }
        return Err(CliError::Usage(
            "no statement, and standard output is not a terminal for a prompt: give it as an \
             argument (`ccinv sql \"select …\"`) or on standard input"
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
    Ok(Some(text))
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
    let store = Store::open(&args.session.store).await?;
    let saved = SavedDatabase::create(path).map_err(CliError::failure)?;
    let selection = args.session.selection(Table::ALL.into())?;
    let audit = store.audit();
    let loaded = load(&selection, &audit, &saved.database).await?;
    // Dependencies need not be recorded: table `sources` says what was listed.
    let (bases, account) = (&loaded.rests_on, selection.account.as_ref());
    evidence::require_runs(&audit, bases, account, selection.as_of).await?;
    saved.persist(args.force).map_err(CliError::failure)?;
    let mut lines = vec![format!("saved {}", path.display())];
    lines.extend(notes(&selection, &loaded.of(&selection.tables)));
    note(&lines);
    evidence::require_complete_run(&loaded.rests_on)?;
    Ok(Exit::Success)
}
