//! Sources of the rules of `ccinv check`, errors in rules, and output formats of the
//! result.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;

use crate::support::ccinv::{Ccinv, Done};
use crate::support::python::{fine, python};
use crate::support::scripted_service::{Script, arn, entry, last};
use crate::support::test_env::{ACCOUNT, HOUR, REGION, TestEnv, run};
use codeconnections_inventory::compliance::kinds::Requirement;
use codeconnections_inventory::output::ocsf::SCHEMA_VERSION;
use serde_json::{Value, json};

const SAMPLE: &str = include_str!("../../../docs/rules.sample.toml");
/// Contains a terminal escape, a closing tag, characters that XML forbids, and one that
/// JSON escapes as two.
const HOSTILE: &str = "</failure><x y=\"&\u{1b}[2J\u{0}\u{202e}\u{ffff}\u{1fffe}]]>\n'";

struct Fixture {
    env: TestEnv,
    ccinv: Ccinv,
}

impl Fixture {
    /// Creates a table with one run at 10:00 of three connections: one AVAILABLE, one in
    /// ERROR, and one with a hostile name, owner and status.
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let mut hostile = entry(&arn(REGION, "c-hostile"), HOSTILE, HOSTILE);
        hostile["OwnerAccountId"] = HOSTILE.into();
        let entries = vec![
            entry(&arn(REGION, "a"), "a-name", "AVAILABLE"),
            entry(&arn(REGION, "b"), "b-name", "ERROR"),
            hostile,
        ];
        let script = Script::start(move |_| last(entries.clone())).await;
        env.clock.advance(HOUR);
        env.run_with(&script.endpoint, &json!({})).await;
        Self {
            ccinv: Ccinv::at(&env),
            env,
        }
    }

    async fn ask(&self, arguments: &[&str]) -> Done {
        let table = ["--table", self.env.table.name().as_str()];
        let as_of = ["--as-of", "2026-10-01T10:30:00Z"];
        self.ccinv
            .run(&[&["check"], arguments, &table, &as_of].concat())
            .await
    }

    /// Returns the exit code, and each rule with its verdict.
    async fn verdicts(&self, arguments: &[&str]) -> (i32, Vec<(String, String)>) {
        let done = self.ask(&[arguments, &["--json"]].concat()).await;
        let result: Value = serde_json::from_str(&done.stdout).expect("JSON");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let rules = result["rules"].as_array().expect("rules").iter();
        let verdicts = rules.map(|rule| (text(&rule["id"]), text(&rule["verdict"])));
        (done.code, verdicts.collect())
    }

    fn file(&self, text: &str) {
        let file = self.ccinv.folder().join("rules.toml");
        std::fs::write(file, text).expect("written");
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(id, verdict): &(&str, &str)| ((*id).to_owned(), (*verdict).to_owned());
    expected.iter().map(owned).collect()
}

const SHARED: &str = "[[rule]]\nid = \"ours\"\nkind = \"shared\"\nseverity = \"low\"\n";

#[tokio::test]
async fn rules_come_from_file_options_both_or_defaults() {
    let fixture = Fixture::new().await;
    fixture.file(SHARED);
    let file = ["--rules", "rules.toml"];
    let of_file = fixture.verdicts(&file).await;
    assert_eq!(of_file, (0, pairs(&[("ours", "PASS")])));
    let both = ["--rules", "rules.toml", "--in-error", "--max-run-age", "1h"];
    let expected = pairs(&[
        ("ours", "PASS"),
        ("in-error", "FAIL"),
        ("max-run-age", "PASS"),
    ]);
    assert_eq!(fixture.verdicts(&both).await, (3, expected));
    let expected = pairs(&[
        ("pending-longer-than", "PASS"),
        ("in-error", "FAIL"),
        ("not-seen-for", "PASS"),
        ("max-run-age", "PASS"),
        ("no-unknown-values", "FAIL"),
    ]);
    assert_eq!(fixture.verdicts(&[]).await, (3, expected));
    // With a finding and insufficient data both are reported, and the finding determines
    // the exit code. Without a finding, the insufficient data does.
    let (code, verdicts) = fixture
        .verdicts(&["--in-error", "--deleted-within", "1h"])
        .await;
    assert_eq!((code, verdicts[1].1.as_str()), (3, "INSUFFICIENT_DATA"));
    let (code, _) = fixture
        .verdicts(&["--no-shared", "--deleted-within", "1h"])
        .await;
    assert_eq!(code, 4);
}

