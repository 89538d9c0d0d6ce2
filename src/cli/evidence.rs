//! Describes the runs that an answer is based on, and refuses answers without
//! them.

use std::fmt::Write as _;

use super::error::CliError;
use super::suggestions;
use crate::audit::{Audit, Basis, NotObserved, RunBasis, final_before};
use crate::domain::{AccountId, Agreement, Clock, SystemClock, Timestamp};
use crate::output::text::{count, format_duration, format_time};
use crate::table::read::audit::MAX_RUNS_READ;

/// Refuses an answer whose evidence some accounts lack, and says what that means.
pub(crate) fn require_of_all<'a>(
    lacking: impl Iterator<Item = &'a AccountId>,
    problem: &str,
) -> Result<(), CliError> {
    let lacking: Vec<&str> = lacking.map(AccountId::as_str).collect();
    match lacking.as_slice() {
        [] => Ok(()),
        accounts => Err(CliError::NoEvidence(format!(
            "account {}: {problem}",
            accounts.join(", ")
        ))),
    }
}

/// Describes what an answer is based on: a line for each account, and for each
/// region that was not observed.
pub(crate) fn lines(bases: &[Basis]) -> Vec<String> {
    let mut lines = Vec::new();
    for basis in bases {
        lines.push(format!("account {}: {}", basis.account, based_on(basis)));
        if basis.unconfirmed > 0 {
            let connections = count(
                usize::try_from(basis.unconfirmed).unwrap_or(usize::MAX),
                "connection",
            );
            lines.push(format!(
                "  not confirmed: {connections} recorded as present, not listed by the last run"
            ));
        }
        let run = basis.last_complete_run.as_ref();
        let agreement = run.and_then(|run| run.agreement.as_ref());
        lines.extend(agreement.and_then(disagreement).map(|it| format!("  {it}")));
        lines.extend(basis.impossible_times.iter().map(|run| {
            format!(
                "  impossible time: run {} ({}) ended at {} by its own clock, after runs \
                 with higher numbers; it is ignored",
                run.sequence,
                run.outcome,
                format_time(run.finished_at)
            )
        }));
        let missing = basis.not_observed.iter();
        lines.extend(missing.map(|missing| format!("  {}", not_observed(missing))));
    }
    lines
}

fn based_on(basis: &Basis) -> String {
    let Some(last) = &basis.last_run else {
        return format!("no run had ended by {}", format_time(basis.at));
    };
    match &basis.last_complete_run {
        Some(complete) if complete.sequence == last.sequence => format!("based on {}", run(last)),
        Some(complete) => format!("based on {}, and on {}", run(complete), run(last)),
        None => format!("no complete run; the last was {}", run(last)),
    }
}

fn run(run: &RunBasis) -> String {
    let regions = count(run.regions.len(), "region");
    let agreement = run.agreement.as_ref().filter(|it| it.is_unanimous());
    let regions = match agreement.map(|agreement| agreement.regions.len()) {
        Some(number) if number == run.regions.len() => format!("confirmed by {regions}"),
        Some(number) => format!("{regions}, confirmed by {number}"),
        None => regions,
    };
    format!(
        "run {} ({}, {regions}) of {}, {} before",
        run.sequence,
        run.outcome,
        format_time(run.started_at),
        format_duration(run.age_ms)
    )
}

