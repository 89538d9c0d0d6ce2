//! The content of a report, gathered from the table, without any presentation.

use std::collections::BTreeMap;

use super::connections::{ConnectionReport, Histories, connection_reports};
use crate::audit::concurrently::each_account;
use crate::audit::dependencies::{DependencyAnswer, DependencyFilter};
use crate::audit::gaps::{gaps, usual_interval};
use crate::audit::runs::Runs;
use crate::audit::{Audit, AuditError, Basis, ChangeWithRun, ConnectionRow, Gap, final_before};
use crate::compliance::check::CheckReport;
use crate::compliance::evidence::Moment;
use crate::compliance::rule::Rule;
use crate::domain::attributes::NOT_REPORTED;
use crate::domain::{AccountId, Outcome, Region, RunRecord, Timestamp};

/// A request for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRequest {
    /// The start of the period.
    pub since: Timestamp,
    /// The end of the period, exclusive.
    pub until: Timestamp,
    /// Only this account. Default: all accounts in the table.
    pub account: Option<AccountId>,
    /// The expected interval of complete runs, in milliseconds. Default: the
    /// median of the period.
    pub every_ms: Option<i64>,
    /// The time of generation.
    pub made_at: Timestamp,
}

/// The report on a period.
///
/// The same table and request give the same report. Once the period is
/// [final](final_before), later runs change only the set of regions that list a
/// connection.
#[derive(Debug, Clone)]
pub struct Report {
    /// The start of the period.
    pub since: Timestamp,
    /// The end of the period, exclusive.
    pub until: Timestamp,
    /// The time of generation.
    pub made_at: Timestamp,
    /// The accounts, by id.
    pub accounts: Vec<AccountReport>,
    /// The connections that existed during the period, by account, name and ARN.
    pub connections: Vec<ConnectionReport>,
    /// The changes observed in the period, by account and time.
    pub changes: Vec<ChangeWithRun>,
    /// The runs started in the period, by account and number.
    pub runs: Vec<RunRecord>,
    /// The dependencies at the end of the period, of all accounts.
    pub dependencies: DependencyAnswer,
    /// The evaluation of the rules at the end of the period. None without rules.
    pub check_report: Option<CheckReport>,
}

/// The runs, gaps and basis of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountReport {
    /// The account.
    pub account: AccountId,
    /// The start of the first run of the period.
    pub first_run: Option<Timestamp>,
    /// The start of the last run of the period.
    pub last_run: Option<Timestamp>,
    /// The number of COMPLETE runs of the period.
    pub complete: u64,
    /// The number of PARTIAL runs.
    pub partial: u64,
    /// The number of FAILED runs.
    pub failed: u64,
    /// The expected interval of complete runs.
    pub every: Every,
    /// The gaps: time ranges without a complete run.
    pub gaps: Vec<Gap>,
    /// Whether one gap covers the whole period.
    pub all_one_gap: bool,
    /// The incomplete listings of the period.
    pub incomplete: Vec<IncompleteListings>,
    /// The basis of the state at the end of the period.
    pub basis: Basis,
}

/// The expected interval of complete runs, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// Given by the caller.
    Given(i64),
    /// The median of the period.
    Usual(i64),
    /// The default, if the period has fewer than two complete runs.
    Assumed(i64),
}

/// Incomplete listings of a region with the same error code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncompleteListings {
    /// The region.
    pub region: Region,
    /// The error code.
    pub code: Box<str>,
    /// The last error message, in one line.
    pub message: Box<str>,
    /// The number of runs with such a listing.
    pub runs: u64,
    /// The start of the first one.
    pub first: Timestamp,
    /// The start of the last one.
    pub last: Timestamp,
}

/// The interval if neither the caller nor the runs give one.
const ASSUMED_EVERY_MS: i64 = 24 * 60 * 60 * 1000;

impl Report {
    /// Gathers the report on a period and evaluates `rules` at its end.
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
            // What uses a shared connection can be in any account.
            dependencies: audit
                .dependencies(&DependencyFilter::default(), Some(until))
                .await?,
            check_report: None,
        };
        let accounts = audit.accounts(request.account.as_ref()).await?;
        let read = async |account: &AccountId| AccountPart::read(audit, account, request).await;
        each_account(audit.reading(&accounts), read, |part| {
            report.connections.extend(part.connections);
            report.changes.extend(part.changes);
            report.accounts.push(part.account);
            report.runs.extend(part.runs);
            true
        })
        .await?;
        if !rules.is_empty() {
            let account = request.account.as_ref();
            let check_report = audit.check(rules, account, Moment::AsOf(until)).await?;
            report.check_report = Some(check_report);
        }
        Ok(report)
    }

    /// Returns the number of connections at the end of the period, by status.
    pub fn by_status(&self) -> BTreeMap<String, u64> {
        self.present_by(|row| row.attributes.status_word().to_owned())
    }

    /// Returns the number of connections at the end of the period, by provider.
    pub fn by_provider(&self) -> BTreeMap<String, u64> {
        self.present_by(|row| match &row.attributes.provider_type {
            Some(provider) if !provider.as_str().is_empty() => provider.to_string(),
            _ => NOT_REPORTED.to_owned(),
        })
    }

    /// Returns the accounts that this report is no evidence for.
    pub fn without_evidence(&self) -> Vec<&AccountReport> {
        let accounts = self.accounts.iter();
        accounts.filter(|account| !account.is_evidence()).collect()
    }

    /// Returns true if the report is evidence for at least one account.
    pub fn is_evidence(&self) -> bool {
        self.accounts.iter().any(AccountReport::is_evidence)
    }

    /// Returns the time after which observations may still be added.
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

/// What a report has of one account.
struct AccountPart {
    account: AccountReport,
    connections: Vec<ConnectionReport>,
    changes: Vec<ChangeWithRun>,
    runs: Vec<RunRecord>,
}

impl AccountPart {
    async fn read(
        audit: &Audit,
        account: &AccountId,
        request: &ReportRequest,
    ) -> Result<Self, AuditError> {
        let (since, until) = (request.since, request.until);
        let mut found = Runs::of(audit.table(), account);
        let runs = found.begun_between(since, until).await?;
        let every = Every::of(request.every_ms, &runs);
        // A run shortly before the period covers its start.
        let earlier = Timestamp::from_millis(since.millis().saturating_sub(every.longest()));
        let observing = found.in_table_between(earlier, until).await?;
        let observing = observing.covering(since)?;
        let basis = audit.basis_from(&mut found, until).await?;
        let period = (since, until);
        let mut histories = Histories::read(audit, account, period).await?;
        let in_period = std::mem::take(&mut histories.in_period);
        let mut changes = Vec::with_capacity(in_period.len());
        for change in in_period {
            changes.push(ChangeWithRun::of(change, &mut found).await?);
        }
        Ok(Self {
            connections: connection_reports(histories, &observing, period, every.millis()),
            account: AccountReport::new(basis, &runs, &observing, since, every),
            changes,
            runs,
        })
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

    /// Returns true if the report is evidence for this account: a complete run had
    /// finished by the end of the period, and no gap covers all of it.
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

    /// Returns the interval, in milliseconds.
    pub fn millis(self) -> i64 {
        match self {
            Self::Given(millis) | Self::Usual(millis) | Self::Assumed(millis) => millis,
        }
    }

    /// Returns the interval plus a tolerance of 10 % for late schedules.
    fn longest(self) -> i64 {
        self.millis().saturating_add(self.millis() / 10)
    }
}

/// Returns the incomplete listings, by region and error code.
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
