//! What a report says, gathered from the table. It holds all that the page
//! shows, and nothing of how.

use std::collections::BTreeMap;

use super::connections::{ConnectionReport, Histories, connection_reports};
use crate::audit::gaps::{gaps, usual_interval};
use crate::audit::{
    Audit, AuditError, Basis, ChangeFilter, ChangeWithRun, ConnectionRow, Gap, final_before,
};
use crate::compliance::check::CheckReport;
use crate::compliance::evidence::Moment;
use crate::compliance::rule::Rule;
use crate::domain::attributes::NOT_REPORTED;
use crate::domain::{AccountId, Outcome, Region, RunRecord, Timestamp};

/// What is reported on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRequest {
    /// The period's beginning.
    pub since: Timestamp,
    /// The period's end, which is not in it.
    pub until: Timestamp,
    /// Only this account; otherwise all that the table knows.
    pub account: Option<AccountId>,
    /// How often there should be a complete run, in milliseconds; otherwise
    /// as often as there usually was.
    pub every_ms: Option<i64>,
    /// When the report is made.
    pub made_at: Timestamp,
}

/// What is known of a period.
///
/// The same table and request give the same report. Of a period that was over
/// [a while](settled_by) ago, later runs change no more than which regions
/// count as listing a connection.
#[derive(Debug, Clone)]
pub struct Report {
    /// The period's beginning.
    pub since: Timestamp,
    /// The period's end, which is not in it.
    pub until: Timestamp,
    /// When the report was made.
    pub made_at: Timestamp,
    /// The accounts, by id, each with what is known of it.
    pub accounts: Vec<AccountReport>,
    /// The connections that were there at some time of the period, by
    /// account, name and ARN.
    pub connections: Vec<ConnectionReport>,
    /// The changes that were observed in the period, by account and time.
    pub changes: Vec<ChangeWithRun>,
    /// The runs that began in the period, by account and number.
    pub runs: Vec<RunRecord>,
    /// What the rules came to at the period's end. None if it was judged by
    /// none.
    pub check_report: Option<CheckReport>,
}

/// What is known of an account, and what that rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountReport {
    /// The account.
    pub account: AccountId,
    /// When the first run of the period began.
    pub first_run: Option<Timestamp>,
    /// When the last run of the period began.
    pub last_run: Option<Timestamp>,
    /// How many runs of the period were complete.
    pub complete: u64,
    /// How many were partial.
    pub partial: u64,
    /// How many failed.
    pub failed: u64,
    /// How often there should be a complete run.
    pub every: Every,
    /// The times of the period without a complete run.
    pub gaps: Vec<Gap>,
    /// Whether the whole period is one gap.
    pub all_one_gap: bool,
    /// Listings of the period that did not come to their end.
    pub incomplete: Vec<IncompleteListings>,
    /// What is known at the period's end.
    pub basis: Basis,
}

/// How often there should be a complete run, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// As was asked for.
    Given(i64),
    /// As there usually was one in the period.
    Usual(i64),
    /// Assumed: the period has fewer than two complete runs.
    Assumed(i64),
}

/// Listings of a region that all failed in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncompleteListings {
    /// The region.
    pub region: Region,
    /// Why: a stable word.
    pub code: Box<str>,
    /// Why, in a line, as it was said last.
    pub message: Box<str>,
    /// In how many runs.
    pub runs: u64,
    /// When the first of them began.
    pub first: Timestamp,
    /// When the last of them began.
    pub last: Timestamp,
}

/// How often there should be a run, if neither the caller nor the runs say.
const ASSUMED_EVERY_MS: i64 = 24 * 60 * 60 * 1000;

impl Report {
    /// Gathers what is known of a period, and judges its end by `rules`, if
    /// there are any.
    ///
    /// # Errors
    /// [`AuditError`] if the table can't be read.
    pub async fn gather(
        audit: &Audit,
        request: &ReportRequest,
        rules: &[Rule],
    ) -> Result<Self, AuditError> {
        let (since, until) = (request.since, request.until);
        let mut report = Self {
            since,
            until,
            made_at: request.made_at,
            accounts: Vec::new(),
            connections: Vec::new(),
            changes: Vec::new(),
            runs: Vec::new(),
            check_report: None,
        };
        for account in audit.accounts(request.account.as_ref()).await? {
            let runs = audit.runs_between(&account, since, until).await?;
            let every = Every::of(request.every_ms, &runs);
            // A run shortly before the period covers its beginning.
            let earlier = Timestamp::from_millis(since.millis().saturating_sub(every.longest()));
            let observing = audit.runs_between(&account, earlier, until).await?;
            let basis = audit.basis(&account, until).await?;
            let histories = Histories::read(audit, &account, until).await?;
            report.connections.extend(connection_reports(
                histories,
                &observing,
                (since, until),
                every.millis(),
            ));
            report
                .accounts
                .push(AccountReport::new(basis, &runs, &observing, since, every));
            report.runs.extend(runs);
        }
        report.changes = audit
            .changes(&ChangeFilter {
                since,
                until,
                kind: None,
                status: None,
                provider: None,
                account: request.account.clone(),
            })
            .await?;
        if !rules.is_empty() {
            let account = request.account.as_ref();
            let check_report = audit.check(rules, account, Moment::AsOf(until)).await?;
            report.check_report = Some(check_report);
        }
        Ok(report)
    }

