//! The writes of a run, each one request.
//!
//! Nothing is retried here beyond what the SDK retries: what a result means for
//! the run is the caller's to decide.

pub mod result;
pub mod send_guard;
pub mod statements;

use std::sync::Arc;

use aws_sdk_dynamodb::operation::execute_transaction::ExecuteTransactionError;
use aws_sdk_dynamodb::types::{
    BatchStatementRequest, ParameterizedStatement, ReturnConsumedCapacity,
};

use super::client::Table;
use crate::aws::meter::Use;
use crate::aws::{Fault, FaultKind};
use crate::domain::diff::Step;
use crate::domain::plan::Touch;
use crate::domain::{AccountId, AccountRecord, Clock, RunRecord, Snapshot};
use result::{Write, of_fault, of_statement, of_transaction, written};
use send_guard::{TooLate, Tries};
use statements::Statement;

/// Statements in one request, at most.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html>
pub const BATCH: usize = 25;

impl Table {
    /// Notes when connections were seen, at most [`BATCH`] in one request.
    /// One result for each.
    pub async fn touch(&self, account: &AccountId, touches: &[Touch<'_>]) -> Vec<Write> {
        let requests: Result<Vec<_>, _> = touches
            .iter()
            .map(|touch| statements::touch(self.name(), account, touch))
            .map(|Statement { text, parameters }| {
                BatchStatementRequest::builder()
                    .statement(text)
                    .set_parameters(Some(parameters))
                    .build()
            })
            .collect();
        let all = |write: Write| vec![write; touches.len()];
        let requests = match requests {
            Ok(requests) => requests,
            Err(error) => return all(Write::Failed(Fault::local(&error))),
        };
        let answer = self
            .client()
            .batch_execute_statement()
            .set_statements(Some(requests))
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .customize()
            .interceptor(self.meter().counts(Use::Write))
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return all(Write::Failed(self.fault(&error))),
        };
        self.meter().count_write_units(answer.consumed_capacity());
        let results: Vec<Write> = answer
            .responses()
            .iter()
            .map(|response| response.error().map_or(Write::Written, of_statement))
            .collect();
        if results.len() == touches.len() {
            results
        } else {
            all(Write::Failed(Fault::new(
                FaultKind::Service,
                "UnreadableAnswer",
                format!("{} results for {} statements", results.len(), touches.len()),
            )))
        }
    }

    /// Records a change together with the snapshot that it leaves, or
    /// neither.
    ///
    /// # Errors
    /// [`TooLate`] if by `clock` the change was observed too long ago when it
    /// was to be sent.
    pub async fn record(
        &self,
        account: &AccountId,
        known: Option<&Snapshot>,
        step: &Step,
        clock: &Arc<dyn Clock>,
    ) -> Result<Write, TooLate> {
        let mut request = self.client().execute_transaction();
        for Statement { text, parameters } in statements::step(self.name(), account, known, step) {
            let statement = ParameterizedStatement::builder()
                .statement(text)
                .set_parameters(Some(parameters))
                .build();
            match statement {
                Ok(statement) => request = request.transact_statements(statement),
                Err(error) => return Ok(Write::Failed(Fault::local(&error))),
            }
        }
        let tries = Tries::new(clock, step.change.observed_at);
        let answer = request
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .customize()
            .interceptor(self.meter().counts(Use::Write))
            .interceptor(tries.clone())
            .send()
            .await;
        if let Some(too_late) = answer.as_ref().err().and_then(|e| TooLate::in_causes_of(e)) {
            return Err(too_late);
        }
        let mut write = match answer {
            Ok(answer) => {
                let capacity = answer.consumed_capacity.as_deref();
                self.meter().count_write_units(capacity.unwrap_or_default());
                written(answer.responses.is_some() || capacity.is_some())
            }
            Err(error) => match error.as_service_error() {
                Some(ExecuteTransactionError::TransactionCanceledException(cancelled)) => {
                    of_transaction(cancelled.cancellation_reasons(), cancelled.message())
                }
                _ => of_fault(self.fault(&error)),
            },
        };
        if let Write::Failed(fault) = &mut write {
            // The last try alone does not say it.
            fault.is_open = tries.are_open();
        }
        Ok(write)
    }

    /// Records a run. [`Write::Conflict`] if its number is taken.
    pub async fn record_run(&self, run: &RunRecord) -> Write {
        self.execute(statements::run(self.name(), run)).await
    }

    /// Writes an account's record, worked out from `known`.
    pub async fn write_account(
        &self,
        known: Option<&AccountRecord>,
        record: &AccountRecord,
    ) -> Write {
        self.execute(statements::account(self.name(), known, record))
            .await
    }

    async fn execute(&self, Statement { text, parameters }: Statement) -> Write {
        let answer = self
            .client()
            .execute_statement()
            .statement(text)
            .set_parameters(Some(parameters))
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .customize()
            .interceptor(self.meter().counts(Use::Write))
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.meter().count_write_units(answer.consumed_capacity());
                written(answer.items.is_some() || answer.consumed_capacity.is_some())
            }
            Err(error) => of_fault(self.fault(&error)),
        }
    }
}
