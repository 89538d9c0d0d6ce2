//! The function of dependencies: what sets it apart from the function of
//! connections, and the permissions of its role, compared with the requests of its
//! own binary.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::function_role::statements;
use crate::support::consumers::{Consumers, ENDPOINTS, operation, refusal};
use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::runtime_emulator::{DEPENDENCIES, Emulator, Environment};
use crate::support::template::{Grant, arn, deployed, grant, granted, list, one_or_more, text};
use crate::support::test_env::{REGION, TestEnv};
use codeconnections_inventory::local::codeconnections::{ABSENT_OPERATIONS, Operation, Scope};
use serde_json::{Value, json};

const ORGANIZATION: (&str, &str) = ("Mode", "organization");
const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1a2b";

#[test]
fn both_functions_have_the_same_settings() {
    for parameters in [&[][..], &[ORGANIZATION]] {
        let template = deployed(parameters);
        let function = |name: &str| {
            let mut function = template["Resources"][name]["Properties"].clone();
            let own = ["Description", "Role", "Timeout"];
            for member in own {
                let taken = function[member].take();
                assert_ne!(taken, Value::Null, "{name} has {member}");
            }
            function["LoggingConfig"]["LogGroup"].take();
            function
                .as_object_mut()
                .expect("properties")
                .retain(|_, v| !v.is_null());
            function
        };
        assert_eq!(function("DependenciesFunction"), function("Function"));
    }
}

/// Returns the permissions of the role that do not read other services.
fn own_grants(parameters: &[(&str, &str)]) -> BTreeSet<Grant> {
    let resources = &deployed(parameters)["Resources"];
    let of_the_table = json!({
        "Properties": {"Policies": [resources["DependenciesTablePolicy"]["Properties"]]}
    });
    let services = list(
        &resources["DependenciesRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"],
    );
    assert_eq!(services[0]["Sid"], "ListDependencies");
    let reads = list(&services[0]["Action"]);
    let role = granted(&resources["DependenciesRole"]).into_iter();
    let own = role.filter(|(action, ..)| !reads.contains(&json!(action)));
    &own.collect::<BTreeSet<_>>() | &granted(&of_the_table)
}

