//! The source of AWS: `CodeConnections`, through its SDK.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_codeconnections::Client;
use aws_sdk_codeconnections::config::retry::RetryPartition;
use aws_sdk_codeconnections::config::{Builder, Region as SdkRegion, SharedCredentialsProvider};
use aws_sdk_codeconnections::operation::list_connections::{
    ListConnections, ListConnectionsOutput,
};
use aws_sdk_codeconnections::types::ProviderType as SdkProviderType;
use aws_smithy_runtime_api::client::interceptors::context::Output;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use tokio::sync::OnceCell;

use super::cbor;
use super::source::{ConnectionSource, Entry, Page, PageQuery, Target};
use crate::aws::meter::Use;
use crate::aws::response_reader::ReadWith;
use crate::aws::{CallError, Meter};
use crate::domain::partition::partition;
use crate::domain::{AccountId, Attributes, Region, RunId, UnknownMembers};

/// The largest page that the service gives.
/// <https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_ListConnections.html>
const MAX_RESULTS: i32 = 100;

/// Lists from AWS. Clients for the configuration's own account are built once
/// for each region. Clients for other accounts are built once for each run,
/// because the session of the assumed role has the run's id.
#[derive(Debug)]
pub struct CodeConnections {
    config: SdkConfig,
    /// The account of the configuration's own credentials.
    own_account: Option<AccountId>,
    member_role: Option<MemberRole>,
    own: Mutex<HashMap<Region, Client>>,
    sessions: Mutex<VecDeque<Arc<Session>>>,
}

/// The role that is assumed to list another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRole {
    /// Its name, the same in every account (with its path, if it has one).
    pub name: Box<str>,
    /// The external id that it asks for.
    pub external_id: Option<Box<str>>,
}

/// One run's credentials for another account, and its clients.
#[derive(Debug)]
struct Session {
    run_id: RunId,
    account: AccountId,
    config: OnceCell<SdkConfig>,
    clients: Mutex<HashMap<Region, Client>>,
}

/// The sessions that are kept: those of concurrent runs, and a few. An
/// organization has thousands of accounts, and a warm function lists hundreds
/// of them.
const MAX_SESSIONS: usize = 8;

