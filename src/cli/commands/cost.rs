//! `cost`: estimates the monthly AWS cost from counts and prices.

use std::fs;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::cost_table::{bill_table, comparison_table};
use crate::cli::args::parse_every;
use crate::cli::error::{CliError, Exit};
use crate::cli::render::{FormatArgs, Row, RowAnswer, RowFormat, print};
use crate::cost::prices::PRICES;
use crate::cost::{Bill, Line, Plan, PriceList};

/// Estimate the monthly AWS cost
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Multiplies counts by prices. The counts of requests and writes are tested against \
the function; the duration of a run is assumed; prices come from a file. Calls no \
AWS API.

Examples:
  ccinv cost
  ccinv cost --accounts 100 --connections 20 --every 15m
  ccinv cost --accounts 1,100,10000
  ccinv cost --print-prices > prices.toml
  ccinv cost --prices prices.toml --free-tier --json

Exit codes: 0 success, 2 wrong usage or an invalid price file.")]
pub(crate) struct CostArgs {
    /// Number of accounts (above 1: an organization); a list compares several
    #[arg(long, value_name = "NUMBERS", default_value = "1", value_delimiter = ',',
        value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    accounts: Vec<u64>,
    /// Connections per account
    #[arg(long, value_name = "NUMBER", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    connections: u64,
    /// Interval of scheduled runs: 1h, 15m, 1d
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_every)]
    every: i64,
    /// Changes per account and month
    #[arg(long, value_name = "NUMBER", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    changes: u64,
    /// Dependencies per account; 0 leaves their function out
    #[arg(long, value_name = "NUMBER", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    dependencies: u64,
    /// Interval of scheduled runs of dependencies: 1d, 6h
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = parse_every)]
    dependencies_every: i64,
    /// Number of regions in which dependencies are listed
    #[arg(long, value_name = "NUMBER", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=100))]
    regions: u64,
    /// Months since the first run; the history is never deleted
    #[arg(long, value_name = "NUMBER", default_value_t = 12,
        value_parser = clap::value_parser!(u64).range(1..=1_200))]
    months: u64,
    /// Memory of the function in MB
    #[arg(long, value_name = "MB", default_value_t = 256,
        value_parser = clap::value_parser!(u64).range(128..=10_240))]
    memory: u64,
    /// Accounts inventoried at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 8,
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    at_once: u64,
    /// Add an e-mail for each change
    #[arg(long)]
    emails: bool,
    /// Subtract the AWS Free Tier
    #[arg(long)]
    free_tier: bool,
    /// Read prices from this file instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Print the built-in price file, and exit
    #[arg(long, exclusive = true)]
    print_prices: bool,
    #[command(flatten)]
    format: FormatArgs,
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    prices: &'a PriceList,
    free_tier: bool,
    months: &'a [Bill],
}

/// A row: a line of one bill.
#[derive(Serialize)]
struct Amount<'a> {
    accounts: u64,
    #[serde(flatten)]
    line: &'a Line,
}

pub(crate) fn run(args: CostArgs) -> Result<Exit, CliError> {
    if args.print_prices {
        print(PRICES)?;
        return Ok(Exit::Success);
    }
    let prices = match &args.prices {
        None => PriceList::parse(PRICES),
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| error.to_string());
            text.and_then(|text| PriceList::parse(&text))
                .map_err(|problem| format!("--prices {}: {problem}", path.display()))
        }
    };
    let prices = prices.map_err(CliError::Usage)?;
    let bills: Vec<Bill> = args
        .accounts
        .iter()
        .map(|&accounts| Bill::of(args.plan(accounts), &prices, args.free_tier))
        .collect();
    let amounts: Vec<Amount<'_>> = bills
        .iter()
        .flat_map(|bill| {
            let accounts = bill.plan.accounts;
            bill.lines.iter().map(move |line| Amount { accounts, line })
        })
        .collect();
    let table = match bills.as_slice() {
        [only] => bill_table(only, &prices),
        several => comparison_table(several),
    };
    let notes = match args.format.get() {
        RowFormat::Table => args.notes(&prices),
        RowFormat::Json | RowFormat::Jsonl | RowFormat::Csv => Vec::new(),
    };
    let document = Document {
        prices: &prices,
        free_tier: args.free_tier,
        months: &bills,
    };
    RowAnswer {
        rows: &amounts,
        document: &document,
        notes,
    }
    .print(args.format, |_| table)?;
    Ok(Exit::Success)
}

impl CostArgs {
    fn plan(&self, accounts: u64) -> Plan {
        Plan {
            accounts,
            connections: self.connections,
            every_ms: self.every,
            changes: self.changes,
            memory_mb: self.memory,
            at_once: self.at_once,
            dependencies: self.dependencies,
            dependencies_every_ms: self.dependencies_every,
            regions: self.regions,
            months: self.months,
            emails: self.emails,
        }
    }

    fn notes(&self, prices: &PriceList) -> Vec<String> {
        let free = if self.free_tier {
            "The AWS Free Tier is subtracted."
        } else {
            "The AWS Free Tier is not subtracted (see --free-tier)."
        };
        vec![
            format!(
                "US dollars per month; per account {} connections and {} changes per month; {} months \
                 of history.",
                self.connections, self.changes, self.months
            ),
            match self.dependencies {
                0 => "Without the function that lists dependencies.".to_owned(),
                number => format!(
                    "Included: the function that lists dependencies, {number} per account; their \
                     changes are not counted."
                ),
            },
            format!(
                "Prices of {} as of {}; check them against their sources (see --print-prices).",
                prices.region, prices.read
            ),
            free.to_owned(),
            "The duration of a run is assumed. Nothing was measured on AWS.".to_owned(),
            "AWS does not document whether pipes pay for stream reads, nor the number of shards:"
                .to_owned(),
            "all of it is counted here. Set its price to 0 to leave it out.".to_owned(),
        ]
    }
}

impl Row for Amount<'_> {
    fn header() -> Vec<&'static str> {
        vec!["accounts", "service", "what", "quantity", "unit", "usd"]
    }

    fn csv(&self) -> Vec<String> {
        vec![
            self.accounts.to_string(),
            self.line.service.to_owned(),
            self.line.what.to_owned(),
            self.line.quantity.to_string(),
            self.line.unit.clone(),
            format!("{:.6}", self.line.usd),
        ]
    }
}