    /// The connections that are there at the period's end, by status.
    pub fn by_status(&self) -> BTreeMap<String, u64> {
        self.present_by(|row| row.attributes.status_word().to_owned())
    }

    /// The connections that are there at the period's end, by provider.
    pub fn by_provider(&self) -> BTreeMap<String, u64> {
        self.present_by(|row| match &row.attributes.provider_type {
            Some(provider) if !provider.as_str().is_empty() => provider.to_string(),
            _ => NOT_REPORTED.to_owned(),
        })
    }

    /// The accounts that this report is no evidence of.
    pub fn without_evidence(&self) -> Vec<&AccountReport> {
        let accounts = self.accounts.iter();
        accounts.filter(|account| !account.is_evidence()).collect()
    }

    /// Whether it tells anything at all.
    pub fn is_evidence(&self) -> bool {
        self.accounts.iter().any(AccountReport::is_evidence)
    }

    /// From when on what is told may still be added to.
    pub fn unsettled_from(&self) -> Option<Timestamp> {
        let settled = final_before(self.made_at);
        (self.until > settled).then(|| settled.max(self.since))
    }

    fn present_by(&self, word: impl Fn(&ConnectionRow) -> String) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        let rows = self.connections.iter().map(|connection| &connection.row);
        for row in rows.filter(|row| row.deleted_at.is_none()) {
            *counts.entry(word(row)).or_insert(0) += 1;
        }
        counts
    }
}

impl AccountReport {
    fn new(
        basis: Basis,
        runs: &[RunRecord],
        observing: &[RunRecord],
        since: Timestamp,
        every: Every,
    ) -> Self {
        let account = basis.account.clone();
        let gaps = gaps(&account, observing, since, basis.at, every.millis());
        let all_one_gap = matches!(
            gaps.as_slice(),
            [gap] if gap.from <= since && gap.until >= basis.at
        );
        let ended = |outcome| runs.iter().filter(|run| run.outcome == outcome).count() as u64;
        let began = || runs.iter().map(|run| run.started_at);
        Self {
            account,
            first_run: began().min(),
            last_run: began().max(),
            complete: ended(Outcome::Complete),
            partial: ended(Outcome::Partial),
            failed: ended(Outcome::Failed),
            every,
            gaps,
            all_one_gap,
            incomplete: incomplete_listings(runs),
            basis,
        }
    }

    /// Whether anything can be said of the account's connections in the
    /// period: a complete run had ended by its end, and not all of it is one
    /// gap.
    pub fn is_evidence(&self) -> bool {
        self.basis.is_evidence() && !self.all_one_gap
    }
}

impl Every {
    fn of(given: Option<i64>, runs: &[RunRecord]) -> Self {
        match (given, usual_interval(runs)) {
            (Some(given), _) => Self::Given(given),
            (None, Some(usual)) if usual > 0 => Self::Usual(usual),
            (None, _) => Self::Assumed(ASSUMED_EVERY_MS),
        }
    }

    /// The interval.
    pub fn millis(self) -> i64 {
        match self {
            Self::Given(millis) | Self::Usual(millis) | Self::Assumed(millis) => millis,
        }
    }

    /// The interval with what schedules are late by.
    fn longest(self) -> i64 {
        self.millis().saturating_add(self.millis() / 10)
    }
}

/// The listings that did not come to their end, by region and reason.
fn incomplete_listings(runs: &[RunRecord]) -> Vec<IncompleteListings> {
    let mut found: BTreeMap<(&Region, &str), IncompleteListings> = BTreeMap::new();
    for run in runs {
        for listing in &run.listings {
            let Some(error) = &listing.error else {
                continue;
            };
            let seen = found
                .entry((&listing.region, &error.code))
                .or_insert_with(|| IncompleteListings {
                    region: listing.region.clone(),
                    code: error.code.clone(),
                    message: error.message.clone(),
                    runs: 0,
                    first: listing.began_at,
                    last: listing.began_at,
                });
            seen.runs += 1;
            seen.first = seen.first.min(listing.began_at);
            if listing.began_at >= seen.last {
                seen.last = listing.began_at;
                seen.message.clone_from(&error.message);
            }
        }
    }
    found.into_values().collect()
}
