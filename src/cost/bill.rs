//! The bill of one month.

use serde::Serialize;

use super::prices::{Item, PriceList};
use super::{Plan, counts, dependencies};

const GB: f64 = 1_073_741_824.0;

/// The estimated cost of one month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bill {
    /// The deployment.
    pub plan: Plan,
    /// The billed items. Items with a quantity of 0 are omitted.
    pub lines: Vec<Line>,
    /// Total, in US dollars.
    pub usd: f64,
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The billed item.
    pub item: Item,
    /// The service.
    pub service: &'static str,
    /// The part of the service.
    pub what: &'static str,
    /// Units per month.
    pub quantity: f64,
    /// Name of the unit.
    pub unit: String,
    /// Cost, in US dollars.
    pub usd: f64,
}

impl Bill {
    /// Calculates the bill of one month. `free_tier` subtracts the AWS Free Tier.
    pub fn of(plan: Plan, prices: &PriceList, free_tier: bool) -> Self {
        let mut lines = Vec::new();
        for item in Item::ALL {
            let Some(price) = prices.prices.get(&item) else {
                continue;
            };
            let quantity = quantity(&plan, item);
            if quantity == 0.0 {
                continue;
            }
            let free = if free_tier { price.free } else { 0.0 };
            let (service, what) = item.words();
            lines.push(Line {
                item,
                service,
                what,
                quantity,
                unit: price.unit.clone(),
                usd: (quantity - free).max(0.0) / price.per * price.usd,
            });
        }
        Self {
            plan,
            usd: lines.iter().map(|line| line.usd).sum(),
            lines,
        }
    }
}

/// Returns the units of an item per month.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^52")]
fn quantity(plan: &Plan, item: Item) -> f64 {
    let runs = plan.runs();
    let changes = (plan.accounts * plan.changes) as f64;
    let connections = plan.connections;
    let organization = |quantity: f64| {
        if plan.is_organization() {
            quantity
        } else {
            0.0
        }
    };
    let dependency_runs = dependencies::runs(plan);
    let stored = {
        let (all, more) = (counts::stored(plan), dependencies::stored(plan));
        counts::Stored {
            table: all.table + more.table,
            indexes: all.indexes + more.indexes,
        }
    };
    // What costs only where dependencies are listed.
    let listed = |quantity: u64| {
        if plan.dependencies == 0 {
            0.0
        } else {
            quantity as f64
        }
    };
    let logged = (runs + dependency_runs) * counts::LOGGED as f64 / GB;
    match item {
        Item::DynamodbWriteUnits => {
            runs * counts::write_units(plan) as f64
                + changes * counts::CHANGE_UNITS as f64
                + dependency_runs * dependencies::write_units(plan) as f64
        }
        Item::DynamodbReadUnits => {
            runs * counts::read_units(connections) as f64
                + dependency_runs * dependencies::read_units(plan) as f64
        }
        Item::DynamodbStorage => (stored.table + stored.indexes) / GB,
        // The table only: a restore rebuilds the indexes.
        Item::DynamodbPitr => stored.table / GB,
        Item::DynamodbStreamReads => counts::stream_reads(plan),
        Item::LambdaRequests => runs + dependency_runs,
        Item::LambdaGbSeconds => {
            let seconds = runs * counts::run_seconds(plan) + counts::cold_start_seconds(plan);
            let seconds = seconds + dependencies::billed_seconds(plan);
            seconds * plan.memory_mb as f64 / 1_024.0
        }
        Item::StepFunctionsTransitions => {
            let schedules = plan.schedules() + dependencies::schedules(plan);
            organization(schedules * counts::transitions(plan.accounts) as f64)
        }
        Item::StepFunctionsExpressRequests => organization(runs + dependency_runs),
        // AWS rounds up to 100 ms.
        Item::StepFunctionsExpressGbSeconds => {
            let billed = |seconds: f64| (seconds * 10.0).ceil() / 10.0;
            let seconds = runs * billed(counts::run_seconds(plan))
                + dependency_runs * billed(dependencies::run_seconds(plan));
            organization(seconds * counts::EXPRESS_GB)
        }
        Item::EventbridgeEvents | Item::EventbridgePipeRequests => changes,
        Item::SqsRequests => counts::queue_requests(plan),
        Item::SnsEmails if plan.emails => changes,
        Item::SnsEmails => 0.0,
        Item::LogsIngested => logged,
        Item::LogsStored => logged * plan.months.min(counts::LOG_MONTHS) as f64,
        Item::Metrics => counts::METRICS as f64 + listed(dependencies::METRICS),
        Item::Alarms => {
            counts::ALARM_METRICS as f64
                + listed(dependencies::ALARM_METRICS)
                + organization(counts::ORGANIZATION_ALARM_METRICS as f64)
        }
        Item::Dashboards => counts::DASHBOARDS as f64,
        Item::Traces => counts::traces(plan) + dependencies::traces(plan),
    }
}
