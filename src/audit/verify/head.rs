//! The last run, which stands for all that is there.
//!
//! Changes that it does not know of may have come after it: those of runs that
//! are not recorded (they crashed, or have not ended), and those of recorded
//! runs that did not know whether they were written (such runs stand for
//! nothing themselves). A request that is on its way arrives whatever became of
//! its sender, so of such a run's changes the last run may know some and not
//! others. Whether there is a choice of them without which the digest fits is
//! tried out, the smallest ones first.

use std::collections::HashSet;

use super::records::{Account, Link, RunLink};
use super::{Findings, run_key, snapshot_key};
use crate::domain::run::SnapshotsRecord;
use crate::domain::{AccountId, ConnectionArn, Digest, Format, RunId};

/// Lines that are put into digests at most, to find a choice that fits.
const PATIENCE: usize = 1 << 21;

/// A connection, and what a run's record may say of it.
struct Line<'a> {
    arn: &'a ConnectionArn,
    /// Version and digest: as it is, and as it was before each of the changes
    /// that may have come later, the newest first. Nothing where it did not
    /// exist.
    says: Vec<Option<(u32, Digest)>>,
}

/// Whether a choice was found.
enum Search {
    Fits,
    Fails,
    /// There are too many to be tried.
    GivenUp,
}

impl Account {
    pub(super) fn verify_head(&self, id: &AccountId, findings: &mut Findings) {
        let told = self
            .runs
            .iter()
            .rev()
            .find_map(|run| Some((run, run.snapshots.as_ref()?)));
        let Some((run, told)) = told else { return };
        let lines = self.lines(id, run, findings);
        let problem = match search(&lines, told) {
            Search::Fits => return,
            Search::Fails => format!(
                "stands for {} connections with other changes than those that are there: \
                 a connection was removed as a whole, put in, or set back",
                told.count
            ),
            Search::GivenUp => format!(
                "can't be compared with what is there: {} connections have changes of runs that \
                 it may not know of; after the next run it can be told",
                lines.iter().filter(|line| line.says.len() > 1).count()
            ),
        };
        findings.add(run_key(id, run.this.sequence), problem);
    }

    /// What may stand in the record of `run`, connection by connection.
    ///
    /// A snapshot that is edited or removed is named by itself; its changes
    /// stand for it here, as it stands for them.
    fn lines(&self, id: &AccountId, run: &RunLink, findings: &Findings) -> Vec<Line<'_>> {
        let known: HashSet<&RunId> = self
            .runs
            .iter()
            .filter(|other| other.this.sequence <= run.this.sequence)
            .filter(|other| knew_its_changes(other))
            .map(|other| &other.this.run_id)
            .collect();
        let may_be_later = |link: &Link| !known.contains(&link.run_id);
        let of_arn = |arn| {
            let whole = |_: &&_| !findings.names(&snapshot_key(id, arn));
            let snapshot = self.snapshots.get(arn).filter(whole);
            let snapshot = snapshot.map(|read| (read.snapshot.version, read.snapshot.digest));
            let links = self.chains.get(arn).map_or(&[][..], |chain| &chain.links);
            let of_link = |link: &Link| (link.version, link.digest);
            let mut says = vec![snapshot.or_else(|| links.last().map(of_link))];
            for (i, _) in links
                .iter()
                .enumerate()
                .rev()
                .take_while(|(_, link)| may_be_later(link))
            {
                says.push(i.checked_sub(1).map(|before| of_link(&links[before])));
            }
            Line { arn, says }
        };
        self.arns().into_iter().map(of_arn).collect()
    }
}

/// Whether a run knew which of its changes were written. Before format 3 it
/// stood for the snapshots even if it did not.
fn knew_its_changes(run: &RunLink) -> bool {
    let told = run.snapshots.is_some() && run.format >= Format::Three;
    told || run.unwritten == 0
}

/// Looks for a choice of changes without which the record fits.
fn search(lines: &[Line<'_>], told: &SnapshotsRecord) -> Search {
    let open: Vec<usize> = (0..lines.len())
        .filter(|i| lines[*i].says.len() > 1)
        .collect();
    let most: usize = open.iter().map(|i| lines[*i].says.len() - 1).sum();
    let mut choice = vec![0; lines.len()];
    // As it is, and without all of them: most often it is one of these.
    if fits(lines, &choice, told) {
        return Search::Fits;
    }
    for i in &open {
        choice[*i] = lines[*i].says.len() - 1;
    }
    if fits(lines, &choice, told) {
        return Search::Fits;
    }
    choice.fill(0);
    let mut tries = PATIENCE / lines.len().max(1);
    for number in 1..most {
        match leave_out(lines, &open, number, &mut choice, told, &mut tries) {
            Search::Fails => {}
            ended => return ended,
        }
    }
    Search::Fails
}

/// Tries every choice of `number` changes of the connections `open`.
fn leave_out(
    lines: &[Line<'_>],
    open: &[usize],
    number: usize,
    choice: &mut [usize],
    told: &SnapshotsRecord,
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
        return match fits(lines, choice, told) {
            true => Search::Fits,
            false => Search::Fails,
        };
    };
    for here in 0..=number.min(lines[*first].says.len() - 1) {
        choice[*first] = here;
        match leave_out(lines, rest, number - here, choice, told, tries) {
            Search::Fails => {}
            ended => return ended,
        }
    }
    choice[*first] = 0;
    Search::Fails
}

fn fits(lines: &[Line<'_>], choice: &[usize], told: &SnapshotsRecord) -> bool {
    let chosen = lines.iter().zip(choice).filter_map(|(line, chosen)| {
        let (version, digest) = line.says[*chosen]?;
        Some((line.arn, version, digest))
    });
    *told == SnapshotsRecord::of_lines(chosen.collect())
}
