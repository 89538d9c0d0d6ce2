//! `evaluate`: evaluates rules and records the findings.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::aws::RetryPolicy;
use crate::cli::args::StoreArgs;
use crate::cli::args::rules::read_file;
use crate::cli::error::{CliError, Exit};
use crate::cli::evidence;
use crate::cli::render::{print, print_json};
use crate::cli::store::Store;
use crate::compliance::rule_file;
use crate::domain::{AccountId, Finding, Outcome, SystemClock, TombstoneGuard};
use crate::findings::{Evaluator, RuleSource, RuleText};
use crate::inventory::{Inventory, RunOptions};
use crate::lambda::handler::{AllowedAccounts, Handler, HandlerError};
use crate::listing::Limits;
use crate::output::text::summary;

/// How long an evaluation may take.
const TIME: Duration = Duration::from_mins(15);

/// Table requests at the same time.
const CONCURRENCY: usize = 8;

/// Evaluate compliance rules and record the findings
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Records which findings opened and closed since the last evaluation, with the SHA-256 \
of the rule file. A rule that can't be evaluated closes none of its findings. \
`ccinv findings` lists what is recorded; `ccinv check` evaluates without recording.

Examples:
  ccinv evaluate --rules rules.toml
  ccinv evaluate --rules rules.toml --account 123456789012

Exit codes: 0 evaluation COMPLETE, 4 PARTIAL (insufficient data), 1 FAILED.")]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Read rules from this TOML file
    #[arg(long, value_name = "FILE")]
    rules: PathBuf,
    /// Filter by account ID
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: EvaluateArgs) -> Result<Exit, CliError> {
    let shown = args.rules.display().to_string();
    let text = read_file(&args.rules)?;
    // Checked before anything is recorded: an invalid file is wrong usage.
    rule_file::of_text(&shown, &text).map_err(CliError::Usage)?;
    let store = Store::open(&args.store).await?;
    let audit = store.audit();
    let bases = evidence::current(&audit, args.account.as_ref()).await?;
    let handler: Handler<_, _, Finding> = Handler {
        inventory: Inventory {
            source: Evaluator {
                audit,
                rules: RuleSource::Text(RuleText {
                    source: shown.into(),
                    version: None,
                    text,
                }),
                security_hub: None,
            },
            table: store.table().of_kind(),
            clock: SystemClock,
            options: RunOptions {
                // Findings close by the dozen when their cause is solved.
                guard: TombstoneGuard::Off,
                concurrency: CONCURRENCY,
                retry_policy: RetryPolicy::default(),
                limits: Limits::default(),
            },
        },
        accounts: AllowedAccounts::Listed(bases.into_iter().map(|it| it.account).collect()),
        regions: Vec::new(),
        retired_regions: Vec::new(),
        random: || fastrand::u128(..),
    };
    let response = match handler.handle(&json!({}), TIME).await {
        Ok(response) | Err(HandlerError::RunFailed(response)) => response,
        Err(error) => return Err(CliError::failure(error)),
    };
    if args.json {
        print_json(&response)?;
    } else {
        for run in response.runs() {
            print(&summary(run))?;
        }
    }
    let any = |outcome| response.runs().iter().any(|run| run.outcome == outcome);
    Ok(if any(Outcome::Failed) {
        Exit::Failure
    } else if any(Outcome::Partial) {
        Exit::NoEvidence
    } else {
        Exit::Success
    })
}
