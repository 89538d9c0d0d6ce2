//! Responses to queries, read by serde_json instead of the SDK's own reader.
//!
//! A run reads a snapshot for each connection, and the SDK's reader took a
//! third of the instructions (without SHA-256) of a run in which nothing
//! changed (`docs/performance.md`). The SDK reads what this reader does not
//! know: errors, types of attributes that this software never writes, and
//! invalid responses.

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::operation::query::{Query, QueryOutput};
use aws_sdk_dynamodb::types::ConsumedCapacity;
use aws_smithy_runtime_api::client::interceptors::context::Output;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};

use super::value::Attributes;
use crate::aws::response_reader::ReadWith;
use crate::table::kind::Row;

/// The items of one response.
#[derive(Debug)]
pub(crate) struct PageRows<T>(Arc<Mutex<Option<Vec<T>>>>);

impl<T: Row> PageRows<T> {
    /// Returns an empty list.
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Returns the reader that stores the items of a query's response here.
    pub(crate) fn reader(&self) -> ReadWith {
        let rows = Self(Arc::clone(&self.0));
        ReadWith::new(
            || Query::new().config(),
            move |body| {
                // What an earlier try had is not of this answer.
                rows.put(None);
                let answer: Answer<T> = serde_json::from_slice(body?).ok()?;
                Some(Output::erase(answer.into_output(&rows)))
            },
        )
    }

    /// Returns the items of `answer` from whichever reader read it. `None` if
    /// the response has no list.
    pub(crate) fn of(&self, answer: &mut QueryOutput) -> Option<Vec<T>> {
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let of_sdk = answer.items.take();
        read.or_else(|| of_sdk.map(|items| items.into_iter().map(T::from).collect()))
    }

    fn put(&self, rows: Option<Vec<T>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }
}

/// The parts of a response that are used.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", bound = "T: DeserializeOwned")]
struct Answer<T> {
    items: Option<Capped<T>>,
    last_evaluated_key: Option<Attributes>,
    consumed_capacity: Option<Consumed>,
    count: Option<i32>,
    scanned_count: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Consumed {
    table_name: Option<String>,
    capacity_units: Option<f64>,
}

impl<T: Row> Answer<T> {
    /// Returns the response as the SDK has it, without its items.
    fn into_output(self, rows: &PageRows<T>) -> QueryOutput {
        rows.put(self.items.map(|items_read| items_read.0));
        let consumed = self.consumed_capacity.map(|consumed| {
            ConsumedCapacity::builder()
                .set_table_name(consumed.table_name)
                .set_capacity_units(consumed.capacity_units)
                .build()
        });
        QueryOutput::builder()
            .set_last_evaluated_key(self.last_evaluated_key.map(|key| key.0))
            .set_consumed_capacity(consumed)
            .set_count(self.count)
            .set_scanned_count(self.scanned_count)
            .build()
    }
}

/// A list with a limit: a response can hold very many very short items, and a
/// row takes more memory than `{}` does.
struct Capped<T>(Vec<T>);

/// The most items of a page. A page has at most 1 MB, and the shortest items
/// that this software writes are accounts in an index, of 90 bytes.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>
const MAX_PAGE_ITEMS: usize = 12_000;

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Capped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = Capped<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Capped<T>, A::Error> {
                let mut items_read = Vec::new();
                while let Some(item) = items.next_element()? {
                    if items_read.len() == MAX_PAGE_ITEMS {
                        return Err(A::Error::custom("more items than a page has"));
                    }
                    items_read.push(item);
                }
                Ok(Capped(items_read))
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}
