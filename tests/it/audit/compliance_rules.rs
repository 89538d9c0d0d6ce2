//! `ccinv check`: each kind of rule kept, broken and not to be judged, on
//! tables made by real runs.

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

/// A lab, and the command line that judges its table.
struct Evaluated {
    env: TestEnv,
    ccinv: Ccinv,
}

impl Evaluated {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let ccinv = Ccinv::at(&env);
        Self { env, ccinv }
    }

    /// One run of these entries, an hour after the last.
    async fn of(entries: Vec<Value>) -> Self {
        let this = Self::new().await;
        this.list(move |_| last(entries.clone())).await;
        this
    }

    /// A run of what a script says, an hour after the last.
    async fn list(
        &self,
        lines: impl Fn(&crate::support::scripted_service::Asked) -> Reply + Send + Sync + 'static,
    ) {
        self.env.clock.advance(HOUR);
        let script = Script::start(lines).await;
        self.env.run_with(&script.endpoint, &json!({})).await;
    }

    /// A run of both regions, an hour after the last.
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

    /// The exit code and the result.
    async fn check(&self, arguments: &[&str]) -> (i32, Value) {
        let done = self.ask(&[arguments, &["--json"]].concat()).await;
        let result = serde_json::from_str(&done.stdout);
        (done.code, result.unwrap_or_else(|_| panic!("{done:?}")))
    }

    /// What the only rule that is given comes to in the only account, and the
    /// exit code that goes with it.
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

    /// The same of a rule from a file: the keys after id and severity.
    async fn rule(&self, keys: &str, more: &[&str]) -> One {
        let file = self.ccinv.folder().join("rules.toml");
        let text = format!("[[rule]]\nid = \"it\"\nseverity = \"low\"\n{keys}\n");
        std::fs::write(file, text).expect("written");
        self.one(&[&["--rules", "rules.toml"], more].concat()).await
    }
}

