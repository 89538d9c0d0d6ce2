//! Replays what a run recorded: whether the snapshots at that time follow from
//! the changes.
//!
//! Some changes may or may not have been written by then: those of runs that
//! overlapped it, that crashed, or that did not know the outcome of their
//! writes. A request on its way arrives even if its sender is gone, so a run
//! may know some of them and not others. This searches for a choice of them
//! that fits the recorded digest, likely ones first. Pure.

use std::borrow::Cow;
use std::time::Duration;

use super::run::SnapshotsRecord;
use super::{Digest, RunId};

/// The longest time from the observation of a change to its write, by the clock
/// of another run: it is sent within 15 minutes
/// ([`MAX_OBSERVATION_AGE`](crate::domain::listing::MAX_OBSERVATION_AGE)), and
/// AWS accepts no request whose clock is off by more than that, which is
/// possible on both sides.
pub const WRITTEN_WITHIN: Duration = Duration::from_mins(45);

/// The most runs whose changes are tried in each combination.
const MAX_RUNS: usize = 6;

/// A connection, and its possible states in a run's record.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// Its id.
    pub arn: &'a str,
    /// Its version and the digest of its last change by then, as far as it is
    /// certain. Nothing where it did not exist.
    pub certain: Option<(u32, Digest)>,
    /// Changes that may have been written by then, in the order of their
    /// versions: one only if all before it were.
    pub possible: Vec<Possible<'a>>,
}

/// A change that may have been written by then.
#[derive(Debug, Clone)]
pub struct Possible<'a> {
    /// The connection as it leaves it; nothing if it is no part of the record.
    pub leaves: Option<(u32, Digest)>,
    /// The run that made it. Its changes were likely written together.
    pub run_id: Cow<'a, RunId>,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// This one: how many of the possible changes of each line.
    Fits(Vec<usize>),
    /// There is none.
    Fails,
    /// There are too many to be tried.
    GivenUp,
}

/// The effort of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// All, none, and each combination of runs.
    Likely,
    /// Every choice, until this many lines were hashed.
    UpTo(usize),
}

/// Searches for a choice of the possible changes with which `lines`, sorted by
/// ARN, fit `recorded`.
pub fn search(lines: &[Line<'_>], recorded: &SnapshotsRecord, effort: Effort) -> Search {
    let all: Vec<usize> = lines.iter().map(|line| line.possible.len()).collect();
    if fits(lines, &all, recorded) {
        return Search::Fits(all);
    }
    let open: Vec<usize> = (0..lines.len()).filter(|i| all[*i] > 0).collect();
    if open.is_empty() {
        return Search::Fails;
    }
    let mut runs: Vec<&RunId> = open
        .iter()
        .flat_map(|i| lines[*i].possible.iter().map(|possible| &*possible.run_id))
        .collect();
    runs.sort_unstable();
    runs.dedup();
    if runs.len() > MAX_RUNS {
        let none = vec![0; lines.len()];
        if fits(lines, &none, recorded) {
            return Search::Fits(none);
        }
    } else {
        // The last combination is all of them, which was tried.
        for chosen in 0..(1_usize << runs.len()) - 1 {
            let is_chosen = |possible: &&Possible<'_>| {
                let at = runs.binary_search(&&*possible.run_id);
                at.is_ok_and(|bit| chosen & (1 << bit) != 0)
            };
            let of_line = |line: &Line<'_>| line.possible.iter().take_while(is_chosen).count();
            let choice: Vec<usize> = lines.iter().map(of_line).collect();
            if fits(lines, &choice, recorded) {
                return Search::Fits(choice);
            }
        }
    }
    let Effort::UpTo(lines_hashed) = effort else {
        return Search::Fails;
    };
    let most: usize = all.iter().sum();
    let mut choice = all;
    let mut tries = lines_hashed / lines.len().max(1);
    for number in 1..most {
        match leave_out(lines, &open, number, &mut choice, recorded, &mut tries) {
            Search::Fails => {}
            ended => return ended,
        }
    }
    Search::Fails
}

