//! Members that AWS added later (`ProviderEndpoint`) or that no model has are
//! recorded, reported and evaluated as the service returns them.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::ccinv::Ccinv;
use crate::support::raw_items::findings;
use crate::support::test_env::{TestEnv, changes};
use codeconnections_inventory::domain::{ChangeKind, Outcome};
use codeconnections_inventory::local::codeconnections::ProviderType;
use serde_json::{Value, json};

const FIRST: &str = "https://acme.ghe.com";
const SECOND: &str = "https://elsewhere.ghe.com";

/// Returns an environment with one connection to a tenant of ghe.com.
async fn tenant() -> (TestEnv, String) {
    let env = TestEnv::new().await;
    let arn = env.create("tenant");
    let provider = ProviderType::GitHubEnterpriseCloudDataResidency;
    let mut state = env.codeconnections.state();
    state.set_provider(&arn, provider).expect("set");
    drop(state);
    set(&env, &arn, json!({"ProviderEndpoint": FIRST}));
    (env, arn)
}

fn set(env: &TestEnv, arn: &str, members: Value) {
    let members = serde_json::from_value(members).expect("an object");
    let done = env.codeconnections.state().set_members(arn, members);
    done.expect("set");
}

/// Asserts that a run records one change of `kind` and that the record
/// verifies.
async fn assert_run_records(env: &TestEnv, kind: ChangeKind) {
    let summary = env.run().await;
    assert_eq!(summary.outcome, Outcome::Complete, "{:?}", summary.problems);
    assert_eq!(changes(&summary), [(kind, 1)]);
    assert_eq!(findings(env).await, [] as [String; 0]);
}

#[tokio::test]
async fn changed_endpoint_or_unknown_member_is_an_attribute_change() {
    let (env, arn) = tenant().await;
    assert_run_records(&env, ChangeKind::FirstSeen).await;
    for members in [
        json!({"ProviderEndpoint": SECOND}),
        json!({"NetworkType": {"Vpc": "vpc-1", "Ports": [443, null]}}),
        json!({"NetworkType": {"Vpc": "vpc-1", "Ports": [443]}}),
        json!({"Long": "x".repeat(600)}),
        json!({"Long": format!("{}y", "x".repeat(599))}),
        json!({"Long": null, "NetworkType": null}),
        json!({"ProviderEndpoint": null}),
    ] {
        set(&env, &arn, members);
        assert_run_records(&env, ChangeKind::AttributesChanged).await;
        let summary = env.run().await;
        assert_eq!(changes(&summary), [], "it is reported once");
    }
    let history = env.changes(&arn).await;
    let after = |i: usize| serde_json::to_value(history[i].after.as_ref()).expect("JSON");
    assert_eq!(after(1)["provider_endpoint"], SECOND);
    assert_eq!(after(1).get("unknown_members"), None);
    let network = json!({"Vpc": "vpc-1", "Ports": [443, null]});
    assert_eq!(after(2)["unknown_members"], json!({"NetworkType": network}));
    assert_eq!(after(4)["unknown_members"]["Long"]["bytes"], 602);
    assert_eq!(after(7).get("provider_endpoint"), None);
}

/// Returns the values of a CSV row in these columns.
fn cells(csv: &str, row: usize, columns: &[&str]) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().expect("a header").clone();
    let row = reader.records().nth(row).expect("a row").expect("CSV");
    let at = |column: &&str| header.iter().position(|name| name == *column);
    columns
        .iter()
        .map(|column| row[at(column).expect("a column")].to_owned())
        .collect()
}

