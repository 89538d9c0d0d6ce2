//! Reads of audits that the table throttles or denies.

use crate::support::ccinv::Ccinv;
use crate::support::proxy::{Act, Proxy};
use crate::support::test_env::TestEnv;

const QUESTIONS: [&[&str]; 4] = [
    &["list", "--format", "jsonl"],
    &["changes", "--since", "1d", "--format", "csv"],
    &["history", "storefront", "--format", "csv"],
    &["verify"],
];

async fn scanned() -> TestEnv {
    let env = TestEnv::new().await;
    let arn = env.create("storefront");
    env.create("payments");
    let table = env.table.name().as_str();
    let scan = ["scan", "--table", table];
    Ccinv::at(&env).fine(&scan).await;
    env.set_status(&arn, "AVAILABLE");
    Ccinv::at(&env).fine(&scan).await;
    env
}

/// Returns a command line whose client itself retries nothing.
fn through(env: &TestEnv, proxy: &Proxy) -> Ccinv {
    Ccinv::at(env)
        .with("AWS_ENDPOINT_URL_DYNAMODB", &proxy.endpoint)
        .with("AWS_MAX_ATTEMPTS", "1")
}

#[tokio::test]
async fn throttled_reads_are_retried_until_they_are_answered() {
    let env = scanned().await;
    let busy = Proxy::start(&env.table_endpoint, |seen| match seen.number % 3 {
        0 => Act::Pass,
        _ => Act::fault(400, "ProvisionedThroughputExceededException"),
    })
    .await;
    for question in QUESTIONS {
        let question = [question, &["--table", env.table.name().as_str()]].concat();
        let answer = Ccinv::at(&env).fine(&question).await;
        assert_eq!(through(&env, &busy).fine(&question).await, answer);
    }
}

#[tokio::test]
async fn denied_reads_are_reported_at_once() {
    let env = scanned().await;
    for question in QUESTIONS {
        let denied = Proxy::start(&env.table_endpoint, |_| {
            Act::fault(400, "AccessDeniedException")
        })
        .await;
        let question = [question, &["--table", env.table.name().as_str()]].concat();
        let done = through(&env, &denied).run(&question).await;
        assert_eq!(
            (done.code, denied.count()),
            (1, 1),
            "{question:?}: {done:?}"
        );
        assert!(done.complaint().contains("AccessDenied"), "{done:?}");
    }
}
