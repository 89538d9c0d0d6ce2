//! What depends on a connection in services that no emulator has: they are answered as
//! `consumers.json` says, which botocore's models allow. Git sync is the emulator's.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};

use crate::support::ccinv::Done;
use crate::support::consumers::{Consumers, ccinv_at, operation, refusal};
use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::python::{fine, python};
use crate::support::test_env::{self, ACCOUNT, REGION, TestEnv};
use codeconnections_inventory::domain::{Dependency, DependencyType};
use codeconnections_inventory::local::codeconnections::{Operation, Scope};
use codeconnections_inventory::table::Table;
use serde_json::{Value, json};

/// An account with a connection and a host that something in every service uses.
pub(super) struct Account {
    pub(super) env: TestEnv,
    services: Proxy,
    connection: String,
    pub(super) host: String,
}

pub(super) const NAMES: [&str; 10] = [
    "CATALOG_PRODUCT synced",
    "DATAZONE_CONNECTION notebooks",
    "DATAZONE_CONNECTION queries",
    "PROTON_REPOSITORY acme/one",
    "PROTON_REPOSITORY acme/two",
    "REPOSITORY_ASSOCIATION reviewed",
    "REPOSITORY_LINK acme/infra",
    "SYNC_CONFIGURATION network",
    "WORKFLOW variants",
    "WORKFLOW variants 2.0",
];

impl Account {
    async fn new() -> Self {
        Self::with(|_| None).await
    }

    /// Answers as `policy` does, and otherwise as the services do.
    pub(super) async fn with(
        policy: impl Fn(&Seen) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::altered(|_| (), policy).await
    }

    async fn altered(
        alter: impl Fn(&mut Consumers),
        policy: impl Fn(&Seen) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        let env = TestEnv::new().await;
        let scope = Scope::new(ACCOUNT, REGION);
        let perform = |operation, input| {
            let mut state = env.codeconnections.state();
            state.perform(&scope, operation, input).expect("performed")
        };
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let host = perform(
            Operation::CreateHost,
            json!({"Name": "ghes", "ProviderType": "GitLabSelfManaged",
                "ProviderEndpoint": "https://git.example.com"}),
        );
        let host = text(&host["HostArn"]);
        let connection = perform(
            Operation::CreateConnection,
            json!({"ConnectionName": "payments", "ProviderType": "GitHub"}),
        );
        let connection = text(&connection["ConnectionArn"]);
        let link = perform(
            Operation::CreateRepositoryLink,
            json!({"ConnectionArn": connection, "OwnerId": "acme", "RepositoryName": "infra"}),
        );
        perform(
            Operation::CreateSyncConfiguration,
            json!({"RepositoryLinkId": link["RepositoryLinkInfo"]["RepositoryLinkId"],
                "SyncType": "CFN_STACK_SYNC", "ResourceName": "network", "Branch": "main",
                "ConfigFile": "network.yaml", "RoleArn": "arn:aws:iam::123456789012:role/sync"}),
        );
        let mut consumers = Consumers::of(&connection, &host);
        alter(&mut consumers);
        let answer = move |seen: &Seen| policy(seen).unwrap_or_else(|| consumers.answer(seen));
        Self {
            services: Proxy::start(env.service.endpoint(), answer).await,
            env,
            connection,
            host,
        }
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Done {
        let table = self.env.table.name().as_str();
        let arguments = [arguments, &["--table", table]].concat();
        ccinv_at(&self.env, &self.services.endpoint)
            .run(&arguments)
            .await
    }

    pub(super) async fn scan(&self) -> Done {
        self.run(&["scan", "--dependencies"]).await
    }

    pub(super) async fn ask(&self, arguments: &[&str]) -> (i32, Value) {
        let done = self.run(&[arguments, &["--json"]].concat()).await;
        let answer = serde_json::from_str(&done.stdout);
        (done.code, answer.unwrap_or_else(|_| panic!("{done:?}")))
    }

    /// Returns what is recorded of a type: the details in the ids, and what each uses.
    async fn recorded(&self, kind: DependencyType) -> BTreeMap<String, String> {
        let table: Table<Dependency> = self.env.table.of_kind();
        let snapshots = table.snapshots(&test_env::account()).collect().await;
        let snapshots = snapshots.expect("read").into_iter();
        let of_kind = snapshots.filter(|it| it.attributes.dependency_type == kind);
        of_kind
            .map(|it| {
                let detail = it.arn.as_str().rsplit('#').next().unwrap_or_default();
                (detail.into(), it.attributes.uses.unwrap_or_default().into())
            })
            .collect()
    }

    /// Returns the exit code of `uses`, and what uses the connection by type and name.
    pub(super) async fn users(&self) -> (i32, Vec<String>) {
        let (code, answer) = self.ask(&["uses", "payments"]).await;
        (code, named(&answer["dependencies"]))
    }
}

pub(super) fn named(dependencies: &Value) -> Vec<String> {
    let dependencies = dependencies.as_array().expect("a list").iter();
    let mut names: Vec<String> = dependencies
        .map(|row| format!("{} {}", row["dependency_type"], row["name"]).replace('"', ""))
        .collect();
    names.sort();
    names
}

fn without(name: &str) -> Vec<&'static str> {
    NAMES.into_iter().filter(|other| *other != name).collect()
}

