//! The records of a table's stream.

use serde_json::{Value, json};

use super::aws::Aws;
use super::template::{list, text};

/// Returns every record of a table's stream so far, oldest first.
pub async fn records_of(aws: &Aws, table: &str) -> Vec<Value> {
    let described = aws.call("dynamodb", "describe_table", json!({"TableName": table}));
    let stream = text(&described.await["Table"]["LatestStreamArn"]);
    let described = aws.call(
        "dynamodbstreams",
        "describe_stream",
        json!({"StreamArn": stream}),
    );
    let described = described.await;
    let mut records = Vec::new();
    for shard in list(&described["StreamDescription"]["Shards"]) {
        let from = json!({
            "StreamArn": stream,
            "ShardId": shard["ShardId"],
            "ShardIteratorType": "TRIM_HORIZON",
        });
        let iterator = aws
            .call("dynamodbstreams", "get_shard_iterator", from)
            .await;
        let mut iterator = iterator["ShardIterator"].clone();
        // An open shard has no end, but its current records end with an empty answer.
        while !iterator.is_null() {
            let request = json!({"ShardIterator": iterator});
            let answer = aws.call("dynamodbstreams", "get_records", request).await;
            let found = list(&answer["Records"]);
            if found.is_empty() {
                break;
            }
            records.extend(found.iter().cloned());
            iterator = answer["NextShardIterator"].clone();
        }
    }
    records
}