/// Describes what a region lacked that another one listed.
pub(crate) fn disagreement(agreement: &Agreement) -> Option<String> {
    let lacked = agreement.lacked.iter();
    let lacked = lacked.map(|(region, arns)| format!("{region} lacked {}", arns.join(", ")));
    let lacked: Vec<String> = lacked.collect();
    let more = match agreement.unnamed {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let regions = "regions that list the same connections disagree";
    (!lacked.is_empty()).then(|| format!("{regions}: {}{more}", lacked.join("; ")))
}

/// Describes a region that was not observed, and why.
pub(crate) fn not_observed(missing: &NotObserved) -> String {
    let mut line = format!("not observed: {}: {}", missing.region, missing.message);
    if let Some(at) = missing.last_listed_at {
        let _ = write!(line, "; last listed at {}", format_time(at));
    }
    line
}

/// Says when a scope was last `done` ("listed") completely.
pub(crate) fn last_complete(
    done: &str,
    complete_at: Option<Timestamp>,
    is_unknown: bool,
) -> String {
    match complete_at {
        Some(at) => format!("last {done} completely at {}", format_time(at)),
        None if is_unknown => {
            format!("not {done} completely in the last {MAX_RUNS_READ} runs by then")
        }
        None => format!("never {done} completely"),
    }
}

/// Returns a note if changes before `until` may still be recorded.
pub(crate) fn not_final_note(until: Timestamp) -> Option<String> {
    let final_until = final_before(SystemClock.now());
    (until > final_until).then(|| {
        format!(
            "not final: changes observed after {} may still be recorded",
            format_time(final_until)
        )
    })
}

/// Returns a note if earlier runs of so many accounts are not in the table.
pub(crate) fn earlier_runs_note(accounts: usize) -> Option<String> {
    (accounts > 0).then(|| {
        format!(
            "earlier runs of {} are not in the table: archived, or removed (`ccinv verify \
             --archive` tells)",
            count(accounts, "account")
        )
    })
}

/// Refuses a time in the future.
pub(crate) fn require_past(option: &str, at: Timestamp) -> Result<(), CliError> {
    let now = SystemClock.now();
    if at > now {
        return Err(CliError::Usage(format!(
            "{option}: {} is in the future; now is {}",
            format_time(at),
            format_time(now)
        )));
    }
    Ok(())
}

/// Returns the current basis of the accounts.
///
/// # Errors
/// [`CliError::NoEvidence`] if no run is recorded.
pub(crate) async fn current(
    audit: &Audit,
    account: Option<&AccountId>,
) -> Result<Vec<Basis>, CliError> {
    let bases = audit.bases(account, SystemClock.now()).await;
    let bases = bases.map_err(CliError::failure)?;
    require_runs(audit, &bases, account, None).await?;
    Ok(bases)
}

/// Refuses to answer if no run is recorded, or none had ended by `as_of`: an
/// empty answer would read as "there are no connections".
pub(crate) async fn require_runs(
    audit: &Audit,
    bases: &[Basis],
    account: Option<&AccountId>,
    as_of: Option<Timestamp>,
) -> Result<(), CliError> {
    if bases.iter().any(|basis| basis.last_run.is_some()) {
        return Ok(());
    }
    let whose = account.map_or(String::new(), |account| format!(" of account {account}"));
    let when = match as_of {
        Some(at) if !bases.is_empty() => format!("had ended by {}", format_time(at)),
        _ => "is recorded here".to_owned(),
    };
    let others = suggestions::other_accounts(audit, account).await?;
    Err(CliError::NoEvidence(format!(
        "no run{whose} {when}: its connections are unknown; run `ccinv scan`{others}"
    )))
}

/// Refuses accounts without a complete run: connections that are not listed may
/// exist.
pub(crate) fn require_complete_run(bases: &[Basis]) -> Result<(), CliError> {
    unless_evidence(bases, Basis::is_evidence, |accounts, at| {
        format!(
            "no complete run of account {accounts} had ended by {at}: \
             connections that are not listed may have existed; see `ccinv runs`"
        )
    })
}

/// Refuses accounts without a complete run that started at or after `since`:
/// changes may not have been observed.
pub(crate) fn require_complete_run_since(
    bases: &[Basis],
    since: Timestamp,
) -> Result<(), CliError> {
    let is_covered = |basis: &Basis| {
        let run = basis.last_complete_run.as_ref();
        run.is_some_and(|run| run.started_at >= since)
    };
    unless_evidence(bases, is_covered, |accounts, at| {
        format!(
            "no complete run of account {accounts} started from {} to {at}: \
             changes may not have been observed; see `ccinv runs`",
            format_time(since)
        )
    })
}

fn unless_evidence(
    bases: &[Basis],
    is_evidence: impl Fn(&Basis) -> bool,
    message: impl Fn(&str, &str) -> String,
) -> Result<(), CliError> {
    let missing: Vec<&Basis> = bases.iter().filter(|basis| !is_evidence(basis)).collect();
    let Some(first) = missing.first() else {
        return Ok(());
    };
    let accounts: Vec<&str> = missing.iter().map(|b| b.account.as_str()).collect();
    let at = format_time(first.at);
    Err(CliError::NoEvidence(message(&accounts.join(", "), &at)))
}
