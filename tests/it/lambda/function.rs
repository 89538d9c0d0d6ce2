//! Runs the function's own binary under AWS's Lambda runtime interface
//! emulator.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::proxy::{Act, Proxy};
use crate::support::runtime_emulator::{Emulator, Environment, Invoked, SECRET_KEY, SESSION_TOKEN};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv};
use codeconnections_inventory::domain::{ChangeKind, Outcome, RunRecord};
use serde_json::{Value, json};

/// The expected result of a sample event.
struct Expected {
    regions: &'static [&'static str],
    trigger: Value,
    /// Whether the event has an ID, which identifies a second delivery.
    has_id: bool,
}

const MARIA: &str = "arn:aws:sts::123456789012:assumed-role/PlatformEngineer/maria.example";
const PAYMENTS_API: &str = "arn:aws:codeconnections:eu-west-1:123456789012:connection/8c0a5f2e-3b41-4d0e-9a77-5e1c2f6b9d34";

fn api_calls(call: Value) -> Value {
    json!({"kind": "API_CALLS", "calls": [call]})
}

/// Returns the expected result of a sample, for a function configured for
/// eu-central-1 and eu-west-1.
fn expected(sample: &str) -> Expected {
    let configured = &["eu-central-1", "eu-west-1"];
    match sample {
        "scheduled-rule.json" => Expected {
            regions: configured,
            trigger: json!({
                "kind": "SCHEDULE",
                "event_id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
                "source_arn": "arn:aws:events:eu-west-1:123456789012:rule/codeconnections-inventory-Schedule-1A2B3C4D5E6F7",
            }),
            has_id: true,
        },
        "scheduler.json" => Expected {
            regions: configured,
            trigger: json!({
                "kind": "SCHEDULE",
                "event_id": "d32c5993-c7d9-4c9b-8e3f-0f6f5a1c2b7e",
                "source_arn": "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/codeconnections-inventory",
            }),
            has_id: true,
        },
        "scheduler-own-input.json" => Expected {
            regions: &["eu-west-1", "us-east-1"],
            trigger: json!({
                "kind": "SCHEDULE",
                "event_id": "e7a1f0b4-2d35-4c8a-9b6e-1f4d8c3a5b92",
                "source_arn": "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/codeconnections-inventory",
            }),
            has_id: true,
        },
        "cloudtrail-create-connection.json" => Expected {
            regions: configured,
            trigger: api_calls(json!({
                "event_id": "2f1d7c9a-6a0b-3c55-9c1e-7d8a4b6e2f10",
                "cloudtrail_id": "b7a3e0d4-52c6-4f1b-8e0a-94c1d2f3a6b5",
                "event_name": "CreateConnection",
                "event_time": "2026-10-08T16:21:07.000Z",
                "region": "eu-west-1",
                "principal_arn": MARIA,
                "source_ip": "203.0.113.24",
                "resource_arn": PAYMENTS_API,
            })),
            has_id: true,
        },
        "cloudtrail-delete-connection-codestar.json" => Expected {
            regions: configured,
            trigger: api_calls(json!({
                "event_id": "9d5e3b60-1c84-f2a7-6b3d-0e5f7a9c8d12",
                "cloudtrail_id": "e4c2b8f1-90a7-4d36-a5b9-1d7f3c6e8a02",
                "event_name": "DeleteConnection",
                "event_time": "2026-10-08T17:02:35.000Z",
                "region": "eu-west-1",
                "principal_arn": "arn:aws:sts::123456789012:assumed-role/StackDeployer/AWSCloudFormation",
                "source_ip": "cloudformation.amazonaws.com",
                "resource_arn": "arn:aws:codestar-connections:eu-west-1:123456789012:connection/1f7e6d5c-4b3a-4291-8070-6f5e4d3c2b1a",
            })),
            has_id: true,
        },
        "cloudtrail-tag-resource.json" => Expected {
            regions: configured,
            trigger: api_calls(json!({
                "event_id": "6c0e8b52-94d7-1a3f-b2e6-5d7f9a1c3e48",
                "cloudtrail_id": "1d9b7f35-2c8a-4e60-9f14-7a3b5c8d0e62",
                "event_name": "TagResource",
                "event_time": "2026-10-08T16:25:40.000Z",
                "region": "eu-west-1",
                "principal_arn": MARIA,
                "source_ip": "203.0.113.24",
                "resource_arn": PAYMENTS_API,
            })),
            has_id: true,
        },
        "cloudtrail-update-connection-installation.json" => Expected {
            regions: configured,
            trigger: api_calls(json!({
                "event_id": "d17a3c5e-08b2-6f94-a3d5-9b1c7e2f4a60",
                "cloudtrail_id": "5a7c9e13-4d6f-4b82-a0c4-2e8f6b1d3a97",
                "event_name": "UpdateConnectionInstallation",
                "event_time": "2026-10-08T16:33:02.000Z",
                "region": "eu-west-1",
                "principal_arn": MARIA,
                "source_ip": "203.0.113.24",
                "resource_arn": PAYMENTS_API,
            })),
            has_id: true,
        },
        "cloudtrail-update-host.json" => Expected {
            regions: configured,
            trigger: api_calls(json!({
                "event_id": "a4d81f0c-73be-2956-c0a8-1e9b3d5f7c26",
                "cloudtrail_id": "8e2c4a60-b15d-4f79-8c03-6d1f9e7b5a24",
                "event_name": "UpdateHost",
                "event_time": "2026-10-08T18:40:12.000Z",
                "region": "eu-west-1",
                "principal_arn": MARIA,
                "source_ip": "203.0.113.24",
                "resource_arn": "arn:aws:codeconnections:eu-west-1:123456789012:host/ghes-1a2b3c4d",
            })),
            has_id: true,
        },
        "direct-request.json" => Expected {
            regions: &["eu-west-1", "us-east-1"],
            trigger: json!({"kind": "REQUEST"}),
            has_id: false,
        },
        other => panic!("events/{other}: add its expected result here"),
    }
}

