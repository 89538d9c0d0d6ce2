//! A small emulator of the services that `scan --dependencies` asks besides
//! CodeConnections. The demo's dependencies live in it.
//!
//! CodePipeline, CodeBuild and RAM answer from a [`ServicesState`], the Resource
//! Groups Tagging API from the tags of the CodeConnections emulator. The other
//! services list nothing. Each listing is one page. Resources are set in the state,
//! not created by calls. Other operations go to the CodeConnections emulator.

mod answers;
mod operation;
mod server;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::partition::partition;

pub(super) use server::answer_or_pass_on;

/// A handle to the emulated services. Clones share the same state.
#[derive(Debug, Clone, Default)]
pub struct DependencyServices {
    state: Arc<Mutex<ServicesState>>,
}

impl DependencyServices {
    /// Locks the state for reading and writing. Requests wait for the guard, so
    /// don't hold it across an `await`.
    pub fn state(&self) -> MutexGuard<'_, ServicesState> {
        // No change leaves the state inconsistent, so a panic of another holder
        // does no harm.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The resources of all accounts and regions.
#[derive(Debug, Clone, Default)]
pub struct ServicesState {
    /// Pipelines of CodePipeline.
    pub pipelines: Vec<Pipeline>,
    /// Projects of CodeBuild.
    pub projects: Vec<Project>,
    /// Default credentials of CodeBuild.
    pub source_credentials: Vec<SourceCredential>,
    /// Resource shares of RAM.
    pub resource_shares: Vec<ResourceShare>,
}

/// The account and region of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
}

impl Home {
    /// Returns a home of its own copies.
    pub fn new(account: &str, region: &str) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
        }
    }

    /// Returns the ARN of a resource of a service.
    fn arn(&self, service: &str, resource: &str) -> String {
        let Self { account, region } = self;
        let partition = partition(region);
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// A pipeline with one source action that reads through a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Its account and region.
    pub home: Home,
    /// Its name.
    pub name: String,
    /// The connection of its source action.
    pub connection_arn: String,
    /// The repository, such as `acme/app`.
    pub full_repository_id: String,
    /// The branch.
    pub branch_name: String,
}

/// A build project whose source uses a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its account and region.
    pub home: Home,
    /// Its name.
    pub name: String,
    /// The connection of its source.
    pub connection_arn: String,
    /// The type of its source, such as `GITHUB`.
    pub source_type: String,
    /// The URL of the repository.
    pub location: String,
    /// The branch.
    pub source_version: String,
}

/// The connection of all build projects of a provider that name none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCredential {
    /// Its account and region.
    pub home: Home,
    /// The provider, such as `GITHUB`.
    pub server_type: String,
    /// The connection.
    pub connection_arn: String,
}

/// A connection that is shared with a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceShare {
    /// The account that shares it, and the region of the share.
    pub home: Home,
    /// The id of the resource share.
    pub id: String,
    /// The connection.
    pub connection_arn: String,
    /// The principal: an account, or the ARN of an organization or of a unit.
    pub principal: String,
    /// True if the principal is outside of the sharer's organization.
    pub is_external: bool,
}
