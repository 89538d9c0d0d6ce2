//! `scan`: one run of the handler, now, with the caller's credentials.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sts::config::Region as SdkRegion;
use serde_json::{Value, json};

use super::args::ScanArgs;
use super::output::{print, print_json};
use super::store::Store;
use super::words::summary;
use super::{CliError, Exit, aws, progress, say};
use crate::aws::fault::Fault;
use crate::aws::{Meter, Patience};
use crate::collect::{CodeConnections, Limits};
use crate::config::check_retired;
use crate::domain::{AccountId, Outcome, Region, SystemClock};
use crate::event::Request;
use crate::handler::{Accounts, Handler, HandlerError};
use crate::inventory::{Inventory, Policy};
use crate::local::embedded::Open;
use crate::summary::Answer;

/// As long as Lambda would let it run.
const REMAINING: Duration = Duration::from_secs(900);

pub(super) async fn run(args: ScanArgs) -> Result<Exit, CliError> {
    let event = event(&args);
    // Before anything is asked or made: what is wrong here is wrong usage.
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
        None => own_account(&config, &credentials, &regions).await?,
    };
    let store = Store::open_with(&args.store, Open::OrCreate, &config).await?;
    let handler = Handler {
        inventory: Inventory {
            source: CodeConnections::new(config, Some(account.clone()), None),
            table: store.table().clone(),
            clock: SystemClock,
            policy: Policy {
                guard: args.tombstone_guard,
                concurrency: args.max_concurrency,
                patience: Patience::default(),
                limits: Limits::default(),
            },
        },
        accounts: Accounts::Listed(vec![account]),
        regions,
        retired_regions,
        random: || fastrand::u128(..),
    };
    let meter = Arc::new(Meter::default());
    let handled = handler.handle_metered(&event, REMAINING, Arc::clone(&meter));
    let answer = match with_progress(handled, &meter).await {
        Ok(answer) | Err(HandlerError::RunFailed(answer)) => answer,
        Err(error) => return Err(CliError::failure(error)),
    };
    tell(&answer, args.json)
}

fn tell(answer: &Answer, json: bool) -> Result<Exit, CliError> {
    if json {
        print_json(answer)?;
    }
    let mut exit = Exit::Fine;
    for run in answer.runs() {
        if !json {
            print(&summary(run))?;
        }
        match run.outcome {
            Outcome::Complete => {}
            Outcome::Partial if exit == Exit::Failure => {}
            Outcome::Partial => exit = Exit::NoEvidence,
            Outcome::Failed => exit = Exit::Failure,
        }
    }
    Ok(exit)
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

/// The flag that an event's field came from.
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
                "no AWS region is set; name some with --regions, or set AWS_REGION".to_owned(),
            )
        })
}

/// The account that the credentials belong to: they may say so themselves
/// (`AWS_ACCOUNT_ID`, or a profile); otherwise AWS is asked, where the
/// connections are.
async fn own_account(
    config: &SdkConfig,
    credentials: &Credentials,
    regions: &[Region],
) -> Result<AccountId, CliError> {
    let told = match credentials.account_id() {
        Some(account) => account.as_str().to_owned(),
        None => {
            let mut sts = aws_sdk_sts::config::Builder::from(config);
            if let (None, Some(region)) = (config.region(), regions.first()) {
                sts.set_region(Some(SdkRegion::new(region.to_string())));
            }
            let sts = aws_sdk_sts::Client::from_conf(sts.build());
            let identity = sts.get_caller_identity().send().await.map_err(|error| {
                let fault = Fault::from(&error);
                CliError::Usage(format!(
                    "the account of your credentials could not be told ({fault}); \
                     name it with --account"
                ))
            })?;
            identity.account.unwrap_or_default()
        }
    };
    told.parse().map_err(|malformed| {
        CliError::Usage(format!("the account of your credentials: {malformed}"))
    })
}

/// Shows how far the run has come: a spinner on a terminal, else nothing but
/// that it began.
async fn with_progress<T>(run: impl Future<Output = T>, meter: &Meter) -> T {
    if !io::stderr().is_terminal() {
        say("listing connections");
        let done = run.await;
        say(&told(meter));
        return done;
    }
    progress::shown(run, || told(meter)).await
}

fn told(meter: &Meter) -> String {
    let progress = meter.progress();
    format!(
        "{} pages listed with {} connections, {} written",
        progress.pages, progress.listed, progress.written
    )
}
