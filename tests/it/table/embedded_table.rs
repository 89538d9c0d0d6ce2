//! The embedded table, where it differs from DynamoDB.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use codeconnections_inventory::local::EmbeddedTable;
use codeconnections_inventory::table::codec;

/// Without a limit, the embedded table reads the whole rest of a table for each page:
/// the time to read a record grows with the square of its size.
#[tokio::test]
async fn page_has_at_most_a_thousand_items() {
    let embedded = EmbeddedTable::in_memory().await.expect("a table");
    let table = embedded.table();
    let numbers: Vec<u32> = (0..1_001).collect();
    for batch in numbers.chunks(25) {
        let put = |number: &u32| {
            let put = PutRequest::builder()
                .item("pk", codec::s("RUNS#123456789012"))
                .item("sk", codec::s(number));
            let put = put.build().expect("it has an item");
            WriteRequest::builder().put_request(put).build()
        };
        let batch: Vec<_> = batch.iter().map(put).collect();
        let write = table.client().batch_write_item();
        let write = write.request_items(table.name().as_str(), batch);
        write.send().await.expect("written");
    }
    let mut pages = table.pages();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await.expect("read") {
        sizes.push(page.len());
    }
    assert_eq!(sizes, [1_000, 1]);
}
