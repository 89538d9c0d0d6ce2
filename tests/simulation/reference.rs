//! The reference: what the record of a life must contain, whatever happened in
//! it.
//!
//! It knows the true state at every moment and the pages that each run
//! received. It does not know how the code under test works.

use std::collections::{BTreeSet, HashMap};

use codeconnections_inventory::domain::{
    Attributes, Cause, Change, ChangeKind, ConnectionArn, Outcome, Region, RunId, RunRecord,
    Snapshot, Timestamp,
};

use super::life::{FinishedRun, GUARD, is_complete};
use super::schedule::{REGIONS, STATUSES, State, listed_by};
use super::stage::{Page, Truth, connection_arn};

/// The true states, the pages that runs received, and the results of runs.
pub struct GroundTruth {
    pub truth: Vec<Truth>,
    pub pages: Vec<Page>,
    pub runs: Vec<FinishedRun>,
}

/// What is read from the table.
pub struct Record {
    /// The findings of `verify`.
    pub findings: Vec<String>,
    pub histories: Vec<Vec<Change>>,
    pub runs: Vec<RunRecord>,
    pub snapshots: HashMap<ConnectionArn, Snapshot>,
}

type CheckReport = Result<(), String>;

macro_rules! must {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}

/// Checks what must hold at any time.
pub fn check(life: &GroundTruth, record: &Record) -> CheckReport {
    must!(record.findings.is_empty(), "verify: {:?}", record.findings);
    runs_match_their_summaries(life, record)?;
    for (connection, history) in record.histories.iter().enumerate() {
        history_matches_truth(life, connection, history)?;
    }
    guard_holds(life, record)?;
    for finished in &life.runs {
        outcome_is_expected(life, record, finished)?;
    }
    if life.has_wrong_clocks() {
        return Ok(());
    }
    for run in record
        .runs
        .iter()
        .filter(|run| run.outcome == Outcome::Complete)
    {
        let finished = life.by_id(&run.run_id)?;
        for connection in 0..life.truth.len() {
            observations_are_recorded(
                life,
                &record.histories[connection],
                run,
                finished,
                connection,
            )?;
            last_seen_is_monotonic(life, record, run, finished, connection)?;
        }
    }
    Ok(())
}

/// Checks that a present connection was last seen no earlier than a complete
/// run observed it.
fn last_seen_is_monotonic(
    life: &GroundTruth,
    record: &Record,
    run: &RunRecord,
    finished: &FinishedRun,
    connection: usize,
) -> CheckReport {
    let saw = life.view(finished, connection).iter().any(Option::is_some);
    let arn: ConnectionArn = connection_arn(connection).parse().map_err(|_| "an ARN")?;
    let snapshot = record.snapshots.get(&arn);
    if let Some(present) = snapshot.filter(|snapshot| saw && !snapshot.is_deleted()) {
        must!(
            present.last_seen.ended_at >= run.started_at,
            "c{connection:02} was seen by run {} of {}, and last seen until {}",
            run.sequence,
            run.started_at,
            present.last_seen.ended_at
        );
    }
    Ok(())
}

/// Checks what must hold after two undisturbed runs.
pub fn check_final_state(life: &GroundTruth, record: &Record) -> CheckReport {
    let [.., one, two] = life.runs.as_slice() else {
        return Err("two runs".to_owned());
    };
    must!(
        is_complete(one) && is_complete(two),
        "the last runs are complete: {one:?} {two:?}"
    );
    let changes = two.summary.as_ref().map(|summary| &summary.changes);
    must!(
        changes.is_some_and(|c| c.is_empty()),
        "nothing is left for the last run: {changes:?}"
    );
    for (connection, truth) in life.truth.iter().enumerate() {
        let now = truth.last().and_then(|(_, state)| *state);
        let last = record.histories[connection].last();
        let recorded = last.and_then(state_after);
        must!(
            recorded == now,
            "c{connection:02} is {now:?}, and recorded as {recorded:?}"
        );
        let arn: ConnectionArn = connection_arn(connection).parse().map_err(|_| "an ARN")?;
        let snapshot = record.snapshots.get(&arn);
        must!(
            snapshot.is_some() == last.is_some(),
            "c{connection:02}: {snapshot:?} and {last:?}"
        );
        let Some(snapshot) = snapshot.filter(|_| now.is_some()) else {
            continue;
        };
        let listed_in: Vec<&str> = snapshot.listed_in.iter().map(Region::as_str).collect();
        let lists: Vec<&str> = listed_by(connection).iter().map(|r| REGIONS[*r]).collect();
        must!(
            listed_in == lists,
            "c{connection:02} is listed in {lists:?}, recorded {listed_in:?}"
        );
    }
    Ok(())
}

