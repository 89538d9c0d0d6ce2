//! Rules about dependencies: each kind with each verdict, on tables that real runs
//! wrote. Hosts come from the emulator; what else uses connections is answered from
//! the services' models.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::{Arc, Mutex};

use crate::support::ccinv::{Ccinv, Done};
use crate::support::consumers::none;
use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::python::{fine, python};
use crate::support::test_env::{ACCOUNT, REGION, TestEnv, account, options, region};
use codeconnections_inventory::aws::{Deadline, Meter};
use codeconnections_inventory::domain::{Clock, Dependency, Filter, Outcome, RunId, Trigger};
use codeconnections_inventory::inventory::Inventory;
use codeconnections_inventory::inventory::RunSpec;
use serde_json::{Value, json};

/// What the services answer.
#[derive(Debug, Default)]
pub(super) struct Services {
    /// Name, connection and repository of each pipeline.
    pipelines: Vec<(String, String, String)>,
    /// Name, connection and location of each build project.
    projects: Vec<(String, String, String)>,
    /// Instead of the emulator's hosts.
    hosts: Option<Value>,
    /// The operation that is denied.
    pub(super) denied: Option<&'static str>,
    /// What GetResources lists.
    pub(super) tagged: Vec<Value>,
    /// What RAM's ListResources and ListPrincipals list of the account's own.
    pub(super) shared: (Vec<Value>, Vec<Value>),
}

fn answer(services: &Services, seen: &Seen) -> Act {
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    if services.denied == Some(&*seen.operation) {
        return Act::fault(400, "AccessDeniedException");
    }
    let arn = |service: &str, name: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{name}");
    let answer = match seen.operation.as_str() {
        "ListPipelines" => {
            let names = services
                .pipelines
                .iter()
                .map(|(name, ..)| json!({"name": name}));
            json!({"pipelines": names.collect::<Vec<_>>()})
        }
        "GetPipeline" => {
            let asked = services
                .pipelines
                .iter()
                .find(|(name, ..)| body["name"] == **name);
            let (name, connection, repository) = asked.expect("a pipeline");
            let action = json!({
                "name": "App",
                "actionTypeId": {"provider": "CodeStarSourceConnection"},
                "configuration": {"ConnectionArn": connection, "FullRepositoryId": repository},
            });
            json!({
                "pipeline": {"name": name, "stages": [{"name": "Source", "actions": [action]}]},
                "metadata": {"pipelineArn": arn("codepipeline", name)},
            })
        }
        "ListProjects" => {
            let names = services.projects.iter().map(|(name, ..)| name);
            json!({"projects": names.collect::<Vec<_>>()})
        }
        "BatchGetProjects" => {
            let project = |(name, connection, location): &(String, String, String)| {
                let auth = json!({"type": "CODECONNECTIONS", "resource": connection});
                let source = json!({"type": "GITHUB", "location": location, "auth": auth});
                json!({"name": name, "arn": arn("codebuild", &format!("project/{name}")), "source": source})
            };
            let projects = services.projects.iter().map(project);
            json!({"projects": projects.collect::<Vec<_>>()})
        }
        "ListSourceCredentials" => json!({"sourceCredentialsInfos": []}),
        "GetResources" => json!({"ResourceTagMappingList": services.tagged}),
        "listresources" if body["resourceOwner"] == "SELF" => {
            json!({"resources": services.shared.0})
        }
        "listresources" => json!({"resources": []}),
        "listprincipals" => json!({"principals": services.shared.1}),
        "ListHosts" if services.hosts.is_some() => json!({"Hosts": services.hosts}),
        _ => return none(seen).unwrap_or(Act::Pass),
    };
    Act::Answer(200, answer.to_string())
}

pub(super) struct Fixture {
    pub(super) env: TestEnv,
    ccinv: Ccinv,
    services: Arc<Mutex<Services>>,
    proxy: Proxy,
}