#[tokio::test]
async fn sample_rules_are_printed_load_and_cover_every_kind() {
    let fixture = Fixture::new().await;
    let printed = fixture.ccinv.fine(&["check", "--print-sample-rules"]).await;
    assert_eq!(printed, SAMPLE);
    fixture.file(SAMPLE);
    let done = fixture.ask(&["--rules", "rules.toml", "--json"]).await;
    let result: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let rules = result["rules"].as_array().expect("rules");
    let kinds: BTreeSet<&str> = rules
        .iter()
        .map(|rule| rule["demand"]["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(kinds, BTreeSet::from(Requirement::KINDS));
    let names = rules
        .iter()
        .find(|rule| rule["id"] == "names")
        .expect("names");
    assert_eq!(names["except"].as_array().expect("a list").len(), 2);
    assert_eq!(names["scope"]["regions"], json!(["eu-west-1"]));
    assert_eq!(names["demand"]["pattern"], "[a-z0-9]+(-[a-z0-9]+)*");
}

#[tokio::test]
async fn error_remediation_follows_aws_guides_and_warns_before_deleting() {
    let fixture = Fixture::new().await;
    fixture.file(SAMPLE);
    let arguments: [&[&str]; 2] = [
        &["--in-error", "--json"],
        &["--rules", "rules.toml", "--json"],
    ];
    for arguments in arguments {
        let done = fixture.ask(arguments).await;
        let result: Value = serde_json::from_str(&done.stdout).expect("JSON");
        let rules = result["rules"].as_array().expect("rules");
        let rule = rules.iter().find(|rule| rule["id"] == "in-error");
        let remediation = rule.expect("the rule")["remediation"].as_str();
        let remediation = remediation.expect("a remediation");
        for part in ["can't be recovered", "retries it", "before deleting it"] {
            assert!(remediation.contains(part), "{arguments:?}: {remediation}");
        }
    }
}

#[tokio::test]
async fn rule_file_error_has_line_and_expected_value() {
    let fixture = Fixture::new().await;
    let head = "[[rule]]\nid = \"a\"\nseverity = \"low\"\n";
    let cases: [(&str, &str); 30] = [
        (
            "",
            "rules.toml: has no rules; expected at least one [[rule]]",
        ),
        ("# nothing\n", "has no rules"),
        ("[[rule]\n", "rules.toml:1: unclosed array table"),
        ("rule = 1\n", "rules.toml:1: invalid type: integer `1`"),
        (
            "[[rules]]\nid = \"a\"\n",
            "unknown field `rules`, expected `rule`",
        ),
        (
            "[[rule]]\nid = \"a\"\nkind = \"shared\"\n",
            "missing field `severity`",
        ),
        (
            "HEADkind = \"shared\"\ncolour = 1\n",
            "rules.toml:5: unknown field `colour`",
        ),
        (
            "HEADkind = \"shared\"\nid = \"b\"\n",
            "rules.toml:5: duplicate key",
        ),
        (
            "HEADkind = \"sharing\"\n",
            "rules.toml:4: unknown kind \"sharing\"; expected one of pending, error",
        ),
        (
            "HEADkind = \"pending\"\n",
            "rules.toml:1: kind \"pending\" requires longer_than, such as longer_than = \"7d\"",
        ),
        (
            "HEADkind = \"pending\"\nlonger_than = \"7 days\"\n",
            "rules.toml:5: longer_than: \"7 days\" is not a duration such as 1h, 15m or 1d",
        ),
        (
            "HEADkind = \"pending\"\nlonger_than = \"0d\"\n",
            "\"0d\" is not a duration",
        ),
        (
            "HEADkind = \"pending\"\nlonger_than = 7\n",
            "rules.toml:5: invalid type: integer `7`, expected a string, in: longer_than = 7",
        ),
        (
            "HEADkind = \"pending\"\nlonger_than = \"7d\"\nwithin = \"7d\"\n",
            "rules.toml:6: `within` is not a parameter of kind \"pending\"",
        ),
        (
            "HEADkind = \"status-changes\"\nmore_than = -1\nwithin = \"7d\"\n",
            "rules.toml:5: more_than: -1 is not a number of changes such as 3",
        ),
        (
            "HEADkind = \"provider\"\nallowed = \"GitHub\"\n",
            "expected a sequence, in: allowed = \"GitHub\"",
        ),
        (
            "HEADkind = \"provider\"\nallowed = []\n",
            "rules.toml:5: allowed: is empty; expected at least one value",
        ),
        (
            "HEADkind = \"account\"\nallowed = [\"12\"]\n",
            "allowed: \"12\" is not an AWS account id (12 digits, such as 123456789012)",
        ),
        (
            "HEADkind = \"name\"\npattern = \"a)(b\"\n",
            "rules.toml:5: pattern: \"a)(b\" is not a regular expression such as team-[a-z]+",
        ),
        (
            "HEADkind = \"shared\"\ncontrols = [\"CM-8\"]\n",
            "rules.toml:5: controls: \"CM-8\" is not a standard and its control, such as NIST 800-53 CM-8",
        ),
        (
            "HEADkind = \"shared\"\nscope = { region = [\"eu-west-1\"] }\n",
            "rules.toml:5: unknown field `region`, expected one of `accounts`, `regions`",
        ),
        (
            "HEADkind = \"shared\"\nscope = { regions = [\"Ireland\"] }\n",
            "regions: \"Ireland\" is not an AWS region code such as eu-west-1",
        ),
        (
            "HEADkind = \"shared\"\nscope = { regions = [] }\n",
            "regions: is empty",
        ),
        (
            "HEADkind = \"account\"\nallowed = [\"123456789012\"]\nscope = { regions = [\"eu-west-1\"] }\n",
            "rules.toml:6: scope: kind \"account\" is evaluated for accounts; expected only accounts",
        ),
        (
            "HEADkind = \"no-complete-run\"\nlonger_than = \"1d\"\nexcept = [{ connection = \"a\", reason = \"b\" }]\n",
            "rules.toml:6: except: kind \"no-complete-run\" is evaluated for accounts",
        ),
        (
            "HEADkind = \"shared\"\nexcept = [{ connection = \"arn:aws:x\", reason = \"b\" }]\n",
            "rules.toml:5: connection: \"arn:aws:x\" is not a connection ARN such as",
        ),
        (
            "HEADkind = \"shared\"\nexcept = [{ connection = \"a\", reason = \" \" }]\n",
            "rules.toml:5: reason: is empty; expected why",
        ),
        (
            "[[rule]]\nid = \"a b\"\nkind = \"shared\"\nseverity = \"low\"\n",
            "rules.toml:2: id: \"a b\" is not a rule id",
        ),
        (
            "[[rule]]\nid = \"a\"\nkind = \"shared\"\nseverity = \"bad\"\n",
            "rules.toml:4: severity: \"bad\" is not a severity: informational, low",
        ),
        (
            "HEADkind = \"shared\"\n[[rule]]\nid = \"a\"\nkind = \"shared\"\nseverity = \"low\"\n",
            "rules.toml:6: id \"a\" is used by an earlier rule",
        ),
    ];
    for (text, says) in cases {
        fixture.file(&text.replace("HEAD", head));
        let done = fixture.ask(&["--rules", "rules.toml"]).await;
        assert_eq!(done.code, 2, "{text}: {done:?}");
        assert!(
            done.complaint().contains(says),
            "{says:?} of {text:?}: {done:?}"
        );
    }
    let done = fixture.ask(&["--rules", "nowhere.toml"]).await;
    assert_eq!(done.code, 2);
    assert!(
        done.complaint().contains("--rules nowhere.toml: "),
        "{done:?}"
    );
    let many = |number: usize| {
        let rules = (0..number).map(|n| SHARED.replace("ours", &format!("ours-{n}")));
        rules.collect::<String>()
    };
    fixture.file(&many(250));
    assert_ne!(fixture.ask(&["--rules", "rules.toml"]).await.code, 2);
    fixture.file(&many(251));
    let done = fixture.ask(&["--rules", "rules.toml"]).await;
    assert_eq!(done.code, 2);
    let complaint = "more than 250 rules";
    assert!(done.complaint().contains(complaint), "{done:?}");
    fixture.file(&SHARED.replace("ours", "in-error"));
    let done = fixture.ask(&["--rules", "rules.toml", "--in-error"]).await;
    assert_eq!(done.code, 2);
    assert!(
        done.complaint()
            .contains("--in-error has the same id as a rule in the file"),
        "{done:?}"
    );
}

#[tokio::test]
async fn invalid_rule_option_is_a_usage_error() {
    let fixture = Fixture::new().await;
    for (arguments, says) in [
        (&["--pending-longer-than", "7"][..], "is not a duration"),
        (
            &["--max-status-changes", "3"],
            "is not a number of changes and a duration such as 3/7d",
        ),
        (&["--max-status-changes", "3/x"], "such as 3/7d"),
        (&["--name-pattern", "["], "is not a regular expression"),
        (&["--allow-account", "1"], "12 digits"),
        (
            &["--print-sample-rules", "--in-error"],
            "cannot be used with",
        ),
        (&["--json", "--format", "junit"], "cannot be used with"),
    ] {
        let done = fixture.ask(arguments).await;
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        assert!(done.complaint().contains(says), "{says:?}: {done:?}");
    }
    let table = fixture.env.table.name().as_str();
    let future = ["check", "--as-of", "2999-01-01", "--table", table];
    let done = fixture.ccinv.run(&future).await;
    assert_eq!(done.code, 2);
    assert!(done.complaint().contains("is in the future"), "{done:?}");
}

/// Options of rules that pass, fail, and have insufficient data.
const THREE: [&str; 8] = [
    "--no-shared",
    "--no-unknown-values",
    "--allow-owner",
    ACCOUNT,
    "--deleted-within",
    "1h",
    "--name-pattern",
    "[a-z]-name",
];

#[tokio::test]
async fn junit_with_hostile_names_is_read_by_another_parser() {
    let fixture = Fixture::new().await;
    let done = fixture
        .ask(&[&THREE[..], &["--format", "junit"]].concat())
        .await;
    assert_eq!((done.code, done.stderr.as_str()), (3, ""), "{done:?}");
    let file = fixture.ccinv.folder().join("check.xml");
    std::fs::write(&file, &done.stdout).expect("written");
    let path = file.to_str().expect("UTF-8");
    let read = fine(python("junit_report.py", &[path]).await);
    let read: Value = serde_json::from_str(&read).expect("JSON");
    let cases = &read[ACCOUNT];
    assert_eq!(read.as_object().expect("suites").len(), 1);
    assert_eq!(cases.as_object().expect("cases").len(), 5);
    assert_eq!(cases["no-shared"], Value::Null);
    let insufficient = &cases["deleted-within"];
    assert_eq!(
        (&insufficient["outcome"], &insufficient["type"]),
        (&json!("error"), &json!("medium"))
    );
    let text = insufficient["text"].as_str().expect("text");
    assert!(
        text.contains("INSUFFICIENT_DATA 123456789012: the record begins at"),
        "{text}"
    );
    let failed = &cases["allow-owner"];
    assert_eq!(
        (&failed["outcome"], &failed["type"]),
        (&json!("failure"), &json!("high"))
    );
    let message = failed["message"].as_str().expect("text");
    assert!(message.ends_with(": 1 finding"), "{message}");
    let text = failed["text"].as_str().expect("text");
    for says in [
        "connection/c-hostile",
        "</failure><x y=",
        "owner \"</failure><x y=",
        "shown by CONNECTION#123456789012#",
        "CHANGE#0000000001",
    ] {
        assert!(text.contains(says), "{says:?} in {text}");
    }
    let active = |c: char| c.is_control() && c != '\n';
    assert!(!done.stdout.contains(active), "{:?}", done.stdout);
}

#[tokio::test]
async fn sarif_log_matches_the_standard_and_has_every_finding_and_reason() {
    let fixture = Fixture::new().await;
    let format = ["--format", "sarif"];
    let done = fixture.ask(&[&THREE[..], &format].concat()).await;
    assert_eq!((done.code, done.stderr.as_str()), (3, ""), "{done:?}");
    let log: Value = serde_json::from_str(&done.stdout).expect("JSON");
    // The schema of the OASIS standard.
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = folder.join("tests/python/sarif-schema-2.1.0.json");
    let file = fixture.ccinv.folder().join("check.sarif");
    std::fs::write(&file, log.to_string()).expect("written");
    let [schema, file] = [&schema, &file].map(|path| path.to_str().expect("UTF-8"));
    fine(python("against_schema.py", &[schema, file]).await);

    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), 5);
    let results = run["results"].as_array().expect("results");
    let owner = results
        .iter()
        .find(|result| result["ruleId"] == "allow-owner");
    let owner = owner.expect("a result");
    assert_eq!(owner["level"], "error", "severity high");
    let index = owner["ruleIndex"]
        .as_u64()
        .and_then(|index| usize::try_from(index).ok());
    assert_eq!(rules[index.expect("an index")]["id"], "allow-owner");
    let location = &owner["locations"][0]["logicalLocations"][0];
    assert_eq!(location["fullyQualifiedName"], arn(REGION, "c-hostile"));
    let evidence = owner["properties"]["evidence"][0].as_str().expect("a key");
    assert!(
        evidence.starts_with("CONNECTION#123456789012#"),
        "{evidence}"
    );
    // Insufficient data is no result: it neither passes nor fails.
    assert!(
        results
            .iter()
            .all(|result| result["ruleId"] != "deleted-within")
    );
    let notifications = &run["invocations"][0]["toolExecutionNotifications"];
    let [notification] = notifications.as_array().expect("a list").as_slice() else {
        panic!("one notification: {notifications}");
    };
    assert_eq!(notification["associatedRule"]["id"], "deleted-within");
    let text = notification["message"]["text"].as_str().expect("a text");
    let reason = "INSUFFICIENT_DATA: the record begins at";
    assert!(text.starts_with(reason), "{text}");
    let json = fixture.ask(&[&THREE[..], &["--json"]].concat()).await;
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let rules = json["rules"].as_array().expect("rules").iter();
    let findings = rules.map(|rule| {
        rule["accounts"][0]["findings"]
            .as_array()
            .map_or(0, Vec::len)
    });
    assert_eq!(results.len(), findings.sum::<usize>(), "no exceptions here");
    let active = |c: char| c.is_control() && c != '\n';
    assert!(!done.stdout.contains(active), "{:?}", done.stdout);
}

