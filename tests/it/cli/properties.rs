//! Tags and shares of connections: recorded by `ccinv scan --dependencies`, and answered by
//! `list`, `show`, `hosts` and `shares`.
//!
//! moto knows neither the tags of CodeConnections nor RAM's listings. They are answered here
//! as the services' models have them.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(unix)]

use std::sync::{Arc, Mutex};

use super::dependencies::{Account, credentials};
use crate::support::proxy::{Act, Proxy, Seen};
use crate::support::python::{fine, python};
use crate::support::test_env::{ACCOUNT, REGION};
use codeconnections_inventory::domain::{Clock, SystemClock};
use codeconnections_inventory::local::codeconnections::{Scope, Tag, TagResourceInput};
use codeconnections_inventory::output::ocsf::SCHEMA_VERSION;
use serde_json::{Value, json};

/// What the services answer.
#[derive(Default)]
pub(super) struct Script {
    /// The operations that are denied.
    denied: Vec<&'static str>,
    /// The pages of GetResources.
    pub(super) tagged: Vec<Value>,
    /// By resource owner: what ListResources lists, and ListPrincipals on its second page.
    pub(super) own: (Value, Value),
    pub(super) received: (Value, Value),
    calls: usize,
}

#[derive(Clone, Default)]
pub(super) struct Services(Arc<Mutex<Script>>);

impl Services {
    pub(super) fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.0.lock().expect("no panic"));
    }

    fn answer(&self, seen: &Seen) -> Act {
        let mut script = self.0.lock().expect("no panic");
        if script.denied.contains(&&*seen.operation) {
            return denied();
        }
        let input: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let (resources, principals) = match input["resourceOwner"].as_str() {
            Some("SELF") => &script.own,
            _ => &script.received,
        };
        let answer = match &*seen.operation {
            "GetResources" => {
                script.calls += 1;
                if script.calls == 1 {
                    let throttled = json!({"__type": "ThrottledException", "message": "slow"});
                    return Act::Answer(400, throttled.to_string());
                }
                let page = input["PaginationToken"].as_str().unwrap_or("0");
                let page: usize = page.parse().expect("a number");
                let is_last = page + 1 >= script.tagged.len();
                json!({
                    "ResourceTagMappingList": script.tagged.get(page).unwrap_or(&json!([])),
                    "PaginationToken": if is_last { String::new() } else { (page + 1).to_string() },
                })
            }
            "listresources" if resources.is_null() => json!({"resources": []}),
            "listresources" => json!({"resources": resources}),
            // RAM can give an empty page before others.
            "listprincipals" if input["nextToken"].is_null() => {
                json!({"principals": [], "nextToken": "second"})
            }
            "listprincipals" => json!({"principals": principals}),
            _ => return credentials(seen),
        };
        Act::Answer(200, answer.to_string())
    }
}

fn denied() -> Act {
    let denied = json!({"__type": "AccessDeniedException", "message": "not authorized"});
    Act::Answer(400, denied.to_string())
}

pub(super) async fn account() -> (Account, Services) {
    let services = Services::default();
    let answering = services.clone();
    let account = Account::with(move |seen| answering.answer(seen)).await;
    (account, services)
}

pub(super) fn tags(arn: &str, tags: &[(&str, &str)]) -> Value {
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    json!({"ResourceARN": arn, "Tags": tags})
}

/// The name and tags of each connection of an answer of `list`.
fn listed(answer: &Value) -> Vec<(&str, &Value)> {
    let rows = answer["connections"].as_array().expect("a list").iter();
    rows.map(|row| {
        (
            row["connection_name"].as_str().expect("a name"),
            &row["tags"],
        )
    })
    .collect()
}

/// The type and name of what uses a connection.
async fn users(account: &Account, name: &str) -> (i32, usize) {
    let (code, answer) = account.ask(&["uses", name]).await;
    (code, answer["dependencies"].as_array().map_or(0, Vec::len))
}

