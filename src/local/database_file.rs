//! The file of an embedded database: whether it is one, and how SQLite can read it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::embedded_error::EmbeddedError;

/// The name of the table in an embedded database.
pub const TABLE: &str = "codeconnections-inventory";

/// How long to wait for the lock of another process.
const BUSY: Duration = Duration::from_secs(30);

/// How often to try to copy a file that another process is writing.
const COPIES: usize = 5;

/// Returns a path as SQLite takes it.
pub(super) fn text(path: &Path) -> Result<&str, EmbeddedError> {
    path.to_str().ok_or_else(|| EmbeddedError::File {
        path: path.to_owned(),
        cause: io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"),
    })
}

/// Checks the header of a file. SQLite would check it only at the first request.
pub(super) fn begins_as_database(path: &Path) -> Result<(), EmbeddedError> {
    use std::io::Read;
    let mut head = [0; 16];
    let read = std::fs::File::open(path)
        .and_then(|mut file| file.read(&mut head))
        .map_err(|cause| EmbeddedError::File {
            path: path.to_owned(),
            cause,
        })?;
    // https://www.sqlite.org/fileformat.html#the_database_header
    if read == head.len() && &head == b"SQLite format 3\0" {
        return Ok(());
    }
    Err(EmbeddedError::NotADatabase {
        path: path.to_owned(),
        problem: "no SQLite header".to_owned(),
    })
}

/// Returns true if SQLite can write a file and create its log next to it. Writes
/// nothing and leaves no file.
pub(super) fn can_write(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    std::fs::OpenOptions::new().write(true).open(path).is_ok()
        && tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).is_ok()
}

/// Returns what SQLite can read if it can't write `path`: the file itself without
/// a log; otherwise a copy of file and log, because SQLite reads a log only with
/// an index file next to it.
pub(super) fn readable(path: &Path) -> Result<(String, Option<TempDir>), EmbeddedError> {
    let wrong = |cause| EmbeddedError::File {
        path: path.to_owned(),
        cause,
    };
    let log = log_of(path);
    if !holds_anything(&log) {
        return Ok((uri(path, "immutable=1"), None));
    }
    let folder = TempDir::new().map_err(wrong)?;
    let copy = folder.path().join("copy.db");
    for _ in 0..COPIES {
        let before = (state_of(path), state_of(&log));
        for (from, to) in [(path, copy.as_path()), (&log, &log_of(&copy))] {
            // Don't copy the permissions: the copy has to be writable.
            let mut from = std::fs::File::open(from).map_err(wrong)?;
            let mut to = std::fs::File::create(to).map_err(wrong)?;
            io::copy(&mut from, &mut to).map_err(wrong)?;
        }
        // Otherwise another process wrote meanwhile: file and log don't match.
        if before == (state_of(path), state_of(&log)) {
            return Ok((text(&copy)?.to_owned(), Some(folder)));
        }
    }
    let problem = "another process is writing to it; try again when it has finished";
    Err(wrong(io::Error::other(problem)))
}

/// Returns the write-ahead log of a database.
/// <https://www.sqlite.org/wal.html>
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Returns size and time of a file, which change when it is written.
fn state_of(path: &Path) -> Option<(u64, std::time::SystemTime)> {
    let file = path.metadata().ok()?;
    Some((file.len(), file.modified().ok()?))
}

fn holds_anything(log: &Path) -> bool {
    log.metadata().is_ok_and(|log| log.len() > 0)
}

/// Checks that a database contains the table of an inventory, without writing:
/// opening it as an embedded DynamoDB would modify any other database.
pub(super) fn look_into(path: &Path) -> Result<(), String> {
    let log = log_of(path);
    if !holds_anything(&log) {
        // Everything is in the file. Immutable: SQLite creates no log.
        let seen = has_table(&uri(path, "immutable=1"));
        if seen.is_ok() || !log.exists() {
            return seen;
        }
        // Another process is writing now: respect its locks.
    }
    if !can_write(path) {
        let (name, _copy) = readable(path).map_err(|error| error.to_string())?;
        return has_table(&name);
    }
    has_table(&uri(path, "mode=ro"))
}

fn has_table(name: &str) -> Result<(), String> {
    let lacks = || format!("it has no table {TABLE}");
    let told = |error: rusqlite::Error| error.to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let database = Connection::open_with_flags(name, flags).map_err(told)?;
    database.busy_timeout(BUSY).map_err(told)?;
    // The table of table definitions of the embedded DynamoDB.
    if !database.table_exists(None, "_tables").map_err(told)? {
        return Err(lacks());
    }
    let found: Result<i64, _> = database.query_row(
        "SELECT count(*) FROM _tables WHERE table_name = ?1",
        [TABLE],
        |row| row.get(0),
    );
    match found {
        Ok(1..) => Ok(()),
        Ok(_) => Err(lacks()),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns the URI of a database. <https://www.sqlite.org/uri.html>
fn uri(path: &Path, mode: &str) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let escaped: String = path
        .to_string_lossy()
        .chars()
        .map(|c| match c {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            other => other.to_string(),
        })
        .collect();
    format!("file://{escaped}?{mode}")
}
