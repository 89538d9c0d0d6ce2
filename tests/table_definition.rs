//! The template says what the code says, and grants what the code does: the
//! table's definition, the role's permissions, the settings, the schedule.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, KeySchemaElement, KeyType, Projection, TableDescription,
};
use codeconnections_inventory::config::{Settings, parse_concurrency, parse_guard, parse_level};
use codeconnections_inventory::config::{TableName, parse_regions};
use codeconnections_inventory::domain::{ChangeKind, Outcome};
use codeconnections_inventory::logging;
use codeconnections_inventory::summary::Summary;
use codeconnections_inventory::table::schema::{INDEXES, KEYS};
use regex_lite::Regex;
use serde_json::{Value, json};
use support::Lab;
use support::lab::{self, HOUR};
use support::proxy::{Act, Proxy, Seen};
use support::script::{self, Reply, Script};
use support::template::{TEMPLATE, list, one_or_more, resource, resources_of, text};
use tokio::sync::Notify;

// --- The table --------------------------------------------------------------

/// A table's definition, whoever gives it.
#[derive(Debug, PartialEq)]
struct Definition {
    billing: String,
    keys: Keys,
    /// Name and type of each attribute that is a key.
    attributes: BTreeMap<String, String>,
    indexes: BTreeMap<String, Index>,
}

#[derive(Debug, PartialEq)]
struct Keys {
    partition: String,
    sort: String,
}

#[derive(Debug, PartialEq)]
struct Index {
    keys: Keys,
    /// The attributes that it holds besides keys; none means all.
    includes: Option<BTreeSet<String>>,
}

/// A map of what may not be there twice.
fn unique<V>(entries: impl IntoIterator<Item = (String, V)>) -> BTreeMap<String, V> {
    let mut map = BTreeMap::new();
    for (name, value) in entries {
        assert!(
            map.insert(name.clone(), value).is_none(),
            "{name} is there twice"
        );
    }
    map
}

fn defined_by_code() -> Definition {
    let keys = |(partition, sort): (&str, &str)| Keys {
        partition: partition.to_owned(),
        sort: sort.to_owned(),
    };
    let names = [KEYS.0, KEYS.1].into_iter();
    let names = names.chain(INDEXES.iter().flat_map(|i| [i.partition_key, i.sort_key]));
    Definition {
        billing: "PAY_PER_REQUEST".to_owned(),
        keys: keys(KEYS),
        // All keys are texts.
        attributes: unique(names.map(|name| (name.to_owned(), "S".to_owned()))),
        indexes: unique(INDEXES.iter().map(|index| {
            let includes = index.includes.map(|names| {
                let set: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
                assert_eq!(set.len(), names.len(), "{names:?}");
                set
            });
            let keys = keys((index.partition_key, index.sort_key));
            (index.name.to_owned(), Index { keys, includes })
        })),
    }
}

fn defined_by_template() -> Definition {
    let keys = |schema: &Value| {
        let [partition, sort] = list(schema) else {
            panic!("two keys, not {schema}");
        };
        assert_eq!(
            (&partition["KeyType"], &sort["KeyType"]),
            (&json!("HASH"), &json!("RANGE"))
        );
        Keys {
            partition: text(&partition["AttributeName"]),
            sort: text(&sort["AttributeName"]),
        }
    };
    let includes = |projection: &Value| match text(&projection["ProjectionType"]).as_str() {
        "ALL" => None,
        "INCLUDE" => {
            let names = list(&projection["NonKeyAttributes"]);
            let set: BTreeSet<String> = names.iter().map(text).collect();
            assert_eq!(set.len(), names.len(), "{projection}");
            Some(set)
        }
        other => panic!("a projection of {other}"),
    };
    let table = &resource("AWS::DynamoDB::Table")["Properties"];
    assert_eq!(table.get("LocalSecondaryIndexes"), None);
    Definition {
        billing: text(&table["BillingMode"]),
        keys: keys(&table["KeySchema"]),
        attributes: unique(
            list(&table["AttributeDefinitions"])
                .iter()
                .map(|a| (text(&a["AttributeName"]), text(&a["AttributeType"]))),
        ),
        indexes: unique(list(&table["GlobalSecondaryIndexes"]).iter().map(|index| {
            let definition = Index {
                keys: keys(&index["KeySchema"]),
                includes: includes(&index["Projection"]),
            };
            (text(&index["IndexName"]), definition)
        })),
    }
}

