//! Evaluations of rules are recorded as runs: findings open, close and open again.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::ccinv::Ccinv;
use crate::support::moto::Moto;
use crate::support::proxy::{Act, Proxy, Reply};
use crate::support::python::{fine, python};
use crate::support::raw_items::{found, get, put};
use crate::support::test_env::{self, ACCOUNT, REGION, TestEnv, account, options, quick, region};
use codeconnections_inventory::audit::findings::{EvaluationsBasis, FindingFilter, FindingRow};
use codeconnections_inventory::aws::Meter;
use codeconnections_inventory::aws::json_client::{JsonClient, Service};
use codeconnections_inventory::domain::{
    Change, ChangeKind, Clock, Finding, Outcome, RunRecord, Timestamp, TombstoneGuard,
};
use codeconnections_inventory::findings::{Evaluator, RuleSource, RuleText, SecurityHub};
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::inventory::{Inventory, RunOptions};
use codeconnections_inventory::lambda::handler::{AllowedAccounts, Handler, HandlerError};
use codeconnections_inventory::lambda::response::Response;
use codeconnections_inventory::listing::Lists;
use codeconnections_inventory::local::ManualClock;
use codeconnections_inventory::table::Table;
use codeconnections_inventory::table::codec;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

pub(super) const IN_ERROR: &str =
    "[[rule]]\nid = \"in-error\"\nkind = \"error\"\nseverity = \"high\"\n";

/// Two regions: the connections of one are observed even if the other is denied.
const OTHER_REGION: &str = "eu-south-1";

pub(super) struct Fixture {
    pub(super) env: TestEnv,
    both: Value,
    hub: Option<SecurityHub>,
}

impl Fixture {
    async fn new() -> Self {
        Self {
            env: TestEnv::new().await,
            both: json!({"regions": [REGION, OTHER_REGION]}),
            hub: None,
        }
    }

    /// Returns a record in which a connection is in ERROR, and its ARN.
    pub(super) async fn in_error() -> (Self, String) {
        let fixture = Self::new().await;
        let arn = fixture.env.create("payments");
        fixture.env.set_status(&arn, "ERROR");
        fixture.list().await;
        (fixture, arn)
    }

    /// Returns the same with a hub, which has imported nothing.
    pub(super) async fn in_error_with(hub: SecurityHub) -> (Self, String) {
        let (fixture, arn) = Self::in_error().await;
        let hub = Some(hub);
        (Self { hub, ..fixture }, arn)
    }

    pub(super) fn findings(&self) -> Table<Finding> {
        self.env.table.of_kind()
    }

    pub(super) fn evaluator(&self, rules: &str) -> Handler<Evaluator, Arc<ManualClock>, Finding> {
        Handler {
            inventory: Inventory {
                source: Evaluator {
                    audit: self.env.audit(),
                    rules: RuleSource::Text(RuleText {
                        source: "rules.toml".into(),
                        version: Some("7".into()),
                        text: rules.to_owned(),
                    }),
                    security_hub: self.hub.clone(),
                },
                table: self.findings(),
                clock: Arc::clone(&self.env.clock),
                options: RunOptions {
                    guard: TombstoneGuard::Off,
                    ..options()
                },
            },
            accounts: AllowedAccounts::Listed(vec![account()]),
            regions: Vec::new(),
            retired_regions: Vec::new(),
            random: || fastrand::u128(..),
        }
    }

    /// Lists connections an hour later.
    pub(super) async fn list(&self) -> Summary {
        self.env.clock.advance(test_env::HOUR);
        test_env::run(&self.env.handler(), &self.both).await
    }

    /// Evaluates rules a minute later.
    pub(super) async fn evaluate(&self, rules: &str) -> Summary<Finding> {
        self.evaluate_with(self.evaluator(rules)).await
    }

    pub(super) async fn evaluate_with<S: Lists<Finding>>(
        &self,
        evaluator: Handler<S, Arc<ManualClock>, Finding>,
    ) -> Summary<Finding> {
        self.env.clock.advance(Duration::from_secs(60));
        let event = json!({});
        let response = match evaluator.handle(&event, test_env::HOUR).await {
            Ok(response) | Err(HandlerError::RunFailed(response)) => response,
            Err(error) => panic!("{error}"),
        };
        // Time passes before the next evaluation begins.
        self.env.clock.advance(Duration::from_secs(1));
        let Response::One(summary) = response else {
            panic!("one account");
        };
        *summary
    }

