//! Items as DynamoDB holds them, and what verification says of them all.

use codeconnections_inventory::audit::verify::{Finding, Verification, verify};
use codeconnections_inventory::domain::Clock;
use codeconnections_inventory::table::codec;
use codeconnections_inventory::table::codec::Item;

use super::lab::Lab;

/// Partition key and sort key.
pub type Key = (String, String);

pub async fn get(lab: &Lab, (pk, sk): &Key) -> Item {
    let got = lab
        .table
        .client()
        .get_item()
        .table_name(lab.table.name().as_str())
        .key("pk", codec::s(pk))
        .key("sk", codec::s(sk))
        .consistent_read(true)
        .send()
        .await;
    got.expect("read").item.expect("it is there")
}

pub async fn put(lab: &Lab, item: Item) {
    let put = lab
        .table
        .client()
        .put_item()
        .table_name(lab.table.name().as_str())
        .set_item(Some(item));
    put.send().await.expect("put in");
}

pub async fn remove(lab: &Lab, (pk, sk): &Key) {
    let removed = lab
        .table
        .client()
        .delete_item()
        .table_name(lab.table.name().as_str())
        .key("pk", codec::s(pk))
        .key("sk", codec::s(sk))
        .send()
        .await;
    removed.expect("removed");
}

/// The whole table, verified by the lab's clock.
pub async fn verified(lab: &Lab) -> Verification {
    let found = verify(&lab.table, None, lab.clock.now(), |_| {}).await;
    found.expect("read")
}

/// What verification finds.
pub async fn found(lab: &Lab) -> Vec<Finding> {
    verified(lab).await.findings
}

/// The findings, each with its key and problem in a line.
pub async fn findings(lab: &Lab) -> Vec<String> {
    let line = |f: &Finding| format!("{} {}: {}", f.pk, f.sk, f.problem);
    found(lab).await.iter().map(line).collect()
}