#[tokio::test]
async fn tags_of_all_pages_select_connections_and_use_none() {
    let (account, services) = account().await;
    let long = "\u{1F980}".repeat(256);
    // More than a dependency has members, in two pages.
    let keys: Vec<String> = (10..30).map(|number| format!("key-{number}")).collect();
    let mut many: Vec<(&str, &str)> = keys.iter().map(|key| (&**key, "x")).collect();
    many.extend([("team", "payments"), ("env", "a=b"), ("note", &*long)]);
    services.set(|script| {
        script.tagged = vec![
            json!([tags(account.arn("unused"), &[("team", "tools")])]),
            json!([
                tags(account.arn("payments"), &many),
                tags(account.arn("host"), &[("team", "git"), ("empty", "")]),
            ]),
        ];
    });
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("ThrottledException"), "{done:?}");

    for filter in ["team=payments", "env=a=b", "env", "key-29=x"] {
        let (code, answer) = account.ask(&["list", "--tag", filter]).await;
        let found = listed(&answer);
        assert_eq!((code, found.len()), (0, 1), "{filter}: {answer}");
        assert_eq!(found[0].0, "payments");
        assert_eq!(found[0].1.as_object().map(|tags| tags.len()), Some(23));
    }
    let (code, answer) = account
        .ask(&["list", "--tag", &format!("note={long}")])
        .await;
    assert_eq!((code, listed(&answer).len()), (0, 1), "by its digest");
    for filter in [
        &["--tag", "team=Payments"][..],
        &["--tag", "team=tools", "--tag", "env"],
    ] {
        let (code, answer) = account.ask(&[&["list"], filter].concat()).await;
        assert_eq!((code, listed(&answer).len()), (0, 0), "{answer}");
    }
    let shown = account.run(&["show", "unused"]).await;
    assert!(
        shown.stdout.contains("tags       team=tools\n"),
        "{shown:?}"
    );
    let done = account.run(&["list", "--tag", "team"]).await;
    assert!(done.stdout.contains("tags: team=tools\n"), "{done:?}");
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("report.html");
    let path = path.to_str().expect("UTF-8");
    let done = account
        .run(&["report", "--since", "1h", "--out", path])
        .await;
    assert_eq!(done.code, 0, "{done:?}");
    let page = std::fs::read_to_string(path).expect("a page");
    assert!(page.contains("tags: <bdi>team=tools</bdi>"), "{page}");
    assert!(page.contains("tags: <bdi>env=a=b, key-10=x, "), "{page}");
    let (_, answer) = account.ask(&["hosts"]).await;
    let of_host = &answer["dependencies"][0]["tags"];
    assert_eq!(of_host, &json!({"team": "git", "empty": ""}));

    let statement = "select connection_name, count(*) as n from tags join connections \
                     using (normalized_arn) group by 1 order by 1";
    let (code, answer) = account.ask(&["sql", statement]).await;
    let expected = json!([
        {"connection_name": "payments", "n": 23},
        {"connection_name": "unused", "n": 1},
    ]);
    assert_eq!((code, &answer["rows"]), (0, &expected));

    // Tags are no use of a connection.
    assert_eq!(users(&account, "payments").await, (0, 2));
    assert_eq!(users(&account, "unused").await, (0, 0));
    let (_, answer) = account.ask(&["list", "--unused"]).await;
    assert_eq!(answer["connections"][0]["connection_name"], "unused");
    let (_, answer) = account.ask(&["impact"]).await;
    assert_eq!(
        answer["impact"].as_array().map(Vec::len),
        Some(4),
        "{answer}"
    );
    let (_, shown) = account.ask(&["show", "unused"]).await;
    let dependencies = &shown[0]["dependencies"];
    assert_eq!(dependencies["used_by"], json!([]));
    assert_eq!(dependencies["tags"], json!({"team": "tools"}));
    let (code, verified) = account.ask(&["verify"]).await;
    assert_eq!((code, &verified["findings"]), (0, &json!([])), "{verified}");
}

#[tokio::test]
async fn earlier_tags_stay_in_earlier_answers() {
    let (account, services) = account().await;
    let arn = account.arn("payments").to_owned();
    services.set(|script| script.tagged = vec![json!([tags(&arn, &[("team", "payments")])])]);
    account.scan().await;
    let before = SystemClock.now().to_string();
    services.set(|script| script.tagged = vec![json!([tags(&arn, &[])])]);
    account.scan().await;
    let tagged = ["list", "--tag", "team=payments"];
    let (code, answer) = account.ask(&tagged).await;
    assert_eq!((code, listed(&answer).len()), (0, 0), "{answer}");
    let (code, answer) = account
        .ask(&[&tagged[..], &["--as-of", &before]].concat())
        .await;
    assert_eq!((code, listed(&answer).len()), (0, 1), "{answer}");
    let csv = account.run(&["list", "--tags", "--format", "csv"]).await;
    let lines: Vec<&str> = csv.stdout.lines().collect();
    assert!(lines[0].ends_with(",tags"), "{csv:?}");
    assert!(lines[1].ends_with(",{}"), "no tags any more: {csv:?}");
}

