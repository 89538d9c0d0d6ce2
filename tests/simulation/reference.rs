//! The reference: what a record must say of a life, whatever happened in it.
//!
//! It knows what was true at every moment, and which pages each run was given.
//! It does not know how the code under test does its work.

use std::collections::{BTreeSet, HashMap};

use codeconnections_inventory::domain::{
    Attributes, Cause, Change, ChangeKind, ConnectionArn, Outcome, Region, RunId, RunRecord,
    Snapshot, Timestamp,
};

use super::life::{GUARD, Ran, is_complete};
use super::schedule::{REGIONS, STATUSES, State, listed_by};
use super::stage::{Page, Truth, connection_arn};

/// What happened.
pub struct Lived {
    pub truth: Vec<Truth>,
    pub pages: Vec<Page>,
    pub ran: Vec<Ran>,
}

/// What the table says.
pub struct Record {
    /// What `verify` finds.
    pub findings: Vec<String>,
    pub histories: Vec<Vec<Change>>,
    pub runs: Vec<RunRecord>,
    pub snapshots: HashMap<ConnectionArn, Snapshot>,
}

type CheckReport = Result<(), String>;

macro_rules! must {
    ($holds:expr, $($told:tt)+) => {
        if !$holds {
            return Err(format!($($told)+));
        }
    };
}

/// What must hold at any time.
pub fn check(lived: &Lived, record: &Record) -> CheckReport {
    must!(record.findings.is_empty(), "verify: {:?}", record.findings);
    runs_are_chained_and_theirs(lived, record)?;
    for (connection, history) in record.histories.iter().enumerate() {
        a_history_is_true(lived, connection, history)?;
    }
    guard_holds(lived, record)?;
    for ran in &lived.ran {
        outcome_is_right(lived, record, ran)?;
    }
    if lived.has_wrong_clocks() {
        return Ok(());
    }
    for run in record
        .runs
        .iter()
        .filter(|run| run.outcome == Outcome::Complete)
    {
        let ran = lived.by_id(&run.run_id)?;
        for connection in 0..lived.truth.len() {
            nothing_is_lost(lived, &record.histories[connection], run, ran, connection)?;
            it_was_seen_when_it_was(lived, record, run, ran, connection)?;
        }
    }
    Ok(())
}

/// What is there was last seen no earlier than a complete run saw it: when it
/// was seen never goes back.
fn it_was_seen_when_it_was(
    lived: &Lived,
    record: &Record,
    run: &RunRecord,
    ran: &Ran,
    connection: usize,
) -> CheckReport {
    let saw = lived.view(ran, connection).iter().any(Option::is_some);
    let arn: ConnectionArn = connection_arn(connection).parse().map_err(|_| "an ARN")?;
    let snapshot = record.snapshots.get(&arn);
    if let Some(there) = snapshot.filter(|snapshot| saw && !snapshot.is_deleted()) {
        must!(
            there.last_seen.ended_at >= run.started_at,
            "c{connection:02} was seen by run {} of {}, and last seen until {}",
            run.sequence,
            run.started_at,
            there.last_seen.ended_at
        );
    }
    Ok(())
}