#[tokio::test]
async fn every_output_has_endpoint_and_unknown_members() {
    let (env, arn) = tenant().await;
    assert_run_records(&env, ChangeKind::FirstSeen).await;
    let members = json!({"ProviderEndpoint": SECOND, "Tier": "gold"});
    set(&env, &arn, members);
    assert_run_records(&env, ChangeKind::AttributesChanged).await;
    let ccinv = Ccinv::at(&env);
    let table = ["--table", env.table.name().as_str()];
    let output_of = async |arguments: &[&str]| {
        let done = ccinv.run(&[arguments, &table].concat()).await;
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.stderr);
        done.stdout
    };

    let what = format!("endpoint {FIRST} → {SECOND}, Tier - → \"gold\"");
    let since = "--since=2026-10-01";
    let until = "--until=2026-10-02";
    assert!(output_of(&["changes", since, until]).await.contains(&what));
    assert!(output_of(&["history", "tenant"]).await.contains(&what));
    let diff = ["diff", "2026-10-01T10:30:00Z", "2026-10-01T11:30:00Z"];
    assert!(output_of(&diff).await.contains(&what));
    let show = output_of(&["show", "tenant", since]).await;
    assert!(show.contains(&format!("endpoint   {SECOND}\n")), "{show}");
    assert!(show.contains("not known  Tier: \"gold\"\n"), "{show}");

    let rows: Value = serde_json::from_str(&output_of(&["list", "--json"]).await).expect("JSON");
    let row = &rows["connections"][0];
    assert_eq!(row["provider_endpoint"], SECOND);
    assert_eq!(row["unknown_members"], json!({"Tier": "gold"}));
    let lines = output_of(&["export", "connections"]).await;
    let row: Value = serde_json::from_str(&lines).expect("JSON");
    assert_eq!(row["provider_endpoint"], SECOND);
    assert_eq!(row["unknown_members"], json!({"Tier": "gold"}));
    let ocsf = output_of(&["export", "connections", "--format=ocsf"]).await;
    let event: Value = serde_json::from_str(&ocsf).expect("JSON");
    let data = &event["resources"][0]["data"];
    assert_eq!(data["provider_endpoint"], SECOND);
    assert_eq!(data["unknown_members"], json!({"Tier": "gold"}));

    let now = ["provider_endpoint", "unknown_members"];
    for command in [
        &["list", "--format=csv"][..],
        &["export", "connections", "--format=csv"],
    ] {
        let csv = output_of(command).await;
        assert_eq!(cells(&csv, 0, &now), [SECOND, r#"{"Tier":"gold"}"#]);
        assert!(csv.lines().next().expect("one").ends_with(&now.join(",")));
    }
    let both = [
        "before_provider_endpoint",
        "before_unknown_members",
        "after_provider_endpoint",
        "after_unknown_members",
    ];
    let expected = [FIRST, "", SECOND, r#"{"Tier":"gold"}"#];
    for (command, row, last) in [
        (
            &["changes", since, until, "--format=csv"][..],
            1,
            ",consumers",
        ),
        (&["export", "changes", "--format=csv"], 1, ",consumers"),
        (&[&diff[..], &["--format=csv"]].concat(), 0, ""),
    ] {
        let csv = output_of(command).await;
        assert_eq!(cells(&csv, row, &both), expected, "{command:?}");
        let header = csv.lines().next().expect("one");
        assert!(header.ends_with(&(both.join(",") + last)), "{header}");
    }

    let page = ccinv.folder().join("report.html");
    let page = page.to_str().expect("UTF-8");
    output_of(&["report", since, until, "--out", page]).await;
    // Lines may break within a provider's name.
    let html = std::fs::read_to_string(page)
        .expect("a page")
        .replace("<wbr>", "");
    assert!(html.contains(&format!("GitHubEnterpriseCloudDataResidency at {SECOND}")));
    assert!(html.contains("Tier: &#34;gold&#34;") || html.contains("Tier: &quot;gold&quot;"));
}

#[tokio::test]
async fn rules_evaluate_endpoints_and_name_unknown_members() {
    let (env, arn) = tenant().await;
    env.create("plain");
    env.run().await;
    let ccinv = Ccinv::at(&env);
    let check = async |flag: &str, code: i32| {
        let table = env.table.name().as_str();
        let done = ccinv.run(&["check", flag, "--table", table]).await;
        assert_eq!(done.code, code, "{flag}: {}{}", done.stdout, done.stderr);
        done.stdout
    };
    // github.com has no endpoint of its own.
    check(&format!("--allow-endpoint={FIRST}"), 0).await;
    let output = check(&format!("--allow-endpoint={SECOND}"), 3).await;
    let not_on_list = format!("endpoint \"{FIRST}\" is not allowed");
    assert!(output.contains(&not_on_list), "{output}");
    check("--no-unknown-values", 0).await;

    set(
        &env,
        &arn,
        json!({"ProviderEndpoint": null, "Tier": "gold", "Zone": 1}),
    );
    env.run().await;
    let output = check(&format!("--allow-endpoint={FIRST}"), 4).await;
    assert!(output.contains("endpoint is missing"), "{output}");
    let output = check("--no-unknown-values", 3).await;
    let named = "member \"Tier\" is unknown, member \"Zone\" is unknown";
    assert!(output.contains(named), "{output}");
}
