//! What depends on a connection, listed by the services that name one, and what is
//! known about it: tags and shares.
//!
//! Each [`Source`] is listed by region, because a connection can be used from
//! every region; where its service does not exist, it is not asked. A source that
//! is denied, not enabled or unreadable is an incomplete listing with its reason,
//! never an empty one. `api` calls a service, each source has a file, and
//! `code_connections` has the operations that several of them call.

mod api;
mod code_build;
mod code_connections;
mod code_guru;
mod code_pipeline;
mod data_zone;
mod git_sync;
mod health_omics;
mod hosts;
mod inspector;
mod proton;
mod ram;
mod service_catalog;
mod source;
mod tagging;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use futures_util::future::join_all;

use super::codeconnections::CodeConnections;
use super::source::{ListingRequest, Lists};
use crate::domain::ids::ParseError;
use crate::domain::listing::AccountListing;
use crate::domain::{
    Dependency, DependencyAttributes, DependencyId, DependencyType, Filter, Listing, ListingEnd,
    Region, SourceScope, UnknownMembers,
};
use api::{Api, Problem, both};
use serde_json::Value;

pub use source::Source;

/// A dependency that a source listed.
struct Found {
    id: DependencyId,
    attributes: DependencyAttributes,
}

impl Found {
    /// Returns the dependency, with those of `members` that are not null.
    fn new(
        kind: DependencyType,
        arn: &str,
        detail: Option<&str>,
        name: Option<&str>,
        uses: Option<&str>,
        members: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Self, ParseError> {
        let members = members.into_iter().filter(|(_, value)| !value.is_null());
        Ok(Self {
            id: DependencyId::of(kind, arn, detail)?,
            attributes: DependencyAttributes {
                dependency_type: kind,
                name: name.map(Into::into),
                status: None,
                uses: uses.map(Into::into),
                members: UnknownMembers::new(
                    members.map(|(name, value)| (name.into(), value)).collect(),
                ),
            },
        })
    }
}

impl Found {
    /// Returns the dependency with its status.
    fn with_status(mut self, status: Option<&str>) -> Self {
        self.attributes.status = status.map(Into::into);
        self
    }

    /// Adds members that its service may have added since.
    fn add_members<'a>(&mut self, members: impl Iterator<Item = (&'a str, Value)>) {
        let known = self.attributes.members.iter();
        let known = known.map(|(name, value)| (name.into(), value.clone()));
        let others = members.map(|(name, value)| (name.into(), value));
        self.attributes.members = UnknownMembers::new(known.chain(others).collect());
    }
}

impl Lists<Dependency> for CodeConnections {
    /// Asks every source in every region where it exists, at the same time, with
    /// the credentials that connections are listed with.
    async fn list(&self, request: &ListingRequest<'_>) -> AccountListing<Dependency> {
        let config = self.config_for(request.run_id, request.account).await;
        let listings = asked(request.regions).map(|(source, region)| {
            let api = Api::new(&config, request, region);
            list_source(source, region, api, request)
        });
        AccountListing::new(Filter::default(), join_all(listings).await)
    }
}

impl Lists<Dependency> for &CodeConnections {
    async fn list(&self, request: &ListingRequest<'_>) -> AccountListing<Dependency> {
        Lists::<Dependency>::list(*self, request).await
    }
}

/// Returns what is asked in these regions.
fn asked(regions: &[Region]) -> impl Iterator<Item = (Source, &Region)> {
    let all = regions
        .iter()
        .flat_map(|region| Source::ALL.map(|source| (source, region)));
    all.filter(|(source, region)| source.exists_in(region))
}

/// Returns the scopes that a run of these regions lists.
pub fn scopes(regions: &[Region]) -> Vec<SourceScope> {
    let scopes = asked(regions).map(|(source, region)| source.scope(region));
    scopes.collect()
}

async fn list_source(
    source: Source,
    region: &Region,
    api: Api<'_>,
    request: &ListingRequest<'_>,
) -> Listing<Dependency> {
    let began_at = request.clock.now();
    let mut found = Vec::new();
    let listed = match source {
        Source::CodeBuild => code_build::list(&api, &mut found).await,
        Source::CodeGuruReviewer => code_guru::list(&api, &mut found).await,
        Source::CodePipeline => code_pipeline::list(&api, &mut found).await,
        Source::DataZone => data_zone::list(&api, &mut found).await,
        Source::GitSync => git_sync::list(&api, &mut found).await,
        Source::HealthOmics => health_omics::list(&api, &mut found).await,
        Source::Hosts => hosts::list(&api, &mut found).await,
        Source::Inspector => inspector::list(&api, &mut found).await,
        Source::Proton => proton::list(&api, &mut found).await,
        Source::Ram => ram::list(&api, &mut found).await,
        Source::ServiceCatalog => service_catalog::list(&api, &mut found).await,
        Source::Tagging => tagging::list(&api, &mut found).await,
    };
    let (resources, duplicate) = by_id(found);
    let listed = both(listed, duplicate.map_or(Ok(()), Err));
    Listing {
        scope: source.scope(region),
        began_at,
        ended_at: request.clock.now().max(began_at),
        pages: api.pages(),
        end: match listed {
            Ok(()) => ListingEnd::Complete,
            Err(Problem { code, reason }) => ListingEnd::Incomplete { code, reason },
        },
        resources,
    }
}

/// Returns dependencies by id. Two with the same id are a problem: only one of them is
/// kept. Equal entries with the same id count as one.
fn by_id(found: Vec<Found>) -> (HashMap<DependencyId, DependencyAttributes>, Option<Problem>) {
    let mut resources = HashMap::with_capacity(found.len());
    let mut duplicate = None;
    for Found { id, attributes } in found {
        match resources.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(attributes);
            }
            Entry::Occupied(entry) if *entry.get() == attributes => {}
            Entry::Occupied(entry) => {
                let reason = format!("two different entries have the id {}", entry.key());
                duplicate = duplicate.or(Some(Problem::new("DuplicateId", &reason)));
            }
        }
    }
    (resources, duplicate)
}
