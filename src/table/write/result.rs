//! The results of writes: written, conflict, or failed.

use aws_sdk_dynamodb::types::{BatchStatementError, CancellationReason};

use crate::aws::error::kind_of;
use crate::aws::{CallError, CallErrorKind};

/// The result of a conditional write. A failed condition is a result, not an
/// error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteResult {
    /// It is written.
    Written,
    /// Its condition failed: the item has changed.
    Conflict,
    /// It failed.
    Failed(CallError),
}

/// The result of a transaction of changes: all of them are written, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordResult {
    /// They are written.
    Written,
    /// None is written: conditions failed. For each change, in order, whether one of
    /// its own did.
    Conflicts(Vec<bool>),
    /// None is written, or it is not known.
    Failed(CallError),
}

impl From<WriteResult> for RecordResult {
    /// Returns the result of a transaction of one change.
    fn from(result: WriteResult) -> Self {
        match result {
            WriteResult::Written => Self::Written,
            WriteResult::Conflict => Self::Conflicts(vec![true]),
            WriteResult::Failed(call_error) => Self::Failed(call_error),
        }
    }
}

impl From<RecordResult> for WriteResult {
    /// Returns the result of the only change of a transaction.
    fn from(result: RecordResult) -> Self {
        match result {
            RecordResult::Written => Self::Written,
            RecordResult::Conflicts(_) => Self::Conflict,
            RecordResult::Failed(call_error) => Self::Failed(call_error),
        }
    }
}

/// Returns the result of a successful response. An empty response (an empty
/// body reads as one) proves nothing: the write is made again, and finds itself
/// if it was made.
pub(crate) fn written(says_something: bool) -> WriteResult {
    if says_something {
        WriteResult::Written
    } else {
        WriteResult::Failed(CallError::unreadable("an answer with nothing in it"))
    }
}

pub(crate) fn of_statement(error: &BatchStatementError) -> WriteResult {
    let code = error.code().map_or("UnknownError", |code| code.as_str());
    of_code(code, error.message())
}

/// Returns the result of a cancelled transaction of `changes` changes, each of
/// `statements` statements.
///
/// DynamoDB gives a reason for each statement, in order. Some emulators give theirs
/// only in the message: then it is not known which change was in the way, and fewer
/// of them have to be sent.
pub(crate) fn of_transaction(
    reasons: &[CancellationReason],
    message: Option<&str>,
    changes: usize,
    statements: usize,
) -> RecordResult {
    let result_of = |reason: &CancellationReason| match reason.code().unwrap_or("None") {
        "None" => None,
        code => Some(of_code(code, reason.message())),
    };
    let results: Vec<_> = reasons.iter().map(result_of).collect();
    // A condition that fails decides, whatever else went wrong.
    let conflicts =
        |results: &[Option<WriteResult>]| results.contains(&Some(WriteResult::Conflict));
    if conflicts(&results) {
        if changes == 1 {
            return RecordResult::Conflicts(vec![true]);
        }
        if results.len() == changes * statements {
            return RecordResult::Conflicts(results.chunks(statements).map(conflicts).collect());
        }
    }
    let failures = results.into_iter().flatten();
    let mut failures = failures.filter_map(|result| match result {
        WriteResult::Failed(call_error) => Some(call_error),
        WriteResult::Written | WriteResult::Conflict => None,
    });
    RecordResult::Failed(failures.next().unwrap_or_else(|| {
        CallError::new(
            CallErrorKind::Service,
            "TransactionCanceledException",
            message.unwrap_or("cancelled without a reason"),
        )
    }))
}

fn of_code(code: &str, message: Option<&str>) -> WriteResult {
    let kind = match code {
        "AccessDenied" => CallErrorKind::Denied,
        _ => kind_of(code, None),
    };
    of_call_error(CallError::new(kind, code, message.unwrap_or("no message")))
}

/// Recognises a failed condition under each of its names: batches and
/// transactions leave out "Exception", and in a transaction of DynamoDB Local
/// only the message says that an inserted item exists.
pub(crate) fn of_call_error(call_error: CallError) -> WriteResult {
    let stem = call_error
        .code
        .strip_suffix("Exception")
        .unwrap_or(&call_error.code);
    let is_there = stem.starts_with("Validation")
        && call_error
            .message
            .contains("Duplicate primary key exists in table");
    if is_there || matches!(stem, "ConditionalCheckFailed" | "DuplicateItem") {
        WriteResult::Conflict
    } else {
        WriteResult::Failed(call_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: &str, message: &str) -> CancellationReason {
        CancellationReason::builder()
            .code(code)
            .message(message)
            .build()
    }

    fn of_one(reasons: &[CancellationReason]) -> RecordResult {
        of_transaction(reasons, None, 1, 2)
    }

    fn passes(result: impl Into<RecordResult>) -> bool {
        match result.into() {
            RecordResult::Failed(call_error) => call_error.kind.is_retryable(),
            other => panic!("a fault, not {other:?}"),
        }
    }

    #[test]
    fn a_condition_that_did_not_hold_is_a_conflict_by_all_its_names() {
        for code in [
            "ConditionalCheckFailed",
            "ConditionalCheckFailedException",
            "DuplicateItem",
            "DuplicateItemException",
        ] {
            assert_eq!(of_code(code, None), WriteResult::Conflict, "{code}");
            let reasons = [reason("None", ""), reason(code, "x")];
            assert_eq!(
                of_one(&reasons),
                RecordResult::Conflicts(vec![true]),
                "{code}"
            );
        }
        let local = reason("ValidationError", "Duplicate primary key exists in table");
        assert_eq!(of_one(&[local]), RecordResult::Conflicts(vec![true]));
    }

    #[test]
    fn a_condition_decides_a_transaction_that_met_another_fault_too() {
        let reasons = [
            reason("ThrottlingError", "slow down"),
            reason("ConditionalCheckFailed", "x"),
        ];
        assert_eq!(of_one(&reasons), RecordResult::Conflicts(vec![true]));
    }

    #[test]
    fn conflicts_are_those_of_the_changes_whose_statements_they_are() {
        let codes = [
            ["None", "None"],
            ["ConditionalCheckFailed", "None"],
            ["ThrottlingError", "None"],
            ["None", "DuplicateItem"],
        ];
        let reasons = codes.as_flattened().iter().map(|code| reason(code, "x"));
        let mut reasons: Vec<_> = reasons.collect();
        assert_eq!(
            of_transaction(&reasons, None, 4, 2),
            RecordResult::Conflicts(vec![false, true, false, true])
        );
        // Whose they are is not known.
        reasons.pop();
        assert!(passes(of_transaction(&reasons, None, 4, 2)));
    }

    #[test]
    fn other_reasons_say_whether_they_pass() {
        assert!(passes(of_one(&[reason("TransactionConflict", "x")])));
        assert!(passes(of_one(&[reason("ThrottlingError", "x")])));
        assert!(passes(of_transaction(&[], Some("no reasons"), 1, 2)));
        assert!(passes(of_code("ProvisionedThroughputExceeded", None)));
        assert!(!passes(of_code(
            "ValidationError",
            Some("Item size has exceeded")
        )));
        assert!(!passes(of_code("AccessDenied", None)));
        assert!(!passes(of_code("ResourceNotFound", None)));
    }
}