fn described(table: &TableDescription) -> Definition {
    let keys = |schema: &[KeySchemaElement]| {
        let [partition, sort] = schema else {
            panic!("two keys, not {schema:?}");
        };
        assert_eq!(
            (partition.key_type(), sort.key_type()),
            (&KeyType::Hash, &KeyType::Range)
        );
        Keys {
            partition: partition.attribute_name().to_owned(),
            sort: sort.attribute_name().to_owned(),
        }
    };
    let includes = |projection: &Projection| match projection
        .projection_type()
        .expect("a projection")
        .as_str()
    {
        "ALL" => None,
        "INCLUDE" => Some(projection.non_key_attributes().iter().cloned().collect()),
        other => panic!("a projection of {other}"),
    };
    let attribute = |attribute: &AttributeDefinition| {
        let kind = attribute.attribute_type().as_str().to_owned();
        (attribute.attribute_name().to_owned(), kind)
    };
    let billing = table
        .billing_mode_summary()
        .and_then(|summary| summary.billing_mode());
    assert!(table.local_secondary_indexes().is_empty());
    Definition {
        billing: billing.expect("a billing mode").as_str().to_owned(),
        keys: keys(table.key_schema()),
        attributes: unique(table.attribute_definitions().iter().map(attribute)),
        indexes: unique(table.global_secondary_indexes().iter().map(|index| {
            let definition = Index {
                keys: keys(index.key_schema()),
                includes: includes(index.projection().expect("a projection")),
            };
            (index.index_name().expect("a name").to_owned(), definition)
        })),
    }
}

#[test]
fn the_template_defines_the_table_as_the_code_does() {
    assert_eq!(defined_by_template(), defined_by_code());
}

#[tokio::test]
async fn a_table_made_locally_is_the_one_that_the_template_deploys() {
    let lab = Lab::new().await;
    let request = lab.table.client().describe_table();
    let answer = request.table_name(lab.table.name().as_str()).send().await;
    let table = answer.expect("described").table.expect("a table");
    assert_eq!(described(&table), defined_by_template());
}

#[test]
fn the_table_is_protected_against_loss() {
    let table = resource("AWS::DynamoDB::Table");
    assert_eq!(table["DeletionPolicy"], "Retain");
    assert_eq!(table["UpdateReplacePolicy"], "Retain");
    let properties = &table["Properties"];
    assert_eq!(properties["DeletionProtectionEnabled"], true);
    let recovery = &properties["PointInTimeRecoverySpecification"];
    assert_eq!(recovery["PointInTimeRecoveryEnabled"], true);
    assert_eq!(properties["SSESpecification"]["SSEEnabled"], true);
    let images = &properties["StreamSpecification"]["StreamViewType"];
    assert_eq!(images, "NEW_AND_OLD_IMAGES");
}

// --- The role ---------------------------------------------------------------

/// One permission: an action on a resource, on a condition.
type Grant = (String, String, String);

fn grant(action: &str, resource: &Value, condition: &Value) -> Grant {
    (
        action.to_owned(),
        resource.to_string(),
        condition.to_string(),
    )
}

/// Everything that the function's role grants.
fn granted() -> BTreeSet<Grant> {
    let role = &resource("AWS::IAM::Role")["Properties"];
    let mut grants = BTreeSet::new();
    for policy in list(&role["Policies"]) {
        for statement in list(&policy["PolicyDocument"]["Statement"]) {
            assert_eq!(statement["Effect"], "Allow", "{statement}");
            for sweeping in ["NotAction", "NotResource"] {
                assert_eq!(statement.get(sweeping), None, "{statement}");
            }
            for action in one_or_more(&statement["Action"]) {
                for resource in one_or_more(&statement["Resource"]) {
                    let grant = grant(&text(&action), &resource, &statement["Condition"]);
                    assert!(grants.insert(grant), "granted twice: {statement}");
                }
            }
        }
    }
    grants
}