/// Tries every choice that leaves out `number` changes of the lines `open`.
fn leave_out(
    lines: &[Line<'_>],
    open: &[usize],
    number: usize,
    choice: &mut Vec<usize>,
    recorded: &SnapshotsRecord,
    tries: &mut usize,
) -> Search {
    let Some((first, rest)) = open.split_first() else {
        if number > 0 {
            return Search::Fails;
        }
        let Some(left) = tries.checked_sub(1) else {
            return Search::GivenUp;
        };
        *tries = left;
        return match fits(lines, choice, recorded) {
            true => Search::Fits(choice.clone()),
            false => Search::Fails,
        };
    };
    let possible = lines[*first].possible.len();
    for here in 0..=number.min(possible) {
        choice[*first] = possible - here;
        match leave_out(lines, rest, number - here, choice, recorded, tries) {
            Search::Fails => {}
            ended => return ended,
        }
    }
    choice[*first] = possible;
    Search::Fails
}

fn fits(lines: &[Line<'_>], choice: &[usize], recorded: &SnapshotsRecord) -> bool {
    let mut record = SnapshotsRecord::builder();
    for (line, chosen) in lines.iter().zip(choice) {
        if let Some((version, digest)) = line.after(*chosen) {
            record.add(&line.arn, version, digest);
        }
    }
    *recorded == record.build()
}

impl Line<'_> {
    /// Returns the connection after this many of the possible changes.
    pub fn after(&self, possible: usize) -> Option<(u32, Digest)> {
        match possible.checked_sub(1).and_then(|i| self.possible.get(i)) {
            Some(last) => last.leaves,
            None => self.certain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(n: usize) -> String {
        format!("arn:aws:codeconnections:eu-west-1:123456789012:connection/{n:02}")
    }

    fn run(n: u32) -> RunId {
        RunId::new(crate::domain::Timestamp::from_millis(1), n.into())
    }

    fn digest(connection: usize, version: u32) -> Digest {
        Digest::of(&(connection, version))
    }

    /// Lines with one certain change and two possible ones each, the n-th of
    /// run `n`.
    fn lines(arns: &[String]) -> Vec<Line<'_>> {
        let line = |(n, arn)| Line {
            arn,
            certain: Some((1, digest(n, 1))),
            possible: (2..4)
                .map(|version| Possible {
                    leaves: Some((version, digest(n, version))),
                    run_id: Cow::Owned(run(version)),
                })
                .collect(),
        };
        arns.iter()
            .map(String::as_str)
            .enumerate()
            .map(line)
            .collect()
    }

    fn record(lines: &[Line<'_>], choice: &[usize]) -> SnapshotsRecord {
        let mut record = SnapshotsRecord::builder();
        for (line, chosen) in lines.iter().zip(choice) {
            let (version, digest) = line.after(*chosen).unwrap();
            record.add(&line.arn, version, digest);
        }
        record.build()
    }

    #[test]
    fn every_choice_is_found_and_nothing_else() {
        let arns: Vec<_> = (0..3).map(arn).collect();
        let lines = lines(&arns);
        for choice in 0..27 {
            let choice = vec![choice % 3, choice / 3 % 3, choice / 9];
            let recorded = record(&lines, &choice);
            assert_eq!(
                search(&lines, &recorded, Effort::UpTo(1 << 16)),
                Search::Fits(choice.clone())
            );
            let even = choice.iter().all(|chosen| *chosen == choice[0]);
            let likely = search(&lines, &recorded, Effort::Likely);
            assert_eq!(likely == Search::Fits(choice), even);
        }
        let mut recorded = record(&lines, &[0, 0, 0]);
        recorded.count += 1;
        assert_eq!(
            search(&lines, &recorded, Effort::UpTo(1 << 16)),
            Search::Fails
        );
    }

    #[test]
    fn too_many_choices_are_given_up() {
        let arns: Vec<_> = (0..60).map(arn).collect();
        let lines = lines(&arns);
        let recorded = SnapshotsRecord {
            count: 1,
            digest: Digest::of(&0),
        };
        assert_eq!(
            search(&lines, &recorded, Effort::UpTo(1 << 16)),
            Search::GivenUp
        );
        assert_eq!(search(&lines, &recorded, Effort::Likely), Search::Fails);
    }
}
