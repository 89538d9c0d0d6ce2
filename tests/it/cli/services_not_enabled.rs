//! Services that are not enabled for an account: which answers say so, and that every other
//! refusal is a denial.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(unix)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::{self, StreamExt};

use super::dependency_sources::{Account, NAMES, named};
use crate::support::consumers::{Consumers, ccinv_at, operation, refusal};
use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv, account};
use codeconnections_inventory::domain::run::ListingReport;
use codeconnections_inventory::domain::{Dependency, Outcome};
use codeconnections_inventory::local::codeconnections::{Operation, Scope};
use codeconnections_inventory::table::Table;
use serde_json::json;

/// A source and its operations.
struct Source {
    name: &'static str,
    /// Each part's operations: without any of the parts the source is not listed
    /// completely. A part is denied if all of its operations are.
    parts: &'static [&'static [&'static str]],
    /// Operations that are called even if the others are refused.
    independent: &'static [&'static str],
}

const SOURCES: [Source; 12] = [
    Source {
        name: "codebuild",
        parts: &[
            &["ListProjects"],
            &["BatchGetProjects"],
            &["ListSourceCredentials"],
        ],
        independent: &["ListProjects", "ListSourceCredentials"],
    },
    Source {
        name: "codeguru-reviewer",
        parts: &[&["ListRepositoryAssociations"]],
        independent: &[],
    },
    Source {
        name: "codepipeline",
        parts: &[&["ListPipelines"], &["GetPipeline"]],
        independent: &[],
    },
    Source {
        name: "datazone",
        parts: &[&["ListDomains"], &["ListConnections"]],
        independent: &[],
    },
    Source {
        name: "git-sync",
        parts: &[&["ListRepositoryLinks"], &["ListSyncConfigurations"]],
        independent: &[],
    },
    Source {
        name: "healthomics",
        parts: &[
            &["ListWorkflows"],
            &["GetWorkflow"],
            &["ListWorkflowVersions"],
            &["GetWorkflowVersion"],
        ],
        independent: &["GetWorkflow 1000001", "GetWorkflow 1000002"],
    },
    Source {
        name: "hosts",
        parts: &[&["ListHosts"]],
        independent: &[],
    },
    Source {
        name: "inspector",
        parts: &[
            &["ListCodeSecurityIntegrations"],
            &["GetCodeSecurityIntegration"],
        ],
        independent: &[],
    },
    Source {
        name: "proton",
        parts: &[&["ListRepositories"]],
        independent: &[],
    },
    Source {
        name: "ram",
        parts: &[
            &["listresources SELF"],
            &["listresources OTHER-ACCOUNTS"],
            &["listprincipals"],
        ],
        independent: &["listresources SELF", "listresources OTHER-ACCOUNTS"],
    },
    Source {
        name: "service-catalog",
        parts: &[&["SearchProductsAsAdmin"]],
        independent: &[],
    },
    Source {
        name: "tagging",
        // One makes up for the other.
        parts: &[&["GetResources", "ListTagsForResource"]],
        independent: &["GetResources", "ListTagsForResource"],
    },
];

/// The documented answer of every service to an account that is not signed up for it.
const OPT_IN_REQUIRED: &str = "OptInRequired";

/// Codes that say less than the documented one, even if they resemble it.
const DENIALS: [&str; 4] = [
    "AccessDeniedException",
    "SubscriptionRequiredException",
    "OptInRequiredException",
    "NotAuthorized",
];

/// Which operations are refused with which code.
type Refusals = Vec<(&'static str, &'static str)>;

/// Returns true if a request is of an operation, such as `listresources`, with a text, such
/// as `listresources SELF`.
fn is_of(seen: &Seen, refused: &str) -> bool {
    let (name, text) = refused.split_once(' ').unwrap_or((refused, ""));
    if name == "ListConnections" && seen.service() == "codeconnections" {
        return false; // that of DataZone is meant
    }
    let asked = format!("{} {}", seen.uri, String::from_utf8_lossy(&seen.body));
    operation(seen) == name && asked.contains(text)
}

/// What a first run says about a source, and what the answer after it says.
#[derive(Debug, PartialEq)]
struct Said {
    scan: i32,
    uses: i32,
    outcome: Outcome,
    /// The codes of sources that were not listed completely.
    codes: Vec<(String, String)>,
    /// The sources that were asked.
    sources: BTreeSet<String>,
}