impl Fixture {
    pub(super) async fn new() -> Self {
        let env = TestEnv::new().await;
        let services = Arc::new(Mutex::new(Services::default()));
        let answers = Arc::clone(&services);
        let answers = move |seen: &Seen| answer(&answers.lock().expect("services"), seen);
        Self {
            proxy: Proxy::start(env.service.endpoint(), answers).await,
            ccinv: Ccinv::at(&env),
            services,
            env,
        }
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Services)) {
        change(&mut self.services.lock().expect("services"));
    }

    /// Makes a pipeline that reads a repository through a connection.
    fn pipeline(&self, name: &str, connection: &str, repository: &str) {
        let pipeline = (name.into(), connection.into(), repository.into());
        self.set(|services| services.pipelines.push(pipeline));
    }

    /// Makes a run of connections after an hour, and one of dependencies.
    pub(super) async fn run(&self) {
        self.env.run().await;
        self.run_dependencies().await;
    }

    async fn run_dependencies(&self) -> Outcome {
        let inventory: Inventory<_, _, Dependency> = Inventory {
            source: self.env.source_at(&self.proxy.endpoint),
            table: self.env.table.of_kind(),
            clock: Arc::clone(&self.env.clock),
            options: options(),
        };
        let spec = RunSpec {
            run_id: RunId::new(self.env.clock.now(), fastrand::u128(..)),
            account: account(),
            regions: vec![region(REGION)],
            filter: Filter::default(),
            accept_deletions: true,
            trigger: Trigger::Request,
            retired_regions: Vec::new(),
        };
        let deadline = Deadline::after(std::time::Duration::from_secs(60));
        let meter = Arc::new(Meter::default());
        inventory.run(&spec, deadline, meter).await.outcome
    }

    async fn ask(&self, arguments: &[&str]) -> Done {
        let table = ["--table", self.env.table.name().as_str()];
        let arguments = [&["check"], arguments, &table].concat();
        self.ccinv.run(&arguments).await
    }

    /// Returns the result of the only rule as of the clock's time.
    pub(super) async fn one(&self, arguments: &[&str]) -> One {
        let now = self.env.clock.now().to_string();
        let as_of = ["--as-of", &now, "--json"];
        One::of(self.ask(&[arguments, &as_of].concat()).await)
    }

    /// Same for a rule from a file, as of the clock's time.
    pub(super) async fn rule(&self, keys: &str) -> One {
        let file = self.ccinv.folder().join("rules.toml");
        let text = format!("[[rule]]\nid = \"it\"\nseverity = \"low\"\n{keys}\n");
        std::fs::write(file, text).expect("written");
        self.one(&["--rules", "rules.toml"]).await
    }

    /// Same for a rule from an option, for the present.
    pub(super) async fn now(&self, arguments: &[&str]) -> One {
        One::of(self.ask(&[arguments, &["--json"]].concat()).await)
    }
}

/// The result of one rule in one account.
#[derive(Debug)]
pub(super) struct One {
    verdict: String,
    result: Value,
}

impl One {
    fn of(done: Done) -> Self {
        let report: Result<Value, _> = serde_json::from_str(&done.stdout);
        let report = report.unwrap_or_else(|_| panic!("{done:?}"));
        let rule = &report["rules"][0];
        let verdict = rule["verdict"].as_str().expect("a verdict").to_owned();
        let code = match verdict.as_str() {
            "PASS" => 0,
            "FAIL" => 3,
            _ => 4,
        };
        assert_eq!(done.code, code, "{report}");
        Self {
            verdict,
            result: rule["accounts"][0].clone(),
        }
    }

    #[track_caller]
    pub(super) fn is(&self, verdict: &str, says: &str) -> &Self {
        let text = self.result.to_string().replace("\\\"", "\"");
        assert_eq!(self.verdict, verdict, "{text}");
        assert!(text.contains(says), "{says:?} in {text}");
        self
    }

    pub(super) fn findings(&self) -> &[Value] {
        self.result["findings"].as_array().expect("a list")
    }
}

const RULES: [&[&str]; 6] = [
    &["--unused-longer-than", "1h"],
    &["--no-dangling"],
    &["--allow-host-status", "AVAILABLE"],
    &["--allow-repository", "acme/.*"],
    &["--allow-host-endpoint", "https://git.example.com"],
    &["--allow-host-vpc", "vpc-1"],
];

#[tokio::test]
async fn without_run_of_dependencies_no_rule_about_them_passes() {
    let fixture = Fixture::new().await;
    fixture.env.run().await;
    for rule in RULES {
        let one = fixture.one(rule).await;
        one.is("INSUFFICIENT_DATA", "no run of dependencies finished by");
    }
    // Other rules don't read dependencies.
    let done = fixture.ask(&["--no-shared", "--json"]).await;
    assert!(!done.stdout.contains("dependencies_rest_on"), "{done:?}");
}

