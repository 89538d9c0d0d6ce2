//! A stand-in for AWS CodeConnections.
//!
//! It serves, on plain HTTP, the operations on connections, hosts and tags, and
//! the two calls of STS that get a client into an account; good enough that the
//! AWS CLI, boto3 and the AWS SDK for Rust take it for the service. The state is
//! in memory, the identifiers repeat under a seed, and no AWS account is needed.
//!
//! Where the service's behaviour is documented the stand-in follows the
//! documentation, and where the service model (API version 2023-12-01) settles
//! a thing, the model.
//!
//! * [`CodeConnectionsEmulator`] is the handle: cheap to clone, and the way for Rust code to
//!   look at the [`ServiceState`] and change it.
//! * [`serve`] puts it on a listener, [`router`] into another server.
//! * [`protocol`] reads requests and writes answers by itself, for tests that
//!   script answers the service would never give.
//!
//! ```no_run
//! use codeconnections_inventory::local::codeconnections::{
//!     CreateConnectionInput, Options, ProviderType, Scope, CodeConnectionsEmulator, serve,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let stand_in = CodeConnectionsEmulator::new(Options::default());
//! let made = stand_in.world().create_connection(
//!     &Scope::new("111122223333", "eu-west-1"),
//!     CreateConnectionInput::new("storefront", ProviderType::GitHub),
//! )?;
//! stand_in.world().set_status(&made.connection_arn, "AVAILABLE")?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! serve(listener, stand_in).await?;
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
pub mod protocol;
mod registry;
mod server;
mod sessions;
mod shapes;
mod state;
mod sts;
mod tags;
mod types;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

pub use arn::{Arn, Namespace, partition};
pub use credential::{Caller, Credential};
pub use errors::{ErrorKind, ServiceError};
pub use faults::{Fault, FaultHook, RequestInfo};
use ids::Ids;
pub use model::{ABSENT_OPERATIONS, Operation};
pub use options::{OPT_IN_REGIONS, Options, Quotas, RegionAccess, Visibility};
pub use registry::DEFAULT_PAGE;
pub use server::{router, serve};
pub use sessions::TemporaryCredentials;
pub use state::{ConnectionRecord, HostRecord, Scope, ServiceState};
pub use types::*;

/// The handle to a stand-in. Clones share the same world.
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
    /// A stand-in with an empty world.
    #[must_use]
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

    /// The world, to look at and to change. Requests wait while the guard
    /// lives, so it must not be held across an `await`.
    pub fn state(&self) -> MutexGuard<'_, ServiceState> {
        lock(&self.shared.state)
    }

    /// Lets `hook` decide which requests go wrong from now on.
    pub fn set_faults(&self, hook: impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static) {
        *lock(&self.shared.faults) = Some(Arc::new(hook));
    }

    /// Lets every request go right from now on, as at the beginning.
    pub fn clear_faults(&self) {
        *lock(&self.shared.faults) = None;
    }

    /// Every connection there is, in the order they were made.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionRecord> {
        self.state().connections().cloned().collect()
    }

    /// How many requests to the service there have been.
    #[must_use]
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
        // The hook is run outside the lock: it may well set another.
        let hook = lock(&self.shared.faults).clone();
        hook?(request)
    }
}

impl std::fmt::Debug for CodeConnectionsEmulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StandIn").finish_non_exhaustive()
    }
}

/// Locks, whatever became of others who held the lock: no change to the state
/// is ever left half done, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
