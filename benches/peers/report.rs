//! Prints the results and writes them into the README.

use std::fmt::Write as _;
use std::path::Path;

use crate::Result;
use crate::front::Passed;
use crate::function::Invocation;
use crate::instructions::Instructions;
use crate::programs::{FLOOR, IDIOMATIC, NOTHING, OURS, TUNED};

/// Statistics of several runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Figures {
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
        let middle = figures.len() / 2;
        Self {
            median: match figures.len() % 2 {
                0 => f64::midpoint(at(middle.wrapping_sub(1)), at(middle)),
                _ => at(middle),
            },
            least: at(0),
            most: at(figures.len().wrapping_sub(1)),
        }
    }

    fn milliseconds(self) -> String {
        format!(
            "{:.1} ({:.1} to {:.1})",
            self.median * 1e3,
            self.least * 1e3,
            self.most * 1e3
        )
    }
}

/// The start of a process, up to its first request for an event.
pub struct Start {
    pub name: &'static str,
    pub seconds: Figures,
    pub processor: Figures,
}

/// One kind of run of one program.
pub struct Row {
    pub name: &'static str,
    pub connections: usize,
    pub what: String,
    pub seconds: Figures,
    pub processor: Figures,
    pub peak_bytes: u64,
    pub passed: Passed,
}

impl Row {
    fn microseconds_each(&self) -> f64 {
        self.processor.median * 1e6 / self.connections as f64
    }

    fn peak_mebibytes(&self) -> f64 {
        mebibytes(self.peak_bytes)
    }