#[tokio::test]
async fn source_that_was_not_listed_completely_blocks_only_the_rules_that_need_it() {
    let fixture = Fixture::new().await;
    fixture.run().await;
    for (denied, blocked) in [
        ("ListPipelines", [true, true, false, true, false, false]),
        ("ListProjects", [true, true, false, true, false, false]),
        ("ListHosts", [false, false, true, false, true, true]),
        ("listresources", [false; 6]),
    ] {
        fixture.set(|services| services.denied = Some(denied));
        fixture.run().await;
        for (rule, is_blocked) in RULES.iter().zip(blocked) {
            let (verdict, says) = match is_blocked {
                true => ("INSUFFICIENT_DATA", "was not listed completely"),
                false => ("PASS", ""),
            };
            fixture.one(rule).await.is(verdict, says);
            fixture.now(rule).await.is(verdict, says);
        }
    }
}

#[tokio::test]
async fn unreadable_dependency_is_insufficient_data() {
    use aws_sdk_dynamodb::types::AttributeValue;
    let fixture = Fixture::new().await;
    fixture.pipeline("deploy", &fixture.env.create("payments"), "acme/deploy");
    fixture.run().await;
    let item = [
        ("pk", format!("DEPENDENCIES#{ACCOUNT}")),
        ("sk", "DEPENDENCY#HOST#arn:aws:a:b:c:d".to_owned()),
    ];
    let item = item.map(|(name, text)| (name.to_owned(), AttributeValue::S(text)));
    let put = fixture.env.table.client().put_item();
    let put = put.table_name(fixture.env.table.name().as_str());
    put.set_item(Some(item.into())).send().await.expect("put");
    for rule in RULES {
        fixture
            .now(rule)
            .await
            .is("INSUFFICIENT_DATA", "DEPENDENCY#HOST#");
    }
}

// ------------------------------------------------------------------- dangling

#[tokio::test]
async fn consumer_of_a_deleted_or_unknown_connection_is_dangling() {
    let fixture = Fixture::new().await;
    let payments = fixture.env.create("payments");
    let unknown = payments.replace("connection/", "connection/0");
    fixture.pipeline(
        "old-spelling",
        &payments.replace("codeconnections", "codestar-connections"),
        "a/b",
    );
    fixture.run().await; // 10:00
    fixture.one(&["--no-dangling"]).await.is("PASS", "");
    fixture.env.create("other");
    fixture.env.delete(&payments);
    fixture.pipeline("typo", &unknown, "acme/typo");
    fixture.run().await; // 11:00
    for one in [
        fixture.one(&["--no-dangling"]).await,
        fixture.now(&["--no-dangling"]).await,
    ] {
        one.is("FAIL", "deleted at 2026-10-01T11:00:00");
        one.is("FAIL", "which no inventory of this table has");
        assert_eq!(one.findings().len(), 2);
        let typo = &one.findings()[1];
        assert_eq!(typo["connection_arn"], Value::Null);
        assert_eq!(typo["dependency_name"], "typo");
        let id = typo["dependency_id"].as_str().expect("an id");
        assert!(
            id.starts_with("PIPELINE_SOURCE#arn:aws:codepipeline:"),
            "{id}"
        );
        assert!(
            typo["since"]
                .as_str()
                .expect("a time")
                .starts_with("2026-10-01T11:00:00")
        );
        let change = format!("DEPENDENCY#{ACCOUNT}#{id}");
        assert!(typo["evidence"].to_string().contains(&change), "{typo}");
    }
}

#[tokio::test]
async fn connection_of_an_account_that_is_not_inventoried_is_insufficient_data() {
    let fixture = Fixture::new().await;
    let other = fixture
        .env
        .create("payments")
        .replace(ACCOUNT, "222222222222");
    fixture.pipeline("deploy", &other, "acme/deploy");
    fixture.run().await;
    let one = fixture.one(&["--no-dangling"]).await;
    one.is(
        "INSUFFICIENT_DATA",
        "account 222222222222 is not inventoried",
    );
    let elsewhere = other
        .replace("222222222222", ACCOUNT)
        .replace(REGION, "us-west-2");
    fixture.set(|services| services.pipelines[0].1 = elsewhere);
    fixture.run().await;
    let one = fixture.one(&["--no-dangling"]).await;
    one.is(
        "INSUFFICIENT_DATA",
        "region us-west-2 of account 123456789012 was not listed",
    );
}

