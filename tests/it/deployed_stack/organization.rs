//! Organization mode: the state machine lists the accounts and runs the function for
//! each.

use std::collections::BTreeSet;

use codeconnections_inventory::domain::{Outcome, RunRecord};
use serde_json::{Value, json};

use super::calls::{emptied, put};
use super::story::creation;
use crate::support::cases::cases;
use crate::support::eventually;
use crate::support::stack::Stack;
use crate::support::template::{list, text};

/// Creates an account in the organization, which contains the stack's account too.
async fn member(stack: &Stack, name: &str) -> String {
    let account = json!({"AccountName": name, "Email": format!("{name}@example.com")});
    let aws = &stack.aws;
    let made = aws.call("organizations", "create_account", account).await;
    text(&made["CreateAccountStatus"]["AccountId"])
}

/// Closes an account, which makes it SUSPENDED.
async fn close(stack: &Stack, account: &str) {
    let which = json!({"AccountId": account});
    stack
        .aws
        .call("organizations", "close_account", which)
        .await;
}

/// Starts the state machine. Returns its execution when that has ended.
async fn execute(stack: &Stack) -> Value {
    execute_with(stack, &json!({})).await
}

/// Same, with an input.
async fn execute_with(stack: &Stack, input: &Value) -> Value {
    let machine = stack.output("StateMachineArn");
    let machine = json!({"stateMachineArn": machine, "input": input.to_string()});
    let started = stack.aws.call("stepfunctions", "start_execution", machine);
    ended(stack, &text(&started.await["executionArn"])).await
}

/// Returns all executions of the state machine.
async fn executions(stack: &Stack) -> Vec<String> {
    let machine = json!({"stateMachineArn": stack.output("StateMachineArn")});
    let listed = stack.aws.call("stepfunctions", "list_executions", machine);
    let listed = listed.await;
    let executions = list(&listed["executions"]).iter();
    executions.map(|e| text(&e["executionArn"])).collect()
}

async fn ended(stack: &Stack, execution: &str) -> Value {
    let which = json!({"executionArn": execution});
    eventually("the execution ends", async || {
        let described = stack
            .aws
            .call("stepfunctions", "describe_execution", which.clone());
        let described = described.await;
        (described["status"] != "RUNNING").then_some(described)
    })
    .await
}

#[track_caller]
fn result(execution: &Value) -> Value {
    assert_eq!(execution["status"], "SUCCEEDED", "{execution:#}");
    serde_json::from_str(&text(&execution["output"])).expect("JSON")
}

fn outcomes(runs: &[RunRecord]) -> Vec<Outcome> {
    runs.iter().map(|run| run.outcome).collect()
}

fn deny(stack: &Stack, account: &str) {
    let mut world = stack.codeconnections.state();
    let denied = &mut world.options_mut().deny_assume_role;
    denied.insert(account.to_owned());
}