/// What must hold after two runs with nothing in their way.
pub fn check_settled(lived: &Lived, record: &Record) -> CheckReport {
    let [.., one, two] = lived.ran.as_slice() else {
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
    for (connection, truth) in lived.truth.iter().enumerate() {
        let now = truth.last().and_then(|(_, state)| *state);
        let last = record.histories[connection].last();
        let known = last.and_then(state_after);
        must!(
            known == now,
            "c{connection:02} is {now:?}, and recorded as {known:?}"
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

/// Runs are numbered without gaps, each once, and say what was answered.
fn runs_are_chained_and_theirs(lived: &Lived, record: &Record) -> CheckReport {
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
        lived.by_id(&run.run_id)?;
        for kind in ChangeKind::ALL {
            let changes = record.histories.iter().flatten();
            let made = |c: &&Change| c.run_id == run.run_id && c.kind == kind;
            let (told, made) = (
                run.changes.get(&kind).copied().unwrap_or(0),
                changes.filter(made).count() as u64,
            );
            // What was written as time ran out is not known to the run.
            let right = told == made || (told < made && run.outcome != Outcome::Complete);
            must!(
                right,
                "run {} tells of {told} {kind}, {made} are there",
                run.sequence
            );
        }
    }
    for ran in &lived.ran {
        let Some(summary) = &ran.summary else {
            continue;
        };
        let Some(sequence) = summary.sequence else {
            must!(
                summary.outcome == Outcome::Failed,
                "run {} has no number: {summary:?}",
                ran.number
            );
            continue;
        };
        let at = usize::try_from(sequence).map_err(|_| "small")? - 1;
        let Some(run) = record.runs.get(at) else {
            return Err(format!("run {} is not recorded as {sequence}", ran.number));
        };
        if summary.already_recorded {
            let before = lived.by_id(&run.run_id)?;
            let same = before.event_id.is_some() && before.event_id == ran.event_id;
            must!(
                same && run.outcome == Outcome::Complete,
                "run {} repeats {run:?}",
                ran.number
            );
            continue;
        }
        let told = (
            &summary.run_id,
            summary.outcome,
            &summary.changes,
            summary.unwritten,
        );
        let kept = (&run.run_id, run.outcome, &run.changes, run.unwritten);
        must!(
            told == kept,
            "run {} told {told:?}, recorded {kept:?}",
            ran.number
        );
    }
    Ok(())
}

/// Each recorded state was so within its window, after the one before it.
fn a_history_is_true(lived: &Lived, connection: usize, history: &[Change]) -> CheckReport {
    let truth = &lived.truth[connection];
    let (mut at, mut before) = (Timestamp::from_millis(0), None);
    for (i, change) in history.iter().enumerate() {
        let told = || format!("c{connection:02}, change {}: {change:?}", i + 1);
        let ran = lived.by_id(&change.run_id)?;
        let (from, until) = (
            ran.true_time(change.observed_at),
            ran.true_time(change.observed_until),
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
        must!(fits, "does not follow on {before:?}: {}", told());
        let earliest = if lived.has_wrong_clocks() {
            from
        } else {
            from.max(at)
        };
        let Some(so) = first(truth, after, earliest, until) else {
            return Err(format!("was not so after {at}: {}", told()));
        };
        if let Some(seen) = change
            .previously_seen_at
            .filter(|_| !lived.has_wrong_clocks())
        {
            must!(
                first(truth, before, seen, until).is_some(),
                "was not {before:?} before: {}",
                told()
            );
        }
        if change.kind == ChangeKind::Deleted {
            let shown = listed_by(connection)
                .iter()
                .any(|r| lived.is_evidence(ran, *r, connection));
            must!(shown, "nothing shows it: {}", told());
        }
        must!(
            is_explained(ran, connection, change),
            "has another cause: {}",
            told()
        );
        (at, before) = (so, after);
    }
    Ok(())
}

/// A call that the run knew of explains that a connection is there, and no
/// other change.
fn is_explained(ran: &Ran, connection: usize, change: &Change) -> bool {
    let called = ran.run.event.call() == Some(connection);
    let made = matches!(change.kind, ChangeKind::FirstSeen | ChangeKind::Reappeared);
    matches!(change.cause, Some(Cause::ApiCall(_))) == (called && made)
}

/// What a complete run saw is in the history, at the time at which it looked,
/// unless another run saw otherwise meanwhile: then the newer of the two
/// decides, and if none is, the next run.
fn nothing_is_lost(
    lived: &Lived,
    history: &[Change],
    run: &RunRecord,
    ran: &Ran,
    connection: usize,
) -> CheckReport {
    let view = lived.view(ran, connection);
    let saw_otherwise = |other: &Ran| {
        let seen = lived.view(other, connection);
        seen.iter().any(|seen| !view.contains(seen))
    };
    let contradicted = lived.at_the_same_time(ran).any(saw_otherwise);
    if view.is_empty() || contradicted || run.tombstones_held_back > 0 {
        return Ok(());
    }
    // What the history says from one change to the next; before the first one
    // it was not there.
    let never = (Timestamp::from_millis(0), None);
    let states = history
        .iter()
        .map(|change| (change.observed_at, state_after(change)));
    let ends = history
        .iter()
        .map(|change| Some(change.observed_until))
        .chain([None]);
    let said = std::iter::once(never)
        .chain(states)
        .zip(ends)
        .any(|((from, state), until)| {
            view.contains(&state)
                && from <= ran.ended
                && until.is_none_or(|until| ran.began <= until)
        });
    must!(
        said,
        "run {} saw c{connection:02} as {view:?}: {history:?}",
        ran.number
    );
    Ok(())
}

/// No run deletes more than it may.
fn guard_holds(lived: &Lived, record: &Record) -> CheckReport {
    for ran in lived.ran.iter().filter(|ran| !ran.accepts_deletions()) {
        let changes = record.histories.iter().flatten();
        let deleted = changes
            .filter(|change| change.kind == ChangeKind::Deleted && change.run_id == ran.run_id)
            .count();
        let too_many = deleted > 10 && deleted as f64 > GUARD * lived.truth.len() as f64;
        must!(!too_many, "run {} deleted {deleted}", ran.number);
    }
    Ok(())
}

/// A run that nothing and nobody disturbed ends as it must.
fn outcome_is_right(lived: &Lived, record: &Record, ran: &Ran) -> CheckReport {
    let Some(summary) = &ran.summary else {
        let cause =
            ran.run.killed.is_some() || ran.run.line.slowest > 50 || ran.run.line.faults > 0;
        must!(cause, "run {} ended by itself", ran.number);
        return Ok(());
    };
    let alone = lived.was_alone(ran);
    if !ran.run.is_undisturbed() || !alone || lived.has_wrong_clocks() || summary.already_recorded {
        return Ok(());
    }
    let asked: Vec<usize> = (0..REGIONS.len()).filter(|r| ran.run.asks(*r)).collect();
    let denied = asked.iter().filter(|r| ran.run.denied[**r]).count();
    let expected = match denied {
        0 if summary.tombstones_held_back > 0 => Outcome::Partial,
        // A connection that another region alone lists is not confirmed.
        0 if summary.unconfirmed > 0 && asked.len() < REGIONS.len() => Outcome::Partial,
        0 => Outcome::Complete,
        n if n == asked.len() => Outcome::Failed,
        _ => Outcome::Partial,
    };
    must!(
        summary.outcome == expected,
        "run {} is not {expected}: {summary:?}",
        ran.number
    );
    // It is known by its event, if that was dealt with before.
    let known = record
        .runs
        .iter()
        .rev()
        .filter(|run| run.outcome == Outcome::Complete);
    let mut known = known.filter_map(|run| lived.by_id(&run.run_id).ok());
    let repeated = known.find(|before| {
        before.number < ran.number && before.event_id.is_some() && before.event_id == ran.event_id
    });
    let told = repeated.filter(|before| {
        before.summary.is_some() && before.run.is_undisturbed() && lived.was_alone(before)
    });
    must!(
        told.is_none(),
        "run {} repeats run {:?}",
        ran.number,
        told.map(|b| b.number)
    );
    Ok(())
}

impl Lived {
    fn by_id(&self, id: &RunId) -> Result<&Ran, String> {
        let ran = self.ran.iter().find(|ran| ran.run_id == *id);
        ran.ok_or_else(|| format!("{id} is no run of this life"))
    }

    fn has_wrong_clocks(&self) -> bool {
        self.ran.iter().any(|ran| ran.run.clock_off != 0)
    }

    /// Runs that had not ended, or had requests under way, while this one had.
    fn at_the_same_time(&self, ran: &Ran) -> impl Iterator<Item = &Ran> {
        let (number, began, ended) = (ran.number, ran.began, ran.ended);
        self.ran
            .iter()
            .filter(move |other| other.number != number)
            .filter(move |other| other.began <= ended && began <= other.ended)
    }

    fn was_alone(&self, ran: &Ran) -> bool {
        self.at_the_same_time(ran).next().is_none()
    }

    /// The states in which a run was shown a connection, and "gone" if a
    /// region that lists it showed all it has, and not this one.
    fn view(&self, ran: &Ran, connection: usize) -> BTreeSet<Option<State>> {
        let pages = self.pages.iter().filter(|page| page.run == ran.number);
        let shown = pages
            .flat_map(|page| &page.entries)
            .filter(|(c, _)| *c == connection);
        let mut view: BTreeSet<Option<State>> = shown.map(|(_, state)| Some(*state)).collect();
        let lists = listed_by(connection);
        let lacks = |region: &usize| self.is_evidence(ran, *region, connection);
        // Another region's listing may have seen it meanwhile.
        // One that lives in a default region is gone if one of those lacks it.
        let is_global = lists[0] != 0;
        let gone = if view.is_empty() {
            lists.iter().all(lacks) || is_global && lists.iter().any(lacks)
        } else {
            lists.iter().any(lacks)
        };
        if gone {
            view.insert(None);
        }
        view
    }

    /// Whether a run was given a region's whole and unfiltered listing, which
    /// lacks a connection that it would have.
    fn is_evidence(&self, ran: &Ran, region: usize, connection: usize) -> bool {
        let mut pages = self
            .pages
            .iter()
            .filter(|page| page.run == ran.number && page.region == region);
        let lacks = |page: &Page| page.entries.iter().all(|(c, _)| *c != connection);
        // The page where it would have been.
        let mut there = pages.clone().filter(|page| {
            let to = page.entries.last().map_or(0, |(c, _)| *c);
            page.from <= connection && (page.is_last || connection <= to)
        });
        let whole = pages.any(|page| page.is_last && !page.filtered);
        whole && there.any(lacks)
    }
}

impl Ran {
    /// A time by this run's clock, as it really was.
    fn true_time(&self, time: Timestamp) -> Timestamp {
        Timestamp::from_millis(time.millis() - self.run.clock_off * 1000)
    }

    fn accepts_deletions(&self) -> bool {
        self.run.accept_deletions && matches!(self.run.event, super::schedule::Event::Hand(_))
    }
}

/// The first moment from `from` to `until` at which it was so.
fn first(
    truth: &Truth,
    state: Option<State>,
    from: Timestamp,
    until: Timestamp,
) -> Option<Timestamp> {
    let ends = truth.iter().skip(1).map(|(at, _)| Some(*at)).chain([None]);
    let mut spans = truth.iter().zip(ends).filter(|((_, so), _)| *so == state);
    spans.find_map(|((since, _), end)| {
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
