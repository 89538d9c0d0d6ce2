//! What an answer rests on: the runs that had ended by the time that is asked
//! about, and what they did not observe.

use std::collections::BTreeMap;

use serde::Serialize;

use super::runs::Runs;
use super::{Audit, AuditError};
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
        };
        let mut runs = Runs::of(self.table(), account);
        let Some(last) = runs.ended_by(at).await? else {
            return Ok(basis);
        };
        let mut regions = BTreeMap::new();
        self.table()
            .runs_back_from(account, last, |run| {
                // Recorded before, but under way at the time.
                if run.finished_at > at {
                    return true;
                }
                if basis.last_run.is_none() {
                    basis.last_run = Some(RunBasis::new(&run, at));
                }
                note_listings(&mut regions, &run);
                if run.is_evidence() {
                    basis.last_complete_run = Some(RunBasis::new(&run, at));
                }
                basis.last_complete_run.is_none()
            })
            .await?;
        let record = self.table().read_record(account).await?;
        for (region, listed_at) in record.map(|r| r.coverage).unwrap_or_default() {
            // One that was listed later may not have been meant at the time.
            if listed_at <= at && !regions.contains_key(&region) {
                regions.insert(region.clone(), Answered::not_asked(region, listed_at));
            }
        }
        basis.not_observed = regions
            .into_values()
            .filter_map(|seen| seen.failed)
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
    fn not_asked(region: Region, last_listed_at: Timestamp) -> Self {
        Self {
            failed: Some(NotObserved {
                region,
                code: "NotAsked".into(),
                message: "not asked since the last complete run, nor by it".into(),
                last_listed_at: Some(last_listed_at),
            }),
            decided: true,
        }
    }
}

/// Takes in the listings of a run that is older than those taken in before.
fn note_listings(regions: &mut BTreeMap<Region, Answered>, run: &RunRecord) {
    // What was filtered tells nothing of the rest.
    if !run.filter.is_empty() {
        return;
    }
    for listing in &run.listings {
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
            None => {
                if let Some(failed) = &mut answered.failed {
                    failed.last_listed_at.get_or_insert(listing.began_at);
                }
            }
        }
        answered.decided = true;
    }
}
