//! The basis of an answer: the runs that had finished by a time, and what they
//! did not observe.

use std::collections::BTreeMap;

use serde::Serialize;

use super::concurrently::each_account;
use super::runs::{Runs, is_long_after};
use super::{Audit, AuditError};
use crate::domain::ListingGroup;
use crate::domain::{AccountId, Agreement, Digest, Outcome, Region, RunId, RunRecord, Timestamp};

/// The basis of answers about an account at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// The account.
    pub account: AccountId,
    /// The time.
    pub at: Timestamp,
    /// The last run that had finished by then.
    pub last_run: Option<RunBasis>,
    /// The last such run that [shows absence](RunRecord::is_evidence) in the
    /// regions that it listed. Without one, a connection that is not listed may
    /// exist.
    pub last_complete_run: Option<RunBasis>,
    /// Regions whose last listing by then was not complete, and regions that the
    /// last run no longer listed. Connections that only they list are as
    /// observed earlier.
    pub not_observed: Vec<NotObserved>,
    /// The number of connections recorded as present that the last unfiltered run
    /// by then did not list, without a listing that shows their deletion.
    pub unconfirmed: u64,
    /// Regions that this run's settings retired from the inventory.
    pub retired_regions: Vec<Region>,
    /// Runs after the last complete one with impossible times: they claim to have
    /// finished long after a later run. They are ignored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub impossible_times: Vec<RunBasis>,
}

/// A run that an answer is based on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunBasis {
    /// Its number.
    pub sequence: u64,
    /// Its id.
    pub run_id: RunId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it had written everything.
    pub finished_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The regions that it listed.
    pub regions: Vec<Region>,
    /// Whether those that list the same connections agreed, if there were several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// How long before the time in question it started, in milliseconds.
    pub age_ms: u64,
    /// Its digest, which was the head of the account's chain then.
    pub digest: Digest,
}

/// A region without a complete last listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotObserved {
    /// The region.
    pub region: Region,
    /// A stable code for the reason.
    pub code: Box<str>,
    /// The reason, in a line.
    pub message: Box<str>,
    /// When it was last listed completely, if that is known.
    pub last_listed_at: Option<Timestamp>,
}

impl NotObserved {
    /// Marks the region as retired from the inventory.
    fn retired(self) -> Self {
        Self {
            code: "Retired".into(),
            message: "retired, not listed any more".into(),
            ..self
        }
    }
}

impl Basis {
    fn empty(account: &AccountId, at: Timestamp) -> Self {
        Self {
            account: account.clone(),
            at,
            last_run: None,
            last_complete_run: None,
            not_observed: Vec::new(),
            unconfirmed: 0,
            retired_regions: Vec::new(),
            impossible_times: Vec::new(),
        }
    }

    /// Returns true if a complete run covers the time, so that absence is known.
    pub fn is_evidence(&self) -> bool {
        self.last_complete_run.is_some()
    }

    /// Notes a run that is older than those noted before.
    fn note_run(&mut self, run: &RunRecord) {
        if self.last_run.is_none() {
            self.last_run = Some(RunBasis::new(run, self.at));
        }
        if run.is_evidence() {
            self.last_complete_run = Some(RunBasis::new(run, self.at));
        }
    }
}

impl RunBasis {
    fn new(run: &RunRecord, at: Timestamp) -> Self {
        Self {
            sequence: run.sequence,
            run_id: run.run_id.clone(),
            started_at: run.started_at,
            finished_at: run.finished_at,
            outcome: run.outcome,
            regions: run.listings.iter().map(|l| l.region.clone()).collect(),
            agreement: run.agreement.clone(),
            age_ms: at.millis_since(run.started_at),
            digest: run.digest(),
        }
    }
}

impl Audit {
    /// Returns the basis of answers about an account at `at`.
    ///
    /// # Errors
    /// [`AuditError`] if the account's runs can't be read.
    pub async fn basis(&self, account: &AccountId, at: Timestamp) -> Result<Basis, AuditError> {
        self.basis_from(&mut Runs::of(self.table(), account), at)
            .await
    }