#[tokio::test]
async fn denied_account_is_recorded_as_failed_and_others_continue() {
    let mut stack = Stack::prepared().await;
    let [payments, storefront] = [
        member(&stack, "payments").await,
        member(&stack, "storefront").await,
    ];
    let organization = [
        ("Mode", "organization"),
        ("ToleratedFailurePercentage", "34"),
    ];
    stack.deploy(&organization, |_| {}).await;
    let own = stack.account().to_owned();
    for account in [&own, &payments, &storefront] {
        stack.connect_in(account, "payments-api");
    }

    // The schedule starts the first execution, and perhaps another one before it is
    // paused.
    stack.hurry("Schedule").await;
    eventually("the schedule starts an execution", async || {
        executions(&stack).await.into_iter().next()
    })
    .await;
    stack.pause("Schedule").await;
    let first = executions(&stack).await;
    for execution in &first {
        assert_eq!(
            result(&ended(&stack, execution).await),
            json!({"accounts": 3, "complete": 3, "without_complete_run": [], "stale": 0, "not_active": [], "left_organization": []})
        );
    }
    let recorded = stack.connections().await;
    assert_eq!(recorded.len(), 3, "{recorded:?}");

    deny(&stack, &storefront);
    let second = result(&execute(&stack).await);

    assert_eq!(
        second,
        json!({
            "accounts": 3,
            "complete": 2,
            "without_complete_run": [format!("{storefront} FAILED")],
            "stale": 0,
            "not_active": [],
            "left_organization": [],
        })
    );
    for account in [&own, &payments] {
        let runs = stack.runs_of(account).await;
        let all = vec![Outcome::Complete; first.len() + 1];
        assert_eq!(outcomes(&runs), all, "{account}");
    }
    let runs = stack.runs_of(&storefront).await;
    let (before, failed) = runs.split_at(first.len());
    assert!(before.iter().all(|run| run.outcome == Outcome::Complete));
    let [failed] = failed else {
        panic!("one failed run: {failed:?}");
    };
    assert_eq!(failed.outcome, Outcome::Failed);
    let why = failed.problems.join("; ");
    assert!(why.contains("sts:AssumeRole"), "{why}");
    assert!(why.contains(&storefront), "{why}");
    let connections = stack.connections().await;
    assert_eq!(connections.len(), 3);
    for connection in connections {
        assert_eq!(connection.deleted_at, None, "{connection:?}");
    }
}

#[tokio::test]
async fn too_many_accounts_without_complete_run_fail_the_execution() {
    let mut stack = Stack::prepared().await;
    let denied = BTreeSet::from([
        member(&stack, "payments").await,
        member(&stack, "storefront").await,
    ]);
    stack.deploy(&[("Mode", "organization")], |_| {}).await;
    for account in &denied {
        deny(&stack, account);
    }

    let execution = execute(&stack).await;

    assert_eq!(execution["status"], "FAILED", "{execution:#}");
    assert_eq!(execution["error"], "AccountsWithoutCompleteRun");
    let cause = text(&execution["cause"]);
    let counted = "2 of 3 accounts, 2 without a complete run for 2 hours: ";
    assert!(cause.starts_with(counted), "{cause}");
    // Neither account ever had a complete run.
    for account in &denied {
        assert!(cause.contains(&format!("{account} STALE")), "{cause}");
    }
    let own = stack.runs().await;
    assert_eq!(
        outcomes(&own),
        [Outcome::Complete],
        "the other account continued"
    );
}

#[tokio::test]
async fn recorded_account_outside_organization_is_reported_as_left() {
    let mut stack = Stack::prepared().await;
    let closed = member(&stack, "closed").await;
    let elsewhere = "999999999999";
    stack.deploy(&[("Mode", "organization")], |_| {}).await;
    for account in [closed.as_str(), elsewhere] {
        stack.connect_in(account, "payments-api");
        let answer = stack.invoke(&json!({"account": account})).await;
        assert_eq!(answer["outcome"], "COMPLETE", "{answer}");
    }
    close(&stack, &closed).await;

    let result = result(&execute(&stack).await);

    let [run] = stack.runs_of(elsewhere).await.try_into().expect("one run");
    let left = format!("{elsewhere} last run {}", run.started_at);
    // The closed account is still in the organization.
    assert_eq!(result["left_organization"], json!([left]), "{result}");
    assert_eq!(result["complete"], 1);
}

/// The failed execution triggers the alarm, whatever the tolerated percentage.
#[tokio::test]
async fn stale_account_fails_execution_regardless_of_tolerance() {
    let mut stack = Stack::prepared().await;
    let denied = member(&stack, "payments").await;
    let partial = member(&stack, "storefront").await;
    let organization = [
        ("Mode", "organization"),
        ("ToleratedFailurePercentage", "100"),
    ];
    stack.deploy(&organization, |_| {}).await;
    assert_eq!(result(&execute(&stack).await)["complete"], 3);

    // Accounts with a complete run within the hours are not stale.
    for account in [&denied, &partial] {
        deny(&stack, account);
    }
    let within = result(&execute(&stack).await);
    assert_eq!(within["stale"], 0, "{within}");
    assert_eq!(within["complete"], 1, "{within}");

    // One account becomes stale: its record gets a time long past.
    let table = stack.output("TableName").to_owned();
    let update = json!({
        "TableName": table,
        "Key": {"pk": {"S": format!("ACCOUNT#{denied}")}, "sk": {"S": "ACCOUNT"}},
        "UpdateExpression": "SET last_complete.started_at = :past",
        "ExpressionAttributeValues": {":past": {"S": "2026-01-01T00:00:00.000Z"}},
    });
    stack.aws.call("dynamodb", "update_item", update).await;
    let execution = execute(&stack).await;

    assert_eq!(execution["status"], "FAILED", "{execution:#}");
    let cause = text(&execution["cause"]);
    let named = format!(
        "2 of 3 accounts, 1 without a complete run for 2 hours: {denied} STALE, {partial} FAILED"
    );
    assert_eq!(cause, named);
}

