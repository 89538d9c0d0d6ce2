//! Queries: the pages of one partition of the table or of an index.

use crate::aws::meter::Use;
use crate::aws::{CallError, CallErrorKind};
use crate::domain::{Connection, Kind};
use crate::table::client::Table;
use crate::table::codec::{Item, s};
use crate::table::error::TableError;
use crate::table::fast_path::response::PageRows;
use crate::table::fast_path::value::Attributes;
use crate::table::keys;
use crate::table::kind::Row;
use crate::table::schema::Index;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

/// A query and its position.
#[derive(Debug)]
pub(crate) struct Query<'a, K: Kind = Connection> {
    table: &'a Table<K>,
    operation: &'static str,
    subject: String,
    index: Option<&'static str>,
    keys: (&'static str, &'static str),
    pk: String,
    sk: SortKey,
    forward: bool,
    limit: Option<i32>,
    start: Start,
}

/// The sort keys of a query.
#[derive(Debug)]
enum SortKey {
    Any,
    One(String),
    /// From the first to the second, both included.
    Between(String, String),
}

#[derive(Debug)]
enum Start {
    First,
    After(Item),
    Done,
}

impl<'a, K: Kind> Query<'a, K> {
    /// Returns a query of the partition `pk` of the table, strongly consistent.
    ///
    /// Errors name `operation` and `subject`.
    pub(crate) fn table(
        table: &'a Table<K>,
        operation: &'static str,
        subject: impl ToString,
        pk: String,
    ) -> Self {
        Self {
            table,
            operation,
            subject: subject.to_string(),
            index: None,
            keys: (keys::PK, keys::SK),
            pk,
            sk: SortKey::Any,
            forward: true,
            limit: None,
            start: Start::First,
        }
    }

    /// Returns a query of the partition `pk` of an index, which may be a moment
    /// behind.
    pub(crate) fn index(
        table: &'a Table<K>,
        operation: &'static str,
        subject: impl ToString,
        index: Index,
        pk: String,
    ) -> Self {
        Self {
            index: Some(index.name),
            keys: (index.partition_key, index.sort_key),
            ..Self::table(table, operation, subject, pk)
        }
    }

    /// Restricts the query to the item with this sort key.
    #[must_use]
    pub(crate) fn with_sk(mut self, sk: String) -> Self {
        self.sk = SortKey::One(sk);
        self
    }

    /// Restricts the query to items whose sort keys lie from `first` to `last`.
    #[must_use]
    pub(crate) fn between(mut self, first: String, last: String) -> Self {
        self.sk = SortKey::Between(first, last);
        self
    }

    /// Returns the last item first.
    #[must_use]
    pub(crate) fn backward(mut self) -> Self {
        self.forward = false;
        self
    }

    /// Limits the items of a page.
    #[must_use]
    pub(crate) fn limit(mut self, items: i32) -> Self {
        self.limit = Some(items);
        self
    }

    /// Returns the next page; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Item>>, TableError> {
        let page = self.next_rows::<Attributes>().await?;
        Ok(page.map(|rows| rows.into_iter().map(|row| row.0).collect()))
    }

    /// Returns the next page, read as rows of one kind.
    pub(crate) async fn next_rows<T: Row>(&mut self) -> Result<Option<Vec<T>>, TableError> {
        let start = match std::mem::replace(&mut self.start, Start::Done) {
            Start::First => None,
            Start::After(key) => Some(key),
            Start::Done => return Ok(None),
        };
        let (mut answer, rows) = self.table.retried(|| self.ask(start.as_ref())).await?;
        self.table
            .meter()
            .count_read_units(answer.consumed_capacity());
        if let Some(key) = answer.last_evaluated_key.take() {
            if let Some(start) = start
                && !self.advances(&start, &key)
            {
                let problem = "a page ends where it began, or before: this would never end";
                let call_error = CallError::new(CallErrorKind::Service, "KeyRepeated", problem);
                return Err(TableError::call(self.operation, &self.subject, call_error));
            }
            self.start = Start::After(key);
        }
        // An empty page has an empty list. An answer without one must not be
        // taken for "nothing is there".
        let rows = rows.of(&mut answer).ok_or_else(|| {
            let call_error = CallError::unreadable("an answer without items");
            TableError::call(self.operation, &self.subject, call_error)
        })?;
        Ok(Some(rows))
    }

    /// Asks for the page after `start`, once.
    async fn ask<T: Row>(
        &self,
        start: Option<&Item>,
    ) -> Result<(QueryOutput, PageRows<T>), TableError> {
        let meter = self.table.meter();
        let mut condition = "#pk = :pk".to_owned();
        let mut request = self
            .table
            .client()
            .query()
            .table_name(self.table.name().as_str())
            .set_index_name(self.index.map(str::to_owned))
            .expression_attribute_names("#pk", self.keys.0)
            .expression_attribute_values(":pk", s(&self.pk));
        request = match &self.sk {
            SortKey::Any => request,
            SortKey::One(sk) => {
                condition.push_str(" AND #sk = :sk");
                request
                    .expression_attribute_names("#sk", self.keys.1)
                    .expression_attribute_values(":sk", s(sk))
            }
            SortKey::Between(first, last) => {
                condition.push_str(" AND #sk BETWEEN :first AND :last");
                request
                    .expression_attribute_names("#sk", self.keys.1)
                    .expression_attribute_values(":first", s(first))
                    .expression_attribute_values(":last", s(last))
            }
        };
        let rows = PageRows::new();
        let answer = request
            .key_condition_expression(condition)
            .consistent_read(self.index.is_none())
            .scan_index_forward(self.forward)
            .set_limit(self.limit)
            .set_exclusive_start_key(start.cloned())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(meter.counts(Use::Read))
            .interceptor(rows.reader())
            .send()
            .await
            .map_err(|error| {
                TableError::call(self.operation, &self.subject, self.table.call_error(&error))
            })?;
        Ok((answer, rows))
    }

    /// Returns true if a page that began after `start` and ends with `end`
    /// advances. Items with the same sort key are next to each other in an
    /// index.
    fn advances(&self, start: &Item, end: &Item) -> bool {
        let key = |item: &Item| match item.get(self.keys.1) {
            Some(AttributeValue::S(sk)) => sk.clone(),
            _ => String::new(),
        };
        let way = key(start).cmp(&key(end));
        let on = if self.forward {
            way.is_lt()
        } else {
            way.is_gt()
        };
        on || (self.index.is_some() && way.is_eq() && start != end)
    }

    /// Returns the first item, if there is one.
    pub(crate) async fn first(mut self) -> Result<Option<Item>, TableError> {
        self.limit = Some(1);
        Ok(self.next().await?.and_then(|page| page.into_iter().next()))
    }

    /// Returns all items, or the first `most`.
    pub(crate) async fn collect(mut self, most: Option<usize>) -> Result<Vec<Item>, TableError> {
        let most = most.unwrap_or(usize::MAX);
        let mut items = Vec::new();
        while items.len() < most
            && let Some(page) = self.next().await?
        {
            items.extend(page);
        }
        items.truncate(most);
        Ok(items)
    }
}
