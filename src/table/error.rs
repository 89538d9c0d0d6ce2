//! What can go wrong with the table.

use crate::aws::CallError;
use crate::aws::retry::{AttemptError, FailedCall};
use crate::domain::text::{cut, one_line};

/// An operation on the table that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A call failed, after all tries.
    #[error("{operation} {subject}")]
    Call {
        /// What was done: `read account`, `record change`, …
        operation: &'static str,
        /// What it was about: an account, an ARN, a run.
        subject: String,
        /// Why it failed.
        #[source]
        call_error: CallError,
    },
    /// An item is not what this software writes.
    #[error(transparent)]
    CorruptItem(#[from] CorruptItem),
}

/// An item that this software did not write, or that was edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "item pk={:?} sk={:?}: attribute {attribute}: {problem}",
    cut(.pk, KEY_TOLD), cut(.sk, KEY_TOLD)
)]
pub struct CorruptItem {
    /// Its partition key.
    pub pk: String,
    /// Its sort key.
    pub sk: String,
    /// The attribute that is wrong, with what can't be seen escaped.
    pub attribute: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Bytes of a key that are told: all of those that this software writes.
const KEY_TOLD: usize = 320;

impl CorruptItem {
    /// What is wrong with an attribute, in one line that is not longer than
    /// people read, whatever the attribute holds.
    pub fn new(pk: String, sk: String, attribute: &str, problem: &str) -> Self {
        const ATTRIBUTE: usize = 100;
        const PROBLEM: usize = 300;
        let attribute = match attribute {
            "" => "\"\"".to_owned(),
            attribute => attribute.escape_debug().to_string(),
        };
        Self {
            pk,
            sk,
            attribute: cut(&attribute, ATTRIBUTE).into_owned(),
            problem: cut(&one_line(problem), PROBLEM).into_owned(),
        }
    }
}

impl TableError {
    /// A failed call.
    pub fn call(operation: &'static str, subject: impl ToString, call_error: CallError) -> Self {
        Self::Call {
            operation,
            subject: subject.to_string(),
            call_error,
        }
    }

    /// The fault, if a call failed.
    pub fn call_error(&self) -> Option<&CallError> {
        match self {
            Self::Call { call_error, .. } => Some(call_error),
            Self::CorruptItem(_) => None,
        }
    }
}

impl AttemptError for TableError {
    fn failed_call(&self) -> Option<FailedCall<'_>> {
        match self {
            Self::Call {
                operation,
                subject,
                call_error,
            } => Some(FailedCall {
                operation,
                subject,
                call_error,
            }),
            Self::CorruptItem(_) => None,
        }
    }
}
