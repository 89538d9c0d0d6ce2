//! Answers to queries, read by serde_json instead of the SDK's own reader.
//!
//! A run reads a snapshot for each connection, and the SDK's reader took a
//! third of the instructions of a run in which nothing changed. What this
//! reader does not know, it leaves to the SDK's: errors, types of attributes
//! that this software never writes, and whatever is wrong with an answer.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::query::{Query, QueryOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity};
use aws_smithy_runtime_api::client::interceptors::context::{Error, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::config_bag::FrozenLayer;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::items::Item;

/// Has a query's answers read by this module.
#[derive(Debug)]
pub(super) struct ReadAnswers;

impl Intercept for ReadAnswers {
    fn name(&self) -> &'static str {
        "ReadAnswers"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(of_sdk) = Query::new().config()
            && of_sdk.load::<SharedResponseDeserializer>().is_some()
        {
            let reader = SharedResponseDeserializer::new(Reader { of_sdk });
            config.interceptor_state().store_put(reader);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Reader {
    /// Holds the SDK's own reader.
    of_sdk: FrozenLayer,
}

impl DeserializeResponse for Reader {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        config: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        if let (200, Some(body)) = (response.status().as_u16(), response.body().bytes())
            && let Ok(answer) = serde_json::from_slice::<Answer>(body)
        {
            return Ok(Output::erase(answer.into_output()));
        }
        match self.of_sdk.load::<SharedResponseDeserializer>() {
            Some(of_sdk) => of_sdk.deserialize_nonstreaming_with_config(response, config),
            None => Err(OrchestratorError::other("the SDK has no reader of answers")),
        }
    }
}

/// What of an answer is used.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    items: Option<Vec<Attributes>>,
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

impl Answer {
    fn into_output(self) -> QueryOutput {
        let items = self.items;
        let consumed = self.consumed_capacity.map(|consumed| {
            ConsumedCapacity::builder()
                .set_table_name(consumed.table_name)
                .set_capacity_units(consumed.capacity_units)
                .build()
        });
        QueryOutput::builder()
            .set_items(items.map(|items| items.into_iter().map(|item| item.0).collect()))
            .set_last_evaluated_key(self.last_evaluated_key.map(|key| key.0))
            .set_consumed_capacity(consumed)
            .set_count(self.count)
            .set_scanned_count(self.scanned_count)
            .build()
    }
}

/// An item.
struct Attributes(Item);

/// Places for the attributes of a snapshot, the longest item that is read in
/// great numbers.
const PLACES: usize = 24;

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut item = HashMap::with_capacity(PLACES);
                while let Some((name, Typed(value))) = map.next_entry()? {
                    item.insert(name, value);
                }
                Ok(Attributes(item))
            }
        }

        deserializer.deserialize_map(Names)
    }
}

/// An attribute's value: an object with one field, whose name is its type.
struct Typed(AttributeValue);

/// The types of the attributes that this software writes.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html>
#[derive(Deserialize)]
enum Type {
    S,
    N,
    #[serde(rename = "SS")]
    Ss,
    #[serde(rename = "BOOL")]
    Bool,
    #[serde(rename = "NULL")]
    Null,
    L,
    M,
}

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneField;

        impl<'de> Visitor<'de> for OneField {
            type Value = Typed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an attribute of a type that is written")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                use serde::de::Error as _;
                let Some(of_type) = map.next_key::<Type>()? else {
                    return Err(A::Error::custom("an attribute without a value"));
                };
                let value = match of_type {
                    Type::S => AttributeValue::S(map.next_value()?),
                    Type::N => AttributeValue::N(map.next_value()?),
                    Type::Ss => AttributeValue::Ss(map.next_value()?),
                    Type::Bool => AttributeValue::Bool(map.next_value()?),
                    Type::Null => AttributeValue::Null(map.next_value()?),
                    Type::L => {
                        let values: Vec<Typed> = map.next_value()?;
                        AttributeValue::L(values.into_iter().map(|typed| typed.0).collect())
                    }
                    Type::M => AttributeValue::M(map.next_value::<Attributes>()?.0),
                };
                match map.next_key::<Type>()? {
                    None => Ok(Typed(value)),
                    Some(_) => Err(A::Error::custom("an attribute of two types")),
                }
            }
        }

        deserializer.deserialize_map(OneField)
    }
}