    pub(super) async fn ask(
        &self,
        filter: &FindingFilter,
        as_of: Option<Timestamp>,
    ) -> Vec<FindingRow> {
        self.answer(filter, as_of).await.0
    }

    async fn answer(
        &self,
        filter: &FindingFilter,
        as_of: Option<Timestamp>,
    ) -> (Vec<FindingRow>, EvaluationsBasis) {
        let now = self.env.clock.now();
        let answer = self.env.audit().findings(filter, as_of, now).await;
        let mut answer = answer.expect("read");
        (answer.findings, answer.rests_on.remove(0))
    }

    /// Returns rule, state and open time in minutes of each finding.
    async fn all(&self) -> Vec<(String, &'static str, u64)> {
        let all = FindingFilter {
            include_closed: true,
            ..FindingFilter::default()
        };
        let rows = self.ask(&all, None).await.into_iter();
        rows.map(|it| (it.rule, it.state, it.open_ms / 60_000))
            .collect()
    }

    async fn runs(&self) -> Vec<RunRecord<Finding>> {
        let runs = self.findings().runs(&account()).collect().await;
        runs.expect("read")
    }

    pub(super) async fn changes(&self) -> Vec<Change<Finding>> {
        let now = self.env.clock.now();
        let changes = self.findings().changes_by(&account(), now).collect().await;
        changes.expect("read")
    }

    pub(super) async fn is_verified(&self) {
        assert_eq!(found(&self.env).await, []);
    }
}

#[tokio::test]
async fn findings_open_close_and_open_again() {
    let fixture = Fixture::new().await;
    let arn = fixture.env.create("payments");
    fixture.env.create("fine");
    fixture.env.set_status(&arn, "ERROR");
    fixture.list().await;
    let first = fixture.evaluate(IN_ERROR).await;
    assert_eq!(first.outcome, Outcome::Complete, "{:?}", first.problems);
    let opened = fixture.env.clock.now();
    fixture.list().await;
    let same = fixture.evaluate(IN_ERROR).await;
    assert!(same.changes.is_empty(), "{:?}", same.changes);
    assert_eq!(fixture.all().await, [("in-error".into(), "OPEN", 61)]);

    fixture.env.set_status(&arn, "AVAILABLE");
    fixture.list().await;
    fixture.evaluate(IN_ERROR).await;
    assert_eq!(fixture.all().await, [("in-error".into(), "CLOSED", 122)]);
    assert_eq!(fixture.ask(&FindingFilter::default(), None).await, []);
    // By an earlier time it was open.
    let before = fixture.ask(&FindingFilter::default(), Some(opened)).await;
    let [before] = before.as_slice() else {
        panic!("one finding: {before:?}");
    };
    assert_eq!(
        (before.state, before.subject.as_str(), before.name()),
        ("OPEN", arn.as_str(), "payments")
    );
    assert_eq!((&*before.severity, before.closed_at), ("high", None));

    fixture.env.set_status(&arn, "ERROR");
    fixture.list().await;
    fixture.evaluate(IN_ERROR).await;
    let open = fixture.ask(&FindingFilter::default(), None).await;
    let [open] = open.as_slice() else {
        panic!("one finding: {open:?}");
    };
    assert!(open.open_ms < 60_000, "since it was opened again: {open:?}");

    let kinds: Vec<ChangeKind> = fixture.changes().await.iter().map(|it| it.kind).collect();
    let expected = [
        ChangeKind::FirstSeen,
        ChangeKind::Deleted,
        ChangeKind::Reappeared,
    ];
    assert_eq!(kinds, expected);
    fixture.is_verified().await;
}

#[tokio::test]
async fn evaluation_records_rule_file_and_the_run_it_is_based_on() {
    let fixture = Fixture::new().await;
    fixture.env.create("fine");
    let run = fixture.list().await;
    fixture.evaluate(IN_ERROR).await;
    let runs = fixture.runs().await;
    let basis = runs[0].evaluation.as_ref().expect("a basis");
    assert_eq!(
        (&*basis.rules.source, basis.rules.version.as_deref()),
        ("rules.toml", Some("7"))
    );
    // sha256sum of the text above.
    let digest = codeconnections_inventory::domain::Digest::of_bytes(IN_ERROR.as_bytes());
    assert_eq!(basis.rules.sha256, digest);
    assert_eq!(basis.connections_run, run.sequence);
    let (_, basis) = fixture.answer(&FindingFilter::default(), None).await;
    assert!(basis.is_evidence());
    assert_eq!(basis.last_evaluation.expect("one").rules, 1);
}

