//! What an answer rests on: the runs that had ended by the time that is asked
//! about, and what they did not observe.

use std::collections::BTreeMap;

use serde::Serialize;

use super::runs::{Runs, is_long_after};
use super::{Audit, AuditError};
use crate::domain::listing::ListingGroup;
use crate::domain::{AccountId, Digest, Outcome, Region, RunId, RunRecord, Timestamp};

/// What is known of an account at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// The account.
    pub account: AccountId,
    /// The time.
    pub at: Timestamp,
    /// The run that had ended last by then.
    pub last_run: Option<RunBasis>,
    /// The last one by then that [shows what was not
    /// there](RunRecord::is_evidence) in the regions that it asked. Without
    /// one, nothing is known of what is not listed.
    pub last_complete_run: Option<RunBasis>,
    /// Regions whose last listing by then was not complete, and those that
    /// were listed before and not asked since. What only they list is as it
    /// was observed before.
    pub not_observed: Vec<NotObserved>,
    /// Connections on record as present that the last unfiltered run by then
    /// did not list, and that none of its listings shows to be deleted.
    pub unconfirmed: u64,
    /// Regions that this run was told are not inventoried any more.
    pub retired_regions: Vec<Region>,
    /// Runs numbered from the last complete one to the last one whose times
    /// can't be: they say that they ended long after the last one had. Nothing
    /// rests on them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub impossible_times: Vec<RunBasis>,
}

/// A run, as far as an answer rests on it.
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
    /// The regions that it asked.
    pub regions: Vec<Region>,
    /// How long before the time that is asked about it began, in
    /// milliseconds.
    pub age_ms: u64,
    /// Its digest: the head of the account's chain then.
    pub digest: Digest,
}

/// A region that did not answer to the end, or was not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotObserved {
    /// The region.
    pub region: Region,
    /// Why: a stable word.
    pub code: Box<str>,
    /// Why, in a line.
    pub message: Box<str>,
    /// When it last answered to the end, as far as that is known.
    pub last_listed_at: Option<Timestamp>,
}

impl NotObserved {
    /// The same of a region that is not inventoried any more.
    fn retired(self) -> Self {
        Self {
            code: "Retired".into(),
            message: "retired, not listed any more".into(),
            ..self
        }
    }
}

impl Basis {
    /// Whether anything can be said of what was there: a complete run covers
    /// the time.
    pub fn is_evidence(&self) -> bool {
        self.last_complete_run.is_some()
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
            age_ms: at.millis_since(run.started_at),
            digest: run.digest(),
        }
    }
}

impl Audit {
    /// What is known of an account at `at`.
    ///
    /// # Errors
    /// [`AuditError`] if the account's runs can't be read.
    pub async fn basis(&self, account: &AccountId, at: Timestamp) -> Result<Basis, AuditError> {
        let mut basis = Basis {
            account: account.clone(),
            at,
            last_run: None,
            last_complete_run: None,
            not_observed: Vec::new(),
            unconfirmed: 0,
            retired_regions: Vec::new(),
            impossible_times: Vec::new(),
        };
        let mut runs = Runs::of(self.table(), account);
        let Some(last) = runs.ended_by(at).await? else {
            return Ok(basis);
        };
        let mut regions = BTreeMap::new();
        let mut newest: Option<Vec<Region>> = None;
        self.table()
            .runs_back_from(account, last, |run| {
                // Recorded before, but under way at the time.
                if run.finished_at > at {
                    if is_long_after(run.finished_at, at) {
                        basis.impossible_times.push(RunBasis::new(&run, at));
                    }
                    return true;
                }
                if basis.last_run.is_none() {
                    basis.last_run = Some(RunBasis::new(&run, at));
                }
                if run.filter.is_empty() && newest.is_none() {
                    newest = Some(run.listings.iter().map(|l| l.region.clone()).collect());
                    basis.unconfirmed = run.unconfirmed;
                    basis.retired_regions.clone_from(&run.retired_regions);
                }
                note_listings(&mut regions, &run, newest.as_deref().unwrap_or_default());
                if run.is_evidence() {
                    basis.last_complete_run = Some(RunBasis::new(&run, at));
                }
                basis.last_complete_run.is_none()
            })
            .await?;
        let newest = newest.unwrap_or_default();
        let record = self.table().read_record(account).await?;
        for (region, listed_at) in record.map(|r| r.coverage).unwrap_or_default() {
            // One that was listed later may not have been meant at the time.
            let is_covered = lists_for(&newest, &region) || regions.contains_key(&region);
            if listed_at <= at && !is_covered {
                regions.insert(region.clone(), Answered::not_asked(region, Some(listed_at)));
            }
        }
        let missing = regions.into_values().filter_map(|seen| seen.failed);
        basis.not_observed = missing
            .map(
                |missing| match basis.retired_regions.contains(&missing.region) {
                    true => missing.retired(),
                    false => missing,
                },
            )
            .collect();
        Ok(basis)
    }

    /// What is known at `at` of each account that the table knows, or only of
    /// `account`.
    ///
    /// # Errors
    /// [`AuditError`] if the accounts or their runs can't be read.
    pub async fn bases(
        &self,
        account: Option<&AccountId>,
        at: Timestamp,
    ) -> Result<Vec<Basis>, AuditError> {
        let mut bases = Vec::new();
        for account in self.accounts(account).await? {
            bases.push(self.basis(&account, at).await?);
        }
        Ok(bases)
    }
}

/// How a region answered, the newest run first.
#[derive(Default)]
struct Answered {
    /// Its last listing was not complete.
    failed: Option<NotObserved>,
    /// Its last listing is known.
    decided: bool,
}

impl Answered {
    fn not_asked(region: Region, last_listed_at: Option<Timestamp>) -> Self {
        Self {
            failed: Some(NotObserved {
                region,
                code: "NotAsked".into(),
                message: "not listed by the last run".into(),
                last_listed_at,
            }),
            decided: true,
        }
    }

    /// Takes in that it gave a complete listing before it failed to.
    fn note_complete(&mut self, at: Timestamp) {
        if let Some(failed) = &mut self.failed {
            failed.last_listed_at.get_or_insert(at);
        }
    }
}

/// Whether one of the regions `listed` lists the connections of `region` too.
fn lists_for(listed: &[Region], region: &Region) -> bool {
    let group = ListingGroup::of(region.as_str());
    group.is_some() && listed.iter().any(|r| ListingGroup::of(r.as_str()) == group)
}

/// Takes in the listings of a run that is older than those taken in before.
/// `newest` are the regions that the newest of them listed.
fn note_listings(regions: &mut BTreeMap<Region, Answered>, run: &RunRecord, newest: &[Region]) {
    // What was filtered tells nothing of the rest.
    if !run.filter.is_empty() {
        return;
    }
    for listing in &run.listings {
        if !newest.contains(&listing.region) && !regions.contains_key(&listing.region) {
            if lists_for(newest, &listing.region) {
                continue;
            }
            let mut answered = Answered::not_asked(listing.region.clone(), None);
            if listing.error.is_none() {
                answered.note_complete(listing.began_at);
            }
            regions.insert(listing.region.clone(), answered);
            continue;
        }
        let answered = regions.entry(listing.region.clone()).or_default();
        match &listing.error {
            Some(error) if !answered.decided => {
                answered.failed = Some(NotObserved {
                    region: listing.region.clone(),
                    code: error.code.clone(),
                    message: error.message.clone(),
                    last_listed_at: None,
                });
            }
            Some(_) => {}
            None => answered.note_complete(listing.began_at),
        }
        answered.decided = true;
    }
}
