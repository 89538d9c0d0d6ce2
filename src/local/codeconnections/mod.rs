//! An emulator of AWS CodeConnections.
//!
//! It serves the operations on connections, hosts and tags over plain HTTP, those
//! that create and list repository links and sync configurations, and the STS
//! operations `GetCallerIdentity` and `AssumeRole`. The AWS CLI, boto3
//! and the AWS SDK for Rust work with it. The state is in memory, the ids are
//! reproducible under a seed, and no AWS account is needed.
//!
//! The emulator follows the service model (API version 2023-12-01), and the AWS
//! documentation where the model leaves a behaviour open.
//!
//! * [`CodeConnectionsEmulator`] is the handle. It is cheap to clone and gives
//!   access to the [`ServiceState`].
//! * [`EmulatorService`](crate::local::EmulatorService) serves it on a port, [`router`]
//!   adds it to another server.
//! * [`protocol`] reads requests and writes responses without a state, for tests
//!   that script responses the service would never send.
//!
//! ```no_run
//! use codeconnections_inventory::local::codeconnections::{
//!     CodeConnectionsEmulator, CreateConnectionInput, Options, ProviderType, Scope,
//! };
//! use codeconnections_inventory::local::EmulatorService;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = CodeConnectionsEmulator::new(Options::default());
//! let created = emulator.state().create_connection(
//!     &Scope::new("111122223333", "eu-west-1"),
//!     CreateConnectionInput::new("storefront", ProviderType::GitHub),
//! )?;
//! emulator.state().set_status(&created.connection_arn, "AVAILABLE")?;
//! let service = EmulatorService::start(emulator, 0).await?;
//! println!("AWS_ENDPOINT_URL_CODECONNECTIONS={}", service.endpoint());
//! # Ok(())
//! # }
//! ```

mod arn;
mod assume_role;
mod connections;
pub mod control;
mod credential;
mod errors;
mod faults;
mod hosts;
mod ids;
mod model;
mod operations;
mod options;
mod pattern;
pub mod protocol;
mod registry;
mod repository_links;
mod repository_types;
mod server;
mod sessions;
mod shapes;
mod state;
mod sts;
mod tags;
mod types;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use arn::{Namespace, partition};
pub use credential::{Caller, Credential};
pub use errors::{ErrorKind, ServiceError};
pub use faults::{Fault, FaultHook, RequestInfo};
pub use model::{ABSENT_OPERATIONS, Operation};
pub use options::{OPT_IN_REGIONS, Options, Quotas, RegionAccess, Visibility};
pub use registry::DEFAULT_PAGE;
pub use repository_types::{RepositoryLink, Switch, SyncConfiguration, SyncType, UpdateTrigger};
pub use server::router;
pub(in crate::local) use server::serve;
pub use sessions::TemporaryCredentials;
pub use state::{ConnectionRecord, HostRecord, Scope, ServiceState};
pub use types::*;

use ids::Ids;

/// A handle to an emulator. Clones share the same state.
#[derive(Clone)]
pub struct CodeConnectionsEmulator {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<ServiceState>,
    faults: Mutex<Option<FaultHook>>,
    request_ids: Mutex<Ids>,
    sequence: AtomicU64,
}

impl CodeConnectionsEmulator {
    /// Creates an emulator without connections.
    pub fn new(options: Options) -> Self {
        Self {
            shared: Arc::new(Shared {
                request_ids: Mutex::new(Ids::new(options.seed, 2)),
                state: Mutex::new(ServiceState::new(options)),
                faults: Mutex::new(None),
                sequence: AtomicU64::new(0),
            }),
        }
    }

    /// Locks the state for reading and writing. Requests wait for the guard, so
    /// don't hold it across an `await`.
    pub fn state(&self) -> MutexGuard<'_, ServiceState> {
        lock(&self.shared.state)
    }

    /// Sets the hook that decides which requests fail.
    pub fn set_faults(&self, hook: impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static) {
        *lock(&self.shared.faults) = Some(Arc::new(hook));
    }

    /// Removes the fault hook.
    pub fn clear_faults(&self) {
        *lock(&self.shared.faults) = None;
    }

    /// Returns all connections, in order of creation.
    pub fn connections(&self) -> Vec<ConnectionRecord> {
        self.state().connections().cloned().collect()
    }

    /// Returns the number of requests to the service so far.
    pub fn requests(&self) -> u64 {
        self.shared.sequence.load(Ordering::Relaxed)
    }

    fn next_sequence(&self) -> u64 {
        self.shared.sequence.fetch_add(1, Ordering::Relaxed)
    }

    fn next_request_id(&self) -> String {
        lock(&self.shared.request_ids).uuid()
    }

    fn fault(&self, request: &RequestInfo) -> Option<Fault> {
        // Run the hook without the lock: it may set another hook.
        let hook = lock(&self.shared.faults).clone();
        hook?(request)
    }
}

impl std::fmt::Debug for CodeConnectionsEmulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CodeConnectionsEmulator")
            .finish_non_exhaustive()
    }
}

/// Locks a mutex, poisoned or not: no change leaves the state inconsistent, so a
/// panic of another holder does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