#[tokio::test]
async fn json_and_text_agree_and_have_no_control_characters() {
    let fixture = Fixture::new().await;
    let done = fixture.ask(&[&THREE[..], &["--json"]].concat()).await;
    let result: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(result["at"], "2026-10-01T10:30:00.000Z");
    assert_eq!(result["rests_on"][0]["last_complete_run"]["sequence"], 1);
    let names = &result["rules"][1];
    assert_eq!(names["id"], "name-pattern");
    let finding = &names["accounts"][0]["findings"][0];
    assert_eq!(finding["connection_name"], HOSTILE);
    assert_eq!(finding["connection_arn"], arn(REGION, "c-hostile"));
    assert_eq!(finding["since"], "2026-10-01T10:00:00.000Z");
    let text = fixture.ask(&THREE).await;
    assert_eq!(text.code, 3);
    for says in [
        "FAIL               low       name-pattern       3          1 ",
        "INSUFFICIENT_DATA  medium    deleted-within     3          0 ",
        "PASS               medium    no-shared          3          0 ",
        "5 rules as of 2026-10-01T10:30:00Z: 1 PASS, 3 FAIL, 1 INSUFFICIENT_DATA; 3 findings, 1 not evaluated",
        "   insufficient data: account 123456789012: the record begins at 2026-10-01T10:00:00.000Z",
        "account 123456789012: based on run 1 (COMPLETE, 1 region)",
    ] {
        assert!(text.stdout.contains(says), "{says:?} in {}", text.stdout);
    }
    for printed in [&done.stdout, &text.stdout] {
        let active = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!printed.contains(active), "{printed:?}");
    }
}

