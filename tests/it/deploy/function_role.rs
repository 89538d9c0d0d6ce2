//! The function's role grants exactly what the code does, compared with the requests
//! on the wire.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects"
)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use crate::support::TestEnv;
use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::scripted_service::{self, Reply, Script};
use crate::support::template::{Grant, deployed, grant, granted, list, resources_of, text};
use crate::support::test_env::{self, HOUR};
use codeconnections_inventory::domain::{ChangeKind, Outcome};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::table::name::TableName;
use serde_json::{Value, json};
use tokio::sync::Notify;

// --- Permissions ----------------------------------------------------------

const ORGANIZATION: &[(&str, &str)] = &[("Mode", "organization"), ("MemberRoleName", "a/reader")];
const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1a2b";

/// Returns the permissions of the function's role with these parameters.
fn granted_with(parameters: &[(&str, &str)]) -> BTreeSet<Grant> {
    let resources = &deployed(parameters)["Resources"];
    let of_the_table = json!({
        "Properties": {"Policies": [resources["FunctionTablePolicy"]["Properties"]]}
    });
    &granted(&resources["FunctionRole"]) | &granted(&of_the_table)
}

/// Returns the permissions of the role with any parameters.
fn always_granted() -> BTreeSet<Grant> {
    let arn = |name: &str| json!({"Fn::GetAtt": [name, "Arn"]});
    let [table, log] = [arn("Table"), arn("LogGroup")];
    let [failures, events] = [arn("FailureQueue"), arn("EventQueue")];
    let connections = |service: &str| {
        json!({"Fn::Sub":
            format!("arn:${{AWS::Partition}}:{service}:*:${{AWS::AccountId}}:*")})
    };
    let only_accounts = json!({
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "ACCOUNT#*"},
        // Without this, a request without keys would pass.
        "Null": {"dynamodb:LeadingKeys": "false"},
    });
    let by_status = json!({"Fn::Sub": "${Table.Arn}/index/by_status"});
    let only_consumers = json!({
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "USES#*"},
        "Null": {"dynamodb:LeadingKeys": "false"},
    });
    let everything = json!("*");
    let on = |action: &str, resource: &Value| grant(action, resource, &Value::Null);
    BTreeSet::from([
        on(
            "codeconnections:ListConnections",
            &connections("codeconnections"),
        ),
        on(
            "codestar-connections:ListConnections",
            &connections("codestar-connections"),
        ),
        on("dynamodb:Query", &table),
        grant("dynamodb:Query", &by_status, &only_consumers),
        on("dynamodb:PartiQLInsert", &table),
        grant("dynamodb:PartiQLUpdate", &table, &only_accounts),
        on("logs:CreateLogStream", &log),
        on("logs:PutLogEvents", &log),
        on("sqs:SendMessage", &failures),
        on("sqs:ReceiveMessage", &events),
        on("sqs:DeleteMessage", &events),
        on("sqs:GetQueueAttributes", &events),
        on("xray:PutTraceSegments", &everything),
        on("xray:PutTelemetryRecords", &everything),
    ])
}

#[test]
fn role_grants_exactly_the_expected_permissions() {
    assert_eq!(granted_with(&[]), always_granted());
}