fn samples() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let mut samples: Vec<_> = std::fs::read_dir(folder)
        .expect("events/")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .expect("a name");
            let event = std::fs::read_to_string(&path).expect("a file");
            (name.to_owned(), serde_json::from_str(&event).expect("JSON"))
        })
        .collect();
    samples.sort_by(|(a, _), (b, _)| a.cmp(b));
    samples
}

/// Returns a schedule event with this ID.
fn tick(id: &str) -> Value {
    let (_, mut event) = samples()
        .into_iter()
        .find(|(name, _)| name == "scheduled-rule.json")
        .expect("the sample");
    event["id"] = id.into();
    event
}

/// Collects the account and region of each listing request from now on.
fn listings_of(env: &TestEnv) -> Arc<Mutex<BTreeSet<(String, String)>>> {
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&asked);
    env.codeconnections.set_faults(move |request| {
        assert_eq!(request.operation, "ListConnections");
        let place = (request.account.clone(), request.region.clone());
        noted.lock().expect("no panic").insert(place);
        None
    });
    asked
}

fn regions_of(run: &RunRecord) -> Vec<&str> {
    run.listings
        .iter()
        .map(|listing| listing.region.as_str())
        .collect()
}

#[tokio::test]
async fn every_sample_event_lists_its_regions_and_records_its_trigger() {
    for (name, event) in samples() {
        // These have other responses and settings: see
        // tests/it/lambda/sqs_batches.rs and tests/it/lambda/organization.rs.
        if ["queue-batch.json", "organization-account.json"].contains(&&*name) {
            continue;
        }
        let expected = expected(&name);
        let env = TestEnv::new().await;
        let arn = env.create("storefront");
        let asked = listings_of(&env);
        let environment = Environment::of(&env).with("REGIONS", "eu-west-1, eu-central-1");
        let emulator = Emulator::start(environment).await;

        let answer = emulator.invoke(&event).await.answer();

        assert_eq!(answer["outcome"], "COMPLETE", "{name}: {answer}");
        assert_eq!(answer["account"], ACCOUNT, "{name}");
        assert_eq!(answer["changes"], json!({"FIRST_SEEN": 1}), "{name}");
        let places: BTreeSet<_> = expected
            .regions
            .iter()
            .map(|region| (ACCOUNT.to_owned(), (*region).to_owned()))
            .collect();
        assert_eq!(*asked.lock().expect("no panic"), places, "{name}");
        let runs = env.runs().await;
        let [run] = runs.as_slice() else {
            panic!("{name}: one run, not {runs:?}");
        };
        assert_eq!(answer["run_id"], run.run_id.as_str(), "{name}");
        assert_eq!(answer["digest"], run.digest().to_string(), "{name}");
        assert_eq!(run.outcome, Outcome::Complete, "{name}");
        assert_eq!(regions_of(run), expected.regions, "{name}");
        let trigger = serde_json::to_value(&run.trigger).expect("JSON");
        assert_eq!(trigger, expected.trigger, "{name}");
        let changes = env.changes(&arn).await;
        let event_id = changes[0].event_id.as_deref();
        let trigger = &expected.trigger;
        let expected_id = trigger["event_id"].as_str();
        let expected_id = expected_id.or(trigger["calls"][0]["event_id"].as_str());
        assert_eq!(event_id, expected_id, "{name}");

        let again = emulator.invoke(&event).await.answer();

        assert_eq!(again["already_recorded"], expected.has_id, "{name}");
        let runs = env.runs().await.len();
        assert_eq!(runs, if expected.has_id { 1 } else { 2 }, "{name}");
        assert_eq!(env.changes(&arn).await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn invalid_event_is_an_error_with_the_field_and_writes_nothing() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let table = Proxy::start(&env.table_endpoint, |_| Act::Pass).await;
    let environment = Environment::of(&env).with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint);
    let emulator = Emulator::start(environment).await;
    let mut foreign = tick("1");
    foreign["account"] = "999999999999".into();
    foreign["detail-type"] = "AWS API Call via CloudTrail".into();
    foreign["source"] = "aws.codeconnections".into();
    foreign["detail"] = json!({"eventName": "CreateConnection", "awsRegion": REGION});

    let wrong = [
        (json!([]), "(event)"),
        (
            json!({"detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2"}),
            "detail-type",
        ),
        (
            json!({"detail-type": "Scheduled Event", "source": "aws.ec2"}),
            "source",
        ),
        (json!({"detail-type": "Scheduled Event"}), "source"),
        (
            json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.codeconnections"}),
            "detail",
        ),
        (json!({"regions": "eu-west-1"}), "regions"),
        (json!({"regions": [REGION, "Ireland"]}), "regions[1]"),
        (json!({"regions": []}), "regions"),
        (json!({"accept_deletions": "yes"}), "accept_deletions"),
        (json!({"acept_deletions": true}), "acept_deletions"),
        (json!({"account": "999999999999"}), "account"),
        (json!({"HostArnFilter": "my-host"}), "HostArnFilter"),
        (
            json!({"HostArnFilter": "my-host", "regions": [REGION]}),
            "HostArnFilter",
        ),
        (foreign, "account"),
    ];
    for (event, field) in wrong {
        let (error_type, message) = emulator.invoke(&event).await.error();
        assert_eq!(error_type, "InvalidEvent", "{event}");
        let start = format!("invalid event: {field}: ");
        assert!(message.starts_with(&start), "{event}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    assert_eq!(table.count(), 0, "the table received no request");
    assert_eq!(env.codeconnections.requests(), 0, "and nothing was listed");

    // The same process still handles a valid event.
    let answer = emulator.invoke(&json!({})).await.answer();
    assert_eq!(answer["outcome"], "COMPLETE");
}

#[tokio::test]
async fn failed_run_is_a_function_error_and_is_recorded() {
    let env = TestEnv::new().await;
    env.create("storefront");
    env.deny(REGION);
    let emulator = Emulator::start(Environment::of(&env)).await;

    let (error_type, message) = emulator.invoke(&tick("1")).await.error();

    assert_eq!(error_type, "RunFailed");
    let runs = env.runs().await;
    let [run] = runs.as_slice() else {
        panic!("one run, not {runs:?}");
    };
    assert_eq!(run.outcome, Outcome::Failed);
    let error = run.listings[0].error.as_ref().expect("an error");
    assert_eq!(&*error.code, "AccessDeniedException");
    for named in [
        run.run_id.as_str(),
        ACCOUNT,
        REGION,
        "AccessDeniedException",
    ] {
        assert!(message.contains(named), "{named}: {message}");
    }
    assert_eq!(env.connections().await, []);

    // EventBridge retries a FAILED run: the same event must not count as
    // processed.
    env.allow(REGION);
    let answer = emulator.invoke(&tick("1")).await.answer();
    assert_eq!(answer["outcome"], "COMPLETE");
    assert_eq!(answer["changes"], json!({"FIRST_SEEN": 1}));
    assert_eq!(env.runs().await.len(), 2);
}

#[tokio::test]
async fn account_without_credentials_is_rejected() {
    let env = TestEnv::new().await;
    let emulator = Emulator::start(Environment::of(&env).with("ACCOUNTS", "999999999999")).await;
    let (error_type, message) = emulator.invoke(&json!({})).await.error();
    assert_eq!(error_type, "NoRoleFor");
    assert!(
        message.contains("999999999999") && message.contains("MEMBER_ROLE_NAME"),
        "{message}"
    );
    assert_eq!(env.codeconnections.requests(), 0, "nothing was listed");
    assert!(env.table.accounts().await.unwrap().is_empty());
}

#[tokio::test]
async fn partial_run_returns_its_incomplete_listings() {
    let env = TestEnv::new().await;
    env.create("storefront");
    env.deny("eu-south-1");
    let environment = Environment::of(&env).with("REGIONS", "eu-south-1,eu-west-1");
    let emulator = Emulator::start(environment).await;

    let answer = emulator.invoke(&tick("1")).await.answer();

    assert_eq!(answer["outcome"], "PARTIAL");
    assert_eq!(answer["changes"], json!({"FIRST_SEEN": 1}));
    assert_eq!(answer["connections"], json!({"PENDING": 1}));
    let listing = |i: usize| {
        (
            &answer["listings"][i]["region"],
            &answer["listings"][i]["complete"],
        )
    };
    assert_eq!(listing(0), (&json!("eu-south-1"), &json!(false)));
    assert_eq!(listing(1), (&json!("eu-west-1"), &json!(true)));
    let error = &answer["listings"][0]["error"];
    assert_eq!(error["code"], "AccessDeniedException");
    let runs = env.runs().await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].outcome, Outcome::Partial);
    assert_eq!(answer["digest"], runs[0].digest().to_string());
}

#[tokio::test]
async fn invalid_settings_end_the_process_with_one_line_that_names_all() {
    let env = TestEnv::new().await;
    let table = Proxy::start(&env.table_endpoint, |_| Act::Pass).await;
    let wrong = [
        ("TABLE_NAME", ""),
        ("REGIONS", "eu-west-1,Ireland"),
        ("MAX_CONCURRENCY", "none"),
        ("TOMBSTONE_GUARD", "150%"),
        ("ACCOUNTS", "123456789012,12345"),
        ("AWS_ACCOUNT_ID", "me"),
        ("LOG_LEVEL", "loud"),
    ];
    let environment = Environment::of(&env).with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint);
    let environment = wrong
        .iter()
        .fold(environment, |all, (name, value)| all.with(name, value));
    let emulator = Emulator::start(environment).await;

    assert_eq!(emulator.invoke(&tick("1")).await, Invoked::Crashed);

    let lines = emulator.lines(1, |_| true).await;
    let [line] = lines.as_slice() else {
        panic!("one line, not {lines:?}");
    };
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["level"], "ERROR");
    let error = line["error"].as_str().expect("an error");
    for (name, value) in wrong {
        let named = format!("{name}: ");
        assert!(error.contains(&named), "{name}: {error}");
        let rejected = value.rsplit(',').next().expect("a value");
        assert!(error.contains(rejected), "{value}: {error}");
    }
    assert_eq!((table.count(), env.codeconnections.requests()), (0, 0));
}