#[tokio::test]
async fn tags_are_read_one_by_one_where_get_resources_is_denied() {
    let (account, services) = account().await;
    services.set(|script| script.denied = vec!["GetResources"]);
    let (unused, host) = (account.arn("unused"), account.arn("host"));
    for (arn, value) in [(unused, "connection"), (host, "host")] {
        let input = TagResourceInput {
            resource_arn: arn.to_owned(),
            tags: vec![Tag {
                key: "of".to_owned(),
                value: value.to_owned(),
            }],
        };
        let mut state = account.env.codeconnections.state();
        let tagged = state.tag_resource(&Scope::new(ACCOUNT, REGION), input);
        tagged.expect("it exists");
    }
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");
    let (code, answer) = account.ask(&["list", "--tag", "of=connection"]).await;
    assert_eq!(code, 0, "{answer}");
    let expected = json!({"of": "connection"});
    assert_eq!(listed(&answer), [("unused", &expected)]);
    let (_, answer) = account.ask(&["hosts"]).await;
    assert_eq!(answer["dependencies"][0]["tags"], json!({"of": "host"}));
    let (_, answer) = account.ask(&["list", "--tags"]).await;
    let found = listed(&answer);
    assert!(found.contains(&("payments", &json!({}))), "{answer}");
}

#[tokio::test]
async fn tags_that_no_call_may_read_were_not_observed() {
    let (account, services) = account().await;
    services.set(|script| script.denied = vec!["GetResources"]);
    let endpoint = account.env.service.endpoint();
    let guarded = Proxy::start(endpoint, |seen| match &*seen.operation {
        "ListTagsForResource" => denied(),
        _ => Act::Pass,
    })
    .await;
    let ccinv = account.ccinv();
    let ccinv = ccinv.with("AWS_ENDPOINT_URL_CODECONNECTIONS", &guarded.endpoint);
    let table = account.env.table.name().as_str();
    let done = ccinv
        .run(&["scan", "--dependencies", "--table", table])
        .await;
    assert_eq!(done.code, 4, "{done:?}");
    for call in [
        "GetResources: AccessDenied",
        "ListTagsForResource: AccessDenied",
    ] {
        assert!(done.stdout.contains(call), "{done:?}");
    }
    for format in ["table", "json", "csv"] {
        let arguments = ["list", "--tag", "team=x", "--format", format];
        let done = account.run(&arguments).await;
        assert_eq!((done.code, &*done.stdout), (4, ""), "{done:?}");
        assert!(
            done.stderr
                .contains("tags of 2 connections were not observed"),
            "{done:?}"
        );
    }
    let (code, answer) = account.ask(&["list", "--tags"]).await;
    assert_eq!(code, 0, "{answer}");
    assert!(
        listed(&answer).iter().all(|(_, tags)| tags.is_null()),
        "{answer}"
    );
    let shown = account.run(&["show", "payments"]).await;
    assert!(
        shown.stdout.contains("tags       not observed\n"),
        "{shown:?}"
    );
    let (_, answer) = account.ask(&["hosts"]).await;
    assert_eq!(answer["dependencies"][0]["tags"], Value::Null);
    // What uses a connection is known without its tags.
    assert_eq!(users(&account, "payments").await, (0, 2));
}

#[tokio::test]
async fn connection_that_was_made_since_the_last_listing_of_tags_has_unknown_tags() {
    let (account, _) = account().await;
    account.scan().await;
    let (code, _) = account.ask(&["list", "--tag", "team"]).await;
    assert_eq!(code, 0);
    account.env.create("new");
    account.run(&["scan"]).await;
    let done = account.run(&["list", "--tag", "team"]).await;
    assert_eq!((done.code, &*done.stdout), (4, ""), "{done:?}");
    assert!(
        done.stderr
            .contains("tags of 1 connection were not observed"),
        "{done:?}"
    );
}

#[tokio::test]
async fn wrong_tag_is_wrong_usage() {
    let (account, _) = account().await;
    for wrong in ["", "=x", &"k".repeat(129)] {
        let done = account.run(&["list", "--tag", wrong]).await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains("--tag"), "{done:?}");
    }
}

#[tokio::test]
async fn tags_and_shares_without_any_run_of_dependencies_are_refused() {
    let (account, _) = account().await;
    account.run(&["scan"]).await;
    for command in [&["list", "--tag", "team"][..], &["shares"]] {
        let done = account.run(command).await;
        assert_eq!((done.code, &*done.stdout), (4, ""), "{done:?}");
        assert!(done.stderr.contains("scan --dependencies"), "{done:?}");
    }
}

