//! The template's parameters: accepted values, defaults, and the settings that the
//! function accepts.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::support::template::{MEMBER, TEMPLATE, deployed, list, parameter, text};
use crate::support::test_env;
use codeconnections_inventory::lambda::config::{
    Settings, parse_concurrency, parse_guard, parse_regions,
};
use codeconnections_inventory::lambda::logging;
use codeconnections_inventory::lambda::logging::parse_level;
use regex_lite::Regex;
use serde_json::{Map, Value, json};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::{NoSubscriber, set_global_default};

const ORGANIZATION: &[(&str, &str)] = &[("Mode", "organization")];

// --- In the console ---------------------------------------------------------

#[test]
fn every_parameter_has_one_group_a_label_and_a_description() {
    for template in [&*TEMPLATE, &*MEMBER] {
        let interface = &template["Metadata"]["AWS::CloudFormation::Interface"];
        let mut grouped = Vec::new();
        for group in list(&interface["ParameterGroups"]) {
            assert!(!text(&group["Label"]["default"]).is_empty(), "{group}");
            grouped.extend(list(&group["Parameters"]).iter().map(text));
        }
        let parameters = template["Parameters"].as_object().expect("parameters");
        let names = BTreeSet::from_iter(parameters.keys().cloned());
        assert_eq!(BTreeSet::from_iter(grouped.iter().cloned()), names);
        assert_eq!(grouped.len(), names.len(), "once: {grouped:?}");
        let labels = interface["ParameterLabels"].as_object().expect("labels");
        assert_eq!(BTreeSet::from_iter(labels.keys().cloned()), names);
        let mut unique = BTreeSet::new();
        for (name, label) in labels {
            assert!(unique.insert(text(&label["default"])), "{name}: {label}");
        }
        for (name, parameter) in parameters {
            assert!(text(&parameter["Description"]).len() > 20, "{name}");
            let pattern = parameter.get("AllowedPattern").is_some();
            let explained = parameter.get("ConstraintDescription").is_some();
            assert!(!pattern || explained, "{name} explains its pattern");
        }
    }
}

#[test]
fn defaults_list_this_account_without_notifications() {
    for (name, parameter) in TEMPLATE["Parameters"].as_object().expect("parameters") {
        assert!(parameter.get("Default").is_some(), "{name} has a default");
    }
    assert_eq!(parameter("Mode")["Default"], "account");
    assert_eq!(parameter("Notifications")["Default"], "none");
    assert_eq!(parameter("NotificationEmail")["Default"], "");
    assert_eq!(parameter("KeyArn")["Default"], "");
}

#[test]
fn no_complete_run_alarm_defaults_to_twice_the_schedule() {
    let schedule = text(&parameter("ScheduleExpression")["Default"]);
    assert_eq!(schedule, "rate(1 hour)");
    assert_eq!(parameter("HoursWithoutCompleteRun")["Default"], 2);
}

// --- Settings ---------------------------------------------------------------

fn variables(template: &Value) -> Map<String, Value> {
    let function = &template["Resources"]["Function"]["Properties"];
    let variables = &function["Environment"]["Variables"];
    variables.as_object().expect("variables").clone()
}

/// Returns the variables that the function reads.
fn looked_up() -> BTreeSet<String> {
    let names = Mutex::new(BTreeSet::new());
    // A process has one global subscriber. Setting it first discards the log lines of
    // all later tests, as without a subscriber.
    let _ = set_global_default(NoSubscriber::default());
    // Some variables are read only if another one is set.
    for value in [Some("off"), None] {
        let lookup = |name: &str| {
            names.lock().expect("names").insert(name.to_owned());
            value.map(str::to_owned)
        };
        let _ = Settings::read(lookup);
        logging::init_from(lookup);
    }
    names.into_inner().expect("names")
}

#[test]
fn template_sets_exactly_the_user_settings_of_the_function() {
    let by_others = BTreeSet::from([
        // Set by Lambda.
        "AWS_REGION",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_LOG_LEVEL",
        "AWS_LAMBDA_LOG_FORMAT",
        // Only for credentials of another account.
        "AWS_ACCOUNT_ID",
    ]);
    let organization_only = BTreeSet::from(["ACCOUNTS", "MEMBER_ROLE_NAME", "EXTERNAL_ID"]);
    let looked_up = looked_up();
    let looked_up: BTreeSet<&str> = looked_up.iter().map(String::as_str).collect();

    let set = variables(&deployed(ORGANIZATION));
    let set: BTreeSet<&str> = set.keys().map(String::as_str).collect();
    assert!(set.is_disjoint(&by_others), "{set:?}");
    assert_eq!(looked_up, &set | &by_others);

    // A single account has no settings of an organization.
    let alone = variables(&deployed(&[]));
    let alone: BTreeSet<&str> = alone.keys().map(String::as_str).collect();
    assert_eq!(alone, &set - &organization_only);
}