/// A request at which the function is interrupted.
#[derive(Clone)]
struct Trap {
    operation: &'static str,
    /// The number of such requests that pass before.
    after: usize,
    /// `Act::Hang` or `Act::PassThenHang`.
    act: Act,
}

/// Both services, behind proxies that hold the request a trap is set for.
struct Trapped {
    env: TestEnv,
    trap: Arc<Mutex<Option<Trap>>>,
    table: Proxy,
    service: Proxy,
    steady: String,
    changing: [String; 3],
    statuses: Vec<&'static str>,
}

impl Trapped {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let trap: Arc<Mutex<Option<Trap>>> = Arc::default();
        let policy = |trap: Arc<Mutex<Option<Trap>>>| {
            move |seen: &crate::support::proxy::Seen| {
                let mut set = trap.lock().expect("no panic");
                match set.as_mut() {
                    Some(trap) if trap.operation == seen.operation && trap.after == 0 => {
                        set.take().expect("it is set").act
                    }
                    Some(trap) if trap.operation == seen.operation => {
                        trap.after -= 1;
                        Act::Pass
                    }
                    _ => Act::Pass,
                }
            }
        };
        Self {
            table: Proxy::start(&env.table_endpoint, policy(Arc::clone(&trap))).await,
            service: Proxy::start(env.service.endpoint(), policy(Arc::clone(&trap))).await,
            steady: env.create("steady"),
            changing: ["one", "two", "three"].map(|name| env.create(name)),
            statuses: vec!["PENDING"],
            trap,
            env,
        }
    }

    fn environment(&self) -> Environment {
        Environment::of(&self.env)
            .with("MAX_CONCURRENCY", "1")
            .with("AWS_ENDPOINT_URL_DYNAMODB", &self.table.endpoint)
            .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &self.service.endpoint)
    }

    /// Changes the status of three connections.
    fn change(&mut self) {
        let next = match self.statuses.last() {
            Some(&"AVAILABLE") => "ERROR",
            _ => "AVAILABLE",
        };
        for arn in &self.changing {
            self.env.set_status(arn, next);
        }
        self.statuses.push(next);
    }

    /// Invokes the function, calls `interruption` with its process when the
    /// trap has caught a request, and returns the result of the invocation.
    async fn interrupt(
        &self,
        emulator: &Emulator,
        event: &Value,
        trap: Trap,
        interruption: impl FnOnce(crate::support::runtime_emulator::Function),
    ) -> Invoked {
        *self.trap.lock().expect("no panic") = Some(trap);
        let invocation = tokio::spawn(emulator.invocation(event));
        let caught = async {
            tokio::select! {
                () = self.table.hangs() => {}
                () = self.service.hangs() => {}
            }
        };
        let caught = tokio::time::timeout(Duration::from_secs(60), caught).await;
        caught.expect("the trap catches a request");
        interruption(emulator.function().expect("the function runs"));
        invocation.await.expect("no panic")
    }

    /// Asserts that each connection's history has each of its changes once.
    async fn assert_each_change_recorded_once(&self, when: &str) {
        let first = |status: &str| (ChangeKind::FirstSeen, Some(status.to_owned()));
        assert_eq!(
            self.env.story(&self.steady).await,
            [first("PENDING")],
            "{when}"
        );
        let steps = self.statuses.iter().enumerate().map(|(i, status)| match i {
            0 => first(status),
            _ => (ChangeKind::StatusChanged, Some((*status).to_owned())),
        });
        let expected: Vec<_> = steps.collect();
        for arn in &self.changing {
            assert_eq!(self.env.story(arn).await, expected, "{when}");
        }
    }
}

