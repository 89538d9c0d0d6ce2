//! The HTML page. It loads nothing, its Content Security Policy allows only its
//! own script and style, and all text is escaped.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::compliance::ChecksView;
use super::data::{AccountReport, Report};
use super::dependencies::Dependencies;
use super::format::{Count, Moment, counts};
use super::view::{AccountView, ChangeView, ConnectionView, RunView};
use crate::domain::Outcome;
use crate::output::text::format_duration;

const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    style: &'static str,
    script: &'static str,
    policy: String,
    version: &'static str,
    since: Moment,
    until: Moment,
    middle: Moment,
    made_at: Moment,
    lasting: String,
    unsettled_from: Option<Moment>,
    accounts: Vec<AccountView>,
    several_accounts: bool,
    by_status: Vec<Count>,
    by_provider: Vec<Count>,
    by_kind: Vec<Count>,
    by_outcome: Vec<Count>,
    present: u64,
    gaps: usize,
    unobserved: String,
    deleted: usize,
    checks: Option<ChecksView>,
    dependencies: Dependencies,
    connections: Vec<ConnectionView>,
    changes: Vec<ChangeView>,
    runs: Vec<RunView>,
}

/// Writes the page of a report, in many small writes. The same report gives the
/// same bytes.
///
/// # Errors
/// The error of `out`.
pub fn write_page(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let period = (report.since, report.until);
    let rows: HashMap<_, _> = report
        .connections
        .iter()
        .enumerate()
        .map(|(i, c)| ((&c.row.account, &c.row.connection_arn), i))
        .collect();
    let row_of = |account, arn| rows.get(&(account, arn)).copied();
    let by_status = counts(report.by_status());
    let present: u64 = by_status.iter().map(|count| count.number).sum();
    let dependencies = Dependencies::new(&report.dependencies);
    let gaps = || report.accounts.iter().flat_map(|account| &account.gaps);
    let page = Page {
        style: STYLE,
        script: SCRIPT,
        policy: policy(),
        version: env!("CARGO_PKG_VERSION"),
        since: Moment(report.since),
        until: Moment(report.until),
        middle: Moment::between(report.since, report.until),
        made_at: Moment(report.made_at),
        lasting: format_duration(report.until.millis_since(report.since)),
        unsettled_from: report.unsettled_from().map(Moment),
        accounts: report.accounts.iter().map(AccountView::new).collect(),
        several_accounts: report.accounts.len() > 1,
        by_provider: counts(report.by_provider()),
        by_kind: counts(changes_by_kind(report)),
        by_outcome: runs_by_outcome(report),
        by_status,
        present,
        gaps: gaps().count(),
        unobserved: format_duration(gaps().map(|gap| gap.until.millis_since(gap.from)).sum()),
        deleted: report
            .connections
            .iter()
            .filter(|c| c.row.deleted_at.is_some())
            .count(),
        checks: report
            .check_report
            .as_ref()
            .map(|check_report| ChecksView::new(check_report, row_of)),
        connections: report
            .connections
            .iter()
            .map(|connection| ConnectionView::new(connection, period, &dependencies))
            .collect(),
        changes: report
            .changes
            .iter()
            .map(|c| ChangeView::new(c, row_of(&c.change.account, &c.change.arn)))
            .collect(),
        dependencies,
        runs: report.runs.iter().map(RunView::new).collect(),
    };
    page.write_into(out)?;
    // The template drops the last line feed.
    out.write_all(b"\n")
}

fn changes_by_kind(report: &Report) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for observed in &report.changes {
        *kinds.entry(observed.change.kind.to_string()).or_insert(0) += 1;
    }
    kinds
}

/// Returns the number of runs by outcome, COMPLETE first.
fn runs_by_outcome(report: &Report) -> Vec<Count> {
    let sum = |number: fn(&AccountReport) -> u64| report.accounts.iter().map(number).sum();
    [
        (Outcome::Complete, sum(|account| account.complete)),
        (Outcome::Partial, sum(|account| account.partial)),
        (Outcome::Failed, sum(|account| account.failed)),
    ]
    .into_iter()
    .filter(|(_, number)| *number > 0)
    .map(|(outcome, number)| Count::of_outcome(outcome, number))
    .collect()
}

/// Returns the Content Security Policy: nothing is loaded or sent, and only the
/// style and script with these hashes are applied.
/// <https://www.w3.org/TR/CSP3/#framework-directive-source-list>
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}
