//! A connection's time line: its status over time, and when it was not
//! observed. Pure.

use serde::Serialize;

use super::gaps::unobserved;
use crate::domain::{Change, ConnectionArn, Region, RunRecord, Timestamp};

/// A segment of a time line. Segments follow one another without a break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// The state of the connection.
    #[serde(flatten)]
    pub state: SegmentState,
}

/// The state of a connection in a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SegmentState {
    /// It was not observed: no run listed its regions completely.
    NotObserved,
    /// It was absent.
    Absent,
    /// It changed at some moment in this segment.
    Changing,
    /// It was present, in this status.
    Present {
        /// `ConnectionStatus`, or `(not reported)`.
        status: String,
    },
}

/// Returns when a connection was observed: the starts of the runs that
/// completely listed one of the regions that list it (or its own region).
pub fn observed_at(
    arn: &ConnectionArn,
    listed_in: &[Region],
    runs: &[RunRecord],
) -> Vec<Timestamp> {
    let lists_it = |region: &Region| match listed_in {
        [] => region.as_str() == arn.region(),
        regions => regions.contains(region),
    };
    runs.iter()
        .filter(|run| run.filter.is_empty())
        .filter(|run| {
            let mut listings = run.listings.iter();
            listings.any(|listing| listing.complete && lists_it(&listing.region))
        })
        .map(|run| run.started_at)
        .collect()
}

/// Returns the time line from `since` to `until` of a connection with these
/// changes (all of them, oldest first) and observations. It is not observed where
/// observations are further apart than `every_ms` and a tenth of that.
pub fn timeline(
    changes: &[Change],
    observed_at: Vec<Timestamp>,
    (since, until): (Timestamp, Timestamp),
    every_ms: i64,
) -> Vec<Segment> {
    let mut line = Line {
        since,
        until,
        segments: Vec::new(),
    };
    let mut at = since;
    let mut state = SegmentState::NotObserved;
    for (i, change) in changes.iter().enumerate() {
        // Its absence before the first change is known only since a complete
        // listing lacked it.
        let seen = change.previously_seen_at.unwrap_or(change.observed_at);
        if i == 0 && change.previously_seen_at.is_some() {
            state = SegmentState::Absent;
        }
        line.add(at, seen, state);
        line.add(seen.max(at), change.observed_until, SegmentState::Changing);
        at = change.observed_until;
        state = match &change.after {
            Some(after) => SegmentState::Present {
                status: after.status_word().to_owned(),
            },
            None => SegmentState::Absent,
        };
    }
    line.add(at, until, state);
    for gap in unobserved(observed_at, since, until, every_ms) {
        line.mark_unobserved(gap.from, gap.until);
    }
    line.joined()
}

struct Line {
    since: Timestamp,
    until: Timestamp,
    segments: Vec<Segment>,
}

impl Line {
    fn add(&mut self, from: Timestamp, until: Timestamp, state: SegmentState) {
        let (from, until) = (from.max(self.since), until.min(self.until));
        if from < until {
            self.segments.push(Segment { from, until, state });
        }
    }

    /// Marks the time from `from` to `until` as not observed.
    fn mark_unobserved(&mut self, from: Timestamp, until: Timestamp) {
        let mut kept = Vec::with_capacity(self.segments.len() + 2);
        for segment in self.segments.drain(..) {
            let part = |from: Timestamp, until: Timestamp, state: &SegmentState| {
                (from < until).then(|| Segment {
                    from,
                    until,
                    state: state.clone(),
                })
            };
            let (start, end) = (segment.from.max(from), segment.until.min(until));
            kept.extend(part(segment.from, segment.until.min(from), &segment.state));
            kept.extend(part(start, end, &SegmentState::NotObserved));
            kept.extend(part(segment.from.max(until), segment.until, &segment.state));
        }
        self.segments = kept;
    }

    /// Returns the segments, with equal neighbours joined.
    fn joined(self) -> Vec<Segment> {
        let mut joined: Vec<Segment> = Vec::with_capacity(self.segments.len());
        for segment in self.segments {
            match joined.last_mut() {
                Some(last) if last.state == segment.state && last.until == segment.from => {
                    last.until = segment.until;
                }
                _ => joined.push(segment),
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Attributes, ChangeKind, ConsumerCounts, RunId, SchemaVersion};

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_millis(hour * 3_600_000)
    }

    fn change(kind: ChangeKind, seen: Option<i64>, observed: i64, status: Option<&str>) -> Change {
        let attributes = |status: &str| Attributes {
            connection_status: Some(status.into()),
            ..Attributes::default()
        };
        Change {
            format: SchemaVersion::CURRENT,
            account: "123456789012".parse().unwrap(),
            arn: "arn:aws:codeconnections:eu-west-1:123456789012:connection/x"
                .parse()
                .unwrap(),
            version: 1,
            kind,
            before: None,
            after: status.map(attributes),
            previously_seen_at: seen.map(at),
            observed_at: at(observed),
            observed_until: at(observed),
            run_id: RunId::new(at(observed), 0),
            event_id: None,
            cause: None,
            consumers: ConsumerCounts::default(),
            closed: None,
            previous_digest: None,
        }
    }

    /// Returns each segment as `from-until state`, in hours.
    fn written(segments: &[Segment]) -> Vec<String> {
        let hour = |t: Timestamp| t.millis() / 3_600_000;
        let what = |state: &SegmentState| match state {
            SegmentState::NotObserved => "?".to_owned(),
            SegmentState::Absent => "-".to_owned(),
            SegmentState::Changing => "~".to_owned(),
            SegmentState::Present { status } => status.clone(),
        };
        segments
            .iter()
            .map(|s| format!("{}-{} {}", hour(s.from), hour(s.until), what(&s.state)))
            .collect()
    }

    #[test]
    fn states_follow_one_another_with_the_windows_between_them() {
        let changes = [
            change(ChangeKind::FirstSeen, Some(2), 3, Some("PENDING")),
            change(ChangeKind::StatusChanged, Some(5), 6, Some("AVAILABLE")),
            change(ChangeKind::Deleted, Some(8), 9, None),
        ];
        let every_hour = || (0..12).map(at).collect();
        let line = timeline(&changes, every_hour(), (at(0), at(12)), 3_600_000);
        let whole = [
            "0-2 -",
            "2-3 ~",
            "3-5 PENDING",
            "5-6 ~",
            "6-8 AVAILABLE",
            "8-9 ~",
            "9-12 -",
        ];
        assert_eq!(written(&line), whole);
        let part = timeline(&changes, every_hour(), (at(4), at(7)), 3_600_000);
        assert_eq!(written(&part), ["4-5 PENDING", "5-6 ~", "6-7 AVAILABLE"]);
    }

    #[test]
    fn a_time_without_observation_is_a_gap_whatever_was_known_before() {
        let changes = [
            change(ChangeKind::FirstSeen, None, 1, Some("PENDING")),
            change(ChangeKind::StatusChanged, Some(2), 6, Some("ERROR")),
        ];
        let observed = [1, 2, 6, 7].map(at).to_vec();
        let line = timeline(&changes, observed, (at(0), at(10)), 3_600_000);
        assert_eq!(
            written(&line),
            ["0-1 ?", "1-2 PENDING", "2-6 ?", "6-7 ERROR", "7-10 ?"]
        );
    }
}
