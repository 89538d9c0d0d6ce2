//! `ccinv check`: each kind of rule with each verdict, on tables that real runs
//! wrote.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::HashMap;
use std::sync::Arc;

use crate::support::ccinv::{Ccinv, Done};
use crate::support::scripted_service::{Reply, Script, arn, entry, last};
use crate::support::test_env::{ACCOUNT, HOUR, REGION, TestEnv, account, run};
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::audit::Audit;
use codeconnections_inventory::aws::Meter;
use codeconnections_inventory::compliance::check::Verdict;
use codeconnections_inventory::compliance::evidence::Moment;
use codeconnections_inventory::compliance::kinds::{
    Deleted, Error, NoCompleteRun, NotSeen, Pending, Requirement, Shared, StatusChanges,
    UnknownValue,
};
use codeconnections_inventory::compliance::rule::{Rule, Scope};
use codeconnections_inventory::compliance::severity::Severity;
use codeconnections_inventory::domain::Duration;
use codeconnections_inventory::domain::{AccountId, Timestamp};
use codeconnections_inventory::table::{codec, keys};
use serde_json::{Value, json};

const OPT_IN: &str = "eu-south-1";
const OTHER_ACCOUNT: &str = "222222222222";

/// A test environment, and the command line that evaluates its table.
struct Fixture {
    env: TestEnv,
    ccinv: Ccinv,
}

impl Fixture {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let ccinv = Ccinv::at(&env);
        Self { env, ccinv }
    }

    /// Creates a table with one run of these entries.
    async fn of(entries: Vec<Value>) -> Self {
        let this = Self::new().await;
        this.list(move |_| last(entries.clone())).await;
        this
    }

    /// Runs against a scripted listing, an hour after the last run.
    async fn list(
        &self,
        lines: impl Fn(&crate::support::scripted_service::Asked) -> Reply + Send + Sync + 'static,
    ) {
        self.env.clock.advance(HOUR);
        let script = Script::start(lines).await;
        self.env.run_with(&script.endpoint, &json!({})).await;
    }

    /// Runs both regions, an hour after the last run.
    async fn run_both(&self) {
        self.env.clock.advance(HOUR);
        let event = json!({"regions": [REGION, OPT_IN]});
        run(&self.env.handler(), &event).await;
    }

    async fn ask(&self, arguments: &[&str]) -> Done {
        let table = ["--table", self.env.table.name().as_str()];
        self.ccinv
            .run(&[&["check"], arguments, &table].concat())
            .await
    }

    /// Returns the exit code and the JSON result.
    async fn check(&self, arguments: &[&str]) -> (i32, Value) {
        let done = self.ask(&[arguments, &["--json"]].concat()).await;
        let result = serde_json::from_str(&done.stdout);
        (done.code, result.unwrap_or_else(|_| panic!("{done:?}")))
    }

    /// Returns the result of the only rule in the only account. Checks that the exit
    /// code matches its verdict.
    #[track_caller]
    fn one(&self, arguments: &[&str]) -> impl Future<Output = One> {
        let caller = std::panic::Location::caller();
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let (code, result) = self.check(&arguments).await;
            let rules = result["rules"].as_array().expect("rules");
            assert_eq!(rules.len(), 1, "{caller}");
            let one = One::new(&rules[0]);
            let expected = match one.verdict.as_str() {
                "PASS" => 0,
                "FAIL" => 3,
                "INSUFFICIENT_DATA" => 4,
                other => panic!("{caller}: {other}"),
            };
            assert_eq!(code, expected, "{caller}: {result}");
            one
        }
    }

    /// Same as [`Self::one`], for a rule from a file; `keys` follow id and severity.
    async fn rule(&self, keys: &str, more: &[&str]) -> One {
        let file = self.ccinv.folder().join("rules.toml");
        let text = format!("[[rule]]\nid = \"it\"\nseverity = \"low\"\n{keys}\n");
        std::fs::write(file, text).expect("written");
        self.one(&[&["--rules", "rules.toml"], more].concat()).await
    }
}

/// The result of one rule in one account.
#[derive(Debug)]
struct One {
    verdict: String,
    evaluated: u64,
    findings: Vec<Value>,
    insufficient: Vec<Value>,
    waived: Vec<Value>,
}

impl One {
    fn new(rule: &Value) -> Self {
        let accounts = rule["accounts"].as_array().expect("accounts");
        let [result] = accounts.as_slice() else {
            panic!("one account: {rule}");
        };
        assert_eq!(result["verdict"], rule["verdict"]);
        let list = |name: &str| result[name].as_array().expect("a list").clone();
        Self {
            verdict: rule["verdict"].as_str().expect("a verdict").to_owned(),
            evaluated: result["judged"].as_u64().expect("a number"),
            findings: list("findings"),
            insufficient: list("not_judged"),
            waived: list("excepted"),
        }
    }

    /// Returns the ids of the non-compliant connections, and of those with insufficient
    /// data.
    fn ids(&self) -> (Vec<String>, Vec<String>) {
        let id = |value: &Value| {
            let arn = value["connection_arn"].as_str().unwrap_or("/-");
            arn.rsplit('/').next().expect("an id").to_owned()
        };
        let ids = |values: &[Value]| values.iter().map(id).collect();
        (ids(&self.findings), ids(&self.insufficient))
    }

