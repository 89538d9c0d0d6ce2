//! What happened, for the page to be asked about.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use codeconnections_inventory::domain::Outcome;
use codeconnections_inventory::lambda::handler::{Accounts, Handler};
use codeconnections_inventory::listing::CodeConnections;
use codeconnections_inventory::listing::codeconnections::MemberRole;
use codeconnections_inventory::local::codeconnections::{
    CreateConnectionInput, ProviderType, RegionAccess, Scope,
};
use serde_json::{Value, json};

use crate::support::lab::{self, ACCOUNT, HOUR, Lab, LabHandler, REGION, account};
use crate::support::proxy::{Act, Proxy};

const OTHER: &str = "222222222222";
/// It keeps its connections to itself.
const OPT_IN: &str = "eu-south-1";

/// Two accounts. In the first, connections came, changed and went, a call started
/// one of the runs, and a region did not answer the last.
pub struct Story {
    pub lab: Lab,
    /// The connection that the page asks about; it has four changes.
    pub arn: String,
    /// Between the lab and the service. A listing takes time: a second a page.
    service: Proxy,
}

impl Story {
    pub async fn happened() -> Self {
        let story = Self::begun().await;
        let lab = &story.lab;
        let theirs = CreateConnectionInput::new("theirs", ProviderType::GitLab);
        let scope = Scope::new(OTHER, REGION);
        let made = lab.stand_in.world().create_connection(&scope, theirs);
        made.expect("created");
        story.run(OTHER, &json!({})).await;

        let doomed = lab.create("doomed");
        let made = lab.create("made by a call");
        lab.set_status(&story.arn, "AVAILABLE");
        story.run(ACCOUNT, &lab::call_that_made(&made)).await;
        lab.set_status(&story.arn, "ERROR");
        lab.delete(&doomed);
        story.run(ACCOUNT, &json!({})).await;
        let name = "$(payments) 'api'";
        let renamed = lab.stand_in.world().rename_connection(&story.arn, name);
        renamed.expect("renamed");
        story.run(ACCOUNT, &json!({})).await;
        // The opt-in region no longer answers.
        let place = (ACCOUNT.to_owned(), OPT_IN.to_owned());
        lab.stand_in
            .world()
            .options_mut()
            .region_access
            .insert(place, RegionAccess::Denied);
        story.run(ACCOUNT, &json!({})).await;
        story
    }

    /// Only the first run.
    async fn begun() -> Self {
        let lab = Lab::new().await;
        let clock = Arc::clone(&lab.clock);
        let service = Proxy::start(lab.service.endpoint(), move |seen| {
            if seen.operation == "ListConnections" {
                clock.advance(Duration::from_secs(1));
            }
            Act::Pass
        })
        .await;
        let arn = lab.create("payments-api");
        lab.create("storefront");
        lab.create_in(OPT_IN, "opt-in");
        let story = Self { lab, arn, service };
        story.run(ACCOUNT, &json!({})).await;
        story
    }

    async fn run(&self, account: &str, event: &Value) {
        self.lab.clock.advance(HOUR);
        let summary = lab::run(&self.handler(account), event).await;
        assert_ne!(summary.outcome, Outcome::Failed, "{:?}", summary.problems);
    }

    fn handler(&self, of: &str) -> LabHandler {
        let role = MemberRole {
            name: "inventory".into(),
            external_id: None,
        };
        let config = lab::quick(&self.service.endpoint);
        let source = CodeConnections::new(config, Some(account()), Some(role));
        Handler {
            accounts: Accounts::Listed(vec![of.parse().expect("an account")]),
            regions: [OPT_IN, REGION].map(lab::region).to_vec(),
            retired_regions: Vec::new(),
            ..self.lab.handler_of(source, self.lab.table.clone())
        }
    }

    /// What the page asks about.
    pub async fn variables(&self) -> BTreeMap<&'static str, String> {
        let told = self.lab.changes(&self.arn).await;
        let observed = |version: usize| told[version - 1].observed_at.to_string();
        BTreeMap::from([
            ("TABLE", self.lab.table.name().to_string()),
            ("ACCOUNT", ACCOUNT.to_owned()),
            ("ARN", self.arn.clone()),
            // From one change on, and up to another.
            ("FROM", observed(2)),
            ("UNTIL", observed(4)),
            ("AT", told[1].observed_until.to_string()),
            ("NUMBER", "1".to_owned()),
            ("VERSION", "2".to_owned()),
        ])
    }
}