/// Scans an account in which these operations are refused.
async fn said(refusals: Refusals) -> Said {
    let env = TestEnv::new().await;
    let scope = Scope::new(ACCOUNT, REGION);
    let perform = |operation, input| {
        let mut state = env.codeconnections.state();
        state.perform(&scope, operation, input).expect("performed")
    };
    let connection = env.create("payments");
    let host = json!({"Name": "ghes", "ProviderType": "GitLabSelfManaged",
        "ProviderEndpoint": "https://git.example.com"});
    let host = perform(Operation::CreateHost, host)["HostArn"].clone();
    let link = json!({"ConnectionArn": connection, "OwnerId": "acme", "RepositoryName": "infra"});
    perform(Operation::CreateRepositoryLink, link);
    let consumers = Consumers::of(&connection, host.as_str().expect("an ARN"));
    let services = Proxy::start(env.service.endpoint(), move |seen| {
        let refused = refusals
            .iter()
            .find(|(operation, _)| is_of(seen, operation));
        match refused {
            Some((_, code)) => refusal(403, code),
            // It says nothing about the account.
            None if operation(seen) == "BatchGetAccountStatus" => {
                refusal(403, "AccessDeniedException")
            }
            None => consumers.answer_for_every_source(seen),
        }
    })
    .await;
    let run = async |arguments: &[&str]| {
        let ccinv = ccinv_at(&env, &services.endpoint);
        let ccinv = ccinv.with("AWS_ENDPOINT_URL_CODECONNECTIONS", &services.endpoint);
        let table = ["--table", env.table.name().as_str()];
        ccinv.run(&[arguments, &table].concat()).await
    };
    let scanned = run(&["scan", "--dependencies"]).await;
    let uses = run(&["uses", "payments"]).await;
    let table: Table<Dependency> = env.table.of_kind();
    let recorded = table.runs_of(&account(), 1).await.expect("read");
    let [recorded] = recorded.as_slice() else {
        panic!("{scanned:?}");
    };
    let name = |listing: &ListingReport<Dependency>| listing.region.source().to_owned();
    let listings = recorded.listings.iter();
    let codes = listings.filter_map(|listing| {
        let error = listing.error.as_ref()?;
        Some((name(listing), error.code.to_string()))
    });
    Said {
        scan: scanned.code,
        uses: uses.code,
        outcome: recorded.outcome,
        codes: codes.collect(),
        sources: recorded.listings.iter().map(name).collect(),
    }
}

