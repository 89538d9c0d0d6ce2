//! The parts of the page, formatted for the template.

use super::connections::ConnectionReport;
use super::data::{AccountReport, Every};
use super::dependencies::Dependencies;
use super::format::{Moment, Percent, outcome_class, parts, seen, status_class};
use crate::audit::timeline::{Segment, SegmentState};
use crate::audit::{ChangeWithRun, RunBasis};
use crate::domain::digest::canonical_json;
use crate::domain::{ChangeKind, RunRecord, Timestamp};
use crate::output::text::{
    count, describe_change, describe_details, describe_trigger, format_duration, or_dash,
};

/// An account.
pub(super) struct AccountView {
    pub(super) id: String,
    pub(super) is_evidence: bool,
    pub(super) first_run: Option<Moment>,
    pub(super) last_run: Option<Moment>,
    pub(super) complete: u64,
    pub(super) partial: u64,
    pub(super) failed: u64,
    pub(super) every: String,
    pub(super) every_from: &'static str,
    pub(super) gaps: Vec<GapView>,
    pub(super) unobserved: String,
    pub(super) incomplete: Vec<IncompleteView>,
    pub(super) basis: String,
    pub(super) not_observed: Vec<NotObservedView>,
    pub(super) unconfirmed: u64,
    pub(super) head: Option<HeadView>,
}

/// A time range without a complete run.
pub(super) struct GapView {
    pub(super) from: Moment,
    pub(super) until: Moment,
    pub(super) open: bool,
    pub(super) lasted: String,
    pub(super) missed: u64,
}

/// Incomplete listings.
pub(super) struct IncompleteView {
    pub(super) region: String,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) runs: u64,
    pub(super) first: Moment,
    pub(super) last: Moment,
}

/// A region that was not observed at the end of the period.
pub(super) struct NotObservedView {
    pub(super) region: String,
    pub(super) message: String,
    pub(super) last_listed_at: Option<Moment>,
}

/// The head of the chain of an account.
pub(super) struct HeadView {
    pub(super) sequence: u64,
    pub(super) finished_at: Moment,
    pub(super) digest: String,
}

impl AccountView {
    pub(super) fn new(report: &AccountReport) -> Self {
        let (every, every_from) = match report.every {
            Every::Given(every) => (every, "as given"),
            Every::Usual(every) => (every, "median of the period"),
            Every::Assumed(every) => (every, "default: fewer than two complete runs in the period"),
        };
        let basis = &report.basis;
        Self {
            id: report.account.to_string(),
            is_evidence: report.is_evidence(),
            first_run: report.first_run.map(Moment),
            last_run: report.last_run.map(Moment),
            complete: report.complete,
            partial: report.partial,
            failed: report.failed,
            every: format_duration(u64::try_from(every).unwrap_or(0)),
            every_from,
            gaps: report
                .gaps
                .iter()
                .map(|gap| GapView {
                    from: Moment(gap.from),
                    until: Moment(gap.until),
                    open: gap.before.is_none(),
                    lasted: format_duration(gap.until.millis_since(gap.from)),
                    missed: gap.missed,
                })
                .collect(),
            unobserved: format_duration(
                report
                    .gaps
                    .iter()
                    .map(|gap| gap.until.millis_since(gap.from))
                    .sum(),
            ),
            incomplete: report
                .incomplete
                .iter()
                .map(|listings| IncompleteView {
                    region: listings.region.to_string(),
                    code: seen(&listings.code),
                    message: seen(&listings.message),
                    runs: listings.runs,
                    first: Moment(listings.first),
                    last: Moment(listings.last),
                })
                .collect(),
            basis: describe_basis(basis.last_complete_run.as_ref(), basis.last_run.as_ref()),
            unconfirmed: basis.unconfirmed,
            not_observed: basis
                .not_observed
                .iter()
                .map(|missing| NotObservedView {
                    region: missing.region.to_string(),
                    message: seen(&missing.message),
                    last_listed_at: missing.last_listed_at.map(Moment),
                })
                .collect(),
            head: basis.last_run.as_ref().map(|run| HeadView {
                sequence: run.sequence,
                finished_at: Moment(run.finished_at),
                digest: run.digest.to_string(),
            }),
        }
    }
}

fn describe_basis(complete: Option<&RunBasis>, last: Option<&RunBasis>) -> String {
    let describe = |run: &RunBasis| {
        format!(
            "run {} ({}), started {} before the end of the period",
            run.sequence,
            run.outcome,
            format_duration(run.age_ms)
        )
    };
    match (complete, last) {
        (Some(complete), Some(last)) if complete.sequence == last.sequence => describe(last),
        (Some(complete), Some(last)) => format!("{}, and {}", describe(complete), describe(last)),
        (_, Some(last)) => format!("no complete run; last run: {}", describe(last)),
        _ => "no run".to_owned(),
    }
}

/// A connection and its timeline.
pub(super) struct ConnectionView {
    pub(super) account: String,
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) console_url: Option<String>,
    /// The provider, in parts between which a line may break.
    pub(super) provider: Vec<String>,
    /// Members unknown to this version, with their values.
    pub(super) unknown: Vec<String>,
    pub(super) status: String,
    pub(super) status_class: &'static str,
    pub(super) since: Moment,
    /// What uses it.
    pub(super) used_by: String,
    pub(super) tags: String,
    pub(super) changes: u64,
    pub(super) bars: Vec<Bar>,
    /// The timeline as text, one line per segment.
    pub(super) text: String,
}

