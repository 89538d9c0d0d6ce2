//! The counts of a bill. The test `cli::cost_estimate` checks those that follow
//! from the function and the table. Counts documented by AWS have a link.
//! Assumptions are marked as such.

use super::Plan;
use crate::table::read::READ_AT_ONCE;
use crate::table::write::BATCH;

/// Connections per page of a listing.
const PAGE: u64 = 100;
/// Items per page of a query.
const ITEMS: u64 = READ_AT_ONCE as u64;

// --- Sizes in bytes, as DynamoDB counts them. Tests check that they are at least
// --- the size of what is written, and not much larger.

/// A snapshot without a host, listed by one region.
pub const SNAPSHOT: u64 = 760;
/// The projection of a snapshot in the index `by_status`.
pub const SNAPSHOT_IN_INDEX: u64 = 480;
/// A change. The index `by_time` holds a full copy.
pub const CHANGE: u64 = 1_400;
/// A run record.
pub const RUN: u64 = 1_020;
/// An account record, with the ids of the last events.
pub const ACCOUNT: u64 = 1_020;
/// An account record in an organization, where the ids are execution ARNs.
pub const ACCOUNT_OF_ORGANIZATION: u64 = 2_000;
/// The projection of an account record in the index `by_status`.
pub const ACCOUNT_IN_INDEX: u64 = 90;
/// Overhead that DynamoDB adds to each stored item.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
pub const ITEM_OVERHEAD: u64 = 100;

// --- Requests and units of a run. Checked by tests.

/// Returns the ListConnections requests for one region.
pub fn listing_requests(connections: u64) -> u64 {
    connections.div_ceil(PAGE).max(1)
}

/// Returns the read requests for the state of an account: the pages of one query
/// for its record and snapshots, and one request for its last run. A full page
/// is followed by another request.
pub fn read_requests(connections: u64) -> u64 {
    (connections + 1) / ITEMS + 2
}

/// Returns the read units of [`read_requests`]: 4 KB each, strongly consistent,
/// rounded up per page, and one unit for the last run.
pub fn read_units(connections: u64) -> u64 {
    let units = |bytes: u64| bytes.div_ceil(4_096);
    let (whole, rest) = ((connections + 1) / ITEMS, (connections + 1) % ITEMS);
    whole * units(ITEMS * SNAPSHOT) + units(rest.saturating_sub(1) * SNAPSHOT + ACCOUNT) + 1
}

/// Returns the size of an account record, in bytes.
fn account(plan: &Plan) -> u64 {
    if plan.is_organization() {
        ACCOUNT_OF_ORGANIZATION
    } else {
        ACCOUNT
    }
}

/// Returns the write requests of a run without changes: batches of touches, the
/// run record and the account record.
pub fn write_requests(connections: u64) -> u64 {
    connections.div_ceil(BATCH as u64) + 2
}

/// Returns the write units of a run without changes. It writes no index.
pub fn write_units(plan: &Plan) -> u64 {
    plan.connections + kilobytes(RUN) + kilobytes(account(plan))
}

/// Write units of a status change: the snapshot and the change in one
/// transaction, which counts twice; a deletion and an insertion in the index
/// `by_status`; an insertion in the index `by_time`. DynamoDB does not document
/// whether a transaction doubles index writes; they are counted once.
pub const CHANGE_UNITS: u64 = 2 * (kilobytes(SNAPSHOT) + kilobytes(CHANGE)) + 2 + kilobytes(CHANGE);

pub(super) const fn kilobytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_024)
}

// --- Logs. The lines of the function are checked by tests.

/// Bytes that the function logs per run: start, end and metrics.
pub const LOG_BYTES: u64 = 2_200;
/// Bytes that Lambda logs per run: its START and REPORT lines. Assumed.
pub const PLATFORM_LOG_BYTES: u64 = 900;
/// Log lines per run, and the overhead that CloudWatch Logs adds to each.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>
const LOG_LINES: u64 = 6;
const LOG_LINE_OVERHEAD: u64 = 26;
/// Log retention of the template, in months of 30 days.
pub const LOG_MONTHS: u64 = 3;

/// Bytes of log per run.
pub const LOGGED: u64 = LOG_BYTES + PLATFORM_LOG_BYTES + LOG_LINES * LOG_LINE_OVERHEAD;

// --- Duration of a run. Assumed: not measured on AWS.

/// Milliseconds to assume a role, and per page of a listing.
pub(super) const ROLE_MS: u64 = 40;
pub(super) const PAGE_MS: u64 = 40;
/// Milliseconds per request to the table.
pub(super) const TABLE_MS: u64 = 5;
/// `MaxConcurrency` of the template.
pub const TABLE_REQUESTS_AT_ONCE: u64 = 4;
/// Processor time in microseconds, per run and per connection.
/// `cargo bench --bench scale` measures it on other hardware.
pub(super) const PROCESSOR_US: u64 = 4_000;
pub(super) const PROCESSOR_US_A_CONNECTION: u64 = 60;
/// Memory that gives a function one full vCPU, in MB.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
pub(super) const WHOLE_PROCESSOR_MB: u64 = 1_769;
/// Init duration of a new execution environment, in milliseconds. Lambda bills it.
pub(super) const COLD_START_MS: u64 = 250;

