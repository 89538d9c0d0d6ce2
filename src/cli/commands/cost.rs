//! `ccinv cost`: what an inventory costs on AWS, by counts and prices.

use std::fs;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use crate::cli::args::parse_every;
use crate::cli::error::{CliError, Exit};
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{FormatArgs, Row, RowAnswer, RowFormat, print};
use crate::cost::prices::{Item, PRICES};
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

/// Texts are cut no shorter than this on a narrow terminal.
const LEAST_TEXT: usize = 18;

/// All of an answer, for programs.
#[derive(Serialize)]
struct Document<'a> {
    prices: &'a PriceList,
    free_tier: bool,
    months: &'a [Bill],
}

/// A line of one of the bills.
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
        [only] => one(only, &prices),
        several => compared(several),
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
            months: self.months,
            emails: self.emails,
        }
    }

    fn notes(&self, prices: &PriceList) -> Vec<String> {
        let free = if self.free_tier {
            "What is free of charge in every account is left out."
        } else {
            "Nothing is left out that is free of charge (--free-tier does)."
        };
        vec![
            format!(
                "US dollars a month, {} connections an account, {} changes a month, after {} months \
                 of history.",
                self.connections, self.changes, self.months
            ),
            format!(
                "Prices of {}, read {}: inputs, to be checked (--print-prices says where they stand).",
                prices.region, prices.read
            ),
            free.to_owned(),
            "How long a run takes is assumed; nothing of this was measured on AWS.".to_owned(),
            "Whether AWS charges pipes for reading a stream is not documented, nor how many shards it has:"
                .to_owned(),
            "here all of that counts. A price of 0 leaves it out.".to_owned(),
        ]
    }
}

/// A month of one deployment, with what is counted.
fn one(bill: &Bill, prices: &PriceList) -> TextTable {
    let lines = &bill.lines;
    let column = |name: &str, cell: &dyn Fn(&Line) -> String, last: String| {
        let cells = lines.iter().map(cell);
        let named = [name.to_owned()].into_iter().chain(cells);
        named.chain([last]).collect::<Vec<String>>()
    };
    let count = |line: &Line| {
        if line.quantity < 0.005 {
            "< 0.01".to_owned()
        } else if line.quantity < 100.0 && line.quantity.fract() != 0.0 {
            format!("{:.2}", line.quantity)
        } else {
            grouped(line.quantity)
        }
    };
    let price = |line: &Line| {
        let price = prices.prices.get(&line.item);
        price.map_or_else(String::new, |price| {
            if price.per > 1.0 {
                format!("{} for {}", price.usd, grouped(price.per))
            } else {
                price.usd.to_string()
            }
        })
    };
    table_of(&[
        column(
            "SERVICE",
            &|line| line.service.to_owned(),
            "in all".to_owned(),
        ),
        column("WHAT", &|line| line.what.to_owned(), String::new()),
        right(column("COUNT", &count, String::new())),
        column("UNIT", &|line| line.unit.clone(), String::new()),
        column("PRICE", &price, String::new()),
        right(column("USD", &|line| money(line.usd), money(bill.usd))),
    ])
}

/// Several side by side.
fn compared(bills: &[Bill]) -> TextTable {
    let used = |item: &Item| bills.iter().any(|bill| amount(bill, *item).is_some());
    let items: Vec<Item> = Item::ALL.into_iter().filter(used).collect();
    let column = |name: String, cell: &dyn Fn(Item) -> String, last: String| {
        let cells = items.iter().map(|item| cell(*item));
        let named = [name].into_iter().chain(cells);
        named.chain([last]).collect::<Vec<String>>()
    };
    let (service, what) = ("SERVICE".to_owned(), "WHAT".to_owned());
    let mut columns = vec![
        column(
            service,
            &|item| item.words().0.to_owned(),
            "in all".to_owned(),
        ),
        column(what, &|item| item.words().1.to_owned(), String::new()),
    ];
    columns.extend(bills.iter().map(|bill| {
        let name = match bill.plan.accounts {
            1 => "1 ACCOUNT".to_owned(),
            more => format!("{} ACCOUNTS", thousands(&more.to_string())),
        };
        let cell = |item| amount(bill, item).map_or_else(|| "-".to_owned(), money);
        right(column(name, &cell, money(bill.usd)))
    }));
    table_of(&columns)
}

fn amount(bill: &Bill, item: Item) -> Option<f64> {
    let line = bill.lines.iter().find(|line| line.item == item);
    line.map(|line| line.usd)
}

/// A table by its columns, each with its name first.
fn table_of(columns: &[Vec<String>]) -> TextTable {
    let cell = |column: &Vec<String>, row: usize| column.get(row).cloned().unwrap_or_default();
    let mut table = TextTable::named(columns.iter().map(|column| {
        let name = cell(column, 0);
        let cut = match name.as_str() {
            "WHAT" | "UNIT" => Cut::EndAfter(LEAST_TEXT),
            _ => Cut::Never,
        };
        (name, cut)
    }))
    .may_drop(["PRICE"]);
    for row in 1..columns.first().map_or(0, Vec::len) {
        let cells: Vec<Cell> = columns.iter().map(|c| cell(c, row).into()).collect();
        table.add(cells, Vec::new());
    }
    table
}

/// To the cent, and what is less as that.
fn money(usd: f64) -> String {
    if usd > 0.0 && usd < 0.005 {
        return "< 0.01".to_owned();
    }
    let text = format!("{usd:.2}");
    match text.split_once('.') {
        Some((whole, cents)) => format!("{}.{cents}", thousands(whole)),
        None => text,
    }
}

fn grouped(number: f64) -> String {
    thousands(&format!("{number:.0}"))
}

/// 1234567 as 1,234,567.
fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Numbers one under the other.
fn right(texts: Vec<String>) -> Vec<String> {
    let width = texts.iter().map(String::len).max().unwrap_or(0);
    texts
        .into_iter()
        .map(|text| format!("{text:>width$}"))
        .collect()
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
