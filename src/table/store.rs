//! The operations on the table, each one request (or the pages of one query).
//!
//! Nothing is tried again here beyond what the SDK does: what an answer means
//! for the run is the caller's to decide.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::execute_transaction::ExecuteTransactionError;
use aws_sdk_dynamodb::types::{
    BatchStatementRequest, ParameterizedStatement, ReturnConsumedCapacity,
};

use super::error::{Corrupt, TableError};
use super::expiry::{TooLate, Tries};
use super::items;
use super::keys;
use super::query::Query;
use super::snapshots::read_snapshot;
use super::statements::{self, Statement};
use super::stored::AccountRow;
use super::write::{Write, of_fault, of_statement, of_transaction, written};
use crate::aws::meter::Use;
use crate::aws::{Fault, FaultKind, Meter};
use crate::config::TableName;
use crate::domain::decide::Step;
use crate::domain::plan::Touch;
use crate::domain::{AccountId, AccountRecord, Change, Clock, ConnectionArn, RunRecord, Snapshot};

/// Statements in one request, at most.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html>
pub const BATCH: usize = 25;

/// Items of an account that are read at once. A page of 1 MB, the longest,
/// takes 9 MB of memory once it is taken apart; more and shorter ones cost no
/// time, since the listing takes longer, and two hundredths more to read.
pub const READ_AT_ONCE: u16 = 128;

/// The inventory's table, as one run uses it.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: TableName,
    meter: Arc<Meter>,
}

/// What the table holds of an account.
#[derive(Debug, Default)]
pub struct AccountState {
    /// Its record, if a run was ever recorded.
    pub record: Option<AccountRecord>,
    /// Its snapshots, tombstones too.
    pub snapshots: HashMap<ConnectionArn, Snapshot>,
    /// Items that can't be read: somebody else wrote them.
    pub corrupt: Vec<Corrupt>,
}

impl Table {
    /// The table `name`, with a meter of its own.
    pub fn new(client: Client, name: TableName) -> Self {
        Self {
            client,
            name,
            meter: Arc::default(),
        }
    }

    /// The same table, counting with `meter`.
    #[must_use]
    pub fn metered(&self, meter: Arc<Meter>) -> Self {
        Self {
            client: self.client.clone(),
            name: self.name.clone(),
            meter,
        }
    }

    /// The table's name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The client that it is reached with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What a failed request means. What is not found can only be the table.
    pub(super) fn fault<E>(&self, error: &SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut fault = Fault::from(error);
        if fault.kind == FaultKind::NotFound {
            let told = &fault.message;
            fault.message = format!("no table {} here ({told})", self.name).into();
        }
        fault
    }

    /// Reads an account's record and all its snapshots, tombstones too: one
    /// strongly consistent query.
    ///
    /// # Errors
    /// [`TableError`] if the query fails. What can't be read is set apart.
    pub async fn read_account(&self, account: &AccountId) -> Result<AccountState, TableError> {
        let mut state = AccountState::default();
        let pk = keys::account_pk(account);
        let mut pages = Query::table(self, "read account", account, pk).limit(READ_AT_ONCE.into());
        while let Some(page) = pages.next_rows::<AccountRow>().await? {
            for row in page {
                match row {
                    AccountRow::Record(item) => match items::read_account(&item) {
                        Ok(record) => state.record = Some(record),
                        Err(corrupt) => state.corrupt.push(corrupt),
                    },
                    AccountRow::Snapshot(Ok(snapshot)) => {
                        state.snapshots.insert(snapshot.arn.clone(), snapshot);
                    }
                    AccountRow::Snapshot(Err(corrupt)) => state.corrupt.push(corrupt),
                }
            }
        }
        Ok(state)
    }

    /// Reads an account's record.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or the item can't be read.
    pub async fn read_record(
        &self,
        account: &AccountId,
    ) -> Result<Option<AccountRecord>, TableError> {
        let pk = keys::account_pk(account);
        let query = Query::table(self, "read account record", account, pk)
            .with_sk(keys::ACCOUNT_SK.to_owned());
        Ok(query
            .first()
            .await?
            .as_ref()
            .map(items::read_account)
            .transpose()?)
    }