/// Checks that runs are numbered without gaps, each once, and match their
/// summaries.
fn runs_match_their_summaries(life: &GroundTruth, record: &Record) -> CheckReport {
    let mut recorded = BTreeSet::new();
    for (i, run) in record.runs.iter().enumerate() {
        must!(
            run.sequence == i as u64 + 1,
            "run {} is the {i}th",
            run.sequence
        );
        must!(
            recorded.insert(run.run_id.to_string()),
            "{} is recorded twice",
            run.run_id
        );
        life.by_id(&run.run_id)?;
        for kind in ChangeKind::ALL {
            let changes = record.histories.iter().flatten();
            let made = |c: &&Change| c.run_id == run.run_id && c.kind == kind;
            let (reported, made) = (
                run.changes.get(&kind).copied().unwrap_or(0),
                changes.filter(made).count() as u64,
            );
            // A run does not know what was written as its time ran out.
            let right = reported == made || (reported < made && run.outcome != Outcome::Complete);
            must!(
                right,
                "run {} reports {reported} {kind}, {made} are recorded",
                run.sequence
            );
        }
    }
    for finished in &life.runs {
        let Some(summary) = &finished.summary else {
            continue;
        };
        let Some(sequence) = summary.sequence else {
            must!(
                summary.outcome == Outcome::Failed,
                "run {} has no number: {summary:?}",
                finished.number
            );
            continue;
        };
        let at = usize::try_from(sequence).map_err(|_| "small")? - 1;
        let Some(run) = record.runs.get(at) else {
            return Err(format!(
                "run {} is not recorded as {sequence}",
                finished.number
            ));
        };
        if summary.already_recorded {
            let before = life.by_id(&run.run_id)?;
            let same = before.event_id.is_some() && before.event_id == finished.event_id;
            must!(
                same && run.outcome == Outcome::Complete,
                "run {} repeats {run:?}",
                finished.number
            );
            continue;
        }
        let reported = (
            &summary.run_id,
            summary.outcome,
            &summary.changes,
            summary.unwritten,
        );
        let recorded = (&run.run_id, run.outcome, &run.changes, run.unwritten);
        must!(
            reported == recorded,
            "run {} reported {reported:?}, recorded {recorded:?}",
            finished.number
        );
    }
    Ok(())
}

/// Checks that each recorded state was true within its window, after the one
/// before it.
fn history_matches_truth(life: &GroundTruth, connection: usize, history: &[Change]) -> CheckReport {
    let truth = &life.truth[connection];
    let (mut at, mut before) = (Timestamp::from_millis(0), None);
    for (i, change) in history.iter().enumerate() {
        let described = || format!("c{connection:02}, change {}: {change:?}", i + 1);
        let finished = life.by_id(&change.run_id)?;
        let (from, until) = (
            finished.true_time(change.observed_at),
            finished.true_time(change.observed_until),
        );
        let after = state_after(change);
        let fits = match change.kind {
            ChangeKind::FirstSeen => i == 0 && after.is_some(),
            ChangeKind::Reappeared => i > 0 && before.is_none() && after.is_some(),
            ChangeKind::Deleted => before.is_some() && after.is_none(),
            ChangeKind::StatusChanged => {
                status(before) != status(after) && before.is_some() && after.is_some()
            }
            ChangeKind::AttributesChanged => status(before) == status(after) && before != after,
        };
        must!(fits, "does not follow on {before:?}: {}", described());
        let earliest = if life.has_wrong_clocks() {
            from
        } else {
            from.max(at)
        };
        let Some(since) = first(truth, after, earliest, until) else {
            return Err(format!("was not true after {at}: {}", described()));
        };
        if let Some(seen) = change
            .previously_seen_at
            .filter(|_| !life.has_wrong_clocks())
        {
            must!(
                first(truth, before, seen, until).is_some(),
                "was not {before:?} before: {}",
                described()
            );
        }
        if change.kind == ChangeKind::Deleted {
            let shown = listed_by(connection)
                .iter()
                .any(|r| life.is_evidence(finished, *r, connection));
            must!(shown, "no listing is evidence of it: {}", described());
        }
        must!(
            has_expected_cause(finished, connection, change),
            "has another cause: {}",
            described()
        );
        (at, before) = (since, after);
    }
    Ok(())
}