#[test]
fn organization_mode_adds_assume_role_within_the_organization() {
    let mut expected = always_granted();
    expected.insert(grant(
        "sts:AssumeRole",
        &json!({"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/a/reader"}),
        &json!({"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}),
    ));
    assert_eq!(granted_with(ORGANIZATION), expected);
}

#[test]
fn customer_key_adds_decrypt_through_dynamodb() {
    let through = json!({"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"});
    let condition = json!({"StringEquals": {"kms:ViaService": through}});
    let mut expected = always_granted();
    expected.insert(grant("kms:Decrypt", &json!(KEY), &condition));
    assert_eq!(granted_with(&[("KeyArn", KEY)]), expected);
}

#[test]
fn no_permission_deletes_or_overwrites_an_item() {
    let all = [ORGANIZATION, &[("KeyArn", KEY)]].concat();
    let granted = granted_with(&all);
    assert!(granted.is_superset(&always_granted()));
    for (action, resource, _) in granted {
        let (service, operation) = action.split_once(':').expect("a service and an operation");
        assert!(!action.contains('*'), "{action}");
        // Traces, log events and queue messages are not items.
        if service == "xray" || action == "logs:PutLogEvents" || action == "sqs:DeleteMessage" {
            continue;
        }
        assert_ne!(resource, "\"*\"", "{action}");
        for forbidden in [
            "Delete",
            "Put",
            "BatchWrite",
            "UpdateItem",
            "UpdateTable",
            "Restore",
        ] {
            assert!(!operation.contains(forbidden), "{action}");
        }
    }
}

#[test]
fn function_has_only_the_permissions_of_its_role() {
    let roles = [
        ("Function", "FunctionRole"),
        ("DependenciesFunction", "DependenciesRole"),
        ("ComplianceFunction", "ComplianceRole"),
        ("CheckpointFunction", "CheckpointRole"),
    ];
    assert_eq!(resources_of("AWS::Serverless::Function").len(), roles.len());
    for (name, role) in roles {
        let function = &resources_of("AWS::Serverless::Function")[name]["Properties"];
        assert_eq!(function["Role"], json!({"Fn::GetAtt": [role, "Arn"]}));
        assert_eq!(function.get("Policies"), None);
        let role = &resources_of("AWS::IAM::Role")[role]["Properties"];
        assert_eq!(role.get("ManagedPolicyArns"), None);
        let trust = list(&role["AssumeRolePolicyDocument"]["Statement"]);
        let principals: Vec<&Value> = trust
            .iter()
            .map(|statement| &statement["Principal"])
            .collect();
        assert_eq!(principals, [&json!({"Service": "lambda.amazonaws.com"})]);
    }
    // Policies elsewhere belong to other roles.
    assert!(resources_of("AWS::IAM::RolePolicy").is_empty());
    for (policy, resource) in resources_of("AWS::IAM::Policy") {
        let roles = &resource["Properties"]["Roles"];
        let role = match policy {
            "FunctionTablePolicy" => "FunctionRole",
            "DependenciesTablePolicy" => "DependenciesRole",
            "ComplianceTablePolicy" => "ComplianceRole",
            "CheckpointRolePolicy" => "CheckpointRole",
            _ => "StateMachineRole",
        };
        assert_eq!(*roles, json!([{"Ref": role}]), "{policy}");
    }
    // The auditor's policy is not attached by the template.
    for (policy, resource) in resources_of("AWS::IAM::ManagedPolicy") {
        assert_eq!(resource["Properties"].get("Roles"), None, "{policy}");
    }
}

// --- The wire ---------------------------------------------------------------

/// A statement on the wire, and its parameters.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) text: String,
    pub(super) parameters: Vec<Value>,
}

pub(super) fn statements(seen: &Seen) -> Vec<Sent> {
    let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
    let all = match seen.operation.as_str() {
        "ExecuteStatement" => vec![body],
        "BatchExecuteStatement" => list(&body["Statements"]).to_vec(),
        "ExecuteTransaction" => list(&body["TransactStatements"]).to_vec(),
        _ => Vec::new(),
    };
    let sent = all.into_iter().map(|statement| Sent {
        text: text(&statement["Statement"]),
        parameters: list(&statement["Parameters"]).to_vec(),
    });
    sent.collect()
}

/// Returns the action that DynamoDB requires for a statement. Asserts that the
/// statement meets the conditions of the role.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html>
fn authorised(sent: &Sent, table: &TableName) -> &'static str {
    let (action, pk) = sent.access(table);
    if action == "dynamodb:PartiQLUpdate" {
        assert!(pk.starts_with("ACCOUNT#"), "{} of {pk}", sent.text);
    }
    action
}

