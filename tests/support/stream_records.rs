//! The records of a table's stream, and their way to a function.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::aws::Aws;
use super::eventually;
use super::pipes::Filter;
use super::runtime_emulator::{Emulator, Invoked};
use super::template::{TEMPLATE, list, text};

/// Gives a table the stream that the template's table has.
pub async fn enable(aws: &Aws, table: &str) {
    let stream = &TEMPLATE["Resources"]["Table"]["Properties"]["StreamSpecification"];
    let stream = json!({"StreamEnabled": true, "StreamViewType": stream["StreamViewType"]});
    let wanted = json!({"TableName": table, "StreamSpecification": stream});
    aws.call("dynamodb", "update_table", wanted).await;
}

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

/// Invokes a function with the records of a stream, as an event source mapping of the
/// template does: filtered, in batches.
pub struct Poller<'a> {
    /// The mapping's properties.
    mapping: &'static Value,
    /// Where the stream is.
    pub stream: &'a Aws,
    /// What applies filters.
    pub events: &'a Aws,
    pub table: &'a str,
    pub function: &'a Emulator,
    delivered: HashSet<String>,
}

impl<'a> Poller<'a> {
    pub fn new(
        mapping: &str,
        stream: &'a Aws,
        table: &'a str,
        events: &'a Aws,
        function: &'a Emulator,
    ) -> Self {
        let mapping = &TEMPLATE["Resources"][mapping];
        assert_eq!(mapping["Type"], "AWS::Lambda::EventSourceMapping");
        Self {
            mapping: &mapping["Properties"],
            stream,
            events,
            table,
            function,
            delivered: HashSet::new(),
        }
    }

    /// Delivers every new record, once the stream has so many items of a partition. Returns
    /// what the function answered.
    pub async fn deliver(&mut self, partition: &str, number: usize) -> Vec<Invoked> {
        let is_there = |record: &&Value| {
            let pk = record["dynamodb"]["Keys"]["pk"]["S"].as_str();
            pk.is_some_and(|pk| pk.starts_with(partition))
        };
        let records = eventually("the stream has the items", async || {
            let records = records_of(self.stream, self.table).await;
            (records.iter().filter(is_there).count() >= number).then_some(records)
        })
        .await;
        let filter = Filter::of(&self.mapping["FilterCriteria"]["Filters"]);
        let mut passed = Vec::new();
        for record in records {
            let is_new = self.delivered.insert(text(&record["eventID"]));
            if is_new && filter.matches(self.events, &record).await {
                passed.push(record);
            }
        }
        let batch = self.mapping["BatchSize"].as_u64().expect("a number");
        let mut answers = Vec::new();
        for batch in passed.chunks(usize::try_from(batch).expect("small")) {
            answers.push(self.function.invoke(&json!({"Records": batch})).await);
        }
        answers
    }
}
