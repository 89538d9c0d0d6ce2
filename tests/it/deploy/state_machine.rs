//! The state machine's definition: its syntax, the time limit of an account's Express
//! execution, and the size limit of a state. `tests/it/deployed_stack` tests its behaviour.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::template::{deployed, granted, list, parameter, text};
use crate::support::tools;
use codeconnections_inventory::domain::Outcome;
use serde_json::{Value, json};

const ORGANIZATION: &[(&str, &str)] = &[("Mode", "organization")];
/// Maximum duration of an Express execution, in seconds.
const LONGEST_PART: u64 = 300;
/// Maximum output of a state, in bytes.
const MOST_DATA: usize = 256 * 1024;
/// The number of accounts that must fit.
const ACCOUNTS: usize = 10_000;
/// Lambda's concurrency quota of a new account.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const QUOTA_OF_A_NEW_ACCOUNT: u64 = 10;

fn definition(parameters: &[(&str, &str)]) -> Value {
    let template = deployed(&[ORGANIZATION, parameters].concat());
    let machine = &template["Resources"]["StateMachine"]["Properties"];
    let definition = text(&machine["DefinitionString"]["Fn::Sub"]);
    let function = "arn:aws:lambda:eu-west-1:123456789012:function:inventory";
    let definition = definition
        .replace("${AWS::Partition}", "aws")
        .replace("${AWS::Region}", "eu-west-1")
        .replace("${Table}", "table")
        .replace("${Function.Arn}", function)
        .replace("${DependenciesFunction.Arn}", function);
    assert!(!definition.contains("${"), "{definition}");
    serde_json::from_str(&definition).expect("JSON")
}

fn states(definition: &Value) -> &Value {
    &definition["States"]["EveryAccount"]["ItemProcessor"]["States"]
}

fn part(definition: &Value) -> &Value {
    &states(definition)["Inventory"]
}

fn number(value: &Value) -> u64 {
    let number = value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"));
    assert_eq!(number.fract(), 0.0);
    number as u64
}

#[test]
fn definition_passes_statelint() {
    for parameters in [
        &[][..],
        &[
            ("IncludeAccounts", "123456789012, 210987654321"),
            ("ExcludeAccounts", "210987654321"),
            ("AccountsAtOnce", "1000"),
            ("ToleratedFailurePercentage", "0"),
        ],
    ] {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&file, definition(parameters).to_string()).expect("written");
        let linter = tools::python().with_file_name("statelint");
        let output = Command::new(linter).arg(file.path()).output();
        let output = output.expect("statelint runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{stdout}");
    }
}

#[test]
fn parameters_are_substituted_as_numbers() {
    let definition = definition(&[
        ("AccountsAtOnce", "7"),
        ("ToleratedFailurePercentage", "12"),
    ]);
    let map = &definition["States"]["EveryAccount"];
    assert_eq!(map["MaxConcurrency"], 7);
    assert_eq!(map["ToleratedFailurePercentage"], 12);
    let enough = text(&definition["States"]["Enough"]["Choices"][0]["Condition"]);
    assert!(enough.contains("* 12"), "the same share: {enough}");
}

/// Returns the sum of the longest waits of a retrier: with full jitter, the upper bounds.
fn waits(retrier: &Value) -> u64 {
    let (mut wait, mut sum) = (number(&retrier["IntervalSeconds"]), 0);
    let longest = retrier.get("MaxDelaySeconds").map_or(u64::MAX, number);
    for _ in 0..number(&retrier["MaxAttempts"]) {
        sum += wait.min(longest);
        wait *= retrier.get("BackoffRate").map_or(2, number);
    }
    sum
}

/// Returns the maximum duration of reading an account's last complete run.
fn last_complete(definition: &Value) -> u64 {
    let read = &states(definition)["LastComplete"];
    let other = &states(definition)["LastCompleteDependencies"];
    for member in ["TimeoutSeconds", "Retry", "Catch", "Next"] {
        assert_eq!(read[member], other[member], "{member}");
    }
    let [retrier] = list(&read["Retry"]) else {
        panic!("one retrier: {read}");
    };
    number(&read["TimeoutSeconds"]) * (1 + number(&retrier["MaxAttempts"])) + waits(retrier)
}

#[test]
fn account_execution_with_all_retries_fits_the_express_limit() {
    let definition = definition(&[]);
    let part = part(&definition);
    let attempt = number(&part["TimeoutSeconds"]);
    let template = deployed(ORGANIZATION);
    let function = number(&template["Resources"]["Function"]["Properties"]["Timeout"]);
    assert!(
        function < attempt,
        "the function times out first, and reports it"
    );

    let [ended, throttled, other] = list(&part["Retry"]) else {
        panic!("three retriers: {part}");
    };
    // Runs that the function reports as failed are not retried.
    assert_eq!(ended["ErrorEquals"], json!(["RunFailed", "InvalidEvent"]));
    assert_eq!(ended["MaxAttempts"], 0);
    assert_eq!(
        throttled["ErrorEquals"],
        json!(["Lambda.TooManyRequestsException"])
    );
    assert_eq!(other["ErrorEquals"], json!(["States.ALL"]));
    assert_eq!(number(&other["MaxAttempts"]), 2);
    for retrier in [throttled, other] {
        assert_eq!(retrier["JitterStrategy"], "FULL", "{retrier}");
    }
    // A throttled invocation takes no function time, but some latency.
    let throttled_seconds = 10;
    let longest = attempt * (1 + number(&other["MaxAttempts"]))
        + throttled_seconds * number(&throttled["MaxAttempts"])
        + waits(throttled)
        + waits(other)
        + last_complete(&definition);
    assert!(longest < LONGEST_PART, "{longest} s");
}

