//! The operations on hosts. Unlike connections, hosts are visible only in their
//! own region.

use super::errors::{ErrorKind, ServiceError};
use super::state::{HostRecord, Scope, ServiceState};
use super::tags::initial_tags;
use super::types::{
    CreateHostInput, CreateHostOutput, Done, GetHostOutput, Host, HostArnInput, HostStatus,
    ListHostsInput, ListHostsOutput, ProviderType, UpdateHostInput, tag_list,
};

impl CreateHostInput {
    /// Returns the input for a host without VPC and tags.
    pub fn new(name: &str, provider: ProviderType, endpoint: &str) -> Self {
        Self {
            name: name.to_owned(),
            provider_type: provider,
            provider_endpoint: endpoint.to_owned(),
            vpc_configuration: None,
            tags: None,
        }
    }
}

impl ServiceState {
    /// `CreateHost`. The new host is PENDING: its VPC configuration takes no time.
    ///
    /// # Errors
    ///
    /// `LimitExceeded` beyond the quotas, `Validation` for a provider type that has
    /// no hosts.
    pub fn create_host(
        &mut self,
        scope: &Scope,
        input: CreateHostInput,
    ) -> Result<CreateHostOutput, ServiceError> {
        if !input.provider_type.is_installed() {
            return Err(ServiceError::validation(format!(
                "A host cannot have the provider type {}",
                input.provider_type
            )));
        }
        let tags = initial_tags(input.tags, self.options.quotas.tags)?;
        let limit = self.options.quotas.hosts;
        let owned = self
            .hosts()
            .filter(|record| record.owner_account_id == scope.account);
        if owned.count() >= limit {
            return Err(ServiceError::limit("hosts", limit));
        }

        let resource = format!("host/{}-{}", input.name, self.ids.suffix());
        let arn = self.new_arn(scope, &resource);
        let output = CreateHostOutput {
            host_arn: arn.clone(),
            tags: tag_list(&tags),
        };
        let record = HostRecord {
            host: Host {
                name: input.name,
                host_arn: arn.clone(),
                provider_type: input.provider_type,
                provider_endpoint: input.provider_endpoint,
                vpc_configuration: input.vpc_configuration,
                status: HostStatus::Pending,
            },
            owner_account_id: scope.account.clone(),
            region: scope.region.clone(),
            tags,
        };
        self.hosts.insert(arn, record);
        Ok(output)
    }

    /// `GetHost`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`.
    pub fn get_host(
        &self,
        scope: &Scope,
        input: &HostArnInput,
    ) -> Result<GetHostOutput, ServiceError> {
        Ok((&self.own_host(scope, &input.host_arn)?.host).into())
    }

    /// `ListHosts`, in order of creation.
    ///
    /// # Errors
    ///
    /// `Validation` for a token of another listing.
    pub fn list_hosts(
        &self,
        scope: &Scope,
        input: &ListHostsInput,
    ) -> Result<ListHostsOutput, ServiceError> {
        let listing = format!("hosts|{}|{}", scope.account, scope.region);
        let (page, next_token) = self.hosts.page(
            &listing,
            input.max_results,
            input.next_token.as_deref(),
            |record| belongs(record, scope),
        )?;
        Ok(ListHostsOutput {
            hosts: page.into_iter().map(|record| record.host.clone()).collect(),
            next_token,
        })
    }

    /// `UpdateHost`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`; `Conflict` while the host is busy.
    pub fn update_host(
        &mut self,
        scope: &Scope,
        input: UpdateHostInput,
    ) -> Result<Done, ServiceError> {
        self.idle_host(scope, &input.host_arn, ErrorKind::Conflict)?;
        self.change_host(&input.host_arn, |host| {
            if let Some(endpoint) = input.provider_endpoint {
                host.provider_endpoint = endpoint;
            }
            if input.vpc_configuration.is_some() {
                host.vpc_configuration = input.vpc_configuration;
            }
        })?;
        Ok(Done {})
    }

    /// `DeleteHost`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`; `ResourceUnavailable` while the host is busy or has
    /// connections.
    pub fn delete_host(
        &mut self,
        scope: &Scope,
        input: &HostArnInput,
    ) -> Result<Done, ServiceError> {
        let arn = &input.host_arn;
        self.idle_host(scope, arn, ErrorKind::ResourceUnavailable)?;
        let used = self
            .connections()
            .any(|record| record.connection.host_arn.as_ref() == Some(arn));
        if used {
            return Err(ServiceError::new(
                ErrorKind::ResourceUnavailable,
                format!("Host {arn} is in use: delete its connections first"),
            ));
        }
        self.hosts.remove(arn);
        Ok(Done {})
    }

    /// Returns a host of the caller in the region of the request.
    pub(super) fn own_host(&self, scope: &Scope, arn: &str) -> Result<&HostRecord, ServiceError> {
        self.hosts
            .get(arn)
            .filter(|record| belongs(record, scope))
            .ok_or_else(|| ServiceError::not_found("Host", arn))
    }

    /// Returns an error of `kind` while the host is busy.
    fn idle_host(&self, scope: &Scope, arn: &str, kind: ErrorKind) -> Result<(), ServiceError> {
        let status = self.own_host(scope, arn)?.host.status;
        if status.is_busy() {
            let message = format!("Host {arn} is in status {status}");
            return Err(ServiceError::new(kind, message));
        }
        Ok(())
    }
}

fn belongs(record: &HostRecord, scope: &Scope) -> bool {
    record.owner_account_id == scope.account && record.region == scope.region
}
