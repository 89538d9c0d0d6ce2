//! The embedded table: a DynamoDB on SQLite, in memory or in a file, served on a
//! loopback port to the DynamoDB client of the SDK. Its users differ from those on
//! AWS only in the endpoint.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::scan::ScanInput;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use dynoxide::Database;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::aws::clients;
use crate::aws::response_limit::LimitedClient;
use crate::table::name::TableName;
use crate::table::{Table, TableError, schema};

/// The name of the table in an embedded database.
pub const TABLE: &str = "codeconnections-inventory";

/// How long to wait for the lock of another process.
const BUSY: Duration = Duration::from_secs(30);

/// How often to try to copy a file that another process is writing.
const COPIES: usize = 5;

/// An embedded database that is served until this value is dropped.
#[derive(Debug)]
pub struct EmbeddedTable {
    table: Table,
    endpoint: String,
    server: JoinHandle<()>,
    /// The copy that is served instead of a file that can't be written.
    copy: Option<TempDir>,
}

/// The reason why an embedded database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The file does not exist and must not be created.
    #[error("{0}: no such database; create one with `ccinv scan`")]
    Missing(PathBuf),
    /// The file can't be read or created.
    #[error("{path}: can't be opened")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// The file is not a database of an inventory.
    #[error("{path}: not a database of this inventory ({problem})")]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// The reason.
        problem: String,
    },
    /// The server can't be started.
    #[error("the embedded table can't be served")]
    Serve(#[source] io::Error),
    /// The table can't be created.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Whether a database file may be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// The file must exist. It is only read, so it need not be writable.
    Existing,
    /// A missing file is created, readable only by its owner. It is written.
    OrCreate,
}

impl EmbeddedTable {
    /// Creates a database in memory, with an empty table.
    ///
    /// # Errors
    /// [`EmbeddedError`] if it can't be served.
    pub async fn in_memory() -> Result<Self, EmbeddedError> {
        let database = Database::memory().map_err(|error| EmbeddedError::NotADatabase {
            path: PathBuf::from(":memory:"),
            problem: error.to_string(),
        })?;
        let embedded = Self::serve(database).await?;
        embedded.create().await?;
        Ok(embedded)
    }

    /// Opens the database in the file `path`.
    ///
    /// # Errors
    /// [`EmbeddedError`] if it does not exist, is not such a database, or can't be
    /// served.
    pub async fn in_file(path: &Path, open: Open) -> Result<Self, EmbeddedError> {
        if !path.exists() {
            match open {
                Open::Existing => return Err(EmbeddedError::Missing(path.to_owned())),
                Open::OrCreate => make(path).await?,
            }
        }
        begins_as_database(path)?;
        let not_a_database = |problem: String| EmbeddedError::NotADatabase {
            path: path.to_owned(),
            problem,
        };
        look_into(path).map_err(not_a_database)?;
        let (name, copy) = match open {
            Open::Existing if !can_write(path) => readable(path)?,
            Open::Existing | Open::OrCreate => (text(path)?.to_owned(), None),
        };
        let database = Database::new(&name).map_err(|error| not_a_database(error.to_string()))?;
        let mut embedded = Self::serve(database).await?;
        embedded.copy = copy;
        Ok(embedded)
    }

    /// Returns the table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Returns the endpoint, for other clients.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    async fn serve(database: Database) -> Result<Self, EmbeddedError> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(EmbeddedError::Serve)?;
        let address = listener.local_addr().map_err(EmbeddedError::Serve)?;
        let endpoint = format!("http://{address}");
        let server = tokio::spawn(dynoxide::server::serve_on(listener, database));
        let config = aws_sdk_dynamodb::config::Builder::from(&local_config(&endpoint));
        let client = Client::from_conf(config.interceptor(PageLimit).build());
        Ok(Self {
            table: Table::new(client, table_name()),
            endpoint,
            server,
            copy: None,
        })
    }

    async fn create(&self) -> Result<(), TableError> {
        schema::create(self.table.client(), &table_name()).await
    }
}

/// Limits the items of a page that has no limit: without one, the embedded table reads
/// the whole rest of a partition for each page.
#[derive(Debug)]
struct PageLimit;

impl PageLimit {
    /// About as many items as a page of 1 MB has.
    const ITEMS: i32 = 1_000;
}

impl Intercept for PageLimit {
    fn name(&self) -> &'static str {
        "PageLimit"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut();
        if let Some(query) = input.downcast_mut::<QueryInput>() {
            query.limit.get_or_insert(Self::ITEMS);
        } else if let Some(scan) = input.downcast_mut::<ScanInput>() {
            scan.limit.get_or_insert(Self::ITEMS);
        }
        Ok(())
    }
}

impl Drop for EmbeddedTable {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[expect(clippy::expect_used, reason = "a constant that fits")]
fn table_name() -> TableName {
    TABLE.parse().expect("a table name")
}

/// Creates a database with an empty table that only its owner can read. The file
/// is renamed into place: a process that ends early leaves nothing there, and
/// concurrent processes all use the first file.
async fn make(path: &Path) -> Result<(), EmbeddedError> {
    let wrong = |cause| EmbeddedError::File {
        path: path.to_owned(),
        cause,
    };
    let failed = |error: &dyn std::error::Error| wrong(io::Error::other(error.to_string()));
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let file = tempfile::Builder::new()
        .prefix(".ccinv-")
        .suffix(".new")
        .make_in(folder, |path| {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(path)
        })
        .map_err(wrong)?;
    let database = Database::memory().map_err(|error| failed(&error))?;
    let empty = EmbeddedTable::serve(database.clone()).await?;
    empty.create().await?;
    database
        .vacuum_into(text(file.path())?)
        .map_err(|error| failed(&error))?;
    // Set here, before others open it: it needs an exclusive lock.
    Connection::open(file.path())
        .and_then(|made| made.pragma_update(None, "journal_mode", "WAL"))
        .map_err(|error| failed(&error))?;
    file.as_file().sync_all().map_err(wrong)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(wrong(error.error)),
    }
}

/// Returns a path as SQLite takes it.
fn text(path: &Path) -> Result<&str, EmbeddedError> {
    path.to_str().ok_or_else(|| EmbeddedError::File {
        path: path.to_owned(),
        cause: io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"),
    })
}

/// Checks the header of a file. SQLite would check it only at the first request.
fn begins_as_database(path: &Path) -> Result<(), EmbeddedError> {
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
fn can_write(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    std::fs::OpenOptions::new().write(true).open(path).is_ok()
        && tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).is_ok()
}

/// Returns what SQLite can read if it can't write `path`: the file itself without
/// a log; otherwise a copy of file and log, because SQLite reads a log only with
/// an index file next to it.
fn readable(path: &Path) -> Result<(String, Option<TempDir>), EmbeddedError> {
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
fn log_of(path: &Path) -> PathBuf {
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
fn look_into(path: &Path) -> Result<(), String> {
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

/// Returns a client configuration for local AWS at `endpoint`. It neither reads
/// nor sends real credentials.
pub fn local_config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local");
    SdkConfig::builder()
        .behavior_version(clients::behavior())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .time_source(SystemTimeSource::new())
        // No TLS on loopback: no certificates are loaded.
        .http_client(LimitedClient::new(
            aws_smithy_http_client::Builder::new().build_http(),
        ))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build()
}
