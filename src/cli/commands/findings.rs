//! `findings`: the recorded findings of rules.

use clap::Args as ClapArgs;

use crate::audit::Audit;
use crate::audit::findings::{EvaluationRun, EvaluationsBasis, FindingFilter, FindingRow};
use crate::cli::args::{StoreArgs, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::csv::field;
use crate::cli::render::text_table::{Cell, Cut, TextTable};
use crate::cli::render::{FormatArgs, Row, RowAnswer};
use crate::cli::store::Store;
use crate::cli::suggestions;
use crate::domain::{AccountId, Clock, Closing, RuleId, SystemClock, Timestamp};
use crate::output::text::{count, format_duration, format_time};

/// List recorded findings of compliance rules
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Findings are recorded by `ccinv evaluate`, and by the function \
codeconnections-compliance after each run. A rule with insufficient data closes none of its findings.

Examples:
  ccinv findings
  ccinv findings --all --rule no-shared
  ccinv findings --as-of 2026-10-31 --format csv

Exit codes: 0 success, 4 no evaluation covers the answer.")]
pub(crate) struct FindingsArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Filter by rule ID
    #[arg(long, value_name = "ID")]
    rule: Option<RuleId>,
    /// Include closed findings
    #[arg(long)]
    all: bool,
    /// Show the state at this time: a date, a time, or an age (30d, 12h, 45m)
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    as_of: Option<Timestamp>,
    #[command(flatten)]
    format: FormatArgs,
}

pub(crate) async fn run(args: FindingsArgs) -> Result<Exit, CliError> {
    if let Some(at) = args.as_of {
        evidence::require_past("--as-of", at)?;
    }
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let filter = FindingFilter {
        account: args.account.clone(),
        rule: args.rule.clone(),
        include_closed: args.all,
    };
    let answer = audit.findings(&filter, args.as_of, SystemClock.now()).await;
    let answer = answer.map_err(CliError::failure)?;
    let account = args.account.as_ref();
    require_evaluations(&audit, &answer.rests_on, account, args.as_of).await?;
    let open = answer.findings.iter().filter(|it| it.closed_at.is_none());
    let open = open.count();
    let mut notes = vec![match (args.all, answer.findings.len() - open) {
        (true, closed) => format!("{}, {closed} closed", count(open, "open finding")),
        (false, _) => count(open, "open finding"),
    }];
    notes.extend(basis_notes(&answer.rests_on));
    RowAnswer {
        rows: &answer.findings,
        document: &answer,
        notes,
    }
    .print(args.format, |rows| finding_table(rows, args.all))?;
    require_rules(&answer.rests_on)?;
    Ok(Exit::Success)
}

impl Row for FindingRow {
    fn header() -> Vec<&'static str> {
        vec![
            "account",
            "state",
            "severity",
            "rule",
            "subject",
            "subject_name",
            "message",
            "title",
            "controls",
            "remediation",
            "opened_at",
            "closed_at",
            "open_ms",
            "id",
            "closed_because",
            "waiver",
        ]
    }

    fn csv(&self) -> Vec<String> {
        let closing = self.closed_because.as_ref();
        vec![
            self.account.to_string(),
            self.state.to_owned(),
            self.severity.to_string(),
            self.rule.clone(),
            self.subject.clone(),
            field(self.subject_name.as_deref()),
            self.message.to_string(),
            self.title.to_string(),
            self.controls.join(", "),
            field(self.remediation.as_deref()),
            self.opened_at.to_string(),
            field(self.closed_at),
            self.open_ms.to_string(),
            self.id.to_string(),
            field(closing.map(Closing::as_str)),
            field(closing.and_then(Closing::waiver)),
        ]
    }
}

fn finding_table(rows: &[FindingRow], has_closed: bool) -> TextTable {
    let state = has_closed.then_some(("STATE", Cut::Never));
    let columns = [
        ("SEVERITY", Cut::Never),
        ("RULE", Cut::End),
        ("SUBJECT", Cut::Middle),
        ("OPENED", Cut::Never),
        ("OPEN FOR", Cut::Never),
        ("ACCOUNT", Cut::Never),
    ];
    let columns: Vec<_> = state.into_iter().chain(columns).collect();
    let mut table = TextTable::new(columns).may_drop(["ACCOUNT"]);
    for row in rows {
        let state = has_closed.then(|| Cell::word(row.state));
        let cells: [Cell; 6] = [
            row.severity.to_string().into(),
            row.rule.clone().into(),
            row.name().to_owned().into(),
            format_time(row.opened_at).into(),
            format_duration(row.open_ms).into(),
            row.account.to_string().into(),
        ];
        let closed = row.closed_at.map(|at| {
            let because = row.closed_because.as_ref().map(Closing::in_words);
            let because = because.map_or_else(String::new, |why| format!(": {why}"));
            format!("closed {}{because}", format_time(at))
        });
        let lines = [Some(row.message.to_string()), closed];
        let cells: Vec<Cell> = state.into_iter().chain(cells).collect();
        table.add(cells, lines.into_iter().flatten().collect());
    }
    table
}

/// Describes what an answer is based on.
pub(super) fn basis_notes(bases: &[EvaluationsBasis]) -> Vec<String> {
    let mut notes = Vec::new();
    for basis in bases {
        let account = &basis.account;
        let Some(run) = &basis.last_evaluation else {
            notes.push(format!("account {account}: no rules were evaluated"));
            continue;
        };
        notes.push(format!("account {account}: based on {}", evaluation(run)));
        notes.extend(basis.insufficient.iter().map(|rule| {
            let (complete_at, is_unknown) = (rule.complete_at, rule.complete_at_unknown);
            let last = evidence::last_complete("evaluated", complete_at, is_unknown);
            format!("  {}: {}; {last}", rule.rule, rule.reason)
        }));
    }
    notes
}

fn evaluation(run: &EvaluationRun) -> String {
    let file = run.evaluation.as_ref().map_or_else(String::new, |basis| {
        let version = basis.rules.version.as_deref();
        let version = version.map_or_else(String::new, |v| format!(" version {v}"));
        format!(" in {}{version}", basis.rules.source)
    });
    format!(
        "evaluation {} ({}, {}{file}) of {}",
        run.sequence,
        run.outcome,
        count(run.rules, "rule"),
        format_time(run.started_at)
    )
}

/// Refuses to answer without an evaluation: an empty answer would read as "there are
/// no findings".
pub(super) async fn require_evaluations(
    audit: &Audit,
    bases: &[EvaluationsBasis],
    account: Option<&AccountId>,
    as_of: Option<Timestamp>,
) -> Result<(), CliError> {
    if bases.iter().any(|basis| basis.last_evaluation.is_some()) {
        return Ok(());
    }
    let whose = account.map_or(String::new(), |account| format!(" of account {account}"));
    let when = match as_of {
        Some(at) => format!("had ended by {}", format_time(at)),
        None => "is recorded here".to_owned(),
    };
    let others = suggestions::other_accounts(audit, account).await?;
    Err(CliError::NoEvidence(format!(
        "no evaluation{whose} {when}: its findings are unknown; run `ccinv evaluate --rules \
         FILE`{others}"
    )))
}

/// Refuses accounts with a rule of which no complete evaluation is known.
pub(super) fn require_rules(bases: &[EvaluationsBasis]) -> Result<(), CliError> {
    let lacking = bases.iter().filter(|basis| !basis.is_evidence());
    evidence::require_of_all(
        lacking.map(|basis| &basis.account),
        "not every rule is known to have been evaluated completely: the answer may lack findings",
    )
}
