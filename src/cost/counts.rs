//! The counts that a bill is made of. What the function and the table decide
//! is asserted by `tests/it/cli/cost_estimate.rs`; what AWS documents has its page; what
//! is assumed says so.

use super::Plan;
use crate::table::read::READ_AT_ONCE;
use crate::table::write::BATCH;

/// Connections on a page of a listing.
const PAGE: u64 = 100;
/// Items on a page of a query.
const ITEMS: u64 = READ_AT_ONCE as u64;

// --- Sizes, in bytes as DynamoDB counts them: asserted to be at least what is
// --- written, and not much more.

/// A snapshot that one region lists and that has no host.
pub const SNAPSHOT: u64 = 760;
/// Its copy in the index `by_status`.
pub const SNAPSHOT_IN_INDEX: u64 = 480;
/// A change. The index `by_time` has all of it again.
pub const CHANGE: u64 = 1_400;
/// A run's record.
pub const RUN: u64 = 1_020;
/// An account's record, which remembers the last events by their ids.
pub const ACCOUNT: u64 = 1_020;
/// The same in an organization, where they are ARNs of executions.
pub const ACCOUNT_OF_ORGANIZATION: u64 = 2_000;
/// Its copy in the index `by_status`.
pub const ACCOUNT_IN_INDEX: u64 = 90;
/// What DynamoDB adds to the size of each stored item.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
pub const ITEM_OVERHEAD: u64 = 100;

// --- Requests and units of a run: asserted.

/// Requests for one region's connections.
pub fn listing_requests(connections: u64) -> u64 {
    connections.div_ceil(PAGE).max(1)
}

/// Requests that read what the table holds of an account: its record and its
/// snapshots, the pages of one query, and its last run. After a whole page there
/// may be more.
pub fn read_requests(connections: u64) -> u64 {
    (connections + 1) / ITEMS + 2
}

/// Read units of that: 4 KB each, strongly consistent, and each page is rounded
/// up; one for the last run.
pub fn read_units(connections: u64) -> u64 {
    let units = |bytes: u64| bytes.div_ceil(4_096);
    let (whole, rest) = ((connections + 1) / ITEMS, (connections + 1) % ITEMS);
    whole * units(ITEMS * SNAPSHOT) + units(rest.saturating_sub(1) * SNAPSHOT + ACCOUNT) + 1
}

/// Bytes of an account's record.
fn account(plan: &Plan) -> u64 {
    if plan.is_organization() {
        ACCOUNT_OF_ORGANIZATION
    } else {
        ACCOUNT
    }
}

/// Requests of a run that finds nothing new: batches, the run's record and the
/// account's.
pub fn write_requests(connections: u64) -> u64 {
    connections.div_ceil(BATCH as u64) + 2
}

/// Write units of that: no index is written.
pub fn write_units(plan: &Plan) -> u64 {
    plan.connections + kilobytes(RUN) + kilobytes(account(plan))
}

/// Write units of a change of status: the snapshot and the change in one
/// transaction, which counts twice; out of the index and in again under
/// another key; and the change in its index. DynamoDB does not say whether an
/// index counts twice, too; it is counted once.
pub const CHANGE_UNITS: u64 = 2 * (kilobytes(SNAPSHOT) + kilobytes(CHANGE)) + 2 + kilobytes(CHANGE);

const fn kilobytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_024)
}

// --- Logs: the function's own lines are asserted.

/// Bytes that the function writes in a run: that it began, how it ended, and
/// its metrics.
pub const LOG_BYTES: u64 = 2_200;
/// Bytes that Lambda writes about it, as far as is known: when it began, and
/// its report. Assumed.
pub const PLATFORM_LOG_BYTES: u64 = 900;
/// Lines of both, and what CloudWatch Logs adds to each.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>
const LOG_LINES: u64 = 6;
const LOG_LINE_OVERHEAD: u64 = 26;
/// The template's retention, in months of 30 days.
pub const LOG_MONTHS: u64 = 3;

/// Bytes in the log for each run.
pub const LOGGED: u64 = LOG_BYTES + PLATFORM_LOG_BYTES + LOG_LINES * LOG_LINE_OVERHEAD;

// --- How long a run takes. Assumed: nothing of it was measured on AWS.

/// Milliseconds until a role is assumed, and for a page of a listing.
const ROLE_MS: u64 = 40;
const PAGE_MS: u64 = 40;
/// Milliseconds for a request to the table.
const TABLE_MS: u64 = 5;
/// The template's `MaxConcurrency`.
pub const TABLE_REQUESTS_AT_ONCE: u64 = 4;
/// Microseconds of a whole processor for a run, and for each connection.
/// `cargo bench --bench scale` measures them on another kind of processor.
const PROCESSOR_US: u64 = 4_000;
const PROCESSOR_US_A_CONNECTION: u64 = 60;
/// Memory that comes with a whole processor, in MB.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
const WHOLE_PROCESSOR_MB: u64 = 1_769;
/// Milliseconds until a new environment is ready. Lambda bills them.
const COLD_START_MS: u64 = 250;

/// Seconds that Lambda bills for a run, without a cold start.
#[expect(clippy::cast_precision_loss, reason = "milliseconds below 2^52")]
pub fn run_seconds(plan: &Plan) -> f64 {
    let role = if plan.is_organization() { ROLE_MS } else { 0 };
    let batches = plan.connections.div_ceil(BATCH as u64);
    let rounds = batches.div_ceil(TABLE_REQUESTS_AT_ONCE) + 2;
    let waiting = role + listing_requests(plan.connections) * PAGE_MS + rounds * TABLE_MS;
    let processor = PROCESSOR_US + plan.connections * PROCESSOR_US_A_CONNECTION;
    let slowed = processor * WHOLE_PROCESSOR_MB / plan.memory_mb.clamp(1, WHOLE_PROCESSOR_MB);
    waiting as f64 / 1e3 + slowed as f64 / 1e6
}