    /// Prints the row and returns it.
    pub fn printed(self) -> Self {
        println!(
            "{:>7} {:<14} {:<20} {:>9.1} ms {:>9.1} ms CPU ({:.1} to {:.1}) {:>8.1} us each \
             {:>7.1} MiB {:>6} requests {:>9} bytes {:>8.1} read {:>8.1} written {:?}",
            self.connections,
            self.what,
            self.name,
            self.seconds.median * 1e3,
            self.processor.median * 1e3,
            self.processor.least * 1e3,
            self.processor.most * 1e3,
            self.microseconds_each(),
            self.peak_mebibytes(),
            self.passed.total(),
            self.passed.bytes,
            self.passed.read_units,
            self.passed.write_units,
            self.passed.requests,
        );
        self
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

pub fn print_starts(starts: &[Start]) {
    for start in starts {
        println!(
            "{:<24} starts in {} ms, with {} ms CPU",
            start.name,
            start.seconds.milliseconds(),
            start.processor.milliseconds()
        );
    }
}

/// Prints the same run of several processes over TLS.
pub fn print_over_tls(name: &str, connections: usize, run: &str, share: &str, took: &[Invocation]) {
    println!(
        "{connections:>7} unchanged over TLS{share}: the {run} run of {name} {} ms, {} ms CPU",
        Figures::of(took.iter().map(|invocation| invocation.seconds)).milliseconds(),
        Figures::of(took.iter().map(|invocation| invocation.processor)).milliseconds(),
    );
}

/// Runs with added latency.
#[derive(Default)]
pub struct Waited {
    pub name: &'static str,
    pub connections: usize,
    pub what: String,
    /// The first run of the process, which opens its connections.
    pub first: f64,
    /// Later runs.
    pub seconds: Figures,
    pub processor: Figures,
    pub peak_bytes: u64,
}

impl Waited {
    pub fn print(&self) {
        println!(
            "{:>7} {}, 20 ms a page and 5 ms an answer of the table: {:<24} {} ms, {} ms CPU, \
             the first {:.1} ms, {:.1} MiB",
            self.connections,
            self.what,
            self.name,
            self.seconds.milliseconds(),
            self.processor.milliseconds(),
            self.first * 1e3,
            mebibytes(self.peak_bytes),
        );
    }
}

#[derive(Default)]
pub struct Report {
    pub sizes: Vec<(&'static str, u64)>,
    pub starts: Vec<Start>,
    pub rows: Vec<Row>,
    pub instructions: Vec<Instructions>,
}

/// The programs of the README's table, and what it calls them.
const TITLES: [(&str, &str); 5] = [
    (OURS, "this function"),
    (
        TUNED,
        "Python function with boto3, [tuned](benches/peers/python/tuned.py)",
    ),
    (
        IDIOMATIC,
        "Python function with boto3, [idiomatic](benches/peers/python/idiomatic.py)",
    ),
    (
        FLOOR,
        "lower bound: a program that only sends the same requests",
    ),
    (NOTHING, "lower bound: a Rust function that does nothing"),
];

impl Report {
    pub fn print_sizes(&self) {
        for (name, bytes) in &self.sizes {
            println!("{name:<24} {bytes:>10} bytes");
        }
    }

    /// Writes the table into README.md, between its marks, and the plot into
    /// `docs/images`.
    pub fn write(&self) -> Result<()> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let readme = project.join("README.md");
        let text = std::fs::read_to_string(&readme)?;
        let (before, rest) = text.split_once(BEGIN).ok_or("no mark in README.md")?;
        let (_, after) = rest.split_once(END).ok_or("no second mark in README.md")?;
        std::fs::write(
            &readme,
            format!("{before}{BEGIN}\n{}{END}{after}", self.table()),
        )?;
        std::fs::write(project.join("docs/images/benchmark.svg"), self.plot())?;
        Ok(())
    }

    fn row(&self, connections: usize, what: &str, name: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.connections == connections && row.what == what && row.name == name)
    }

    fn table(&self) -> String {
        let mut table = String::from(
            "| program | start, ms | CPU time of the run, ms | requests | peak memory, MiB |\n\
             |---|---|---|---|---|\n",
        );
        for (name, title) in TITLES {
            let start = self.starts.iter().find(|start| start.name == name);
            let start = start.map(|start| format!("{:.1}", start.seconds.median * 1e3));
            let row = self.row(10_000, UNCHANGED, name);
            let cell = |show: fn(&Row) -> String| row.map(show).unwrap_or_default();
            let _ = writeln!(
                table,
                "| {title} | {} | {} | {} | {} |",
                start.unwrap_or_default(),
                cell(|row| format!("{:.0}", row.processor.median * 1e3)),
                cell(|row| row.passed.total().to_string()),
                cell(|row| format!("{:.1}", row.peak_mebibytes())),
            );
        }
        table
    }

    /// Returns the CPU time per unchanged connection as bars on a logarithmic scale.
    fn plot(&self) -> String {
        let rows: Vec<&Row> = [FLOOR, OURS, TUNED, IDIOMATIC]
            .iter()
            .filter_map(|name| self.row(10_000, UNCHANGED, name))
            .collect();
        let (left, width, height) = (170.0, 430.0, 28.0);
        let bottom = height * rows.len() as f64 + 8.0;
        // From 1 to 10,000 microseconds.
        let place = |each: f64| left + width * each.max(1.0).log10() / 4.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 680 {:.0}\" font-family=\"sans-serif\" \
             font-size=\"13\" role=\"img\" aria-label=\"Processor time for each unchanged connection\">\n\
             <rect width=\"680\" height=\"{:.0}\" fill=\"#fff\"/>\n",
            bottom + 44.0,
            bottom + 44.0
        );
        for power in 0..=4 {
            let at = place(10_f64.powi(power));
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.1} 4V{bottom:.1}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\" fill=\"#555\">{}</text>",
                bottom + 16.0,
                10_u32.pow(power.unsigned_abs()),
            );
        }
        for (number, row) in rows.iter().enumerate() {
            let top = 8.0 + height * number as f64;
            let each = row.microseconds_each();
            let colour = if row.name == OURS {
                "#b45309"
            } else {
                "#94a3b8"
            };
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"20\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{each:.0}</text>",
                left - 8.0,
                top + 15.0,
                row.name,
                place(each) - left,
                place(each) + 6.0,
                top + 15.0,
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">processor time for each of 10,000 \
             unchanged connections, microseconds</text>\n</svg>",
            left + width / 2.0,
            bottom + 36.0,
        );
        svg
    }
}

const UNCHANGED: &str = "0 % changed";
const BEGIN: &str = "<!-- cargo bench --bench peers -- --write -->";
const END: &str = "<!-- end of what it wrote -->";