#[tokio::test]
async fn run_after_a_lambda_timeout_completes_the_record() {
    let mut trapped = Trapped::new().await;
    let environment = trapped
        .environment()
        .with("AWS_LAMBDA_FUNCTION_TIMEOUT", "3");
    let emulator = Emulator::start(environment).await;
    let answer = emulator.invoke(&tick("first")).await.answer();
    assert_eq!(answer["changes"], json!({"FIRST_SEEN": 4}));
    trapped.change();

    // A run always ends by itself in time, so Lambda only ends a frozen
    // process.
    let trap = Trap {
        operation: "ExecuteTransaction",
        after: 0,
        act: Act::PassThenHang,
    };
    let freeze = crate::support::runtime_emulator::Function::freeze;
    let ended = trapped
        .interrupt(&emulator, &tick("second"), trap, freeze)
        .await;

    assert_eq!(ended, Invoked::TimedOut);
    assert_eq!(
        trapped.env.runs().await.len(),
        1,
        "the second run has no record"
    );

    // The second event is delivered again, and then the third.
    let answer = emulator.invoke(&tick("second")).await.answer();
    assert_eq!(answer["outcome"], "COMPLETE");
    assert_eq!(answer["changes"], json!({}), "they had been recorded");
    trapped
        .assert_each_change_recorded_once("after the timeout")
        .await;
    let answer = emulator.invoke(&tick("third")).await.answer();
    assert_eq!(answer["changes"], json!({}));
    trapped.assert_each_change_recorded_once("in the end").await;
    assert_eq!(trapped.env.runs().await.len(), 3);
}

