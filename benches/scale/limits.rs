//! The sizes at which documented limits of AWS are reached. Calculated, not
//! measured.

use std::time::Duration;

use codeconnections_inventory::aws::Deadline;
use codeconnections_inventory::output::text::grouped;
use tokio::time::Instant;

use crate::options::Options;

/// Maximum output of a state, in bytes.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
const STATE_BYTES: u64 = 262_144;
/// Maximum events of one Standard execution (same page).
const HISTORY_EVENTS: u64 = 25_000;
/// Write units per second of a new on-demand table, of any table by default quota, and of
/// one partition.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html>
pub const NEW_TABLE_UNITS: f64 = 4_000.0;
pub const TABLE_UNITS: f64 = 40_000.0;
const PARTITION_UNITS: f64 = 1_000.0;
/// Maximum quota of accounts in an organization.
/// <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html>
const ORGANIZATION_ACCOUNTS: u64 = 10_000;

/// Values of the state machine: bytes of an account id in a list, of the result of a complete
/// run (`true`) and of another one; accounts per page, history events per page; its timeout.
const ID_BYTES: u64 = "\"123456789012\",".len() as u64;
const COMPLETE_BYTES: u64 = "true,".len() as u64;
const OTHER_BYTES: u64 = "\"123456789012 PARTIAL\",".len() as u64;
const PAGE_ACCOUNTS: u64 = 20;
const PAGE_EVENTS: u64 = 7;
const MACHINE_SECONDS: u64 = 86_400;

/// Returns each limit and the size at which it is reached, smallest first.
pub fn rows(options: &Options) -> Vec<Vec<String>> {
    let at_once = options.at_once as u64;
    let row = |what: &str, met: u64, of: &str, then: &str| {
        vec![
            what.to_owned(),
            grouped(met),
            of.to_owned(),
            then.to_owned(),
        ]
    };
    let [listing, writing] = seconds(options.timeout_s);
    let page_seconds = (options.listing_ms.0 + options.listing_ms.1) as f64 / 2e3;
    let listed = listing / page_seconds * 100.0;
    // Listed, then written to one partition.
    let written = writing / (page_seconds / 100.0 + 1.0 / PARTITION_UNITS);
    vec![
        ["LIMIT", "MET AT", "OF", "THEN"]
            .map(str::to_owned)
            .to_vec(),
        row(
            "AWS's own for an organization",
            ORGANIZATION_ACCOUNTS,
            "accounts",
            "AWS has to be asked",
        ),
        row(
            "256 KiB of results, if no run is complete",
            STATE_BYTES / OTHER_BYTES,
            "accounts",
            "the execution fails; runs are recorded",
        ),
        row(
            "state machine's day, if every run takes its 60 s",
            MACHINE_SECONDS * at_once / options.timeout_s,
            "accounts",
            "the execution times out; runs are recorded",
        ),
        row(
            "256 KiB of account ids",
            STATE_BYTES / ID_BYTES,
            "accounts",
            "the execution fails before any run",
        ),
        row(
            "256 KiB of results, if all runs are complete",
            STATE_BYTES / COMPLETE_BYTES,
            "accounts",
            "the execution fails; runs are recorded",
        ),
        row(
            "25,000 events of an execution's history",
            HISTORY_EVENTS / PAGE_EVENTS * PAGE_ACCOUNTS,
            "accounts",
            "the execution fails before any run",
        ),
        row(
            "1,000 write units a second of one partition",
            written as u64,
            "connections of an account",
            "the rest is left to the next run; PARTIAL",
        ),
        row(
            "the time for listing, pages as far away as here",
            listed as u64,
            "connections of an account",
            "the listing is incomplete; PARTIAL",
        ),
    ]
}

/// Returns the seconds from the start of a run to the deadlines of listing and of writing.
fn seconds(timeout: u64) -> [f64; 2] {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a clock").block_on(async {
        let now = Instant::now();
        let deadline = Deadline::after(Duration::from_secs(timeout));
        [deadline.listing, deadline.writing].map(|at| (at - now).as_secs_f64())
    })
}
