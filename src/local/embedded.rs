//! The embedded table: a DynamoDB over SQLite, in memory or in a file, served
//! on a loopback port to the ordinary client. The code that uses it is the
//! same as on AWS; only the endpoint differs.

use std::io;
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use dynoxide::Database;
use rusqlite::{Connection, OpenFlags};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::aws::bounded::Bounded;
use crate::aws::clients;
use crate::config::TableName;
use crate::table::{Table, TableError, schema};

/// The name of the table in an embedded database.
pub const TABLE: &str = "codeconnections-inventory";

/// An embedded database, served as long as this lives.
#[derive(Debug)]
pub struct EmbeddedTable {
    table: Table,
    endpoint: String,
    server: JoinHandle<()>,
}

/// An embedded database that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// There is no such file, and none should be made.
    #[error("{0}: no such database; `ccinv scan` makes one")]
    Missing(PathBuf),
    /// The file can't be read or made.
    #[error("{path}: can't be opened")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file is no database, or not one of an inventory.
    #[error("{path}: not a database of this inventory ({problem})")]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The server can't be started.
    #[error("the embedded table can't be served")]
    Serve(#[source] io::Error),
    /// The table can't be made.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Whether a database file may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It must be there.
    Existing,
    /// It is made if it is not there, readable by its owner alone.
    OrCreate,
}

impl EmbeddedTable {
    /// A database in memory, with an empty table.
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

    /// The database in the file `path`.
    ///
    /// # Errors
    /// [`EmbeddedError`] if it is not there, is no such database, or can't be
    /// served.
    pub async fn in_file(path: &Path, open: Open) -> Result<Self, EmbeddedError> {
        let new = !path.exists();
        if new && open == Open::Existing {
            return Err(EmbeddedError::Missing(path.to_owned()));
        }
        prepare(path, new)?;
        let not_a_database = |problem: String| EmbeddedError::NotADatabase {
            path: path.to_owned(),
            problem,
        };
        let text = path.to_str().ok_or_else(|| {
            let cause = io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8");
            EmbeddedError::File {
                path: path.to_owned(),
                cause,
            }
        })?;
        if !new {
            look_into(path).map_err(not_a_database)?;
        }
        let database = Database::new(text).map_err(|error| not_a_database(error.to_string()))?;
        let embedded = Self::serve(database).await?;
        if new {
            embedded.create().await?;
        }
        Ok(embedded)
    }

    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Where it is served: an endpoint for other clients.
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
        let client = Client::new(&local_config(&endpoint));
        Ok(Self {
            table: Table::new(client, table_name()),
            endpoint,
            server,
        })
    }

    async fn create(&self) -> Result<(), TableError> {
        schema::create(self.table.client(), &table_name()).await
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

/// Makes a new file that only its owner can read, or looks at one that is
/// there: SQLite would only notice at the first request.
fn prepare(path: &Path, new: bool) -> Result<(), EmbeddedError> {
    use std::io::Read;
    let wrong = |cause| EmbeddedError::File {
        path: path.to_owned(),
        cause,
    };
    if new {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map_err(wrong)?;
        return Ok(());
    }
    let mut head = [0; 16];
    let read = std::fs::File::open(path)
        .and_then(|mut file| file.read(&mut head))
        .map_err(wrong)?;
    // https://www.sqlite.org/fileformat.html#the_database_header
    if read == head.len() && &head == b"SQLite format 3\0" {
        return Ok(());
    }
    Err(EmbeddedError::NotADatabase {
        path: path.to_owned(),
        problem: "the file does not begin as one".to_owned(),
    })
}

/// Looks whether a database holds the inventory's table, without writing:
/// opened as an embedded DynamoDB, somebody else's file would be altered.
fn look_into(path: &Path) -> Result<(), String> {
    let lacks = || format!("it has no table {TABLE}");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let database =
        Connection::open_with_flags(uri(path), flags).map_err(|error| error.to_string())?;
    // Where the embedded DynamoDB keeps the definitions of its tables.
    let catalogue = database
        .table_exists(None, "_tables")
        .map_err(|error| error.to_string())?;
    if !catalogue {
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

/// A database's URI. Where no write-ahead log is beside the file, all of it is
/// in the file, and SQLite is told to make no log to look into it.
/// <https://www.sqlite.org/uri.html>
fn uri(path: &Path) -> String {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let mode = if Path::new(&log).exists() {
        "mode=ro"
    } else {
        "immutable=1"
    };
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

/// A client configuration for a stand-in at `endpoint`: no real credentials
/// are looked for, and none are sent.
pub fn local_config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local");
    SdkConfig::builder()
        .behavior_version(clients::behavior())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .time_source(SystemTimeSource::new())
        // No TLS on loopback: no certificates are loaded.
        .http_client(Bounded::new(
            aws_smithy_http_client::Builder::new().build_http(),
        ))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .build()
}