impl CodeConnections {
    /// Returns a source that calls with `config`'s credentials for
    /// `own_account`, and with those of `member_role` for others. Without a
    /// role, every account is listed with the configuration's credentials.
    pub fn new(
        config: SdkConfig,
        own_account: Option<AccountId>,
        member_role: Option<MemberRole>,
    ) -> Self {
        Self {
            config,
            own_account,
            member_role,
            own: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// Returns the configuration with which a run calls other services for an
    /// account.
    pub(super) async fn config_for(&self, run_id: &RunId, account: &AccountId) -> SdkConfig {
        match &self.member_role {
            Some(role) if self.own_account.as_ref() != Some(account) => {
                let session = self.session(run_id, account);
                let assume = || self.assume(role, run_id, account);
                session.config.get_or_init(assume).await.clone()
            }
            _ => self.config.clone(),
        }
    }

    async fn client(&self, target: Target<'_>) -> Client {
        match &self.member_role {
            Some(role) if self.own_account.as_ref() != Some(target.account) => {
                let session = self.session(target.run_id, target.account);
                let assume = || self.assume(role, target.run_id, target.account);
                let config = session.config.get_or_init(assume).await;
                client_in(&session.clients, config, target.region)
            }
            _ => client_in(&self.own, &self.config, target.region),
        }
    }

    /// Returns the session of a run in another account. The oldest session is
    /// dropped.
    fn session(&self, run_id: &RunId, account: &AccountId) -> Arc<Session> {
        let mut sessions = locked(&self.sessions);
        let is_it =
            |session: &&Arc<Session>| session.run_id == *run_id && session.account == *account;
        if let Some(session) = sessions.iter().find(is_it) {
            return Arc::clone(session);
        }
        let session = Arc::new(Session {
            run_id: run_id.clone(),
            account: account.clone(),
            config: OnceCell::new(),
            clients: Mutex::default(),
        });
        sessions.truncate(MAX_SESSIONS - 1);
        sessions.push_front(Arc::clone(&session));
        session
    }

    /// Returns the configuration with the credentials of the role in an
    /// account. The role's session in `CloudTrail` has the run's id as its
    /// name, so that each call leads to the run that made it.
    async fn assume(&self, role: &MemberRole, run_id: &RunId, account: &AccountId) -> SdkConfig {
        let partition = partition(self.config.region().map_or("", AsRef::as_ref));
        let arn = format!("arn:{partition}:iam::{account}:role/{}", role.name);
        let mut builder = AssumeRoleProvider::builder(arn)
            .session_name(run_id.as_str())
            .configure(&self.config);
        if let Some(external_id) = &role.external_id {
            builder = builder.external_id(&**external_id);
        }
        let credentials = SharedCredentialsProvider::new(builder.build().await);
        self.config
            .clone()
            .into_builder()
            .credentials_provider(credentials)
            // One of its own, which goes when the session goes.
            .identity_cache(IdentityCache::lazy().build())
            .build()
    }
}

fn client_in(
    clients: &Mutex<HashMap<Region, Client>>,
    config: &SdkConfig,
    region: &Region,
) -> Client {
    let mut clients = locked(clients);
    if let Some(client) = clients.get(region) {
        return client.clone();
    }
    let sdk_region = SdkRegion::new(region.as_str().to_owned());
    // The quota of retries is otherwise the process's, for all accounts of a
    // region. AWS throttles by account: what one of them has used up must not
    // be lacking for the next.
    let retries = RetryPartition::custom(region.as_str().to_owned()).build();
    let config = Builder::from(config)
        .region(sdk_region)
        .retry_partition(retries)
        .build();
    let client = Client::from_conf(config);
    clients.entry(region.clone()).or_insert(client).clone()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A map that a panic left behind is still a map of clients.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConnectionSource for CodeConnections {
    async fn page(
        &self,
        target: Target<'_>,
        query: &PageQuery<'_>,
        meter: &Meter,
    ) -> Result<Page, CallError> {
        let provider = query.filter.provider_type.as_ref();
        let read: Arc<Mutex<Option<Result<cbor::Page, String>>>> = Arc::default();
        self.client(target)
            .await
            .list_connections()
            .set_provider_type_filter(provider.map(|p| SdkProviderType::from(p.as_str())))
            .set_host_arn_filter(query.filter.host_arn.as_deref().map(str::to_owned))
            .max_results(MAX_RESULTS)
            .set_next_token(query.token.map(str::to_owned))
            .customize()
            .interceptor(meter.counts(Use::Listing))
            .interceptor(reader(&read))
            .send()
            .await
            .map_err(|error| CallError::from(&error))?;
        let page = locked(&read).take();
        let page = page
            .unwrap_or_else(|| Err("an answer without a body".to_owned()))
            .map_err(|problem| CallError::unreadable(&problem))?;
        // An empty page has an empty list. An answer without one must not be
        // taken for "no connections": it would read as "all were deleted".
        let connections = page
            .connections
            .ok_or_else(|| CallError::unreadable("an answer without connections"))?;
        Ok(Page {
            next_token: page.next_token,
            entries: connections.into_iter().map(entry).collect(),
        })
    }
}

/// Returns the reader that parses a response into `page` instead of the SDK.
/// The SDK reads what it can't parse, and reports more of what is wrong; if the
/// SDK accepts it, the problem stays.
fn reader(page: &Arc<Mutex<Option<Result<cbor::Page, String>>>>) -> ReadWith {
    let page = Arc::clone(page);
    ReadWith::new(
        || ListConnections::new().config(),
        move |body| {
            let read = body.map(|body| cbor::page(body).map_err(|error| error.to_string()));
            let is_read = matches!(read, Some(Ok(_)));
            *locked(&page) = read;
            is_read.then(|| Output::erase(ListConnectionsOutput::builder().build()))
        },
    )
}

fn entry(mut connection: cbor::Connection) -> Entry {
    let unknown_members = UnknownMembers::new(connection.unknown);
    let text = |name| Ok(connection.attributes[name as usize].take().map(Into::into));
    let Ok::<_, Infallible>(attributes) = Attributes::from_fields(text, unknown_members);
    Entry {
        arn: connection.connection_arn,
        attributes,
    }
}
