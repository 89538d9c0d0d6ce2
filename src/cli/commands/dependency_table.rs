//! What `hosts`, `uses` and `impact` share: rows, tables, and what an answer is
//! based on.

use crate::audit::Audit;
use crate::audit::dependencies::{DependencyBasis, DependencyRow};
use crate::cli::error::CliError;
use crate::cli::evidence;
use crate::cli::render::Row;
use crate::cli::render::csv::field;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::suggestions;
use crate::domain::dependency::NOT_ASKED;
use crate::domain::{AccountId, SourceScope};
use crate::listing::dependencies::Source;
use crate::output::text::{count, format_time, or_dash};

impl Row for DependencyRow {
    fn header() -> Vec<&'static str> {
        vec![
            "account",
            "dependency_type",
            "name",
            "arn",
            "id",
            "listed_in",
            "status",
            "uses",
            "members",
            "first_seen_at",
            "last_seen_at",
        ]
    }

    fn csv(&self) -> Vec<String> {
        let listed_in: Vec<String> = self.listed_in.iter().map(SourceScope::to_string).collect();
        vec![
            self.account.to_string(),
            self.dependency_type.to_string(),
            self.name.clone().unwrap_or_default(),
            self.arn.clone(),
            self.id.to_string(),
            listed_in.join(" "),
            self.status.clone().unwrap_or_default(),
            self.uses.clone().unwrap_or_default(),
            self.members.to_json().unwrap_or_default(),
            self.first_seen_at.to_string(),
            field(self.last_seen_at),
        ]
    }
}

/// The members that name a branch.
const BRANCH: [&str; 4] = ["BranchName", "sourceVersion", "defaultBranch", "Branch"];

/// Returns what a dependency reads, in short: repository and branch.
pub(crate) fn reads(row: &DependencyRow) -> String {
    let first = |names: &[&str]| names.iter().find_map(|name| row.member(name));
    let repository = row.repository().or_else(|| row.member("instanceUrl"));
    match (repository, first(&BRANCH)) {
        (Some(repository), Some(branch)) => format!("{repository} {branch}"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => or_dash(None),
    }
}

/// Returns a table of dependencies: three columns of their own, and then since when
/// each is known, its account and its ARN.
pub(crate) fn dependency_table(
    rows: &[DependencyRow],
    [first, second, third]: [(&'static str, Cut); 3],
    cells: impl Fn(&DependencyRow) -> [Cell; 3],
) -> TextTable {
    let mut table = TextTable::new([
        first,
        second,
        third,
        ("SINCE", Cut::Never),
        ("ACCOUNT", Cut::Never),
        ("ARN", Cut::Middle),
    ])
    .may_drop(["ACCOUNT"]);
    for row in rows {
        let [first, second, third] = cells(row);
        let since = format_time(row.first_seen_at).into();
        let (account, arn) = (row.account.to_string().into(), row.arn.clone().into());
        table.add([first, second, third, since, account, arn], Vec::new());
    }
    table
}

/// Returns a table of what uses a connection.
pub(crate) fn consumer_table(rows: &[DependencyRow]) -> TextTable {
    let columns = [
        ("TYPE", Cut::Never),
        ("NAME", Cut::End),
        ("READS", Cut::End),
    ];
    dependency_table(rows, columns, |row| {
        [
            row.dependency_type.label().to_owned().into(),
            or_dash(row.name.as_deref()).into(),
            reads(row).into(),
        ]
    })
}

/// Describes what an answer about dependencies is based on, and what was not
/// asked, so that it doesn't read as "nothing else uses it".
pub(crate) fn notes(bases: &[DependencyBasis]) -> Vec<String> {
    let mut notes = basis_notes(bases);
    notes.push(not_asked());
    notes
}

/// Names what no source asks.
pub(crate) fn not_asked() -> String {
    format!("not asked: {}", NOT_ASKED.join(", "))
}

/// Describes what an answer is based on.
pub(crate) fn basis_notes(bases: &[DependencyBasis]) -> Vec<String> {
    let mut notes = Vec::new();
    for basis in bases {
        let account = &basis.account;
        let Some(run) = &basis.last_run else {
            notes.push(format!("account {account}: dependencies were never listed"));
            continue;
        };
        let regions = basis.regions();
        notes.push(format!(
            "account {account}: based on dependency run {} ({}, {} in {}) of {}",
            run.sequence,
            run.outcome,
            count(basis.source_names().len(), "source"),
            regions.join(", "),
            format_time(run.started_at)
        ));
        for source in &basis.sources {
            let Some(problem) = &source.problem else {
                continue;
            };
            let (complete_at, is_unknown) = (source.complete_at, source.complete_at_unknown);
            let last = evidence::last_complete("listed", complete_at, is_unknown);
            let (name, region) = (&source.source, &source.region);
            let what = if source.is_not_enabled() {
                "not enabled, so not observed"
            } else {
                "not observed"
            };
            notes.push(format!("  {what}: {name} in {region}: {problem}; {last}"));
        }
        for region in regions {
            let Ok(region) = region.parse() else { continue };
            let lacks = Source::ALL.into_iter().filter(|s| !s.exists_in(&region));
            let lacks: Vec<&str> = lacks.map(Source::as_str).collect();
            if !lacks.is_empty() {
                notes.push(format!("  not in {region}: {}", lacks.join(", ")));
            }
        }
    }
    notes
}

/// Refuses to answer without a run of dependencies: an empty answer would read as
/// "nothing uses it".
pub(crate) async fn require_runs(
    audit: &Audit,
    bases: &[DependencyBasis],
    account: Option<&AccountId>,
) -> Result<(), CliError> {
    if bases.iter().any(|basis| basis.last_run.is_some()) {
        return Ok(());
    }
    let whose = account.map_or(String::new(), |account| format!(" of account {account}"));
    let others = suggestions::other_accounts(audit, account).await?;
    Err(CliError::NoEvidence(format!(
        "no dependencies{whose} are recorded here: what uses a connection is unknown; run \
         `ccinv scan --dependencies`{others}"
    )))
}

/// Refuses accounts with a source of which no complete listing is known.
pub(crate) fn require_sources(bases: &[DependencyBasis]) -> Result<(), CliError> {
    let lacking = bases.iter().filter(|basis| !basis.is_evidence());
    evidence::require_of_all(
        lacking.map(|basis| &basis.account),
        "not every source of dependencies is known to have been listed completely: the answer may \
         lack some",
    )
}
