//! The real source: AWS `CodeConnections`, through its SDK.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_codeconnections::Client;
use aws_sdk_codeconnections::config::{Builder, Region as SdkRegion};
use aws_sdk_codeconnections::types::{Connection, ProviderType as SdkProviderType};

use super::source::{ConnectionSource, Entry, Page, PageQuery, Target};
use crate::aws::meter::Use;
use crate::aws::{Fault, Meter};
use crate::domain::{AccountId, Attributes, ConnectionStatus, ProviderType, Region};

/// The largest page that the service gives.
/// <https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_ListConnections.html>
const MAX_RESULTS: i32 = 100;

/// Lists from AWS with one client for each account and region, built once.
#[derive(Debug)]
pub struct CodeConnections {
    config: SdkConfig,
    /// The account that the configuration's own credentials belong to.
    own_account: Option<AccountId>,
    member_role: Option<MemberRole>,
    clients: Mutex<HashMap<(AccountId, Region), Client>>,
}

/// The role that is assumed to list an account other than one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRole {
    /// Its name, the same in every account (with its path, if it has one).
    pub name: Box<str>,
    /// The external id that it asks for.
    pub external_id: Option<Box<str>>,
}

/// The session name that an assumed role is seen under in `CloudTrail`.
const SESSION: &str = "codeconnections-inventory";

impl CodeConnections {
    /// A source that calls with `config`'s credentials for `own_account`, and
    /// with those of `member_role` for others. Without a role, every account
    /// is listed with the configuration's credentials.
    pub fn new(
        config: SdkConfig,
        own_account: Option<AccountId>,
        member_role: Option<MemberRole>,
    ) -> Self {
        Self {
            config,
            own_account,
            member_role,
            clients: Mutex::default(),
        }
    }

    async fn client(&self, target: Target<'_>) -> Client {
        let key = (target.account.clone(), target.region.clone());
        if let Some(client) = self.clients().get(&key) {
            return client.clone();
        }
        let region = SdkRegion::new(target.region.as_str().to_owned());
        let mut builder = Builder::from(&self.config).region(region);
        if let Some(role) = &self.member_role
            && self.own_account.as_ref() != Some(target.account)
        {
            builder = builder.credentials_provider(self.assume(role, target.account).await);
        }
        let client = Client::from_conf(builder.build());
        self.clients().entry(key).or_insert(client).clone()
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<(AccountId, Region), Client>> {
        // A poisoned map is still a map of clients.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn assume(&self, role: &MemberRole, account: &AccountId) -> AssumeRoleProvider {
        let region = self.config.region();
        let partition = match region.map(AsRef::as_ref) {
            Some(name) if name.starts_with("us-gov-") => "aws-us-gov",
            Some(name) if name.starts_with("cn-") => "aws-cn",
            _ => "aws",
        };
        let arn = format!("arn:{partition}:iam::{account}:role/{}", role.name);
        let mut builder = AssumeRoleProvider::builder(arn)
            .session_name(SESSION)
            .configure(&self.config);
        if let Some(external_id) = &role.external_id {
            builder = builder.external_id(&**external_id);
        }
        builder.build().await
    }
}

impl ConnectionSource for CodeConnections {
    async fn page(
        &self,
        target: Target<'_>,
        query: &PageQuery<'_>,
        meter: &Meter,
    ) -> Result<Page, Fault> {
        let provider = query.filter.provider_type.as_ref();
        let answer = self
            .client(target)
            .await
            .list_connections()
            .set_provider_type_filter(provider.map(|p| SdkProviderType::from(p.as_str())))
            .set_host_arn_filter(query.filter.host_arn.as_deref().map(str::to_owned))
            .max_results(MAX_RESULTS)
            .set_next_token(query.token.map(str::to_owned))
            .customize()
            .interceptor(meter.counts(Use::Listing))
            .send()
            .await
            .map_err(|error| Fault::from(&error))?;
        Ok(Page {
            next_token: answer.next_token,
            entries: answer
                .connections
                .unwrap_or_default()
                .into_iter()
                .map(entry)
                .collect(),
        })
    }
}

fn entry(connection: Connection) -> Entry {
    Entry {
        arn: connection.connection_arn,
        attributes: Attributes {
            connection_name: connection.connection_name.map(String::into_boxed_str),
            connection_status: connection
                .connection_status
                .map(|status| ConnectionStatus::from(status.as_str())),
            host_arn: connection.host_arn.map(String::into_boxed_str),
            owner_account_id: connection.owner_account_id.map(String::into_boxed_str),
            provider_type: connection
                .provider_type
                .map(|provider| ProviderType::from(provider.as_str())),
        },
    }
}