#[tokio::test]
async fn rule_with_insufficient_data_closes_no_finding() {
    let (fixture, arn) = Fixture::in_error().await;
    fixture.evaluate(IN_ERROR).await;

    // The connection is seen to be fine, but another region is not observed.
    fixture.env.set_status(&arn, "AVAILABLE");
    fixture.env.deny(OTHER_REGION);
    assert_eq!(fixture.list().await.outcome, Outcome::Partial);
    let partial = fixture.evaluate(IN_ERROR).await;
    assert_eq!(partial.outcome, Outcome::Partial);
    assert!(partial.changes.is_empty(), "{:?}", partial.changes);
    let (open, basis) = fixture.answer(&FindingFilter::default(), None).await;
    assert_eq!(open.len(), 1);
    let [lacking] = basis.insufficient.as_slice() else {
        panic!("one rule: {basis:?}");
    };
    assert_eq!(lacking.rule.as_str(), "in-error");
    assert!(lacking.reason.contains(OTHER_REGION), "{lacking:?}");
    assert!(lacking.complete_at.is_some(), "by the first evaluation");

    fixture.env.allow(OTHER_REGION);
    fixture.list().await;
    fixture.evaluate(IN_ERROR).await;
    assert_eq!(fixture.ask(&FindingFilter::default(), None).await, []);
    fixture.is_verified().await;
}

#[tokio::test]
async fn removed_rule_closes_its_findings_and_the_run_names_it() {
    let (fixture, _) = Fixture::in_error().await;
    fixture.evaluate(IN_ERROR).await;
    let elsewhere = format!("{IN_ERROR}[rule.scope]\naccounts = [\"999999999999\"]\n");
    let other = "[[rule]]\nid = \"other\"\nkind = \"shared\"\nseverity = \"low\"\n";
    for (rules, what) in [(elsewhere.as_str(), "out of scope"), (other, "removed")] {
        let summary = fixture.evaluate(rules).await;
        assert_eq!(summary.outcome, Outcome::Complete, "{what}");
        assert_eq!(
            fixture.ask(&FindingFilter::default(), None).await,
            [],
            "{what}"
        );
        let runs = fixture.runs().await;
        let last = runs.iter().max_by_key(|run| run.sequence).expect("a run");
        let removed = &last.evaluation.as_ref().expect("a basis").removed_rules;
        let removed: Vec<&str> = removed.iter().map(|rule| rule.as_str()).collect();
        assert_eq!(removed, ["in-error"], "{what}");
        // Opened again for the next case.
        fixture.evaluate(IN_ERROR).await;
    }
    fixture.is_verified().await;
}

#[tokio::test]
async fn invalid_rule_file_fails_the_evaluation_and_closes_nothing() {
    let (fixture, arn) = Fixture::in_error().await;
    fixture.evaluate(IN_ERROR).await;
    fixture.env.set_status(&arn, "AVAILABLE");
    fixture.list().await;
    let failed = fixture.evaluate("[[rule]]\nid = \"x\"\n").await;
    assert_eq!(failed.outcome, Outcome::Failed);
    let [problem] = failed.problems.as_slice() else {
        panic!("one problem: {failed:?}");
    };
    assert!(problem.contains("rules.toml:"), "{problem}");
    assert_eq!(fixture.ask(&FindingFilter::default(), None).await.len(), 1);
    fixture.is_verified().await;
}

#[tokio::test]
async fn text_of_a_finding_has_no_time_of_the_evaluation() {
    let fixture = Fixture::new().await;
    let arn = fixture.env.create("payments");
    fixture.list().await;
    fixture.env.delete(&arn);
    let rules = "[[rule]]\nid = \"seen\"\nkind = \"not-seen\"\nseverity = \"low\"\nlonger_than = \"1h\"\n\
                 [[rule]]\nid = \"runs\"\nkind = \"no-complete-run\"\nseverity = \"low\"\nlonger_than = \"1h\"\n";
    fixture.env.clock.advance(test_env::HOUR * 2);
    fixture.evaluate(rules).await;
    let again = fixture.evaluate(rules).await;
    assert!(again.changes.is_empty(), "{:?}", again.changes);
    let all = fixture.all().await;
    let rules: Vec<&str> = all.iter().map(|(rule, ..)| rule.as_str()).collect();
    assert_eq!(rules, ["runs", "seen"]);
}

