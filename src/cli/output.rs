//! Printing: aligned text for people, JSON for programs.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::CliError;
use crate::domain::change::Change;
use crate::domain::{Attributes, ChangeKind, Timestamp};
use crate::summary::Summary;

/// Writes text to standard output. A reader that has seen enough (`| head`)
/// is no failure.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::failure(error)),
        _ => Ok(()),
    }
}

/// Writes a value as indented JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(CliError::failure)?;
    let mut safe = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // JSON leaves these as they are, and they can only be in a text.
        if c != '\n' && is_active(c) {
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe.push('\n');
    print(&safe)
}

/// Rows under a header, aligned, a line each: a terminal wraps what is too
/// long for it, and what is copied from it stays whole.
pub(super) fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) -> String {
    let notes = vec![Vec::new(); rows.len()];
    table_with_notes(header, rows, &notes)
}

/// The same, with lines of text under each row.
pub(super) fn table_with_notes<const N: usize>(
    header: [&str; N],
    rows: Vec<[String; N]>,
    notes: &[Vec<String>],
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell)));
    }
    let mut text = String::new();
    let under = std::iter::once(&[][..]).chain(notes.iter().map(Vec::as_slice));
    for (line, notes) in table.lines().zip(under) {
        text.push_str(line.trim_end());
        text.push('\n');
        for note in notes {
            text.push_str(&format!("   {}\n", printable(note)));
        }
    }
    text
}

/// Text that can do nothing to a terminal: what names say is not ours.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_active(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Whether a character does something instead of showing something: control
/// characters, line separators, and those that turn the direction of what
/// follows.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// "1 connection", "2 connections".
pub(super) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A time to the second, as people read it.
pub(super) fn short(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// A text, or a dash where there is none.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

/// What a change changed, in a few words.
pub(super) fn what_changed(change: &Change) -> String {
    match (change.kind, &change.before, &change.after) {
        (ChangeKind::FirstSeen | ChangeKind::Reappeared, _, Some(after)) => {
            after.status_word().to_owned()
        }
        (ChangeKind::Deleted, Some(before), _) => format!("was {}", before.status_word()),
        (_, Some(before), Some(after)) => differences(before, after).join(", "),
        _ => String::new(),
    }
}

/// A host by the last part of its ARN, which has its name.
fn host_name(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

fn differences(before: &Attributes, after: &Attributes) -> Vec<String> {
    let fields = |a: &Attributes| {
        [
            ("", Some(a.status_word().to_owned())),
            ("name ", a.connection_name.as_deref().map(str::to_owned)),
            ("host ", a.host_arn.as_deref().map(host_name)),
            ("owner ", a.owner_account_id.as_deref().map(str::to_owned)),
            (
                "provider ",
                a.provider_type.as_ref().map(ToString::to_string),
            ),
        ]
    };
    let pairs = fields(before).into_iter().zip(fields(after));
    pairs
        .filter(|((_, before), (_, after))| before != after)
        .map(|((field, before), (_, after))| {
            let (before, after) = (or_dash(before.as_deref()), or_dash(after.as_deref()));
            format!("{field}{before} → {after}")
        })
        .collect()
}

/// The span in which a change lies.
pub(super) fn span(change: &Change) -> String {
    let until = short(change.observed_until);
    match change.previously_seen_at {
        Some(from) => format!("{} … {until}", short(from)),
        None => format!("before {until}"),
    }
}

/// A run's summary for people.
pub(super) fn summary(summary: &Summary) -> String {
    let mut text = format!(
        "run {} of account {}: {}\n",
        summary.run_id, summary.account, summary.outcome
    );
    if summary.already_recorded {
        text.push_str("  this event was dealt with before by that run; nothing was written\n");
    }
    for listing in &summary.listings {
        let how = match &listing.error {
            None => "complete".to_owned(),
            // Why, at length, stands among what is missing.
            Some(error) => format!("INCOMPLETE ({})", error.code),
        };
        let number = |n: u32, what| count(usize::try_from(n).unwrap_or(usize::MAX), what);
        text.push_str(&printable(&format!(
            "  {:<15} {} on {}, {how}",
            listing.region,
            number(listing.connections, "connection"),
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
    text.push_str(&format!("  connections: {connections}\n"));
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
