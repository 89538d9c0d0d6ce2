//! `show`: one connection, with its timeline.

use std::fmt::Write as _;

use clap::Args as ClapArgs;

use super::changes::history_table;
use super::dependency_table::not_asked;
use super::shares::share_in_words;
use crate::audit::properties::tags_in_words;
use crate::audit::timeline::{Segment, SegmentState};
use crate::audit::{ConnectionDetail, ConnectionRow};
use crate::cli::args::{StoreArgs, parse_connection, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::render::{FormatArgs, RowAnswer, print, print_notes, print_table};
use crate::cli::store::Store;
use crate::cli::{evidence, suggestions};
use crate::domain::digest::canonical_json;
use crate::domain::{AccountId, Clock, SystemClock, Timestamp};
use crate::output::escape::printable;
use crate::output::text::{format_duration, format_time, or_dash};

/// Show one connection with its timeline and changes
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  ccinv show payments-api
  ccinv show payments-api --since 90d
  ccinv show arn:aws:codeconnections:eu-west-1:123456789012:connection/8c0a5f2e-… --json

Exit codes: 0 success, 4 no such connection is recorded.")]
pub(crate) struct ShowArgs {
    /// ARN, name, or last part of the ARN
    #[arg(value_name = "ARN_OR_NAME", value_parser = parse_connection)]
    connection: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Start the timeline here: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_when)]
    since: Timestamp,
    #[command(flatten)]
    format: FormatArgs,
}

/// The width of a timeline in characters.
const LINE: usize = 60;

pub(crate) async fn run(args: ShowArgs) -> Result<Exit, CliError> {
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let span = (args.since, SystemClock.now());
    let shown = audit
        .show(&args.connection, args.account.as_ref(), span)
        .await
        .map_err(CliError::failure)?;
    if shown.is_empty() {
        return Err(
            suggestions::no_connection(&audit, &args.connection, args.account.as_ref()).await?,
        );
    }
    let rows: Vec<ConnectionRow> = shown.iter().map(|s| s.connection.clone()).collect();
    let answer = RowAnswer {
        rows: &rows,
        document: &shown,
        notes: Vec::new(),
    };
    answer.print_with(args.format, |_, _| {
        print_details(&shown, args.format.width())
    })?;
    Ok(Exit::Success)
}

fn print_details(details: &[ConnectionDetail], width: Option<usize>) -> Result<(), CliError> {
    for (i, detail) in details.iter().enumerate() {
        if i > 0 {
            print("\n")?;
        }
        print(&fields(detail))?;
        print(&timeline(&detail.timeline))?;
        print("\n")?;
        print_table(&history_table(&detail.history.changes), width)?;
        let mut notes = evidence::lines(std::slice::from_ref(&detail.rests_on));
        // "Nothing that was listed" must not read as "nothing".
        if detail.dependencies.is_some() {
            notes.push(not_asked());
        }
        print_notes(&notes, width)?;
    }
    Ok(())
}

fn fields(shown: &ConnectionDetail) -> String {
    let row = &shown.connection;
    let status = match row.deleted_at {
        Some(_) => "DELETED",
        None => row
            .attributes
            .connection_status
            .as_ref()
            .map_or("-", |s| s.as_str()),
    };
    let since = row.deleted_at.unwrap_or(row.status_since);
    let listed_in: Vec<&str> = shown.listed_in.iter().map(|r| r.as_str()).collect();
    let fields = [
        ("name", or_dash(row.attributes.connection_name.as_deref())),
        ("ARN", row.connection_arn.to_string()),
        (
            "status",
            format!(
                "{status}, for {} (since {})",
                format_duration(shown.in_status_ms),
                format_time(since)
            ),
        ),
        (
            "provider",
            or_dash(row.attributes.provider_type.as_ref().map(|p| p.as_str())),
        ),
        (
            "endpoint",
            or_dash(row.attributes.provider_endpoint.as_deref()),
        ),
        ("host", or_dash(row.attributes.host_arn.as_deref())),
        ("owner", or_dash(row.attributes.owner_account_id.as_deref())),
        ("account", row.account.to_string()),
        ("lives in", row.region.clone()),
        ("listed in", listed_in.join(", ")),
        ("console", or_dash(row.console_url.as_deref())),
        ("first seen", format_time(row.first_seen_at)),
        (
            "last seen",
            row.last_seen_at.map_or("-".to_owned(), format_time),
        ),
        ("changes", row.version.to_string()),
    ];
    let mut text = String::new();
    for (name, value) in fields {
        let _ = writeln!(text, "{name:<11}{}", printable(&value));
    }
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<11}{}", printable(value));
    };
    if let Some(dependencies) = &shown.dependencies {
        line("used by", &dependencies.users_in_words());
        line("tags", &tags_in_words(dependencies.tags.as_ref()));
        match dependencies.shares.as_deref() {
            None => line("shared", "not observed"),
            Some([]) => {}
            Some(shares) => shares
                .iter()
                .for_each(|share| line("shared", &share_in_words(share))),
        }
        if let Some(host) = &dependencies.host {
            let endpoint = or_dash(host.member("ProviderEndpoint").as_deref());
            let status = or_dash(host.status.as_deref());
            let name = or_dash(host.name.as_deref());
            line("host is", &format!("{name}, {status}, at {endpoint}"));
        }
    }
    for (name, value) in row.attributes.unknown_members.iter() {
        let member = format!("{name}: {}", canonical_json(value));
        line("not known", &member);
    }
    text
}

/// Draws a timeline as a row of signs, with a legend.
fn timeline(segments: &[Segment]) -> String {
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return String::new();
    };
    let whole = last.until.millis_since(first.from).max(1);
    let mut signs = String::with_capacity(LINE);
    let mut meanings: Vec<(char, String)> = Vec::new();
    for slot in 0..LINE {
        let Some(segment) = longest_in(segments, slot, first.from, whole) else {
            continue;
        };
        let (sign, meaning) = drawn(&segment.state);
        signs.push(sign);
        if !meanings.iter().any(|(_, known)| *known == meaning) {
            meanings.push((sign, meaning));
        }
    }
    let (from, until) = (format_time(first.from), format_time(last.until));
    let apart = LINE.saturating_sub(from.len() + until.len());
    let meanings: Vec<String> = meanings
        .iter()
        .map(|(sign, meaning)| format!("{sign} {}", printable(meaning)))
        .collect();
    format!(
        "\n{from}{}{until}\n{signs}\n{}\n",
        " ".repeat(apart),
        meanings.join("   ")
    )
}

/// Returns the segment that covers most of a slot.
fn longest_in(
    segments: &[Segment],
    slot: usize,
    begin: Timestamp,
    whole_ms: u64,
) -> Option<&Segment> {
    let edge = |slot: usize| {
        let part = u128::from(whole_ms) * slot as u128 / LINE as u128;
        begin.millis() + i64::try_from(part).unwrap_or(i64::MAX)
    };
    let (from, until) = (edge(slot), edge(slot + 1));
    segments
        .iter()
        .max_by_key(|segment| segment.until.millis().min(until) - segment.from.millis().max(from))
}

fn drawn(state: &SegmentState) -> (char, String) {
    match state {
        SegmentState::NotObserved => ('·', "not observed".to_owned()),
        SegmentState::Absent => ('_', "absent".to_owned()),
        SegmentState::Changing => ('~', "changed in this range".to_owned()),
        SegmentState::Present { status } => {
            let sign = match status.as_str() {
                "AVAILABLE" => '█',
                "PENDING" => '░',
                "ERROR" => '▚',
                _ => '▒',
            };
            (sign, status.clone())
        }
    }
}