    #[track_caller]
    fn is(&self, verdict: &str, says: &str) -> &Self {
        assert_eq!(self.verdict, verdict, "{self:#?}");
        let actual = format!("{:?} {:?}", self.findings, self.insufficient);
        let actual = actual.replace("\\\\", "\\");
        assert!(actual.contains(says), "{says:?} in {actual}");
        self
    }
}

fn key(pk: String, sk: String) -> Value {
    json!({"pk": pk, "sk": sk})
}

fn change_key(arn: &str, version: u32) -> Value {
    let arn = arn.parse().expect("an ARN");
    key(keys::changes_pk(&account(), &arn), keys::change_sk(version))
}

fn snapshot_key(arn: &str) -> Value {
    let arn = arn.parse().expect("an ARN");
    key(keys::account_pk(&account()), keys::snapshot_sk(&arn))
}

fn run_key(sequence: u64) -> Value {
    key(keys::runs_pk(&account()), keys::run_sk(sequence))
}

/// Returns `time` on 2026-10-01.
fn at(time: &str) -> String {
    format!("2026-10-01T{time}Z")
}

// ------------------------------------------------------- time in a status

#[tokio::test]
async fn pending_duration_is_evaluated_by_the_window_of_its_change() {
    let fixture = Fixture::new().await;
    fixture.env.run().await; // 10:00
    let arn = fixture.env.create("api");
    fixture.env.run().await; // 11:00: made between 10:00 and 11:00
    let two_hours = async |time: &str| {
        fixture
            .one(&["--pending-longer-than", "2h", "--as-of", &at(time)])
            .await
    };

    two_hours("10:30:00").await.is("PASS", "");
    // At most 2 h; possibly more than 2 h; at least 2 h; certainly more.
    two_hours("12:00:00").await.is("PASS", "");
    let unknown = "became PENDING between 2026-10-01T10:00:00.000Z and 2026-10-01T11:00:00.000Z";
    two_hours("12:00:00.001")
        .await
        .is("INSUFFICIENT_DATA", unknown);
    two_hours("13:00:00").await.is("INSUFFICIENT_DATA", unknown);
    let failed = two_hours("13:00:00.001").await;
    failed.is(
        "FAIL",
        "PENDING since 2026-10-01T11:00:00.000Z, longer than 2h",
    );
    let finding = &failed.findings[0];
    assert_eq!(finding["connection_arn"], arn);
    assert_eq!(finding["connection_name"], "api");
    assert_eq!(finding["since"], "2026-10-01T11:00:00.000Z");
    assert_eq!(finding["evidence"], json!([change_key(&arn, 1)]));

    fixture.env.set_status(&arn, "AVAILABLE");
    fixture.env.run().await; // 12:00
    two_hours("20:00:00").await.is("PASS", "");
    // For the current state, the snapshot is evidence too.
    fixture.env.set_status(&arn, "PENDING");
    fixture.env.run().await; // 13:00
    let now = fixture.one(&["--pending-longer-than", "1m"]).await;
    now.is("FAIL", "PENDING since 2026-10-01T13:00:00.000Z");
    let evidence = json!([snapshot_key(&arn), change_key(&arn, 3)]);
    assert_eq!(now.findings[0]["evidence"], evidence);
}

#[tokio::test]
async fn pending_since_before_first_run_is_insufficient_data() {
    let fixture = Fixture::of(vec![entry(&arn(REGION, "a"), "a", "PENDING")]).await; // 10:00
    let as_of = [
        "--pending-longer-than",
        "7d",
        "--as-of",
        "2026-10-01T11:00:00Z",
    ];
    let one = fixture.one(&as_of).await;
    one.is("INSUFFICIENT_DATA", "PENDING when first observed at");
    assert_eq!(one.ids(), (vec![], vec!["a".to_owned()]));
}

#[tokio::test]
async fn error_fails_immediately_or_after_a_duration() {
    let fixture = Fixture::new().await;
    fixture.env.run().await; // 10:00
    let arn = fixture.env.create("api");
    fixture.env.run().await; // 11:00
    let in_error = ["--in-error", "--as-of", "2026-10-01T11:30:00Z"];
    assert_eq!(fixture.one(&in_error).await.is("PASS", "").evaluated, 1);
    fixture.env.set_status(&arn, "ERROR");
    fixture.env.run().await; // 12:00
    let as_of = |time: &str| ["--as-of".to_owned(), at(time)];
    for (time, verdict) in [
        ("13:00:00", "PASS"), // since 11:00 at the earliest
        ("13:00:00.001", "INSUFFICIENT_DATA"),
        ("14:00:00", "INSUFFICIENT_DATA"),
        ("14:00:00.001", "FAIL"),
    ] {
        let [option, time] = as_of(time);
        let longer = ["--in-error-longer-than", "2h", &option, &time];
        fixture.one(&longer).await.is(verdict, "");
        let at_once = fixture.one(&["--in-error", &option, &time]).await;
        at_once.is("FAIL", "in ERROR since 2026-10-01T12:00:00.000Z");
    }
    // A missing status is insufficient data.
    fixture
        .list(move |_| {
            let bare = json!({"ConnectionArn": arn, "ConnectionName": "api"});
            last(vec![bare])
        })
        .await; // 13:00
    let one = fixture.one(&["--in-error"]).await;
    one.is("INSUFFICIENT_DATA", "status is missing");
}