#[test]
fn the_role_grants_what_the_code_uses_on_what_it_uses_and_nothing_else() {
    let table = json!({"Fn::GetAtt": ["Table", "Arn"]});
    let log = json!({"Fn::GetAtt": ["LogGroup", "Arn"]});
    let queue = json!({"Fn::GetAtt": ["FailureQueue", "Arn"]});
    let connections = |service: &str| {
        json!({"Fn::Sub":
            format!("arn:${{AWS::Partition}}:{service}:*:${{AWS::AccountId}}:*")})
    };
    let only_accounts = json!({
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "ACCOUNT#*"},
        // Without this, a request with no keys at all would pass.
        "Null": {"dynamodb:LeadingKeys": "false"},
    });
    let always = Value::Null;
    let expected = BTreeSet::from([
        grant(
            "codeconnections:ListConnections",
            &connections("codeconnections"),
            &always,
        ),
        grant(
            "codestar-connections:ListConnections",
            &connections("codestar-connections"),
            &always,
        ),
        grant("dynamodb:Query", &table, &always),
        grant("dynamodb:PartiQLInsert", &table, &always),
        grant("dynamodb:PartiQLUpdate", &table, &only_accounts),
        grant("logs:CreateLogStream", &log, &always),
        grant("logs:PutLogEvents", &log, &always),
        grant("sqs:SendMessage", &queue, &always),
    ]);
    assert_eq!(granted(), expected);
}

#[test]
fn no_permission_deletes_or_overwrites_an_item() {
    for (action, resource, _) in granted() {
        let (service, operation) = action.split_once(':').expect("a service and an operation");
        assert!(!action.contains('*'), "{action}");
        assert_ne!(resource, "\"*\"", "{action}");
        for forbidden in [
            "Delete",
            "Put",
            "BatchWrite",
            "UpdateItem",
            "UpdateTable",
            "Restore",
        ] {
            let logs = service == "logs" && operation == "PutLogEvents";
            assert!(logs || !operation.contains(forbidden), "{action}");
        }
    }
}

#[test]
fn the_function_has_that_role_and_no_other_permissions() {
    let function = &resource("AWS::Serverless::Function")["Properties"];
    let roles = resources_of("AWS::IAM::Role");
    let [name] = Vec::from_iter(roles.keys().copied())[..] else {
        panic!("one role: {roles:?}");
    };
    assert_eq!(function["Role"], json!({"Fn::GetAtt": [name, "Arn"]}));
    assert_eq!(function.get("Policies"), None);
    assert_eq!(roles[name]["Properties"].get("ManagedPolicyArns"), None);
    for elsewhere in ["AWS::IAM::Policy", "AWS::IAM::RolePolicy"] {
        assert!(resources_of(elsewhere).is_empty(), "{elsewhere}");
    }
    // The auditor's is there to be attached by somebody else.
    for (policy, resource) in resources_of("AWS::IAM::ManagedPolicy") {
        assert_eq!(resource["Properties"].get("Roles"), None, "{policy}");
    }
    let trust = list(&roles[name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]);
    let principals: Vec<&Value> = trust
        .iter()
        .map(|statement| &statement["Principal"])
        .collect();
    assert_eq!(principals, [&json!({"Service": "lambda.amazonaws.com"})]);
}

// --- The wire ---------------------------------------------------------------

/// A statement on the wire, and its parameters.
#[derive(Debug)]
struct Sent {
    text: String,
    parameters: Vec<Value>,
}

fn statements(seen: &Seen) -> Vec<Sent> {
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

/// The action that DynamoDB authorises a statement by, and that the statement
/// stays within what the role may do with it.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html>
fn authorised(sent: &Sent, table: &TableName) -> &'static str {
    let Sent { text, parameters } = sent;
    assert_eq!(text.matches('?').count(), parameters.len(), "{text}");
    if text.starts_with(&format!("INSERT INTO \"{table}\" VALUE {{")) {
        return "dynamodb:PartiQLInsert";
    }
    assert!(text.starts_with(&format!("UPDATE \"{table}\" ")), "{text}");
    let (before, _) = text
        .split_once(" WHERE \"pk\" = ? AND \"sk\" = ?")
        .expect(text);
    let pk = &parameters[before.matches('?').count()]["S"];
    let pk = pk.as_str().expect("a partition key");
    assert!(pk.starts_with("ACCOUNT#"), "{text} of {pk}");
    "dynamodb:PartiQLUpdate"
}

fn reads_one_snapshot(seen: &Seen) -> bool {
    let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
    let sk = body["ExpressionAttributeValues"][":sk"]["S"].as_str();
    seen.operation == "Query" && sk.is_some_and(|sk| sk.starts_with("CONNECTION#"))
}

