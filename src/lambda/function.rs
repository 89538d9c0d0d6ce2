//! A Lambda function: wiring only. One function inventories one kind of
//! resource.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::config::{AccountsSetting, Settings};
use super::handler::{AllowedAccounts, Handler, HandlerError};
use super::kind::HandledKind;
use super::logging;
use super::response::Response;
use super::start;
use crate::aws::{RetryPolicy, clients};
use crate::domain::arn::Arn;
use crate::domain::{AccountId, Clock, SystemClock};
use crate::inventory::{Inventory, RunOptions};
use crate::listing::{CodeConnections, Limits, Lists};
use crate::table::Table;

/// Handles events until Lambda ends the process. `environment` returns the value
/// of a variable.
pub async fn run<K: HandledKind>(environment: impl Fn(&str) -> Option<String>) -> ExitCode
where
    CodeConnections: Lists<K>,
{
    logging::init_from(&environment);
    let settings = Settings::read(environment);
    let config = clients::load_in_lambda(K::ENDPOINTS).await;
    let Some((settings, config)) = start::ready(settings, config) else {
        return ExitCode::FAILURE;
    };
    let table = Table::new(Client::new(&config), settings.table_name.clone());
    let function = Function {
        settings,
        config,
        table: table.of_kind(),
        handler: OnceCell::new(),
    };
    start::ended(lambda_runtime::run(service_fn(|event| function.handle(event))).await)
}

/// Returns the value of a variable of the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The state that is built before the first event, and kept between events.
struct Function<K: HandledKind> {
    settings: Settings,
    config: SdkConfig,
    table: Table<K>,
    /// Built with the first event, which names the account.
    handler: OnceCell<Handler<CodeConnections, SystemClock, K>>,
}

impl<K: HandledKind> Function<K>
where
    CodeConnections: Lists<K>,
{
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Response<K>, HandlerError<K>> {
        let answer = self.answer(event).await;
        match &answer {
            // What a run has to say, it has logged itself.
            Ok(answer) | Err(HandlerError::RunFailed(answer)) => self.write_metrics(answer),
            Err(error) => {
                tracing::error!(error_type = error.error_type(), error = %error, "event refused");
            }
        }
        answer
    }

    /// Writes a line for each run, from which CloudWatch makes metrics.
    fn write_metrics(&self, answer: &Response<K>) {
        let Some(metrics) = &self.settings.metrics else {
            return;
        };
        let now = SystemClock.now();
        for line in answer
            .runs()
            .iter()
            .filter_map(|run| metrics.line(run, &self.settings.regions, now))
        {
            // Nothing is left to do where standard output is closed.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }

    async fn answer(&self, event: LambdaEvent<Value>) -> Result<Response<K>, HandlerError<K>> {
        let LambdaEvent { payload, context } = event;
        let handler = self
            .handler
            .get_or_try_init(async || self.build(&context.invoked_function_arn))
            .await?;
        let now = u64::try_from(SystemClock.now().millis()).unwrap_or(0);
        let remaining = Duration::from_millis(context.deadline.saturating_sub(now));
        handler.handle(&payload, remaining).await
    }

    fn build(
        &self,
        function_arn: &str,
    ) -> Result<Handler<CodeConnections, SystemClock, K>, HandlerError<K>> {
        let settings = &self.settings;
        let own_account: Option<AccountId> = settings
            .own_account
            .clone()
            .or_else(|| Arn::parse(function_arn)?.account.parse().ok());
        let unknown = || HandlerError::UnknownAccount(function_arn.to_owned());
        let own = || own_account.clone().ok_or_else(unknown);
        let accounts = match &settings.accounts {
            AccountsSetting::Own => AllowedAccounts::Listed(vec![own()?]),
            AccountsSetting::Listed(accounts) => AllowedAccounts::Listed(accounts.clone()),
            AccountsSetting::Any => AllowedAccounts::Any { own: own()? },
        };
        // Listed with the function's own credentials, another account's record
        // would lie.
        let foreign = |account: &&AccountId| own_account.as_ref() != Some(*account);
        if let (None, AllowedAccounts::Listed(accounts)) = (&settings.member_role, &accounts)
            && let Some(account) = accounts.iter().find(foreign)
        {
            return Err(HandlerError::NoRoleFor {
                account: account.clone(),
                own: own_account.map_or_else(|| function_arn.to_owned(), |own| own.to_string()),
            });
        }
        let source = CodeConnections::new(
            self.config.clone(),
            own_account,
            settings.member_role.clone(),
        );
        Ok(Handler {
            inventory: Inventory {
                source,
                table: self.table.clone(),
                clock: SystemClock,
                options: RunOptions {
                    guard: settings.tombstone_guard,
                    concurrency: settings.max_concurrency,
                    retry_policy: RetryPolicy::default(),
                    limits: settings.memory.map_or_else(Limits::default, Limits::within),
                },
            },
            accounts,
            regions: settings.regions.clone(),
            retired_regions: settings.retired_regions.clone(),
            random: || fastrand::u128(..),
        })
    }
}
