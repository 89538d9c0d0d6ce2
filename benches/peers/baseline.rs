//! What of the function's cost does not depend on the machine, held against
//! what is on file: requests and units to the number; bytes, sizes and
//! instructions within a few of a hundred, either way, so that what was gained
//! is not lost unnoticed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::contestant::Contestant;
use crate::front::Passed;
use crate::function::Program;
use crate::tls::Tls;
use crate::world::World;
use crate::{Result, instructions};

/// Over how many connections.
const CONNECTIONS: usize = 250;

/// How far from what is on file a figure may be that is not held to the number:
/// one compiler's code is a little longer than another's, and a process that
/// was scheduled otherwise takes some more instructions.
const PERCENT: f64 = 5.0;

const WRITE: &str = "cargo bench --profile dev --bench peers -- --baseline --write";

/// Figures by what they are of.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Held to the number.
    exact: BTreeMap<String, f64>,
    /// Held within [`PERCENT`].
    about: BTreeMap<String, f64>,
}

impl Baseline {
    /// The figures of this build of the function.
    pub async fn measure(function: &Program) -> Result<Self> {
        let mut measured = Self::default();
        measured.about("bytes of the binary", function.path.metadata()?.len());
        let mut contestant = Contestant::new(function, CONNECTIONS).await?;
        let (_, passed) = contestant.invoke().await?;
        measured.passed("first run", &passed);
        for percent in [0, 1, 100] {
            contestant.world.change(percent);
            // This one may find a change of before.
            contestant.invoke().await?;
            let (_, passed) = contestant.invoke().await?;
            measured.passed(&format!("{percent} % changed"), &passed);
        }
        drop(contestant);
        let world = World::new(CONNECTIONS).await?;
        let counted = instructions::count(function, &world).await?;
        measured.about("instructions to start", counted.start);
        measured.about("instructions of a first run, none changed", counted.first);
        measured.about("instructions of a later run, none changed", counted.later);
        let tls = Tls::new()?;
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

    /// Puts it on file.
    pub fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(file(), text + "\n")?;
        Ok(())
    }

    /// Prints it beside what is on file.
    ///
    /// # Errors
    /// Where it is not that.
    pub fn hold_against_file(&self) -> Result<()> {
        let file = file();
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}; make it: {WRITE}", file.display()))?;
        let filed: Self = serde_json::from_str(&text)
            .map_err(|error| format!("{}: {error}; make it anew: {WRITE}", file.display()))?;
        let moved = compare(&filed.exact, &self.exact, 0.0)
            + compare(&filed.about, &self.about, PERCENT / 100.0);
        if moved == 0 {
            return Ok(());
        }
        Err(format!(
            "{moved} figures are not those of {}. If they are meant to be others: {WRITE}",
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

/// Prints figures beside those on file, and counts those that are further away
/// than `share` of them.
fn compare(filed: &BTreeMap<String, f64>, measured: &BTreeMap<String, f64>, share: f64) -> usize {
    let mut all: BTreeMap<&String, [Option<f64>; 2]> = BTreeMap::new();
    for (place, figures) in [filed, measured].into_iter().enumerate() {
        for (what, figure) in figures {
            all.entry(what).or_default()[place] = Some(*figure);
        }
    }
    let mut moved = 0;
    for (what, figures) in all {
        let [filed, measured] = figures.map(|figure| match figure {
            None => "none".to_owned(),
            Some(figure) => figure.to_string(),
        });
        let holds = match figures {
            [Some(filed), Some(measured)] => (measured - filed).abs() <= filed * share,
            _ => false,
        };
        moved += usize::from(!holds);
        let mark = if holds { "" } else { "  <- not that" };
        println!("{what:<48} {measured:>14}, on file {filed:>14}{mark}");
    }
    moved
}
