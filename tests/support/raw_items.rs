//! Items as stored in DynamoDB, and verification of the whole table.

use codeconnections_inventory::audit::verify::{Alteration, Verification, verify};
use codeconnections_inventory::domain::Clock;
use codeconnections_inventory::table::codec;
use codeconnections_inventory::table::codec::Item;

use super::test_env::TestEnv;

/// Partition key and sort key.
pub type Key = (String, String);

/// Returns all items of the table.
pub async fn items_of(env: &TestEnv) -> Vec<Item> {
    let scan = env.table.client().scan();
    let scan = scan.table_name(env.table.name().as_str()).send().await;
    scan.expect("read").items.expect("items")
}

pub fn text(item: &Item, name: &str) -> String {
    let value = item.get(name).expect("an attribute");
    value.as_s().expect("a text").clone()
}

pub fn key(item: &Item) -> Key {
    (text(item, "pk"), text(item, "sk"))
}

pub async fn get(env: &TestEnv, (pk, sk): &Key) -> Item {
    let got = env
        .table
        .client()
        .get_item()
        .table_name(env.table.name().as_str())
        .key("pk", codec::s(pk))
        .key("sk", codec::s(sk))
        .consistent_read(true)
        .send()
        .await;
    got.expect("read").item.expect("it is there")
}

pub async fn put(env: &TestEnv, item: Item) {
    let put = env
        .table
        .client()
        .put_item()
        .table_name(env.table.name().as_str())
        .set_item(Some(item));
    put.send().await.expect("inserted");
}

pub async fn remove(env: &TestEnv, (pk, sk): &Key) {
    let removed = env
        .table
        .client()
        .delete_item()
        .table_name(env.table.name().as_str())
        .key("pk", codec::s(pk))
        .key("sk", codec::s(sk))
        .send()
        .await;
    removed.expect("removed");
}

/// Verifies the whole table at the time of the test clock.
pub async fn verified(env: &TestEnv) -> Verification {
    let found = verify(&env.table, None, env.clock.now(), |_| {}).await;
    found.expect("read")
}

/// Returns the findings of verification.
pub async fn found(env: &TestEnv) -> Vec<Alteration> {
    verified(env).await.findings
}

/// Returns the findings, each with its key and problem in one line.
pub async fn findings(env: &TestEnv) -> Vec<String> {
    let line = |f: &Alteration| format!("{} {}: {}", f.pk, f.sk, f.problem);
    found(env).await.iter().map(line).collect()
}
