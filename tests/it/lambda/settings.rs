//! Settings are accepted, or rejected with a message that says what is valid.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it expects"
)]

use codeconnections_inventory::aws::setting::InvalidSettings;
use codeconnections_inventory::domain::TombstoneGuard;
use codeconnections_inventory::lambda::config::{
    AccountsSetting, DEFAULT_CONCURRENCY, Settings, parse_guard,
};
use codeconnections_inventory::lambda::logging::parse_level;
use tracing::level_filters::LevelFilter;

const TABLE: (&str, &str) = ("TABLE_NAME", "inventory");
const REGION: (&str, &str) = ("AWS_REGION", "eu-west-1");

fn read(variables: &[(&str, &str)]) -> Result<Settings, InvalidSettings> {
    Settings::read(|name| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// Reads the two required settings and one more variable.
fn with(variable: &str, value: &str) -> Result<Settings, InvalidSettings> {
    read(&[(variable, value), TABLE, REGION])
}

/// Returns the only error of the two required settings and one more variable.
fn setting_error(variable: &str, value: &str) -> String {
    let errors = with(variable, value).expect_err(value);
    match errors.0.as_slice() {
        [only] => only.to_string(),
        several => panic!("one error for {variable}={value:?}, not {several:?}"),
    }
}

fn regions(settings: &Settings) -> Vec<&str> {
    settings
        .regions
        .iter()
        .map(|region| region.as_str())
        .collect()
}

#[test]
fn table_and_own_region_are_sufficient() {
    let settings = read(&[TABLE, REGION]).unwrap();
    assert_eq!(settings.table_name.as_str(), "inventory");
    assert_eq!(regions(&settings), ["eu-west-1"]);
    assert_eq!(settings.max_concurrency, DEFAULT_CONCURRENCY);
    assert_eq!(settings.tombstone_guard, TombstoneGuard::Share(0.5));
    assert_eq!(settings.own_account, None);
    assert_eq!(settings.accounts, AccountsSetting::Own);
    assert_eq!(settings.member_role, None);
    assert_eq!(settings.metrics, None);
}

#[test]
fn every_given_setting_is_used() {
    let settings = read(&[
        ("TABLE_NAME", "My_table-2.x"),
        ("REGIONS", "us-east-1"),
        ("AWS_REGION", "eu-west-1"),
        ("MAX_CONCURRENCY", "3"),
        ("TOMBSTONE_GUARD", "25%"),
        ("AWS_ACCOUNT_ID", "111122223333"),
        ("ACCOUNTS", "444455556666, 111122223333"),
        ("MEMBER_ROLE_NAME", "readers/inventory-reader"),
        ("EXTERNAL_ID", "a-secret"),
        ("LOG_LEVEL", "debug"),
        ("METRICS_NAMESPACE", "Platform/CodeConnections"),
        ("AWS_LAMBDA_FUNCTION_NAME", "inventory"),
    ])
    .unwrap();
    assert_eq!(settings.table_name.as_str(), "My_table-2.x");
    assert_eq!(regions(&settings), ["us-east-1"]);
    assert_eq!(settings.max_concurrency, 3);
    assert_eq!(settings.tombstone_guard, TombstoneGuard::Share(0.25));
    assert_eq!(settings.own_account.unwrap().as_str(), "111122223333");
    let accounts = ["111122223333", "444455556666"].map(|id| id.parse().unwrap());
    assert_eq!(settings.accounts, AccountsSetting::Listed(accounts.into()));
    let metrics = settings.metrics.unwrap();
    assert_eq!(&*metrics.namespace, "Platform/CodeConnections");
    assert_eq!(&*metrics.function, "inventory");
    let role = settings.member_role.unwrap();
    assert_eq!(&*role.name, "readers/inventory-reader");
    assert_eq!(role.external_id.as_deref(), Some("a-secret"));
}

#[test]
fn empty_variable_is_treated_as_unset() {
    let usual = read(&[TABLE, REGION]).unwrap();
    for variable in [
        "REGIONS",
        "MAX_CONCURRENCY",
        "TOMBSTONE_GUARD",
        "AWS_ACCOUNT_ID",
        "ACCOUNTS",
        "MEMBER_ROLE_NAME",
        "EXTERNAL_ID",
        "LOG_LEVEL",
        "METRICS_NAMESPACE",
    ] {
        for empty in ["", " ", "\t\n"] {
            assert_eq!(
                with(variable, empty).as_ref(),
                Ok(&usual),
                "{variable}={empty:?}"
            );
        }
    }
}

#[test]
fn regions_are_split_at_commas_or_spaces_and_sorted() {
    for (list, expected) in [
        ("us-east-1", vec!["us-east-1"]),
        ("us-east-1,eu-west-1", vec!["eu-west-1", "us-east-1"]),
        ("us-east-1, eu-west-1 ,", vec!["eu-west-1", "us-east-1"]),
        (
            "us-east-1 eu-west-1\nus-east-1",
            vec!["eu-west-1", "us-east-1"],
        ),
        (
            "\tus-gov-west-1,cn-north-1",
            vec!["cn-north-1", "us-gov-west-1"],
        ),
        ("ap-southeast-3", vec!["ap-southeast-3"]),
    ] {
        let settings = with("REGIONS", list).unwrap();
        assert_eq!(regions(&settings), expected, "{list:?}");
    }
}

#[test]
fn own_region_is_optional_if_regions_are_set() {
    let settings = read(&[TABLE, ("REGIONS", "us-east-1")]).unwrap();
    assert_eq!(regions(&settings), ["us-east-1"]);
}

#[test]
fn guard_accepts_a_share_a_percentage_or_off() {
    for (text, guard) in [
        ("0.5", TombstoneGuard::Share(0.5)),
        ("50%", TombstoneGuard::Share(0.5)),
        ("12.5 %", TombstoneGuard::Share(0.125)),
        ("0", TombstoneGuard::Share(0.0)),
        ("0%", TombstoneGuard::Share(0.0)),
        ("1", TombstoneGuard::Share(1.0)),
        ("100%", TombstoneGuard::Share(1.0)),
        ("off", TombstoneGuard::Off),
        ("OFF", TombstoneGuard::Off),
    ] {
        assert_eq!(parse_guard(text), Ok(guard), "{text}");
        assert_eq!(
            with("TOMBSTONE_GUARD", text).unwrap().tombstone_guard,
            guard,
            "{text}"
        );
    }
}

#[test]
fn guard_that_is_no_share_is_rejected() {
    for text in [
        "-1",
        "-0.1",
        "2",
        "1.01",
        "50",
        "101%",
        "-1%",
        "NaN",
        "nan",
        "inf",
        "-inf",
        "infinity%",
        "NaN%",
        "half",
        "%",
        "0,5",
        "on",
        "0.5%%",
        "no",
    ] {
        assert_eq!(
            setting_error("TOMBSTONE_GUARD", text),
            format!(
                "TOMBSTONE_GUARD: {text:?} is not a share of an account \
                 (0.5 or 50%, from 0 to 1), nor off"
            )
        );
    }
}

#[test]
fn invalid_value_is_rejected_with_the_expected_format() {
    const REGION_WANTED: &str = "is not an AWS region code such as eu-west-1";
    const NO_REGION: &str = "names no region; give regions such as us-east-1,eu-west-1";
    const ACCOUNT_WANTED: &str = "is not an AWS account id (12 digits, such as 123456789012)";
    const TABLE_WANTED: &str = "is not a table name (3 to 255 of a-z, A-Z, 0-9, _, - and .)";
    const CONCURRENCY_WANTED: &str = "is not a whole number from 1 to 64";
    const ROLE_WANTED: &str =
        "is not the name of a role (with its path, if it has one, such as readers/inventory)";
    const LEVEL_WANTED: &str = "is not one of off, error, warn, info, debug, trace";
    for (variable, value, problem) in [
        (
            "REGIONS",
            "us-east1",
            format!("\"us-east1\" {REGION_WANTED}"),
        ),
        (
            "REGIONS",
            "us-east-1;eu-west-1",
            format!("\"us-east-1;eu-west-1\" {REGION_WANTED}"),
        ),
        (
            "REGIONS",
            "eu-west-1,EU-WEST-2",
            format!("\"EU-WEST-2\" {REGION_WANTED}"),
        ),
        ("REGIONS", "all", format!("\"all\" {REGION_WANTED}")),
        ("REGIONS", ",", NO_REGION.to_owned()),
        (
            "MAX_CONCURRENCY",
            "0",
            format!("\"0\" {CONCURRENCY_WANTED}"),
        ),
        (
            "MAX_CONCURRENCY",
            "65",
            format!("\"65\" {CONCURRENCY_WANTED}"),
        ),
        (
            "MAX_CONCURRENCY",
            "-1",
            format!("\"-1\" {CONCURRENCY_WANTED}"),
        ),
        (
            "MAX_CONCURRENCY",
            "4.0",
            format!("\"4.0\" {CONCURRENCY_WANTED}"),
        ),
        (
            "MAX_CONCURRENCY",
            "many",
            format!("\"many\" {CONCURRENCY_WANTED}"),
        ),
        (
            "AWS_ACCOUNT_ID",
            "1234",
            format!("\"1234\" {ACCOUNT_WANTED}"),
        ),
        (
            "AWS_ACCOUNT_ID",
            "1234-5678-9012",
            format!("\"1234-5678-9012\" {ACCOUNT_WANTED}"),
        ),
        (
            "ACCOUNTS",
            "123456789012,bob",
            format!("\"bob\" {ACCOUNT_WANTED}"),
        ),
        (
            "ACCOUNTS",
            ",",
            "names no account; give accounts such as 123456789012".to_owned(),
        ),
        (
            "MEMBER_ROLE_NAME",
            "arn:aws:iam::123456789012:role/inventory",
            format!("\"arn:aws:iam::123456789012:role/inventory\" {ROLE_WANTED}"),
        ),
        (
            "MEMBER_ROLE_NAME",
            "two words",
            format!("\"two words\" {ROLE_WANTED}"),
        ),
        (
            "MEMBER_ROLE_NAME",
            "readers/",
            format!("\"readers/\" {ROLE_WANTED}"),
        ),
        (
            "EXTERNAL_ID",
            "a-secret",
            "set, but MEMBER_ROLE_NAME is not; it is what that role asks for".to_owned(),
        ),
        (
            "LOG_LEVEL",
            "verbose",
            format!("\"verbose\" {LEVEL_WANTED}"),
        ),
        ("LOG_LEVEL", "3", format!("\"3\" {LEVEL_WANTED}")),
    ] {
        assert_eq!(
            setting_error(variable, value),
            format!("{variable}: {problem}")
        );
    }
    for table in [
        "ab",
        "a table",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/x",
        "tâble",
    ] {
        let errors = read(&[("TABLE_NAME", table), REGION]).unwrap_err();
        assert_eq!(
            errors.to_string(),
            format!("invalid settings: TABLE_NAME: {table:?} {TABLE_WANTED}")
        );
    }
    let long = "x".repeat(256);
    assert!(read(&[("TABLE_NAME", &long), REGION]).is_err());
    assert!(read(&[("TABLE_NAME", &long[1..]), REGION]).is_ok());
}

#[test]
fn invalid_own_region_is_reported_as_aws_region() {
    let errors = read(&[TABLE, ("AWS_REGION", "moon")]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "invalid settings: AWS_REGION: \"moon\" is not an AWS region code such as eu-west-1"
    );
}

#[test]
fn several_accounts_require_a_member_role() {
    let accounts = ("ACCOUNTS", "111122223333,444455556666");
    let errors = read(&[accounts, TABLE, REGION]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "invalid settings: MEMBER_ROLE_NAME: not set, but ACCOUNTS has several; \
         name the role to assume in them"
    );
    let role = ("MEMBER_ROLE_NAME", "inventory-reader");
    assert!(read(&[accounts, role, TABLE, REGION]).is_ok());
    let one = ("ACCOUNTS", "111122223333");
    assert!(read(&[one, TABLE, REGION]).is_ok());
    for any in ["any", "Any"] {
        let any = ("ACCOUNTS", any);
        let errors = read(&[any, TABLE, REGION]).unwrap_err();
        assert_eq!(
            errors.to_string(),
            "invalid settings: MEMBER_ROLE_NAME: not set, but ACCOUNTS is any; \
             name the role to assume in them"
        );
        let settings = read(&[any, role, TABLE, REGION]).unwrap();
        assert_eq!(settings.accounts, AccountsSetting::Any);
    }
    assert!(read(&[("ACCOUNTS", "any,111122223333"), role, TABLE, REGION]).is_err());
}

#[test]
fn namespace_invalid_for_cloudwatch_is_rejected() {
    for wrong in ["AWS/Lambda", "a b", "é", &"x".repeat(256)] {
        let message = setting_error("METRICS_NAMESPACE", wrong);
        assert!(
            message.contains("is not a namespace of CloudWatch"),
            "{message}"
        );
    }
    assert!(with("METRICS_NAMESPACE", "a.b-c/d#e:f_1").is_ok());
}

#[test]
fn all_invalid_settings_are_reported_together() {
    let errors = read(&[
        ("REGIONS", "nowhere"),
        ("MAX_CONCURRENCY", "none"),
        ("TOMBSTONE_GUARD", "2"),
        ("ACCOUNTS", "me"),
        ("MEMBER_ROLE_NAME", "a b"),
        ("AWS_ACCOUNT_ID", "you"),
        ("LOG_LEVEL", "loud"),
    ])
    .unwrap_err();
    let variables: Vec<&str> = errors.0.iter().map(|error| error.variable).collect();
    assert_eq!(
        variables,
        [
            "TABLE_NAME",
            "REGIONS",
            "MAX_CONCURRENCY",
            "TOMBSTONE_GUARD",
            "MEMBER_ROLE_NAME",
            "ACCOUNTS",
            "AWS_ACCOUNT_ID",
            "LOG_LEVEL",
        ]
    );
    let message = errors.to_string();
    assert!(
        message.starts_with("invalid settings: TABLE_NAME: not set; give the name"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "one line for the log");
    for error in &errors.0 {
        assert!(
            message.contains(&error.to_string()),
            "{error} is in {message}"
        );
    }
}

#[test]
fn empty_environment_reports_the_required_settings() {
    let errors = read(&[]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "invalid settings: TABLE_NAME: not set; give the name of the inventory's table; \
         REGIONS: not set, and neither is AWS_REGION; give regions such as us-east-1,eu-west-1"
    );
}

#[test]
fn log_levels_are_case_insensitive_and_fatal_means_error() {
    for (word, level) in [
        ("off", LevelFilter::OFF),
        ("ERROR", LevelFilter::ERROR),
        ("FATAL", LevelFilter::ERROR),
        ("Warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("TRACE", LevelFilter::TRACE),
    ] {
        assert_eq!(parse_level(Some(word)), Ok(level), "{word}");
        assert!(with("LOG_LEVEL", word).is_ok(), "{word}");
    }
    assert_eq!(parse_level(None), Ok(LevelFilter::INFO));
}