/// Scans many accounts, some at the same time.
async fn all_said(cases: Vec<(&'static str, Refusals)>) -> Vec<(&'static str, Refusals, Said)> {
    let cases = stream::iter(cases).map(|(source, refusals)| async move {
        let said = said(refusals.clone()).await;
        (source, refusals, said)
    });
    cases.buffered(4).collect().await
}

#[tokio::test]
async fn every_source_that_says_it_is_not_enabled_leaves_the_run_complete() {
    let cases = SOURCES.iter().map(|source| {
        let operations = source.parts.iter().copied().flatten();
        let refusals = operations.map(|operation| (*operation, OPT_IN_REQUIRED));
        (source.name, refusals.collect())
    });
    let names: BTreeSet<String> = SOURCES.iter().map(|it| it.name.to_owned()).collect();
    for (source, refusals, said) in all_said(cases.collect()).await {
        let expected = Said {
            scan: 0,
            uses: 0,
            outcome: Outcome::Complete,
            codes: vec![(source.to_owned(), "NotEnabled".to_owned())],
            sources: names.clone(),
        };
        assert_eq!(said, expected, "{refusals:?}");
    }
}

#[tokio::test]
async fn any_other_refusal_of_any_source_is_a_denial() {
    let mut cases: Vec<(&str, Refusals)> = Vec::new();
    for source in &SOURCES {
        for (number, part) in source.parts.iter().enumerate() {
            // The first part with every code.
            let codes = if number == 0 {
                &DENIALS[..]
            } else {
                &DENIALS[..1]
            };
            for code in codes {
                let refusals = part.iter().map(|operation| (*operation, *code));
                cases.push((source.name, refusals.collect()));
            }
        }
        // What is not enabled hides no denial.
        for denied in source.independent {
            let refusals = source.independent.iter().map(|operation| {
                let is_denied = operation == denied;
                (
                    *operation,
                    if is_denied {
                        DENIALS[0]
                    } else {
                        OPT_IN_REQUIRED
                    },
                )
            });
            cases.push((source.name, refusals.collect()));
        }
    }
    for (source, refusals, said) in all_said(cases).await {
        let denied = refusals.iter().find(|(_, code)| *code != OPT_IN_REQUIRED);
        let (_, code) = denied.expect("a denial");
        let properties = ["ram", "tagging"];
        assert_eq!(
            (said.scan, said.outcome),
            (4, Outcome::Partial),
            "{refusals:?}"
        );
        assert_eq!(
            said.codes,
            [(source.to_owned(), (*code).to_owned())],
            "{refusals:?}"
        );
        // Of what uses a connection, properties say nothing.
        let uses = if properties.contains(&source) { 0 } else { 4 };
        assert_eq!(said.uses, uses, "{refusals:?}");
    }
}

/// Denies the integrations of an account whose Inspector has this status.
fn inspector(seen: &Seen, status: &str) -> Option<Act> {
    match operation(seen) {
        "ListCodeSecurityIntegrations" => Some(refusal(403, "AccessDeniedException")),
        "BatchGetAccountStatus" => {
            let state =
                json!({"status": status, "errorCode": "ALREADY_ENABLED", "errorMessage": "-"});
            let account = json!({"accountId": ACCOUNT, "state": state, "resourceState": {}});
            Some(Act::Answer(200, json!({"accounts": [account]}).to_string()))
        }
        _ => None,
    }
}

#[tokio::test]
async fn service_that_is_not_enabled_leaves_no_run_partial_and_is_named() {
    let account = Account::with(|seen| inspector(seen, "DISABLED")).await;
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.stdout.contains("NotEnabled") || done.stdout.contains("does not scan"),
        "{done:?}"
    );
    assert_eq!(
        account.users().await,
        (0, NAMES.map(str::to_owned).to_vec())
    );
    let done = account.run(&["uses", "payments"]).await;
    let note = "not enabled, so not observed: inspector in eu-west-1";
    assert!(done.stdout.contains(note), "{done:?}");
    let (_, answer) = account.ask(&["uses", "payments"]).await;
    let basis = &answer["rests_on"][0];
    assert_eq!(basis["last_run"]["outcome"], "COMPLETE");
    let sources = basis["sources"].as_array().expect("a list");
    let inspector = sources.iter().find(|s| s["source"] == "inspector");
    let inspector = inspector.expect("a source");
    assert_eq!(
        (&inspector["code"], &inspector["complete_at"]),
        (&json!("NotEnabled"), &json!(null))
    );
}

#[tokio::test]
async fn denied_call_of_an_enabled_service_is_a_denial() {
    let account = Account::with(|seen| inspector(seen, "ENABLED")).await;
    let done = account.scan().await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(!done.stdout.contains("does not scan"), "{done:?}");
    assert_eq!(account.users().await.0, 4);
}

#[tokio::test]
async fn service_that_was_disabled_deletes_nothing_and_leaves_the_run_partial() {
    static IS_DISABLED: AtomicBool = AtomicBool::new(false);
    let account = Account::with(|seen| {
        let is_disabled = IS_DISABLED.load(Ordering::SeqCst);
        is_disabled.then(|| inspector(seen, "DISABLED")).flatten()
    })
    .await;
    assert_eq!(account.scan().await.code, 0);
    IS_DISABLED.store(true, Ordering::SeqCst);
    let done = account.scan().await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stdout.contains("not confirmed"), "{done:?}");
    let (_, answer) = account.ask(&["uses", &account.host]).await;
    assert_eq!(
        named(&answer["dependencies"]),
        ["CODE_SECURITY_INTEGRATION gitlab"]
    );
    let sources = answer["rests_on"][0]["sources"].as_array().expect("a list");
    let inspector = sources.iter().find(|s| s["source"] == "inspector");
    let complete_at = &inspector.expect("a source")["complete_at"];
    assert!(complete_at.is_string(), "the first run listed it: {answer}");
}