/// What one rule came to in one account.
#[derive(Debug)]
struct One {
    verdict: String,
    judged: u64,
    findings: Vec<Value>,
    not_judged: Vec<Value>,
    excepted: Vec<Value>,
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
            judged: result["judged"].as_u64().expect("a number"),
            findings: list("findings"),
            not_judged: list("not_judged"),
            excepted: list("excepted"),
        }
    }

    /// The ids of the connections that break the rule, and of those that
    /// could not be judged.
    fn ids(&self) -> (Vec<String>, Vec<String>) {
        let id = |value: &Value| {
            let arn = value["connection_arn"].as_str().unwrap_or("/-");
            arn.rsplit('/').next().expect("an id").to_owned()
        };
        let ids = |values: &[Value]| values.iter().map(id).collect();
        (ids(&self.findings), ids(&self.not_judged))
    }

    #[track_caller]
    fn is(&self, verdict: &str, says: &str) -> &Self {
        assert_eq!(self.verdict, verdict, "{self:#?}");
        let told = format!("{:?} {:?}", self.findings, self.not_judged);
        let told = told.replace("\\\\", "\\");
        assert!(told.contains(says), "{says:?} in {told}");
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

/// 2026-10-01, `time`.
fn at(time: &str) -> String {
    format!("2026-10-01T{time}Z")
}

// ------------------------------------------------------- how long in a status

#[tokio::test]
async fn pending_too_long_is_judged_by_the_window_in_which_it_became_so() {
    let judged = Evaluated::new().await;
    judged.env.run().await; // 10:00
    let arn = judged.env.create("api");
    judged.env.run().await; // 11:00: made between 10:00 and 11:00
    let two_hours = async |time: &str| {
        judged
            .one(&["--pending-longer-than", "2h", "--as-of", &at(time)])
            .await
    };

    two_hours("10:30:00").await.is("PASS", "");
    // At most 2 h; between 1 and 2 h and a moment; exactly 2 h at least; more.
    two_hours("12:00:00").await.is("PASS", "");
    let unknown = "became PENDING between 2026-10-01T10:00:00.000Z and 2026-10-01T11:00:00.000Z";
    two_hours("12:00:00.001")
        .await
        .is("INSUFFICIENT_DATA", unknown);
    two_hours("13:00:00").await.is("INSUFFICIENT_DATA", unknown);
    let broken = two_hours("13:00:00.001").await;
    broken.is(
        "FAIL",
        "PENDING since 2026-10-01T11:00:00.000Z, longer than 2h",
    );
    let finding = &broken.findings[0];
    assert_eq!(finding["connection_arn"], arn);
    assert_eq!(finding["connection_name"], "api");
    assert_eq!(finding["since"], "2026-10-01T11:00:00.000Z");
    assert_eq!(finding["evidence"], json!([change_key(&arn, 1)]));

    judged.env.set_status(&arn, "AVAILABLE");
    judged.env.run().await; // 12:00
    two_hours("20:00:00").await.is("PASS", "");
    // As it is now, the snapshot shows it too.
    judged.env.set_status(&arn, "PENDING");
    judged.env.run().await; // 13:00
    let now = judged.one(&["--pending-longer-than", "1m"]).await;
    now.is("FAIL", "PENDING since 2026-10-01T13:00:00.000Z");
    let evidence = json!([snapshot_key(&arn), change_key(&arn, 3)]);
    assert_eq!(now.findings[0]["evidence"], evidence);
}

#[tokio::test]
async fn pending_since_before_anybody_looked_is_not_known_to_be_short() {
    let judged = Evaluated::of(vec![entry(&arn(REGION, "a"), "a", "PENDING")]).await; // 10:00
    let as_of = [
        "--pending-longer-than",
        "7d",
        "--as-of",
        "2026-10-01T11:00:00Z",
    ];
    let one = judged.one(&as_of).await;
    one.is("INSUFFICIENT_DATA", "PENDING when first observed at");
    assert_eq!(one.ids(), (vec![], vec!["a".to_owned()]));
}

#[tokio::test]
async fn error_is_a_finding_at_once_or_after_a_span() {
    let judged = Evaluated::new().await;
    judged.env.run().await; // 10:00
    let arn = judged.env.create("api");
    judged.env.run().await; // 11:00
    let in_error = ["--in-error", "--as-of", "2026-10-01T11:30:00Z"];
    assert_eq!(judged.one(&in_error).await.is("PASS", "").judged, 1);
    judged.env.set_status(&arn, "ERROR");
    judged.env.run().await; // 12:00
    let as_of = |time: &str| ["--as-of".to_owned(), at(time)];
    for (time, verdict) in [
        ("13:00:00", "PASS"), // since 11:00 at the earliest
        ("13:00:00.001", "INSUFFICIENT_DATA"),
        ("14:00:00", "INSUFFICIENT_DATA"),
        ("14:00:00.001", "FAIL"),
    ] {
        let [option, time] = as_of(time);
        let longer = ["--in-error-longer-than", "2h", &option, &time];
        judged.one(&longer).await.is(verdict, "");
        let at_once = judged.one(&["--in-error", &option, &time]).await;
        at_once.is("FAIL", "in ERROR since 2026-10-01T12:00:00.000Z");
    }
    // Without a status, neither can be said.
    judged
        .list(move |_| {
            let bare = json!({"ConnectionArn": arn, "ConnectionName": "api"});
            last(vec![bare])
        })
        .await; // 13:00
    let one = judged.one(&["--in-error"]).await;
    one.is("INSUFFICIENT_DATA", "status is missing");
}

// ------------------------------------------------------------ what it is

/// Connections with every kind of value, one run of them.
async fn every_kind() -> Evaluated {
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
    Evaluated::of(vec![
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
async fn values_are_judged_and_a_missing_one_is_dealt_with_as_each_rule_says() {
    let judged = every_kind().await;
    let host = "arn:aws:codeconnections:eu-west-1:123456789012:host/h-1";
    let none: &[&str] = &[];
    // The option, then what breaks the rule, then what can't be judged.
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
    for (option, broken, unknown) in cases {
        for as_of in [&[][..], &["--as-of", "2026-10-01T10:00:00Z"]] {
            let one = judged.one(&[option, as_of].concat()).await;
            let (findings, not_judged) = one.ids();
            assert_eq!(sorted(findings), broken, "{option:?} {as_of:?}");
            assert_eq!(sorted(not_judged), unknown, "{option:?} {as_of:?}");
            assert_eq!(one.judged as usize + unknown.len(), 8, "{option:?}");
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
        judged.one(&[option]).await.is("FAIL", says);
    }
    let fine = judged
        .rule("kind = \"shared\"\nscope = { names = \"a-name\" }", &[])
        .await;
    assert_eq!(fine.is("INSUFFICIENT_DATA", "name is missing").judged, 1);
    let fine = judged
        .rule(
            "kind = \"unknown-value\"\nscope = { providers = [\"GitLabSelfManaged\"] }",
            &[],
        )
        .await;
    assert_eq!(fine.ids(), (vec![], vec!["c-bare".to_owned()]));
    let no_host = judged.rule("kind = \"host\"\nallowed = []", &[]).await;
    assert_eq!(no_host.ids().0, ["hosted"]);
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[tokio::test]
async fn a_value_that_every_connection_has_passes() {
    let judged = Evaluated::of(vec![entry(&arn(REGION, "a"), "a", "AVAILABLE")]).await;
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
        let one = judged.one(option).await;
        assert_eq!(one.is("PASS", "").judged, 1, "{option:?}");
    }
}

#[tokio::test]
async fn since_when_a_value_breaks_a_rule_is_told_by_the_change_that_brought_it() {
    let judged = Evaluated::new().await;
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
        judged.list(move |_| last(vec![entry.clone()])).await; // 10:00 to 15:00
    }
    let since = async |time: &str| {
        let as_of = at(time);
        let one = judged
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
    let now = judged.one(&["--no-shared"]).await;
    assert_eq!(now.findings[0]["since"], began("14:00:00"));
}

#[tokio::test]
async fn exceptions_are_told_and_are_no_findings() {
    let judged = every_kind().await;
    let owner = arn(REGION, "b-owner");
    let rule = format!(
        "kind = \"shared\"\nexcept = [\n{{ connection = \"{owner}\", reason = \"agreed\" }},\n\
         {{ connection = \"other-name\", reason = \"theirs\" }},\n\
         {{ connection = \"a-name\", reason = \"keeps it anyway\" }}]"
    );
    let one = judged.rule(&rule, &[]).await;
    one.is("PASS", "");
    let told: Vec<(&str, &str)> = one
        .excepted
        .iter()
        .map(|e| {
            let text = |name: &str| e[name].as_str().expect("text");
            (text("reason"), text("message"))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("agreed", "belongs to account 222222222222, by its owner"),
            ("theirs", "belongs to account 222222222222, by its ARN"),
        ]
    );
}

// --------------------------------------------------------- accounts and runs

#[tokio::test]
async fn accounts_are_judged_one_by_one_and_one_that_is_not_recorded_never_passes() {
    let judged = Evaluated::new().await;
    judged.env.run().await; // 10:00
    let allow = ["--allow-account", OTHER_ACCOUNT];
    let one = judged.one(&allow).await;
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
        let one = judged.rule(&format!("{rule}\n{scope}"), &[]).await;
        one.is("INSUFFICIENT_DATA", "no run finished by");
    }
    let rule = format!("kind = \"no-complete-run\"\nlonger_than = \"26h\"\n{scope}");
    judged
        .rule(&rule, &[])
        .await
        .is("FAIL", "no complete run finished by");
    // A rule about none of the accounts that are asked for was not judged.
    let (code, result) = judged
        .check(&["--rules", "rules.toml", "--account", ACCOUNT])
        .await;
    assert_eq!(
        (code, &result["rules"][0]["verdict"]),
        (4, &json!("INSUFFICIENT_DATA"))
    );
    // Nothing recorded at all is no result.
    let done = judged.ask(&["--account", OTHER_ACCOUNT]).await;
    assert_eq!(done.code, 4);
    assert!(
        done.complaint().contains("no run of account 222222222222"),
        "{done:?}"
    );
}

#[tokio::test]
async fn a_rule_is_judged_in_every_account_that_it_is_about() {
    let judged = Evaluated::new().await;
    let other = Ccinv::at(&judged.env).with("AWS_ACCESS_KEY_ID", OTHER_ACCOUNT);
    let table = judged.env.table.name().as_str();
    other.fine(&["scan", "--table", table]).await;
    judged.env.create("api");
    judged.env.run().await;
    let broken = judged.env.create("broken");
    judged.env.set_status(&broken, "ERROR");
    judged.env.run().await;
    let (code, result) = judged
        .check(&["--in-error", "--allow-account", ACCOUNT])
        .await;
    assert_eq!(code, 3);
    let verdicts = |rule: usize| {
        let accounts = result["rules"][rule]["accounts"]
            .as_array()
            .expect("accounts");
        let told = accounts
            .iter()
            .map(|a| (a["account"].clone(), a["verdict"].clone()));
        told.collect::<Vec<_>>()
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
    let (code, _) = judged
        .check(&["--in-error", "--account", OTHER_ACCOUNT])
        .await;
    assert_eq!(code, 0);
}

#[tokio::test]
async fn a_complete_run_that_is_too_old_or_never_was_is_a_finding() {
    let judged = Evaluated::new().await;
    judged.env.deny(REGION);
    judged.env.run().await; // 10:00, FAILED
    let age = async |time: &str| {
        judged
            .one(&["--max-run-age", "2h", "--as-of", &at(time)])
            .await
    };
    let never = age("10:30:00").await;
    never.is(
        "FAIL",
        "no complete run finished by 2026-10-01T10:30:00.000Z",
    );
    assert_eq!(never.findings[0]["evidence"], json!([run_key(1)]));
    judged.env.allow(REGION);
    judged.env.run().await; // 11:00
    age("13:00:00").await.is("PASS", "");
    let old = age("13:00:00.001").await;
    old.is(
        "FAIL",
        "the last complete run, 2, started at 2026-10-01T11:00:00.000Z",
    );
    assert_eq!(old.findings[0]["evidence"], json!([run_key(2)]));
    assert_eq!(old.findings[0]["since"], "2026-10-01T11:00:00.000Z");
    judged.env.deny(REGION);
    judged.env.run().await; // 12:00: a run, but no complete one
    let old = age("14:00:00").await;
    assert_eq!(old.findings[0]["evidence"], json!([run_key(2), run_key(3)]));
}

// ------------------------------------------------------------ last seen

#[tokio::test]
async fn what_was_not_seen_lately_is_judged_by_the_runs_of_the_time() {
    let judged = Evaluated::new().await;
    let arn = judged.env.create("api");
    judged.env.run().await; // 10:00
    judged.env.deny(REGION);
    judged.env.run().await; // 11:00: not a page
    let seen = async |time: &str| {
        judged
            .one(&["--not-seen-for", "2h", "--as-of", &at(time)])
            .await
    };
    seen("12:00:00").await.is("PASS", "");
    let broken = seen("12:00:00.001").await;
    broken.is("FAIL", "no run since 2026-10-01T10:00:00.001Z observed it");
    assert_eq!(broken.findings[0]["connection_arn"], arn);
    // A run that saw a page and not the next one may have seen it.
    judged
        .list(|asked| match asked.token {
            None => Reply::Page(Vec::new(), Some("next".to_owned())),
            Some(_) => Reply::Error(403, "AccessDeniedException"),
        })
        .await; // 12:00
    seen("13:00:00")
        .await
        .is("INSUFFICIENT_DATA", "run 3 may have observed it");
    judged.env.allow(REGION);
    judged.env.run().await; // 13:00
    seen("15:00:00").await.is("PASS", "");
    // Now is long after.
    let now = judged.one(&["--not-seen-for", "2h"]).await;
    now.is("FAIL", "last seen at 2026-10-01T13:00:00.000Z");
    assert_eq!(now.findings[0]["since"], "2026-10-01T13:00:00.000Z");
}

fn hours(hours: i64) -> Duration {
    Duration::from_millis(hours * 3_600_000).expect("a span")
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
async fn now_is_judged_by_the_snapshots_to_the_millisecond() {
    let judged = Evaluated::new().await;
    judged.env.run().await; // 10:00
    judged.env.create("api");
    judged.env.run().await; // 11:00
    judged.env.run().await; // 12:00
    let audit = judged.env.audit();
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
        let told = format!("{requirement:?} at {now}");
        assert_eq!(
            verdict_now(&audit, requirement, &at(now)).await,
            verdict,
            "{told}"
        );
    }
}

// ------------------------------------------------------------ changes

#[tokio::test]
async fn what_was_deleted_lately_is_a_finding_even_if_it_is_there_again() {
    let judged = Evaluated::new().await;
    let both = || {
        vec![
            entry(&arn(REGION, "a"), "a", "AVAILABLE"),
            entry(&arn(REGION, "b"), "b", "AVAILABLE"),
        ]
    };
    judged.list(move |_| last(both())).await; // 10:00
    judged.list(move |_| last(vec![both()[0].clone()])).await; // 11:00
    judged.list(move |_| last(both())).await; // 12:00
    let deleted = async |within: &str, time: &str| {
        let as_of = at(time);
        judged
            .one(&["--deleted-within", within, "--as-of", &as_of])
            .await
    };
    // Exactly the span is within it.
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
    // Before the first run, and while nobody looked, nothing is known.
    deleted("1h", "10:59:59").await.is(
        "INSUFFICIENT_DATA",
        "the record begins at 2026-10-01T10:00:00.000Z",
    );
    deleted("1h", "13:00:00.001")
        .await
        .is("INSUFFICIENT_DATA", "the last complete run started at");
}

#[tokio::test]
async fn deletions_that_were_held_back_are_not_none() {
    let judged = Evaluated::new().await;
    let many: Vec<Value> = (0..12)
        .map(|n| entry(&arn(REGION, &format!("c{n}")), "c", "AVAILABLE"))
        .collect();
    let first = many.clone();
    judged.list(move |_| last(first.clone())).await; // 10:00
    judged.list(move |_| last(many.clone())).await; // 11:00
    judged.list(|_| last(Vec::new())).await; // 12:00: held back
    let one = judged
        .one(&["--deleted-within", "1h", "--as-of", "2026-10-01T12:00:00Z"])
        .await;
    one.is("INSUFFICIENT_DATA", "run 3 held back 12 deletions");
    assert_eq!(one.not_judged[0]["evidence"], json!([run_key(3)]));
}

#[tokio::test]
async fn often_is_more_than_so_many_changes_of_status_in_a_span() {
    let judged = Evaluated::new().await;
    let arn = judged.env.create("api");
    judged.env.run().await; // 10:00
    for status in ["AVAILABLE", "ERROR", "AVAILABLE"] {
        judged.env.set_status(&arn, status);
        judged.env.run().await; // 11:00, 12:00, 13:00
    }
    let changes = async |rate: &str, time: &str| {
        let as_of = at(time);
        judged
            .one(&["--max-status-changes", rate, "--as-of", &as_of])
            .await
    };
    changes("3/2h", "13:00:00").await.is("PASS", "");
    let often = changes("2/2h", "13:00:00").await;
    often.is("FAIL", "changed status 3 times within 2h, more than 2");
    let evidence = [2, 3, 4].map(|version| change_key(&arn, version));
    assert_eq!(often.findings[0]["evidence"], json!(evidence));
    assert_eq!(often.findings[0]["since"], "2026-10-01T11:00:00.000Z");
    // The first of them is no longer within it.
    changes("2/2h", "13:00:00.001").await.is("PASS", "");
    changes("3/4h", "13:00:00")
        .await
        .is("INSUFFICIENT_DATA", "the record begins at");
    changes("0/4h", "13:00:00")
        .await
        .is("FAIL", "the record begins at");
}

// ------------------------------------------------------------ what is missing

#[tokio::test]
async fn a_region_that_was_not_observed_is_a_reason_unless_the_rule_is_not_about_it() {
    let judged = Evaluated::new().await;
    judged.env.create("api");
    let broken = judged.env.create_in(OPT_IN, "jobs");
    judged.run_both().await; // 10:00
    judged.env.deny(OPT_IN);
    judged.run_both().await; // 11:00
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
        let one = judged.one(&[option, &as_of].concat()).await;
        one.is(
            "INSUFFICIENT_DATA",
            "eu-south-1 was not observed by run 2: page 1: AccessDeniedException",
        );
        let reasons = one.not_judged.iter();
        let mut evidence = reasons.map(|reason| &reason["evidence"]);
        assert!(evidence.any(|keys| *keys == json!([run_key(2)])), "{one:?}");
    }
    judged
        .one(&["--not-seen-for", "2h", as_of[0], as_of[1]])
        .await
        .is("PASS", "");
    // What is known is judged all the same, and both are told.
    let both = judged
        .one(&[&["--allow-provider", "GitLab"], &as_of[..]].concat())
        .await;
    assert_eq!(both.is("FAIL", "was not observed").findings.len(), 2);
    let scoped = |regions: &str| format!("kind = \"shared\"\nscope = {{ regions = [{regions}] }}");
    for (regions, verdict) in [
        ("\"eu-west-1\"", "PASS"),
        ("\"eu-south-1\"", "INSUFFICIENT_DATA"),
        ("\"eu-west-1\", \"eu-south-1\"", "INSUFFICIENT_DATA"),
        // Not asked itself: the one that failed may have listed it.
        ("\"us-east-1\"", "INSUFFICIENT_DATA"),
    ] {
        judged.rule(&scoped(regions), &as_of).await.is(verdict, "");
    }
    judged.env.allow(OPT_IN);
    judged.env.delete(&broken);
    judged.run_both().await; // 12:00
    let later = ["--as-of", "2026-10-01T12:30:00Z"];
    judged
        .rule(&scoped("\"eu-south-1\""), &later)
        .await
        .is("PASS", "");
    let never = judged.rule(&scoped("\"us-east-1\""), &later).await;
    never.is("INSUFFICIENT_DATA", "us-east-1 was not listed");
}

#[tokio::test]
async fn without_a_complete_run_only_what_is_broken_is_certain() {
    let judged = Evaluated::new().await;
    judged
        .list(|asked| match asked.token {
            None => {
                let entries = vec![entry(&arn(REGION, "a"), "a", "ERROR")];
                Reply::Page(entries, Some("next".to_owned()))
            }
            Some(_) => Reply::Error(403, "AccessDeniedException"),
        })
        .await; // 10:00, PARTIAL
    let as_of = ["--as-of", "2026-10-01T10:30:00Z"];
    let one = judged.one(&[&["--in-error"], &as_of[..]].concat()).await;
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
        let one = judged.one(&[option, &as_of].concat()).await;
        one.is("INSUFFICIENT_DATA", "no complete run finished by");
    }
    let before = judged
        .ask(&["--in-error", "--as-of", "2026-10-01T09:30:00Z"])
        .await;
    assert_eq!(before.code, 4);
    assert!(
        before.complaint().contains("no run had ended by"),
        "{before:?}"
    );
}

/// Puts an item in place of the one with its keys.
async fn put(env: &TestEnv, item: HashMap<String, AttributeValue>) {
    let put = env.table.client().put_item();
    let put = put
        .table_name(env.table.name().as_str())
        .set_item(Some(item));
    put.send().await.expect("put");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_a_reason_and_no_failure() {
    let judged = Evaluated::new().await;
    let (api, ui) = (judged.env.create("api"), judged.env.create("ui"));
    judged.env.run().await; // 10:00
    judged.env.set_status(&ui, "AVAILABLE");
    judged.env.run().await; // 11:00
    let changes = judged.env.changes(&api).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let keys_of = |key: &Value| {
        let part = |name: &str| (name.to_owned(), text(key[name].as_str().expect("text")));
        HashMap::from([part("pk"), part("sk")])
    };
    // A snapshot that somebody put in.
    put(&judged.env, keys_of(&snapshot_key(&api))).await;
    let one = judged.one(&["--no-shared"]).await;
    one.is("INSUFFICIENT_DATA", "attribute");
    assert_eq!(
        (one.judged, &one.not_judged[0]["evidence"]),
        (1, &json!([snapshot_key(&api)]))
    );
    // The changes still say how it was then.
    let as_of = ["--as-of", "2026-10-01T11:30:00Z"];
    judged
        .one(&[&["--no-shared"], &as_of[..]].concat())
        .await
        .is("PASS", "");
    // A change that can't be read: nothing is known from the changes.
    let mut item = codec::change_item(&changes[0]);
    item.insert("kind".to_owned(), text("NOTHING"));
    put(&judged.env, item).await;
    for option in [
        &["--no-shared"][..],
        &["--deleted-within", "2h"],
        &["--max-status-changes", "1/2h"],
    ] {
        let one = judged.one(&[option, &as_of].concat()).await;
        one.is("INSUFFICIENT_DATA", "kind");
    }
    // Nor of the account at all, if its runs can't be read.
    put(&judged.env, keys_of(&run_key(2))).await;
    for option in [
        &["--max-run-age", "2h"][..],
        &["--in-error"],
        &["--not-seen-for", "2h"],
    ] {
        let one = judged.one(&[option, &as_of].concat()).await;
        one.is("INSUFFICIENT_DATA", "RUN#000000000002");
    }
    judged
        .one(&["--allow-account", ACCOUNT])
        .await
        .is("PASS", "");
    // Items that can't be read show that the account is recorded.
    judged
        .one(&["--allow-account", OTHER_ACCOUNT])
        .await
        .is("FAIL", "account 123456789012 is recorded");
}

// ------------------------------------------------------------ what is read

#[tokio::test]
async fn only_what_the_rules_need_is_read_and_nothing_is_scanned() {
    let judged = Evaluated::new().await;
    judged.env.run().await; // 10:00
    judged.env.create("api");
    judged.env.run().await; // 11:00
    let requests = async |requirements: Vec<Requirement>, moment: fn(Timestamp) -> Moment| {
        let meter = Arc::new(Meter::default());
        let audit = Audit::new(judged.env.table.metered(Arc::clone(&meter)));
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
    // The connections, once for however many rules.
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
    // The changes, only if it is not clear without them.
    let pending = |n| {
        Requirement::Pending(Pending {
            longer_than: hours(n),
        })
    };
    assert_eq!(requests(vec![pending(2)], Moment::Now).await, basis + 2);
    let minute = Requirement::Pending(Pending {
        longer_than: Duration::from_millis(60_000).expect("a span"),
    });
    assert_eq!(requests(vec![minute], Moment::Now).await, basis + 1);
    // Once, and the first run, for what reaches back.
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
    // A rule about no account that is there reads nothing of it.
    let elsewhere = Rule {
        scope: Scope {
            accounts: Some([OTHER_ACCOUNT.parse::<AccountId>().expect("an id")].into()),
            ..Scope::default()
        },
        ..rule(Requirement::Shared(Shared))
    };
    let meter = Arc::new(Meter::default());
    let audit = Audit::new(judged.env.table.metered(Arc::clone(&meter)));
    let now = Moment::Now(at("11:30:00").parse().expect("a time"));
    let account = account();
    audit
        .check(&[elsewhere], Some(&account), now)
        .await
        .expect("read");
    assert_eq!(meter.requests().read, 0);
}
