//! The auditor's policy grants exactly the requests of the reading commands, and no
//! writes.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::support::ccinv::Ccinv;
use crate::support::keys::make_key;
use crate::support::moto::without_dependencies;
use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::template::{TEMPLATE, deployed, list, one_or_more, resources_of, text};
use crate::support::test_env::{ACCOUNT, TestEnv};
use codeconnections_inventory::domain::{Clock, SystemClock};
use serde_json::{Value, json};

/// An action and its resource: an index, or empty for the table itself.
type Permission = (String, String);

/// Returns the policy that is deployed with these parameters.
fn policy(parameters: &[(&str, &str)]) -> Value {
    deployed(parameters)["Resources"]["AuditorPolicy"]["Properties"].take()
}

/// Returns the permissions that the policy grants.
fn granted() -> BTreeSet<Permission> {
    let mut grants = BTreeSet::new();
    for statement in list(&policy(&[])["PolicyDocument"]["Statement"]) {
        let keys: BTreeSet<&str> = statement
            .as_object()
            .expect("a statement")
            .keys()
            .map(String::as_str)
            .collect();
        // Neither a condition nor a negated element.
        let expected = BTreeSet::from(["Sid", "Effect", "Action", "Resource"]);
        assert_eq!(keys, expected, "{statement}");
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        for action in one_or_more(&statement["Action"]) {
            for resource in one_or_more(&statement["Resource"]) {
                let grant = (text(&action), part_of_table(&resource));
                assert!(grants.insert(grant), "granted twice: {statement}");
            }
        }
    }
    grants
}

fn part_of_table(resource: &Value) -> String {
    if *resource == json!({"Fn::GetAtt": ["Table", "Arn"]}) {
        return String::new();
    }
    let arn = text(&resource["Fn::Sub"]);
    let index = arn.strip_prefix("${Table.Arn}/index/");
    index.expect("an index of the table").to_owned()
}

/// Returns the permission that DynamoDB requires for a request.
fn required(seen: &Seen, table: &str) -> Permission {
    let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
    assert_eq!(body["TableName"], table, "{body}");
    let index = body["IndexName"].as_str().unwrap_or_default();
    (format!("dynamodb:{}", seen.operation), index.to_owned())
}

/// A statement that reads every table.
const EVERY_TABLE: &str = "select * from (select count(*) from connections), \
     (select count(*) from changes), (select count(*) from runs), \
     (select count(*) from listings), (select count(*) from hosts), (select count(*) from tags), \
     (select count(*) from consumers), (select count(*) from shares), \
     (select count(*) from sources), (select count(*) from findings)";

/// Commands that write, or do not use the table.
const NOT_READING: [&str; 6] = ["demo", "scan", "evaluate", "cost", "completions", "man"];

/// Returns the commands that only read.
fn reading(groups: Vec<(String, Vec<String>)>) -> BTreeSet<String> {
    let names = groups.into_iter().flat_map(|(_, names)| names);
    names
        .filter(|name| !NOT_READING.contains(&name.as_str()))
        .collect()
}