impl Sent {
    /// Returns the action that the statement needs, and the partition key of its item.
    pub(super) fn access(&self, table: &TableName) -> (&'static str, &str) {
        let Self { text, parameters } = self;
        assert_eq!(text.matches('?').count(), parameters.len(), "{text}");
        let (action, before_pk) =
            if let Some(values) = text.strip_prefix(&format!("INSERT INTO \"{table}\" VALUE {{")) {
                let (before, _) = values.split_once("'pk': ?").expect(text);
                ("dynamodb:PartiQLInsert", before)
            } else {
                assert!(text.starts_with(&format!("UPDATE \"{table}\" ")), "{text}");
                let (before, _) = text
                    .split_once(" WHERE \"pk\" = ? AND \"sk\" = ?")
                    .expect(text);
                ("dynamodb:PartiQLUpdate", before)
            };
        let pk = &parameters[before_pk.matches('?').count()]["S"];
        (action, pk.as_str().expect("a partition key"))
    }
}

fn reads_one_snapshot(seen: &Seen) -> bool {
    let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
    let sk = body["ExpressionAttributeValues"][":sk"]["S"].as_str();
    seen.operation == "Query" && sk.is_some_and(|sk| sk.starts_with("CONNECTION#"))
}

/// Holds one request back until it is released.
#[derive(Default)]
struct Gate {
    operation: Mutex<Option<(&'static str, mpsc::Receiver<()>)>>,
    reached: Notify,
}

impl Gate {
    /// Holds the next request of this operation until the returned sender is dropped.
    fn close(&self, operation: &'static str) -> mpsc::Sender<()> {
        let (open, opened) = mpsc::channel();
        *self.operation.lock().expect("a gate") = Some((operation, opened));
        open
    }

