//! The function of checkpoints: AWS KMS signs, S3 stores under Object Lock.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::aws::Aws;
use crate::support::ccinv::Ccinv;
use crate::support::moto::Moto;
use crate::support::proxy::{Act, Proxy, Reply, Seen};
use crate::support::runtime_emulator::{CHECKPOINT, Emulator, Environment, Invoked};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv, quick, region};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use codeconnections_inventory::aws::s3::Bucket;
use codeconnections_inventory::checkpoint::{Signer, Store, make};
use codeconnections_inventory::domain::Timestamp;
use serde_json::{Value, json};

const BUCKET: &str = "evidence";
const COPIES: &str = "copies";
const FIRST: &str = "checkpoints/0000000001.json";

/// An account with a record, two buckets and a key.
struct Fixture {
    env: TestEnv,
    moto: Moto,
    /// moto labels answers of KMS as HTML.
    kms: Proxy,
    aws: Aws,
    key: String,
    ccinv: Ccinv,
}

impl Fixture {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        env.create("payments");
        env.run().await;
        let moto = Moto::start().await;
        let aws = Aws::new(&moto.endpoint, REGION, ACCOUNT).await;
        for bucket in [BUCKET, COPIES] {
            aws.call(
                "s3",
                "create_bucket",
                json!({
                    "Bucket": bucket,
                    "ObjectLockEnabledForBucket": true,
                    "CreateBucketConfiguration": {"LocationConstraint": REGION},
                }),
            )
            .await;
            let retention = json!({"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}});
            aws.call(
                "s3",
                "put_object_lock_configuration",
                json!({
                    "Bucket": bucket,
                    "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": retention},
                }),
            )
            .await;
        }
        let key = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
        let key = aws.call("kms", "create_key", key).await["KeyMetadata"]["Arn"].clone();
        let key = key.as_str().expect("an ARN").to_owned();
        let public = aws
            .call("kms", "get_public_key", json!({"KeyId": key}))
            .await;
        let public = STANDARD.decode(public["PublicKey"].as_str().expect("base64"));
        let ccinv = Ccinv::at(&env).with("AWS_ENDPOINT_URL_S3", &moto.endpoint);
        let file = ccinv.folder().join("key.der");
        std::fs::write(file, public.expect("base64")).expect("written");
        Self {
            kms: Proxy::start(&moto.endpoint, |_| Act::PassForJson).await,
            env,
            moto,
            aws,
            key,
            ccinv,
        }
    }

    /// Starts the function with S3 at this endpoint.
    async fn function(&self, s3: &str) -> Emulator {
        self.function_with(s3, &self.kms.endpoint).await
    }

    async fn function_with(&self, s3: &str, kms: &str) -> Emulator {
        let environment = Environment::of(&self.env)
            .with("CHECKPOINT_BUCKET", BUCKET)
            .with("CHECKPOINT_COPY_BUCKET", COPIES)
            .with("CHECKPOINT_KEY", &self.key)
            .with("METRICS_NAMESPACE", "CodeConnectionsInventory")
            .with("AWS_ENDPOINT_URL_S3", s3)
            .with("AWS_ENDPOINT_URL_KMS", kms);
        Emulator::start_function(environment, Some(Path::new(CHECKPOINT))).await
    }

    /// Verifies the table against the checkpoints of a bucket. Returns the exit code and
    /// what they show.
    async fn verified(&self, bucket: &str) -> (i32, Value) {
        let place = format!("s3://{bucket}");
        let table = self.env.table.name().as_str();
        let verify = [
            "verify",
            "--json",
            "--table",
            table,
            "--public-key",
            "key.der",
        ];
        let done = self
            .ccinv
            .run(&[&verify[..], &["--checkpoints", &place]].concat())
            .await;
        let verified: Value = serde_json::from_str(&done.stdout).unwrap_or_default();
        assert!(verified.is_object(), "{done:?}");
        (done.code, verified["checkpoints"].clone())
    }

    async fn assert_intact(&self, bucket: &str, checkpoints: u64) {
        let (code, compared) = self.verified(bucket).await;
        assert_eq!(
            (code, &compared["checkpoints"]),
            (0, &json!(checkpoints)),
            "{compared}"
        );
    }

