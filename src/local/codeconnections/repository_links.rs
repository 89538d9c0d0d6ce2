//! The operations on repository links and sync configurations, as far as an
//! inventory meets them: both are created and listed. As hosts, they are visible
//! only in their own region.

use super::errors::{ErrorKind, ServiceError};
use super::model::Operation;
use super::repository_types::{
    CreateRepositoryLinkInput, CreateRepositoryLinkOutput, CreateSyncConfigurationInput,
    CreateSyncConfigurationOutput, ListRepositoryLinksInput, ListRepositoryLinksOutput,
    ListSyncConfigurationsInput, ListSyncConfigurationsOutput, Owned, RepositoryLink,
    SyncConfiguration,
};
use super::state::{Scope, ServiceState};
use super::tags::initial_tags;
use super::types::Tags;

impl ServiceState {
    /// `CreateRepositoryLink`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown connection, `ResourceAlreadyExists` if the
    /// connection has a link to the repository.
    pub(super) fn create_repository_link(
        &mut self,
        scope: &Scope,
        input: CreateRepositoryLinkInput,
    ) -> Result<CreateRepositoryLinkOutput, ServiceError> {
        let operation = Operation::CreateRepositoryLink;
        let connection = self.own_connection(scope, &input.connection_arn, operation)?;
        let provider_type = connection.connection.provider_type;
        let tags = initial_tags(input.tags, self.options.quotas.tags)?;
        let is_there = self.repository_links.values().any(|link| {
            let is_own = is_of(link, scope);
            let link = &link.resource;
            is_own
                && link.connection_arn == input.connection_arn
                && link.owner_id == input.owner_id
                && link.repository_name == input.repository_name
        });
        if is_there {
            let (owner, name) = (&input.owner_id, &input.repository_name);
            return Err(already_exists(
                "repository link",
                &format!("{owner}/{name}"),
            ));
        }
        let id = self.ids.uuid();
        let arn = self.new_arn(scope, &format!("repository-link/{id}"));
        let link = RepositoryLink {
            connection_arn: input.connection_arn,
            encryption_key_arn: input.encryption_key_arn,
            owner_id: input.owner_id,
            provider_type,
            repository_link_arn: arn.clone(),
            repository_link_id: id,
            repository_name: input.repository_name,
        };
        self.repository_links
            .insert(arn, owned(link.clone(), scope, tags));
        Ok(CreateRepositoryLinkOutput {
            repository_link_info: link,
        })
    }

    /// `ListRepositoryLinks`, in order of creation.
    ///
    /// # Errors
    ///
    /// `Validation` for a token of another listing.
    pub(super) fn list_repository_links(
        &self,
        scope: &Scope,
        input: &ListRepositoryLinksInput,
    ) -> Result<ListRepositoryLinksOutput, ServiceError> {
        let listing = format!("repository-links|{}|{}", scope.account, scope.region);
        let (page, next_token) = self.repository_links.page(
            &listing,
            input.max_results,
            input.next_token.as_deref(),
            |link| is_of(link, scope),
        )?;
        Ok(ListRepositoryLinksOutput {
            repository_links: page.into_iter().map(|l| l.resource.clone()).collect(),
            next_token,
        })
    }

    /// `CreateSyncConfiguration`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown link, `ResourceAlreadyExists` if the stack
    /// has a configuration.
    pub(super) fn create_sync_configuration(
        &mut self,
        scope: &Scope,
        input: CreateSyncConfigurationInput,
    ) -> Result<CreateSyncConfigurationOutput, ServiceError> {
        let link = self.own_link(scope, &input.repository_link_id)?.clone();
        let name = &input.resource_name;
        let key = format!("{}|{}|{name}", scope.account, scope.region);
        if self.sync_configurations.get(&key).is_some() {
            return Err(already_exists("sync configuration", name));
        }
        let configuration = SyncConfiguration {
            branch: input.branch,
            config_file: input.config_file,
            owner_id: link.owner_id,
            provider_type: link.provider_type,
            repository_link_id: link.repository_link_id,
            repository_name: link.repository_name,
            resource_name: input.resource_name,
            role_arn: input.role_arn,
            sync_type: input.sync_type,
            publish_deployment_status: input.publish_deployment_status,
            trigger_resource_update_on: input.trigger_resource_update_on,
            pull_request_comment: input.pull_request_comment,
        };
        let owned = owned(configuration.clone(), scope, Tags::new());
        self.sync_configurations.insert(key, owned);
        Ok(CreateSyncConfigurationOutput {
            sync_configuration: configuration,
        })
    }

    /// `ListSyncConfigurations` of a repository link, in order of creation.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` for an unknown link, `Validation` for a token of another
    /// listing.
    pub(super) fn list_sync_configurations(
        &self,
        scope: &Scope,
        input: &ListSyncConfigurationsInput,
    ) -> Result<ListSyncConfigurationsOutput, ServiceError> {
        let link = &self
            .own_link(scope, &input.repository_link_id)?
            .repository_link_id;
        let listing = format!("sync-configurations|{link}|{}", input.sync_type);
        let (page, next_token) = self.sync_configurations.page(
            &listing,
            input.max_results,
            input.next_token.as_deref(),
            |it| {
                let configuration = &it.resource;
                is_of(it, scope)
                    && configuration.repository_link_id == *link
                    && configuration.sync_type == input.sync_type
            },
        )?;
        Ok(ListSyncConfigurationsOutput {
            sync_configurations: page.into_iter().map(|c| c.resource.clone()).collect(),
            next_token,
        })
    }

    /// Returns the tags of a link of the caller in the region of the request.
    pub(super) fn own_link_tags(&self, scope: &Scope, arn: &str) -> Result<&Tags, ServiceError> {
        self.repository_links
            .get(arn)
            .filter(|link| is_of(link, scope))
            .map(|link| &link.tags)
            .ok_or_else(|| ServiceError::not_found("Repository link", arn))
    }

    /// Returns a link of the caller in the region of the request.
    fn own_link(&self, scope: &Scope, id: &str) -> Result<&RepositoryLink, ServiceError> {
        let mut links = self.repository_links.values();
        links
            .find(|link| is_of(link, scope) && link.resource.repository_link_id == id)
            .map(|link| &link.resource)
            .ok_or_else(|| ServiceError::not_found("Repository link", id))
    }
}

fn owned<T>(resource: T, scope: &Scope, tags: Tags) -> Owned<T> {
    Owned {
        resource,
        account: scope.account.clone(),
        region: scope.region.clone(),
        tags,
    }
}

fn is_of<T>(owned: &Owned<T>, scope: &Scope) -> bool {
    owned.account == scope.account && owned.region == scope.region
}

fn already_exists(what: &str, name: &str) -> ServiceError {
    let message = format!("A {what} of {name} already exists");
    ServiceError::new(ErrorKind::ResourceAlreadyExists, message)
}
