//! The counts of the function of dependencies. The test `cli::cost_of_dependencies`
//! checks those that follow from the function, the table and the template.

use super::counts::{
    COLD_START_MS, ITEM_OVERHEAD, PAGE_MS, PROCESSOR_US, PROCESSOR_US_A_CONNECTION, ROLE_MS,
    Stored, TABLE_MS, TABLE_REQUESTS_AT_ONCE, WHOLE_PROCESSOR_MB, kilobytes,
};
use super::{HOURS_A_MONTH, Plan};
use crate::table::write::BATCH;

/// A snapshot of a dependency, such as a pipeline. A few are longer.
pub const SNAPSHOT: u64 = 1_000;
/// A change of a dependency. The index `by_time` holds a full copy.
pub const CHANGE: u64 = 1_000;
/// A run record has a listing of each service in each region.
const RUN: (u64, u64) = (680, 1_580);
/// An account record has the coverage of each service in each region, and the ids of
/// the last events.
const ACCOUNT: (u64, u64) = (1_300, 1_060);
/// Custom metrics of the function, counted as if they were sent every hour.
pub const METRICS: u64 = 10;
/// Metrics with an alarm.
pub const ALARM_METRICS: u64 = 2;
/// Services that are asked in a region, as far as they exist there.
const SERVICES: u64 = 12;
/// Processor time in microseconds for the first call of a service. Assumed.
const PROCESSOR_US_A_SERVICE: u64 = 2_000;
/// Pipelines that are read at the same time.
const READ_AT_ONCE: u64 = 8;

/// Returns how often the schedule of dependencies fires per month: never without
/// dependencies.
#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
pub fn schedules(plan: &Plan) -> f64 {
    if plan.dependencies == 0 {
        return 0.0;
    }
    HOURS_A_MONTH * 3_600_000.0 / plan.dependencies_every_ms as f64
}

/// Returns the runs of dependencies per month.
#[expect(clippy::cast_precision_loss, reason = "accounts below 2^52")]
pub fn runs(plan: &Plan) -> f64 {
    schedules(plan) * plan.accounts as f64
}

/// Returns the size of a run record, in bytes.
pub fn run_bytes(plan: &Plan) -> u64 {
    RUN.0 + RUN.1 * plan.regions
}

/// Returns the size of an account record, in bytes.
pub fn account_bytes(plan: &Plan) -> u64 {
    ACCOUNT.0 + ACCOUNT.1 * plan.regions
}

/// Returns the write units of a run without changes.
pub fn write_units(plan: &Plan) -> u64 {
    plan.dependencies * kilobytes(SNAPSHOT)
        + kilobytes(run_bytes(plan))
        + kilobytes(account_bytes(plan))
}

/// Write units of a first observation or change: the snapshot and the change in one
/// transaction, which counts twice, and their entries in the indexes.
pub const CHANGE_UNITS: u64 = 2 * (kilobytes(SNAPSHOT) + kilobytes(CHANGE)) + 2 + kilobytes(CHANGE);

/// Returns the read units of a run: 4 KB each, strongly consistent.
pub fn read_units(plan: &Plan) -> u64 {
    let state = plan.dependencies * SNAPSHOT + account_bytes(plan);
    state.div_ceil(4_096) + run_bytes(plan).div_ceil(4_096)
}

/// Returns the billed duration of a run without cold start, in seconds. Assumed: not
/// measured on AWS. Services are asked at the same time.
#[expect(clippy::cast_precision_loss, reason = "milliseconds below 2^52")]
pub fn run_seconds(plan: &Plan) -> f64 {
    let role = if plan.is_organization() { ROLE_MS } else { 0 };
    let batches = plan.dependencies.div_ceil(BATCH as u64);
    let rounds = batches.div_ceil(TABLE_REQUESTS_AT_ONCE) + 2;
    let pages = 2 + plan.dependencies.div_ceil(READ_AT_ONCE);
    let waiting = role + pages * PAGE_MS + rounds * TABLE_MS;
    let processor = PROCESSOR_US
        + plan.regions * SERVICES * PROCESSOR_US_A_SERVICE
        + plan.dependencies * PROCESSOR_US_A_CONNECTION;
    let slowed = processor * WHOLE_PROCESSOR_MB / plan.memory_mb.clamp(1, WHOLE_PROCESSOR_MB);
    waiting as f64 / 1e3 + slowed as f64 / 1e6
}

/// Returns the billed duration of all runs and their cold starts per month, in
/// seconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds below 2^52")]
pub fn billed_seconds(plan: &Plan) -> f64 {
    let starts = schedules(plan) * plan.at_once.min(plan.accounts) as f64;
    runs(plan) * run_seconds(plan) + starts * COLD_START_MS as f64 / 1e3
}

/// Returns the X-Ray traces per month: the first request of each second, and 5 % of
/// the others.
#[expect(clippy::cast_precision_loss, reason = "accounts below 2^52")]
pub fn traces(plan: &Plan) -> f64 {
    let runs = runs(plan);
    if !plan.is_organization() {
        return runs;
    }
    let rounds = plan.accounts.div_ceil(plan.at_once.max(1));
    let seconds = (run_seconds(plan) * rounds as f64).ceil();
    let first = (seconds * schedules(plan)).min(runs);
    schedules(plan) + first + (runs - first) * 0.05
}

/// Returns the bytes stored after the months of the plan: a snapshot and a first change
/// of each dependency, and the runs. Each is in an index, runs are not.
#[expect(clippy::cast_precision_loss, reason = "bytes below 2^52")]
pub fn stored(plan: &Plan) -> Stored {
    if plan.dependencies == 0 {
        return Stored {
            table: 0.0,
            indexes: 0.0,
        };
    }
    let with_overhead = |bytes: u64| (bytes + ITEM_OVERHEAD) as f64;
    let dependencies = plan.accounts as f64 * plan.dependencies as f64;
    let items = dependencies * (with_overhead(SNAPSHOT) + with_overhead(CHANGE));
    let runs = runs(plan) * plan.months as f64 * with_overhead(run_bytes(plan));
    let accounts = plan.accounts as f64 * with_overhead(account_bytes(plan));
    Stored {
        table: items + runs + accounts,
        indexes: items,
    }
}