#[test]
fn dependencies_of_an_account_fit_the_express_limit() {
    let definition = definition(&[]);
    let part = &states(&definition)["Dependencies"];
    let attempt = number(&part["TimeoutSeconds"]);
    let template = deployed(ORGANIZATION);
    let function = &template["Resources"]["DependenciesFunction"]["Properties"];
    let function = number(&function["Timeout"]);
    assert!(function < attempt, "the function times out first");
    let [throttled] = list(&part["Retry"]) else {
        panic!("one retrier: {part}");
    };
    assert_eq!(
        throttled["ErrorEquals"],
        json!(["Lambda.TooManyRequestsException"])
    );
    let throttled_seconds = 10;
    let longest = attempt
        + throttled_seconds * number(&throttled["MaxAttempts"])
        + waits(throttled)
        + last_complete(&definition);
    assert!(longest < LONGEST_PART, "{longest} s");
    let [caught] = list(&part["Catch"]) else {
        panic!("one catcher: {part}");
    };
    assert_eq!(caught["ErrorEquals"], json!(["States.ALL"]));
    assert_eq!(caught["Output"]["outcome"], "FAILED");
    // Both functions get the same event.
    let event = |name: &str| states(&definition)[name]["Arguments"]["Payload"].clone();
    assert_eq!(event("Dependencies"), event("Inventory"));
}

#[test]
fn account_errors_are_caught_and_results_fit_the_state_limit() {
    let definition = definition(&[]);
    let part = part(&definition);
    let [caught] = list(&part["Catch"]) else {
        panic!("one catcher: {part}");
    };
    assert_eq!(caught["ErrorEquals"], json!(["States.ALL"]));
    assert_eq!(caught["Output"]["outcome"], "FAILED");
    // The result of a complete run is `true`.
    let states = states(&definition);
    assert_eq!(states["Ended"]["Choices"][0]["Output"], true);
    let [caught] = list(&states["LastComplete"]["Catch"]) else {
        panic!("one catcher: {states}");
    };
    assert_eq!(caught["ErrorEquals"], json!(["States.ALL"]));
    let longest = [Outcome::Partial.as_str(), Outcome::Failed.as_str(), "STALE"]
        .map(|word| json!(format!("123456789012 {word}")).to_string().len())
        .into_iter()
        .max();
    let longest = longest.expect("two");
    assert!(longest <= 24, "{longest}");
    assert!(ACCOUNTS * (longest + 1) < MOST_DATA);
    let id = json!("123456789012").to_string().len();
    assert!(ACCOUNTS * (id + 1) < MOST_DATA, "so do their ids");
}

#[test]
fn execution_timeout_fits_all_accounts_at_their_timeout() {
    let definition = definition(&[]);
    let at_once = number(&parameter("AccountsAtOnce")["Default"]);
    let template = deployed(ORGANIZATION);
    let timeout = |name: &str| number(&template["Resources"][name]["Properties"]["Timeout"]);
    let function = timeout("Function").max(timeout("DependenciesFunction"));
    let accounts = u64::try_from(ACCOUNTS).expect("a number");
    let needed = accounts.div_ceil(at_once) * function;
    assert!(number(&definition["TimeoutSeconds"]) > needed, "{needed} s");
    let events = &template["Resources"]["EventQueueToFunction"]["Properties"];
    let events = number(&events["ScalingConfig"]["MaximumConcurrency"]);
    assert!(
        at_once + events <= QUOTA_OF_A_NEW_ACCOUNT,
        "API calls find free concurrency"
    );
    assert_eq!(
        parameter("ReservedConcurrency")["Default"],
        0,
        "AWS refuses to reserve any of such a small quota"
    );
}

#[test]
fn state_machine_role_allows_its_tasks_and_child_executions() {
    let template = deployed(ORGANIZATION);
    let resources = &template["Resources"];
    let actions = |grants: BTreeSet<(String, String, String)>, service: &str| {
        let of = grants.into_iter().map(|(action, ..)| action);
        of.filter(|action| action.starts_with(service))
            .collect::<Vec<_>>()
    };
    let role = granted(&resources["StateMachineRole"]);
    let definition = definition(&[]);
    assert_eq!(
        definition["States"]["ListAccounts"]["Resource"],
        "arn:aws:states:::aws-sdk:organizations:listAccounts"
    );
    assert_eq!(
        actions(role.clone(), "organizations:"),
        ["organizations:ListAccounts"]
    );
    assert_eq!(
        part(&definition)["Resource"],
        "arn:aws:states:::lambda:invoke"
    );
    assert_eq!(
        actions(role.clone(), "lambda:"),
        ["lambda:InvokeFunction"; 2]
    );
    assert_eq!(
        actions(role, "dynamodb:"),
        ["dynamodb:GetItem", "dynamodb:Query"]
    );
    let parts =
        json!({"Properties": {"Policies": [resources["StateMachinePolicy"]["Properties"]]}});
    assert_eq!(
        BTreeSet::from_iter(actions(granted(&parts), "")),
        BTreeSet::from(
            [
                "states:StartExecution",
                "states:StopExecution",
                "states:DescribeExecution"
            ]
            .map(str::to_owned)
        )
    );
}
