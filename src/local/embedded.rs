//! The embedded table: a DynamoDB on SQLite, in memory or in a file, served on a
//! loopback port to the DynamoDB client of the SDK. Its users differ from those on
//! AWS only in the endpoint.

use std::io;
use std::path::{Path, PathBuf};

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
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use super::database_file::TABLE;
use super::database_file::{begins_as_database, can_write, log_of, look_into, readable, text};
use super::embedded_error::EmbeddedError;
use crate::aws::clients;
use crate::aws::response_limit::LimitedClient;
use crate::table::name::TableName;
use crate::table::{Table, TableError, schema};

/// An embedded database that is served until this value is dropped.
#[derive(Debug)]
pub struct EmbeddedTable {
    table: Table,
    endpoint: String,
    server: JoinHandle<()>,
    /// The copy that is served instead of a file that can't be written.
    copy: Option<TempDir>,
    /// The file that is written.
    written: Option<PathBuf>,
}

/// Whether a database file may be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// The file must exist. It is only read, so it need not be writable.
    Existing,
    /// A missing file is created, readable only by its owner. It is written, and what
    /// was written outlasts a power failure once it is [settled](EmbeddedTable::settle).
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
        if open == Open::OrCreate {
            // It sets the defaults of SQLite, but for synchronous=NORMAL: commits don't wait
            // for the disk, except those that checkpoint the log, and reach it in their order.
            // <https://www.sqlite.org/pragma.html#pragma_synchronous>
            let set = database.disable_bulk_loading();
            set.map_err(|error| not_a_database(error.to_string()))?;
        }
        let mut embedded = Self::serve(database).await?;
        embedded.copy = copy;
        embedded.written = (open == Open::OrCreate).then(|| path.to_owned());
        Ok(embedded)
    }

    /// Waits until the disk has what was written to the file.
    ///
    /// # Errors
    /// [`EmbeddedError::Sync`] if that fails.
    pub fn settle(&self) -> Result<(), EmbeddedError> {
        // SQLite itself waits for the disk before and after it moves the log's content
        // into the file.
        let log = self
            .written
            .as_deref()
            .map(log_of)
            .filter(|log| log.exists());
        let Some(log) = log else {
            return Ok(());
        };
        let file = std::fs::OpenOptions::new().write(true).open(&log);
        let synced = file.and_then(|file| file.sync_all());
        synced.map_err(|cause| EmbeddedError::Sync { path: log, cause })
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
            written: None,
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
