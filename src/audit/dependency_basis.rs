//! What an answer about dependencies is based on: the last run, and for each source
//! and region the last complete listing.

use serde::Serialize;

use super::AuditError;
use crate::domain::dependency_type::lists_properties;
use crate::domain::listing::NOT_ENABLED;
use crate::domain::{
    AccountId, AccountRecord, Dependency, DependencyType, Outcome, RunRecord, SourceScope,
    Timestamp,
};
use crate::table::Table;
use crate::table::read::audit::{LAST_RUN, MAX_RUNS_READ};

/// What an answer about the dependencies of an account is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependencyBasis {
    /// The account.
    pub account: AccountId,
    /// The last run of dependencies that had ended.
    pub last_run: Option<DependencyRun>,
    /// The sources that this run asked.
    pub sources: Vec<SourceBasis>,
}

/// A run of dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DependencyRun {
    /// Its number.
    pub sequence: u64,
    /// Its start.
    pub started_at: Timestamp,
    /// Its outcome.
    pub outcome: Outcome,
}

/// A source in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceBasis {
    /// The source.
    pub source: String,
    /// The region.
    pub region: String,
    /// The start of its last complete listing.
    pub complete_at: Option<Timestamp>,
    /// True if an earlier listing than those that were read may be complete.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub complete_at_unknown: bool,
    /// The code of the reason why its last listing is not complete.
    pub code: Option<String>,
    /// Why its last listing is not complete.
    pub problem: Option<String>,
}

impl SourceBasis {
    /// Returns true if its service is not enabled for the account, as the service
    /// says.
    pub fn is_not_enabled(&self) -> bool {
        self.code.as_deref() == Some(NOT_ENABLED)
    }
}

impl DependencyBasis {
    /// Returns true if every source was listed completely once, or is not enabled:
    /// what is missing in an answer did not exist then, or was not observed because
    /// of that.
    pub fn is_evidence(&self) -> bool {
        let is_known = |s: &SourceBasis| s.complete_at.is_some() || s.is_not_enabled();
        !self.sources.is_empty() && self.sources.iter().all(is_known)
    }

    /// Returns true if the last run listed the hosts of a region completely.
    pub fn lists_hosts_of(&self, region: &str) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|it| it.source == "hosts" && it.region == region && it.problem.is_none())
    }

    /// Returns the names of the sources that were asked, sorted.
    pub fn source_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.sources.iter().map(|s| s.source.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns what an answer about dependencies of one type is based on.
    pub fn of_type(&self, kind: DependencyType) -> Self {
        let mut basis = self.clone();
        basis.sources.retain(|it| may_list(&it.source, kind));
        basis
    }

    /// Returns the regions that were asked, sorted.
    pub fn regions(&self) -> Vec<&str> {
        let mut regions: Vec<&str> = self.sources.iter().map(|s| s.region.as_str()).collect();
        regions.sort_unstable();
        regions.dedup();
        regions
    }
}

/// Returns true if a source may list dependencies of a type.
pub(super) fn may_list(source: &str, kind: DependencyType) -> bool {
    match kind.property_source() {
        Some(only) => source == only,
        None => !lists_properties(source),
    }
}

/// Returns what an answer about an account at `as_of`, or now, is based on: the
/// sources for which `rests_on` returns true.
pub(super) async fn basis(
    table: &Table<Dependency>,
    account: &AccountId,
    as_of: Option<Timestamp>,
    rests_on: impl Fn(&SourceScope) -> bool,
) -> Result<DependencyBasis, AuditError> {
    let mut basis = DependencyBasis {
        account: account.clone(),
        last_run: None,
        sources: Vec::new(),
    };
    let mut read = 0;
    let mut first = 0;
    let each = |run: RunRecord<Dependency>| {
        first = run.sequence;
        if as_of.is_some_and(|at| run.finished_at > at) {
            return true;
        }
        read += 1;
        if basis.last_run.is_none() {
            basis.last_run = Some(DependencyRun {
                sequence: run.sequence,
                started_at: run.started_at,
                outcome: run.outcome,
            });
            basis.sources = run
                .listings
                .iter()
                .filter(|listing| rests_on(&listing.region))
                .map(|listing| SourceBasis {
                    source: listing.region.source().to_owned(),
                    region: listing.region.region().to_owned(),
                    complete_at: None,
                    complete_at_unknown: false,
                    code: listing.error.as_ref().map(|error| error.code.to_string()),
                    problem: listing
                        .error
                        .as_ref()
                        .map(|error| error.message.to_string()),
                })
                .collect();
        }
        for (scope, window) in run.covered() {
            let is_it =
                |s: &&mut SourceBasis| s.source == scope.source() && s.region == scope.region();
            if let Some(source) = basis.sources.iter_mut().find(is_it)
                && source.complete_at.is_none()
            {
                source.complete_at = Some(window.began_at);
            }
        }
        // One that is not enabled may have been listed before.
        read < MAX_RUNS_READ && basis.sources.iter().any(|s| s.complete_at.is_none())
    };
    table.runs_back_from(account, LAST_RUN, each).await?;
    let record = match basis.last_run {
        Some(_) => table.read_record(account).await?,
        None => None,
    };
    // What only earlier runs listed may have changed since. A scope that was listed
    // later may not have been in the inventory yet.
    for (scope, window) in record.iter().flat_map(AccountRecord::covered) {
        let (source, region) = (scope.source(), scope.region());
        let is_it = |s: &&mut SourceBasis| s.source == source && s.region == region;
        let is_by_then = as_of.is_none_or(|at| window.ended_at <= at);
        match basis.sources.iter_mut().find(is_it) {
            Some(source) if source.complete_at.is_none() && first > 1 => {
                source.complete_at = is_by_then.then_some(window.began_at);
                source.complete_at_unknown = !is_by_then;
            }
            None if is_by_then && rests_on(&scope) => basis.sources.push(SourceBasis {
                source: source.to_owned(),
                region: region.to_owned(),
                complete_at: Some(window.began_at),
                complete_at_unknown: false,
                code: None,
                problem: Some("not listed by the last run".to_owned()),
            }),
            Some(_) | None => {}
        }
    }
    let is_unknown = as_of.is_some() && basis.sources.iter().any(|it| it.complete_at.is_none());
    if first > 1 && read < MAX_RUNS_READ && (basis.last_run.is_none() || is_unknown) {
        let account = account.clone();
        return Err(AuditError::RunsNotInTable { account, first });
    }
    Ok(basis)
}