#[tokio::test]
async fn missing_credentials_fail_the_run_without_any_lookup() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let elsewhere = Proxy::start(env.service.endpoint(), |_| Act::Pass).await;
    let environment = Environment::of(&env)
        .without("AWS_ACCESS_KEY_ID")
        .without("AWS_SECRET_ACCESS_KEY")
        // The SDK's own credential chain would look there.
        .with("AWS_CONTAINER_CREDENTIALS_FULL_URI", &elsewhere.endpoint)
        .with("AWS_EC2_METADATA_SERVICE_ENDPOINT", &elsewhere.endpoint);
    let emulator = Emulator::start(environment).await;

    let (error_type, message) = emulator.invoke(&tick("first")).await.error();

    assert_eq!(error_type, "RunFailed");
    assert!(message.contains("NoCredentials"), "{message}");
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn connections_closed_while_frozen_do_not_fail_the_next_run() {
    let env = TestEnv::new().await;
    // More touches than one request takes, so that requests are in flight at
    // the same time.
    for number in 0..60 {
        env.create(&format!("connection-{number}"));
    }
    let service = Proxy::start(env.service.endpoint(), |_| Act::Pass).await;
    let table = Proxy::start(&env.table_endpoint, |_| Act::Pass).await;
    let environment = Environment::of(&env)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &service.endpoint)
        .with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint);
    let emulator = Emulator::start(environment).await;
    let passed = || (service.count(), table.count());
    emulator.invoke(&tick("first")).await.answer();
    let before = passed();
    emulator.invoke(&tick("second")).await.answer();
    let of_a_run = (passed().0 - before.0, passed().1 - before.1);

    for round in ["third", "fourth"] {
        let before = passed();
        let function = emulator.function().expect("the function runs");
        function.freeze();
        assert!(service.close_connections().await > 0);
        assert!(table.close_connections().await > 0);
        function.thaw();
        let answer = emulator.invoke(&tick(round)).await.answer();

        assert_eq!(answer["outcome"], "COMPLETE", "{answer}");
        assert_eq!(answer["problems"], json!([]));
        let passed = (passed().0 - before.0, passed().1 - before.1);
        assert_eq!(passed, of_a_run, "each request was sent once");
    }
}