    fn pass(&self, seen: &Seen) {
        let held = {
            let mut operation = self.operation.lock().expect("a gate");
            operation.take_if(|(held, _)| *held == seen.operation)
        };
        if let Some((_, opened)) = held {
            self.reached.notify_one();
            // It ends when the sender is dropped.
            let _ = tokio::task::block_in_place(|| opened.recv());
        }
    }
}

/// The entries that the service lists.
type World = Arc<Mutex<Vec<Value>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_on_the_wire_match_the_granted_permissions() {
    let world: World = Arc::default();
    let broken = Arc::new(AtomicBool::new(false));
    let script = {
        let (world, broken) = (Arc::clone(&world), Arc::clone(&broken));
        Script::start(move |_| {
            if broken.load(Ordering::SeqCst) {
                return Reply::Error(400, "AccessDeniedException");
            }
            scripted_service::last(world.lock().expect("a world").clone())
        })
        .await
    };
    let env = TestEnv::new().await;
    let gate = Arc::new(Gate::default());
    let lose_answer = Arc::new(AtomicBool::new(false));
    let wire: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let proxy = {
        let (gate, wire, lose) = (
            Arc::clone(&gate),
            Arc::clone(&wire),
            Arc::clone(&lose_answer),
        );
        Proxy::start(&env.table_endpoint, move |seen| {
            wire.lock().expect("a wire").push(seen.clone());
            gate.pass(seen);
            let writes = seen.operation != "Query";
            if writes && lose.swap(false, Ordering::SeqCst) {
                return Act::fault_after(500, "InternalServerError");
            }
            Act::Pass
        })
        .await
    };
    let table = env.table_at(&proxy.endpoint);
    let handler = env.handler_of(env.source_at(&script.endpoint), table);
    let direct = env.handler_of(env.source_at(&script.endpoint), env.table.clone());

    let arn = |number: usize| scripted_service::arn(test_env::REGION, &format!("c{number}"));
    let entry = |number: usize, status: &str| {
        scripted_service::entry(&arn(number), &format!("connection-{number}"), status)
    };
    let set = |entries: Vec<Value>| *world.lock().expect("a world") = entries;
    let mut kinds = BTreeSet::new();
    let mut note = |summary: &Summary| kinds.extend(summary.changes.keys().copied());
    let run = async || {
        env.clock.advance(HOUR);
        test_env::run(&handler, &json!({})).await
    };

    // Every kind of change in turn, and unchanged connections.
    let all = |status: &str| (0..30).map(|n| entry(n, status)).collect::<Vec<_>>();
    set(all("PENDING"));
    note(&run().await);
    set(all("AVAILABLE"));
    note(&run().await);
    note(&run().await);
    let mut renamed = all("AVAILABLE");
    renamed[0]["ConnectionName"] = json!("renamed");
    renamed[1]["HostArn"] = json!("arn:aws:codeconnections:eu-west-1:123456789012:host/h-1a2b3c4d");
    set(renamed);
    note(&run().await);
    set(all("AVAILABLE").split_off(3));
    note(&run().await);
    set(all("ERROR"));
    note(&run().await);
    assert_eq!(
        kinds,
        BTreeSet::from(ChangeKind::ALL),
        "every kind occurred"
    );

    // Another run supersedes a change and a touch.
    for operation in ["ExecuteTransaction", "BatchExecuteStatement"] {
        if operation == "ExecuteTransaction" {
            let mut one = all("ERROR");
            one[7]["ConnectionStatus"] = json!("AVAILABLE");
            set(one);
        }
        env.clock.advance(HOUR);
        let read_again = || {
            let wire = wire.lock().expect("a wire");
            wire.iter().filter(|seen| reads_one_snapshot(seen)).count()
        };
        let before = read_again();
        let open = gate.close(operation);
        let other = async {
            gate.reached.notified().await;
            env.clock.advance(HOUR);
            let other = test_env::run(&direct, &json!({})).await;
            drop(open);
            other
        };
        let event = json!({});
        let (superseded, other) = tokio::join!(test_env::run(&handler, &event), other);
        assert_eq!(other.outcome, Outcome::Complete);
        assert!(
            read_again() > before,
            "{operation} conflicts with what the other run wrote"
        );
        assert_eq!(
            superseded.outcome,
            Outcome::Complete,
            "{:?}",
            superseded.problems
        );
        assert_eq!(superseded.sequence, other.sequence.map(|number| number + 1));
        assert!(
            superseded.changes.is_empty(),
            "{operation}: {:?}",
            superseded.changes
        );
    }

    // A lost answer, a failed listing, and an event that is delivered twice.
    set(all("PENDING"));
    lose_answer.store(true, Ordering::SeqCst);
    let summary = run().await;
    assert_eq!(summary.changes.get(&ChangeKind::StatusChanged), Some(&30));
    broken.store(true, Ordering::SeqCst);
    assert_eq!(run().await.outcome, Outcome::Failed);
    broken.store(false, Ordering::SeqCst);
    let event = include_str!("../../../events/scheduled-rule.json");
    let event: Value = serde_json::from_str(event).expect("JSON");
    assert!(!test_env::run(&handler, &event).await.already_recorded);
    assert!(test_env::run(&handler, &event).await.already_recorded);

    let wire = wire.lock().expect("a wire");
    let operations: BTreeSet<&str> = wire.iter().map(|seen| seen.operation.as_str()).collect();
    assert_eq!(
        operations,
        BTreeSet::from([
            "Query",
            "BatchExecuteStatement",
            "ExecuteTransaction",
            "ExecuteStatement"
        ])
    );
    let name = env.table.name();
    let (mut used, mut queried) = (BTreeSet::new(), BTreeSet::new());
    for seen in wire.iter() {
        if seen.operation == "Query" {
            let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
            assert_eq!(body["TableName"], name.as_str());
            let pk = text(&body["ExpressionAttributeValues"][":pk"]["S"]);
            let index = body.get("IndexName").map(text);
            // Of the indexes, the role may read only what uses a connection.
            let expected = pk.starts_with("USES#").then(|| "by_status".to_owned());
            assert_eq!(index, expected, "{body}");
            assert_eq!(body["ConsistentRead"], index.is_none(), "{body}");
            queried.insert(index);
            used.insert("dynamodb:Query".to_owned());
        }
        let statements = statements(seen);
        used.extend(
            statements
                .iter()
                .map(|sent| authorised(sent, name).to_owned()),
        );
    }
    assert_eq!(queried.len(), 2, "the table and the index");
    let granted = granted_with(&[]).into_iter().map(|(action, ..)| action);
    let granted: BTreeSet<String> = granted.filter(|a| a.starts_with("dynamodb:")).collect();
    assert_eq!(used, granted, "exactly the used actions are granted");
}
