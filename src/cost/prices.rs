//! The prices: a file, checked to the last key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is paid for, by its name in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the file says what they are")]
pub enum Item {
    LambdaRequests,
    LambdaGbSeconds,
    DynamodbWriteUnits,
    DynamodbReadUnits,
    DynamodbStorage,
    DynamodbPitr,
    DynamodbStreamReads,
    StepFunctionsTransitions,
    StepFunctionsExpressRequests,
    StepFunctionsExpressGbSeconds,
    EventbridgeEvents,
    EventbridgePipeRequests,
    SqsRequests,
    SnsEmails,
    LogsIngested,
    LogsStored,
    Metrics,
    Alarms,
    Dashboards,
    Traces,
}

impl Item {
    /// All of them, in the order of a bill.
    pub const ALL: [Self; 20] = [
        Self::DynamodbWriteUnits,
        Self::DynamodbReadUnits,
        Self::DynamodbStorage,
        Self::DynamodbPitr,
        Self::DynamodbStreamReads,
        Self::LambdaRequests,
        Self::LambdaGbSeconds,
        Self::StepFunctionsTransitions,
        Self::StepFunctionsExpressRequests,
        Self::StepFunctionsExpressGbSeconds,
        Self::EventbridgeEvents,
        Self::EventbridgePipeRequests,
        Self::SqsRequests,
        Self::SnsEmails,
        Self::LogsIngested,
        Self::LogsStored,
        Self::Metrics,
        Self::Alarms,
        Self::Dashboards,
        Self::Traces,
    ];

    /// The service, and what of it.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::LambdaRequests => ("Lambda", "runs"),
            Self::LambdaGbSeconds => ("Lambda", "time"),
            Self::DynamodbWriteUnits => ("DynamoDB", "writes"),
            Self::DynamodbReadUnits => ("DynamoDB", "reads"),
            Self::DynamodbStorage => ("DynamoDB", "storage"),
            Self::DynamodbPitr => ("DynamoDB", "point-in-time recovery"),
            Self::DynamodbStreamReads => ("DynamoDB", "stream, read by the pipes"),
            Self::StepFunctionsTransitions => ("Step Functions", "listing the accounts"),
            Self::StepFunctionsExpressRequests => ("Step Functions", "an account each"),
            Self::StepFunctionsExpressGbSeconds => ("Step Functions", "time of those"),
            Self::EventbridgeEvents => ("EventBridge", "events on the bus"),
            Self::EventbridgePipeRequests => ("EventBridge", "pipes"),
            Self::SqsRequests => ("SQS", "queue of calls"),
            Self::SnsEmails => ("SNS", "e-mails"),
            Self::LogsIngested => ("CloudWatch", "logs"),
            Self::LogsStored => ("CloudWatch", "logs, kept"),
            Self::Metrics => ("CloudWatch", "metrics"),
            Self::Alarms => ("CloudWatch", "alarms"),
            Self::Dashboards => ("CloudWatch", "dashboard"),
            Self::Traces => ("X-Ray", "traces"),
        }
    }
}

/// A price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// US dollars for [`Self::per`] units.
    pub usd: f64,
    /// Units that it is the price of.
    pub per: f64,
    /// Units that are free of charge each month.
    #[serde(default)]
    pub free: f64,
    /// What is counted.
    pub unit: String,
    /// Where AWS publishes it.
    pub page: String,
    /// Where it was read.
    pub found: String,
}

/// Every price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriceList {
    /// The region that they are those of.
    pub region: String,
    /// When they were read.
    pub read: String,
    /// By what they are for.
    #[serde(flatten)]
    pub prices: BTreeMap<Item, Price>,
}

/// The prices that come with it, as they stand in the file.
pub const PRICES: &str = include_str!("../../docs/prices.toml");

impl PriceList {
    /// Reads a price file.
    ///
    /// # Errors
    /// What is wrong with it, or missing in it, in a line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let list: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| {
                let before = text.as_bytes().iter().take(span.start);
                before.filter(|byte| **byte == b'\n').count() + 1
            });
            match line {
                Some(line) => format!("line {line}: {}", error.message()),
                None => error.message().to_owned(),
            }
        })?;
        for item in Item::ALL {
            let name = item.name();
            let Some(price) = list.prices.get(&item) else {
                return Err(format!("has no [{name}]"));
            };
            let amounts = [price.usd, price.per, price.free];
            if amounts.iter().any(|n| !n.is_finite() || *n < 0.0) || price.per == 0.0 {
                return Err(format!(
                    "[{name}]: usd and free must be 0 or more, and per more than 0"
                ));
            }
        }
        Ok(list)
    }
}

impl Item {
    fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            _ => String::new(),
        }
    }
}
