//! What depends on a connection: recorded by `ccinv scan --dependencies` from
//! CodePipeline and CodeBuild as moto emulates them and from the emulator of
//! CodeConnections, and answered by `uses`, `impact` and `hosts`.
//!
//! moto has no `ListSourceCredentials`. It is answered here as the service's model
//! has it.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(unix)]

use crate::support::ccinv::{Ccinv, Done};
use crate::support::consumers::{ccinv_at, none, operation};
use crate::support::moto::Moto;
use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::python::{fine, python};
use crate::support::test_env::{ACCOUNT, TestEnv};
use codeconnections_inventory::domain::{Clock, SystemClock};
use serde_json::{Value, json};

/// An account with a host, two connections, two pipelines and two projects.
pub(super) struct Account {
    pub(super) env: TestEnv,
    moto: Moto,
    /// In front of moto.
    services: Proxy,
    arns: Value,
}

/// Answers what moto lacks: one default credential that is a connection, and nothing in the
/// services of `dependency_sources.rs` and in RAM.
pub(super) fn credentials(seen: &Seen) -> Act {
    match operation(seen) {
        "ListSourceCredentials" => {}
        "ListPipelines" | "ListProjects" | "GetResources" => return Act::PassForJson,
        _ => return none(seen).unwrap_or(Act::PassForJson),
    }
    let credentials = json!({"sourceCredentialsInfos": [
        {"arn": "arn:aws:codebuild:eu-west-1:123456789012:token/gitlab", "serverType": "GITLAB",
         "authType": "CODECONNECTIONS", "resource": "arn:aws:codeconnections:eu-west-1:123456789012:connection/of-gitlab"},
        {"arn": "arn:aws:codebuild:eu-west-1:123456789012:token/github", "serverType": "GITHUB",
         "authType": "OAUTH"},
    ]});
    Act::Answer(200, credentials.to_string())
}

impl Account {
    pub(super) async fn new() -> Self {
        Self::with(credentials).await
    }

    pub(super) async fn with(policy: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let (env, moto) = (TestEnv::new().await, Moto::start().await);
        let arguments = [env.service.endpoint(), &moto.endpoint, "make"];
        let arns = fine(python("dependencies.py", &arguments).await);
        Self {
            services: Proxy::start(&moto.endpoint, policy).await,
            arns: serde_json::from_str(&arns).expect("JSON"),
            env,
            moto,
        }
    }

    pub(super) fn ccinv(&self) -> Ccinv {
        ccinv_at(&self.env, &self.services.endpoint)
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Done {
        let table = self.env.table.name().as_str();
        let arguments = [arguments, &["--table", table]].concat();
        self.ccinv().run(&arguments).await
    }

    pub(super) async fn scan(&self) -> Done {
        self.run(&["scan", "--dependencies"]).await
    }

    /// Runs a command that answers in JSON, and returns the answer.
    pub(super) async fn ask(&self, arguments: &[&str]) -> (i32, Value) {
        let done = self.run(&[arguments, &["--json"]].concat()).await;
        let answer = serde_json::from_str(&done.stdout);
        (done.code, answer.unwrap_or_else(|_| panic!("{done:?}")))
    }

    pub(super) fn arn(&self, name: &str) -> &str {
        self.arns[name].as_str().expect("an ARN")
    }
}

/// The type and name of each dependency.
fn named(dependencies: &Value) -> Vec<String> {
    let dependencies = dependencies.as_array().expect("a list").iter();
    dependencies
        .map(|row| format!("{} {}", row["dependency_type"], row["name"]).replace('"', ""))
        .collect()
}

#[tokio::test]
async fn broken_connection_names_the_pipeline_and_the_project_that_use_it() {
    let account = Account::new().await;
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.stdout.contains("1 HOST, 2 PIPELINE_SOURCE"),
        "{done:?}"
    );