/// Holds a request back, once, until it is let go.
#[derive(Default)]
struct Gate {
    operation: Mutex<Option<(&'static str, mpsc::Receiver<()>)>>,
    reached: Notify,
}

impl Gate {
    /// Holds the next request of this operation. It goes on when what is
    /// returned is dropped.
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
            // It ends when the sender is gone.
            let _ = tokio::task::block_in_place(|| opened.recv());
        }
    }
}

/// The service's answer, as a test changes it.
type World = Arc<Mutex<Vec<Value>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_goes_over_the_wire_is_what_the_role_allows() {
    let world: World = Arc::default();
    let broken = Arc::new(AtomicBool::new(false));
    let script = {
        let (world, broken) = (Arc::clone(&world), Arc::clone(&broken));
        Script::start(move |_| {
            if broken.load(Ordering::SeqCst) {
                return Reply::Error(400, "AccessDeniedException");
            }
            script::last(world.lock().expect("a world").clone())
        })
        .await
    };
    let lab = Lab::new().await;
    let gate = Arc::new(Gate::default());
    let lose_answer = Arc::new(AtomicBool::new(false));
    let wire: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let proxy = {
        let (gate, wire, lose) = (
            Arc::clone(&gate),
            Arc::clone(&wire),
            Arc::clone(&lose_answer),
        );
        Proxy::start(&lab.table_endpoint, move |seen| {
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
    let table = lab.table_at(&proxy.endpoint);
    let handler = lab.handler_of(lab.source_at(&script.endpoint), table);
    let direct = lab.handler_of(lab.source_at(&script.endpoint), lab.table.clone());

    let arn = |number: usize| script::arn(lab::REGION, &format!("c{number}"));
    let entry = |number: usize, status: &str| {
        script::entry(&arn(number), &format!("connection-{number}"), status)
    };
    let set = |entries: Vec<Value>| *world.lock().expect("a world") = entries;
    let mut kinds = BTreeSet::new();
    let mut note = |summary: &Summary| kinds.extend(summary.changes.keys().copied());
    let run = async || {
        lab.clock.advance(HOUR);
        lab::run(&handler, &json!({})).await
    };

    // Every kind of change, one after the other, and connections that stay.
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
    assert_eq!(kinds, BTreeSet::from(ChangeKind::ALL), "every kind was met");

    // Another run overtakes a change, and one that was only to be noted.
    for operation in ["ExecuteTransaction", "BatchExecuteStatement"] {
        if operation == "ExecuteTransaction" {
            let mut one = all("ERROR");
            one[7]["ConnectionStatus"] = json!("AVAILABLE");
            set(one);
        }
        lab.clock.advance(HOUR);
        let read_again = || {
            let wire = wire.lock().expect("a wire");
            wire.iter().filter(|seen| reads_one_snapshot(seen)).count()
        };
        let before = read_again();
        let open = gate.close(operation);
        let other = async {
            gate.reached.notified().await;
            lab.clock.advance(HOUR);
            let other = lab::run(&direct, &json!({})).await;
            drop(open);
            other
        };
        let event = json!({});
        let (overtaken, other) = tokio::join!(lab::run(&handler, &event), other);
        assert_eq!(other.outcome, Outcome::Complete);
        assert!(
            read_again() > before,
            "{operation} met what the other wrote"
        );
        assert_eq!(
            overtaken.outcome,
            Outcome::Complete,
            "{:?}",
            overtaken.problems
        );
        assert_eq!(overtaken.sequence, other.sequence.map(|number| number + 1));
        assert!(
            overtaken.changes.is_empty(),
            "{operation}: {:?}",
            overtaken.changes
        );
    }

    // An answer that is lost, a listing that fails, an event that comes twice.
    set(all("PENDING"));
    lose_answer.store(true, Ordering::SeqCst);
    let summary = run().await;
    assert_eq!(summary.changes.get(&ChangeKind::StatusChanged), Some(&30));
    broken.store(true, Ordering::SeqCst);
    assert_eq!(run().await.outcome, Outcome::Failed);
    broken.store(false, Ordering::SeqCst);
    let event = include_str!("../events/scheduled-rule.json");
    let event: Value = serde_json::from_str(event).expect("JSON");
    assert!(!lab::run(&handler, &event).await.already_recorded);
    assert!(lab::run(&handler, &event).await.already_recorded);

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
    let name = lab.table.name();
    let mut used = BTreeSet::new();
    for seen in wire.iter() {
        if seen.operation == "Query" {
            let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
            assert_eq!(body["TableName"], name.as_str());
            assert_eq!(
                body.get("IndexName"),
                None,
                "the role may read no index: {body}"
            );
            assert_eq!(body["ConsistentRead"], true, "{body}");
            used.insert("dynamodb:Query".to_owned());
        }
        let statements = statements(seen);
        used.extend(
            statements
                .iter()
                .map(|sent| authorised(sent, name).to_owned()),
        );
    }
    let granted = granted().into_iter().map(|(action, ..)| action);
    let granted: BTreeSet<String> = granted.filter(|a| a.starts_with("dynamodb:")).collect();
    assert_eq!(
        used, granted,
        "what is used is granted, and the other way round"
    );
}

// --- Settings ---------------------------------------------------------------

fn variables() -> &'static serde_json::Map<String, Value> {
    let function = &resource("AWS::Serverless::Function")["Properties"];
    let variables = &function["Environment"]["Variables"];
    variables.as_object().expect("variables")
}

/// The variables that the function looks up, whatever their values.
fn looked_up() -> BTreeSet<String> {
    let names = Mutex::new(BTreeSet::new());
    // Some are looked up only where another is set.
    for value in [Some("off"), None] {
        let lookup = |name: &str| {
            names.lock().expect("names").insert(name.to_owned());
            value.map(str::to_owned)
        };
        let _ = Settings::read(lookup);
        logging::init_from(lookup);
    }
    names.into_inner().expect("names")
}

#[test]
fn the_template_sets_what_a_user_should_set_and_nothing_else() {
    let set: BTreeSet<&str> = variables().keys().map(String::as_str).collect();
    let by_others = BTreeSet::from([
        // By Lambda.
        "AWS_REGION",
        "AWS_LAMBDA_LOG_LEVEL",
        "AWS_LAMBDA_LOG_FORMAT",
        // Only for somebody who lists other accounts: the template's role may
        // assume none.
        "AWS_ACCOUNT_ID",
        "ACCOUNTS",
        "MEMBER_ROLE_NAME",
        "EXTERNAL_ID",
        // By Lambda, and not yet by the template.
        "AWS_LAMBDA_FUNCTION_NAME",
        "METRICS_NAMESPACE",
    ]);
    assert!(set.is_disjoint(&by_others), "{set:?}");
    let looked_up = looked_up();
    let looked_up: BTreeSet<&str> = looked_up.iter().map(String::as_str).collect();
    assert_eq!(looked_up, &set | &by_others);
}

/// A parameter of the template.
fn parameter(name: &str) -> &'static Value {
    TEMPLATE["Parameters"]
        .get(name)
        .unwrap_or_else(|| panic!("a parameter {name}"))
}

/// The parameter that a variable is set from.
fn parameter_of(variable: &str) -> &'static Value {
    parameter(&text(&variables()[variable]["Ref"]))
}

