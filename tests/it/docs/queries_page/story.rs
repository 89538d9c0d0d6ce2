//! The test data for the commands of the page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use codeconnections_inventory::domain::Outcome;
use codeconnections_inventory::lambda::handler::{AllowedAccounts, Handler};
use codeconnections_inventory::listing::CodeConnections;
use codeconnections_inventory::listing::codeconnections::MemberRole;
use codeconnections_inventory::local::codeconnections::{
    CreateConnectionInput, ProviderType, Scope,
};
use serde_json::{Value, json};

use crate::support::proxy::{Act, Proxy};
use crate::support::test_env::{self, ACCOUNT, HOUR, REGION, TestEnv, TestHandler, account};

const OTHER: &str = "222222222222";
/// An opt-in region, whose connections other regions do not list.
const OPT_IN: &str = "eu-south-1";

/// Two accounts. In the first, connections are created, changed and deleted, a
/// call starts one of the runs, and a region denies the last run.
pub struct Story {
    pub env: TestEnv,
    /// The connection of the page, which has four changes.
    pub arn: String,
    /// A proxy to the service, with which a listing takes a second a page.
    service: Proxy,
}

impl Story {
    pub async fn new() -> Self {
        let story = Self::after_first_run().await;
        let env = &story.env;
        let theirs = CreateConnectionInput::new("theirs", ProviderType::GitLab);
        let scope = Scope::new(OTHER, REGION);
        let made = env
            .codeconnections
            .state()
            .create_connection(&scope, theirs);
        made.expect("created");
        story.run(OTHER, &json!({})).await;

        let doomed = env.create("doomed");
        let made = env.create("made by a call");
        env.set_status(&story.arn, "AVAILABLE");
        story.run(ACCOUNT, &test_env::call_that_made(&made)).await;
        env.set_status(&story.arn, "ERROR");
        env.delete(&doomed);
        story.run(ACCOUNT, &json!({})).await;
        let name = "$(payments) 'api'";
        let renamed = env
            .codeconnections
            .state()
            .rename_connection(&story.arn, name);
        renamed.expect("renamed");
        story.run(ACCOUNT, &json!({})).await;
        // The opt-in region no longer answers.
        env.deny(OPT_IN);
        story.run(ACCOUNT, &json!({})).await;
        story
    }

    /// Returns the data after the first run.
    async fn after_first_run() -> Self {
        let env = TestEnv::new().await;
        let clock = Arc::clone(&env.clock);
        let service = Proxy::start(env.service.endpoint(), move |seen| {
            if seen.operation == "ListConnections" {
                clock.advance(Duration::from_secs(1));
            }
            Act::Pass
        })
        .await;
        let arn = env.create("payments-api");
        env.create("storefront");
        env.create_in(OPT_IN, "opt-in");
        let story = Self { env, arn, service };
        story.run(ACCOUNT, &json!({})).await;
        story
    }

    async fn run(&self, account: &str, event: &Value) {
        self.env.clock.advance(HOUR);
        let summary = test_env::run(&self.handler(account), event).await;
        assert_ne!(summary.outcome, Outcome::Failed, "{:?}", summary.problems);
    }

    fn handler(&self, of: &str) -> TestHandler {
        let role = MemberRole {
            name: "inventory".into(),
            external_id: None,
        };
        let config = test_env::quick(&self.service.endpoint);
        let source = CodeConnections::new(config, Some(account()), Some(role));
        Handler {
            accounts: AllowedAccounts::Listed(vec![of.parse().expect("an account")]),
            regions: [OPT_IN, REGION].map(test_env::region).to_vec(),
            retired_regions: Vec::new(),
            ..self.env.handler_of(source, self.env.table.clone())
        }
    }

    /// Returns the variables of the page.
    pub async fn variables(&self) -> BTreeMap<&'static str, String> {
        let changes = self.env.changes(&self.arn).await;
        let observed = |version: usize| changes[version - 1].observed_at.to_string();
        BTreeMap::from([
            ("TABLE", self.env.table.name().to_string()),
            ("ACCOUNT", ACCOUNT.to_owned()),
            ("ARN", self.arn.clone()),
            // From one change on, and up to another.
            ("FROM", observed(2)),
            ("UNTIL", observed(4)),
            ("AT", changes[1].observed_until.to_string()),
            ("NUMBER", "1".to_owned()),
            ("VERSION", "2".to_owned()),
        ])
    }
}