    async fn problems(&self, bucket: &str) -> Vec<String> {
        let (code, compared) = self.verified(bucket).await;
        assert_eq!(code, 3, "{compared}");
        let found = compared["findings"].as_array().expect("findings").iter();
        found
            .map(|it| it["problem"].as_str().expect("a text").to_owned())
            .collect()
    }
}

fn is_put(seen: &Seen, name: &str) -> bool {
    seen.method == "PUT" && seen.uri.path().ends_with(name)
}

#[tokio::test]
async fn checkpoints_are_signed_by_kms_and_can_not_be_replaced() {
    let fixture = Fixture::new().await;
    let moto = &fixture.moto.endpoint;
    let function = fixture.function(moto).await;
    let made = function.invoke(&json!({})).await.answer();
    assert_eq!(
        (&made["number"], &made["copied"]),
        (&json!(1), &json!(1)),
        "{made}"
    );
    assert_eq!(made["stored"], format!("s3://{BUCKET}/{FIRST}"));
    fixture.env.run().await;
    let made = function.invoke(&json!({})).await.answer();
    assert_eq!(
        (&made["number"], &made["copied"]),
        (&json!(2), &json!(1)),
        "{made}"
    );
    for bucket in [BUCKET, COPIES] {
        fixture.assert_intact(bucket, 2).await;
        let listed = json!({"Bucket": bucket, "Prefix": FIRST});
        let listed = fixture.aws.call("s3", "list_object_versions", listed).await;
        let version = listed["Versions"][0]["VersionId"].clone();
        let version = json!({"Bucket": bucket, "Key": FIRST, "VersionId": version});
        let refused = fixture.aws.try_call("s3", "delete_object", version).await;
        assert_eq!(refused.expect_err("it is locked").code, "AccessDenied");
    }
    let metrics = function
        .lines(2, |line| line.contains("CloudWatchMetrics"))
        .await;
    let metrics: Value = serde_json::from_str(&metrics[0]).expect("JSON");
    assert_eq!(
        (&metrics["Checkpoints"], &metrics["CheckpointProblems"]),
        (&json!(1), &json!(0))
    );

    let states = json!({"Bucket": BUCKET, "Prefix": "chains/"});
    let states = fixture.aws.call("s3", "list_object_versions", states).await;
    let states = states["Versions"][0]["Key"].clone();
    for key in [json!(FIRST), states] {
        let object = json!({"Bucket": BUCKET, "Key": key, "Body": "{}"});
        fixture.aws.call("s3", "put_object", object).await;
        let object = json!({"Bucket": COPIES, "Key": key});
        fixture.aws.call("s3", "delete_object", object).await;
    }
    for (bucket, done) in [(BUCKET, "was overwritten at "), (COPIES, "was deleted at ")] {
        let problems = fixture.problems(bucket).await;
        assert_eq!(problems.len(), 1, "the first version is used: {problems:?}");
        assert!(problems[0].starts_with(done), "{problems:?}");
    }
    let made = function.invoke(&json!({})).await.answer();
    assert_eq!(made["number"], 3, "{made}");
}

#[tokio::test]
async fn denied_signature_or_bucket_leaves_no_checkpoint() {
    let fixture = Fixture::new().await;
    let moto = &fixture.moto.endpoint;
    let kms = Proxy::start(moto, |_| {
        let denied = json!({"__type": "AccessDeniedException", "message": "no kms:Sign"});
        Act::Reply(Reply::new(
            400,
            "application/x-amz-json-1.1",
            denied.to_string(),
        ))
    })
    .await;
    let unsigned = fixture.function_with(moto, &kms.endpoint).await;
    let (error_type, message) = unsigned.invoke(&json!({})).await.error();
    assert_eq!(error_type, "CheckpointFailed");
    assert!(message.contains("no kms:Sign"), "{message}");
    let denied = "<Error><Code>AccessDenied</Code><Message>not yours</Message></Error>";
    let s3 = Proxy::start(moto, move |seen| {
        match seen.uri.path().starts_with(&format!("/{BUCKET}/")) {
            true => Act::Reply(Reply::new(403, "application/xml", denied)),
            false => Act::Pass,
        }
    })
    .await;
    let closed = fixture.function(&s3.endpoint).await;
    let (error_type, message) = closed.invoke(&json!({})).await.error();
    assert_eq!(error_type, "CheckpointFailed");
    assert_eq!(
        message,
        "ListObjectVersions of s3://evidence/checkpoints/: AccessDenied: not yours"
    );
    let (code, _) = fixture.verified(BUCKET).await;
    assert_eq!(code, 4, "there is none");
    let function = fixture.function(moto).await;
    let made = function.invoke(&json!({})).await.answer();
    assert_eq!(made["number"], 1, "{made}");
    fixture.assert_intact(BUCKET, 1).await;
}

