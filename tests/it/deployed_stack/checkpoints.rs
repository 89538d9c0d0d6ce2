//! Checkpoints by the deployed function, signed with the key of the stack.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::ccinv::Ccinv;
use crate::support::eventually;
use crate::support::stack::Stack;
use crate::support::template::text;
use crate::support::test_env::REGION;

#[tokio::test]
async fn schedule_makes_checkpoints_that_the_public_key_verifies() {
    let stack = Stack::deployed_with(&[("Checkpoints", "on")]).await;
    stack.connect("payments-api");
    assert_eq!(stack.invoke(&json!({})).await["outcome"], "COMPLETE");
    let bucket = stack.output("CheckpointBucketName");
    let rule = stack.rule("CheckpointRule").await;
    assert_eq!(rule["ScheduleExpression"], "rate(1 day)");
    stack.hurry("CheckpointRule").await;
    let listed = json!({"Bucket": bucket, "Prefix": "checkpoints/"});
    eventually("the schedule fires", async || {
        let found = stack
            .aws
            .call("s3", "list_objects_v2", listed.clone())
            .await;
        found["Contents"].is_array().then_some(())
    })
    .await;
    stack.pause("CheckpointRule").await;

    let key = json!({"KeyId": stack.output("CheckpointKeyArn")});
    let key = stack.aws.call("kms", "get_public_key", key).await;
    let key = STANDARD.decode(text(&key["PublicKey"])).expect("base64");
    let ccinv = Ccinv::offline()
        .with("AWS_REGION", REGION)
        .with("AWS_ACCESS_KEY_ID", stack.account())
        .with("AWS_SECRET_ACCESS_KEY", "secret")
        .with("AWS_ENDPOINT_URL", &stack.ministack.endpoint);
    std::fs::write(ccinv.folder().join("key.der"), key).expect("written");
    let place = format!("s3://{bucket}");
    let table = stack.output("TableName");
    let verify = [
        "verify",
        "--json",
        "--table",
        table,
        "--checkpoints",
        &place,
    ];
    let verified: Value = ccinv
        .json(&[&verify[..], &["--public-key", "key.der"]].concat())
        .await;
    let compared = &verified["checkpoints"];
    assert_eq!(compared["first"]["number"], 1, "{verified}");
    assert_eq!(compared["uncovered_runs"], 0, "{verified}");
}