#[tokio::test]
async fn only_active_accounts_that_are_included_and_not_excluded_are_listed() {
    let mut stack = Stack::prepared().await;
    let [payments, storefront, closed, other] = [
        member(&stack, "payments").await,
        member(&stack, "storefront").await,
        member(&stack, "closed").await,
        member(&stack, "other").await,
    ];
    close(&stack, &closed).await;
    let elsewhere = "999999999999";
    let included = format!("{payments}, {storefront},{closed},{elsewhere}");
    let parameters = [
        ("Mode", "organization"),
        ("IncludeAccounts", included.as_str()),
        ("ExcludeAccounts", storefront.as_str()),
    ];
    stack.deploy(&parameters, |_| {}).await;

    let result = result(&execute(&stack).await);

    assert_eq!(
        result,
        json!({
            "accounts": 1,
            "complete": 1,
            "without_complete_run": [],
            "stale": 0,
            "not_active": [closed, elsewhere],
            "left_organization": [],
        })
    );
    assert_eq!(stack.runs_of(&payments).await.len(), 1);
    for account in [stack.account(), &storefront, &closed, &other, elsewhere] {
        assert!(stack.runs_of(account).await.is_empty(), "{account}");
    }
}

#[tokio::test]
async fn without_include_list_all_active_accounts_not_excluded_are_listed() {
    let mut stack = Stack::prepared().await;
    let [payments, storefront, closed] = [
        member(&stack, "payments").await,
        member(&stack, "storefront").await,
        member(&stack, "closed").await,
    ];
    close(&stack, &closed).await;
    let parameters = [
        ("Mode", "organization"),
        ("ExcludeAccounts", storefront.as_str()),
    ];
    stack.deploy(&parameters, |_| {}).await;

    let result = result(&execute(&stack).await);

    assert_eq!(
        result,
        json!({"accounts": 2, "complete": 2, "without_complete_run": [], "stale": 0, "not_active": [], "left_organization": []})
    );
    for account in [stack.account(), &payments] {
        assert_eq!(stack.runs_of(account).await.len(), 1, "{account}");
    }
    for account in [&storefront, &closed] {
        assert!(stack.runs_of(account).await.is_empty(), "{account}");
    }

    // API calls in the stack's own account cause a run, as without an organization.
    let arn = stack.connect("payments-api");
    let call = creation(stack.account(), &arn, 1).to_string();
    let queue = stack.resource("EventQueue").await;
    put(&stack.aws, &queue, &[call]).await;
    emptied(&stack.aws, &queue).await;
    let own = stack.runs().await;
    assert_eq!(outcomes(&own), [Outcome::Complete; 2]);
    assert_eq!(stack.connections().await.len(), 1);
}

