//! `scan`: one run of the handler with the caller's credentials.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sts::config::Region as SdkRegion;
use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::next_steps::{next_steps, shell_word};
use crate::aws::error::CallError;
use crate::aws::observer::Observer;
use crate::aws::{Meter, RetryPolicy};
use crate::cli::args::{RegionList, StoreArgs};
use crate::cli::aws;
use crate::cli::error::{CliError, Exit, say};
use crate::cli::render::{print, print_json};
use crate::cli::run_progress::{Messages, interrupts, with_progress};
use crate::cli::store::Store;
use crate::domain::{
    AccountId, Dependency, Outcome, Region, SystemClock, TombstoneGuard, duration,
};
use crate::inventory::summary::Summary;
use crate::inventory::{Inventory, RunOptions};
use crate::lambda::config::{check_retired, parse_concurrency, parse_guard};
use crate::lambda::event::Request;
use crate::lambda::handler::{AllowedAccounts, Handler, HandlerError};
use crate::lambda::response::Response;
use crate::listing::{CodeConnections, Limits};
use crate::local::embedded::Open;
use crate::output::text::summary;

/// Inventory your account now, with your AWS credentials
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  ccinv scan                                      record in a local file
  ccinv scan --regions us-east-1,eu-south-1
  ccinv scan --table codeconnections-inventory    record in a deployed table
  ccinv scan --profile prod --region eu-west-1
  ccinv scan --dependencies                       also what uses connections
  ccinv scan --json | jq .changes

Ctrl-C stops listing and writing, and records what was observed so far. A second \
Ctrl-C exits at once, and the run is not recorded.

Exit codes: 0 run COMPLETE, 4 run PARTIAL, 1 run FAILED, 2 wrong usage, \
130 interrupted by Ctrl-C.")]
pub(crate) struct ScanArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// List connections in these regions, comma-separated [default: your region]
    ///
    /// Listing any default region returns the connections of all of them. An
    /// opt-in region returns only its own: name each one.
    #[arg(long, value_name = "REGIONS", value_parser = RegionList::parse)]
    pub(crate) regions: Option<RegionList>,
    /// Mark these regions as no longer inventoried, comma-separated
    ///
    /// Connections that only these regions listed keep their last recorded
    /// state. The run does not report them as not confirmed.
    #[arg(long, value_name = "REGIONS", value_parser = RegionList::parse)]
    pub(crate) retired_regions: Option<RegionList>,
    /// Set the account of your credentials [default: ask AWS STS]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<AccountId>,
    /// Filter by provider type; the run then records no deletions
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    /// Filter by host ARN; the run then records no deletions
    #[arg(long, value_name = "ARN")]
    pub(crate) host_arn: Option<String>,
    /// Record deletions even beyond --tombstone-guard
    #[arg(long)]
    pub(crate) accept_deletions: bool,
    /// Hold back deletions above this share of the account: 0.5, 50% or off
    #[arg(long, value_name = "SHARE", default_value = "0.5", value_parser = parse_guard)]
    pub(crate) tombstone_guard: TombstoneGuard,
    /// Send at most this many table requests at a time
    #[arg(long, value_name = "NUMBER", default_value = "8", value_parser = parse_concurrency)]
    pub(crate) max_concurrency: usize,
    /// Limit the run's duration: 30s, 2m, at most 15m
    ///
    /// Failed calls are retried until then; each retry is reported on standard
    /// error. Listing may use 60% of it.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_timeout)]
    pub(crate) timeout: Duration,
    /// List what uses connections, too, and their tags and shares
    ///
    /// Asks these in the same regions, and needs their permissions:
    /// codebuild:ListProjects, BatchGetProjects and ListSourceCredentials;
    /// codeconnections:ListHosts, ListRepositoryLinks and ListSyncConfigurations;
    /// codeguru-reviewer:ListRepositoryAssociations; codepipeline:ListPipelines
    /// and GetPipeline; datazone:ListDomains and ListConnections;
    /// inspector2:ListCodeSecurityIntegrations, GetCodeSecurityIntegration and
    /// BatchGetAccountStatus; omics:ListWorkflows and GetWorkflow;
    /// proton:ListRepositories; ram:ListResources and ListPrincipals;
    /// servicecatalog:SearchProductsAsAdmin; tag:GetResources (without it,
    /// codeconnections:ListConnections and ListTagsForResource). A service is not
    /// asked in a region where it does not exist. A connection can be used from
    /// every region: name those that you use.
    #[arg(long)]
    pub(crate) dependencies: bool,
    /// Print the run summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Parses the limit of a run: at most that of a Lambda function.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    let seconds = text
        .strip_suffix('s')
        .and_then(|number| number.parse().ok());
    let millis = duration::parse_millis(text).and_then(|millis| u64::try_from(millis).ok());
    let duration = seconds
        .map(Duration::from_secs)
        .or(millis.map(Duration::from_millis));
    duration
        .filter(|time| (Duration::from_secs(1)..=Duration::from_secs(900)).contains(time))
        .ok_or_else(|| format!("{text:?} is not a duration from 1s to 15m"))
}

