//! Answers of DynamoDB and STS that no emulator gives on demand.

use axum::body::Bytes;
use serde_json::{Value, json};

/// Returns an error of DynamoDB.
pub fn table_error(code: &str) -> String {
    let code = format!("com.amazonaws.dynamodb.v20120810#{code}");
    json!({"__type": code, "message": "injected"}).to_string()
}

/// Returns the error of a transaction that was cancelled for these reasons, one for each
/// statement.
pub fn cancelled(reasons: &[&str]) -> String {
    let reason = |code: &&str| json!({"Code": code, "Message": "injected"});
    json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": reasons.iter().map(reason).collect::<Vec<_>>(),
    })
    .to_string()
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

/// A batch of statements of which some fail.
pub struct PartialBatch {
    /// The error code of each statement that fails.
    codes: Vec<Option<String>>,
    /// The batch of the other statements, if there are any.
    pub rest: Option<Bytes>,
}

impl PartialBatch {
    /// Lets those statements of a batch fail for whose position `code` returns an error code.
    pub fn new(batch: &[u8], code: impl Fn(usize) -> Option<&'static str>) -> Self {
        let mut batch: Value = serde_json::from_slice(batch).expect("JSON");
        let statements = batch["Statements"].as_array_mut().expect("statements");
        let codes: Vec<_> = (0..statements.len())
            .map(|place| code(place).map(str::to_owned))
            .collect();
        let mut passes = codes.iter().map(Option::is_none);
        statements.retain(|_| passes.next() == Some(true));
        let rest = (!statements.is_empty()).then(|| batch.to_string().into());
        Self { codes, rest }
    }

    /// Returns the response to the whole batch, given that to the rest.
    pub fn response(&self, to_rest: Option<&[u8]>) -> String {
        let mut answered: Value = match to_rest {
            Some(response) => serde_json::from_slice(response).expect("JSON"),
            None => json!({"Responses": []}),
        };
        let answered = answered["Responses"].as_array_mut().expect("responses");
        let mut answered = answered.drain(..);
        let of = |code: &Option<String>| match code {
            Some(code) => json!({"Error": {"Code": code, "Message": "injected"}}),
            None => answered.next().expect("one for each statement"),
        };
        let responses: Vec<Value> = self.codes.iter().map(of).collect();
        json!({"Responses": responses}).to_string()
    }
}

/// Returns the credentials of an assumed role as STS does; `expiration` is an XML element.
pub fn assumed_role(access_key: &str, secret: &str, expiration: &str) -> String {
    format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
         <AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{secret}</SessionToken>{expiration}\
         </Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
}