#[tokio::test]
async fn altered_severity_is_recorded_and_keeps_the_finding_open() {
    let (fixture, _) = Fixture::in_error().await;
    fixture.evaluate(IN_ERROR).await;
    let low = IN_ERROR.replace("high", "low");
    let summary = fixture.evaluate(&low).await;
    assert_eq!(
        summary.changes.get(&ChangeKind::AttributesChanged),
        Some(&1)
    );
    assert_eq!(fixture.all().await, [("in-error".into(), "OPEN", 1)]);
    assert_eq!(summary.connections.get("low"), Some(&1));
}

#[tokio::test]
async fn verification_finds_an_edited_finding() {
    let (fixture, arn) = Fixture::in_error().await;
    fixture.evaluate(IN_ERROR).await;
    fixture.is_verified().await;
    for (pk, sk) in [
        (
            format!("FINDING#{ACCOUNT}#in-error#{arn}"),
            "CHANGE#0000000001".to_owned(),
        ),
        (
            format!("FINDINGS#{ACCOUNT}"),
            format!("FINDING#in-error#{arn}"),
        ),
        (
            format!("FINDING_RUNS#{ACCOUNT}"),
            "RUN#000000000001".to_owned(),
        ),
    ] {
        let key = (pk, sk);
        let intact = get(&fixture.env, &key).await;
        let mut edited = intact.clone();
        edited.insert("severity".into(), codec::s("informational"));
        put(&fixture.env, edited).await;
        let problems = found(&fixture.env).await;
        assert!(problems.iter().any(|it| it.pk == key.0), "{problems:?}");
        put(&fixture.env, intact).await;
    }
    fixture.is_verified().await;
}

#[tokio::test]
async fn commands_record_and_list_findings() {
    let env = TestEnv::new().await;
    let ccinv = Ccinv::at(&env);
    let table = ["--table", env.table.name().as_str()];
    let run = async |arguments: &[&str]| ccinv.run(&[arguments, &table].concat()).await;
    let arn = env.create("payments");
    env.set_status(&arn, "ERROR");
    let file = ccinv.folder().join("rules.toml");
    std::fs::write(&file, IN_ERROR).expect("written");
    let evaluate = ["evaluate", "--rules", "rules.toml"];

    let nothing = run(&evaluate).await;
    assert_eq!(nothing.code, 4, "{nothing:?}");
    env.run().await;
    let never = run(&["findings"]).await;
    assert_eq!(never.code, 4, "{never:?}");
    assert!(never.complaint().contains("no evaluation"), "{never:?}");

    let done = run(&evaluate).await;
    assert_eq!(done.code, 0, "{done:?}");
    let listed = run(&["findings"]).await;
    assert_eq!(listed.code, 0, "{listed:?}");
    for part in [
        "high",
        "in-error",
        "payments",
        "evaluation 1 (COMPLETE, 1 rule",
    ] {
        assert!(listed.stdout.contains(part), "{part}: {}", listed.stdout);
    }
    let printed = run(&["findings", "--json"]).await;
    let printed: Value = serde_json::from_str(&printed.stdout).expect("JSON");
    assert_eq!(printed["findings"][0]["subject"], arn, "{printed}");
    let none = run(&["findings", "--rule", "other", "--format", "csv"]).await;
    assert_eq!(none.stdout.lines().count(), 1, "the header: {none:?}");
    let before = run(&["findings", "--as-of", "2026-10-31"]).await;
    assert_eq!(before.code, 4, "{before:?}");

    std::fs::write(&file, "[[rule]]\n").expect("written");
    let invalid = run(&evaluate).await;
    assert_eq!(invalid.code, 2, "{invalid:?}");
    let verified = run(&["verify"]).await;
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(
        verified
            .stdout
            .contains("1 finding, 1 change, 1 run checked"),
        "{verified:?}"
    );
}

// --------------------------------------------------------- AWS Security Hub

/// Returns moto's Security Hub and a way to it. It labels its answers as HTML.
pub(super) async fn security_hub() -> (Moto, Proxy) {
    let moto = Moto::start().await;
    let proxy = Proxy::start(&moto.endpoint, |_| Act::PassForJson).await;
    (moto, proxy)
}

/// Returns a Security Hub that is not enabled.
async fn not_enabled() -> Proxy {
    let denied = json!({"code": "AccessDeniedException", "message": "not enabled"}).to_string();
    Proxy::start("http://127.0.0.1:9", move |_| {
        Act::Reply(Reply::new(403, "application/json", denied.clone()))
    })
    .await
}

