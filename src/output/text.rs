//! Wording: counts, times, durations, changes.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::escape::printable;
use crate::audit::ChangeWithRun;
use crate::domain::attributes::AttributeName;
use crate::domain::change::Change;
use crate::domain::digest::canonical_json;
pub(crate) use crate::domain::duration::in_two_units as format_duration;
use crate::domain::{
    Attributes, Cause, ChangeKind, Identifier, Kind, Timestamp, Trigger, UnknownMembers,
};
use crate::inventory::summary::Summary;

/// Returns a count such as "1 connection" or "2 connections".
pub(crate) fn count(number: usize, what: &str) -> String {
    match what.strip_suffix('y') {
        _ if number == 1 => format!("{number} {what}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {what}s"),
    }
}

/// Returns a whole number with thousands separators: `1,234,567`.
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a time to the second.
pub(crate) fn format_time(time: Timestamp) -> String {
    time.to_the_second()
}

/// Returns the text, or a dash for `None`.
pub(crate) fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

/// Returns what changed, in a few words.
pub(crate) fn describe_change(change: &Change) -> String {
    match (change.kind, &change.before, &change.after) {
        (kind, _, Some(after)) if kind.starts_presence() => after.status_word().to_owned(),
        (ChangeKind::Deleted, Some(before), _) => format!("was {}", before.status_word()),
        (_, Some(before), Some(after)) => describe_differences(before, after).join(", "),
        _ => String::new(),
    }
}

/// Returns the last part of a host's ARN, which has its name.
fn host_name(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

/// Returns the fields that differ, each with both values.
pub(crate) fn describe_differences(before: &Attributes, after: &Attributes) -> Vec<String> {
    let fields = |attributes: &Attributes| {
        let status = attributes.status_word().to_owned();
        let others = attributes.fields().map(|(name, text)| match name {
            // It is first, and needs no label.
            AttributeName::ConnectionStatus => (String::new(), None),
            AttributeName::HostArn => (format!("{} ", name.label()), text.map(host_name)),
            name => (format!("{} ", name.label()), text.map(str::to_owned)),
        });
        [(String::new(), Some(status))].into_iter().chain(others)
    };
    let known = fields(before)
        .zip(fields(after))
        .map(|((label, before), (_, after))| (label, before, after));
    let (before, after) = (&before.unknown_members, &after.unknown_members);
    let names: BTreeSet<&str> = before.iter().chain(after.iter()).map(|(n, _)| n).collect();
    let unknown = names.into_iter().map(|name| {
        let value = |members: &UnknownMembers| members.get(name).map(canonical_json);
        (format!("{name} "), value(before), value(after))
    });
    known
        .chain(unknown)
        .filter(|(_, before, after)| before != after)
        .map(|(field, before, after)| {
            let (before, after) = (or_dash(before.as_deref()), or_dash(after.as_deref()));
            format!("{field}{before} → {after}")
        })
        .collect()
}

/// Returns the time range in which a change happened.
pub(crate) fn format_window(change: &Change) -> String {
    let until = format_time(change.observed_until);
    match change.previously_seen_at {
        Some(from) => format!("{} … {until}", format_time(from)),
        None => format!("before {until}"),
    }
}

/// Like [`format_window`], to the minute and without a repeated date.
pub(crate) fn format_window_compact(change: &Change) -> String {
    let until = format_time(change.observed_until);
    let minute = |time: &str| time.get(..16).unwrap_or(time).replace('T', " ");
    let Some(from) = change.previously_seen_at.map(format_time) else {
        return format!("before {}Z", minute(&until));
    };
    let same = |length| from.get(..length) == until.get(..length);
    let start = match () {
        () if same("2026-10-01T".len()) => "2026-10-01T".len(),
        () if same("2026-".len()) => "2026-".len(),
        () => 0,
    };
    let until = minute(&until);
    format!(
        "{}…{}Z",
        minute(&from),
        until.get(start..).unwrap_or(&until)
    )
}

/// Returns the summary of a run as text.
pub(crate) fn summary<K: Kind>(summary: &Summary<K>) -> String {
    let mut text = format!(
        "run {} of account {}: {}\n",
        summary.run_id, summary.account, summary.outcome
    );
    if summary.already_recorded {
        text.push_str("  this event was already recorded by that run; nothing was written\n");
    }
    let scopes = summary.listings.iter().map(|l| l.region.as_str().len());
    let width = scopes.max().unwrap_or(0).max(15);
    for listing in &summary.listings {
        let how = match &listing.error {
            None => "complete".to_owned(),
            // The full message is among the problems.
            Some(error) => format!("INCOMPLETE ({})", error.code),
        };
        let number = |n: u32, what| count(usize::try_from(n).unwrap_or(usize::MAX), what);
        text.push_str(&printable(&format!(
            "  {:<width$} {} on {}, {how}",
            listing.region,
            number(listing.connections, K::NOUN.0),
            number(listing.pages, "page")
        )));
        text.push('\n');
    }
    let counts = |counts: Vec<(String, u64)>| match counts.as_slice() {
        [] => "none".to_owned(),
        some => some
            .iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let connections = summary
        .connections
        .iter()
        .map(|(word, n)| (word.clone(), *n));
    let changes = summary
        .changes
        .iter()
        .map(|(kind, n)| (kind.to_string(), *n));
    let connections = printable(&counts(connections.collect()));
    text.push_str(&format!("  {}: {connections}\n", K::NOUN.1));
    text.push_str(&format!("  changes:     {}\n", counts(changes.collect())));
    for problem in &summary.problems {
        text.push_str(&format!("  missing:     {}\n", printable(problem)));
    }
    let (requests, capacity) = (summary.requests, summary.capacity);
    text.push_str(&format!(
        "  cost:        {} listing, {} read and {} write requests; {} read and {} write units; {} ms\n",
        requests.listing,
        requests.read,
        requests.write,
        capacity.read_units,
        capacity.write_units,
        summary.duration_ms
    ));
    if let Some(digest) = &summary.digest {
        text.push_str(&format!("  digest:      {digest}\n"));
    }
    text
}

/// Returns why a connection changed, if that is known. `None` for a first
/// observation without a call, of which a first run has hundreds.
fn describe_cause(change: &ChangeWithRun) -> Option<String> {
    match (&change.change.cause, change.change.kind) {
        (Some(Cause::NoCallSeen), ChangeKind::FirstSeen) => None,
        (Some(cause @ Cause::NoCallSeen), _) => Some(cause.in_words()),
        (Some(cause @ Cause::ApiCall(_)), _) => Some(format!("after {}", cause.in_words())),
        // Formats 1 and 2 record only that the run followed a call.
        (None, _) => {
            let calls = change.run.as_ref()?.trigger.calls_in_words()?;
            Some(format!("run after {calls}"))
        }
    }
}

/// Returns what else is known of a change, a line each: its [cause](describe_cause),
/// and the consumers on record of a connection that stopped working.
pub(crate) fn describe_details(change: &ChangeWithRun) -> Vec<String> {
    let consumers = change.change.consumers.in_words();
    let consumers = consumers.map(|consumers| format!("used by {consumers}, as last recorded"));
    describe_cause(change)
        .into_iter()
        .chain(consumers)
        .collect()
}

/// Returns what started a run, in a few words; for API calls, their callers and
/// names.
pub(crate) fn describe_trigger(trigger: &Trigger) -> String {
    let calls = trigger.calls_in_words();
    calls.unwrap_or_else(|| trigger.word().to_owned())
}
