//! Answers about dependencies name the runs of all accounts, and of both kinds, that they are
//! based on, and rest on no other.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(unix)]

use std::time::Duration;

use crate::support::ccinv::{Ccinv, Done};
use crate::support::recorded_accounts::{Listed, dependency, run};
use crate::support::test_env::{HOUR, REGION, TestEnv, region};
use codeconnections_inventory::domain::{
    AccountId, Attributes, Clock, Connection, Dependency, DependencyAttributes, DependencyId,
    DependencyType,
};
use serde_json::{Value, json};

const USER: &str = "111111111111";
const OWNER: &str = "222222222222";
const OTHER: &str = "333333333333";

const DAY: Duration = Duration::from_secs(24 * 3600);

type Listing = (DependencyId, DependencyAttributes);

fn connection(owner: &str, region: &str) -> String {
    format!(
        "arn:aws:codeconnections:{region}:{owner}:connection/8c0a5f2e-3b41-4d0e-9a77-5e1c2f6b9d34"
    )
}

fn pipeline(account: &str, name: &str, used: &str) -> Listing {
    let arn = format!("arn:aws:codepipeline:{REGION}:{account}:{name}");
    let source = Some("Source.App");
    dependency(
        DependencyType::PipelineSource,
        &arn,
        source,
        Some(used),
        &json!({}),
    )
}

fn tags(arn: &str) -> Listing {
    let tags = json!({"team": "payments"});
    dependency(DependencyType::Tags, arn, None, Some(arn), &tags)
}

fn host(account: &str) -> Listing {
    let arn = format!("arn:aws:codeconnections:{REGION}:{account}:host/ghes-1a2b3c4d");
    dependency(DependencyType::Host, &arn, None, None, &json!({}))
}

struct Accounts(TestEnv);

impl Accounts {
    async fn new() -> Self {
        Self(TestEnv::new().await)
    }

    /// Makes a run of connections that are AVAILABLE; with none, the listing is denied.
    async fn list(&self, account: &str, connections: Option<&[&str]>) {
        let attributes = || Attributes {
            connection_name: Some("it".into()),
            connection_status: Some("AVAILABLE".into()),
            ..Attributes::default()
        };
        let listed: Listed<Connection> = connections.map(|arns| {
            let arns = arns.iter();
            arns.map(|arn| (arn.parse().expect("an ARN"), attributes()))
                .collect()
        });
        run::<Connection>(&self.0, &id(account), vec![(region(REGION), listed)]).await;
        self.0.clock.advance(HOUR);
    }

    /// Makes a run of dependencies; a source without a list is denied.
    async fn list_dependencies(&self, account: &str, sources: &[(&str, Option<&[Listing]>)]) {
        let listings = sources.iter().map(|(source, listed)| {
            let scope = format!("{source}/{REGION}").parse().expect("a scope");
            (scope, listed.map(|it| it.iter().cloned().collect()))
        });
        run::<Dependency>(&self.0, &id(account), listings.collect()).await;
        self.0.clock.advance(HOUR);
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        let table = self.0.table.name().as_str();
        let arguments = [arguments, &["--table", table]].concat();
        Ccinv::at(&self.0).run(&arguments).await
    }

    async fn ask(&self, arguments: &[&str]) -> (i32, Value) {
        let done = self.run(&[arguments, &["--json"]].concat()).await;
        let answer = serde_json::from_str(&done.stdout);
        (done.code, answer.unwrap_or_else(|_| panic!("{done:?}")))
    }
}

fn id(account: &str) -> AccountId {
    account.parse().expect("an account")
}

/// The accounts of a list of bases.
fn accounts(bases: &Value) -> Vec<&str> {
    let bases = bases.as_array().expect("a list").iter();
    bases
        .map(|basis| basis["account"].as_str().expect("an account"))
        .collect()
}

/// The source, and whether a complete listing is known, of those with a problem.
fn problems(basis: &Value) -> Vec<(&str, bool)> {
    let sources = basis["sources"].as_array().expect("a list").iter();
    let lacking = sources.filter(|source| source["problem"].is_string());
    lacking
        .map(|it| {
            let source = it["source"].as_str().expect("a text");
            (source, it["complete_at"].is_string())
        })
        .collect()
}

