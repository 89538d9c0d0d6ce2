//! The writes of a run, each one request.
//!
//! Only the SDK retries here: the caller decides what a result means for the
//! run.

pub mod result;
pub mod send_guard;
pub mod statements;

use std::sync::Arc;

use aws_sdk_dynamodb::operation::execute_transaction::ExecuteTransactionError;
use aws_sdk_dynamodb::types::{
    BatchStatementRequest, ParameterizedStatement, ReturnConsumedCapacity,
};

use super::client::Table;
use super::kind::StoredKind;
use crate::aws::meter::Use;
use crate::aws::{CallError, CallErrorKind};
use crate::domain::diff::Transition;
use crate::domain::plan::Touch;
use crate::domain::{AccountId, AccountRecord, Clock, RunRecord, Snapshot};
use result::{RecordResult, WriteResult, of_call_error, of_statement, of_transaction, written};
use send_guard::{AttemptTracker, StaleObservation};
use statements::Statement;

/// The most statements in one request.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html>
pub const BATCH: usize = 25;

/// The most changes in one transaction, which may have 100 statements. With 25, the
/// next attempt of a refused one and its request stay small.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExecuteTransaction.html>
pub const CHANGES: usize = 25;

impl<K: StoredKind> Table<K> {
    /// Writes that connections were seen, at most [`BATCH`] in one request.
    /// Returns one result for each.
    pub async fn touch(&self, account: &AccountId, touches: &[Touch<'_, K>]) -> Vec<WriteResult> {
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
        let all = |write: WriteResult| vec![write; touches.len()];
        let requests = match requests {
            Ok(requests) => requests,
            Err(error) => return all(WriteResult::Failed(CallError::local(&error))),
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
            Err(error) => return all(WriteResult::Failed(self.call_error(&error))),
        };
        self.meter().count_write_units(answer.consumed_capacity());
        let results: Vec<WriteResult> = answer
            .responses()
            .iter()
            .map(|response| response.error().map_or(WriteResult::Written, of_statement))
            .collect();
        if results.len() == touches.len() {
            results
        } else {
            all(WriteResult::Failed(CallError::new(
                CallErrorKind::Service,
                "UnreadableAnswer",
                format!("{} results for {} statements", results.len(), touches.len()),
            )))
        }
    }

    /// Records changes, at most [`CHANGES`], together with the resulting snapshots:
    /// all, or none. Each comes with the snapshot of its comparison.
    ///
    /// # Errors
    /// [`StaleObservation`] if one of the observations is too old by `clock` when
    /// they are to be sent.
    pub async fn record(
        &self,
        account: &AccountId,
        changes: &[(Option<&Snapshot<K>>, &Transition<K>)],
        clock: &Arc<dyn Clock>,
    ) -> Result<RecordResult, StaleObservation> {
        let mut statements = Vec::with_capacity(changes.len() * statements::OF_TRANSITION);
        for (known, transition) in changes {
            for Statement { text, parameters } in
                statements::transition(self.name(), account, *known, transition)
            {
                let statement = ParameterizedStatement::builder()
                    .statement(text)
                    .set_parameters(Some(parameters))
                    .build();
                match statement {
                    Ok(statement) => statements.push(statement),
                    Err(error) => return Ok(RecordResult::Failed(CallError::local(&error))),
                }
            }
        }
        let observed = changes.iter().map(|(_, each)| each.change.observed_at);
        let Some(observed_at) = observed.min() else {
            return Ok(RecordResult::Written);
        };
        let attempts = AttemptTracker::new(clock, observed_at);
        let answer = self
            .client()
            .execute_transaction()
            .set_transact_statements(Some(statements))
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .customize()
            .interceptor(self.meter().counts(Use::Write))
            .interceptor(attempts.clone())
            .send()
            .await;
        if let Some(stale) = answer
            .as_ref()
            .err()
            .and_then(|e| StaleObservation::in_causes_of(e))
        {
            return Err(stale);
        }
        let mut result = match answer {
            Ok(answer) => {
                let capacity = answer.consumed_capacity.as_deref();
                self.meter().count_write_units(capacity.unwrap_or_default());
                written(answer.responses.is_some() || capacity.is_some()).into()
            }
            Err(error) => match error.as_service_error() {
                Some(ExecuteTransactionError::TransactionCanceledException(cancelled)) => {
                    of_transaction(
                        cancelled.cancellation_reasons(),
                        cancelled.message(),
                        changes.len(),
                        statements::OF_TRANSITION,
                    )
                }
                _ if changes.len() == 1 => of_call_error(self.call_error(&error)).into(),
                _ => RecordResult::Failed(self.call_error(&error)),
            },
        };
        if let RecordResult::Failed(call_error) = &mut result {
            // The last try alone does not say it.
            call_error.is_indeterminate = attempts.is_indeterminate();
        }
        Ok(result)
    }

    /// Records a run. [`WriteResult::Conflict`] if its number is taken.
    pub async fn record_run(&self, run: &RunRecord<K>) -> WriteResult {
        self.execute(statements::run(self.name(), run)).await
    }

    /// Writes an account's record, derived from `known`.
    pub async fn write_account(
        &self,
        known: Option<&AccountRecord<K>>,
        record: &AccountRecord<K>,
    ) -> WriteResult {
        self.execute(statements::account(self.name(), known, record))
            .await
    }

    async fn execute(&self, Statement { text, parameters }: Statement) -> WriteResult {
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
            Err(error) => of_call_error(self.call_error(&error)),
        }
    }
}