#[tokio::test]
async fn answers_are_those_of_the_service_models() {
    let account = Account::new().await;
    let entries = Consumers::of(&account.connection, &account.host).0;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), entries.to_string()).expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let arguments = [&*account.services.endpoint, path];
    let output = fine(python("consumer_answers.py", &arguments).await);
    assert_eq!(output.trim(), "22 answers");
}

#[tokio::test]
async fn every_service_says_what_uses_a_connection_or_a_host() {
    let account = Account::new().await;
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    let (code, answer) = account.ask(&["uses", "payments"]).await;
    assert_eq!(
        (code, named(&answer["dependencies"])),
        (0, NAMES.map(str::to_owned).to_vec())
    );
    let rows = answer["dependencies"].as_array().expect("a list");
    let row = |kind: &str| {
        let mut of_type = rows.iter().filter(|row| row["dependency_type"] == kind);
        of_type.next_back().expect("one")
    };
    let sync = row("SYNC_CONFIGURATION");
    assert_eq!(
        sync["members"]["RoleArn"],
        "arn:aws:iam::123456789012:role/sync"
    );
    assert_eq!(sync["members"]["ConfigFile"], "network.yaml");
    assert_eq!(sync["uses"], account.connection);
    assert_eq!(sync["listed_in"], json!(["git-sync/eu-west-1"]));
    let product = row("CATALOG_PRODUCT");
    assert_eq!(product["members"]["LastSyncStatus"], "FAILED");
    assert_eq!(product["members"]["Repository"], "acme/products");
    for (name, reference) in [("variants", "main"), ("variants 2.0", "v2")] {
        let workflow = rows.iter().find(|row| row["name"] == name).expect(name);
        assert_eq!(workflow["members"]["sourceReference"]["value"], reference);
        assert_eq!(workflow["status"], "ACTIVE");
    }
    let id = row("DATAZONE_CONNECTION")["id"].as_str().expect("an id");
    assert!(id.ends_with(":domain/dzd_first#c2"), "{id}");

    // New hosts are PENDING.
    let (code, answer) = account.ask(&["uses", &account.host]).await;
    let integrations = ["CODE_SECURITY_INTEGRATION gitlab"];
    assert_eq!(
        (code, &*named(&answer["dependencies"])),
        (0, &integrations.map(str::to_owned)[..])
    );
    let (_, answer) = account.ask(&["impact"]).await;
    let impact = answer["impact"].as_array().expect("a list");
    assert_eq!(impact.len(), NAMES.len() + 1, "{answer}");
    assert!(
        impact.iter().all(|row| row["reason"] == "PENDING"),
        "{answer}"
    );

    let done = account.run(&["uses", "payments"]).await;
    assert!(done.stdout.contains("acme/infra"), "{done:?}");
    let (code, verified) = account.ask(&["verify"]).await;
    assert_eq!((code, &verified["findings"]), (0, &json!([])), "{verified}");
}

#[tokio::test]
async fn throttled_services_are_listed_to_the_last_page() {
    let account = Account::with(|seen| {
        // Without a code: the status says it.
        let throttled = json!({"message": "slow down"}).to_string();
        (seen.number % 4 == 1).then(|| Act::Answer(429, throttled))
    })
    .await;
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("slow down"), "{done:?}");
    assert_eq!(
        account.users().await,
        (0, NAMES.map(str::to_owned).to_vec())
    );
}