/// A resource as RAM lists it, and a principal.
pub(super) fn resource(arn: &str, share: &str) -> Value {
    json!({"arn": arn, "resourceShareArn": share, "status": "AVAILABLE"})
}

pub(super) fn principal(id: &str, share: &str, external: bool) -> Value {
    json!({"id": id, "resourceShareArn": share, "external": external})
}

#[tokio::test]
async fn shares_name_their_principals_and_use_no_connection() {
    let (account, services) = account().await;
    let organization = "arn:aws:organizations::123456789012:organization/o-a1b2c3d4e5";
    let others = "arn:aws:codeconnections:eu-west-1:999999999999:connection/other";
    let unlisted = "arn:aws:codeconnections:eu-west-1:999999999999:connection/unlisted";
    services.set(|script| {
        let unused = account.arn("unused");
        let elsewhere = unused.replace("eu-west-1", "us-east-1");
        script.own = (
            json!([
                resource(unused, "share-a"),
                resource(unused, "share-b"),
                resource(&elsewhere, "share-a"),
                resource(
                    "arn:aws:ec2:eu-west-1:123456789012:subnet/subnet-1",
                    "share-c"
                ),
            ]),
            json!([
                principal("111122223333", "share-a", false),
                principal("111122223333", "share-b", true),
                principal(organization, "share-a", false),
                principal("444455556666", "share-c", true),
            ]),
        );
        script.received = (
            json!([resource(others, "share-d"), resource(unlisted, "share-e")]),
            json!([principal("999999999999", "share-d", true)]),
        );
    });
    let done = account.scan().await;
    assert_eq!(done.code, 0, "{done:?}");

    let (code, answer) = account.ask(&["shares"]).await;
    assert_eq!(code, 0, "{answer}");
    let found: Vec<String> = answer["dependencies"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| {
            let members = &row["members"];
            let (principal, external) = (&members["principal"], &members["external"]);
            format!("{} {principal} {external}", row["dependency_type"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        found,
        [
            "SHARE 111122223333 true",
            &format!("SHARE {organization} false"),
            "SHARE_RECEIVED 999999999999 true",
            "SHARE_RECEIVED 999999999999 null",
        ]
    );
    let shares = &answer["dependencies"][0]["members"]["resourceShareArns"];
    assert_eq!(shares, &json!(["share-a", "share-b"]));
    let (_, answer) = account.ask(&["shares", "--external"]).await;
    let external = answer["dependencies"].as_array().map(Vec::len);
    assert_eq!(external, Some(3), "and the unknown one: {answer}");
    let of_ram = "select share_type || ' ' || principal || ' ' || case external when 1 then 'true' \
                  when 0 then 'false' else 'null' end as share from shares";
    let (code, answer) = account.ask(&["sql", of_ram]).await;
    let rows = answer["rows"].as_array().expect("rows").iter();
    let rows: Vec<&str> = rows
        .map(|row| row["share"].as_str().expect("a text"))
        .collect();
    assert_eq!(
        (code, rows),
        (0, found.iter().map(String::as_str).collect())
    );

    let shown = account.run(&["show", "unused"]).await;
    let line = "shared     with 111122223333 (external)\n";
    assert!(shown.stdout.contains(line), "{shown:?}");
    assert_eq!(users(&account, "unused").await, (0, 0));
    let (_, answer) = account.ask(&["list", "--unused"]).await;
    assert_eq!(answer["connections"][0]["connection_name"], "unused");
    let (_, answer) = account.ask(&["impact"]).await;
    assert_eq!(
        answer["impact"].as_array().map(Vec::len),
        Some(4),
        "{answer}"
    );
}

#[tokio::test]
async fn denied_shares_were_not_observed_and_hide_no_user() {
    let (account, services) = account().await;
    services.set(|script| script.denied = vec!["listresources"]);
    let done = account.scan().await;
    assert_eq!(done.code, 4, "{done:?}");
    let problem = "ListResources: AccessDeniedException";
    assert!(done.stdout.contains(problem), "{done:?}");
    let done = account.run(&["shares"]).await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(
        done.stdout.contains("not observed: ram in eu-west-1"),
        "{done:?}"
    );
    let shown = account.run(&["show", "payments"]).await;
    assert!(
        shown.stdout.contains("shared     not observed\n"),
        "{shown:?}"
    );
    assert_eq!(users(&account, "payments").await, (0, 2));
}

#[tokio::test]
async fn unreadable_share_hides_no_other() {
    let (account, services) = account().await;
    services.set(|script| {
        let resource = resource(account.arn("unused"), "share-a");
        let principals = json!([
            principal("\u{7}", "share-a", false),
            principal("111122223333", "share-a", true),
        ]);
        script.own = (json!([resource]), principals);
    });
    let done = account.scan().await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stdout.contains("ListPrincipals"), "{done:?}");
    let (code, answer) = account.ask(&["shares"]).await;
    assert_eq!(code, 4, "never listed completely: {answer}");
    let shares = answer["dependencies"].as_array().expect("a list");
    assert_eq!(shares.len(), 1, "{answer}");
    assert_eq!(shares[0]["members"]["principal"], "111122223333");
    let code = &answer["rests_on"][0]["sources"][0]["code"];
    assert_eq!(code, "UnreadableEntry", "{answer}");
}

#[tokio::test]
async fn shares_and_hosts_read_the_dependencies_once() {
    let (account, _) = account().await;
    account.scan().await;
    let reads = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&reads);
    let dynamodb = Proxy::start(&account.env.table_endpoint, move |seen| {
        let asked = String::from_utf8_lossy(&seen.body).into_owned();
        if asked.contains("DEPENDENCIES#") && asked.contains("DEPENDENCY#") {
            *counted.lock().expect("no panic") += 1;
        }
        Act::Pass
    })
    .await;
    let table = account.env.table.name().as_str();
    let ccinv = account.ccinv();
    let ccinv = ccinv.with("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb.endpoint);
    for command in ["shares", "hosts"] {
        let done = ccinv.run(&[command, "--table", table]).await;
        assert_eq!(done.code, 0, "{done:?}");
        let reads = std::mem::take(&mut *reads.lock().expect("no panic"));
        assert_eq!(reads, 1, "{command}");
    }
}

#[tokio::test]
async fn exports_have_the_tags_that_were_observed() {
    let (account, services) = account().await;
    services.set(|script| {
        let of = [("team", "payments"), ("note", "\u{1F980}")];
        script.tagged = vec![json!([tags(account.arn("payments"), &of)])];
    });
    let export = async |options: &[&str]| {
        let done = account.run(&[&["export"], options].concat()).await;
        assert_eq!(done.code, 0, "{done:?}");
        let lines = done.stdout.lines();
        let rows = lines.map(|line| serde_json::from_str(line).expect("JSON"));
        (rows.collect::<Vec<Value>>(), done.stderr)
    };
    let name_of = |row: &Value| row["connection_name"].as_str().expect("a name").to_owned();

    // Not observed is not "none".
    account.run(&["scan"]).await;
    let (rows, notes) = export(&["--tags"]).await;
    assert!(rows.iter().all(|row| row["tags"].is_null()), "{rows:?}");
    assert!(
        notes.contains("tags of 2 resources not observed"),
        "{notes}"
    );
    let (events, notes) = export(&["--format", "ocsf", "--tags"]).await;
    assert!(
        events
            .iter()
            .all(|event| event["resources"][0].get("tags").is_none())
    );
    assert!(
        notes.contains("tags of 2 resources not observed"),
        "{notes}"
    );

    account.scan().await;
    let (rows, notes) = export(&["--tags"]).await;
    assert!(!notes.contains("not observed"), "{notes}");
    for row in rows {
        let expected = match name_of(&row).as_str() {
            "payments" => json!({"team": "payments", "note": "\u{1F980}"}),
            _ => json!({}),
        };
        assert_eq!(row["tags"], expected, "{row}");
    }
    let (events, _) = export(&["--format", "ocsf", "--tags"]).await;
    let tagged: Vec<&Value> = events
        .iter()
        .filter_map(|event| event["resources"][0].get("tags"))
        .collect();
    let expected = json!([
        {"name": "note", "value": "\u{1F980}"}, {"name": "team", "value": "payments"},
    ]);
    assert_eq!(tagged, [&expected], "no tags are no member");
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("events.jsonl");
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(&file, lines).expect("written");
    let file = file.to_str().expect("UTF-8");
    let class = "cloud_resources_inventory_info";
    fine(python("ocsf_events.py", &[SCHEMA_VERSION, class, file]).await);

    let done = account.run(&["export", "changes", "--tags"]).await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(
        done.stderr.contains("--tags: only for connections"),
        "{done:?}"
    );
}