/// Returns the billed duration of a run without cold start, in seconds.
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

/// Returns the billed duration of cold starts per month, in seconds. In a single
/// account each run is a cold start; in an organization, one per concurrently
/// listed account and schedule.
#[expect(clippy::cast_precision_loss, reason = "milliseconds below 2^52")]
pub fn cold_start_seconds(plan: &Plan) -> f64 {
    let starts = if plan.is_organization() {
        plan.schedules() * plan.at_once.min(plan.accounts) as f64
    } else {
        plan.runs()
    };
    starts * COLD_START_MS as f64 / 1e3
}

/// Returns how long it takes to list all accounts once, in seconds.
#[expect(clippy::cast_precision_loss, reason = "accounts below 2^52")]
pub fn schedule_seconds(plan: &Plan) -> f64 {
    let rounds = plan.accounts.div_ceil(plan.at_once.max(1));
    run_seconds(plan) * rounds as f64
}

// --- The state machine. Checked against the template by tests.

/// Accounts per page of `ListAccounts`.
/// <https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html>
pub const ACCOUNTS_A_PAGE: u64 = 20;
/// States entered per page.
pub const STATES_A_PAGE: u64 = 2;
/// States entered once per execution.
pub const OTHER_STATES: u64 = 9;
/// Memory of an Express execution, in GB: the minimum that AWS bills.
pub const EXPRESS_GB: f64 = 64.0 / 1_024.0;

/// Returns the state transitions of one execution.
pub fn transitions(accounts: u64) -> u64 {
    accounts.div_ceil(ACCOUNTS_A_PAGE) * STATES_A_PAGE + OTHER_STATES
}

// --- Cost without load. Counts of resources are checked against the template.

/// EventBridge pipes that read the stream of the table.
pub const PIPES: u64 = 3;
/// Stream reads per second and shard, also of an idle stream.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-dynamodb.html>
const STREAM_READS_A_SECOND: u64 = 4;
/// Shards of a new table. Assumed: a new table takes 4,000 write units per
/// second, a partition 1,000.
const LEAST_SHARDS: u64 = 4;
const UNITS_A_SHARD: f64 = 1_000.0;
/// Shortest write burst that makes a table grow, in seconds. Assumed.
const SHORTEST_BURST: f64 = 60.0;
const BYTES_A_SHARD: f64 = 10.0 * 1_073_741_824.0;
/// ReceiveMessage calls per minute of an event source mapping on an empty queue:
/// five concurrent long polls of 20 seconds.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
const RECEIVES_A_MINUTE: f64 = 15.0;
/// Queue requests per announced API call: send, receive, delete.
const QUEUE_REQUESTS_A_CALL: f64 = 3.0;
/// Custom metrics of the function.
pub const METRICS: u64 = 13;
/// Metrics with an alarm in every deployment.
pub const ALARM_METRICS: u64 = 6;
/// Further metrics with an alarm in an organization: failed, timed out and
/// aborted executions.
pub const ORGANIZATION_ALARM_METRICS: u64 = 3;
/// Dashboards.
pub const DASHBOARDS: u64 = 1;

/// Returns the requests to the queue of announced API calls per month.
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

/// Returns the stream reads of all pipes per month.
#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
pub fn stream_reads(plan: &Plan) -> f64 {
    let units = plan.accounts as f64 * write_units(plan) as f64;
    let seconds = schedule_seconds(plan).max(SHORTEST_BURST);
    let by_units = (units / seconds / UNITS_A_SHARD).ceil();
    let by_size = (stored(plan).table / BYTES_A_SHARD).ceil();
    let shards = by_units.max(by_size).max(LEAST_SHARDS as f64);
    shards * (PIPES * STREAM_READS_A_SECOND) as f64 * crate::cost::HOURS_A_MONTH * 3_600.0
}

/// Returns the X-Ray traces per month: the first request of each second, and 5 %
/// of the others.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html>
pub fn traces(plan: &Plan) -> f64 {
    if !plan.is_organization() {
        return plan.runs();
    }
    let runs = plan.runs();
    let first = (schedule_seconds(plan).ceil() * plan.schedules()).min(runs);
    plan.schedules() + first + (runs - first) * 0.05
}

/// Stored bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stored {
    /// Of the table.
    pub table: f64,
    /// Of its indexes.
    pub indexes: f64,
}

/// Returns the bytes stored after the months of the plan. The number of
/// snapshots and accounts is constant; changes and runs are never deleted.
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
