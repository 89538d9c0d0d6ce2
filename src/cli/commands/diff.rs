//! `diff`: differences between two times.

use std::collections::BTreeSet;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::changes::{
    attribute_fields, attribute_header, check_order, later_fields, later_header, run_number,
};
use crate::cli::args::{StoreArgs, parse_when};
use crate::cli::suggestions::Asked;

use super::list::FilterArgs;
use crate::audit::{Basis, Difference, DifferenceKind};
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::text_table::{Cut, TextTable};
use crate::cli::render::{FormatArgs, Row, RowAnswer};
use crate::cli::store::Store;
use crate::domain::{AccountId, Timestamp};
use crate::output::text::{
    count, describe_change, describe_details, describe_differences, format_time, format_window,
    or_dash,
};

/// Compare the connections at two times
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
A filter selects connections that match it at one of the times or in between.

Examples:
  ccinv diff 2026-10-01 2026-11-01
  ccinv diff 7d
  ccinv diff 2026-10-01 now --provider GitHub --format csv

Exit codes: 0 success, 4 an account has no complete run by one of the times and is \
not compared.")]
pub(crate) struct DiffArgs {
    /// First time: a date, a time, or an age (30d, 12h, 45m)
    #[arg(value_name = "T1", value_parser = parse_when)]
    first: Timestamp,
    /// Second time
    #[arg(value_name = "T2", default_value = "now", value_parser = parse_when)]
    second: Timestamp,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, Serialize)]
struct Differences {
    from: Timestamp,
    to: Timestamp,
    rests_on: [Vec<Basis>; 2],
    /// Accounts without a complete run by both times. All their connections would read
    /// as added or removed.
    not_compared: Vec<AccountId>,
    differences: Vec<Difference>,
}

pub(crate) async fn run(args: DiffArgs) -> Result<Exit, CliError> {
    check_order(("T1", args.first), ("T2", args.second))?;
    evidence::require_past("T2", args.second)?;
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let account = args.filter.account.clone();
    let filter = args.filter.filter(false);
    let mut rests_on = [Vec::new(), Vec::new()];
    let mut covered = Ok(());
    for (bases, at) in rests_on.iter_mut().zip([args.first, args.second]) {
        *bases = audit
            .bases(account.as_ref(), at)
            .await
            .map_err(CliError::failure)?;
        evidence::require_runs(&audit, bases, account.as_ref(), Some(at)).await?;
        covered = covered.and(evidence::require_complete_run(bases));
    }
    Asked::of(&filter).refuse_unknown(&audit).await?;
    let (compared, not_compared) = by_evidence(&rests_on);
    if compared.is_empty() {
        return covered.map(|()| Exit::Success);
    }
    let found = audit
        .diff(&compared, &filter, (args.first, args.second))
        .await;
    let found = Differences {
        from: args.first,
        to: args.second,
        rests_on,
        not_compared,
        differences: found.map_err(CliError::failure)?,
    };
    let mut notes = vec![format!(
        "{} from {} to {}",
        count(found.differences.len(), "difference"),
        format_time(args.first),
        format_time(args.second)
    )];
    for (bases, at) in found.rests_on.iter().zip([args.first, args.second]) {
        notes.push(format!("as of {}:", format_time(at)));
        notes.extend(
            evidence::lines(bases)
                .iter()
                .map(|line| format!("  {line}")),
        );
    }
    notes.extend(not_compared_note(&found.not_compared));
    notes.extend(evidence::not_final_note(args.second));
    let answer = RowAnswer {
        rows: &found.differences,
        document: &found,
        notes,
    };
    answer.print(args.format, difference_table)?;
    covered.map(|()| Exit::Success)
}

/// Returns the accounts with a complete run by both times, and the others.
fn by_evidence(rests_on: &[Vec<Basis>; 2]) -> (Vec<AccountId>, Vec<AccountId>) {
    let [first, second] = rests_on.each_ref().map(|bases| {
        let complete = bases.iter().filter(|basis| basis.is_evidence());
        complete
            .map(|basis| &basis.account)
            .collect::<BTreeSet<_>>()
    });
    let all: BTreeSet<&AccountId> = rests_on.iter().flatten().map(|b| &b.account).collect();
    all.into_iter()
        .cloned()
        .partition(|account| first.contains(account) && second.contains(account))
}

fn not_compared_note(accounts: &[AccountId]) -> Option<String> {
    let names: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
    (!names.is_empty()).then(|| {
        format!(
            "not compared, without a complete run by both times: account {}",
            names.join(", ")
        )
    })
}

fn difference_table(found: &[Difference]) -> TextTable {
    let mut table = TextTable::new([
        ("DIFFERENCE", Cut::Never),
        ("NAME", Cut::End),
        ("WHAT", Cut::Middle),
        ("ACCOUNT", Cut::Never),
        ("ARN", Cut::Middle),
    ])
    .may_drop(["ACCOUNT"]);
    for difference in found {
        let attributes = difference.after.as_ref().or(difference.before.as_ref());
        let steps = difference.changes.iter().flat_map(|recorded| {
            let change = &recorded.change;
            let step = format!(
                "{}: {} {}, run {}",
                format_window(change),
                change.kind,
                describe_change(change),
                run_number(recorded)
            );
            std::iter::once(step).chain(describe_details(recorded))
        });
        let cells = [
            difference.kind.as_str().to_owned().into(),
            or_dash(attributes.and_then(|a| a.connection_name.as_deref())).into(),
            net(difference).into(),
            difference.account.to_string().into(),
            difference.connection_arn.to_string().into(),
        ];
        table.add(cells, steps.collect());
    }
    table
}

fn net(difference: &Difference) -> String {
    match (difference.kind, &difference.before, &difference.after) {
        (DifferenceKind::Changed, Some(before), Some(after)) => {
            describe_differences(before, after).join(", ")
        }
        (DifferenceKind::Removed, Some(before), _) => format!("was {}", before.status_word()),
        (_, _, Some(after)) => after.status_word().to_owned(),
        _ => "absent".to_owned(),
    }
}

impl Row for Difference {
    fn header() -> Vec<&'static str> {
        let mut header = vec!["difference", "account", "connection_arn"];
        header.extend(attribute_header());
        header.push("changes");
        header.extend(later_header());
        header
    }

    fn csv(&self) -> Vec<String> {
        let mut fields = vec![
            self.kind.as_str().to_owned(),
            self.account.to_string(),
            self.connection_arn.to_string(),
        ];
        let (before, after) = (self.before.as_ref(), self.after.as_ref());
        fields.extend(attribute_fields(before, after));
        fields.push(self.changes.len().to_string());
        fields.extend(later_fields(before, after));
        fields
    }
}