#[tokio::test]
async fn exception_and_scope_apply_to_dependencies() {
    let fixture = Fixture::new().await;
    let missing = fixture
        .env
        .create("payments")
        .replace("connection/", "connection/0");
    fixture.pipeline("deploy", &missing, "acme/deploy");
    fixture.run().await;
    let arn = format!("arn:aws:codepipeline:{REGION}:{ACCOUNT}:deploy");
    for waived in [&*arn, "deploy", &*missing] {
        let except = format!("except = [{{ connection = \"{waived}\", reason = \"soon\" }}]");
        let one = fixture
            .rule(&format!("kind = \"dangling\"\n{except}"))
            .await;
        one.is("PASS", "\"reason\":\"soon\"");
    }
    for (scope, verdict) in [
        ("names = \"deploy\"", "FAIL"),
        ("names = \"other\"", "PASS"),
        ("regions = [\"eu-west-1\"]", "FAIL"),
        // Nothing was listed there.
        ("regions = [\"us-west-2\"]", "INSUFFICIENT_DATA"),
        // Only the connection could tell.
        ("providers = [\"GitHub\"]", "INSUFFICIENT_DATA"),
    ] {
        let one = fixture
            .rule(&format!("kind = \"dangling\"\nscope = {{ {scope} }}"))
            .await;
        one.is(verdict, "");
    }
}

// --------------------------------------------------------------------- unused

#[tokio::test]
async fn connection_without_consumer_for_longer_than_allowed_is_a_finding() {
    let fixture = Fixture::new().await;
    let (used, idle) = (fixture.env.create("used"), fixture.env.create("idle"));
    fixture.pipeline(
        "deploy",
        &used.replace("codeconnections", "codestar-connections"),
        "a/b",
    );
    let three_hours = ["--unused-longer-than", "3h"];
    fixture.run().await; // 10:00
    let one = fixture.one(&three_hours).await;
    one.is("INSUFFICIENT_DATA", "perhaps longer than 3h ago");
    for _ in 0..3 {
        fixture.run().await;
    }
    // 13:00: 3 h at most.
    fixture.one(&three_hours).await.is("INSUFFICIENT_DATA", "");
    fixture.run().await; // 14:00
    let one = fixture.one(&three_hours).await;
    one.is(
        "FAIL",
        "no recorded consumer since at least 2026-10-01T10:00:00",
    );
    assert_eq!(one.findings().len(), 1);
    assert_eq!(one.findings()[0]["connection_arn"], idle);
    let message = one.findings()[0]["message"].to_string();
    assert!(message.contains("not asked: EKS Argo CD"), "{message}");
}

#[tokio::test]
async fn time_without_consumer_begins_with_the_end_of_the_last_use() {
    let fixture = Fixture::new().await;
    fixture.pipeline("deploy", &fixture.env.create("payments"), "acme/deploy");
    for _ in 0..4 {
        fixture.run().await; // 10:00 to 13:00
    }
    fixture.set(|services| services.pipelines.clear());
    fixture.run().await; // 14:00: used until between 13:00 and 14:00
    fixture.run().await; // 15:00
    let unused = async |limit| fixture.one(&["--unused-longer-than", limit]).await;
    unused("2h").await.is("PASS", "");
    unused("90m").await.is(
        "INSUFFICIENT_DATA",
        "used it until between 2026-10-01T13:00:00",
    );
    unused("59m").await.is("FAIL", "");
    // What was deleted since was in use then.
    let then = fixture
        .ask(&[
            "--unused-longer-than",
            "59m",
            "--as-of",
            "2026-10-01T13:30:00Z",
        ])
        .await;
    assert_eq!(then.code, 0, "{then:?}");
}

#[tokio::test]
async fn connection_is_not_unused_for_longer_than_it_exists() {
    let fixture = Fixture::new().await;
    for _ in 0..3 {
        fixture.run().await; // 10:00 to 12:00
    }
    fixture.env.create("new");
    fixture.run().await; // 13:00: created after 12:00
    fixture
        .one(&["--unused-longer-than", "90m"])
        .await
        .is("PASS", "");
    fixture.run().await; // 14:00
    fixture
        .one(&["--unused-longer-than", "30m"])
        .await
        .is("FAIL", "");
}

