//! The Lambda function of findings: wiring only. It evaluates rules after each run,
//! and publishes findings that open and close.
//!
//! The table's stream invokes it: so it works after each run, whatever started that,
//! and in every region, while the functions that list stay as they are.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};
use tokio::time::timeout_at;

use super::config::{Reader, Settings, parse_region};
use super::event::Request;
use super::handler::{AllowedAccounts, Handler, HandlerError, has_failed};
use super::kind::HandledKind;
use super::logging;
use super::response::Response;
use super::start;
use super::stream_batch::StreamBatch;
use crate::audit::Audit;
use crate::aws::json_client::{JsonClient, Operation, Service};
use crate::aws::s3::{Bucket, split_uri};
use crate::aws::setting::InvalidSettings;
use crate::aws::{Deadline, Meter, RetryPolicy, clients};
use crate::domain::arn::Arn;
use crate::domain::{AccountId, Clock, Finding, Region, SystemClock, TombstoneGuard, Trigger};
use crate::findings::{Evaluator, RuleSource, SecurityHub};
use crate::inventory::{Inventory, RunOptions};
use crate::listing::Limits;
use crate::table::Table;

const PUT_EVENTS: Operation =
    Service::new("EventBridge", "events").aws_json("AWSEvents", "1.1", "PutEvents");

/// The most events in one request.
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>
const EVENTS_AT_ONCE: usize = 10;

/// The source of the events, as of the others on the bus.
const SOURCE: &str = "codeconnections-inventory";
/// The detail-type of the events.
const DETAIL_TYPE: &str = "CodeConnections Finding Changed";

/// How long a throttled read is retried.
const THROTTLED_FOR: Duration = Duration::from_mins(1);

/// The settings that only this function has.
struct OwnSettings {
    rules: RulesAt,
    /// The region of the function.
    region: Region,
    security_hub: bool,
    /// The bus on which findings are published.
    event_bus: Option<Box<str>>,
}

/// Where the rule file is.
enum RulesAt {
    /// The name or ARN of a parameter.
    Parameter(Box<str>),
    Object {
        bucket: Box<str>,
        key: Box<str>,
    },
}

/// Parses `s3://BUCKET/KEY`.
fn parse_object(text: &str) -> Result<RulesAt, String> {
    match split_uri(text) {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok(RulesAt::Object {
            bucket: bucket.into(),
            key: key.into(),
        }),
        _ => Err(format!("{text:?} is not s3://BUCKET/KEY")),
    }
}

impl OwnSettings {
    fn read(environment: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSettings> {
        let mut reader = Reader::new(environment);
        let text = |text: &str| Ok(Box::from(text));
        let parameter = |name: &str| Ok(RulesAt::Parameter(name.into()));
        let object = reader.optional("RULES_OBJECT", parse_object);
        let rules = if object.is_some() {
            let both = |_: &str| Err::<(), _>("RULES_OBJECT is set, too".to_owned());
            reader.optional("RULES_PARAMETER", both);
            object
        } else {
            let hint = "name the parameter that holds the rule file, or its object in RULES_OBJECT";
            reader.required("RULES_PARAMETER", hint, parameter)
        };
        let region = reader.required("AWS_REGION", "give the region", parse_region);
        let security_hub = reader.optional("SECURITY_HUB", |text| match text {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(format!("{other:?} is neither on nor off")),
        });
        let event_bus = reader.optional("EVENT_BUS_NAME", text);
        let faults = reader.into_faults();
        match (rules, region) {
            (Some(rules), Some(region)) if faults.is_empty() => Ok(Self {
                rules,
                region,
                security_hub: security_hub.unwrap_or(false),
                event_bus,
            }),
            _ => Err(InvalidSettings(faults)),
        }
    }
}

/// Handles events until Lambda ends the process. `environment` returns the value of a
/// variable.
pub async fn run(environment: impl Fn(&str) -> Option<String>) -> ExitCode {
    logging::init_from(&environment);
    let own = OwnSettings::read(&environment);
    let settings = Settings::read(environment);
    let config = clients::load_in_lambda(Finding::ENDPOINTS).await;
    let settings = match (settings, own) {
        (Ok(settings), Ok(own)) => Ok((settings, own)),
        (settings, own) => {
            let faults = [settings.err(), own.err()].into_iter().flatten();
            Err(InvalidSettings(
                faults.flat_map(|faults| faults.0).collect(),
            ))
        }
    };
    let Some(((settings, own), config)) = start::ready(settings, config) else {
        return ExitCode::FAILURE;
    };
    let function = Function {
        settings,
        own,
        config,
    };
    start::ended(lambda_runtime::run(service_fn(|event| function.handle(event))).await)
}

struct Function {
    settings: Settings,
    own: OwnSettings,
    config: SdkConfig,
}

/// An event that was not handled. The stream delivers it again.
#[derive(Debug)]
enum EvaluationError {
    Handler(HandlerError<Finding>),
    /// Findings that were not published.
    Unpublished(String),
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler(error) => error.fmt(f),
            Self::Unpublished(problem) => write!(f, "findings not published: {problem}"),
        }
    }
}

impl EvaluationError {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Handler(error) => error.error_type(),
            Self::Unpublished(_) => "Unpublished",
        }
    }
}

impl From<EvaluationError> for Diagnostic {
    fn from(error: EvaluationError) -> Self {
        Self {
            error_type: error.error_type().to_owned(),
            error_message: error.to_string(),
        }
    }
}

