//! The Lambda function of checkpoints: wiring only. Each event makes one.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::{Value, json};

use super::config::{Reader, check_namespace, parse_region};
use super::logging::{self, parse_level};
use super::metrics::Metrics;
use super::start;
use crate::aws::clients;
use crate::aws::endpoints::OF_CHECKPOINTS;
use crate::aws::error::chain;
use crate::aws::s3::Bucket;
use crate::aws::setting::InvalidSettings;
use crate::checkpoint::make::Made;
use crate::checkpoint::{CheckpointError, Signer, Store, copy, make};
use crate::domain::{Clock, Region, SystemClock, Timestamp};
use crate::table::{Table, TableName};

/// How long a throttled read is retried.
const THROTTLED_FOR: Duration = Duration::from_mins(5);

/// The settings of the function.
struct Settings {
    table: TableName,
    region: Region,
    bucket: Box<str>,
    /// The bucket that is given a copy of each, and its region.
    copy: Option<(Box<str>, Region)>,
    /// The ARN of the key that signs.
    key: Box<str>,
    metrics: Option<Metrics>,
}

impl Settings {
    fn read(environment: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSettings> {
        let mut reader = Reader::new(environment);
        let text = |text: &str| Ok(Box::from(text));
        let table = "give the name of the inventory's table";
        let table = reader.required("TABLE_NAME", table, TableName::from_str);
        let own_region = reader.required("AWS_REGION", "give the region", parse_region);
        let bucket = "give the bucket of the checkpoints";
        let bucket = reader.required("CHECKPOINT_BUCKET", bucket, text);
        let key = "give the key that signs";
        let key = reader.required("CHECKPOINT_KEY", key, text);
        let copy = reader.optional("CHECKPOINT_COPY_BUCKET", text);
        let copy_region = reader.optional("CHECKPOINT_COPY_REGION", parse_region);
        reader.optional("LOG_LEVEL", |level| parse_level(Some(level)));
        let namespace = reader.optional("METRICS_NAMESPACE", check_namespace);
        let function = reader.text("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
        let faults = reader.into_faults();
        match (table, own_region, bucket, key) {
            (Some(table), Some(region), Some(bucket), Some(key)) if faults.is_empty() => Ok(Self {
                copy: copy.map(|name| (name, copy_region.unwrap_or_else(|| region.clone()))),
                table,
                region,
                bucket,
                key,
                metrics: namespace.map(|namespace| Metrics {
                    namespace,
                    function: function.into(),
                }),
            }),
            _ => Err(InvalidSettings(faults)),
        }
    }
}

/// Handles events until Lambda ends the process. `environment` returns the value of a
/// variable.
pub async fn run(environment: impl Fn(&str) -> Option<String>) -> ExitCode {
    logging::init_from(&environment);
    let settings = Settings::read(environment);
    let config = clients::load_in_lambda(&OF_CHECKPOINTS).await;
    let Some((settings, config)) = start::ready(settings, config) else {
        return ExitCode::FAILURE;
    };
    let function = Function { settings, config };
    // Each event means that a checkpoint is due.
    let handle = service_fn(|_: LambdaEvent<Value>| function.handle());
    start::ended(lambda_runtime::run(handle).await)
}

struct Function {
    settings: Settings,
    config: SdkConfig,
}

/// What the function answers.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    made: Made,
    /// The checkpoints that the other bucket lacked, and has now.
    copied: u64,
}

/// Why the function failed.
#[derive(Debug)]
struct Failure {
    error_type: &'static str,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self {
            error_type: failure.error_type.to_owned(),
            error_message: failure.message,
        }
    }
}

impl Failure {
    fn new(error_type: &'static str, error: &CheckpointError) -> Self {
        let message = chain(error);
        tracing::error!(error_type, error = %message, "no checkpoint");
        Self {
            error_type,
            message,
        }
    }
}

impl Function {
    async fn handle(&self) -> Result<Answer, Failure> {
        let settings = &self.settings;
        let table = Table::new(Client::new(&self.config), settings.table.clone());
        let table = table.retries_throttled(THROTTLED_FOR);
        let signer = Signer::Kms {
            config: Box::new(self.config.clone()),
            region: settings.region.clone(),
            key: settings.key.clone(),
        };
        let store = self.store(&settings.bucket, &settings.region);
        let now = SystemClock.now();
        // Pinned: the compiler's limit on nested futures is near.
        let made = Box::pin(make::make(&table, &store, &signer, now)).await;
        let made = made.map_err(|error| Failure::new("CheckpointFailed", &error))?;
        for problem in &made.checkpoint.problems {
            tracing::error!(problem, "the table lacks what the checkpoint before states");
        }
        self.write_metrics(&made, now);
        tracing::info!(
            number = made.checkpoint.number,
            chains = made.checkpoint.chains,
            root_hash = %made.checkpoint.root_hash,
            stored = made.stored,
            "checkpoint made"
        );
        let copied = match &settings.copy {
            None => 0,
            Some((bucket, region)) => {
                let copied = copy::copy_missing(&store, &self.store(bucket, region)).await;
                copied.map_err(|error| Failure::new("CopyFailed", &error))?
            }
        };
        Ok(Answer { made, copied })
    }

    fn store(&self, name: &str, region: &Region) -> Store {
        Store::Bucket {
            bucket: Bucket {
                config: Box::new(self.config.clone()),
                region: region.clone(),
                name: name.into(),
            },
            prefix: String::new(),
        }
    }

    /// Writes the line from which CloudWatch makes metrics.
    fn write_metrics(&self, made: &Made, now: Timestamp) {
        let Some(metrics) = &self.settings.metrics else {
            return;
        };
        let problems = made.checkpoint.problems.len();
        let values = [("Checkpoints", 1), ("CheckpointProblems", problems as u64)];
        let line = metrics.envelope(now, &values.map(|(name, value)| (name, "Count", value)));
        // Nothing is left to do where standard output is closed.
        let _ = writeln!(std::io::stdout(), "{}", json!(line));
    }
}