    /// As [`Self::basis`], with runs of which some were read.
    pub(crate) async fn basis_from(
        &self,
        runs: &mut Runs<'_>,
        at: Timestamp,
    ) -> Result<Basis, AuditError> {
        let account = runs.account();
        let mut basis = Basis::empty(account, at);
        let Some(last) = runs.ended_by(at).await? else {
            return Ok(basis);
        };
        let mut regions = BTreeMap::new();
        let mut newest: Option<Vec<Region>> = None;
        runs.back_from(last, |run| {
            // Recorded earlier, but still in progress at the time.
            if run.finished_at > at {
                if is_long_after(run.finished_at, at) {
                    basis.impossible_times.push(RunBasis::new(run, at));
                }
                return true;
            }
            if run.filter.is_empty() && newest.is_none() {
                newest = Some(run.listings.iter().map(|l| l.region.clone()).collect());
                basis.unconfirmed = run.unconfirmed;
                basis.retired_regions.clone_from(&run.retired_regions);
            }
            note_listings(&mut regions, run, newest.as_deref().unwrap_or_default());
            basis.note_run(run);
            basis.last_complete_run.is_none()
        })
        .await?;
        let newest = newest.unwrap_or_default();
        let record = self.table().read_record(account).await?;
        for (region, listed_at) in record.map(|r| r.coverage).unwrap_or_default() {
            // A region listed later may not have been in the inventory yet.
            let is_covered = lists_for(&newest, &region) || regions.contains_key(&region);
            if listed_at <= at && !is_covered {
                regions.insert(
                    region.clone(),
                    LastListing::not_asked(region, Some(listed_at)),
                );
            }
        }
        let missing = regions.into_values().filter_map(|last| last.failed);
        let retired = &basis.retired_regions;
        basis.not_observed = missing
            .map(|missing| match retired.contains(&missing.region) {
                true => missing.retired(),
                false => missing,
            })
            .collect();
        Ok(basis)
    }

    /// Returns the basis for each account in the table, or only for `account`.
    ///
    /// # Errors
    /// [`AuditError`] if the accounts or their runs can't be read.
    pub async fn bases(
        &self,
        account: Option<&AccountId>,
        at: Timestamp,
    ) -> Result<Vec<Basis>, AuditError> {
        let accounts = self.accounts(account).await?;
        let mut bases = Vec::with_capacity(accounts.len());
        let read = async |account: &AccountId| self.basis(account, at).await;
        each_account(self.reading(&accounts), read, |basis| {
            bases.push(basis);
            true
        })
        .await?;
        Ok(bases)
    }
}

/// The last listing of a region, found from the newest run back.
#[derive(Default)]
struct LastListing {
    /// Set if the last listing was not complete.
    failed: Option<NotObserved>,
    /// True once the last listing is found.
    is_found: bool,
}

impl LastListing {
    fn not_asked(region: Region, last_listed_at: Option<Timestamp>) -> Self {
        Self {
            failed: Some(NotObserved {
                region,
                code: "NotAsked".into(),
                message: "not listed by the last run".into(),
                last_listed_at,
            }),
            is_found: true,
        }
    }

    /// Notes an earlier complete listing.
    fn note_complete(&mut self, at: Timestamp) {
        if let Some(failed) = &mut self.failed {
            failed.last_listed_at.get_or_insert(at);
        }
    }
}

/// Returns true if one of the regions `listed` also lists the connections of
/// `region`.
fn lists_for(listed: &[Region], region: &Region) -> bool {
    let group = ListingGroup::of(region.as_str());
    group.is_some() && listed.iter().any(|r| ListingGroup::of(r.as_str()) == group)
}

/// Notes the listings of a run that is older than those noted before. `newest`
/// has the regions of the newest run.
fn note_listings(regions: &mut BTreeMap<Region, LastListing>, run: &RunRecord, newest: &[Region]) {
    // A filtered listing shows nothing about the rest.
    if !run.filter.is_empty() {
        return;
    }
    for listing in &run.listings {
        if !newest.contains(&listing.region) && !regions.contains_key(&listing.region) {
            if lists_for(newest, &listing.region) {
                continue;
            }
            let mut last = LastListing::not_asked(listing.region.clone(), None);
            if listing.error.is_none() {
                last.note_complete(listing.began_at);
            }
            regions.insert(listing.region.clone(), last);
            continue;
        }
        let last = regions.entry(listing.region.clone()).or_default();
        match &listing.error {
            Some(error) if !last.is_found => {
                last.failed = Some(NotObserved {
                    region: listing.region.clone(),
                    code: error.code.clone(),
                    message: error.message.clone(),
                    last_listed_at: None,
                });
            }
            Some(_) => {}
            None => last.note_complete(listing.began_at),
        }
        last.is_found = true;
    }
}