impl Function {
    async fn handle(
        &self,
        event: LambdaEvent<Value>,
    ) -> Result<Response<Finding>, EvaluationError> {
        let answer = self.answer(event).await;
        match &answer {
            Ok(answer) | Err(EvaluationError::Handler(HandlerError::RunFailed(answer))) => {
                self.write_metrics(answer);
            }
            Err(error) => {
                tracing::error!(error_type = error.error_type(), error = %error, "event refused");
            }
        }
        answer
    }

    /// Writes a line for each evaluation, from which CloudWatch makes metrics.
    fn write_metrics(&self, answer: &Response<Finding>) {
        let Some(metrics) = &self.settings.metrics else {
            return;
        };
        let now = SystemClock.now();
        let lines = answer.runs().iter();
        for line in lines.filter_map(|run| metrics.line(run, &[], now)) {
            // Nothing is left to do where standard output is closed.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }

    async fn answer(
        &self,
        event: LambdaEvent<Value>,
    ) -> Result<Response<Finding>, EvaluationError> {
        let LambdaEvent { payload, context } = event;
        let function = &context.invoked_function_arn;
        let handler = self.handler(function).map_err(EvaluationError::Handler)?;
        let now = u64::try_from(SystemClock.now().millis()).unwrap_or(0);
        let remaining = Duration::from_millis(context.deadline.saturating_sub(now));
        let batch = StreamBatch::from_event(&payload)
            .map_err(|invalid| EvaluationError::Handler(invalid.into()))?;
        let Some(batch) = batch else {
            let handled = handler.handle(&payload, remaining).await;
            return handled.map_err(EvaluationError::Handler);
        };
        let deadline = Deadline::after(remaining);
        let publishing = timeout_at(deadline.listing, self.publish(&batch.findings));
        publishing.await.unwrap_or_else(|_| {
            Err(EvaluationError::Unpublished(
                "PutEvents: no time is left".to_owned(),
            ))
        })?;
        let mut runs = Vec::with_capacity(batch.runs.len());
        for (account, run_id) in batch.runs {
            let request = Request::of(Trigger::Run { run_id });
            let meter = std::sync::Arc::default();
            runs.push(handler.run(&request, account, deadline, meter).await);
        }
        let answer = Response::Several { runs };
        if answer.runs().iter().any(has_failed) {
            return Err(EvaluationError::Handler(HandlerError::RunFailed(answer)));
        }
        Ok(answer)
    }

    /// Publishes findings that opened or closed. After a failure all are published
    /// again: their digests tell which are the same.
    async fn publish(&self, findings: &[Value]) -> Result<(), EvaluationError> {
        let Some(bus) = &self.own.event_bus else {
            return Ok(());
        };
        let meter = Meter::default();
        let client = JsonClient {
            config: &self.config,
            meter: &meter,
        };
        for details in findings.chunks(EVENTS_AT_ONCE) {
            let entries: Vec<Value> = details
                .iter()
                .map(|detail| {
                    json!({
                        "EventBusName": bus,
                        "Source": SOURCE,
                        "DetailType": DETAIL_TYPE,
                        "Detail": detail.to_string(),
                    })
                })
                .collect();
            let input = json!({"Entries": entries});
            let answer = client
                .call_retrying_throttles(PUT_EVENTS, &self.own.region, &input)
                .await;
            let answer = answer
                .map_err(|error| EvaluationError::Unpublished(format!("PutEvents: {error}")))?;
            if answer["FailedEntryCount"].as_u64() != Some(0) {
                let problem = format!("PutEvents: {}", answer["Entries"]);
                return Err(EvaluationError::Unpublished(problem));
            }
        }
        Ok(())
    }

    fn rules(&self) -> RuleSource {
        let config = Box::new(self.config.clone());
        let region = self.own.region.clone();
        match &self.own.rules {
            RulesAt::Parameter(name) => RuleSource::Parameter {
                config,
                region,
                name: name.clone(),
            },
            RulesAt::Object { bucket, key } => RuleSource::Object {
                bucket: Bucket {
                    config,
                    region,
                    name: bucket.clone(),
                },
                key: key.clone(),
            },
        }
    }

    fn handler(
        &self,
        function_arn: &str,
    ) -> Result<Handler<Evaluator, SystemClock, Finding>, HandlerError<Finding>> {
        let settings = &self.settings;
        let own: Option<AccountId> = settings
            .own_account
            .clone()
            .or_else(|| Arn::parse(function_arn)?.account.parse().ok());
        let own = own.ok_or_else(|| HandlerError::UnknownAccount(function_arn.to_owned()))?;
        let table = Table::new(Client::new(&self.config), settings.table_name.clone());
        let hub = SecurityHub {
            config: self.config.clone(),
            region: self.own.region.clone(),
            account: own.clone(),
        };
        Ok(Handler {
            inventory: Inventory {
                source: Evaluator {
                    audit: Audit::new(table.clone().retries_throttled(THROTTLED_FOR)),
                    rules: self.rules(),
                    security_hub: self.own.security_hub.then_some(hub),
                },
                table: table.of_kind(),
                clock: SystemClock,
                options: RunOptions {
                    // Findings close by the dozen when their cause is solved.
                    guard: TombstoneGuard::Off,
                    concurrency: settings.max_concurrency,
                    retry_policy: RetryPolicy::default(),
                    limits: settings.memory.map_or_else(Limits::default, Limits::within),
                },
            },
            // It evaluates what is recorded, and enters no account.
            accounts: AllowedAccounts::Any { own },
            regions: settings.regions.clone(),
            retired_regions: Vec::new(),
            random: || fastrand::u128(..),
        })
    }
}