    /// Reads one snapshot.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or the item can't be read.
    pub async fn read_snapshot(
        &self,
        account: &AccountId,
        arn: &ConnectionArn,
    ) -> Result<Option<Snapshot>, TableError> {
        let pk = keys::account_pk(account);
        let query = Query::table(self, "read snapshot", arn, pk).with_sk(keys::snapshot_sk(arn));
        Ok(query
            .first()
            .await?
            .as_ref()
            .map(read_snapshot)
            .transpose()?)
    }

    /// Reads one change of a connection.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or the item can't be read.
    pub async fn read_change(
        &self,
        account: &AccountId,
        arn: &ConnectionArn,
        version: u32,
    ) -> Result<Option<Change>, TableError> {
        let pk = keys::changes_pk(account, arn);
        let query = Query::table(self, "read change", arn, pk).with_sk(keys::change_sk(version));
        Ok(query.first().await?.map(items::read_record).transpose()?)
    }

    /// Reads the record of the run with this number.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or the item can't be read.
    pub async fn read_run(
        &self,
        account: &AccountId,
        sequence: u64,
    ) -> Result<Option<RunRecord>, TableError> {
        let pk = keys::runs_pk(account);
        let query = Query::table(self, "read run", account, pk).with_sk(keys::run_sk(sequence));
        Ok(query.first().await?.map(items::read_record).transpose()?)
    }

    /// Reads the last run of an account's chain, whether or not the account's
    /// record knows of it.
    ///
    /// # Errors
    /// [`TableError`] if the query fails or the item can't be read.
    pub async fn read_last_run(
        &self,
        account: &AccountId,
    ) -> Result<Option<RunRecord>, TableError> {
        let pk = keys::runs_pk(account);
        let query = Query::table(self, "read last run", account, pk).backward();
        Ok(query.first().await?.map(items::read_record).transpose()?)
    }

    /// Notes when connections were seen, at most [`BATCH`] in one request.
    /// One result for each.
    pub async fn touch(&self, account: &AccountId, touches: &[Touch<'_>]) -> Vec<Write> {
        let requests: Result<Vec<_>, _> = touches
            .iter()
            .map(|touch| statements::touch(&self.name, account, touch))
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
            .client
            .batch_execute_statement()
            .set_statements(Some(requests))
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .customize()
            .interceptor(self.meter.counts(Use::Write))
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return all(Write::Failed(self.fault(&error))),
        };
        self.meter.count_write_units(answer.consumed_capacity());
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
        let mut request = self.client.execute_transaction();
        for Statement { text, parameters } in statements::step(&self.name, account, known, step) {
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
            .interceptor(self.meter.counts(Use::Write))
            .interceptor(tries.clone())
            .send()
            .await;
        if let Some(too_late) = answer.as_ref().err().and_then(|e| TooLate::in_causes_of(e)) {
            return Err(too_late);
        }
        let mut write = match answer {
            Ok(answer) => {
                let capacity = answer.consumed_capacity.as_deref();
                self.meter.count_write_units(capacity.unwrap_or_default());
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
        self.execute(statements::run(&self.name, run)).await
    }

    /// Writes an account's record, worked out from `known`.
    pub async fn write_account(
        &self,
        known: Option<&AccountRecord>,
        record: &AccountRecord,
    ) -> Write {
        self.execute(statements::account(&self.name, known, record))
            .await
    }

    async fn execute(&self, Statement { text, parameters }: Statement) -> Write {
        let answer = self
            .client
            .execute_statement()
            .statement(text)
            .set_parameters(Some(parameters))
            .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
            .customize()
            .interceptor(self.meter.counts(Use::Write))
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.meter.count_write_units(answer.consumed_capacity());
                written(answer.items.is_some() || answer.consumed_capacity.is_some())
            }
            Err(error) => of_fault(self.fault(&error)),
        }
    }
}