    let (code, answer) = account.ask(&["uses", "payments"]).await;
    assert_eq!(code, 0, "{answer}");
    let users = &answer["dependencies"];
    assert_eq!(
        named(users),
        ["BUILD_PROJECT build", "PIPELINE_SOURCE deploy"]
    );
    assert_eq!(users[1]["members"]["FullRepositoryId"], "acme/deploy");
    assert_eq!(users[1]["members"]["BranchName"], "main");
    assert_eq!(users[1]["listed_in"], json!(["codepipeline/eu-west-1"]));
    assert_eq!(users[1]["uses"], account.arn("payments"));
    assert_eq!(
        users[0]["members"]["location"],
        "https://github.com/acme/lib"
    );
    assert_eq!(answer["rests_on"][0]["last_run"]["outcome"], "COMPLETE");

    let (code, answer) = account.ask(&["uses", "unused"]).await;
    assert_eq!(
        (code, named(&answer["dependencies"]).len()),
        (0, 0),
        "{answer}"
    );

    let (code, answer) = account.ask(&["list", "--unused"]).await;
    let unused = &answer["connections"];
    assert_eq!(
        (code, unused.as_array().map(Vec::len)),
        (0, Some(1)),
        "{answer}"
    );
    assert_eq!(unused[0]["connection_name"], "unused");
    let (_, shown) = account.ask(&["show", "payments"]).await;
    let used_by = &shown[0]["dependencies"]["used_by"];
    assert_eq!(
        named(used_by),
        ["BUILD_PROJECT build", "PIPELINE_SOURCE deploy"]
    );
    let shown = account.run(&["show", "payments"]).await;
    let users = "used by    1 build project, 1 pipeline source\n";
    assert!(shown.stdout.contains(users), "{shown:?}");
    // What no API can find is named wherever an answer may read as "nothing uses it".
    let not_asked = "not asked: EKS Argo CD";
    assert!(shown.stdout.contains(not_asked), "{shown:?}");
    for command in [&["uses", "unused"][..], &["list", "--unused"], &["impact"]] {
        let (_, answer) = account.ask(command).await;
        let not_asked = answer["not_asked"].to_string();
        assert!(not_asked.contains("AWS Transform"), "{answer}");
    }

    // New connections are PENDING. What names none on record is dangling.
    let (code, answer) = account.ask(&["impact"]).await;
    assert_eq!(code, 3, "{answer}");
    let impact = answer["impact"].as_array().expect("a list").iter();
    let impact: Vec<String> = impact
        .map(|row| {
            format!(
                "{} {} {}",
                row["reason"], row["connection_name"], row["dependency"]["name"]
            )
            .replace('"', "")
        })
        .collect();
    assert_eq!(
        impact,
        [
            "NOT_IN_INVENTORY null forgotten",
            "NOT_IN_INVENTORY null GITLAB",
            "PENDING payments build",
            "PENDING payments deploy",
        ]
    );
    let done = account.run(&["impact"]).await;
    assert!(done.stdout.contains("not asked: EKS Argo CD"), "{done:?}");
}

#[tokio::test]
async fn hosts_are_listed_with_their_network_and_without_their_certificate() {
    let account = Account::new().await;
    account.scan().await;
    let (code, answer) = account.ask(&["hosts"]).await;
    assert_eq!(code, 0, "{answer}");
    let host = &answer["dependencies"][0];
    assert_eq!(host["arn"], account.arn("host"));
    assert_eq!(host["status"], "PENDING");
    let members = &host["members"];
    assert_eq!(members["ProviderEndpoint"], "https://git.example.com");
    assert_eq!(members["VpcId"], "vpc-12345678");
    assert_eq!(members["SubnetIds"], json!(["subnet-12345678"]));
    assert_eq!(
        members["TlsCertificate"]["sha256"].as_str().map(str::len),
        Some(64)
    );
    let done = account.run(&["hosts"]).await;
    assert!(done.stdout.contains("https://git.example.com"), "{done:?}");
}

