//! The state machine's definition: that it is one, that an account's part fits
//! into the time of an Express execution, and that what comes of many accounts
//! fits into a state. What it does, the deployed one shows.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::template::{deployed, granted, list, parameter, text};
use crate::support::tools;
use codeconnections_inventory::domain::Outcome;
use serde_json::{Value, json};

const ORGANIZATION: &[(&str, &str)] = &[("Mode", "organization")];
/// The longest that an Express execution may take, in seconds.
const LONGEST_PART: u64 = 300;
/// What a state may pass on, in bytes.
const MOST_DATA: usize = 256 * 1024;
/// For so many accounts all of it has to fit.
const ACCOUNTS: usize = 10_000;
/// Runs of functions at the same time that AWS allows a new account.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const QUOTA_OF_A_NEW_ACCOUNT: u64 = 10;

fn definition(parameters: &[(&str, &str)]) -> Value {
    let template = deployed(&[ORGANIZATION, parameters].concat());
    let machine = &template["Resources"]["StateMachine"]["Properties"];
    let said = text(&machine["DefinitionString"]["Fn::Sub"]);
    let function = "arn:aws:lambda:eu-west-1:123456789012:function:inventory";
    let said = said
        .replace("${AWS::Partition}", "aws")
        .replace("${AWS::Region}", "eu-west-1")
        .replace("${Table}", "table")
        .replace("${Function.Arn}", function);
    assert!(!said.contains("${"), "{said}");
    serde_json::from_str(&said).expect("JSON")
}

fn part(definition: &Value) -> &Value {
    &definition["States"]["EveryAccount"]["ItemProcessor"]["States"]["Inventory"]
}

fn number(value: &Value) -> u64 {
    let number = value
        .as_f64()
        .unwrap_or_else(|| panic!("no number: {value}"));
    assert_eq!(number.fract(), 0.0);
    number as u64
}

#[test]
fn it_is_a_state_machine_by_the_rules_of_the_language() {
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
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn parameters_are_numbers_where_numbers_are_wanted() {
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

/// The longest waits of a retrier, added up. With full jitter they are the
/// upper ends of what is drawn.
fn waits(retrier: &Value) -> u64 {
    let (mut wait, mut sum) = (number(&retrier["IntervalSeconds"]), 0);
    let longest = retrier.get("MaxDelaySeconds").map_or(u64::MAX, number);
    for _ in 0..number(&retrier["MaxAttempts"]) {
        sum += wait.min(longest);
        wait *= retrier.get("BackoffRate").map_or(2, number);
    }
    sum
}

/// The longest that it takes to read when an account's last complete run was.
fn last_complete(definition: &Value) -> u64 {
    let states = &definition["States"]["EveryAccount"]["ItemProcessor"]["States"];
    let read = &states["LastComplete"];
    let [retrier] = list(&read["Retry"]) else {
        panic!("one retrier: {read}");
    };
    number(&read["TimeoutSeconds"]) * (1 + number(&retrier["MaxAttempts"])) + waits(retrier)
}

#[test]
fn an_accounts_part_ends_in_time_however_often_it_is_tried() {
    let definition = definition(&[]);
    let part = part(&definition);
    let attempt = number(&part["TimeoutSeconds"]);
    let template = deployed(ORGANIZATION);
    let function = number(&template["Resources"]["Function"]["Properties"]["Timeout"]);
    assert!(
        function < attempt,
        "the function gives up first, and says so"
    );

    let [ended, throttled, other] = list(&part["Retry"]) else {
        panic!("three retriers: {part}");
    };
    // What the function itself gives up is not tried again.
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
    // A call that is refused because the function is busy takes no time in it,
    // but some on the way.
    let refused = 10;
    let longest = attempt * (1 + number(&other["MaxAttempts"]))
        + refused * number(&throttled["MaxAttempts"])
        + waits(throttled)
        + waits(other)
        + last_complete(&definition);
    assert!(longest < LONGEST_PART, "{longest} s");
}

#[test]
fn whatever_becomes_of_an_account_is_caught_and_short_enough_for_many() {
    let definition = definition(&[]);
    let part = part(&definition);
    let [caught] = list(&part["Catch"]) else {
        panic!("one catcher: {part}");
    };
    assert_eq!(caught["ErrorEquals"], json!(["States.ALL"]));
    assert_eq!(caught["Output"]["outcome"], "FAILED");
    // Complete runs are a word without quotes.
    let states = &definition["States"]["EveryAccount"]["ItemProcessor"]["States"];
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
fn the_whole_has_time_for_accounts_that_all_take_as_long_as_they_may() {
    let definition = definition(&[]);
    let at_once = number(&parameter("AccountsAtOnce")["Default"]);
    let template = deployed(ORGANIZATION);
    let function = number(&template["Resources"]["Function"]["Properties"]["Timeout"]);
    let accounts = u64::try_from(ACCOUNTS).expect("a number");
    let needed = accounts.div_ceil(at_once) * function;
    assert!(number(&definition["TimeoutSeconds"]) > needed, "{needed} s");
    let events = &template["Resources"]["EventQueueToFunction"]["Properties"];
    let events = number(&events["ScalingConfig"]["MaximumConcurrency"]);
    assert!(
        at_once + events <= QUOTA_OF_A_NEW_ACCOUNT,
        "and calls find the function free"
    );
    assert_eq!(
        parameter("ReservedConcurrency")["Default"],
        0,
        "AWS refuses to reserve any of so small a quota"
    );
}

#[test]
fn its_role_may_do_what_its_tasks_do_and_see_to_its_parts() {
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
    assert_eq!(actions(role.clone(), "lambda:"), ["lambda:InvokeFunction"]);
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