pub(crate) async fn run(args: ScanArgs) -> Result<Exit, CliError> {
    let event = event(&args);
    // Checked before any call: an invalid value is wrong usage.
    Request::from_event(&event).map_err(|invalid| {
        CliError::Usage(format!("{}: {}", flag(&invalid.field), invalid.problem))
    })?;
    let config = aws::config(&args.store.aws).await?;
    let regions = regions(&args, &config)?;
    let retired_regions = args
        .retired_regions
        .as_ref()
        .map_or(&[][..], |list| &list.0);
    check_retired(retired_regions, &regions)
        .map_err(|problem| CliError::Usage(format!("--retired-regions: {problem}")))?;
    let retired_regions = retired_regions.to_vec();
    Store::check_region(&args.store, &config)?;
    let credentials = aws::credentials(&config).await?;
    let account = match &args.account {
        Some(account) => account.clone(),
        None => own_account(&config, &credentials, &regions, args.timeout).await?,
    };
    let store = Store::open_with(&args.store, Open::OrCreate, &config).await?;
    let handler = Handler {
        inventory: Inventory {
            source: CodeConnections::new(config, Some(account.clone()), None),
            table: store.table().clone(),
            clock: SystemClock,
            options: RunOptions {
                guard: args.tombstone_guard,
                concurrency: args.max_concurrency,
                retry_policy: RetryPolicy::default(),
                limits: Limits::default(),
            },
        },
        accounts: AllowedAccounts::Listed(vec![account.clone()]),
        regions,
        retired_regions,
        random: || fastrand::u128(..),
    };
    let messages = Arc::new(Messages::default());
    let meter = Arc::new(Meter::watched(Arc::clone(&messages) as Arc<dyn Observer>));
    let runs = async {
        let handled = handler.handle_metered(&event, args.timeout, Arc::clone(&meter));
        let response = match handled.await {
            Ok(response) | Err(HandlerError::RunFailed(response)) => response,
            Err(error) => return Err(CliError::failure(error)),
        };
        let dependencies = match args.dependencies {
            true => Some(list_dependencies(&handler, &account, &args, &meter).await),
            false => None,
        };
        Ok((response, dependencies))
    };
    let interrupted = interrupts(&meter, &messages);
    let recorded = tokio::select! {
        recorded = with_progress(runs, &meter, &messages) => recorded,
        () = interrupted => {
            say("interrupted by Ctrl-C; the run is not recorded");
            return Ok(Exit::Interrupted);
        }
    };
    let (response, dependencies) = recorded?;
    store.settle()?;
    let exit = print_response(&response, dependencies.as_ref(), &args)?;
    Ok(match exit {
        Exit::NoEvidence | Exit::Failure if meter.is_interrupted() => Exit::Interrupted,
        exit => exit,
    })
}

/// Makes a run of dependencies, after the run of connections. The filters of
/// connections do not apply.
async fn list_dependencies(
    handler: &Handler<CodeConnections, SystemClock>,
    account: &AccountId,
    args: &ScanArgs,
    meter: &Arc<Meter>,
) -> Summary<Dependency> {
    // The meter has counted the run of connections, too.
    let (requests, capacity) = (meter.requests(), meter.capacity());
    let (account, meter) = (account.clone(), Arc::clone(meter));
    let run = handler.run_of_dependencies(account, args.accept_deletions, args.timeout, meter);
    let summary = run.await;
    Summary {
        requests: summary.requests - requests,
        capacity: summary.capacity - capacity,
        ..summary
    }
}