#[tokio::test]
async fn deleted_pipeline_stays_in_earlier_answers_and_the_record_verifies() {
    let account = Account::new().await;
    account.scan().await;
    let before = SystemClock.now().to_string();
    let moto = &account.moto.endpoint;
    let arguments = [account.env.service.endpoint(), moto, "remove", "deploy"];
    fine(python("dependencies.py", &arguments).await);
    let done = account.scan().await;
    assert!(done.stdout.contains("1 DELETED"), "{done:?}");

    let (_, answer) = account.ask(&["uses", "payments"]).await;
    assert_eq!(named(&answer["dependencies"]), ["BUILD_PROJECT build"]);
    let (_, answer) = account.ask(&["uses", "payments", "--as-of", &before]).await;
    assert_eq!(
        named(&answer["dependencies"]),
        ["BUILD_PROJECT build", "PIPELINE_SOURCE deploy"]
    );

    let (code, verified) = account.ask(&["verify"]).await;
    assert_eq!((code, &verified["findings"]), (0, &json!([])), "{verified}");
    let of_account = &verified["dependencies"][0];
    assert_eq!(of_account["account"], ACCOUNT);
    assert_eq!(of_account["runs"], 2);
    assert_eq!(of_account["changes"], 6);
}

#[tokio::test]
async fn denied_source_is_incomplete_and_deletes_nothing() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static IS_DENIED: AtomicBool = AtomicBool::new(false);
    let account = Account::with(|seen| match seen.operation.as_str() {
        "GetPipeline" | "ListPipelines" if IS_DENIED.load(Ordering::SeqCst) => Act::Answer(
            400,
            json!({"__type": "AccessDeniedException", "message": "not authorized"}).to_string(),
        ),
        _ => credentials(seen),
    })
    .await;
    account.scan().await;
    IS_DENIED.store(true, Ordering::SeqCst);
    let done = account.scan().await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(
        done.stdout.contains("codepipeline/eu-west-1") && done.stdout.contains("AccessDenied"),
        "{done:?}"
    );
    let (code, answer) = account.ask(&["uses", "payments"]).await;
    assert_eq!(code, 0, "it was listed completely before: {answer}");
    assert_eq!(
        named(&answer["dependencies"]),
        ["BUILD_PROJECT build", "PIPELINE_SOURCE deploy"]
    );
    let sources = answer["rests_on"][0]["sources"].as_array().expect("a list");
    let pipelines = sources.iter().find(|s| s["source"] == "codepipeline");
    let problem = pipelines.expect("a source")["problem"].as_str();
    assert!(
        problem.is_some_and(|p| p.contains("AccessDenied")),
        "{answer}"
    );
}

#[tokio::test]
async fn pipeline_that_cannot_be_read_hides_no_other() {
    let account = Account::with(|seen| {
        let is_forgotten = seen.body.windows(9).any(|name| name == b"forgotten");
        if seen.operation == "GetPipeline" && is_forgotten {
            let denied = json!({"__type": "AccessDeniedException", "message": "not authorized"});
            return Act::Answer(400, denied.to_string());
        }
        credentials(seen)
    })
    .await;
    let done = account.scan().await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(
        done.stdout.contains("GetPipeline: AccessDeniedException"),
        "{done:?}"
    );
    let (code, answer) = account.ask(&["uses", "payments"]).await;
    assert_eq!(code, 4, "never listed completely: {answer}");
    assert_eq!(
        named(&answer["dependencies"]),
        ["BUILD_PROJECT build", "PIPELINE_SOURCE deploy"]
    );
}