// ------------------------------------------------------------ attribute values

/// Creates a table with one run of connections with every kind of value.
async fn every_kind() -> Fixture {
    let whole = |id: &str| entry(&arn(REGION, id), &format!("{id}-name"), "AVAILABLE");
    let with = |id: &str, field: &str, value: Value| {
        let mut entry = whole(id);
        entry[field] = value;
        entry
    };
    let mut hosted = with("hosted", "ProviderType", "GitLabSelfManaged".into());
    hosted["HostArn"] = "arn:aws:codeconnections:eu-west-1:123456789012:host/h-1".into();
    let mut no_host = with("no-host", "ProviderType", "GitHubEnterpriseServer".into());
    no_host["OwnerAccountId"] = "acme-org".into();
    let shared = format!("arn:aws:codeconnections:{REGION}:{OTHER_ACCOUNT}:connection/other-arn");
    Fixture::of(vec![
        whole("a"),
        with("b-owner", "OwnerAccountId", OTHER_ACCOUNT.into()),
        json!({"ConnectionArn": arn(REGION, "c-bare")}),
        hosted,
        no_host,
        with("new-status", "ConnectionStatus", "EXPIRED".into()),
        with("odd-provider", "ProviderType", "SourceForge".into()),
        entry(&shared, "other-name", "AVAILABLE"),
    ])
    .await
}

