//! The function's response to one event, as JSON.

use serde::Serialize;

use super::sqs_batch::MessageId;
use crate::domain::{Connection, Kind};
use crate::inventory::Summary;

/// The response to one event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged, bound = "")]
pub enum Response<K: Kind = Connection> {
    /// One account was inventoried.
    One(Box<Summary<K>>),
    /// Several were.
    Several {
        /// One summary each.
        runs: Vec<Summary<K>>,
    },
    /// A batch of messages was handled.
    Batch {
        /// The messages to deliver again, as Lambda expects them:
        /// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>.
        #[serde(rename = "batchItemFailures")]
        failures: Vec<MessageId>,
        /// One summary for each account.
        runs: Vec<Summary<K>>,
    },
}

impl<K: Kind> Response<K> {
    /// Returns the summaries, one for each account.
    pub fn runs(&self) -> &[Summary<K>] {
        match self {
            Self::One(summary) => std::slice::from_ref(summary),
            Self::Several { runs } | Self::Batch { runs, .. } => runs,
        }
    }
}