/// Prints what came of the runs, and what to ask next.
fn print_response(
    response: &Response,
    dependencies: Option<&Summary<Dependency>>,
    args: &ScanArgs,
) -> Result<Exit, CliError> {
    match (args.json, dependencies) {
        (true, None) => print_json(response)?,
        (true, Some(dependencies)) => {
            print_json(&json!({"connections": response, "dependencies": dependencies}))?;
        }
        (false, _) => {
            for run in response.runs() {
                print(&summary(run))?;
            }
            if let Some(dependencies) = dependencies {
                print(&summary(dependencies))?;
            }
            print(&next_questions(response, &args.store))?;
        }
    }
    let outcomes = response.runs().iter().map(|run| run.outcome);
    let outcomes = outcomes.chain(dependencies.map(|run| run.outcome));
    let mut exit = Exit::Success;
    for outcome in outcomes {
        match outcome {
            Outcome::Complete => {}
            Outcome::Partial if exit == Exit::Failure => {}
            Outcome::Partial => exit = Exit::NoEvidence,
            Outcome::Failed => exit = Exit::Failure,
        }
    }
    Ok(exit)
}

/// Proposes commands on the same inventory. A failed run may have recorded
/// nothing: then there are none.
fn next_questions(response: &Response, store: &StoreArgs) -> String {
    let recorded = |run: &&Summary| run.outcome != Outcome::Failed;
    let Some(run) = response.runs().iter().rfind(recorded) else {
        return String::new();
    };
    let given = store.given().into_iter();
    let given: String = given
        .map(|(option, value)| format!(" {option} {}", shell_word(&value)))
        .collect();
    let list = format!("ccinv list{given}");
    let changes = format!("ccinv changes --since 1h{given}");
    let check = format!("ccinv check{given}");
    if run.changes.is_empty() {
        next_steps(&[(&list, "the connections"), (&check, "evaluate rules")])
    } else {
        next_steps(&[(&list, "the connections"), (&changes, "what changed")])
    }
}

fn event(args: &ScanArgs) -> Value {
    let mut event = json!({"accept_deletions": args.accept_deletions});
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            event[field] = value;
        }
    };
    put("regions", args.regions.as_ref().map(|list| json!(list.0)));
    put(
        "ProviderTypeFilter",
        args.provider.as_ref().map(|p| json!(p)),
    );
    put("HostArnFilter", args.host_arn.as_ref().map(|h| json!(h)));
    event
}

/// Returns the option that set a field of the event.
fn flag(field: &str) -> &str {
    match field {
        "ProviderTypeFilter" => "--provider",
        "HostArnFilter" => "--host-arn",
        other => other,
    }
}

fn regions(args: &ScanArgs, config: &SdkConfig) -> Result<Vec<Region>, CliError> {
    if let Some(list) = &args.regions {
        return Ok(list.0.clone());
    }
    aws::region(config)?
        .map(|region| vec![region])
        .ok_or_else(|| {
            CliError::Usage(
                "no AWS region is set; use --regions or --region, or set AWS_REGION".to_owned(),
            )
        })
}

/// Returns the account of the credentials: as configured (`AWS_ACCOUNT_ID`, or
/// the profile), otherwise from STS in the region of the connections.
async fn own_account(
    config: &SdkConfig,
    credentials: &Credentials,
    regions: &[Region],
    time: Duration,
) -> Result<AccountId, CliError> {
    if let Some(account) = credentials.account_id() {
        return parse_account(account.as_str());
    }
    let mut sts = aws_sdk_sts::config::Builder::from(config);
    if let (None, Some(region)) = (config.region(), regions.first()) {
        sts.set_region(Some(SdkRegion::new(region.to_string())));
    }
    let sts = aws_sdk_sts::Client::from_conf(sts.build());
    let problem = match tokio::time::timeout(time, sts.get_caller_identity().send()).await {
        Ok(Ok(identity)) => return parse_account(&identity.account.unwrap_or_default()),
        Ok(Err(error)) => CallError::from(&error).to_string(),
        Err(_) => "no response from STS within --timeout".to_owned(),
    };
    Err(CliError::Usage(format!(
        "can't determine the account of your credentials ({problem}); set it with --account"
    )))
}

fn parse_account(text: &str) -> Result<AccountId, CliError> {
    text.parse().map_err(|malformed| {
        CliError::Usage(format!("the account of your credentials: {malformed}"))
    })
}
