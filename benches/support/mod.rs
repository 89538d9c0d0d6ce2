//! Helpers of the benchmarks: resource use of processes, responses of AWS, and
//! unconditional writes.

use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use codeconnections_inventory::local::embedded::{TABLE, local_config};
use codeconnections_inventory::table::Table;
use codeconnections_inventory::table::codec::Item;

pub mod process;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Returns the embedded table at `endpoint`.
pub fn table_at(endpoint: &str) -> Table {
    let name = TABLE.parse().expect("a table name");
    Table::new(Client::new(&local_config(endpoint)), name)
}

/// Writes at most 25 items unconditionally.
pub async fn put(client: &Client, batch: &[Item]) -> Result<()> {
    let puts = batch.iter().map(|item| {
        let put = PutRequest::builder().set_item(Some(item.clone())).build();
        put.map(|put| WriteRequest::builder().put_request(put).build())
    });
    let puts: std::result::Result<Vec<_>, _> = puts.collect();
    let request = client.batch_write_item().request_items(TABLE, puts?);
    let left = request.send().await?.unprocessed_items.unwrap_or_default();
    if left.is_empty() {
        Ok(())
    } else {
        Err("the table left items unwritten".into())
    }
}