#[tokio::test]
async fn answer_without_its_list_is_unreadable_and_hides_no_other() {
    let metadata = json!({"pipelineArn": "arn:aws:codepipeline:eu-west-1:123456789012:deploy"});
    let without_actions = json!({"name": "deploy", "stages": [{"name": "Source"}]});
    for (operation, answer, lacks, left) in [
        (
            "BatchGetProjects",
            json!({"projectsNotFound": []}),
            "BatchGetProjects: an answer without projects",
            vec!["PIPELINE_SOURCE deploy"],
        ),
        (
            "ListSourceCredentials",
            json!({}),
            "ListSourceCredentials: an answer without sourceCredentialsInfos",
            vec!["BUILD_PROJECT build", "PIPELINE_SOURCE deploy"],
        ),
        (
            "GetPipeline",
            json!({"metadata": metadata, "pipeline": {"name": "deploy"}}),
            "GetPipeline: an answer without stages",
            vec!["BUILD_PROJECT build"],
        ),
        (
            "GetPipeline",
            json!({"metadata": metadata, "pipeline": without_actions}),
            "GetPipeline: an answer without actions",
            vec!["BUILD_PROJECT build"],
        ),
    ] {
        let account = Account::with(move |seen| match seen.operation == operation {
            true => Act::Answer(200, answer.to_string()),
            false => credentials(seen),
        })
        .await;
        let done = account.scan().await;
        assert_eq!(done.code, 4, "{operation}: {done:?}");
        assert!(done.stdout.contains(lacks), "{operation}: {done:?}");
        let (code, answer) = account.ask(&["uses", "payments"]).await;
        assert_eq!(code, 4, "never listed completely: {answer}");
        assert_eq!(named(&answer["dependencies"]), left, "{operation}");
        let sources = answer["rests_on"][0]["sources"].as_array().expect("a list");
        let of_operation = sources.iter().find(|source| !source["problem"].is_null());
        let code = &of_operation.expect("an incomplete source")["code"];
        assert_eq!(code, "UnreadableAnswer", "{answer}");
    }
}

#[tokio::test]
async fn filter_of_connections_does_not_filter_dependencies() {
    let account = Account::new().await;
    for filter in [
        &["--provider", "Bitbucket"],
        &["--host-arn", account.arn("host")],
    ] {
        let scan = [&["scan", "--dependencies"], &filter[..]].concat();
        let (code, answer) = account.ask(&scan).await;
        assert_eq!(code, 0, "{answer}");
        let run = &answer["dependencies"];
        assert_eq!(run["outcome"], "COMPLETE", "{run}");
        assert_eq!(run["connections"]["PIPELINE_SOURCE"], 2, "{run}");
    }
}

#[tokio::test]
async fn throttled_pages_are_listed_to_the_last() {
    let account = Account::with(|seen| {
        if seen.number % 3 == 1 {
            let fault = json!({"__type": "ThrottlingException", "message": "slow down"});
            return Act::Answer(400, fault.to_string());
        }
        let is_second = String::from_utf8_lossy(&seen.body).contains("second");
        match (seen.operation.as_str(), is_second) {
            ("ListProjects", false) => {
                let page = json!({"projects": ["other"], "nextToken": "second"});
                Act::Answer(200, page.to_string())
            }
            ("ListProjects", true) => Act::Answer(200, json!({"projects": ["build"]}).to_string()),
            _ => credentials(seen),
        }
    })
    .await;
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("ThrottlingException"), "{done:?}");
    let (code, answer) = account.ask(&["uses", "payments"]).await;
    assert_eq!(code, 0, "{answer}");
    assert_eq!(
        named(&answer["dependencies"]),
        ["BUILD_PROJECT build", "PIPELINE_SOURCE deploy"]
    );
}