#[tokio::test]
async fn ocsf_events_validate_against_the_schema() {
    let fixture = Fixture::new().await;
    fixture.env.deny(REGION);
    fixture.env.clock.advance(HOUR);
    run(&fixture.env.handler(), &json!({})).await; // 11:00, FAILED
    let table = fixture.env.table.name().as_str();
    let as_of = ["check", "--table", table, "--as-of", "2026-10-01T11:30:00Z"];
    let done = fixture
        .ccinv
        .run(
            &[
                &as_of[..],
                &THREE,
                &["--max-run-age", "2h", "--format", "ocsf"],
            ]
            .concat(),
        )
        .await;
    assert_eq!((done.code, done.stderr.as_str()), (3, ""), "{done:?}");
    let file = fixture.ccinv.folder().join("check.jsonl");
    std::fs::write(&file, &done.stdout).expect("written");
    let path = file.to_str().expect("UTF-8");
    fine(
        python(
            "ocsf_events.py",
            &[SCHEMA_VERSION, "compliance_finding", path],
        )
        .await,
    );
    let events: Vec<Value> = done
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let statuses = |rule: &str| {
        let of_rule = events.iter().filter(|e| e["compliance"]["control"] == rule);
        let status = of_rule.map(|e| e["compliance"]["status"].as_str().expect("text"));
        status.collect::<Vec<_>>()
    };
    assert_eq!(statuses("max-run-age"), ["Pass"]);
    assert_eq!(statuses("no-shared"), ["Warning"]);
    assert_eq!(statuses("allow-owner"), ["Fail", "Warning"]);
    // Two reasons of one account make one event, because its id is the same.
    assert_eq!(statuses("deleted-within"), ["Warning"]);
    let mut uids: Vec<&str> = events
        .iter()
        .map(|event| event["metadata"]["uid"].as_str().expect("an id"))
        .collect();
    uids.sort_unstable();
    uids.dedup();
    assert_eq!(uids.len(), events.len());
}