#[tokio::test]
async fn tags_of_a_shared_connection_are_those_of_its_owner() {
    let recorded = Accounts::new().await;
    let shared = connection(OWNER, REGION);
    for account in [USER, OWNER, OTHER] {
        let listed = [&*shared];
        let listed = if account == OTHER { &[][..] } else { &listed };
        recorded.list(account, Some(listed)).await;
    }
    let of_owner = [tags(&shared)];
    recorded
        .list_dependencies(OWNER, &[("tagging", Some(&of_owner))])
        .await;
    // What is not known of the tags of others does not matter.
    for account in [USER, OTHER] {
        recorded
            .list_dependencies(account, &[("tagging", None)])
            .await;
    }
    let now = recorded.0.clock.now().to_string();
    for options in [
        &["--tag", "team=payments"][..],
        &["--tags"],
        &["--tag", "team", "--as-of", &now],
    ] {
        let arguments = [&["list", "--account", USER], options].concat();
        let (code, answer) = recorded.ask(&arguments).await;
        assert_eq!(code, 0, "{answer}");
        assert_eq!(answer["connections"][0]["account"], USER, "{answer}");
        let tags = &answer["connections"][0]["tags"];
        assert_eq!(tags, &json!({"team": "payments"}), "{answer}");
        assert_eq!(accounts(&answer["dependencies_rest_on"]), [OWNER]);
        let done = recorded.run(&arguments).await;
        assert!(!done.stdout.contains("not observed"), "{done:?}");
    }
    let export = ["export", "--tags", "--account", USER];
    let done = recorded.run(&export).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.stdout.contains(r#""tags":{"team":"payments"}"#),
        "{done:?}"
    );
    assert!(!done.stderr.contains("not observed"), "{done:?}");

    // Of an account without connections, nothing but its own tags could be listed.
    let (code, answer) = recorded.ask(&["list", "--tags", "--account", OTHER]).await;
    assert_eq!(code, 0, "{answer}");
    assert_eq!(accounts(&answer["dependencies_rest_on"]), [OTHER]);
}

#[tokio::test]
async fn tags_of_an_owner_that_is_not_inventoried_were_not_observed() {
    let recorded = Accounts::new().await;
    let shared = connection(OWNER, REGION);
    recorded.list(USER, Some(&[&shared])).await;
    recorded
        .list_dependencies(USER, &[("tagging", Some(&[]))])
        .await;
    let done = recorded
        .run(&["list", "--tag", "team", "--account", USER])
        .await;
    assert_eq!(done.code, 4, "{done:?}");
    let problem = "tags of 1 connection were not observed";
    assert!(done.stderr.contains(problem), "{done:?}");
}

#[tokio::test]
async fn impact_names_the_runs_of_the_connections_in_question() {
    let recorded = Accounts::new().await;
    let used = connection(OWNER, REGION);
    recorded.list(USER, Some(&[])).await;
    recorded.list(OTHER, None).await;
    recorded.list(OWNER, Some(&[&used])).await;
    recorded.0.clock.advance(21 * DAY);
    recorded.list(OWNER, None).await;
    let pipelines = [pipeline(USER, "deploy", &used)];
    for (account, listed) in [(USER, &pipelines[..]), (OWNER, &[]), (OTHER, &[])] {
        recorded
            .list_dependencies(account, &[("codepipeline", Some(listed))])
            .await;
    }
    for arguments in [&["impact"][..], &["impact", "--account", USER]] {
        let (code, answer) = recorded.ask(arguments).await;
        assert_eq!((code, &answer["impact"]), (0, &json!([])), "{answer}");
        let bases = &answer["connections_rest_on"];
        assert_eq!(accounts(bases), [OWNER], "{answer}");
        assert_eq!(bases[0]["last_complete_run"]["sequence"], 1, "{answer}");
        let done = recorded.run(arguments).await;
        let lines = [
            "account 222222222222: based on run 1 (COMPLETE, 1 region) of 2026-10-01",
            "not observed: eu-west-1: refused by the test; last listed at 2026-10-01",
        ];
        for line in lines {
            assert!(done.stdout.contains(line), "{line}: {done:?}");
        }
    }
    let export = ["export", "relations", "--account", USER];
    let done = recorded.run(&export).await;
    assert_eq!(done.code, 0, "{done:?}");
    let line = "account 222222222222: based on run 1 (COMPLETE, 1 region) of 2026-10-01";
    assert!(done.stderr.contains(line), "{done:?}");
}

