//! The tables of runs and of their listings.

use crate::domain::run::ListingReport;
use crate::domain::{AccountId, RunId, RunRecord};
use crate::sql::column::ColumnType::{Boolean, Integer, Json, Text, Time};
use crate::sql::column::{Column, boolean, column, json, number, optional, text};

/// The columns of `runs`.
pub const RUNS: &[Column<RunRecord>] = &[
    column("account", Text, "The inventoried account", |row| {
        text(&row.account)
    }),
    column(
        "sequence",
        Integer,
        "1 for an account's first run, and one more for each next",
        |row| number(row.sequence),
    ),
    column("run_id", Text, "Its id", |row| text(&row.run_id)),
    column("started_at", Time, "Its start", |row| text(row.started_at)),
    column(
        "finished_at",
        Time,
        "When it had written everything but its record",
        |row| text(row.finished_at),
    ),
    column("outcome", Text, "COMPLETE, PARTIAL or FAILED", |row| {
        text(row.outcome)
    }),
    column(
        "is_evidence",
        Boolean,
        "1 if it shows absence in its regions: complete, and not filtered",
        |row| boolean(row.is_evidence()),
    ),
    column("trigger", Text, "What started it, in a word", |row| {
        text(row.trigger.word())
    }),
    column("event_id", Text, "The event that started it", |row| {
        optional(row.trigger.event_id())
    }),
    column(
        "principal_arn",
        Text,
        "Who made the call that started it",
        |row| optional(row.trigger.caller().0),
    ),
    column("source_ip", Text, "From where", |row| {
        optional(row.trigger.caller().1)
    }),
    column("calls", Json, "The calls that started it", |row| {
        json(&row.trigger.calls())
    }),
    column("filter", Json, "The filter of its listings", |row| {
        json(&row.filter)
    }),
    column(
        "connections",
        Json,
        "The account's present connections after it, by status",
        |row| json(&row.connections),
    ),
    column(
        "changes",
        Json,
        "The changes that it recorded, by kind",
        |row| json(&row.changes),
    ),
    column(
        "tombstones_held_back",
        Integer,
        "Deletions that the guard held back",
        |row| number(row.tombstones_held_back),
    ),
    column(
        "unwritten",
        Integer,
        "Planned writes that were not made",
        |row| number(row.unwritten),
    ),
    column(
        "unsettled",
        Integer,
        "Connections that it observed and left to the next run",
        |row| number(row.unsettled),
    ),
    column(
        "unconfirmed",
        Integer,
        "Connections recorded as present that it did not list",
        |row| number(row.unconfirmed),
    ),
    column(
        "retired_regions",
        Json,
        "Regions retired from the inventory",
        |row| json(&row.retired_regions),
    ),
    column("problems", Json, "What is missing, a text each", |row| {
        json(&row.problems)
    }),
    column(
        "code_version",
        Text,
        "The version of this software",
        |row| text(&row.code_version),
    ),
    column(
        "previous_digest",
        Text,
        "The digest of the run before",
        |row| optional(row.previous_digest),
    ),
    column("digest", Text, "Its digest", |row| text(row.digest())),
];

/// A listing of a run.
#[derive(Debug)]
pub struct RunListing {
    /// The account.
    pub account: AccountId,
    /// The run's number.
    pub sequence: u64,
    /// The run.
    pub run_id: RunId,
    /// The listing.
    pub listing: ListingReport,
}

impl RunListing {
    /// Returns the listings of a run.
    pub fn all_of(run: &RunRecord) -> impl Iterator<Item = Self> {
        run.listings.iter().map(|listing| Self {
            account: run.account.clone(),
            sequence: run.sequence,
            run_id: run.run_id.clone(),
            listing: listing.clone(),
        })
    }
}

/// The columns of `listings`.
pub const LISTINGS: &[Column<RunListing>] = &[
    column("account", Text, "The inventoried account", |row| {
        text(&row.account)
    }),
    column("sequence", Integer, "The number of the run", |row| {
        number(row.sequence)
    }),
    column("run_id", Text, "The run", |row| text(&row.run_id)),
    column("region", Text, "The region that was listed", |row| {
        text(&row.listing.region)
    }),
    column("complete", Boolean, "1 if every page was received", |row| {
        boolean(row.listing.complete)
    }),
    column("pages", Integer, "The pages received", |row| {
        number(row.listing.pages)
    }),
    column("connections", Integer, "The connections listed", |row| {
        number(row.listing.connections)
    }),
    column("began_at", Time, "Its start", |row| {
        text(row.listing.began_at)
    }),
    column("ended_at", Time, "The time of its last response", |row| {
        text(row.listing.ended_at)
    }),
    column(
        "error_code",
        Text,
        "A code for the reason why it is not complete",
        |row| optional(row.listing.error.as_ref().map(|error| &error.code)),
    ),
    column("error_message", Text, "The reason", |row| {
        optional(row.listing.error.as_ref().map(|error| &error.message))
    }),
];
