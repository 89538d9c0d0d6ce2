//! The printed tables.

use codeconnections_inventory::cost::prices::PRICES;
use codeconnections_inventory::cost::{Bill, Plan, PriceList};
use codeconnections_inventory::output::text::grouped;

use crate::drive::Measured;
use crate::limits::{self, NEW_TABLE_UNITS, TABLE_UNITS};
use crate::options::Options;
use crate::schedule::{Shape, calculate};

/// The counts of the simulated AWS during a run of the organization.
#[derive(Debug)]
pub struct Served {
    pub assumed: u64,
    pub listing: u64,
    pub listing_throttled: u64,
    pub table: u64,
    pub table_throttled: u64,
    pub peak_bytes: u64,
}

/// One run of the organization.
#[derive(Debug)]
pub struct Column {
    pub title: String,
    pub measured: Measured,
    pub served: Served,
    /// Descriptions of wrong counts.
    pub broken: Vec<String>,
}

/// Lambda memory with one whole CPU, in MB, and the template's default.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
const WHOLE_PROCESSOR_MB: f64 = 1_769.0;
const MEMORY_MB: f64 = 256.0;

/// Statements in one batch.
const BATCH: usize = 25;

pub fn setting(options: &Options) -> String {
    let any = |rate: f64, what: &str| {
        if rate > 0.0 {
            format!("{} {what}", grouped(rate as u64))
        } else {
            format!("any number of {what}")
        }
    };
    format!(
        "{} accounts with {} connections each in 17 regions, {} at once, {} table requests of a run at once.\n\
         {}\n\
         A listing page takes {} ms, a table request {} ms, a role {} ms; {} % are throttled.\n\
         A second the table takes {}, an account's listing {}.",
        grouped(options.accounts as u64),
        options.connections,
        options.at_once,
        options.concurrency,
        match options.quota {
            0 => "Lambda starts any number of functions.".to_owned(),
            quota => format!(
                "Lambda starts {quota} functions at once, {} of them after calls.",
                options.calls
            ),
        },
        range(options.listing_ms),
        range(options.table_ms),
        range(options.sts_ms),
        options.throttled,
        any(options.write_units, "write units"),
        any(options.listing_rate, "requests"),
    )
}

fn range((least, most): (u64, u64)) -> String {
    if least == most {
        least.to_string()
    } else {
        format!("{least} to {most}")
    }
}

pub fn print(options: &Options, columns: &[Column]) {
    println!("Measured (the emulators share the machine's processors with the function):\n");
    let mut rows = vec![vec!["run".to_owned()]];
    rows[0].extend(columns.iter().map(|column| column.title.clone()));
    let mut row = |name: &str, cell: &dyn Fn(&Column) -> String| {
        let mut cells = vec![name.to_owned()];
        cells.extend(columns.iter().map(cell));
        rows.push(cells);
    };
    let outcome = |name: &'static str| {
        move |c: &Column| grouped(c.measured.outcomes.get(name).copied().unwrap_or(0))
    };
    row("runs COMPLETE", &outcome("COMPLETE"));
    row("runs PARTIAL", &outcome("PARTIAL"));
    row("runs FAILED", &outcome("FAILED"));
    row("accounts without a run", &|c| {
        grouped(c.measured.without_run)
    });
    row("invocations refused by Lambda", &|c| {
        grouped(c.measured.refused)
    });
    row("seconds in all", &|c| format!("{:.1}", c.measured.seconds));
    row("seconds of all runs, summed", &|c| {
        let sum: u64 = c.measured.durations.iter().sum();
        format!("{:.1}", sum as f64 / 1e3)
    });
    let part = |share: f64| move |c: &Column| format!("{:.2}", quantile(&c.measured, share));
    row("seconds of a run, half below", &part(0.5));
    row("seconds of a run, 99 % below", &part(0.99));
    row("seconds of a run, longest", &part(1.0));
    row("processor seconds", &|c| {
        format!("{:.1}", c.measured.processor_seconds)
    });
    row("peak memory, MiB", &|c| mebibytes(c.measured.peak_bytes));
    row("the emulators' peak, MiB", &|c| {
        mebibytes(c.served.peak_bytes)
    });
    row("roles assumed", &|c| grouped(c.served.assumed));
    row("listing requests", &|c| grouped(c.measured.listing));
    row("  of them throttled", &|c| {
        grouped(c.served.listing_throttled)
    });
    row("table reads", &|c| grouped(c.measured.read));
    row("table writes", &|c| grouped(c.measured.write));
    row("  throttled of both", &|c| {
        grouped(c.served.table_throttled)
    });
    row("sent again, not having arrived", &|c| {
        let sent = c.measured.listing + c.measured.read + c.measured.write;
        grouped(sent.saturating_sub(c.served.listing + c.served.table))
    });
    row("read units", &|c| grouped(c.measured.read_units as u64));
    row("write units", &|c| grouped(c.measured.write_units as u64));
    row("  of them in indexes", &|c| {
        grouped(c.measured.index_write_units as u64)
    });
    row("write units a second", &|c| {
        grouped((c.measured.write_units / c.measured.seconds) as u64)
    });
    row("changes recorded", &|c| {
        grouped(c.measured.changes.values().sum::<u64>())
    });
    row("connections not written", &|c| {
        grouped(c.measured.unwritten)
    });
    print_rows(&rows);
    if let Some(unchanged) = columns.iter().find(|column| column.title == "unchanged") {
        print_cost(options);
        print_schedule(options, unchanged);
    }
    println!("\nWhere it would break, by documented limits (not measured):\n");
    print_rows(&limits::rows(options));
}

