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

/// Returns the result of a cancelled transaction. Some emulators give their
/// reasons only in the message.
pub(crate) fn of_transaction(reasons: &[CancellationReason], message: Option<&str>) -> WriteResult {
    let more_telling_error = reasons
        .iter()
        .map(|reason| (reason.code().unwrap_or("None"), reason.message()))
        .filter(|(code, _)| *code != "None");
    let mut failure = None;
    for (code, message) in more_telling_error {
        match of_code(code, message) {
            // A condition that fails decides, whatever else went wrong.
            WriteResult::Conflict => return WriteResult::Conflict,
            other => failure = failure.or(Some(other)),
        }
    }
    failure.unwrap_or_else(|| {
        WriteResult::Failed(CallError::new(
            CallErrorKind::Service,
            "TransactionCanceledException",
            message.unwrap_or("cancelled without a reason"),
        ))
    })
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
                of_transaction(&reasons, None),
                WriteResult::Conflict,
                "{code}"
            );
        }
        let local = reason("ValidationError", "Duplicate primary key exists in table");
        assert_eq!(of_transaction(&[local], None), WriteResult::Conflict);
    }

    #[test]
    fn a_condition_decides_a_transaction_that_met_another_fault_too() {
        let reasons = [
            reason("ThrottlingError", "slow down"),
            reason("ConditionalCheckFailed", "x"),
        ];
        assert_eq!(of_transaction(&reasons, None), WriteResult::Conflict);
    }

    #[test]
    fn other_reasons_say_whether_they_pass() {
        let passes = |write: WriteResult| match write {
            WriteResult::Failed(call_error) => call_error.kind.is_retryable(),
            other => panic!("a fault, not {other:?}"),
        };
        assert!(passes(of_transaction(
            &[reason("TransactionConflict", "x")],
            None
        )));
        assert!(passes(of_transaction(
            &[reason("ThrottlingError", "x")],
            None
        )));
        assert!(passes(of_transaction(&[], Some("no reasons"))));
        assert!(passes(of_code("ProvisionedThroughputExceeded", None)));
        assert!(!passes(of_code(
            "ValidationError",
            Some("Item size has exceeded")
        )));
        assert!(!passes(of_code("AccessDenied", None)));
        assert!(!passes(of_code("ResourceNotFound", None)));
    }
}
