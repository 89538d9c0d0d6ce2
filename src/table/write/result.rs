//! What the answer to a write means: whether it was made, met a conflict, or
//! failed.

use aws_sdk_dynamodb::types::{BatchStatementError, CancellationReason};

use crate::aws::error::kind_of;
use crate::aws::{Fault, FaultKind};

/// What became of a write with a condition. That the condition did not hold
/// is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// It is written.
    Written,
    /// What it was worked out from is no longer so.
    Conflict,
    /// It failed.
    Failed(Fault),
}

/// What became of a write whose answer is good, if it says anything at all. A
/// good answer with nothing in it (an empty body reads as one) is no proof:
/// the write is made again, and finds itself if it was made.
pub(crate) fn written(says_something: bool) -> Write {
    if says_something {
        Write::Written
    } else {
        Write::Failed(Fault::unreadable("an answer with nothing in it"))
    }
}

pub(crate) fn of_statement(error: &BatchStatementError) -> Write {
    let code = error.code().map_or("UnknownError", |code| code.as_str());
    of_code(code, error.message())
}

/// What became of a transaction that was cancelled. Some emulators give no
/// reasons but in the message.
pub(crate) fn of_transaction(reasons: &[CancellationReason], message: Option<&str>) -> Write {
    let telling = reasons
        .iter()
        .map(|reason| (reason.code().unwrap_or("None"), reason.message()))
        .filter(|(code, _)| *code != "None");
    let mut failure = None;
    for (code, message) in telling {
        match of_code(code, message) {
            // A condition that fails decides, whatever else went wrong.
            Write::Conflict => return Write::Conflict,
            other => failure = failure.or(Some(other)),
        }
    }
    failure.unwrap_or_else(|| {
        Write::Failed(Fault::new(
            FaultKind::Service,
            "TransactionCanceledException",
            message.unwrap_or("cancelled without a reason"),
        ))
    })
}

fn of_code(code: &str, message: Option<&str>) -> Write {
    let kind = match code {
        "AccessDenied" => FaultKind::Denied,
        _ => kind_of(code, None),
    };
    of_fault(Fault::new(kind, code, message.unwrap_or("no message")))
}

/// A condition that did not hold, by any of the names it goes by: batches and
/// transactions leave out "Exception", and an `INSERT` of an item that is
/// there is told by its message alone in a transaction of DynamoDB Local.
pub(crate) fn of_fault(fault: Fault) -> Write {
    let stem = fault.code.strip_suffix("Exception").unwrap_or(&fault.code);
    let is_there = stem.starts_with("Validation")
        && fault
            .message
            .contains("Duplicate primary key exists in table");
    if is_there || matches!(stem, "ConditionalCheckFailed" | "DuplicateItem") {
        Write::Conflict
    } else {
        Write::Failed(fault)
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
            assert_eq!(of_code(code, None), Write::Conflict, "{code}");
            let reasons = [reason("None", ""), reason(code, "x")];
            assert_eq!(of_transaction(&reasons, None), Write::Conflict, "{code}");
        }
        let local = reason("ValidationError", "Duplicate primary key exists in table");
        assert_eq!(of_transaction(&[local], None), Write::Conflict);
    }

    #[test]
    fn a_condition_decides_a_transaction_that_met_another_fault_too() {
        let reasons = [
            reason("ThrottlingError", "slow down"),
            reason("ConditionalCheckFailed", "x"),
        ];
        assert_eq!(of_transaction(&reasons, None), Write::Conflict);
    }

    #[test]
    fn other_reasons_say_whether_they_pass() {
        let passes = |write: Write| match write {
            Write::Failed(fault) => fault.kind.is_passing(),
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