/// A crash between signing and storing, a lost answer, and a closed second bucket.
#[tokio::test]
async fn interrupted_checkpoint_is_made_or_copied_by_the_next_event() {
    let fixture = Fixture::new().await;
    let moto = &fixture.moto.endpoint;
    let is_cut = Arc::new(AtomicBool::new(true));
    let s3 = {
        let is_cut = Arc::clone(&is_cut);
        Proxy::start(moto, move |seen| {
            let copies = seen.uri.path().starts_with(&format!("/{COPIES}/"));
            match is_cut.load(Ordering::Relaxed) {
                // Whatever is retried does not arrive.
                true if is_put(seen, FIRST) => Act::Cut,
                false if copies && is_put(seen, FIRST) => {
                    Act::Reply(Reply::new(403, "application/xml", "<Error/>"))
                }
                _ => Act::Pass,
            }
        })
        .await
    };
    let function = fixture.function(&s3.endpoint).await;
    let (error_type, _) = function.invoke(&json!({})).await.error();
    assert_eq!(error_type, "CheckpointFailed");
    assert_eq!(fixture.verified(BUCKET).await.0, 4, "there is none");
    is_cut.store(false, Ordering::Relaxed);
    let (error_type, _) = function.invoke(&json!({})).await.error();
    assert_eq!(error_type, "CopyFailed");
    fixture.assert_intact(BUCKET, 1).await;
    assert_eq!(fixture.verified(COPIES).await.0, 4, "there is none");

    let lost = Arc::new(AtomicBool::new(false));
    let s3 = Proxy::start(moto, move |seen| {
        let is_second = is_put(seen, "checkpoints/0000000002.json");
        match is_second && !lost.swap(true, Ordering::Relaxed) {
            true => Act::PassThenCut,
            false => Act::Pass,
        }
    })
    .await;
    let function = fixture.function(&s3.endpoint).await;
    let made = function.invoke(&json!({})).await.answer();
    assert_eq!(
        (&made["number"], &made["copied"]),
        (&json!(2), &json!(2)),
        "{made}"
    );
    for bucket in [BUCKET, COPIES] {
        fixture.assert_intact(bucket, 2).await;
    }
}

/// S3 says when it received what the signer's clock dates.
#[tokio::test]
async fn checkpoint_by_a_wrong_clock_is_found() {
    let fixture = Fixture::new().await;
    let store = Store::Bucket {
        bucket: Bucket {
            config: Box::new(quick(&fixture.moto.endpoint)),
            region: region(REGION),
            name: BUCKET.into(),
        },
        prefix: String::new(),
    };
    let signer = Signer::Kms {
        config: Box::new(quick(&fixture.kms.endpoint)),
        region: region(REGION),
        key: fixture.key.as_str().into(),
    };
    let then: Timestamp = "2126-10-01T09:00:00Z".parse().expect("a time");
    let made = make::make(&fixture.env.table, &store, &signer, then).await;
    made.expect("made");
    let problems = fixture.problems(BUCKET).await;
    let expected = "says it was made at 2126-10-01T09:00:00.000Z; S3 received it at ";
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with(expected), "{problems:?}");
}

#[tokio::test]
async fn settings_that_are_missing_are_named_at_once() {
    let env = TestEnv::new().await;
    let environment = Environment::of(&env).with("CHECKPOINT_COPY_REGION", "nowhere");
    let function = Emulator::start_function(environment, Some(Path::new(CHECKPOINT))).await;
    assert_eq!(function.invoke(&json!({})).await, Invoked::Crashed);
    let log = function.end().join("\n");
    for problem in [
        "CHECKPOINT_BUCKET: not set; give the bucket of the checkpoints",
        "CHECKPOINT_KEY: not set; give the key that signs",
        "CHECKPOINT_COPY_REGION: ",
    ] {
        assert!(log.contains(problem), "{problem}: {log}");
    }
}