#[tokio::test]
async fn region_that_the_last_run_left_out_is_named() {
    let account = Account::new().await;
    account.scan().await;
    let elsewhere = ["scan", "--dependencies", "--regions", "us-east-1"];
    assert_eq!(account.run(&elsewhere).await.code, 4);
    let now = SystemClock.now().to_string();
    for question in [
        &["uses", "payments"][..],
        &["uses", "payments", "--as-of", &now],
    ] {
        let (_, answer) = account.ask(question).await;
        let sources = answer["rests_on"][0]["sources"].as_array().expect("a list");
        let left_out = sources.iter().filter(|s| s["region"] == "eu-west-1");
        let problems: Vec<&Value> = left_out.map(|source| &source["problem"]).collect();
        assert_eq!(problems, ["not listed by the last run"; 10], "{answer}");
    }
}

#[tokio::test]
async fn source_that_was_never_listed_completely_is_missing_evidence() {
    let account = Account::with(|seen| match seen.operation.as_str() {
        "ListProjects" => Act::Answer(
            200,
            json!({"projects": [], "nextToken": "again"}).to_string(),
        ),
        _ => credentials(seen),
    })
    .await;
    let done = account.scan().await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(
        done.stdout
            .contains("a token that an earlier page gave already"),
        "{done:?}"
    );
    let (code, answer) = account.ask(&["uses", "payments"]).await;
    assert_eq!(code, 4, "{answer}");
    assert_eq!(named(&answer["dependencies"]), ["PIPELINE_SOURCE deploy"]);
}

#[tokio::test]
async fn answer_without_any_run_of_dependencies_is_refused() {
    let account = Account::new().await;
    account.run(&["scan"]).await;
    for command in [
        &["uses", "payments"][..],
        &["impact"],
        &["hosts"],
        &["list", "--unused"],
    ] {
        let done = account.run(command).await;
        assert_eq!((done.code, &*done.stdout), (4, ""), "{done:?}");
        assert!(done.stderr.contains("scan --dependencies"), "{done:?}");
    }
}

/// The definition of a project can hold secrets in plain text.
#[tokio::test]
async fn environment_of_a_project_is_neither_recorded_nor_printed() {
    let account = Account::new().await;
    let secret = "plaintext-secret";
    let mut printed = vec![account.run(&["scan", "--dependencies", "--json"]).await];
    for command in [
        &["uses", "payments"][..],
        &["impact"],
        &["show", "payments"],
    ] {
        printed.push(account.run(&[command, &["--json"]].concat()).await);
    }
    for done in printed {
        let all = format!("{}{}", done.stdout, done.stderr);
        assert!(!all.contains(secret), "{all}");
    }
    let mut pages = account.env.table.pages();
    while let Some(page) = pages.next().await.expect("a page") {
        assert!(!format!("{page:?}").contains(secret), "{page:?}");
    }
}

#[tokio::test]
async fn edited_dependency_is_a_finding() {
    let account = Account::new().await;
    account.scan().await;
    let table = account.env.table.name().as_str();
    let statement =
        format!("UPDATE \"{table}\" SET \"name\" = 'harmless' WHERE \"pk\" = ? AND \"sk\" = ?");
    let (code, verified) = account.ask(&["verify"]).await;
    assert_eq!(code, 0, "{verified}");
    let (_, answer) = account.ask(&["uses", "payments"]).await;
    let id = answer["dependencies"][1]["id"].as_str().expect("an id");
    let keys = [
        format!("DEPENDENCIES#{ACCOUNT}"),
        format!("DEPENDENCY#{id}"),
    ];
    let keys = keys
        .map(aws_sdk_dynamodb::types::AttributeValue::S)
        .to_vec();
    let update = account.env.table.client().execute_statement();
    let update = update.statement(statement).set_parameters(Some(keys));
    update.send().await.expect("an edit");
    let (code, verified) = account.ask(&["verify"]).await;
    assert_eq!(code, 3, "{verified}");
    let problem = verified["findings"][0]["problem"].as_str().expect("a text");
    assert!(problem.contains("seal does not match"), "{verified}");
    // A run refuses to build on it, and says so.
    let done = account.scan().await;
    assert_eq!(done.code, 4, "{done:?}");
}