pub(super) fn hub(endpoint: &str) -> SecurityHub {
    SecurityHub {
        config: quick(endpoint),
        region: region(REGION),
        account: account(),
    }
}

/// Returns the findings in Security Hub.
pub(super) async fn in_hub(endpoint: &str) -> Vec<Value> {
    let service = Service::new("SecurityHub", "securityhub");
    let get = service.rest_json("GetFindings", "POST", "/findings", &[]);
    let (config, meter) = (quick(endpoint), Meter::default());
    let client = JsonClient {
        config: &config,
        meter: &meter,
    };
    let input = json!({"MaxResults": 100});
    let answer = client.call(get, &region(REGION), &input).await;
    let answer = answer.expect("findings");
    answer["Findings"].as_array().expect("a list").clone()
}

/// Returns status, record state and severity of each finding in Security Hub.
async fn imported(endpoint: &str) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = in_hub(endpoint).await.into_iter();
    findings
        .map(|it| {
            (
                text(&it["Compliance"]["Status"]),
                text(&it["RecordState"]),
                text(&it["Severity"]["Label"]),
            )
        })
        .collect()
}

fn row(status: &str, state: &str, severity: &str) -> (String, String, String) {
    (status.into(), state.into(), severity.into())
}

#[tokio::test]
async fn security_hub_has_one_finding_that_opens_changes_closes_and_opens_again() {
    let (_moto, proxy) = security_hub().await;
    let (fixture, arn) = Fixture::in_error_with(hub(&proxy.endpoint)).await;
    let first = fixture.evaluate(IN_ERROR).await;
    assert_eq!(first.outcome, Outcome::Complete, "{:?}", first.problems);
    let open = [row("FAILED", "ACTIVE", "HIGH")];
    assert_eq!(imported(&proxy.endpoint).await, open);
    fixture.evaluate(&IN_ERROR.replace("high", "low")).await;
    let low = [row("FAILED", "ACTIVE", "LOW")];
    assert_eq!(imported(&proxy.endpoint).await, low);
    fixture.env.set_status(&arn, "AVAILABLE");
    fixture.list().await;
    fixture.evaluate(IN_ERROR).await;
    let closed = [row("PASSED", "ARCHIVED", "LOW")];
    assert_eq!(imported(&proxy.endpoint).await, closed);
    fixture.env.set_status(&arn, "ERROR");
    fixture.list().await;
    fixture.evaluate(IN_ERROR).await;
    assert_eq!(imported(&proxy.endpoint).await, open);
    fixture.is_verified().await;
}

#[tokio::test]
async fn failed_import_is_a_problem_and_made_up_for_by_the_next_evaluation() {
    let (_moto, answering) = security_hub().await;
    let denying = not_enabled().await;
    let (mut fixture, _) = Fixture::in_error_with(hub(&denying.endpoint)).await;
    let failed = fixture.evaluate(IN_ERROR).await;
    assert_eq!(failed.outcome, Outcome::Partial);
    let [problem] = failed.problems.as_slice() else {
        panic!("one problem: {failed:?}");
    };
    assert!(
        problem.contains("Security Hub") && problem.contains("1 of 1 findings not imported"),
        "{problem}"
    );
    assert_eq!(
        fixture.ask(&FindingFilter::default(), None).await.len(),
        1,
        "recorded all the same"
    );
    let (_, basis) = fixture.answer(&FindingFilter::default(), None).await;
    assert!(basis.is_evidence(), "all rules were evaluated: {basis:?}");

    fixture.hub = Some(hub(&answering.endpoint));
    let repaired = fixture.evaluate(IN_ERROR).await;
    assert_eq!(repaired.outcome, Outcome::Complete, "{repaired:?}");
    assert!(repaired.changes.is_empty(), "{repaired:?}");
    let open = [row("FAILED", "ACTIVE", "HIGH")];
    assert_eq!(imported(&answering.endpoint).await, open);
}

#[tokio::test]
async fn unchanged_findings_are_imported_once_a_day() {
    let (_moto, proxy) = security_hub().await;
    let (fixture, _) = Fixture::in_error_with(hub(&proxy.endpoint)).await;
    fixture.evaluate(IN_ERROR).await;
    fixture.evaluate(IN_ERROR).await;
    assert_eq!(proxy.count(), 1, "nothing new on the same day");
    fixture.env.clock.advance(test_env::HOUR * 24);
    fixture.list().await;
    fixture.evaluate(IN_ERROR).await;
    assert_eq!(proxy.count(), 2, "the next day");
}