#[test]
fn the_templates_defaults_are_settings_that_the_function_takes() {
    let settings = Settings::read(|name| match name {
        "TABLE_NAME" => Some("made-by-the-stack".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        _ => {
            variables().get(name)?;
            Some(match &parameter_of(name)["Default"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        }
    });
    let settings = settings.expect("the defaults are right");
    assert_eq!(
        settings.regions,
        [lab::region("eu-west-1")],
        "the function's own"
    );
    assert_eq!(variables()["TABLE_NAME"], json!({"Ref": "Table"}));
}

fn pattern(parameter: &Value) -> Regex {
    let pattern = text(&parameter["AllowedPattern"]);
    assert!(
        pattern.starts_with('^') && pattern.ends_with('$'),
        "{pattern}"
    );
    Regex::new(&pattern).expect("a pattern")
}

#[test]
fn a_value_that_a_parameter_takes_is_one_that_the_function_takes() {
    let regions = pattern(parameter_of("REGIONS"));
    for (value, right) in [
        ("us-east-1", true),
        ("us-east-1,eu-west-1", true),
        ("us-east-1, eu-west-1", true),
        ("us-gov-west-1", true),
        ("us-east1", false),
        ("us-east-1;eu-west-1", false),
        ("US-EAST-1", false),
        ("us-east-100", false),
        ("all", false),
    ] {
        assert_eq!(regions.is_match(value), right, "{value}");
        assert_eq!(parse_regions(value).is_ok(), right, "{value}");
    }
    let guard = pattern(parameter_of("TOMBSTONE_GUARD"));
    for (value, right) in [
        ("0", true),
        ("0.5", true),
        ("0.25", true),
        ("1", true),
        ("1.0", true),
        ("off", true),
        ("1.5", false),
        ("2", false),
        ("-1", false),
        ("NaN", false),
        ("half", false),
        ("", false),
    ] {
        assert_eq!(guard.is_match(value), right, "{value}");
        assert_eq!(parse_guard(value).is_ok(), right, "{value}");
    }
    let concurrency = parameter_of("MAX_CONCURRENCY");
    let least = concurrency["MinValue"].as_u64().expect("a number");
    let most = concurrency["MaxValue"].as_u64().expect("a number");
    for (number, right) in [
        (least - 1, false),
        (least, true),
        (most, true),
        (most + 1, false),
    ] {
        assert_eq!(
            parse_concurrency(&number.to_string()).is_ok(),
            right,
            "{number}"
        );
    }
    for level in list(&parameter_of("LOG_LEVEL")["AllowedValues"]) {
        let level = text(level);
        assert!(parse_level(Some(&level)).is_ok(), "{level}");
        let lambdas = &TEMPLATE["Mappings"]["LogLevels"][&level]["Lambda"];
        assert_eq!(
            lambdas,
            &json!(level.to_uppercase()),
            "Lambda filters by the same level"
        );
    }
}

// --- The schedule -----------------------------------------------------------

#[test]
fn a_schedule_that_eventbridge_takes_is_taken() {
    let schedule = parameter("ScheduleExpression");
    let (pattern, default) = (pattern(schedule), text(&schedule["Default"]));
    // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
    for right in [
        default.as_str(),
        "rate(1 minute)",
        "rate(1 hour)",
        "rate(1 day)",
        "rate(2 minutes)",
        "rate(5 minutes)",
        "rate(10 minutes)",
        "rate(12 hours)",
        "rate(365 days)",
        "cron(0 6 * * ? *)",
        "cron(0/15 * * * ? *)",
        "cron(15 12 ? * * *)",
        "cron(0 18 ? * MON-FRI *)",
        "cron(0 8 1 * ? *)",
        "cron(0 10 ? * 6L 2026-2030)",
        "cron(5,35 14 L * ? *)",
        "cron(0 9 ? * 2#1 *)",
        "cron(30 8 15W * ? 2026)",
    ] {
        assert!(pattern.is_match(right), "{right}");
    }
}

#[test]
fn a_schedule_that_eventbridge_refuses_is_refused_before_anything_is_made() {
    let pattern = pattern(parameter("ScheduleExpression"));
    for wrong in [
        "",
        "1 hour",
        "rate()",
        "rate(1)",
        "rate(hour)",
        "rate(5 minute)",
        "rate(2 hour)",
        "rate(10 day)",
        "rate(1 minutes)",
        "rate(1 hours)",
        "rate(1 days)",
        "rate(0 minutes)",
        "rate(0 minute)",
        "rate(05 minutes)",
        "rate(-5 minutes)",
        "rate(1.5 hours)",
        "rate(30 seconds)",
        "rate(2 weeks)",
        "rate(5  minutes)",
        "rate( 5 minutes)",
        "rate(5 minutes )",
        "rate(5 minutes",
        "Rate(5 minutes)",
        "rate(5 Minutes)",
        " rate(5 minutes)",
        "rate(5 minutes) ",
        "rate(5 minutes)\n",
        "rate(5 minutes)rate(5 minutes)",
        "cron()",
        "cron(* * * * *)",
        "cron(0 6 * * ?)",
        "cron(0 6 * * ? * *)",
        "cron(0  6 * * ? *)",
        // One of the two kinds of day must be left open, and only one.
        "cron(0 6 * * * *)",
        "cron(0 6 1 * MON *)",
        "cron(0 6 ? * ? *)",
        "cron(? 6 * * ? *)",
        "0 6 * * ? *",
        "at(2026-10-01T09:00:00)",
    ] {
        assert!(!pattern.is_match(wrong), "{wrong:?}");
    }
}
