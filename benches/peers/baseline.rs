//! Compares the machine-independent cost of the function with `baseline.json`: requests and
//! units exactly; bytes, sizes and instructions within a few percent in both directions, so
//! that no improvement is lost unnoticed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::contestant::Contestant;
use crate::front::Passed;
use crate::function::Program;
use crate::world::World;
use crate::{Result, certificate, instructions};

/// The number of connections.
const CONNECTIONS: usize = 250;

/// Tolerance of inexact values: code size differs between compilers, and instruction counts
/// depend a little on scheduling.
const PERCENT: f64 = 5.0;

/// Most instructions that the function of dependencies takes to start, as a multiple.
const MOST_TO_START: u64 = 2;

const WRITE: &str = "cargo bench --profile dev --bench peers -- --baseline --write";

/// Measured values by name.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Values that must be equal.
    exact: BTreeMap<String, f64>,
    /// Values that must be within [`PERCENT`].
    about: BTreeMap<String, f64>,
}

impl Baseline {
    /// Measures this build of the function, and the start of that of dependencies.
    pub async fn measure(function: &Program, dependencies: &Program) -> Result<Self> {
        let mut measured = Self::default();
        measured.about("bytes of the binary", function.path.metadata()?.len());
        let mut contestant = Contestant::new(function, CONNECTIONS).await?;
        let (_, passed) = contestant.invoke().await?;
        measured.passed("first run", &passed);
        for percent in [0, 1, 100] {
            contestant.world.change(percent);
            // This run may still find changes of the previous setting.
            contestant.invoke().await?;
            let (_, passed) = contestant.invoke().await?;
            measured.passed(&format!("{percent} % changed"), &passed);
        }
        drop(contestant);
        let world = World::new(CONNECTIONS).await?;
        let counted = instructions::count(function, &world).await?;
        measured.about("instructions to start", counted.start);
        let start = instructions::counted(dependencies, &world, 0).await?;
        measured.about("instructions to start, of dependencies", start);
        if start > counted.start * MOST_TO_START {
            return Err(format!(
                "the function of dependencies takes {start} instructions to start, more than \
                 {MOST_TO_START} times those of the other, {}",
                counted.start
            )
            .into());
        }
        measured.about("instructions of a first run, none changed", counted.first);
        measured.about("instructions of a later run, none changed", counted.later);
        let empty = World::new(CONNECTIONS).await?;
        let first_seen = instructions::of_first_seen(function, &empty, counted.start).await?;
        measured.about("instructions of a first run, all first seen", first_seen);
        let changed = World::new(CONNECTIONS).await?;
        let changed = instructions::of_changed(function, &changed).await?;
        measured.about("instructions of a later run, all changed", changed);
        let tls = certificate();
        let world = World::with_tls(CONNECTIONS, Some(&tls)).await?;
        let counted = instructions::count(function, &world).await?;
        measured.about(
            "instructions of a first run over TLS, none changed",
            counted.first,
        );
        Ok(measured)
    }

    fn about(&mut self, what: &str, figure: u64) {
        self.about.insert(what.to_owned(), figure as f64);
    }

    fn passed(&mut self, run: &str, passed: &Passed) {
        let requests = passed.requests.iter();
        let requests = requests.map(|(operation, count)| (operation.as_str(), *count as f64));
        let units = [
            ("read units", passed.read_units),
            ("write units", passed.write_units),
        ];
        for (what, figure) in requests.chain(units) {
            self.exact.insert(format!("{run}: {what}"), figure);
        }
        self.about(&format!("{run}: bytes"), passed.bytes);
    }

    /// Writes the values to the file.
    pub fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(file(), text + "\n")?;
        Ok(())
    }

    /// Prints the values beside those of the file.
    ///
    /// # Errors
    /// If values differ.
    pub fn compare_with_file(&self) -> Result<()> {
        let file = file();
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}; create it: {WRITE}", file.display()))?;
        let expected: Self = serde_json::from_str(&text)
            .map_err(|error| format!("{}: {error}; create it again: {WRITE}", file.display()))?;
        let different = compare(&expected.exact, &self.exact, 0.0)
            + compare(&expected.about, &self.about, PERCENT / 100.0);
        if different == 0 {
            return Ok(());
        }
        Err(format!(
            "{different} values differ from {}. If that is intended: {WRITE}",
            file.display()
        )
        .into())
    }
}

fn file() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "benches/peers/baseline.json"]
        .iter()
        .collect()
}

/// Prints values beside the expected ones. Returns the number of values that differ by more
/// than `share` of the expected one.
fn compare(
    expected: &BTreeMap<String, f64>,
    measured: &BTreeMap<String, f64>,
    share: f64,
) -> usize {
    let mut all: BTreeMap<&String, [Option<f64>; 2]> = BTreeMap::new();
    for (place, figures) in [expected, measured].into_iter().enumerate() {
        for (what, figure) in figures {
            all.entry(what).or_default()[place] = Some(*figure);
        }
    }
    let mut different = 0;
    for (what, figures) in all {
        let [expected, measured] = figures.map(|figure| match figure {
            None => "none".to_owned(),
            Some(figure) => figure.to_string(),
        });
        let holds = match figures {
            [Some(expected), Some(measured)] => (measured - expected).abs() <= expected * share,
            _ => false,
        };
        different += usize::from(!holds);
        let mark = if holds { "" } else { "  <- differs" };
        println!("{what:<48} {measured:>14}, expected {expected:>14}{mark}");
    }
    different
}