#[tokio::test]
async fn relations_are_exported_as_rows_and_as_graphs() {
    let account = Account::new().await;
    let none = account.run(&["export", "relations"]).await;
    assert_eq!((none.code, &*none.stdout), (4, ""), "{none:?}");
    account.scan().await;
    let done = account.run(&["export", "relations"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("not asked: "), "{done:?}");
    let relations = done.stdout.lines().map(|line| {
        let relation: Value = serde_json::from_str(line).expect("JSON");
        let (from, to) = (&relation["from"], &relation["to"]);
        let text = format!(
            "{} {} {} {} {}",
            from["name"],
            relation["relation"],
            to["name"],
            relation["to_status"],
            relation["dangling"]
        );
        text.replace('"', "")
    });
    let mut relations: Vec<String> = relations.collect();
    relations.sort();
    assert_eq!(
        relations,
        [
            "GITLAB USES null NOT_IN_INVENTORY true",
            "build USES payments PENDING false",
            "deploy USES payments PENDING false",
            "forgotten USES null NOT_IN_INVENTORY true",
            "payments BELONGS_TO null null false",
            "unused BELONGS_TO null null false",
        ]
    );
    let csv = account
        .run(&["export", "relations", "--format", "csv"])
        .await;
    assert_eq!(csv.stdout.lines().count(), 7, "{csv:?}");
    let dot = account
        .run(&["export", "relations", "--format", "dot"])
        .await;
    let (payments, dangling) = (account.arn("payments"), account.arn("dangling"));
    assert!(dot.stdout.starts_with("digraph relations {\n"), "{dot:?}");
    let edge = format!("#Source.App\" -> \"{payments}\" [label=\"uses\"];");
    assert!(dot.stdout.contains(&edge), "{edge}: {dot:?}");
    let edge =
        format!("-> \"{dangling}\" [label=\"uses: NOT_IN_INVENTORY\" style=dashed color=red];");
    assert!(dot.stdout.contains(&edge), "{edge}: {dot:?}");
    let mermaid = account
        .run(&["export", "relations", "--format", "mermaid"])
        .await;
    let again = account
        .run(&["export", "relations", "--format", "mermaid"])
        .await;
    assert!(
        mermaid.stdout.starts_with("flowchart LR\n  n0[\""),
        "{mermaid:?}"
    );
    assert_eq!(
        mermaid
            .stdout
            .matches(" -.->|\"uses: NOT#95;IN#95;INVENTORY\"| n")
            .count(),
        2
    );
    assert_eq!(mermaid.stdout, again.stdout);
    for wrong in [
        &["export", "runs", "--format", "dot"][..],
        &["export", "--format", "mermaid"],
        &["export", "changes", "--as-of", "1h"],
        &["export", "relations", "--format", "ocsf"],
    ] {
        let done = account.run(wrong).await;
        assert_eq!(done.code, 2, "{done:?}");
    }
    let earlier = ["export", "relations", "--as-of", "1h"];
    assert_eq!(account.run(&earlier).await.code, 4);
}

#[tokio::test]
async fn report_names_what_uses_each_connection_or_says_that_it_was_not_observed() {
    let account = Account::new().await;
    account.run(&["scan"]).await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("report.html");
    let report = async || {
        let path = path.to_str().expect("UTF-8");
        let done = account
            .run(&["report", "--since", "1h", "--out", path])
            .await;
        std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{done:?}"))
    };
    let page = report().await;
    assert!(
        page.contains("What uses a connection, and its tags: not observed."),
        "{page}"
    );
    assert!(!page.contains("nothing that was listed"));
    account.scan().await;
    let page = report().await;
    assert!(
        page.contains("<td>1 build project, 1 pipeline source</td>"),
        "{page}"
    );
    assert!(page.contains("<td>nothing that was listed</td>"));
    assert!(page.contains(&format!(
        "Account {ACCOUNT}: dependency run 1 (COMPLETE, 1 region)"
    )));
}