/// Returns the settings that the function reads with these parameters of the template.
fn settings(parameters: &[(&str, &str)]) -> Settings {
    let variables = variables(&deployed(parameters));
    assert_eq!(variables["TABLE_NAME"], json!({"Ref": "Table"}));
    let settings = Settings::read(|name| match name {
        "TABLE_NAME" => Some("made-by-the-stack".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        _ => Some(match variables.get(name)? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }),
    });
    settings.unwrap_or_else(|fault| panic!("{fault}"))
}

#[test]
fn template_defaults_are_accepted_by_the_function() {
    let alone = settings(&[]);
    assert_eq!(alone.regions, [test_env::region("eu-west-1")], "its own");
    assert_eq!(alone.member_role, None);
    let role = settings(ORGANIZATION).member_role.expect("a role");
    assert_eq!(&*role.name, "codeconnections-inventory-read");
    assert_eq!(role.external_id, None);
}

fn pattern(parameter: &Value) -> Regex {
    let pattern = text(&parameter["AllowedPattern"]);
    assert!(
        pattern.starts_with('^') && pattern.ends_with('$'),
        "{pattern}"
    );
    Regex::new(&pattern).expect("a pattern")
}

#[test]
fn template_and_function_accept_the_same_values() {
    let regions = pattern(parameter("Regions"));
    for (value, right) in [
        ("us-east-1", true),
        ("us-east-1,eu-west-1", true),
        ("us-east-1, eu-west-1", true),
        ("us-gov-west-1", true),
        ("eusc-de-east-1, us-isob-east-1", true),
        ("us-east1", false),
        ("us-east-1;eu-west-1", false),
        ("US-EAST-1", false),
        ("us-east-100", false),
        ("all", false),
    ] {
        assert_eq!(regions.is_match(value), right, "{value}");
        assert_eq!(parse_regions(value).is_ok(), right, "{value}");
    }
    let guard = pattern(parameter("TombstoneGuard"));
    for (value, right) in [
        ("0", true),
        ("0.5", true),
        ("0.25", true),
        ("1", true),
        ("1.0", true),
        ("off", true),
        ("1.5", false),
        ("2", false),
        ("-1", false),
        ("NaN", false),
        ("half", false),
        ("", false),
    ] {
        assert_eq!(guard.is_match(value), right, "{value}");
        assert_eq!(parse_guard(value).is_ok(), right, "{value}");
    }
    let concurrency = parameter("MaxConcurrency");
    let least = concurrency["MinValue"].as_u64().expect("a number");
    let most = concurrency["MaxValue"].as_u64().expect("a number");
    for (number, right) in [
        (least - 1, false),
        (least, true),
        (most, true),
        (most + 1, false),
    ] {
        assert_eq!(
            parse_concurrency(&number.to_string()).is_ok(),
            right,
            "{number}"
        );
    }
    for level in list(&parameter("LogLevel")["AllowedValues"]) {
        let level = text(level);
        // The log level of Lambda drops neither log lines of the function nor its metrics.
        let lambdas = text(&TEMPLATE["Mappings"]["LogLevels"][&level]["Lambda"]);
        let (own, lambdas) = (parse_level(Some(&level)), parse_level(Some(&lambdas)));
        assert_eq!(
            lambdas.expect("a level"),
            own.expect("a level").max(LevelFilter::INFO),
            "{level}"
        );
    }
}

#[test]
fn member_role_names_valid_in_template_are_accepted_by_function() {
    let pattern = pattern(parameter("MemberRoleName"));
    for (name, right) in [
        ("codeconnections-inventory-read", true),
        ("readers/inventory", true),
        ("a+b=c,d.e@f_g-h", true),
        ("", false),
        ("arn:aws:iam::123456789012:role/reader", false),
        ("/reader", false),
        ("reader/", false),
        ("a reader", false),
    ] {
        assert_eq!(pattern.is_match(name), right, "{name}");
        if right {
            let given = [ORGANIZATION, &[("MemberRoleName", name)]].concat();
            let role = settings(&given).member_role.expect("a role");
            assert_eq!(&*role.name, name);
        }
    }
}

#[test]
fn both_templates_agree_on_the_member_role() {
    let same = |name: &str, field: &str| {
        let there = &MEMBER["Parameters"][name];
        assert_eq!(parameter(name)[field], there[field], "{field} of {name}");
    };
    same("MemberRoleName", "Default");
    same("ExternalId", "Default");
    same("ExternalId", "AllowedPattern");
}