#[tokio::test]
async fn values_are_evaluated_and_missing_ones_handled_per_rule() {
    let fixture = every_kind().await;
    let host = "arn:aws:codeconnections:eu-west-1:123456789012:host/h-1";
    let none: &[&str] = &[];
    // The option, the failing connections, those with insufficient data.
    let cases: [(&[&str], &[&str], &[&str]); 12] = [
        (
            &["--allow-provider", "github,GitLabSelfManaged"],
            &["c-bare", "no-host", "odd-provider"],
            none,
        ),
        (
            &[
                "--allow-provider",
                "GitHub,GitLabSelfManaged,GitHubEnterpriseServer,SourceForge",
            ],
            &["c-bare"],
            none,
        ),
        (
            &["--allow-host", host],
            none,
            &["c-bare", "no-host", "odd-provider"],
        ),
        (
            &["--allow-host", "arn:other"],
            &["hosted"],
            &["c-bare", "no-host", "odd-provider"],
        ),
        (
            &["--allow-owner", ACCOUNT],
            &["b-owner", "c-bare", "no-host"],
            none,
        ),
        (
            &["--allow-owner", "123456789012,222222222222,acme-org"],
            &["c-bare"],
            none,
        ),
        (&["--name-pattern", "[a-z-]+-name"], &["c-bare"], none),
        (
            &["--name-pattern", "a|a-nam|.*-.*-name"],
            &["a", "c-bare", "hosted", "other-arn"],
            none,
        ),
        (&["--no-shared"], &["b-owner", "other-arn"], none),
        (
            &["--no-unknown-values"],
            &["c-bare", "new-status", "odd-provider"],
            none,
        ),
        (&["--in-error"], none, &["c-bare"]),
        (&["--pending-longer-than", "1d"], none, &["c-bare"]),
    ];
    for (option, failing, unknown) in cases {
        for as_of in [&[][..], &["--as-of", "2026-10-01T10:00:00Z"]] {
            let one = fixture.one(&[option, as_of].concat()).await;
            let (findings, insufficient) = one.ids();
            assert_eq!(sorted(findings), failing, "{option:?} {as_of:?}");
            assert_eq!(sorted(insufficient), unknown, "{option:?} {as_of:?}");
            assert_eq!(one.evaluated as usize + unknown.len(), 8, "{option:?}");
        }
    }
    let says = [
        (
            "--allow-provider=GitLab",
            "provider \\\"SourceForge\\\" is not allowed",
        ),
        ("--allow-provider=GitLab", "provider is missing"),
        ("--allow-owner=x", "owner \\\"acme-org\\\" is not allowed"),
        ("--no-shared", "belongs to account 222222222222, by its ARN"),
        (
            "--no-shared",
            "belongs to account 222222222222, by its owner",
        ),
        ("--no-unknown-values", "status \\\"EXPIRED\\\" is unknown"),
        (
            "--no-unknown-values",
            "provider is missing, status is missing",
        ),
    ];
    for (option, says) in says {
        fixture.one(&[option]).await.is("FAIL", says);
    }
    let fine = fixture
        .rule("kind = \"shared\"\nscope = { names = \"a-name\" }", &[])
        .await;
    assert_eq!(fine.is("INSUFFICIENT_DATA", "name is missing").evaluated, 1);
    let fine = fixture
        .rule(
            "kind = \"unknown-value\"\nscope = { providers = [\"GitLabSelfManaged\"] }",
            &[],
        )
        .await;
    assert_eq!(fine.ids(), (vec![], vec!["c-bare".to_owned()]));
    let no_host = fixture.rule("kind = \"host\"\nallowed = []", &[]).await;
    assert_eq!(no_host.ids().0, ["hosted"]);
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[tokio::test]
async fn rules_that_every_connection_meets_pass() {
    let fixture = Fixture::of(vec![entry(&arn(REGION, "a"), "a", "AVAILABLE")]).await;
    for option in [
        &["--allow-provider", "GitHub"][..],
        &["--allow-host", "x"],
        &["--allow-owner", ACCOUNT],
        &["--allow-account", ACCOUNT],
        &["--name-pattern", "a"],
        &["--no-shared"],
        &["--no-unknown-values"],
        &["--in-error"],
        &["--pending-longer-than", "1d"],
    ] {
        let one = fixture.one(option).await;
        assert_eq!(one.is("PASS", "").evaluated, 1, "{option:?}");
    }
}

#[tokio::test]
async fn finding_since_is_the_change_that_set_the_value() {
    let fixture = Fixture::new().await;
    let a = arn(REGION, "a");
    let steps = [
        (ACCOUNT, "PENDING"),
        (OTHER_ACCOUNT, "PENDING"),
        (ACCOUNT, "PENDING"),
        ("acme-org", "PENDING"),
        (OTHER_ACCOUNT, "PENDING"),
        (OTHER_ACCOUNT, "AVAILABLE"),
    ];
    for (owner, status) in steps {
        let mut entry = entry(&a, "a", status);
        entry["OwnerAccountId"] = owner.into();
        fixture.list(move |_| last(vec![entry.clone()])).await; // 10:00 to 15:00
    }
    let since = async |time: &str| {
        let as_of = at(time);
        let one = fixture
            .one(&["--allow-owner", ACCOUNT, "--as-of", &as_of])
            .await;
        let finding = &one.is("FAIL", "is not allowed").findings[0];
        (finding["since"].clone(), finding["evidence"].clone())
    };
    let began = |time: &str| json!(format!("2026-10-01T{time}.000Z"));
    let keys = |versions: &[u32]| {
        json!(
            versions
                .iter()
                .map(|v| change_key(&a, *v))
                .collect::<Vec<_>>()
        )
    };
    assert_eq!(since("11:30:00").await, (began("11:00:00"), keys(&[2])));
    assert_eq!(since("13:30:00").await, (began("13:00:00"), keys(&[4])));
    assert_eq!(since("15:30:00").await, (began("13:00:00"), keys(&[4, 6])));
    let now = fixture.one(&["--no-shared"]).await;
    assert_eq!(now.findings[0]["since"], began("14:00:00"));
}

#[tokio::test]
async fn waived_connections_are_reported_and_are_not_findings() {
    let fixture = every_kind().await;
    let owner = arn(REGION, "b-owner");
    let rule = format!(
        "kind = \"shared\"\nexcept = [\n{{ connection = \"{owner}\", reason = \"agreed\" }},\n\
         {{ connection = \"other-name\", reason = \"theirs\" }},\n\
         {{ connection = \"a-name\", reason = \"keeps it anyway\" }}]"
    );
    let one = fixture.rule(&rule, &[]).await;
    one.is("PASS", "");
    let waived: Vec<(&str, &str)> = one
        .waived
        .iter()
        .map(|e| {
            let text = |name: &str| e[name].as_str().expect("text");
            (text("reason"), text("message"))
        })
        .collect();
    assert_eq!(
        waived,
        [
            ("agreed", "belongs to account 222222222222, by its owner"),
            ("theirs", "belongs to account 222222222222, by its ARN"),
        ]
    );
}

// --------------------------------------------------------- accounts and runs

#[tokio::test]
async fn account_rules_fail_by_account_and_unrecorded_account_never_passes() {
    let fixture = Fixture::new().await;
    fixture.env.run().await; // 10:00
    let allow = ["--allow-account", OTHER_ACCOUNT];
    let one = fixture.one(&allow).await;
    one.is("FAIL", "account 123456789012 is recorded but not allowed");
    assert_eq!(one.findings[0]["evidence"], json!([run_key(1)]));
    assert_eq!(one.findings[0]["connection_arn"], Value::Null);

    let scope = format!("scope = {{ accounts = [\"{OTHER_ACCOUNT}\"] }}");
    let not_recorded = [
        "kind = \"shared\"".to_owned(),
        "kind = \"in-error\"".replace("in-error", "error"),
        format!("kind = \"account\"\nallowed = [\"{OTHER_ACCOUNT}\"]"),
        "kind = \"deleted\"\nwithin = \"1h\"".to_owned(),
    ];
    for rule in not_recorded {
        let one = fixture.rule(&format!("{rule}\n{scope}"), &[]).await;
        one.is("INSUFFICIENT_DATA", "no run finished by");
    }
    let rule = format!("kind = \"no-complete-run\"\nlonger_than = \"26h\"\n{scope}");
    fixture
        .rule(&rule, &[])
        .await
        .is("FAIL", "no complete run has finished");
    // A rule about none of the requested accounts has insufficient data.
    let (code, result) = fixture
        .check(&["--rules", "rules.toml", "--account", ACCOUNT])
        .await;
    assert_eq!(
        (code, &result["rules"][0]["verdict"]),
        (4, &json!("INSUFFICIENT_DATA"))
    );
    // An account without records is an error.
    let done = fixture.ask(&["--account", OTHER_ACCOUNT]).await;
    assert_eq!(done.code, 4);
    assert!(
        done.complaint().contains("no run of account 222222222222"),
        "{done:?}"
    );
}

#[tokio::test]
async fn rule_is_evaluated_in_every_account_in_scope() {
    let fixture = Fixture::new().await;
    let other = Ccinv::at(&fixture.env).with("AWS_ACCESS_KEY_ID", OTHER_ACCOUNT);
    let table = fixture.env.table.name().as_str();
    other.fine(&["scan", "--table", table]).await;
    fixture.env.create("api");
    fixture.env.run().await;
    let broken = fixture.env.create("broken");
    fixture.env.set_status(&broken, "ERROR");
    fixture.env.run().await;
    let (code, result) = fixture
        .check(&["--in-error", "--allow-account", ACCOUNT])
        .await;
    assert_eq!(code, 3);
    let verdicts = |rule: usize| {
        let accounts = result["rules"][rule]["accounts"]
            .as_array()
            .expect("accounts");
        let verdicts = accounts
            .iter()
            .map(|a| (a["account"].clone(), a["verdict"].clone()));
        verdicts.collect::<Vec<_>>()
    };
    let pair = |account: &str, verdict: &str| (json!(account), json!(verdict));
    assert_eq!(
        verdicts(0),
        [pair(ACCOUNT, "FAIL"), pair(OTHER_ACCOUNT, "PASS")]
    );
    assert_eq!(
        verdicts(1),
        [pair(ACCOUNT, "PASS"), pair(OTHER_ACCOUNT, "FAIL")]
    );
    let (code, _) = fixture
        .check(&["--in-error", "--account", OTHER_ACCOUNT])
        .await;
    assert_eq!(code, 0);
}

#[tokio::test]
async fn stale_or_missing_complete_run_fails() {
    let fixture = Fixture::new().await;
    fixture.env.deny(REGION);
    fixture.env.run().await; // 10:00, FAILED
    let age = async |time: &str| {
        fixture
            .one(&["--max-run-age", "2h", "--as-of", &at(time)])
            .await
    };
    let never = age("10:30:00").await;
    never.is("FAIL", "no complete run has finished");
    assert_eq!(never.findings[0]["evidence"], json!([run_key(1)]));
    fixture.env.allow(REGION);
    fixture.env.run().await; // 11:00
    age("13:00:00").await.is("PASS", "");
    let old = age("13:00:00.001").await;
    old.is(
        "FAIL",
        "the last complete run, 2, started at 2026-10-01T11:00:00.000Z",
    );
    assert_eq!(old.findings[0]["evidence"], json!([run_key(2)]));
    assert_eq!(old.findings[0]["since"], "2026-10-01T11:00:00.000Z");
    fixture.env.deny(REGION);
    fixture.env.run().await; // 12:00: a run, but no complete one
    let old = age("14:00:00").await;
    assert_eq!(old.findings[0]["evidence"], json!([run_key(2), run_key(3)]));
}

// ------------------------------------------------------------ last seen

#[tokio::test]
async fn not_seen_rule_uses_the_runs_up_to_its_time() {
    let fixture = Fixture::new().await;
    let arn = fixture.env.create("api");
    fixture.env.run().await; // 10:00
    fixture.env.deny(REGION);
    fixture.env.run().await; // 11:00: no page
    let seen = async |time: &str| {
        fixture
            .one(&["--not-seen-for", "2h", "--as-of", &at(time)])
            .await
    };
    seen("12:00:00").await.is("PASS", "");
    let failed = seen("12:00:00.001").await;
    failed.is("FAIL", "no run in the last 2h observed it");
    assert_eq!(failed.findings[0]["connection_arn"], arn);
    // A run that listed only the first page may have observed it.
    fixture
        .list(|asked| match asked.token {
            None => Reply::Page(Vec::new(), Some("next".to_owned())),
            Some(_) => Reply::Error(403, "AccessDeniedException"),
        })
        .await; // 12:00
    seen("13:00:00")
        .await
        .is("INSUFFICIENT_DATA", "run 3 may have observed it");
    fixture.env.allow(REGION);
    fixture.env.run().await; // 13:00
    seen("15:00:00").await.is("PASS", "");
    // The current time is much later.
    let now = fixture.one(&["--not-seen-for", "2h"]).await;
    now.is("FAIL", "last seen at 2026-10-01T13:00:00.000Z");
    assert_eq!(now.findings[0]["since"], "2026-10-01T13:00:00.000Z");
}

fn hours(hours: i64) -> Duration {
    Duration::from_millis(hours * 3_600_000).expect("a duration")
}

fn rule(requirement: Requirement) -> Rule {
    Rule {
        id: "it".parse().expect("an id"),
        severity: Severity::Low,
        title: requirement.to_string(),
        controls: Vec::new(),
        remediation: None,
        requirement,
        scope: Scope::default(),
        except: Vec::new(),
    }
}

async fn verdict_now(audit: &Audit, requirement: Requirement, now: &str) -> Verdict {
    let moment = Moment::Now(now.parse().expect("a time"));
    let check_report = audit
        .check(&[rule(requirement)], None, moment)
        .await
        .expect("read");
    check_report.rules[0].verdict
}

#[tokio::test]
async fn current_state_is_evaluated_by_snapshots_to_the_millisecond() {
    let fixture = Fixture::new().await;
    fixture.env.run().await; // 10:00
    fixture.env.create("api");
    fixture.env.run().await; // 11:00
    fixture.env.run().await; // 12:00
    let audit = fixture.env.audit();
    let not_seen = || {
        Requirement::NotSeen(NotSeen {
            longer_than: hours(2),
        })
    };
    let pending = || {
        Requirement::Pending(Pending {
            longer_than: hours(2),
        })
    };
    for (requirement, now, verdict) in [
        (not_seen(), "14:00:00", Verdict::Pass),
        (not_seen(), "14:00:00.001", Verdict::Fail),
        (pending(), "12:00:00", Verdict::Pass),
        (pending(), "12:00:00.001", Verdict::InsufficientData),
        (pending(), "13:00:00", Verdict::InsufficientData),
        (pending(), "13:00:00.001", Verdict::Fail),
    ] {
        let case = format!("{requirement:?} at {now}");
        assert_eq!(
            verdict_now(&audit, requirement, &at(now)).await,
            verdict,
            "{case}"
        );
    }
}

// ------------------------------------------------------------ changes

#[tokio::test]
async fn recent_deletion_fails_even_if_connection_reappeared() {
    let fixture = Fixture::new().await;
    let both = || {
        vec![
            entry(&arn(REGION, "a"), "a", "AVAILABLE"),
            entry(&arn(REGION, "b"), "b", "AVAILABLE"),
        ]
    };
    fixture.list(move |_| last(both())).await; // 10:00
    fixture.list(move |_| last(vec![both()[0].clone()])).await; // 11:00
    fixture.list(move |_| last(both())).await; // 12:00
    let deleted = async |within: &str, time: &str| {
        let as_of = at(time);
        fixture
            .one(&["--deleted-within", within, "--as-of", &as_of])
            .await
    };
    // Exactly one hour ago is within one hour.
    deleted("1h", "11:00:00").await.is("FAIL", "no longer listed at 2026-10-01T11:00:00.000Z, last seen at 2026-10-01T10:00:00.000Z, within 1h");
    let again = deleted("1h", "12:00:00").await;
    again.is("FAIL", "; present again");
    let b = arn(REGION, "b");
    assert_eq!(again.findings[0]["connection_arn"], b);
    assert_eq!(
        again.findings[0]["evidence"],
        json!([change_key(&b, 2), change_key(&b, 3)])
    );
    deleted("1h", "12:00:00.001").await.is("PASS", "");
    // Before the first run and after the last one there is insufficient data.
    deleted("1h", "10:59:59").await.is(
        "INSUFFICIENT_DATA",
        "the record begins at 2026-10-01T10:00:00.000Z",
    );
    deleted("1h", "13:00:00.001")
        .await
        .is("INSUFFICIENT_DATA", "the last complete run started at");
}

#[tokio::test]
async fn held_back_deletions_are_insufficient_data() {
    let fixture = Fixture::new().await;
    let many: Vec<Value> = (0..12)
        .map(|n| entry(&arn(REGION, &format!("c{n}")), "c", "AVAILABLE"))
        .collect();
    let first = many.clone();
    fixture.list(move |_| last(first.clone())).await; // 10:00
    fixture.list(move |_| last(many.clone())).await; // 11:00
    fixture.list(|_| last(Vec::new())).await; // 12:00: held back
    let one = fixture
        .one(&["--deleted-within", "1h", "--as-of", "2026-10-01T12:00:00Z"])
        .await;
    one.is("INSUFFICIENT_DATA", "run 3 held back 12 deletions");
    assert_eq!(one.insufficient[0]["evidence"], json!([run_key(3)]));
}

#[tokio::test]
async fn too_many_status_changes_within_duration_fail() {
    let fixture = Fixture::new().await;
    let arn = fixture.env.create("api");
    fixture.env.run().await; // 10:00
    for status in ["AVAILABLE", "ERROR", "AVAILABLE"] {
        fixture.env.set_status(&arn, status);
        fixture.env.run().await; // 11:00, 12:00, 13:00
    }
    let changes = async |rate: &str, time: &str| {
        let as_of = at(time);
        fixture
            .one(&["--max-status-changes", rate, "--as-of", &as_of])
            .await
    };
    changes("3/2h", "13:00:00").await.is("PASS", "");
    let often = changes("2/2h", "13:00:00").await;
    often.is("FAIL", "changed status 3 times within 2h, more than 2");
    let evidence = [2, 3, 4].map(|version| change_key(&arn, version));
    assert_eq!(often.findings[0]["evidence"], json!(evidence));
    assert_eq!(often.findings[0]["since"], "2026-10-01T11:00:00.000Z");
    // The first change is no longer within the duration.
    changes("2/2h", "13:00:00.001").await.is("PASS", "");
    changes("3/4h", "13:00:00")
        .await
        .is("INSUFFICIENT_DATA", "the record begins at");
    changes("0/4h", "13:00:00")
        .await
        .is("FAIL", "the record begins at");
}

// ------------------------------------------------------------ missing evidence

#[tokio::test]
async fn unobserved_region_in_scope_is_insufficient_data() {
    let fixture = Fixture::new().await;
    fixture.env.create("api");
    let broken = fixture.env.create_in(OPT_IN, "jobs");
    fixture.run_both().await; // 10:00
    fixture.env.deny(OPT_IN);
    fixture.run_both().await; // 11:00
    let as_of = ["--as-of", "2026-10-01T11:30:00Z"];
    for option in [
        &["--in-error"][..],
        &["--allow-provider", "GitHub"],
        &["--allow-host", "x"],
        &["--allow-owner", ACCOUNT],
        &["--name-pattern", ".*"],
        &["--no-shared"],
        &["--no-unknown-values"],
        &["--deleted-within", "1h"],
        &["--max-status-changes", "1/1h"],
    ] {
        let one = fixture.one(&[option, &as_of].concat()).await;
        one.is(
            "INSUFFICIENT_DATA",
            "eu-south-1 was not observed by run 2: page 1: AccessDeniedException",
        );
        let reasons = one.insufficient.iter();
        let mut evidence = reasons.map(|reason| &reason["evidence"]);
        assert!(evidence.any(|keys| *keys == json!([run_key(2)])), "{one:?}");
    }
    fixture
        .one(&["--not-seen-for", "2h", as_of[0], as_of[1]])
        .await
        .is("PASS", "");
    // Observed connections are still evaluated, and both results are reported.
    let both = fixture
        .one(&[&["--allow-provider", "GitLab"], &as_of[..]].concat())
        .await;
    assert_eq!(both.is("FAIL", "was not observed").findings.len(), 2);
    let scoped = |regions: &str| format!("kind = \"shared\"\nscope = {{ regions = [{regions}] }}");
    for (regions, verdict) in [
        ("\"eu-west-1\"", "PASS"),
        ("\"eu-south-1\"", "INSUFFICIENT_DATA"),
        ("\"eu-west-1\", \"eu-south-1\"", "INSUFFICIENT_DATA"),
        // Not listed itself, but the failed region may list its connections.
        ("\"us-east-1\"", "INSUFFICIENT_DATA"),
    ] {
        fixture.rule(&scoped(regions), &as_of).await.is(verdict, "");
    }
    fixture.env.allow(OPT_IN);
    fixture.env.delete(&broken);
    fixture.run_both().await; // 12:00
    let later = ["--as-of", "2026-10-01T12:30:00Z"];
    fixture
        .rule(&scoped("\"eu-south-1\""), &later)
        .await
        .is("PASS", "");
    let never = fixture.rule(&scoped("\"us-east-1\""), &later).await;
    never.is("INSUFFICIENT_DATA", "us-east-1 was not listed");
}

#[tokio::test]
async fn without_complete_run_only_failures_are_certain() {
    let fixture = Fixture::new().await;
    fixture
        .list(|asked| match asked.token {
            None => {
                let entries = vec![entry(&arn(REGION, "a"), "a", "ERROR")];
                Reply::Page(entries, Some("next".to_owned()))
            }
            Some(_) => Reply::Error(403, "AccessDeniedException"),
        })
        .await; // 10:00, PARTIAL
    let as_of = ["--as-of", "2026-10-01T10:30:00Z"];
    let one = fixture.one(&[&["--in-error"], &as_of[..]].concat()).await;
    one.is(
        "FAIL",
        "no complete run finished by 2026-10-01T10:30:00.000Z",
    );
    assert_eq!(one.ids().0, ["a"]);
    let others = [
        &["--no-shared"][..],
        &["--not-seen-for", "2h"],
        &["--deleted-within", "1m"],
        &["--max-status-changes", "1/1m"],
        &["--pending-longer-than", "2h"],
    ];
    for option in others {
        let one = fixture.one(&[option, &as_of].concat()).await;
        one.is("INSUFFICIENT_DATA", "no complete run finished by");
    }
    let before = fixture
        .ask(&["--in-error", "--as-of", "2026-10-01T09:30:00Z"])
        .await;
    assert_eq!(before.code, 4);
    assert!(
        before.complaint().contains("no run had ended by"),
        "{before:?}"
    );
}

/// Replaces the item with the same keys.
async fn put(env: &TestEnv, item: HashMap<String, AttributeValue>) {
    let put = env.table.client().put_item();
    let put = put
        .table_name(env.table.name().as_str())
        .set_item(Some(item));
    put.send().await.expect("put");
}

#[tokio::test]
async fn unreadable_record_is_insufficient_data_not_an_error() {
    let fixture = Fixture::new().await;
    let (api, ui) = (fixture.env.create("api"), fixture.env.create("ui"));
    fixture.env.run().await; // 10:00
    fixture.env.set_status(&ui, "AVAILABLE");
    fixture.env.run().await; // 11:00
    let changes = fixture.env.changes(&api).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let keys_of = |key: &Value| {
        let part = |name: &str| (name.to_owned(), text(key[name].as_str().expect("text")));
        HashMap::from([part("pk"), part("sk")])
    };
    // An inserted snapshot.
    put(&fixture.env, keys_of(&snapshot_key(&api))).await;
    let one = fixture.one(&["--no-shared"]).await;
    one.is("INSUFFICIENT_DATA", "attribute");
    assert_eq!(
        (one.evaluated, &one.insufficient[0]["evidence"]),
        (1, &json!([snapshot_key(&api)]))
    );
    // The changes still contain the state at that time.
    let as_of = ["--as-of", "2026-10-01T11:30:00Z"];
    fixture
        .one(&[&["--no-shared"], &as_of[..]].concat())
        .await
        .is("PASS", "");
    // An unreadable change: the changes are insufficient data.
    let mut item = codec::change_item(&changes[0]);
    item.insert("kind".to_owned(), text("NOTHING"));
    put(&fixture.env, item).await;
    for option in [
        &["--no-shared"][..],
        &["--deleted-within", "2h"],
        &["--max-status-changes", "1/2h"],
    ] {
        let one = fixture.one(&[option, &as_of].concat()).await;
        one.is("INSUFFICIENT_DATA", "kind");
    }
    // An unreadable run: the whole account has insufficient data.
    put(&fixture.env, keys_of(&run_key(2))).await;
    for option in [
        &["--max-run-age", "2h"][..],
        &["--in-error"],
        &["--not-seen-for", "2h"],
    ] {
        let one = fixture.one(&[option, &as_of].concat()).await;
        one.is("INSUFFICIENT_DATA", "RUN#000000000002");
    }
    fixture
        .one(&["--allow-account", ACCOUNT])
        .await
        .is("PASS", "");
    // Unreadable items still prove that the account is recorded.
    fixture
        .one(&["--allow-account", OTHER_ACCOUNT])
        .await
        .is("FAIL", "account 123456789012 is recorded");
}

// ------------------------------------------------------------ requests

#[tokio::test]
async fn check_reads_only_what_its_rules_need() {
    let fixture = Fixture::new().await;
    fixture.env.run().await; // 10:00
    fixture.env.create("api");
    fixture.env.run().await; // 11:00
    let requests = async |requirements: Vec<Requirement>, moment: fn(Timestamp) -> Moment| {
        let meter = Arc::new(Meter::default());
        let audit = Audit::new(fixture.env.table.metered(Arc::clone(&meter)));
        let rules: Vec<Rule> = requirements.into_iter().map(rule).collect();
        let time = at("11:30:00").parse().expect("a time");
        let check_report = audit.check(&rules, None, moment(time)).await.expect("read");
        assert_eq!(check_report.rules.len(), rules.len());
        meter.requests().read
    };
    let runs = || {
        Requirement::NoCompleteRun(NoCompleteRun {
            longer_than: hours(2),
        })
    };
    let basis = requests(vec![runs()], Moment::Now).await;
    // The connections are read once for any number of rules.
    assert_eq!(
        requests(vec![Requirement::Shared(Shared)], Moment::Now).await,
        basis + 1
    );
    let several = vec![
        runs(),
        Requirement::Shared(Shared),
        Requirement::UnknownValue(UnknownValue),
        Requirement::Error(Error { longer_than: None }),
    ];
    assert_eq!(requests(several, Moment::Now).await, basis + 1);
    let seen = || {
        Requirement::NotSeen(NotSeen {
            longer_than: hours(2),
        })
    };
    assert_eq!(requests(vec![seen()], Moment::Now).await, basis + 1);
    // The changes are read only if the result depends on them.
    let pending = |n| {
        Requirement::Pending(Pending {
            longer_than: hours(n),
        })
    };
    assert_eq!(requests(vec![pending(2)], Moment::Now).await, basis + 2);
    let minute = Requirement::Pending(Pending {
        longer_than: Duration::from_millis(60_000).expect("a duration"),
    });
    assert_eq!(requests(vec![minute], Moment::Now).await, basis + 1);
    // Rules about the past read the changes once, and the first run.
    let back = || Requirement::Deleted(Deleted { within: hours(1) });
    let often = Requirement::StatusChanges(StatusChanges {
        more_than: 1,
        within: hours(2),
    });
    assert_eq!(
        requests(vec![back(), often, pending(2)], Moment::Now).await,
        basis + 3
    );
    assert_eq!(
        requests(vec![Requirement::Shared(Shared)], Moment::AsOf).await,
        basis + 1
    );
    // A rule about another account reads nothing.
    let elsewhere = Rule {
        scope: Scope {
            accounts: Some([OTHER_ACCOUNT.parse::<AccountId>().expect("an id")].into()),
            ..Scope::default()
        },
        ..rule(Requirement::Shared(Shared))
    };
    let meter = Arc::new(Meter::default());
    let audit = Audit::new(fixture.env.table.metered(Arc::clone(&meter)));
    let now = Moment::Now(at("11:30:00").parse().expect("a time"));
    let account = account();
    audit
        .check(&[elsewhere], Some(&account), now)
        .await
        .expect("read");
    assert_eq!(meter.requests().read, 0);
}