/// Returns true if the cause is a call exactly for the appearance of a
/// connection that a call of the run created.
fn has_expected_cause(finished: &FinishedRun, connection: usize, change: &Change) -> bool {
    let called = finished.run.event.call() == Some(connection);
    let made = matches!(change.kind, ChangeKind::FirstSeen | ChangeKind::Reappeared);
    matches!(change.cause, Some(Cause::ApiCall(_))) == (called && made)
}

/// Checks that what a complete run observed is in the history at that time,
/// unless a concurrent run observed something else: then the newer run decides
/// or, if neither is newer, the next run.
fn observations_are_recorded(
    life: &GroundTruth,
    history: &[Change],
    run: &RunRecord,
    finished: &FinishedRun,
    connection: usize,
) -> CheckReport {
    let view = life.view(finished, connection);
    let contradicts = |other: &FinishedRun| {
        let seen = life.view(other, connection);
        seen.iter().any(|seen| !view.contains(seen))
    };
    let contradicted = life.at_the_same_time(finished).any(contradicts);
    if view.is_empty() || contradicted || run.tombstones_held_back > 0 {
        return Ok(());
    }
    // The states of the history from one change to the next; before the first
    // one the connection does not exist.
    let never = (Timestamp::from_millis(0), None);
    let states = history
        .iter()
        .map(|change| (change.observed_at, state_after(change)));
    let ends = history
        .iter()
        .map(|change| Some(change.observed_until))
        .chain([None]);
    let is_recorded =
        std::iter::once(never)
            .chain(states)
            .zip(ends)
            .any(|((from, state), until)| {
                view.contains(&state)
                    && from <= finished.ended
                    && until.is_none_or(|until| finished.began <= until)
            });
    must!(
        is_recorded,
        "run {} saw c{connection:02} as {view:?}: {history:?}",
        finished.number
    );
    Ok(())
}

/// Checks that no run deletes more than the guard allows.
fn guard_holds(life: &GroundTruth, record: &Record) -> CheckReport {
    for finished in life
        .runs
        .iter()
        .filter(|finished| !finished.accepts_deletions())
    {
        let changes = record.histories.iter().flatten();
        let deleted = changes
            .filter(|change| change.kind == ChangeKind::Deleted && change.run_id == finished.run_id)
            .count();
        let too_many = deleted > 10 && deleted as f64 > GUARD * life.truth.len() as f64;
        must!(!too_many, "run {} deleted {deleted}", finished.number);
    }
    Ok(())
}

/// Checks that an undisturbed run has the expected outcome.
fn outcome_is_expected(life: &GroundTruth, record: &Record, finished: &FinishedRun) -> CheckReport {
    let Some(summary) = &finished.summary else {
        let cause = finished.run.killed.is_some()
            || finished.run.line.slowest > 50
            || finished.run.line.faults > 0;
        must!(cause, "run {} ended by itself", finished.number);
        return Ok(());
    };
    let alone = life.was_alone(finished);
    if !finished.run.is_undisturbed()
        || !alone
        || life.has_wrong_clocks()
        || summary.already_recorded
    {
        return Ok(());
    }
    let asked: Vec<usize> = (0..REGIONS.len())
        .filter(|r| finished.run.asks(*r))
        .collect();
    let denied = asked.iter().filter(|r| finished.run.denied[**r]).count();
    let expected = match denied {
        0 if summary.tombstones_held_back > 0 => Outcome::Partial,
        // A connection that only an unlisted region lists is unconfirmed.
        0 if summary.unconfirmed > 0 && asked.len() < REGIONS.len() => Outcome::Partial,
        0 => Outcome::Complete,
        n if n == asked.len() => Outcome::Failed,
        _ => Outcome::Partial,
    };
    must!(
        summary.outcome == expected,
        "run {} is not {expected}: {summary:?}",
        finished.number
    );
    // Its event identifies it as repeated, if it was processed before.
    let complete = record
        .runs
        .iter()
        .rev()
        .filter(|run| run.outcome == Outcome::Complete);
    let mut complete = complete.filter_map(|run| life.by_id(&run.run_id).ok());
    let repeated = complete.find(|before| {
        before.number < finished.number
            && before.event_id.is_some()
            && before.event_id == finished.event_id
    });
    let repeated = repeated.filter(|before| {
        before.summary.is_some() && before.run.is_undisturbed() && life.was_alone(before)
    });
    must!(
        repeated.is_none(),
        "run {} repeats run {:?}",
        finished.number,
        repeated.map(|b| b.number)
    );
    Ok(())
}

