//! An item as DynamoDB's SDK has it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// An item as DynamoDB gives it.
pub type Item = HashMap<String, AttributeValue>;
