//! The writes of a run, each one request.
//!
//! Only the SDK retries here: the caller decides what a result means for the
//! run.

#[cfg(feature = "cli")]
pub mod delete;
pub mod result;
pub mod send_guard;
pub mod statements;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::execute_transaction::ExecuteTransactionError;
use aws_sdk_dynamodb::types::{
    BatchStatementRequest, ParameterizedStatement, ReturnConsumedCapacity,
};

use super::client::Table;
use super::kind::StoredKind;
use crate::aws::meter::{Meter, Use};
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
        let of_change = |(known, transition): &(Option<&Snapshot<K>>, &Transition<K>)| {
            statements::transition(self.name(), account, *known, transition)
        };
        let statements = changes.iter().flat_map(of_change).collect();
        let statements = match in_transaction(statements) {
            Ok(statements) => statements,
            Err(call_error) => return Ok(RecordResult::Failed(call_error)),
        };
        let observed = changes.iter().map(|(_, each)| each.change.observed_at);
        let Some(observed_at) = observed.min() else {
            return Ok(RecordResult::Written);
        };
        let attempts = AttemptTracker::new(clock, observed_at);
        let answer = transact(
            self.client(),
            self.meter(),
            statements,
            Some(attempts.clone()),
        )
        .await;
        if let Some(stale) = answer
            .as_ref()
            .err()
            .and_then(|e| StaleObservation::in_causes_of(e))
        {
            return Err(stale);
        }
        let mut result = match answer {
            Ok(result) => result.into(),
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

    /// Records the first run of an account together with `record`, the account's:
    /// both, or none. [`WriteResult::Conflict`] if one of them is there.
    pub async fn record_first_run(
        &self,
        run: &RunRecord<K>,
        record: &AccountRecord<K>,
    ) -> WriteResult {
        let both = vec![
            statements::run(self.name(), run),
            statements::account(self.name(), None, record),
        ];
        insert_all(self.client(), self.meter(), both).await
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

/// Sends a transaction. Not of a table: the function links it once for all kinds.
async fn transact(
    client: &Client,
    meter: &Meter,
    statements: Vec<ParameterizedStatement>,
    attempts: Option<AttemptTracker>,
) -> Result<WriteResult, SdkError<ExecuteTransactionError, HttpResponse>> {
    let request = client
        .execute_transaction()
        .set_transact_statements(Some(statements))
        .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
        .customize()
        .interceptor(meter.counts(Use::Write));
    let request = match attempts {
        Some(attempts) => request.interceptor(attempts),
        None => request,
    };
    let answer = request.send().await?;
    let capacity = answer.consumed_capacity.as_deref();
    meter.count_write_units(capacity.unwrap_or_default());
    Ok(written(answer.responses.is_some() || capacity.is_some()))
}

/// Sends a transaction of inserts.
async fn insert_all(client: &Client, meter: &Meter, statements: Vec<Statement>) -> WriteResult {
    let number = statements.len();
    let statements = match in_transaction(statements) {
        Ok(statements) => statements,
        Err(call_error) => return WriteResult::Failed(call_error),
    };
    match transact(client, meter, statements, None).await {
        Ok(result) => result,
        Err(error) => match error.as_service_error() {
            Some(ExecuteTransactionError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons();
                of_transaction(reasons, cancelled.message(), 1, number).into()
            }
            _ => of_call_error(CallError::from(&error)),
        },
    }
}

/// Returns the statements of a transaction.
fn in_transaction(statements: Vec<Statement>) -> Result<Vec<ParameterizedStatement>, CallError> {
    let statement = |Statement { text, parameters }| {
        let statement = ParameterizedStatement::builder().statement(text);
        let statement = statement.set_parameters(Some(parameters)).build();
        statement.map_err(|error| CallError::local(&error))
    };
    statements.into_iter().map(statement).collect()
}
