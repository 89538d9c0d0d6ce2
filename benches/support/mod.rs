//! What the benchmarks share: what a process has used, and items written
//! without conditions.

use std::error::Error;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use codeconnections_inventory::local::embedded::{TABLE, local_config};
use codeconnections_inventory::table::Table;
use codeconnections_inventory::table::items::Item;

pub mod process;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The embedded table that is served at `endpoint`.
pub fn table_at(endpoint: &str) -> Table {
    let name = TABLE.parse().expect("a table name");
    Table::new(Client::new(&local_config(endpoint)), name)
}

/// Writes at most 25 items, as they are.
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

/// Processor time of this process so far, user and system.
/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
pub fn processor_seconds() -> Result<f64> {
    /// Linux tells user space 100 ticks a second, whatever it uses itself.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is the name in parentheses, and may hold spaces.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let (Some(user), Some(system)) = (fields.get(11), fields.get(12)) else {
        return Err("too few fields in /proc/self/stat".into());
    };
    Ok((user.parse::<f64>()? + system.parse::<f64>()?) / TICKS)
}