#[tokio::test]
async fn denied_service_hides_no_other() {
    let account = Account::with(|seen| {
        (operation(seen) == "GetWorkflowVersion").then(|| refusal(403, "AccessDeniedException"))
    })
    .await;
    let done = account.scan().await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(
        done.stdout
            .contains("GetWorkflowVersion: AccessDeniedException"),
        "{done:?}"
    );
    let (code, users) = account.users().await;
    assert_eq!(
        (code, users),
        (
            4,
            without("WORKFLOW variants 2.0")
                .into_iter()
                .map(str::to_owned)
                .collect()
        )
    );
}

#[tokio::test]
async fn unreadable_entry_hides_no_other() {
    let spoil = |consumers: &mut Consumers| {
        for entry in consumers.0.as_array_mut().expect("a list") {
            if let Some(repositories) = entry["output"].get_mut("repositories")
                && repositories[0]["name"] == "acme/one"
            {
                repositories[0]["arn"] = "not an ARN".into();
            }
        }
    };
    let account = Account::altered(spoil, |_| None).await;
    let done = account.scan().await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stdout.contains("ListRepositories"), "{done:?}");
    let (code, users) = account.users().await;
    assert_eq!(code, 4);
    assert_eq!(users, without("PROTON_REPOSITORY acme/one"));
    let (_, answer) = account.ask(&["uses", "payments"]).await;
    let sources = answer["rests_on"][0]["sources"].as_array().expect("a list");
    let proton = sources.iter().find(|s| s["source"] == "proton");
    assert_eq!(proton.expect("a source")["code"], "UnreadableEntry");
}

/// Returns the ARN of a connection that is in no inventory.
fn elsewhere(name: &str) -> String {
    format!("arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/{name}")
}

#[tokio::test]
async fn secondary_source_named_source_is_listed_beside_the_primary_one() {
    let source = |name: &str, identifier: Option<&str>| {
        let auth = json!({"type": "CODECONNECTIONS", "resource": elsewhere(name)});
        json!({"type": "GITHUB", "auth": auth, "sourceIdentifier": identifier})
    };
    let project = json!({
        "name": "build", "arn": format!("arn:aws:codebuild:{REGION}:{ACCOUNT}:project/build"),
        "source": source("primary", None),
        "secondarySources": [source("secondary", Some("source")), source("other", Some("lib"))],
    });
    let answer = json!({"projects": [project]}).to_string();
    let account = Account::with(move |seen| match operation(seen) {
        "ListProjects" => Some(Act::Answer(200, json!({"projects": ["build"]}).to_string())),
        "BatchGetProjects" => Some(Act::Answer(200, answer.clone())),
        _ => None,
    })
    .await;
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    let expected = [
        ("lib", "other"),
        ("secondary.source", "secondary"),
        ("source", "primary"),
    ];
    let expected = expected.map(|(detail, name)| (detail.to_owned(), elsewhere(name)));
    assert_eq!(
        account.recorded(DependencyType::BuildProject).await,
        BTreeMap::from(expected)
    );
}

#[tokio::test]
async fn different_entries_with_the_same_id_leave_the_listing_incomplete() {
    // The names of stages and actions may have full stops.
    let stage = |name: &str, action: &str, uses: &str| {
        let configuration = json!({"ConnectionArn": elsewhere(uses)});
        let provider = json!({"provider": "CodeStarSourceConnection"});
        json!({"name": name, "actions": [
            {"name": action, "actionTypeId": provider, "configuration": configuration}]})
    };
    for (uses, code) in [(["one", "one"], 0), (["one", "two"], 4)] {
        let stages = [stage("A.B", "C", uses[0]), stage("A", "B.C", uses[1])];
        let arn = format!("arn:aws:codepipeline:{REGION}:{ACCOUNT}:deploy");
        let answer = json!({"pipeline": {"name": "deploy", "stages": stages},
            "metadata": {"pipelineArn": arn}});
        let account = Account::with(move |seen| match operation(seen) {
            "ListPipelines" => {
                let listed = json!({"pipelines": [{"name": "deploy"}]});
                Some(Act::Answer(200, listed.to_string()))
            }
            "GetPipeline" => Some(Act::Answer(200, answer.to_string())),
            _ => None,
        })
        .await;
        let done = account.scan().await;
        assert_eq!(done.code, code, "{done:?}");
        let problem = format!("two different entries have the id PIPELINE_SOURCE#{arn}#A.B.C");
        assert_eq!(done.stdout.contains(&problem), code == 4, "{done:?}");
        let recorded = account.recorded(DependencyType::PipelineSource).await;
        let kept = BTreeMap::from([("A.B.C".to_owned(), elsewhere("one"))]);
        assert_eq!(recorded, kept, "the first is kept");
    }
}