/// Seconds of cold starts in a month: in one account each run, in an
/// organization one for each account that is listed at the same time.
#[expect(clippy::cast_precision_loss, reason = "milliseconds below 2^52")]
pub fn cold_start_seconds(plan: &Plan) -> f64 {
    let starts = if plan.is_organization() {
        plan.schedules() * plan.at_once.min(plan.accounts) as f64
    } else {
        plan.runs()
    };
    starts * COLD_START_MS as f64 / 1e3
}

/// Seconds in which the schedule lists every account.
#[expect(clippy::cast_precision_loss, reason = "accounts below 2^52")]
pub fn schedule_seconds(plan: &Plan) -> f64 {
    let rounds = plan.accounts.div_ceil(plan.at_once.max(1));
    run_seconds(plan) * rounds as f64
}

// --- The state machine: asserted against the template.

/// Accounts on a page of `ListAccounts`.
/// <https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html>
pub const ACCOUNTS_A_PAGE: u64 = 20;
/// States that are entered for each page, and for all of it.
pub const STATES_A_PAGE: u64 = 2;
/// States that are entered once.
pub const OTHER_STATES: u64 = 9;
/// Memory of an account's Express execution, in GB: the least that is billed.
pub const EXPRESS_GB: f64 = 64.0 / 1_024.0;

/// State transitions of one execution.
pub fn transitions(accounts: u64) -> u64 {
    accounts.div_ceil(ACCOUNTS_A_PAGE) * STATES_A_PAGE + OTHER_STATES
}

// --- What waits: asserted against the template, as far as it stands there.

/// Pipes that read the table's stream.
pub const PIPES: u64 = 3;
/// Reads a second of each shard, also where there is nothing to read.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-dynamodb.html>
const STREAM_READS_A_SECOND: u64 = 4;
/// Shards of a new table, which takes 4,000 write units a second: it follows
/// from 1,000 a partition, and is not documented.
const LEAST_SHARDS: u64 = 4;
const UNITS_A_SHARD: f64 = 1_000.0;
/// Seconds of writing that a table grows by; a shorter burst it bears. Assumed.
const SHORTEST_BURST: f64 = 60.0;
const BYTES_A_SHARD: f64 = 10.0 * 1_073_741_824.0;
/// Receives a minute of an event source mapping on an empty queue: five at a
/// time, each waiting 20 seconds.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
const RECEIVES_A_MINUTE: f64 = 15.0;
/// Requests for each call that is announced: sent, received, deleted.
const QUEUE_REQUESTS_A_CALL: f64 = 3.0;
/// Metrics of the function's own.
pub const METRICS: u64 = 13;
/// Metrics that alarms look at, in one account and in an organization, which
/// also watches failed, timed out and aborted executions.
pub const ALARM_METRICS: u64 = 6;
/// Those of an organization besides.
pub const ORGANIZATION_ALARM_METRICS: u64 = 3;
/// Dashboards.
pub const DASHBOARDS: u64 = 1;

/// Requests to the queue of announced calls in a month.
#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
pub fn queue_requests(plan: &Plan) -> f64 {
    let waiting = RECEIVES_A_MINUTE * 60.0 * crate::cost::HOURS_A_MONTH;
    let calls = if plan.is_organization() {
        0
    } else {
        plan.changes
    };
    waiting + calls as f64 * QUEUE_REQUESTS_A_CALL
}

/// Reads of the table's stream in a month, by all pipes.
#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
pub fn stream_reads(plan: &Plan) -> f64 {
    let units = plan.accounts as f64 * write_units(plan) as f64;
    let seconds = schedule_seconds(plan).max(SHORTEST_BURST);
    let by_units = (units / seconds / UNITS_A_SHARD).ceil();
    let by_size = (stored(plan).table / BYTES_A_SHARD).ceil();
    let shards = by_units.max(by_size).max(LEAST_SHARDS as f64);
    shards * (PIPES * STREAM_READS_A_SECOND) as f64 * crate::cost::HOURS_A_MONTH * 3_600.0
}

/// Traces in a month: of requests that come in a second, the first, and 5 % of
/// the others.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html>
pub fn traces(plan: &Plan) -> f64 {
    if !plan.is_organization() {
        return plan.runs();
    }
    let runs = plan.runs();
    let first = (schedule_seconds(plan).ceil() * plan.schedules()).min(runs);
    plan.schedules() + first + (runs - first) * 0.05
}

/// Bytes that are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stored {
    /// In the table.
    pub table: f64,
    /// In its indexes.
    pub indexes: f64,
}

/// What is stored when the plan's months are over. Snapshots and accounts stay
/// as many as they are; changes and runs are kept for ever.
#[expect(clippy::cast_precision_loss, reason = "bytes below 2^52")]
pub fn stored(plan: &Plan) -> Stored {
    let accounts = plan.accounts as f64;
    let months = plan.months as f64;
    let connections = accounts * plan.connections as f64;
    let changes = connections + accounts * plan.changes as f64 * months;
    let runs = plan.runs() * months;
    let with_overhead = |bytes: u64| (bytes + ITEM_OVERHEAD) as f64;
    Stored {
        table: connections * with_overhead(SNAPSHOT)
            + changes * with_overhead(CHANGE)
            + runs * with_overhead(RUN)
            + accounts * with_overhead(account(plan)),
        indexes: connections * with_overhead(SNAPSHOT_IN_INDEX)
            + changes * with_overhead(CHANGE)
            + accounts * with_overhead(ACCOUNT_IN_INDEX),
    }
}