/// Prints the estimate of `ccinv cost`, with the hourly changes of the last run.
fn print_cost(options: &Options) {
    let changes = options.connections as f64 * options.changed / 100.0;
    let plan = Plan {
        accounts: options.accounts as u64,
        connections: options.connections as u64,
        every_ms: 3_600_000,
        changes: 0,
        memory_mb: MEMORY_MB as u64,
        at_once: options.at_once as u64,
        dependencies: 0,
        dependencies_every_ms: 86_400_000,
        regions: 1,
        months: 1,
        emails: false,
    };
    let prices = PriceList::parse(PRICES).expect("built-in prices");
    let month = |plan: Plan| Bill::of(plan, &prices, false).usd;
    let busy = Plan {
        changes: (changes * plan.schedules()) as u64,
        ..plan
    };
    println!(
        "\nBy the counts and prices of `ccinv cost`, a month of hourly unchanged runs costs {:.2} US dollars,\n\
         and one in which every run finds {} % changed {:.2}.",
        month(plan),
        options.changed,
        month(busy),
    );
}

/// Prints the duration of the unchanged run by latency alone.
fn print_schedule(options: &Options, unchanged: &Column) {
    let runs = unchanged.measured.durations.len().max(1) as f64;
    let pages = options.connections.div_ceil(100) as u64;
    let batches = options.connections.div_ceil(BATCH) as u64;
    let processor = unchanged.measured.processor_seconds / runs;
    let slowed = processor * WHOLE_PROCESSOR_MB / MEMORY_MB;
    println!(
        "\nCalculated, not measured: {pages} listing pages one after the other, {batches} batches, \
         {} at a time, and two\nrecords, as the unchanged run sent them; nothing throttled, and no \
         processor but that of the function:\n{:.1} ms a run as measured here, {:.0} ms at {MEMORY_MB} MB \
         (Lambda gives a whole one at {WHOLE_PROCESSOR_MB} MB).\n",
        options.concurrency,
        processor * 1e3,
        slowed * 1e3,
    );
    let shape = |processor: f64| Shape {
        pages,
        batches,
        batch_units: options.connections as f64 / batches as f64,
        processor_us: (processor * 1e6) as u64,
    };
    let mut rows = vec![
        [
            "write units a second",
            "processor",
            "seconds in all",
            "mean run",
            "longest run",
            "write units a second used",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for limit in [None, Some(TABLE_UNITS), Some(NEW_TABLE_UNITS)] {
        for (name, processor) in [("none", 0.0), ("256 MB", slowed)] {
            let schedule = calculate(options, shape(processor), limit);
            rows.push(vec![
                limit.map_or("any".to_owned(), |rate| grouped(rate as u64)),
                name.to_owned(),
                format!("{:.1}", schedule.seconds),
                format!("{:.2}", schedule.mean_run_seconds),
                format!("{:.2}", schedule.longest_run_seconds),
                grouped(schedule.units_a_second as u64),
            ]);
        }
    }
    print_rows(&rows);
}

fn print_rows(rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let is_number = |column: usize| {
        let last = rows.last().map(|row| row[column].as_str()).unwrap_or("");
        last.starts_with(|c: char| c.is_ascii_digit())
    };
    for row in rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (column, cell) in row.iter().enumerate().skip(1) {
            let width = widths[column];
            if is_number(column) {
                line.push_str(&format!("  {cell:>width$}"));
            } else {
                line.push_str(&format!("  {cell:<width$}"));
            }
        }
        println!("{}", line.trim_end());
    }
}

fn quantile(measured: &Measured, share: f64) -> f64 {
    let last = measured.durations.len().saturating_sub(1);
    let place = (last as f64 * share) as usize;
    measured.durations.get(place).copied().unwrap_or(0) as f64 / 1e3
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1_048_576.0)
}