#[tokio::test]
async fn service_is_not_asked_where_it_does_not_exist() {
    let account = Account::new().await;
    let regions = [
        "scan",
        "--dependencies",
        "--regions",
        "eu-west-1,eu-south-2",
    ];
    let done = account.run(&regions).await;
    assert_eq!(done.code, 0, "{done:?}");
    let (code, answer) = account.ask(&["uses", "payments"]).await;
    assert_eq!(code, 0, "{answer}");
    let sources = answer["rests_on"][0]["sources"].as_array().expect("a list");
    let of_region = |region: &str| -> BTreeSet<&str> {
        let sources = sources.iter().filter(|source| source["region"] == region);
        sources
            .map(|source| source["source"].as_str().expect("a name"))
            .collect()
    };
    let (ireland, spain) = (of_region("eu-west-1"), of_region("eu-south-2"));
    let lacks: Vec<&&str> = ireland.difference(&spain).collect();
    assert_eq!(lacks, [&"codeguru-reviewer", &"healthomics", &"proton"]);
    let done = account.run(&["uses", "payments"]).await;
    let note = "not in eu-south-2: codeguru-reviewer, healthomics, proton";
    assert!(done.stdout.contains(note), "{done:?}");
}

#[tokio::test]
async fn hosts_with_the_longest_certificates_are_listed() {
    let account = Account::new().await;
    let scope = Scope::new(ACCOUNT, REGION);
    let vpc = json!({"VpcId": "vpc-12345678", "SubnetIds": ["subnet-12345678"],
        "SecurityGroupIds": ["sg-12345678"], "TlsCertificate": "x".repeat(16_384)});
    // With the host of the account, as many as an account may have.
    for number in 1..50 {
        let host = json!({"Name": format!("ghes-{number}"), "ProviderType": "GitLabSelfManaged",
            "ProviderEndpoint": "https://git.example.com", "VpcConfiguration": vpc});
        let mut state = account.env.codeconnections.state();
        let created = state.perform(&scope, Operation::CreateHost, host);
        created.expect("created");
    }
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    let hosts = account.recorded(DependencyType::Host).await;
    assert_eq!(hosts.len(), 50);
}

#[tokio::test]
async fn host_without_a_status_is_on_record() {
    let account = Account::new().await;
    let host = account.host.clone();
    let without_status = Proxy::start(account.env.service.endpoint(), move |seen| {
        let hosts = json!({"Hosts": [{"HostArn": host, "Name": "ghes"}]});
        match seen.operation.as_str() {
            "ListHosts" => Act::Answer(200, hosts.to_string()),
            _ => Act::Pass,
        }
    })
    .await;
    let table = account.env.table.name().as_str();
    let done = ccinv_at(&account.env, &account.services.endpoint)
        .with("AWS_ENDPOINT_URL_CODECONNECTIONS", &without_status.endpoint)
        .run(&["scan", "--dependencies", "--table", table])
        .await;
    assert_eq!(done.code, 0, "{done:?}");

    let (_, answer) = account.ask(&["impact"]).await;
    let impact = answer["impact"].as_array().expect("a list").iter();
    let of_host: Vec<&Value> = impact
        .filter(|row| row["uses"] == account.host.as_str())
        .collect();
    assert_eq!(of_host.len(), 1, "{answer}");
    assert_eq!(of_host[0]["reason"], "NOT_REPORTED", "{answer}");
    let exported = account.run(&["export", "relations"]).await;
    let relations = exported.stdout.lines();
    let mut relations = relations.map(|line| serde_json::from_str(line).expect("JSON"));
    let of_host = relations.find(|it: &Value| it["to"]["id"] == account.host.as_str());
    let of_host = of_host.expect("a relation to the host");
    assert_eq!(of_host["to_status"], "NOT_REPORTED", "{of_host}");
    assert_eq!(of_host["to"]["type"], "HOST", "{of_host}");
    assert_eq!(of_host["dangling"], false, "{of_host}");
}
