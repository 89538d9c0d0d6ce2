//! The operations on tags of connections, hosts and repository links.

use super::errors::ServiceError;
use super::model::Operation;
use super::state::{Scope, ServiceState};
use super::types::{
    Done, ListTagsForResourceOutput, ResourceArnInput, Tag, TagResourceInput, Tags,
    UntagResourceInput, tag_list,
};

/// Returns the tags of a new resource.
///
/// # Errors
///
/// Those of [`collect_tags`] and [`with_tags`].
pub(super) fn initial_tags(list: Option<Vec<Tag>>, limit: usize) -> Result<Tags, ServiceError> {
    with_tags(Tags::new(), collect_tags(list.unwrap_or_default())?, limit)
}

/// Returns the tags of one request.
///
/// # Errors
///
/// `Validation` for a duplicate or reserved key.
fn collect_tags(list: Vec<Tag>) -> Result<Tags, ServiceError> {
    let mut tags = Tags::new();
    for Tag { key, value } in list {
        if key
            .get(..4)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
        {
            return Err(ServiceError::validation(format!(
                "The tag key {key} begins with aws:, which is reserved"
            )));
        }
        if tags.contains_key(&key) {
            return Err(ServiceError::validation(format!(
                "The tag key {key} is given more than once"
            )));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

/// Returns `tags` with `more` added, replacing equal keys.
///
/// # Errors
///
/// `LimitExceeded` if there are more than `limit`.
fn with_tags(mut tags: Tags, more: Tags, limit: usize) -> Result<Tags, ServiceError> {
    tags.extend(more);
    if tags.len() > limit {
        return Err(ServiceError::limit("tags on a resource", limit));
    }
    Ok(tags)
}

impl ServiceState {
    /// `TagResource`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`; `LimitExceeded` beyond the quota; `Validation` for
    /// duplicate or reserved keys.
    pub fn tag_resource(
        &mut self,
        scope: &Scope,
        input: TagResourceInput,
    ) -> Result<Done, ServiceError> {
        let arn = &input.resource_arn;
        let more = collect_tags(input.tags)?;
        let tags = self.own_tags(scope, arn, Operation::TagResource)?.clone();
        let tags = with_tags(tags, more, self.options.quotas.tags)?;
        self.replace_tags(arn, tags);
        Ok(Done {})
    }

    /// `UntagResource`. Unknown keys are ignored.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`.
    pub fn untag_resource(
        &mut self,
        scope: &Scope,
        input: &UntagResourceInput,
    ) -> Result<Done, ServiceError> {
        let arn = &input.resource_arn;
        let mut tags = self.own_tags(scope, arn, Operation::UntagResource)?.clone();
        tags.retain(|key, _| !input.tag_keys.contains(key));
        self.replace_tags(arn, tags);
        Ok(Done {})
    }

    /// `ListTagsForResource`.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`.
    pub fn list_tags_for_resource(
        &self,
        scope: &Scope,
        input: &ResourceArnInput,
    ) -> Result<ListTagsForResourceOutput, ServiceError> {
        let operation = Operation::ListTagsForResource;
        let tags = self.own_tags(scope, &input.resource_arn, operation)?;
        Ok(ListTagsForResourceOutput {
            tags: tag_list(tags),
        })
    }

    /// Returns the tags of a connection, host or repository link of the caller.
    fn own_tags(
        &self,
        scope: &Scope,
        arn: &str,
        operation: Operation,
    ) -> Result<&Tags, ServiceError> {
        if self.hosts.get(arn).is_some() {
            Ok(&self.own_host(scope, arn)?.tags)
        } else if self.repository_links.get(arn).is_some() {
            self.own_link_tags(scope, arn)
        } else {
            Ok(&self.own_connection(scope, arn, operation)?.tags)
        }
    }

    fn replace_tags(&mut self, arn: &str, tags: Tags) {
        if let Some(host) = self.hosts.get_mut(arn) {
            host.tags = tags;
        } else if let Some(link) = self.repository_links.get_mut(arn) {
            link.tags = tags;
        } else if let Some(connection) = self.connections.get_mut(arn) {
            connection.tags = tags;
        }
    }
}
