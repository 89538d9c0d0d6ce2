//! Parts of the responses of CodeConnections and DynamoDB, for the HTTP servers of
//! the benchmarks.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::num::ParseIntError;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use codeconnections_inventory::local::codeconnections::protocol::{self, Call};
use serde_json::{Value, json};

/// Returns the page of a listing of `total` connections that a call asks for. The
/// token of a page is the number of its first connection.
///
/// # Errors
/// If the token is not from such a page.
pub fn page(
    call: &Call,
    total: usize,
    connection: impl Fn(usize) -> Value,
) -> Result<Response<Body>, ParseIntError> {
    let from = match call.input["NextToken"].as_str() {
        Some(token) => token.parse()?,
        None => 0,
    };
    let size = call.input["MaxResults"].as_u64().unwrap_or(100);
    let to = total.min(from + usize::try_from(size).unwrap_or(usize::MAX));
    let connections: Vec<Value> = (from..to).map(connection).collect();
    let mut page = json!({"Connections": connections});
    if to < total {
        page["NextToken"] = to.to_string().into();
    }
    Ok(protocol::respond(call.wire, StatusCode::OK, &page))
}

/// Returns a GitHub connection as a listing contains it.
pub fn connection(name: &str, arn: &str, account: &str, status: &str) -> Value {
    json!({
        "ConnectionName": name,
        "ConnectionArn": arn,
        "ProviderType": "GitHub",
        "OwnerAccountId": account,
        "ConnectionStatus": status,
    })
}

/// Returns the capacity units that a response of DynamoDB reports: those of one
/// table or the sum of several.
pub fn consumed_units(response: &Value) -> f64 {
    let units = |capacity: &Value| capacity["CapacityUnits"].as_f64().unwrap_or(0.0);
    match &response["ConsumedCapacity"] {
        Value::Array(several) => several.iter().map(units).sum(),
        one => units(one),
    }
}