#[tokio::test]
async fn connection_that_was_not_listed_may_work() {
    let recorded = Accounts::new().await;
    let elsewhere = connection(USER, "eu-south-1");
    let (of_others, of_denied) = (connection(OTHER, REGION), connection(OWNER, REGION));
    recorded.list(USER, Some(&[])).await;
    recorded.list(OWNER, None).await;
    recorded
        .list_dependencies(OWNER, &[("codepipeline", Some(&[]))])
        .await;
    let mut pipelines = vec![
        pipeline(USER, "a", &elsewhere),
        pipeline(USER, "b", &of_others),
        pipeline(USER, "c", &of_denied),
    ];
    for (only, why) in [
        (
            0,
            "region eu-south-1 of account 111111111111 was not listed",
        ),
        (1, "account 333333333333 is not inventoried"),
        (2, "account 222222222222 has no complete run"),
    ] {
        let only = std::slice::from_ref(&pipelines[only]);
        recorded
            .list_dependencies(USER, &[("codepipeline", Some(only))])
            .await;
        let (code, answer) = recorded.ask(&["impact"]).await;
        assert_eq!(code, 4, "{answer}");
        let row = &answer["impact"][0];
        assert_eq!(row["reason"], "NOT_OBSERVED", "{answer}");
        assert_eq!(row["not_observed"], why, "{answer}");
        let done = recorded.run(&["impact"]).await;
        assert!(done.stdout.contains("0 dependencies affected"), "{done:?}");
        assert!(done.stdout.contains(why), "{done:?}");
        let done = recorded.run(&["export", "relations"]).await;
        let relation = r#""to_status":"NOT_OBSERVED","dangling":false"#;
        assert!(done.stdout.contains(relation), "{done:?}");
    }
    // One that would have been listed is missing, whatever else was not observed.
    pipelines.push(pipeline(USER, "d", &connection(USER, REGION)));
    recorded
        .list_dependencies(USER, &[("codepipeline", Some(&pipelines))])
        .await;
    let (code, answer) = recorded.ask(&["impact"]).await;
    assert_eq!(code, 3, "{answer}");
    assert_eq!(
        answer["impact"][0]["reason"], "NOT_IN_INVENTORY",
        "{answer}"
    );
    assert_eq!(answer["impact"].as_array().map(Vec::len), Some(4));
    let done = recorded.run(&["impact"]).await;
    assert!(done.stdout.contains("1 dependency affected"), "{done:?}");
}

#[tokio::test]
async fn host_that_was_not_listed_may_work() {
    let recorded = Accounts::new().await;
    recorded.list(USER, Some(&[])).await;
    let (host, _) = host(USER);
    let integration = dependency(
        DependencyType::CodeSecurityIntegration,
        &format!("arn:aws:inspector2:{REGION}:{USER}:codesecurity-integration/1a2b3c4d"),
        None,
        Some(host.arn()),
        &json!({}),
    );
    let used = [integration];
    for (hosts, code, reason) in [
        (None, 4, "NOT_OBSERVED"),
        (Some(&[][..]), 3, "NOT_IN_INVENTORY"),
    ] {
        let listed: [(_, Option<&[_]>); 2] = [("inspector", Some(&used)), ("hosts", hosts)];
        recorded.list_dependencies(USER, &listed).await;
        let (found, answer) = recorded.ask(&["impact"]).await;
        assert_eq!(found, code, "{answer}");
        assert_eq!(answer["impact"][0]["reason"], reason, "{answer}");
        let check = ["check", "--no-dangling"];
        let done = recorded.run(&check).await;
        assert_eq!(done.code, code, "{done:?}");
    }
}

#[tokio::test]
async fn json_has_the_runs_of_dependencies_and_what_they_lack() {
    let recorded = Accounts::new().await;
    let unused = connection(USER, REGION);
    recorded.list(USER, Some(&[&unused])).await;
    let of_user = [tags(&unused)];
    let hosts = [host(USER)];
    let listed: [(_, Option<&[_]>); 3] = [
        ("codepipeline", Some(&[])),
        ("hosts", Some(&hosts)),
        ("tagging", Some(&of_user)),
    ];
    recorded.list_dependencies(USER, &listed).await;
    recorded.0.clock.advance(21 * DAY);
    let denied = [
        ("codepipeline", None),
        ("hosts", Some(&hosts[..])),
        ("tagging", None),
    ];
    recorded.list_dependencies(USER, &denied).await;
    for (arguments, member, lacks) in [
        (
            &["list", "--unused"][..],
            "dependencies_rest_on",
            &["codepipeline"][..],
        ),
        (&["list", "--tags"], "dependencies_rest_on", &["tagging"]),
        (
            &["list", "--tag", "team=payments"],
            "dependencies_rest_on",
            &["tagging"],
        ),
        (
            &["list", "--unused", "--tags"],
            "dependencies_rest_on",
            &["codepipeline", "tagging"],
        ),
        (&["hosts"], "rests_on", &["codepipeline", "tagging"]),
    ] {
        let (code, answer) = recorded.ask(arguments).await;
        assert_eq!(code, 0, "{answer}");
        let [basis] = &answer[member].as_array().expect("a list")[..] else {
            panic!("one account: {answer}");
        };
        assert_eq!(basis["last_run"]["sequence"], 2, "{answer}");
        let lacks: Vec<_> = lacks.iter().map(|source| (*source, true)).collect();
        assert_eq!(problems(basis), lacks, "{answer}");
    }
    let (_, answer) = recorded.ask(&["list"]).await;
    assert_eq!(answer.get("dependencies_rest_on"), None, "{answer}");
}
