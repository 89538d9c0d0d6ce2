//! Tags in answers: as a filter, and as a column.

use std::cell::Cell;
use std::collections::BTreeSet;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::dependency_table::require_sources;
use crate::audit::dependencies::{DependencyBasis, DependencyFilter, DependencyRow};
use crate::audit::properties::{Owner, Properties, TagFilter, Tags};
use crate::audit::{Audit, AuditError, ConnectionFilter, ConnectionRow};
use crate::cli::error::CliError;
use crate::cli::evidence;
use crate::cli::render::Row;
use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, DependencyType, Timestamp};
use crate::output::text::{count, format_time};

/// Selects connections by their tags.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct TagArgs {
    /// Filter by tag: KEY, or KEY=VALUE. Repeat it to require several
    #[arg(long, value_name = "KEY[=VALUE]", conflicts_with = "include_deleted")]
    tag: Vec<TagFilter>,
    /// Add the tags, by the record of dependencies; implied by --tag
    #[arg(long)]
    tags: bool,
}

impl TagArgs {
    /// Reads the tags, if they are asked for.
    ///
    /// # Errors
    /// [`CliError`] if the table can't be read.
    pub(crate) async fn read(
        &self,
        audit: &Audit,
        filter: &ConnectionFilter,
        as_of: Option<Timestamp>,
    ) -> Result<Option<TagColumn>, CliError> {
        if self.tag.is_empty() && !self.tags {
            return Ok(None);
        }
        let mut column = TagColumn::read(audit, filter, as_of).await?;
        column.filters.clone_from(&self.tag);
        Ok(Some(column))
    }
}

/// The tags of what is listed.
pub(crate) struct TagColumn {
    properties: Properties,
    rests_on: Vec<DependencyBasis>,
    filters: Vec<TagFilter>,
    not_observed: Cell<usize>,
}

/// A row with its tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TaggedRow<R> {
    /// The row.
    #[serde(flatten)]
    pub(crate) row: R,
    /// Its tags; `None` if they were not observed.
    pub(crate) tags: Option<Tags>,
}

impl TagColumn {
    /// Returns the tags among `rows`, which are based on `rests_on`.
    pub(crate) fn new(rows: Vec<DependencyRow>, rests_on: Vec<DependencyBasis>) -> Self {
        Self {
            properties: Properties::new(rows, &rests_on),
            rests_on,
            filters: Vec::new(),
            not_observed: Cell::new(0),
        }
    }

    /// Reads the tags of the connections that `filter` selects. Those of a shared
    /// connection are on record for the account that owns it.
    ///
    /// # Errors
    /// [`CliError`] if the table can't be read.
    pub(crate) async fn read(
        audit: &Audit,
        filter: &ConnectionFilter,
        as_of: Option<Timestamp>,
    ) -> Result<Self, CliError> {
        let read = async {
            let mut accounts = vec![None];
            if let Some(account) = &filter.account {
                let owners = owners(audit, filter, as_of).await?;
                accounts = owners.into_iter().map(Some).collect();
                if accounts.is_empty() {
                    accounts.push(Some(account.clone()));
                }
            }
            let (mut tags, mut rests_on) = (Vec::new(), Vec::new());
            for account in accounts {
                let filter = DependencyFilter {
                    types: Some(vec![DependencyType::Tags]),
                    account,
                    ..DependencyFilter::default()
                };
                let answer = audit.dependencies(&filter, as_of).await?;
                tags.extend(answer.dependencies);
                rests_on.extend(answer.rests_on);
            }
            Ok::<_, AuditError>(Self::new(tags, rests_on))
        };
        read.await.map_err(CliError::failure)
    }

    /// Returns what the tags are based on, by account.
    pub(crate) fn rests_on(&self) -> &[DependencyBasis] {
        &self.rests_on
    }

    /// Returns a row with its tags, if it has those that are asked for. One whose
    /// tags were not observed has none of them.
    pub(crate) fn admit<R>(&self, row: R) -> Option<TaggedRow<R>>
    where
        for<'a> Owner<'a>: From<&'a R>,
    {
        let tags = self.properties.tags(Owner::from(&row));
        if tags.is_none() {
            self.not_observed.set(self.not_observed.get() + 1);
        }
        let has = |filter: &TagFilter| tags.as_ref().is_some_and(|tags| filter.admits(tags));
        self.filters
            .iter()
            .all(has)
            .then_some(TaggedRow { row, tags })
    }

    /// Says what was not observed, by the rows so far.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let number = self.not_observed.get();
        if number > 0 {
            notes.push(format!(
                "tags of {} not observed",
                count(number, "resource")
            ));
        }
        for basis in &self.rests_on {
            for source in &basis.sources {
                let Some(problem) = &source.problem else {
                    continue;
                };
                let last = match source.complete_at {
                    Some(at) => format!("tags are those of {}", format_time(at)),
                    None => evidence::last_complete("listed", None, source.complete_at_unknown),
                };
                let (account, region) = (&basis.account, &source.region);
                notes.push(format!(
                    "account {account}: tags in {region} not observed: {problem}; {last}"
                ));
            }
        }
        notes
    }

    /// Refuses a list that is filtered by tags if tags of a row were not observed.
    ///
    /// # Errors
    /// [`CliError::NoEvidence`].
    pub(crate) fn require(&self) -> Result<(), CliError> {
        if self.filters.is_empty() {
            return Ok(());
        }
        match self.not_observed.get() {
            0 => require_sources(&self.rests_on),
            number => Err(CliError::NoEvidence(format!(
                "tags of {} were not observed: the list may lack some; run `ccinv scan \
                 --dependencies` in their regions and accounts",
                count(number, "connection")
            ))),
        }
    }
}

/// Returns the accounts that own the connections.
async fn owners(
    audit: &Audit,
    filter: &ConnectionFilter,
    as_of: Option<Timestamp>,
) -> Result<BTreeSet<AccountId>, AuditError> {
    let mut owners = BTreeSet::new();
    let each = |row: ConnectionRow| {
        owners.extend(row.connection_arn.account().parse::<AccountId>());
        true
    };
    match as_of {
        Some(at) => {
            let rows = audit.connections_as_of(filter, at).await?;
            rows.into_iter().all(each);
        }
        None => audit.each_connection(filter, each).await?,
    }
    Ok(owners)
}

impl<R: Row> Row for TaggedRow<R> {
    fn header() -> Vec<&'static str> {
        let mut header = R::header();
        header.push("tags");
        header
    }

    /// Tags that were not observed are an empty field, no tags `{}`.
    fn csv(&self) -> Vec<String> {
        let mut fields = self.row.csv();
        fields.push(self.tags.as_ref().map(canonical_json).unwrap_or_default());
        fields
    }
}