#[tokio::test]
async fn record_of_dependencies_has_to_cover_the_time_without_consumer() {
    let fixture = Fixture::new().await;
    fixture.env.create("payments");
    for _ in 0..3 {
        fixture.env.run().await; // 10:00 to 12:00, without dependencies
    }
    fixture.run().await; // 13:00
    fixture.env.run().await; // 14:00, without dependencies
    let unused = async |limit| fixture.one(&["--unused-longer-than", limit]).await;
    unused("90m")
        .await
        .is("INSUFFICIENT_DATA", "begins at 2026-10-01T13:00:00");
    unused("30m").await.is(
        "INSUFFICIENT_DATA",
        "last listed completely at 2026-10-01T13:00:00",
    );
    fixture.run().await; // 15:00
    unused("90m")
        .await
        .is("FAIL", "since at least 2026-10-01T13:00:00");
}

// ---------------------------------------------------------------------- hosts

/// Returns a host as `ListHosts` has it.
fn host(name: &str, more: &Value) -> Value {
    let mut host = json!({
        "HostArn": format!("arn:aws:codeconnections:{REGION}:{ACCOUNT}:host/{name}-1"),
        "Name": name,
        "ProviderType": "GitHubEnterpriseServer",
    });
    let members = more.as_object().expect("members").clone();
    host.as_object_mut().expect("a host").extend(members);
    host
}

impl Fixture {
    /// Creates a record of these hosts.
    async fn of_hosts(hosts: Vec<Value>) -> Self {
        let fixture = Self::new().await;
        fixture.set(|services| services.hosts = Some(hosts.into()));
        fixture.run().await;
        fixture
    }
}

#[tokio::test]
async fn status_of_each_host_is_evaluated() {
    let fixture = Fixture::of_hosts(vec![
        host("fine", &json!({"Status": "AVAILABLE"})),
        host(
            "broken",
            &json!({"Status": "VPC_CONFIG_FAILED_INITIALIZATION"}),
        ),
    ])
    .await;
    let one = fixture
        .one(&["--allow-host-status", "AVAILABLE,PENDING"])
        .await;
    one.is(
        "FAIL",
        "status \"VPC_CONFIG_FAILED_INITIALIZATION\" is not allowed",
    );
    assert_eq!(one.findings()[0]["dependency_name"], "broken");
    assert_eq!(one.result["judged"], 2);
    let scoped = "kind = \"host-status\"\nallowed = [\"AVAILABLE\"]\nscope = ";
    let one = fixture
        .rule(&format!(
            "{scoped}{{ providers = [\"GitLabSelfManaged\"] }}"
        ))
        .await;
    assert_eq!(one.is("PASS", "").result["judged"], 0);
    fixture.set(|services| services.hosts = Some(json!([host("fine", &json!({}))])));
    fixture.run().await;
    let one = fixture.one(&["--allow-host-status", "AVAILABLE"]).await;
    one.is("INSUFFICIENT_DATA", "status is missing");
}

#[tokio::test]
async fn endpoint_and_vpc_of_each_host_are_evaluated() {
    let fixture = Fixture::of_hosts(vec![
        host(
            "plain",
            &json!({"ProviderEndpoint": "https://git.example.com"}),
        ),
        host(
            "inside",
            &json!({
                "ProviderEndpoint": "https://git.example.net",
                "VpcConfiguration": {"VpcId": "vpc-1", "SubnetIds": [], "SecurityGroupIds": []},
            }),
        ),
    ])
    .await;
    let endpoint = async |allowed| fixture.one(&["--allow-host-endpoint", allowed]).await;
    let one = endpoint("https://git.example.com").await;
    one.is(
        "FAIL",
        "endpoint \"https://git.example.net\" is not allowed",
    );
    assert_eq!(one.findings().len(), 1);
    let both = "https://git.example.com,https://git.example.net";
    endpoint(both).await.is("PASS", "");
    let vpc = async |allowed| fixture.one(&["--allow-host-vpc", allowed]).await;
    vpc("vpc-1").await.is("PASS", "");
    let one = vpc("vpc-2").await;
    assert_eq!(
        one.is("FAIL", "VPC \"vpc-1\" is not allowed").result["judged"],
        2
    );
    let none = fixture.rule("kind = \"host-vpc\"\nallowed = []").await;
    assert_eq!(none.is("FAIL", "").findings().len(), 1);
    fixture.set(|services| services.hosts = Some(json!([host("bare", &json!({}))])));
    fixture.run().await;
    endpoint(both)
        .await
        .is("INSUFFICIENT_DATA", "endpoint is missing");
}

