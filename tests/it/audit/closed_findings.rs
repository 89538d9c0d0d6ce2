//! Why findings close: resolved, waived, or without their rule.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::HashMap;

use super::findings::{Fixture, IN_ERROR, hub, in_hub, security_hub};
use crate::support::ccinv::Ccinv;
use crate::support::proxy::{Act, Proxy};
use crate::support::test_env::HOUR;
use codeconnections_inventory::audit::Audit;
use codeconnections_inventory::audit::findings::{FindingFilter, FindingRow};
use codeconnections_inventory::domain::listing::AccountListing;
use codeconnections_inventory::domain::{ChangeKind, Clock, Closing, Finding, Outcome, Timestamp};
use codeconnections_inventory::findings::Evaluator;
use codeconnections_inventory::inventory::Inventory;
use codeconnections_inventory::lambda::handler::Handler;
use codeconnections_inventory::listing::{ListingRequest, Lists};
use serde_json::{Value, json};

const OTHER: &str = "[[rule]]\nid = \"other\"\nkind = \"shared\"\nseverity = \"low\"\n";

/// Returns the rule with an exception of the connection.
fn waiving(reason: &str) -> String {
    format!("{IN_ERROR}except = [{{ connection = \"payments\", reason = \"{reason}\" }}]\n")
}

async fn closed(fixture: &Fixture, as_of: Option<Timestamp>) -> FindingRow {
    let filter = FindingFilter {
        include_closed: true,
        ..FindingFilter::default()
    };
    let rows = fixture.ask(&filter, as_of).await;
    let [row]: [FindingRow; 1] = rows.try_into().expect("one finding");
    assert_eq!(row.state, "CLOSED");
    row
}

#[tokio::test]
async fn closed_finding_says_whether_it_was_resolved_waived_or_lost_its_rule() {
    let (fixture, arn) = Fixture::in_error().await;
    let elsewhere = format!("{IN_ERROR}[rule.scope]\naccounts = [\"999999999999\"]\n");
    for (rules, closing) in [
        (waiving("accepted"), Closing::waived("accepted")),
        (OTHER.to_owned(), Closing::RuleRemoved),
        (elsewhere, Closing::RuleRemoved),
        (IN_ERROR.to_owned(), Closing::Resolved),
    ] {
        fixture.env.set_status(&arn, "ERROR");
        fixture.list().await;
        fixture.evaluate(IN_ERROR).await;
        if closing == Closing::Resolved {
            fixture.env.set_status(&arn, "AVAILABLE");
            fixture.list().await;
        }
        fixture.evaluate(&rules).await;
        let expected = Some(closing);
        assert_eq!(closed(&fixture, None).await.closed_because, expected);
        let now = fixture.env.clock.now();
        assert_eq!(closed(&fixture, Some(now)).await.closed_because, expected);
        let changes = fixture.changes().await;
        let last = changes
            .iter()
            .max_by_key(|change| change.version)
            .expect("a change");
        assert_eq!((last.kind, &last.closed), (ChangeKind::Deleted, &expected));
        let opening = changes
            .iter()
            .filter(|change| change.kind != ChangeKind::Deleted);
        assert!(opening.into_iter().all(|change| change.closed.is_none()));
    }
    fixture.is_verified().await;
}

#[tokio::test]
async fn waiver_with_insufficient_data_closes_nothing() {
    let (fixture, _) = Fixture::in_error().await;
    fixture.evaluate(IN_ERROR).await;
    fixture.env.deny("eu-south-1");
    fixture.list().await;
    let summary = fixture.evaluate(&waiving("accepted")).await;
    assert!(summary.changes.is_empty(), "{summary:?}");
    let open = fixture.ask(&FindingFilter::default(), None).await;
    assert_eq!((open.len(), &open[0].closed_because), (1, &None));
}

/// Evaluates as versions did that did not record why a finding closed.
struct Earlier(Evaluator);

impl Lists<Finding> for Earlier {
    async fn list(&self, request: &ListingRequest<'_>) -> AccountListing<Finding> {
        self.0.list(request).await.closing(HashMap::new())
    }
}

#[tokio::test]
async fn finding_that_an_earlier_version_closed_is_read_and_verified() {
    let (fixture, _) = Fixture::in_error().await;
    fixture.evaluate(IN_ERROR).await;
    let Handler {
        inventory,
        accounts,
        regions,
        retired_regions,
        random,
    } = fixture.evaluator(OTHER);
    let earlier = Handler {
        inventory: Inventory {
            source: Earlier(inventory.source),
            table: inventory.table,
            clock: inventory.clock,
            options: inventory.options,
        },
        accounts,
        regions,
        retired_regions,
        random,
    };
    fixture.evaluate_with(earlier).await;
    assert_eq!(closed(&fixture, None).await.closed_because, None);
    fixture.is_verified().await;
    // It is written on.
    fixture.evaluate(IN_ERROR).await;
    fixture.evaluate(OTHER).await;
    let closing = closed(&fixture, None).await.closed_because;
    assert_eq!(closing, Some(Closing::RuleRemoved));
    fixture.is_verified().await;
}

