//! Checks a statement before anything is read: that it is one, that it only reads,
//! and which tables it reads.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Error};

use super::schema::{self, Table};

/// A statement that only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text.
    pub text: String,
    /// The tables that it reads.
    pub tables: BTreeSet<Table>,
    /// The columns of its rows.
    pub columns: Vec<String>,
}

/// The reason why a statement can't be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementError {
    /// The reason, as SQLite words it.
    pub message: String,
    /// Where, if that is known.
    pub place: Option<Place>,
}

/// A place in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The text of the line.
    pub text: String,
}

impl fmt::Display for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "line {}, column {}: ", place.line, place.column)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for StatementError {}

impl Place {
    fn of(text: &str, offset: usize) -> Option<Self> {
        let before = text.get(..offset)?;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text[start..].lines().next().unwrap_or_default();
        Some(Self {
            line: before.matches('\n').count() + 1,
            column: text[start..offset].chars().count() + 1,
            text: line.to_owned(),
        })
    }
}

impl StatementError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
        }
    }

    /// Returns SQLite's error about a statement.
    pub(super) fn of(error: &Error, text: &str) -> Self {
        match error {
            Error::SqlInputError { msg, offset, .. } => Self {
                message: msg.clone(),
                place: usize::try_from(*offset)
                    .ok()
                    .and_then(|offset| Place::of(text, offset)),
            },
            Error::SqliteFailure(_, Some(message)) => Self {
                place: named_in(message, text),
                message: message.clone(),
            },
            Error::MultipleStatement => Self::new("several statements; only one is run at a time"),
            other => Self::new(other.to_string()),
        }
    }
}

/// Returns the place of what a message ends with: `no such table: conections`. For
/// those SQLite gives none.
fn named_in(message: &str, text: &str) -> Option<Place> {
    let (_, name) = message.rsplit_once(": ")?;
    let name = name.rsplit('.').next().unwrap_or(name);
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut found = text.match_indices(name);
    let (offset, _) = found.find(|(at, _)| {
        let (before, after) = (&text[..*at], &text[at + name.len()..]);
        !is_word(before.chars().next_back()) && !is_word(after.chars().next())
    })?;
    Place::of(text, offset)
}

/// What the authorizer noted.
#[derive(Debug, Default)]
struct Noted {
    tables: BTreeSet<Table>,
    refused: Option<String>,
}

impl Statement {
    /// Checks a statement against the empty schema.
    ///
    /// # Errors
    /// [`StatementError`] if it is not one statement that only reads.
    pub fn check(text: &str) -> Result<Self, StatementError> {
        let of = |error: &Error| StatementError::of(error, text);
        let connection = Connection::open_in_memory().map_err(|error| of(&error))?;
        connection
            .execute_batch(&schema::ddl())
            .map_err(|error| of(&error))?;
        let noted: Arc<Mutex<Noted>> = Arc::default();
        let noting = Arc::clone(&noted);
        let authorize = move |context: AuthContext<'_>| {
            let mut noted = noting.lock().unwrap_or_else(PoisonError::into_inner);
            if let AuthAction::Read { table_name, .. } = context.action {
                noted.tables.extend(Table::named(table_name));
            }
            let refused = refused(&context.action);
            let is_refused = refused.is_some();
            noted.refused = noted.refused.take().or(refused);
            match is_refused {
                true => Authorization::Deny,
                false => Authorization::Allow,
            }
        };
        connection.authorizer(Some(authorize));
        let prepared = connection.prepare(text);
        let noted = std::mem::take(&mut *noted.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(refused) = noted.refused {
            return Err(StatementError::new(format!(
                "{refused} is not possible: the record is only read (SELECT, WITH, EXPLAIN, \
                 PRAGMA table_info)"
            )));
        }
        let prepared = prepared.map_err(|error| of(&error))?;
        let columns = prepared.column_names().into_iter().map(str::to_owned);
        let columns: Vec<String> = columns.collect();
        if columns.is_empty() {
            return Err(StatementError::new("not a statement that returns rows"));
        }
        let mut tables = noted.tables;
        tables.extend(opened(&connection, text).map_err(|error| of(&error))?);
        Ok(Self {
            text: text.to_owned(),
            tables,
            columns,
        })
    }
}

/// Returns the tables that the statement's program opens. The authorizer is not asked
/// about columns that only `USING` names.
fn opened(connection: &Connection, text: &str) -> Result<BTreeSet<Table>, Error> {
    // An EXPLAIN can't be explained, and reads no rows.
    let Ok(mut explained) = connection.prepare(&format!("EXPLAIN {text}")) else {
        return Ok(BTreeSet::new());
    };
    let mut roots = connection.prepare("SELECT name FROM sqlite_master WHERE rootpage = ?")?;
    let mut tables = BTreeSet::new();
    let mut rows = explained.query([])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, String>("opcode")? == "OpenRead" {
            let root: i64 = row.get("p2")?;
            let names = roots.query_map([root], |row| row.get::<_, String>(0))?;
            for name in names {
                tables.extend(Table::named(&name?));
            }
        }
    }
    Ok(tables)
}

/// Pragmas that describe the schema.
const READING_PRAGMAS: [&str; 7] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "function_list",
    "compile_options",
    "user_version",
];

/// Returns what an action would do, unless it only reads.
fn refused(action: &AuthAction<'_>) -> Option<String> {
    let what = match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => return None,
        AuthAction::Function { function_name } => {
            let loads = function_name.eq_ignore_ascii_case("load_extension");
            return loads.then(|| "load_extension".to_owned());
        }
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            let reads = READING_PRAGMAS.contains(&pragma_name.to_ascii_lowercase().as_str());
            let sets = *pragma_name == "user_version" && pragma_value.is_some();
            return (!reads || sets).then(|| format!("PRAGMA {pragma_name}"));
        }
        AuthAction::Insert { table_name } if Table::named(table_name).is_some() => "INSERT",
        AuthAction::Update { table_name, .. } if Table::named(table_name).is_some() => "UPDATE",
        AuthAction::Delete { table_name } if Table::named(table_name).is_some() => "DELETE",
        AuthAction::Attach { .. } => "ATTACH",
        AuthAction::Detach { .. } => "DETACH",
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => "a transaction",
        _ => "a change of the schema",
    };
    Some(what.to_owned())
}