/// A segment of a timeline, in percent of its width.
pub(super) struct Bar {
    pub(super) class: &'static str,
    pub(super) from: Percent,
    pub(super) width: Percent,
}

impl ConnectionView {
    pub(super) fn new(
        report: &ConnectionReport,
        period: (Timestamp, Timestamp),
        dependencies: &Dependencies,
    ) -> Self {
        let row = &report.row;
        let (status, class, since) = match row.deleted_at {
            Some(at) => ("DELETED".to_owned(), "deleted", at),
            None => {
                let status = row.attributes.status_word().to_owned();
                let class = status_class(&status);
                (status, class, row.status_since)
            }
        };
        let provider = or_dash(row.attributes.provider_type.as_ref().map(|p| p.as_str()));
        let provider = match row.attributes.provider_endpoint.as_deref() {
            Some(endpoint) => format!("{provider} at {endpoint}"),
            None => provider,
        };
        let unknown = row.attributes.unknown_members.iter();
        let unknown =
            unknown.map(|(name, value)| seen(&format!("{name}: {}", canonical_json(value))));
        Self {
            account: row.account.to_string(),
            name: row
                .attributes
                .connection_name
                .as_deref()
                .map_or_else(|| "(no name)".to_owned(), seen),
            arn: seen(row.connection_arn.as_str()),
            provider: parts(&seen(&provider)),
            unknown: unknown.collect(),
            console_url: row.console_url.clone(),
            status: seen(&status),
            status_class: class,
            since: Moment(since),
            used_by: dependencies.users(row),
            tags: dependencies.tags(row),
            changes: report.changes,
            bars: bars(&report.timeline, period),
            text: text_of(&report.timeline),
        }
    }
}

/// Returns the bars. Changes are last, on top, because they are the narrowest.
fn bars(timeline: &[Segment], (since, until): (Timestamp, Timestamp)) -> Vec<Bar> {
    let whole = until.millis_since(since).max(1);
    let at = |time: Timestamp| time.millis_since(since) * 10_000 / whole;
    let bar = |segment: &Segment| Bar {
        class: match &segment.state {
            SegmentState::NotObserved => "gap",
            SegmentState::Absent => "absent",
            SegmentState::Changing => "changing",
            SegmentState::Present { status } => status_class(status),
        },
        from: Percent(at(segment.from)),
        width: Percent(at(segment.until) - at(segment.from)),
    };
    let (changing, others): (Vec<&Segment>, Vec<&Segment>) = timeline
        .iter()
        .partition(|segment| segment.state == SegmentState::Changing);
    others.into_iter().chain(changing).map(bar).collect()
}

fn text_of(timeline: &[Segment]) -> String {
    let line = |segment: &Segment| {
        let state = match &segment.state {
            SegmentState::NotObserved => "not observed".to_owned(),
            SegmentState::Absent => "absent".to_owned(),
            SegmentState::Changing => "changed at an unknown time".to_owned(),
            SegmentState::Present { status } => seen(status),
        };
        format!("{state} until {}", Moment(segment.until).text())
    };
    timeline.iter().map(line).collect::<Vec<_>>().join(";\n")
}

/// A change.
pub(super) struct ChangeView {
    pub(super) account: String,
    pub(super) from: Option<Moment>,
    pub(super) until: Moment,
    pub(super) kind: ChangeKind,
    pub(super) name: String,
    pub(super) id: String,
    /// The row of its connection.
    pub(super) row: Option<usize>,
    pub(super) what: String,
    pub(super) run: Option<u64>,
    /// The cause, as far as it is known.
    pub(super) why: String,
}

impl ChangeView {
    pub(super) fn new(observed: &ChangeWithRun, row: Option<usize>) -> Self {
        let change = &observed.change;
        let attributes = change.after.as_ref().or(change.before.as_ref());
        let name = attributes.and_then(|a| a.connection_name.as_deref());
        Self {
            account: change.account.to_string(),
            from: change.previously_seen_at.map(Moment),
            until: Moment(change.observed_until),
            kind: change.kind,
            name: name.map_or_else(|| "(no name)".to_owned(), seen),
            id: seen(change.arn.id()),
            row,
            what: seen(&describe_change(change)),
            run: observed.run.as_ref().map(|run| run.sequence),
            why: seen(&describe_details(observed).join("; ")),
        }
    }
}

/// A run.
pub(super) struct RunView {
    pub(super) account: String,
    pub(super) sequence: u64,
    pub(super) started_at: Moment,
    pub(super) outcome: &'static str,
    pub(super) outcome_class: &'static str,
    pub(super) filtered: bool,
    pub(super) trigger: String,
    pub(super) listed: String,
    pub(super) connections: u64,
    pub(super) changes: u64,
    pub(super) problems: Vec<String>,
    pub(super) digest: String,
}

impl RunView {
    pub(super) fn new(run: &RunRecord) -> Self {
        let complete = run.listings.iter().filter(|l| l.complete).count();
        Self {
            account: run.account.to_string(),
            sequence: run.sequence,
            started_at: Moment(run.started_at),
            outcome: run.outcome.as_str(),
            outcome_class: outcome_class(run.outcome),
            filtered: !run.filter.is_empty(),
            trigger: seen(&describe_trigger(&run.trigger)),
            listed: format!("{complete} of {}", count(run.listings.len(), "region")),
            connections: run.connections.values().sum(),
            changes: run.changes.values().sum(),
            problems: run.problems.iter().map(|problem| seen(problem)).collect(),
            digest: run.digest().to_string(),
        }
    }
}