#[tokio::test]
async fn hanging_service_leaves_time_to_record_the_run() {
    let env = TestEnv::new().await;
    let service = Proxy::start(env.service.endpoint(), |_| Act::Hang).await;
    let environment = Environment::of(&env)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &service.endpoint)
        .with("AWS_LAMBDA_FUNCTION_TIMEOUT", "5");
    let emulator = Emulator::start(environment).await;

    let (error_type, message) = emulator.invoke(&tick("1")).await.error();

    assert_eq!(error_type, "RunFailed");
    assert!(message.contains("TimedOut"), "{message}");
    let runs = env.runs().await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].outcome, Outcome::Failed);
}

#[tokio::test]
async fn table_throttling_all_changes_gives_partial_run_before_the_timeout() {
    let env = TestEnv::new().await;
    let arn = env.create("storefront");
    let throttled = Arc::new(Mutex::new(true));
    let still = Arc::clone(&throttled);
    let table = Proxy::start(&env.table_endpoint, move |seen| {
        match seen.operation.as_str() {
            "ExecuteTransaction" if *still.lock().expect("no panic") => throttle(),
            _ => Act::Pass,
        }
    })
    .await;
    let environment = Environment::of(&env)
        .with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint)
        .with("AWS_LAMBDA_FUNCTION_TIMEOUT", "10");
    let emulator = Emulator::start(environment).await;

    let answer = emulator.invoke(&tick("1")).await.answer();

    assert_eq!(answer["outcome"], "PARTIAL");
    assert_eq!(answer["unwritten"], 1);
    assert_eq!(answer["changes"], json!({}));
    assert_eq!(answer["connections"], json!({}));
    let runs = env.runs().await;
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].outcome, runs[0].unwritten), (Outcome::Partial, 1));
    assert_eq!(env.changes(&arn).await, []);

    *throttled.lock().expect("no panic") = false;
    let answer = emulator.invoke(&tick("1")).await.answer();
    assert_eq!(answer["outcome"], "COMPLETE");
    let first = (ChangeKind::FirstSeen, Some("PENDING".to_owned()));
    assert_eq!(env.story(&arn).await, [first]);
}

