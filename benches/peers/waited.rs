//! Runs with added latency. The answers to a program's run are recorded, and replayed with
//! the latency: the embedded table shares the processors, and its speed says nothing about
//! AWS.

use std::time::Duration;

use crate::Result;
use crate::contestant::Contestant;
use crate::front::{self, Front, Kept};
use crate::group::Group;
use crate::programs::{IDIOMATIC, Programs};
use crate::report::{Figures, Waited};

/// The added latency of a page and of an answer of the table.
const AWAY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(5));

/// With latency, sequential updates of more connections take minutes.
pub const FEW: usize = 1_000;

/// The run that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Nothing is on record.
    First,
    /// This percentage of the connections changes.
    Changed(usize),
}

/// Measures a run of all programs whose name contains `only`; of unchanged connections also
/// the lower bound, and the listing alone.
pub async fn waited(
    programs: &Programs,
    run: Recorded,
    connections: usize,
    only: &str,
    group: Option<&Group>,
) -> Result<()> {
    let mut contestants = Vec::new();
    for program in &programs.contestants {
        if !program.name.contains(only) || (program.name == IDIOMATIC && connections > FEW) {
            continue;
        }
        let mut recording = Contestant::new(program, connections).await?;
        if let Recorded::Changed(percent) = run {
            recording.invoke().await?;
            recording.world.change(percent);
            // In this run connections break, and the function looks up their consumers, which
            // the peers don't. The recorded run is the next, in which they recover.
            if percent > 0 {
                recording.invoke().await?;
            }
        }
        let kept = recording.keep().await?;
        drop(recording);
        let fronts = [
            Front::with_answers(&kept[0], front::what_is_asked).await,
            Front::with_answers(&kept[1], front::what_is_asked).await,
        ];
        contestants.push(Contestant::before(program, connections, fronts, group).await?);
        if contestants.len() == 1 && run == Recorded::Changed(0) {
            for only_listing in [false, true] {
                let kept = kept.clone();
                contestants.push(floor(programs, connections, kept, only_listing, group).await?);
            }
        }
    }
    let mut waited = Vec::new();
    for contestant in &mut contestants {
        contestant.world.be_away(AWAY.0, AWAY.1);
        waited.push(Waited {
            name: contestant.name,
            connections,
            what: match run {
                Recorded::First => "first seen".to_owned(),
                Recorded::Changed(0) => "unchanged".to_owned(),
                Recorded::Changed(percent) => format!("{percent} % changed"),
            },
            first: contestant.invoke().await?.0.seconds,
            ..Waited::default()
        });
    }
    let mut took: Vec<Vec<_>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..5 {
        for (contestant, took) in contestants.iter_mut().zip(&mut took) {
            took.push(contestant.invoke().await?.0);
        }
    }
    for ((waited, contestant), took) in waited.iter_mut().zip(&contestants).zip(took) {
        waited.seconds = Figures::of(took.iter().map(|invocation| invocation.seconds));
        waited.processor = Figures::of(took.iter().map(|invocation| invocation.processor));
        waited.peak_bytes = contestant.peak_bytes()?;
        waited.print();
    }
    Ok(())
}

/// Starts the program that sends the recorded requests again, with the recorded answers.
pub async fn floor(
    programs: &Programs,
    connections: usize,
    [service, table]: [Kept; 2],
    only_listing: bool,
    group: Option<&Group>,
) -> Result<Contestant> {
    let fronts = [
        Front::with_answers(&service, front::same_members).await,
        Front::with_answers(&table, front::same_members).await,
    ];
    let program = programs.floor(&fronts, [&service, &table], only_listing)?;
    Contestant::before(&program, connections, fronts, group).await
}