#[tokio::test]
async fn policy_grants_exactly_what_reading_commands_use() {
    let env = TestEnv::new().await;
    let arn = env.create("payments-api");
    env.create("storefront");
    env.run().await;
    env.set_status(&arn, "AVAILABLE");
    env.run().await;
    let (_services, scanning) = without_dependencies(&env).await;
    let name = env.table.name().as_str();
    let scan = ["scan", "--dependencies", "--table", name];
    scanning.fine(&scan).await;
    let listed_at = SystemClock.now().to_string();
    let rules = "[[rule]]\nid = \"it\"\nkind = \"error\"\nseverity = \"high\"\n";
    std::fs::write(scanning.folder().join("rules.toml"), rules).expect("written");
    let evaluate = ["evaluate", "--rules", "rules.toml", "--table", name];
    scanning.fine(&evaluate).await;
    let evaluated_at = SystemClock.now().to_string();
    let head = env.runs().await[0].digest().to_string();
    let wire: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let table = {
        let wire = Arc::clone(&wire);
        Proxy::start(&env.table_endpoint, move |seen| {
            wire.lock().expect("a wire").push(seen.clone());
            Act::Pass
        })
        .await
    };
    let elsewhere = Proxy::start(env.service.endpoint(), |_| Act::Pass).await;
    let ccinv = Ccinv::at(&env)
        .with("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint)
        .with("AWS_ENDPOINT_URL", &elsewhere.endpoint)
        .without("AWS_ENDPOINT_URL_CODECONNECTIONS")
        .without("AWS_ENDPOINT_URL_STS");

    let october = ["--since", "2026-10-01", "--until", "2026-11-01"];
    let changes = [&["changes"], october.as_slice()].concat();
    let changes_of_one = [changes.as_slice(), &["--account", ACCOUNT]].concat();
    let folder = ccinv.folder();
    std::fs::create_dir(folder.join("kept")).expect("a folder");
    make_key(folder, "key", &["-algorithm", "ed25519"]);
    let commands: [&[&str]; 40] = [
        &["list"],
        &["list", "--include-deleted"],
        &["list", "--status", "PENDING"],
        &["list", "--status", "PENDING", "--account", ACCOUNT],
        &["list", "--account", ACCOUNT],
        &["list", "--as-of", "2026-10-31"],
        &["show", "payments-api"],
        &["diff", "2026-10-01T10:00:00Z", "2026-10-31"],
        &["history", &arn],
        &["history", "payments-api"],
        &["history", "payments-api", "--account", ACCOUNT],
        &changes,
        &changes_of_one,
        &["runs"],
        &["runs", "--account", ACCOUNT],
        &["runs", "--gaps", "--every", "1h"],
        &["runs", "--since", "2026-10-01"],
        &["export"],
        &["export", "--format", "ocsf"],
        &["export", "changes"],
        &["export", "runs"],
        &["check", "--in-error", "--allow-provider", "GitHub"],
        &["check", "--in-error", "--as-of", "2026-10-31"],
        &[
            "check",
            "--deleted-within",
            "1h",
            "--as-of",
            "2026-10-01T12:00:00Z",
        ],
        &[
            "report",
            "--out",
            "-",
            "--since",
            "2026-10-01",
            "--until",
            "2026-10-02",
        ],
        &["list", "--unused"],
        &["list", "--tag", "team=payments"],
        &["uses", "payments-api"],
        &["uses", "payments-api", "--as-of", &listed_at],
        &["impact"],
        &["hosts"],
        &["findings"],
        &["findings", "--as-of", &evaluated_at],
        &["shares"],
        &["sql", EVERY_TABLE],
        &["verify"],
        &["verify", "--account", ACCOUNT],
        &["verify", "--head", &head],
        &["checkpoint", "--to", "kept", "--key", "key.pem"],
        // With --delete it writes.
        &["archive", "--to", "kept", "--before", "2026-10-15"],
    ];
    let name = env.table.name().as_str();
    for command in commands {
        ccinv.fine(&[command, &["--table", name]].concat()).await;
    }

    let run: BTreeSet<String> = commands.iter().map(|c| c[0].to_owned()).collect();
    assert_eq!(run, reading(ccinv.commands().await), "all of them");
    assert_eq!(elsewhere.count(), 0, "they send requests to the table only");
    let wire = wire.lock().expect("a wire");
    let used: BTreeSet<Permission> = wire.iter().map(|seen| required(seen, name)).collect();
    assert_eq!(used, granted());
}

#[test]
fn policy_grants_no_writes() {
    for (action, part) in granted() {
        let reads = ["dynamodb:Query", "dynamodb:Scan"];
        assert!(reads.contains(&action.as_str()), "{action} on {part:?}");
    }
}

#[test]
fn policy_allows_customer_key_only_through_dynamodb() {
    const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1a2b";
    let statements = |policy: Value| list(&policy["PolicyDocument"]["Statement"]).to_vec();
    let mut expected = statements(policy(&[]));
    let through = json!({"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"});
    expected.push(json!({
        "Sid": "UseTheKeyOfTheTable",
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": KEY,
        "Condition": {"StringEquals": {"kms:ViaService": through}},
    }));
    assert_eq!(statements(policy(&[("KeyArn", KEY)])), expected);
}

#[test]
fn policy_is_always_created_unattached_and_its_arn_is_an_output() {
    // The other one, for the lake, is deployed with it only.
    let policies = resources_of("AWS::IAM::ManagedPolicy");
    let always = policies
        .into_iter()
        .filter(|(_, made)| made["Condition"] != "HasLake");
    let [(name, made)] = Vec::from_iter(always)[..] else {
        panic!("one policy");
    };
    assert_eq!(made.get("Condition"), None);
    for attached in ["Roles", "Users", "Groups"] {
        assert_eq!(policy(&[]).get(attached), None, "{attached}");
    }
    // With a name the stack would require CAPABILITY_NAMED_IAM.
    assert_eq!(policy(&[]).get("ManagedPolicyName"), None);
    let output = &TEMPLATE["Outputs"]["AuditorPolicyArn"]["Value"];
    assert_eq!(output, &json!({"Ref": name}));
}
