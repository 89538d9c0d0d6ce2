//! The steps of `demo`: what each does to the account, the runs after it, and how they
//! are printed.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::Audit;
use crate::cli::error::CliError;
use crate::cli::render::print_wrapped;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::domain::{AccountId, Clock, Dependency, Kind, Timestamp};
use crate::inventory::summary::Summary;
use crate::lambda::handler::{Handler, HandlerError};
use crate::lambda::response::Response;
use crate::listing::CodeConnections;
use crate::local::ManualClock;
use crate::local::codeconnections::CodeConnectionsEmulator;
use crate::local::demo_account::{ACCOUNT, Step};
use crate::output::text::{count, format_time, or_dash};

/// The time that a run has.
const REMAINING: Duration = Duration::from_secs(300);

pub(super) type DemoHandler = Handler<CodeConnections, Arc<ManualClock>>;

/// The emulated account, and what records it.
pub(super) struct Demo<'a> {
    pub(super) codeconnections: &'a CodeConnectionsEmulator,
    pub(super) handler: &'a DemoHandler,
    pub(super) audit: &'a Audit,
}

/// What came of a step.
pub(super) struct Taken {
    response: Response,
    /// The run of dependencies, if the step has one.
    dependencies: Option<Summary<Dependency>>,
    /// What uses a connection that does not work since this step.
    affected: usize,
}

pub(super) async fn take(step: &Step, demo: &Demo<'_>) -> Result<Taken, CliError> {
    let Demo {
        codeconnections,
        handler,
        audit,
    } = demo;
    handler.inventory.clock.advance(step.after);
    let event = step.happen(codeconnections).map_err(CliError::failure)?;
    let before = affected(audit, handler.inventory.clock.now()).await?;
    let response = match handler.handle(&event, REMAINING).await {
        Ok(response) | Err(HandlerError::RunFailed(response)) => response,
        Err(error) => return Err(CliError::failure(error)),
    };
    let dependencies = match step.lists_dependencies {
        true => {
            let account: AccountId = ACCOUNT.parse().map_err(CliError::failure)?;
            let run = handler.run_of_dependencies(account, false, REMAINING, Arc::default());
            Some(run.await)
        }
        false => None,
    };
    Ok(Taken {
        response,
        dependencies,
        affected: affected(audit, handler.inventory.clock.now())
            .await?
            .saturating_sub(before),
    })
}

/// Returns how many dependencies use a connection that does not work or exist.
async fn affected(audit: &Audit, at: Timestamp) -> Result<usize, CliError> {
    let inventories = audit.bases(None, at).await.map_err(CliError::failure)?;
    let answer = audit.impact(None, inventories).await;
    let impact = answer.map_err(CliError::failure)?.impact.into_iter();
    Ok(impact.filter(|it| it.not_observed.is_none()).count())
}

pub(super) fn print_step(
    number: usize,
    step: &Step,
    at: Timestamp,
    taken: &Taken,
    width: Option<usize>,
) -> Result<(), CliError> {
    let mut lines = format!("{number}. {}: {}\n", format_time(at), step.says);
    for run in taken.response.runs() {
        let costs = match run.already_recorded {
            true => String::new(),
            false => format!(
                "; {} write requests, {} write units, {} of them on indexes",
                run.requests.write, run.capacity.write_units, run.capacity.index_write_units
            ),
        };
        let outcome = match run.already_recorded {
            true => String::new(),
            false => format!("{}; ", run.outcome),
        };
        lines.push_str(&format!("     → {outcome}{}{costs}\n", recorded(run)));
        for problem in &run.problems {
            lines.push_str(&format!("       {problem}\n"));
        }
    }
    if let Some(run) = &taken.dependencies {
        let (outcome, recorded) = (run.outcome, recorded(run));
        lines.push_str(&format!("     → dependencies: {outcome}; {recorded}\n"));
        for problem in &run.problems {
            lines.push_str(&format!("       {problem}\n"));
        }
    }
    if taken.affected > 0 {
        let affected = count(taken.affected, "dependency");
        lines.push_str(&format!("     → affected: {affected} (`ccinv impact`)\n"));
    }
    print_wrapped(&lines, width)
}

pub(super) fn step_table() -> TextTable {
    TextTable::new([
        ("#", Cut::Never),
        ("WHAT HAPPENED", Cut::End),
        ("RUN", Cut::Never),
        ("RECORDED", Cut::End),
    ])
}

pub(super) fn add_step(table: &mut TextTable, number: usize, step: &Step, taken: &Taken) {
    for run in taken.response.runs() {
        let outcome = match run.already_recorded {
            true => "-".to_owned(),
            false => run.outcome.to_string(),
        };
        let mut recorded = recorded(run);
        if let Some(dependencies) = &taken.dependencies {
            let found = dependencies.changes.values().sum::<u64>();
            recorded.push_str(&format!("; {found} dependencies"));
        }
        if taken.affected > 0 {
            recorded.push_str(&format!("; {} affected", taken.affected));
        }
        let cells = [
            number.to_string().into(),
            step.title.to_owned().into(),
            Cell::word(outcome),
            recorded.into(),
        ];
        table.add(cells, Vec::new());
    }
}

/// Describes what a run recorded.
fn recorded<K: Kind>(run: &Summary<K>) -> String {
    if run.already_recorded {
        let sequence = run.sequence.map(|number| number.to_string());
        return format!("already recorded by run {}", or_dash(sequence.as_deref()));
    }
    let mut parts: Vec<String> = run
        .changes
        .iter()
        .map(|(kind, number)| format!("{number} {kind}"))
        .collect();
    if run.tombstones_held_back > 0 {
        parts.push(format!("{} deletions held back", run.tombstones_held_back));
    }
    if parts.is_empty() {
        parts.push("no change".to_owned());
    }
    parts.join(", ")
}