#[test]
fn role_reads_and_writes_dependencies_only() {
    let on = |action: &str, resource: &Value| grant(action, resource, &Value::Null);
    let only = |keys: Value| {
        json!({
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys},
            // Without this, a request without keys would pass.
            "Null": {"dynamodb:LeadingKeys": "false"},
        })
    };
    let all = only(json!([
        "DEPENDENCIES#*",
        "DEPENDENCY#*",
        "DEPENDENCY_RUNS#*"
    ]));
    let current = only(json!("DEPENDENCIES#*"));
    let [table, log, events] = ["Table", "DependenciesLog", "DependencyEventQueue"].map(arn);
    let everything = json!("*");
    let always = BTreeSet::from([
        grant("dynamodb:Query", &table, &all),
        grant("dynamodb:PartiQLInsert", &table, &all),
        grant("dynamodb:PartiQLUpdate", &table, &current),
        on("logs:CreateLogStream", &log),
        on("logs:PutLogEvents", &log),
        on("sqs:SendMessage", &arn("FailureQueue")),
        on("sqs:ReceiveMessage", &events),
        on("sqs:DeleteMessage", &events),
        on("sqs:GetQueueAttributes", &events),
        on("xray:PutTraceSegments", &everything),
        on("xray:PutTelemetryRecords", &everything),
    ]);
    assert_eq!(own_grants(&[]), always);

    let added = |parameters: &[(&str, &str)]| &own_grants(parameters) - &always;
    let assume = grant(
        "sts:AssumeRole",
        &json!({"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/codeconnections-inventory-read"}),
        &json!({"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}),
    );
    assert_eq!(added(&[ORGANIZATION]), BTreeSet::from([assume]));
    let through = json!({"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"});
    let decrypt = grant(
        "kms:Decrypt",
        &json!(KEY),
        &json!({"StringEquals": {"kms:ViaService": through}}),
    );
    assert_eq!(added(&[("KeyArn", KEY)]), BTreeSet::from([decrypt]));
}

#[test]
fn calls_that_may_explain_a_change_invoke_the_function_of_dependencies() {
    let template = deployed(&[]);
    let resources = &template["Resources"];
    let of_connections = &resources["ConnectionEvents"]["Properties"]["EventPattern"];
    let pattern = &resources["DependencyEvents"]["Properties"]["EventPattern"];
    let mut expected = of_connections.clone();
    expected["detail"]["eventName"] = pattern["detail"]["eventName"].clone();
    assert_eq!(*pattern, expected, "the same calls, but other names");
    for name in list(&pattern["detail"]["eventName"]) {
        let name = text(name);
        let verbs = ["Create", "Delete", "Update", "Tag", "Untag"];
        let verb = verbs.into_iter().find(|verb| name.starts_with(verb));
        let known = ABSENT_OPERATIONS.contains(&&*name)
            || Operation::NAMES.iter().any(|known| **known == name);
        assert!(verb.is_some() && known, "{name} alters a resource");
    }
    let mapping = &resources["DependencyEventQueueToFunction"]["Properties"];
    assert_eq!(
        mapping["FunctionName"],
        json!({"Ref": "DependenciesFunction"})
    );
    assert_eq!(mapping["EventSourceArn"], arn("DependencyEventQueue"));
    assert_eq!(
        mapping["FunctionResponseTypes"],
        json!(["ReportBatchItemFailures"])
    );
    let [target] = list(&resources["DependencyEvents"]["Properties"]["Targets"]) else {
        panic!("one target");
    };
    assert_eq!(target["Arn"], arn("DependencyEventQueue"));
}

/// Answers all services. Tags are denied by the tagging service in the second run, and
/// Inspector's integrations.
fn answer(seen: &Seen, consumers: &Consumers, is_second: bool) -> Act {
    match operation(seen) {
        "GetResources" | "ListCodeSecurityIntegrations" if is_second => {
            refusal(400, "AccessDeniedException")
        }
        "BatchGetAccountStatus" => refusal(403, "AccessDeniedException"),
        _ => consumers.answer_for_every_source(seen),
    }
}

/// Returns the IAM action of a request.
fn action(seen: &Seen) -> String {
    let service = match seen.service() {
        "tagging" => "tag",
        service => service,
    };
    let operation = match operation(seen) {
        "listresources" => "ListResources",
        "listprincipals" => "ListPrincipals",
        operation => operation,
    };
    format!("{service}:{operation}")
}

#[tokio::test]
async fn requests_of_the_binary_match_the_granted_permissions() {
    let env = TestEnv::new().await;
    let connection = env.create("payments");
    let host = {
        let input = json!({"Name": "ghes", "ProviderType": "GitLabSelfManaged",
            "ProviderEndpoint": "https://git.example.com"});
        let scope = Scope::new("123456789012", REGION);
        let mut state = env.codeconnections.state();
        let perform = state.perform(&scope, Operation::CreateHost, input);
        let host = text(&perform.expect("performed")["HostArn"]);
        let input = json!({"ConnectionArn": connection, "OwnerId": "acme",
            "RepositoryName": "infra"});
        let link = state.perform(&scope, Operation::CreateRepositoryLink, input);
        link.expect("performed");
        host
    };
    let consumers = Consumers::of(&connection, &host);
    let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let is_second = Arc::new(AtomicBool::new(false));
    let services = {
        let (asked, is_second) = (Arc::clone(&asked), Arc::clone(&is_second));
        Proxy::start(env.service.endpoint(), move |seen| {
            asked.lock().expect("no panic").insert(action(seen));
            answer(seen, &consumers, is_second.load(Ordering::SeqCst))
        })
        .await
    };
    let wire: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let table = {
        let wire = Arc::clone(&wire);
        Proxy::start(&env.table_endpoint, move |seen| {
            wire.lock().expect("no panic").push(seen.clone());
            Act::Pass
        })
        .await
    };
    let mut environment = Environment::of(&env)
        .with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &services.endpoint)
        .with("AWS_MAX_ATTEMPTS", "1");
    for variable in ENDPOINTS {
        environment = environment.with(variable, &services.endpoint);
    }
    let function = Emulator::start_function(environment, Some(Path::new(DEPENDENCIES))).await;

    let event = include_str!("../../../events/scheduled-rule.json");
    let event: Value = serde_json::from_str(event).expect("JSON");
    let first = function.invoke(&event).await.answer();
    assert_eq!(first["outcome"], "COMPLETE", "{first}");
    assert_eq!(first["sequence"], 1, "a run on record");
    assert_eq!(first["connections"]["REPOSITORY_LINK"], 1, "{first}");
    let again = function.invoke(&event).await.answer();
    assert_eq!(again["already_recorded"], true, "the same event: {again}");
    is_second.store(true, Ordering::SeqCst);
    let second = function.invoke(&json!({})).await.answer();
    assert_eq!(second["outcome"], "PARTIAL", "{second}");
    let host = "arn:aws:codeconnections:eu-west-1:123456789012:host/ghes-1a2b3c4d";
    for (field, value) in [("ProviderTypeFilter", "GitHub"), ("HostArnFilter", host)] {
        let (error_type, message) = function.invoke(&json!({field: value})).await.error();
        assert_eq!(error_type, "InvalidEvent");
        let refused =
            format!("{field}: can't be used here: dependencies are listed without a filter");
        assert!(message.contains(&refused), "{message}");
    }

    let template = deployed(&[]);
    let resources = &template["Resources"];
    let reads = &resources["DependenciesRole"]["Properties"]["Policies"][0]["PolicyDocument"];
    let granted: BTreeSet<String> = list(&reads["Statement"][0]["Action"])
        .iter()
        .map(text)
        .collect();
    let mut used = asked.lock().expect("no panic").clone();
    // A permission applies only to resources whose ARN has its prefix.
    let older = used.iter().filter_map(|action| {
        let operation = action.strip_prefix("codeconnections:")?;
        Some(format!("codestar-connections:{operation}"))
    });
    used.extend(older.collect::<Vec<_>>());
    assert_eq!(used, granted, "exactly the used actions are granted");

    let policy = &resources["DependenciesTablePolicy"]["Properties"]["PolicyDocument"];
    let allowed = |action: &str, pk: &str| {
        list(&policy["Statement"]).iter().any(|statement| {
            let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
            let fits = |key: &Value| pk.starts_with(text(key).trim_end_matches('*'));
            one_or_more(&statement["Action"]).contains(&json!(action))
                && one_or_more(keys).iter().any(fits)
        })
    };
    let mut actions = BTreeSet::new();
    for seen in wire.lock().expect("no panic").iter() {
        let sent = statements(seen);
        let accesses = sent.iter().map(|sent| sent.access(env.table.name()));
        let mut accesses: Vec<(&str, String)> = accesses
            .map(|(action, pk)| (action, pk.to_owned()))
            .collect();
        if seen.operation == "Query" {
            let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
            assert_eq!(body.get("IndexName"), None, "{body}");
            let pk = text(&body["ExpressionAttributeValues"][":pk"]["S"]);
            accesses.push(("dynamodb:Query", pk));
        }
        assert!(!accesses.is_empty(), "{}", seen.operation);
        for (action, pk) in accesses {
            assert!(allowed(action, &pk), "{action} of {pk}");
            actions.insert(action);
        }
    }
    let all = [
        "dynamodb:PartiQLInsert",
        "dynamodb:PartiQLUpdate",
        "dynamodb:Query",
    ];
    assert_eq!(actions, BTreeSet::from(all));
}
