//! `check`: evaluates compliance rules.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::cli::args::rules::RuleFlags;
use crate::cli::args::{StoreArgs, parse_when};
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::check::CheckFormatArgs;
use crate::cli::render::{TableArgs, check, print};
use crate::cli::store::Store;
use crate::compliance::check::{CheckReport, Verdict};
use crate::compliance::evidence::Moment;
use crate::domain::{AccountId, Clock, SystemClock, Timestamp};

/// A commented rule file with every kind of rule.
const SAMPLE: &str = include_str!("../../../docs/rules.sample.toml");

/// Evaluate compliance rules
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Rules come from --rules, from the options under Rules, or from both. The default \
rules are: --pending-longer-than 7d --in-error --not-seen-for 48h --max-run-age 26h \
--no-unknown-values.

A rule that can't be evaluated never passes: it is INSUFFICIENT_DATA, with the \
reason. A rule with findings is FAIL, and lists what could not be evaluated.

Examples:
  ccinv check
  ccinv check --pending-longer-than 7d --allow-provider GitHub,GitLab
  ccinv check --rules rules.toml --format junit > check.xml
  ccinv check --rules rules.toml --as-of 2026-10-31 --json
  ccinv check --print-sample-rules > rules.toml

Exit codes: 0 compliant, 3 findings, 4 no findings, but insufficient data.")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Evaluate the state at this time: a date, a time, or an age (30d, 12h, 45m)
    ///
    /// Uses what had been observed by then.
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    as_of: Option<Timestamp>,
    /// Read rules from this TOML file
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    #[command(flatten)]
    format: CheckFormatArgs,
    #[command(flatten)]
    table: TableArgs,
    /// Print a sample rule file with every kind of rule, and exit
    #[arg(long, exclusive = true)]
    print_sample_rules: bool,
    #[command(flatten)]
    flags: RuleFlags,
}

pub(crate) async fn run(args: CheckArgs) -> Result<Exit, CliError> {
    if args.print_sample_rules {
        print(SAMPLE)?;
        return Ok(Exit::Success);
    }
    if let Some(at) = args.as_of {
        evidence::require_past("--as-of", at)?;
    }
    let rules = args.flags.with_file(args.rules.as_deref())?;
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let moment = match args.as_of {
        Some(at) => Moment::AsOf(at),
        None => Moment::Now(SystemClock.now()),
    };
    let check_report = audit.check(&rules, args.account.as_ref(), moment).await;
    let check_report = check_report.map_err(CliError::failure)?;
    // An account that a rule names is evaluated even without records.
    let names_accounts = rules.iter().any(|rule| rule.scope.accounts.is_some());
    if !names_accounts && !has_unreadable_basis(&check_report) {
        evidence::require_runs(
            &audit,
            &check_report.rests_on,
            args.account.as_ref(),
            args.as_of,
        )
        .await?;
    }
    args.flags.asked(&rules).refuse_unknown(&audit).await?;
    check::print(
        &check_report,
        args.format.get(),
        args.as_of,
        args.table.width(),
    )?;
    Ok(exit(&check_report))
}

/// Returns true if the runs of an account can't be read, which is not the same
/// as an account without runs.
fn has_unreadable_basis(check_report: &CheckReport) -> bool {
    let read: BTreeSet<&AccountId> = check_report.rests_on.iter().map(|b| &b.account).collect();
    let mut results = check_report.rules.iter().flat_map(|rule| &rule.accounts);
    results.any(|result| !read.contains(&result.account))
}

/// Returns the exit code: findings outweigh insufficient data.
fn exit(check_report: &CheckReport) -> Exit {
    let any = |verdict| {
        check_report
            .rules
            .iter()
            .any(|rule| rule.verdict == verdict)
    };
    if any(Verdict::Fail) {
        Exit::Findings
    } else if any(Verdict::InsufficientData) {
        Exit::NoEvidence
    } else {
        Exit::Success
    }
}
