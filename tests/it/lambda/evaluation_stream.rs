//! The function of findings, invoked by the table's stream: from the write of a run to the
//! recorded evaluation. The stream is that of Amazon's DynamoDB Local, the function its own
//! binary in AWS's runtime emulator, and the filter that of the template, applied by the
//! stack's emulator. Only the poller is the test's.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use codeconnections_inventory::domain::{Outcome, Trigger};
use serde_json::Value;

use super::evaluation::{Function, RULES, detail};
use crate::support::aws::Aws;
use crate::support::dynamodb_local::DynamoDbLocal;
use crate::support::ministack::Ministack;
use crate::support::runtime_emulator::Invoked;
use crate::support::stream_records::{Poller, enable};
use crate::support::test_env::{ACCOUNT, REGION};

/// Returns the outcomes of the evaluations that each invocation made.
fn outcomes(answers: Vec<Invoked>) -> Vec<Vec<String>> {
    let of_one = |answer: Invoked| {
        let answer = answer.answer();
        let runs = answer["runs"].as_array().expect("a list").iter();
        let outcome = |run: &Value| run["outcome"].as_str().expect("a text").to_owned();
        runs.map(outcome).collect()
    };
    answers.into_iter().map(of_one).collect()
}

#[tokio::test]
async fn write_of_a_run_leads_to_an_evaluation_and_its_changes_to_events() {
    let local = DynamoDbLocal::start().await;
    let ministack = Ministack::shared().await;
    let env = local.env().await;
    let name = env.table.name().to_string();
    let stream = Aws::new(&local.endpoint, REGION, ACCOUNT).await;
    enable(&stream, &name).await;
    let function = Function::of(env).await;
    function.put_rules(RULES).await;
    let events = Aws::new(&ministack.endpoint, REGION, ACCOUNT).await;
    let mut poller = Poller::new(
        "ComplianceStream",
        &stream,
        &name,
        &events,
        &function.emulator,
    );
    let arn = function.env.create("payments");
    let evaluation: &[&str] = &["COMPLETE"];

    for (number, status) in [(1, "ERROR"), (2, "AVAILABLE")] {
        function.env.set_status(&arn, status);
        function.env.run().await;
        let of_run = poller.deliver("RUNS#", number).await;
        assert_eq!(outcomes(of_run), [evaluation], "one invocation for the run");
        // What the evaluation wrote is in the stream, too. Of it only the change of the
        // finding invokes the function, which makes no evaluation of it.
        let of_evaluation = poller.deliver("FINDING_RUNS#", number).await;
        assert_eq!(outcomes(of_evaluation), [Vec::<String>::new()]);
    }

    let evaluations = function.evaluations().await;
    let triggers: Vec<&Trigger> = evaluations.iter().map(|it| &it.trigger).collect();
    let runs = function.env.runs().await;
    let expected: Vec<Trigger> = runs
        .iter()
        .map(|run| Trigger::Run {
            run_id: run.run_id.clone(),
        })
        .collect();
    assert_eq!(triggers, expected.iter().collect::<Vec<_>>());
    assert!(evaluations.iter().all(|it| it.outcome == Outcome::Complete));
    let states: Vec<Value> = function
        .published()
        .iter()
        .map(detail)
        .map(|it| it["state"].clone())
        .collect();
    assert_eq!(states, ["OPENED", "CLOSED"]);
    function.assert_verified().await;
}
