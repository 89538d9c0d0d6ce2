//! The price file. Unknown and missing keys are errors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A billed item, named as in the price file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the price file describes them")]
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
    /// All items, in the order of a bill.
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

    /// Returns the service and the part of it.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::LambdaRequests => ("Lambda", "requests"),
            Self::LambdaGbSeconds => ("Lambda", "duration"),
            Self::DynamodbWriteUnits => ("DynamoDB", "writes"),
            Self::DynamodbReadUnits => ("DynamoDB", "reads"),
            Self::DynamodbStorage => ("DynamoDB", "storage"),
            Self::DynamodbPitr => ("DynamoDB", "point-in-time recovery"),
            Self::DynamodbStreamReads => ("DynamoDB", "stream reads by the pipes"),
            Self::StepFunctionsTransitions => ("Step Functions", "state transitions"),
            Self::StepFunctionsExpressRequests => ("Step Functions", "Express requests"),
            Self::StepFunctionsExpressGbSeconds => ("Step Functions", "Express duration"),
            Self::EventbridgeEvents => ("EventBridge", "events on the bus"),
            Self::EventbridgePipeRequests => ("EventBridge", "pipes"),
            Self::SqsRequests => ("SQS", "queue requests"),
            Self::SnsEmails => ("SNS", "emails"),
            Self::LogsIngested => ("CloudWatch", "log ingestion"),
            Self::LogsStored => ("CloudWatch", "log storage"),
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
    /// The number of units that [`Self::usd`] pays for.
    pub per: f64,
    /// Units that are free of charge per month.
    #[serde(default)]
    pub free: f64,
    /// Name of the unit.
    pub unit: String,
    /// The page on which AWS publishes the price.
    pub page: String,
    /// The source from which the price was read.
    pub found: String,
}

/// The prices of one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriceList {
    /// The region.
    pub region: String,
    /// The day on which the prices were read.
    pub read: String,
    /// The price of each item.
    #[serde(flatten)]
    pub prices: BTreeMap<Item, Price>,
}

/// The built-in price file.
pub const PRICES: &str = include_str!("../../docs/prices.toml");

impl PriceList {
    /// Parses a price file.
    ///
    /// # Errors
    /// A one-line message if the file is invalid or a price is missing.
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
                return Err(format!("[{name}] is missing"));
            };
            let amounts = [price.usd, price.per, price.free];
            if amounts.iter().any(|n| !n.is_finite() || *n < 0.0) || price.per == 0.0 {
                return Err(format!(
                    "[{name}]: usd and free must not be negative, per must be positive"
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