// --------------------------------------------------------------- repositories

#[tokio::test]
async fn repository_of_each_consumer_matches_an_allowed_pattern_in_full() {
    let fixture = Fixture::new().await;
    let payments = fixture.env.create("payments");
    fixture.pipeline("deploy", &payments, "acme/deploy");
    let project = |location: &str| {
        let project = ("build".into(), payments.clone(), location.into());
        fixture.set(|services| services.projects = vec![project]);
    };
    project("https://github.com/acme/lib");
    fixture.run().await;
    let url = r"https://github\.com/acme/[^/]+";
    let both = ["--allow-repository", "acme/.*", "--allow-repository", url];
    fixture.one(&both).await.is("PASS", "");
    let one = fixture.one(&["--allow-repository", url]).await;
    one.is("FAIL", "repository \"acme/deploy\" is not allowed");
    project("https://example.com/?https://github.com/acme/lib");
    fixture.run().await;
    let one = fixture.one(&both).await;
    assert_eq!(one.is("FAIL", "").findings()[0]["dependency_name"], "build");
    project("");
    fixture.run().await;
    let one = fixture.one(&both).await;
    one.is("INSUFFICIENT_DATA", "is not recorded");
    let done = fixture.ask(&["--allow-repository", "("]).await;
    assert_eq!(done.code, 2, "{done:?}");
}

// -------------------------------------------------------------------- outputs

#[tokio::test]
async fn each_format_names_the_dependency_of_a_finding() {
    let fixture = Fixture::of_hosts(vec![host("ghes", &json!({"Status": "PENDING"}))]).await;
    let rule = ["--allow-host-status", "AVAILABLE"];
    let id = format!("HOST#arn:aws:codeconnections:{REGION}:{ACCOUNT}:host/ghes-1");
    let text = fixture.ask(&rule).await;
    assert!(text.stdout.contains(&format!("ghes ({id})")), "{text:?}");
    assert!(
        text.stdout.contains("based on dependency run 1"),
        "{text:?}"
    );
    assert!(text.stdout.contains("not asked: "), "{text:?}");

    let junit = fixture
        .ask(&[&rule[..], &["--format", "junit"]].concat())
        .await;
    assert!(
        junit.stdout.contains(&format!("FAIL {id} (ghes)")),
        "{junit:?}"
    );

    let ocsf = fixture
        .ask(&[&rule[..], &["--format", "ocsf"]].concat())
        .await;
    let event: Value = serde_json::from_str(&ocsf.stdout).expect("an event");
    let uid = format!("allow-host-status/{ACCOUNT}/{id}");
    assert_eq!(event["finding_info"]["uid"], uid);
    let resource = &event["resources"][0];
    assert_eq!(resource["uid"], id["HOST#".len()..]);
    assert_eq!(resource["type"], "AWS::CodeConnections::Host");
    assert_eq!(
        (&resource["region"], &resource["name"]),
        (&json!(REGION), &json!("ghes"))
    );
    let file = fixture.ccinv.folder().join("events.jsonl");
    std::fs::write(&file, ocsf.stdout).expect("written");
    let file = file.to_str().expect("UTF-8");
    let class = "compliance_finding";
    fine(python("ocsf_events.py", &["1.6.0", class, file]).await);

    let out = fixture.ccinv.folder().join("report.html");
    let path = out.to_str().expect("UTF-8");
    let table = fixture.env.table.name().as_str();
    let report = [
        &[
            "report",
            "--out",
            path,
            "--since",
            "2026-10-01",
            "--table",
            table,
        ],
        &rule[..],
    ]
    .concat();
    let done = fixture.ccinv.run(&report).await;
    let page = std::fs::read_to_string(&out).unwrap_or_else(|_| panic!("{done:?}"));
    assert!(page.contains(&id), "the page has the finding");
}
