//! Errors of the table.

use crate::aws::CallError;
use crate::aws::retry::{AttemptError, FailedCall};
use crate::domain::text::{cut, one_line};

/// A failed operation on the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A call failed, after all attempts.
    #[error("{operation} {subject}")]
    Call {
        /// The operation: `read account`, `record change`, …
        operation: &'static str,
        /// Its subject: an account, an ARN, a run.
        subject: String,
        /// The error of the call.
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
    cut(.pk, MAX_KEY_BYTES), cut(.sk, MAX_KEY_BYTES)
)]
pub struct CorruptItem {
    /// Its partition key.
    pub pk: String,
    /// Its sort key.
    pub sk: String,
    /// The attribute that is wrong, with control characters escaped.
    pub attribute: String,
    /// The problem.
    pub problem: String,
}

/// The most bytes of a key in an error: longer than any key that this software
/// writes.
const MAX_KEY_BYTES: usize = 320;

impl CorruptItem {
    /// Returns the error of an attribute, in one line of limited length.
    pub fn new(pk: String, sk: String, attribute: &str, problem: &str) -> Self {
        const MAX_ATTRIBUTE_BYTES: usize = 100;
        const MAX_PROBLEM_BYTES: usize = 300;
        let attribute = match attribute {
            "" => "\"\"".to_owned(),
            attribute => attribute.escape_debug().to_string(),
        };
        Self {
            pk,
            sk,
            attribute: cut(&attribute, MAX_ATTRIBUTE_BYTES).into_owned(),
            problem: cut(&one_line(problem), MAX_PROBLEM_BYTES).into_owned(),
        }
    }
}

impl TableError {
    /// Returns the error of a failed call.
    pub fn call(operation: &'static str, subject: impl ToString, call_error: CallError) -> Self {
        Self::Call {
            operation,
            subject: subject.to_string(),
            call_error,
        }
    }

    /// Returns the error of the call, if a call failed.
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