#[tokio::test]
async fn all_account_pages_are_read_and_only_active_accounts_listed() {
    let mut stack = Stack::prepared().await;
    let mut active = vec![stack.account().to_owned()];
    let mut others = Vec::new();
    for number in 0..20 {
        active.push(member(&stack, &format!("a{number}")).await);
    }
    for state in [
        "PENDING_ACTIVATION",
        "SUSPENDED",
        "PENDING_CLOSURE",
        "CLOSED",
    ] {
        others.push(member(&stack, &format!("state-{state}")).await);
    }
    active.push(member(&stack, "without-state-1").await);
    others.push(member(&stack, "without-state-2").await);
    close(&stack, &others[4]).await;
    for number in 0..20 {
        active.push(member(&stack, &format!("b{number}")).await);
    }
    stack.deploy(&[("Mode", "organization")], |_| {}).await;

    let result = result(&execute(&stack).await);

    let all = active.len();
    assert!(all > 40, "three pages: {all}");
    assert_eq!(
        result,
        json!({"accounts": all, "complete": all, "without_complete_run": [], "stale": 0, "not_active": [], "left_organization": []})
    );
    for account in &active {
        assert_eq!(stack.runs_of(account).await.len(), 1, "{account}");
    }
    for account in &others {
        assert!(stack.runs_of(account).await.is_empty(), "{account}");
    }
}

/// Tests that no step between the organization and the table is limited to a few
/// accounts. `.ci/run` tests 500.
#[tokio::test]
async fn each_account_of_a_large_organization_makes_a_run() {
    let count = cases(50) as usize;
    let mut stack = Stack::prepared().await;
    let mut accounts = vec![stack.account().to_owned()];
    while accounts.len() < count {
        accounts.push(member(&stack, &format!("a{}", accounts.len())).await);
    }
    for account in &accounts {
        stack.connect_in(account, "payments-api");
    }
    stack.deploy(&[("Mode", "organization")], |_| {}).await;
    let began = std::time::Instant::now();

    let result = result(&execute(&stack).await);

    println!("{count} accounts in {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(
        result,
        json!({"accounts": count, "complete": count, "without_complete_run": [], "stale": 0, "not_active": [], "left_organization": []})
    );
    let runs = partitions(&stack, "RUNS#").await;
    let each = accounts.iter().map(|account| format!("RUNS#{account}"));
    assert_eq!(
        runs,
        each.collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
    assert_eq!(stack.connections().await.len(), count);
}

/// Returns the partition key of each item with this prefix, sorted.
async fn partitions(stack: &Stack, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut scan = json!({
        "TableName": stack.output("TableName"),
        "FilterExpression": "begins_with(pk, :prefix)",
        "ExpressionAttributeValues": {":prefix": {"S": prefix}},
        "ProjectionExpression": "pk",
    });
    loop {
        let page = stack.aws.call("dynamodb", "scan", scan.clone()).await;
        found.extend(
            list(&page["Items"])
                .iter()
                .map(|item| text(&item["pk"]["S"])),
        );
        match page.get("LastEvaluatedKey") {
            Some(key) => scan["ExclusiveStartKey"] = key.clone(),
            None => break,
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn same_state_machine_runs_the_dependencies_of_every_account() {
    let mut stack = Stack::prepared().await;
    let payments = member(&stack, "payments").await;
    let organization = [
        ("Mode", "organization"),
        ("ToleratedFailurePercentage", "100"),
    ];
    stack.deploy(&organization, |_| {}).await;
    let own = stack.account().to_owned();
    let dependencies = json!({"inventory": "dependencies"});

    let first = result(&execute_with(&stack, &dependencies).await);

    assert_eq!(
        first,
        json!({"accounts": 2, "complete": 2, "without_complete_run": [], "stale": 0, "not_active": [], "left_organization": []})
    );
    for account in [&own, &payments] {
        let runs = stack.dependency_runs_of(account).await;
        assert_eq!(runs.len(), 1, "{account}");
        assert!(stack.runs_of(account).await.is_empty(), "{account}");
    }

    // The last complete run of an account that is denied was a moment ago.
    deny(&stack, &payments);
    let second = result(&execute_with(&stack, &dependencies).await);
    assert_eq!(
        second["without_complete_run"],
        json!([format!("{payments} FAILED")])
    );

    // Of connections it has none, whatever is known of its dependencies.
    let third = execute(&stack).await;
    assert_eq!(third["status"], "FAILED", "{third:#}");
    let cause = text(&third["cause"]);
    assert!(cause.contains(&format!("{payments} STALE")), "{cause}");
}