#[tokio::test]
async fn table_throttling_everything_gives_failed_run_before_the_timeout() {
    let env = TestEnv::new().await;
    env.create("storefront");
    let table = Proxy::start(&env.table_endpoint, |_| throttle()).await;
    let environment = Environment::of(&env)
        .with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint)
        .with("AWS_LAMBDA_FUNCTION_TIMEOUT", "15");
    let emulator = Emulator::start(environment).await;

    let (error_type, message) = emulator.invoke(&tick("1")).await.error();

    assert_eq!(error_type, "RunFailed");
    assert!(
        message.contains("ProvisionedThroughputExceededException"),
        "{message}"
    );
    assert_eq!(env.runs().await, []);
}

#[tokio::test]
async fn log_lines_are_json_with_run_id_and_without_credentials() {
    let env = TestEnv::new().await;
    env.create("storefront");
    // More faults than the SDK retries silently.
    let service = Proxy::start(env.service.endpoint(), |seen| match seen.number {
        1..=4 => Act::Answer(503, String::new()),
        _ => Act::Pass,
    })
    .await;
    let environment = Environment::of(&env)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &service.endpoint)
        .with("LOG_LEVEL", "trace");
    let emulator = Emulator::start(environment).await;

    let complete = emulator.invoke(&tick("1")).await.answer();
    env.deny(REGION);
    let (_, failed) = emulator.invoke(&tick("2")).await.error();
    let (refused, _) = emulator.invoke(&json!({"region": REGION})).await.error();
    assert_eq!(refused, "InvalidEvent");

    // The last line of the invocations.
    let last = |line: &str| line.contains("event refused");
    let lines = emulator.lines(1, last).await;
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON, not {line:?}")))
        .collect();
    let run_ids: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["run_id"].as_str())
        .collect();
    assert_eq!(run_ids.len(), 2, "{run_ids:?}");
    assert!(run_ids.contains(complete["run_id"].as_str().expect("a run id")));
    assert!(
        run_ids.iter().any(|run_id| failed.contains(run_id)),
        "{failed}"
    );
    let logged = |message: &str| {
        let found: Vec<&Value> = lines
            .iter()
            .filter(|line| line["message"] == message)
            .collect();
        assert!(!found.is_empty(), "{message}: {lines:?}");
        found
    };
    assert_eq!(logged("run began").len(), 2);
    // The head of the account's chain, outside the table.
    assert_eq!(logged("run complete")[0]["digest"], complete["digest"]);
    assert_eq!(logged("run failed")[0]["level"], "ERROR");
    assert_eq!(logged("event refused")[0]["error_type"], "InvalidEvent");
    logged("listing page will be asked for again");
    for line in &lines {
        let of_a_run = line["message"] != "event refused";
        assert_eq!(line["run_id"].is_string(), of_a_run, "{line}");
    }
    for line in emulator.end() {
        for secret in [SECRET_KEY, SESSION_TOKEN] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[tokio::test]
async fn head_of_the_chain_is_logged_at_every_log_level() {
    for level in ["info", "warn", "error", "off"] {
        let env = TestEnv::new().await;
        env.create("storefront");
        let environment = Environment::of(&env)
            .with("REGIONS", "eu-south-1,eu-west-1")
            .with("LOG_LEVEL", level);
        let emulator = Emulator::start(environment).await;

        let complete = emulator.invoke(&tick("1")).await.answer();
        env.deny("eu-south-1");
        let partial = emulator.invoke(&tick("2")).await.answer();
        env.deny(REGION);
        emulator.invoke(&tick("3")).await.error();

        let ended = |line: &str| {
            serde_json::from_str::<Value>(line).is_ok_and(|line| {
                let message = line["message"].as_str().unwrap_or_default();
                ["run complete", "run partial", "run failed"].contains(&message)
            })
        };
        let lines = emulator.end();
        let ends: Vec<Value> = lines
            .iter()
            .filter(|line| ended(line))
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let messages: Vec<&Value> = ends.iter().map(|line| &line["message"]).collect();
        assert_eq!(
            messages,
            ["run complete", "run partial", "run failed"],
            "LOG_LEVEL={level}"
        );
        assert_eq!(ends[0]["digest"], complete["digest"]);
        assert_eq!(ends[1]["digest"], partial["digest"]);
        assert!(ends[2]["digest"].is_string(), "{}", ends[2]);
        // All other lines obey LOG_LEVEL.
        let began = lines.iter().any(|line| line.contains("run began"));
        assert_eq!(began, level == "info", "LOG_LEVEL={level}");
    }
}

fn throttle() -> Act {
    Act::fault(400, "ProvisionedThroughputExceededException")
}