#[tokio::test]
async fn open_finding_of_a_rule_with_insufficient_data_is_imported_after_a_failed_import() {
    let (_moto, answering) = security_hub().await;
    let denying = not_enabled().await;
    let (mut fixture, arn) = Fixture::in_error_with(hub(&denying.endpoint)).await;
    fixture.evaluate(IN_ERROR).await;
    let seen = fixture.runs().await[0].started_at;

    // It may not be in error any more, and is open until its rule is evaluated.
    fixture.env.set_status(&arn, "AVAILABLE");
    fixture.env.deny(OTHER_REGION);
    fixture.list().await;
    fixture.hub = Some(hub(&answering.endpoint));
    let partial = fixture.evaluate(IN_ERROR).await;
    assert_eq!(partial.outcome, Outcome::Partial);
    assert!(partial.changes.is_empty(), "{:?}", partial.changes);
    let open = [row("FAILED", "ACTIVE", "HIGH")];
    assert_eq!(imported(&answering.endpoint).await, open);
    let [finding] = in_hub(&answering.endpoint).await.try_into().expect("one");
    assert_eq!(finding["LastObservedAt"], json!(seen), "{finding}");

    let count = answering.count();
    fixture.evaluate(IN_ERROR).await;
    assert_eq!(answering.count(), count, "nothing new on the same day");
}

#[tokio::test]
async fn findings_that_security_hub_does_not_take_are_sent_three_times() {
    let proxy = Proxy::start("http://127.0.0.1:9", |seen| {
        let sent: Value = serde_json::from_slice(&seen.body).expect("JSON");
        let findings = sent["Findings"].as_array().expect("a list");
        // All but the first.
        let failed: Vec<Value> = findings[findings.len().min(1)..]
            .iter()
            .map(
                |it| json!({"Id": it["Id"], "ErrorCode": "InternalError", "ErrorMessage": "later"}),
            )
            .collect();
        let body =
            json!({"FailedCount": failed.len(), "SuccessCount": 1, "FailedFindings": failed});
        Act::Reply(Reply::new(200, "application/json", body.to_string()))
    })
    .await;
    let mut fixture = Fixture::new().await;
    fixture.hub = Some(hub(&proxy.endpoint));
    for name in ["a", "b", "c", "d", "e"] {
        let arn = fixture.env.create(name);
        fixture.env.set_status(&arn, "ERROR");
    }
    fixture.list().await;
    let summary = fixture.evaluate(IN_ERROR).await;
    assert_eq!(proxy.count(), 3, "five findings, then four, then three");
    let [problem] = summary.problems.as_slice() else {
        panic!("one problem: {summary:?}");
    };
    assert!(
        problem.contains("2 of 5 findings not imported"),
        "{problem}"
    );
}

#[tokio::test]
async fn imported_findings_have_the_members_of_the_service_model() {
    let sent: Arc<Mutex<Vec<u8>>> = Arc::default();
    let proxy = {
        let sent = Arc::clone(&sent);
        Proxy::start("http://127.0.0.1:9", move |seen| {
            *sent.lock().expect("no panic") = seen.body.to_vec();
            let body = json!({"FailedCount": 0, "SuccessCount": 2, "FailedFindings": []});
            Act::Reply(Reply::new(200, "application/json", body.to_string()))
        })
        .await
    };
    let (fixture, arn) = Fixture::in_error_with(hub(&proxy.endpoint)).await;
    fixture.env.clock.advance(test_env::HOUR * 2);
    let rules = format!(
        "{IN_ERROR}controls = [\"NIST 800-53 CM-8\"]\nremediation = \"approve it\"\n\
         [[rule]]\nid = \"runs\"\nkind = \"no-complete-run\"\nseverity = \"critical\"\n\
         longer_than = \"1h\"\n"
    );
    let summary = fixture.evaluate(&rules).await;
    assert_eq!(summary.outcome, Outcome::Complete, "{summary:?}");
    let file = NamedTempFile::new().expect("a file");
    let body = sent.lock().expect("no panic").clone();
    std::fs::write(&file, &body).expect("written");
    let path = file.path().to_str().expect("a path");
    let printed = python("import_findings.py", &[path]).await;
    assert_eq!(
        fine(printed).trim(),
        "2",
        "of a connection and of the account"
    );
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let ids: Vec<&str> = body["Findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|it| it["Resources"][0]["Id"].as_str())
        .collect();
    assert_eq!(ids, [arn.as_str(), "AWS::::Account:123456789012"]);
}