#[test]
fn schedule_of_dependencies_is_off_or_a_schedule() {
    let of = |name: &str| text(&parameter(name)["AllowedPattern"]);
    let schedule = of("ScheduleExpression");
    let inner = schedule.trim_start_matches("^(").trim_end_matches(")$");
    assert_eq!(of("DependenciesSchedule"), format!("^(off|{inner})$"));
}

// --- Values that AWS would refuse only during the deployment -----------------

#[test]
fn values_unusable_by_aws_or_the_state_machine_are_refused() {
    let cases: BTreeMap<&str, &[(&str, bool)]> = BTreeMap::from([
        (
            "IncludeAccounts",
            &[
                ("", true),
                ("123456789012", true),
                ("123456789012,210987654321", true),
                ("123456789012, 210987654321", true),
                ("1234567890123", false),
                ("12345678901", false),
                ("123456789012,", false),
                ("123456789012;210987654321", false),
                // The values are quoted in an expression.
                ("123456789012'", false),
            ][..],
        ),
        (
            "ExternalId",
            &[("", true), ("x1", true), ("x", false), ("a b", false)],
        ),
        (
            "NotificationEmail",
            &[
                ("", true),
                ("platform@example.com", true),
                ("platform", false),
                ("a@b@c", false),
            ],
        ),
        (
            "KeyArn",
            &[
                ("", true),
                ("arn:aws:kms:eu-west-1:123456789012:key/1a2b-3c", true),
                ("arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1a", true),
                ("arn:aws:kms:eu-west-1:123456789012:alias/table", false),
                ("alias/table", false),
                ("1a2b-3c", false),
            ],
        ),
    ]);
    for (name, values) in cases {
        let pattern = pattern(parameter(name));
        for (value, right) in values {
            assert_eq!(pattern.is_match(value), *right, "{name}: {value:?}");
        }
    }
    let [include, exclude] = ["IncludeAccounts", "ExcludeAccounts"].map(parameter);
    assert_eq!(include["AllowedPattern"], exclude["AllowedPattern"]);
}

#[test]
fn schedules_valid_in_eventbridge_are_accepted() {
    let schedule = parameter("ScheduleExpression");
    let (pattern, default) = (pattern(schedule), text(&schedule["Default"]));
    // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
    for right in [
        default.as_str(),
        "rate(1 minute)",
        "rate(1 hour)",
        "rate(1 day)",
        "rate(2 minutes)",
        "rate(5 minutes)",
        "rate(10 minutes)",
        "rate(12 hours)",
        "rate(365 days)",
        "cron(0 6 * * ? *)",
        "cron(0/15 * * * ? *)",
        "cron(15 12 ? * * *)",
        "cron(0 18 ? * MON-FRI *)",
        "cron(0 8 1 * ? *)",
        "cron(0 10 ? * 6L 2026-2030)",
        "cron(5,35 14 L * ? *)",
        "cron(0 9 ? * 2#1 *)",
        "cron(30 8 15W * ? 2026)",
    ] {
        assert!(pattern.is_match(right), "{right}");
    }
}

#[test]
fn schedules_invalid_in_eventbridge_are_refused() {
    let pattern = pattern(parameter("ScheduleExpression"));
    for wrong in [
        "",
        "1 hour",
        "rate()",
        "rate(1)",
        "rate(hour)",
        "rate(5 minute)",
        "rate(2 hour)",
        "rate(10 day)",
        "rate(1 minutes)",
        "rate(1 hours)",
        "rate(1 days)",
        "rate(0 minutes)",
        "rate(0 minute)",
        "rate(05 minutes)",
        "rate(-5 minutes)",
        "rate(1.5 hours)",
        "rate(30 seconds)",
        "rate(2 weeks)",
        "rate(5  minutes)",
        "rate( 5 minutes)",
        "rate(5 minutes )",
        "rate(5 minutes",
        "Rate(5 minutes)",
        "rate(5 Minutes)",
        " rate(5 minutes)",
        "rate(5 minutes) ",
        "rate(5 minutes)\n",
        "rate(5 minutes)rate(5 minutes)",
        "cron()",
        "cron(* * * * *)",
        "cron(0 6 * * ?)",
        "cron(0 6 * * ? * *)",
        "cron(0  6 * * ? *)",
        // Exactly one of the two day fields must be `?`.
        "cron(0 6 * * * *)",
        "cron(0 6 1 * MON *)",
        "cron(0 6 ? * ? *)",
        "cron(? 6 * * ? *)",
        "0 6 * * ? *",
        "at(2026-10-01T09:00:00)",
    ] {
        assert!(!pattern.is_match(wrong), "{wrong:?}");
    }
}