#[tokio::test]
async fn command_prints_why_a_finding_closed() {
    let (fixture, _) = Fixture::in_error().await;
    fixture.evaluate(IN_ERROR).await;
    fixture.evaluate(&waiving("moves in May")).await;
    let ccinv = Ccinv::at(&fixture.env);
    let table = fixture.env.table.name().as_str();
    let all = ["findings", "--all", "--table", table];
    let printed = ccinv.run(&all).await;
    assert_eq!(printed.code, 0, "{printed:?}");
    assert!(
        printed.stdout.contains(": waived: moves in May"),
        "{printed:?}"
    );
    let csv = ccinv.run(&[&all[..], &["--format", "csv"]].concat()).await;
    assert!(
        csv.stdout.trim_end().ends_with(",WAIVED,moves in May"),
        "{csv:?}"
    );
    let document = ccinv.run(&[&all[..], &["--json"]].concat()).await;
    let document: Value = serde_json::from_str(&document.stdout).expect("JSON");
    let closing = &document["findings"][0]["closed_because"];
    assert_eq!(
        *closing,
        json!({"kind": "WAIVED", "reason": "moves in May"})
    );
}

#[tokio::test]
async fn sql_has_recorded_findings_and_what_they_are_based_on() {
    let (fixture, arn) = Fixture::in_error().await;
    let ccinv = Ccinv::at(&fixture.env);
    let table = fixture.env.table.name().as_str();
    let ask = async |statement: &str| {
        ccinv
            .run(&["sql", statement, "--json", "--table", table])
            .await
    };
    let closed = "select rule_id, state, subject, closed_because, waiver, opened_at < closed_at \
                  as is_later from recorded_findings";
    let never = ask(closed).await;
    assert_eq!(never.code, 4, "{never:?}");
    assert!(never.complaint().contains("no evaluation"), "{never:?}");
    assert_eq!(ask("select count(*) as n from connections").await.code, 0);

    fixture.evaluate(IN_ERROR).await;
    fixture.evaluate(&waiving("moves in May")).await;
    let answer = ask(closed).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let expected = json!([{"rule_id": "in-error", "state": "CLOSED", "subject": arn,
        "closed_because": "WAIVED", "waiver": "moves in May", "is_later": 1}]);
    assert_eq!(answer["rows"], expected);
    let last = &answer["evaluations_rest_on"][0]["last_evaluation"];
    assert_eq!(last["sequence"], 2, "{answer}");
}

#[tokio::test]
async fn security_hub_archives_what_is_waived_or_lost_its_rule_without_passing_it() {
    let (_moto, proxy) = security_hub().await;
    let (fixture, _) = Fixture::in_error_with(hub(&proxy.endpoint)).await;
    let waived = waiving("accepted");
    for (rules, status, closing, waiver) in [
        (&*waived, "FAILED", "WAIVED", json!("accepted")),
        (OTHER, "NOT_AVAILABLE", "RULE_REMOVED", Value::Null),
    ] {
        fixture.evaluate(IN_ERROR).await;
        fixture.evaluate(rules).await;
        // Imported again the next day, by what is recorded.
        for when in ["at once", "the next day"] {
            let findings = in_hub(&proxy.endpoint).await;
            let [finding] = findings.as_slice() else {
                panic!("one finding: {findings:?}");
            };
            assert_eq!(finding["Compliance"]["Status"], status, "{when}");
            assert_eq!(finding["RecordState"], "ARCHIVED", "{when}");
            let fields = &finding["ProductFields"];
            assert_eq!(
                fields["codeconnections-inventory/closed-because"], closing,
                "{when}"
            );
            assert_eq!(fields["codeconnections-inventory/waiver"], waiver, "{when}");
            let before = proxy.count();
            fixture.env.clock.advance(HOUR * 24);
            fixture.list().await;
            fixture.evaluate(rules).await;
            assert!(proxy.count() > before, "imported");
        }
    }
    fixture.is_verified().await;
}

#[tokio::test]
async fn closed_finding_whose_change_cannot_be_read_is_not_imported() {
    let (_moto, proxy) = security_hub().await;
    let (fixture, _) = Fixture::in_error_with(hub(&proxy.endpoint)).await;
    let waived = waiving("accepted");
    fixture.evaluate(IN_ERROR).await;
    fixture.evaluate(&waived).await;
    let imported = in_hub(&proxy.endpoint).await;
    assert_eq!(imported[0]["Compliance"]["Status"], "FAILED");

    let table = Proxy::start(&fixture.env.table_endpoint, |seen| {
        let asked = String::from_utf8_lossy(&seen.body);
        let is_change = asked.contains("FINDING#") && asked.contains("CHANGE#");
        match seen.operation.as_str() {
            "Query" if is_change => Act::fault(400, "AccessDeniedException"),
            _ => Act::Pass,
        }
    })
    .await;
    fixture.env.clock.advance(HOUR * 24);
    fixture.list().await;
    let mut evaluator = fixture.evaluator(&waived);
    evaluator.inventory.source.audit = Audit::new(fixture.env.table_at(&table.endpoint));
    let partial = fixture.evaluate_with(evaluator).await;
    assert_eq!(partial.outcome, Outcome::Partial);
    let [problem] = partial.problems.as_slice() else {
        panic!("one problem: {partial:?}");
    };
    for part in [
        "1 closed findings not imported: read change",
        "AccessDenied",
    ] {
        assert!(problem.contains(part), "{problem}");
    }
    assert_eq!(in_hub(&proxy.endpoint).await, imported);

    let repaired = fixture.evaluate(&waived).await;
    assert_eq!(repaired.outcome, Outcome::Complete, "{repaired:?}");
    let again = in_hub(&proxy.endpoint).await;
    assert_eq!(again[0]["Compliance"]["Status"], "FAILED");
    assert_ne!(again[0]["UpdatedAt"], imported[0]["UpdatedAt"]);
}