impl GroundTruth {
    fn by_id(&self, id: &RunId) -> Result<&FinishedRun, String> {
        let finished = self.runs.iter().find(|finished| finished.run_id == *id);
        finished.ok_or_else(|| format!("{id} is no run of this life"))
    }

    fn has_wrong_clocks(&self) -> bool {
        self.runs.iter().any(|finished| finished.run.clock_off != 0)
    }

    /// Returns the runs that were active, or had requests in flight, at the
    /// same time.
    fn at_the_same_time(&self, finished: &FinishedRun) -> impl Iterator<Item = &FinishedRun> {
        let (number, began, ended) = (finished.number, finished.began, finished.ended);
        self.runs
            .iter()
            .filter(move |other| other.number != number)
            .filter(move |other| other.began <= ended && began <= other.ended)
    }

    fn was_alone(&self, finished: &FinishedRun) -> bool {
        self.at_the_same_time(finished).next().is_none()
    }

    /// Returns the states of a connection that a run received, and `None` if a
    /// region that lists it returned a complete listing without it.
    fn view(&self, finished: &FinishedRun, connection: usize) -> BTreeSet<Option<State>> {
        let pages = self.pages.iter().filter(|page| page.run == finished.number);
        let shown = pages
            .flat_map(|page| &page.entries)
            .filter(|(c, _)| *c == connection);
        let mut view: BTreeSet<Option<State>> = shown.map(|(_, state)| Some(*state)).collect();
        let lists = listed_by(connection);
        let lacks = |region: &usize| self.is_evidence(finished, *region, connection);
        // Another region's listing may have contained it meanwhile. A
        // connection of a default region is deleted if one of those regions
        // lacks it.
        let is_global = lists[0] != 0;
        let deleted = if view.is_empty() {
            lists.iter().all(lacks) || is_global && lists.iter().any(lacks)
        } else {
            lists.iter().any(lacks)
        };
        if deleted {
            view.insert(None);
        }
        view
    }

    /// Returns true if a run received a region's complete, unfiltered listing
    /// without a connection that it would contain.
    fn is_evidence(&self, finished: &FinishedRun, region: usize, connection: usize) -> bool {
        let mut pages = self
            .pages
            .iter()
            .filter(|page| page.run == finished.number && page.region == region);
        let lacks = |page: &Page| page.entries.iter().all(|(c, _)| *c != connection);
        // The page that would contain it.
        let mut expected = pages.clone().filter(|page| {
            let to = page.entries.last().map_or(0, |(c, _)| *c);
            page.from <= connection && (page.is_last || connection <= to)
        });
        let complete = pages.any(|page| page.is_last && !page.filtered);
        complete && expected.any(lacks)
    }
}

impl FinishedRun {
    /// Returns the true time of a time by this run's clock.
    fn true_time(&self, time: Timestamp) -> Timestamp {
        Timestamp::from_millis(time.millis() - self.run.clock_off * 1000)
    }

    fn accepts_deletions(&self) -> bool {
        self.run.accept_deletions && matches!(self.run.event, super::schedule::Event::Manual(_))
    }
}

/// Returns the first time from `from` to `until` at which the state was true.
fn first(
    truth: &Truth,
    state: Option<State>,
    from: Timestamp,
    until: Timestamp,
) -> Option<Timestamp> {
    let ends = truth.iter().skip(1).map(|(at, _)| Some(*at)).chain([None]);
    let mut periods = truth
        .iter()
        .zip(ends)
        .filter(|((_, true_state), _)| *true_state == state);
    periods.find_map(|((since, _), end)| {
        let at = from.max(*since);
        (at <= until && end.is_none_or(|end| at <= end)).then_some(at)
    })
}

fn state_after(change: &Change) -> Option<State> {
    change.after.as_ref().and_then(state)
}

fn state(attributes: &Attributes) -> Option<State> {
    let word = attributes.status_word();
    let status = STATUSES.iter().position(|status| *status == word)?;
    let host = attributes
        .host_arn
        .as_ref()
        .and_then(|arn| arn.rsplit('-').next()?.parse().ok());
    Some(State {
        status,
        host: host.unwrap_or(0),
    })
}

fn status(state: Option<State>) -> Option<usize> {
    state.map(|state| state.status)
}
