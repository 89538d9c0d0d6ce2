//! A database with tables of the record.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use tempfile::NamedTempFile;

use super::column::Column;
use super::schema::{self, Table};
use super::statement::{Statement, StatementError};

/// A database that tables are loaded into.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
}

/// The reason why a database can't be written.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite failed.
    #[error("the database of the tables")]
    Sqlite(#[from] rusqlite::Error),
    /// The file can't be written.
    #[error("{path}: can't be written")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
}

impl Database {
    /// Returns a database in memory, with empty tables.
    ///
    /// # Errors
    /// [`DatabaseError`] if SQLite fails.
    pub fn in_memory() -> Result<Self, DatabaseError> {
        Self::with_tables(Connection::open_in_memory()?)
    }

    fn with_tables(connection: Connection) -> Result<Self, DatabaseError> {
        connection.execute_batch(&schema::ddl())?;
        Ok(Self { connection })
    }

    /// Ends each statement once `ended` is true.
    pub fn end_statements_if(&self, ended: Arc<AtomicBool>) {
        /// Some microseconds of work.
        const STEPS_BETWEEN_LOOKS: i32 = 10_000;
        let is_ended = move || ended.load(Ordering::Relaxed);
        self.connection
            .progress_handler(STEPS_BETWEEN_LOOKS, Some(is_ended));
    }

    /// Begins to write rows, which are in the database after [`commit`](Self::commit).
    pub(super) fn begin(&self) -> Result<(), DatabaseError> {
        Ok(self.connection.execute_batch("BEGIN")?)
    }

    /// Ends writing.
    pub(super) fn commit(&self) -> Result<(), DatabaseError> {
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    /// Returns a writer of rows of a table.
    pub(super) fn writer<R>(
        &self,
        table: Table,
        columns: &'static [Column<R>],
    ) -> Result<RowsOf<'_, R>, DatabaseError> {
        let places = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO \"{}\" VALUES ({places})", table.as_str());
        Ok(RowsOf {
            insert: self.connection.prepare(&insert)?,
            columns,
            failed: None,
        })
    }

    /// Writes rows of a table.
    pub(super) fn write<R>(
        &self,
        table: Table,
        columns: &'static [Column<R>],
        rows: impl IntoIterator<Item = R>,
    ) -> Result<(), DatabaseError> {
        let mut writer = self.writer(table, columns)?;
        rows.into_iter().all(|row| writer.add(&row));
        writer.finish()
    }

    /// Runs a checked statement, and calls `each` with its rows until it returns
    /// false.
    ///
    /// # Errors
    /// [`StatementError`] if it fails on the rows.
    pub fn run(
        &self,
        statement: &Statement,
        mut each: impl FnMut(Vec<Value>) -> bool,
    ) -> Result<(), StatementError> {
        let of = |error| StatementError::of(&error, &statement.text);
        let only_read = self.connection.pragma_update(None, "query_only", true);
        only_read.map_err(of)?;
        let mut prepared = self.connection.prepare(&statement.text).map_err(of)?;
        let columns = prepared.column_count();
        let mut rows = prepared.query([]).map_err(of)?;
        while let Some(row) = rows.next().map_err(of)? {
            let values = (0..columns).map(|column| row.get(column));
            let values: Vec<Value> = values.collect::<Result<_, _>>().map_err(of)?;
            if !each(values) {
                break;
            }
        }
        Ok(())
    }
}

/// Writes rows of a table.
pub(super) struct RowsOf<'a, R: 'static> {
    insert: rusqlite::Statement<'a>,
    columns: &'static [Column<R>],
    failed: Option<rusqlite::Error>,
}

impl<R> RowsOf<'_, R> {
    /// Writes a row. Returns false after a failure, which [`finish`](Self::finish)
    /// returns.
    pub(super) fn add(&mut self, row: &R) -> bool {
        if self.failed.is_none() {
            let values = self.columns.iter().map(|column| (column.value)(row));
            self.failed = self.insert.execute(params_from_iter(values)).err();
        }
        self.failed.is_none()
    }

    /// Ends writing.
    pub(super) fn finish(self) -> Result<(), DatabaseError> {
        self.failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// A database in a file that is not at its place yet.
#[derive(Debug)]
pub struct SavedDatabase {
    /// The database.
    pub database: Database,
    file: NamedTempFile,
    path: PathBuf,
}

impl SavedDatabase {
    /// Creates a database in a file beside `path`, readable only by its owner.
    ///
    /// # Errors
    /// [`DatabaseError`] if it can't be created.
    pub fn create(path: &Path) -> Result<Self, DatabaseError> {
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
        let file = file.map_err(|cause| DatabaseError::File {
            path: path.to_owned(),
            cause,
        })?;
        // The file is synced once, when it is complete.
        let connection = Connection::open(file.path())?;
        connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
        Ok(Self {
            database: Database::with_tables(connection)?,
            file,
            path: path.to_owned(),
        })
    }

    /// Returns true if the file at `path` is such a database. Only those are replaced: an
    /// inventory is a SQLite file, too.
    pub fn is_at(path: &Path) -> bool {
        let only_read = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, only_read);
        let version = opened.and_then(|connection| {
            let version = "SELECT value FROM meta WHERE name = 'schema_version'";
            connection.query_row(version, [], |row| row.get::<_, String>(0))
        });
        version.is_ok()
    }

    /// Moves the complete file to its place.
    ///
    /// # Errors
    /// [`DatabaseError`] if it can't be, or if there is a file and `replaces` is false.
    pub fn persist(self, replaces: bool) -> Result<(), DatabaseError> {
        let path = self.path;
        let closed = self.database.connection.close();
        closed.map_err(|(_, error)| error)?;
        let synced = self.file.as_file().sync_all();
        let moved = synced.and_then(|()| {
            let moved = match replaces {
                true => self.file.persist(&path),
                false => self.file.persist_noclobber(&path),
            };
            moved.map(|_| ()).map_err(|error| error.error)
        });
        moved.map_err(|cause| DatabaseError::File { path, cause })
    }
}
