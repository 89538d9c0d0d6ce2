//! The cost estimate: its counts match the function and the table, its sizes match the
//! items, and the documentation shows what the command prints.

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a test of small counts"
)]

use std::collections::BTreeMap;

use crate::support::ccinv::Ccinv;
use crate::support::runtime_emulator::{Emulator, Environment};
use crate::support::template::{TEMPLATE, resources_of, text};
use crate::support::test_env::{ACCOUNT, HOUR, REGION, TestEnv, long_run};
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::cost::prices::PRICES;
use codeconnections_inventory::cost::{Bill, Plan, PriceList};
use codeconnections_inventory::cost::{counts, dependencies};
use codeconnections_inventory::domain::Clock;
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::table::codec::Item;
use codeconnections_inventory::table::schema::INDEXES;
use serde_json::{Value, json};

const CONNECTIONS: u64 = 130;

/// Creates an environment whose connections are all recorded. Its table is always the
/// embedded one, because other implementations report other capacity.
async fn env() -> (TestEnv, Vec<String>) {
    let env = TestEnv::with_table_at(None).await;
    let arns = (0..CONNECTIONS).map(|n| env.create(&format!("a-connection-with-a-name-{n}")));
    let arns = arns.collect();
    run(&env).await;
    (env, arns)
}

/// Runs as the schedule does: the event has an id, which is recorded.
async fn run(env: &TestEnv) -> Summary {
    env.clock.advance(HOUR);
    let at = env.clock.now();
    let event = json!({
        "id": format!("53dc4d37-cffa-4f76-80c9-{:012x}", at.millis()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": at.to_string(),
        "region": REGION,
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/inventory-Schedule-1A2B3C4D5E6F7"],
        "detail": {},
    });
    long_run(&env.handler(), &event).await
}

/// Asserts that an estimate is at least the measured value, and at most `most` times it.
#[track_caller]
fn covers(what: &str, estimate: f64, measured: f64, most: f64) {
    assert!(
        estimate >= measured,
        "{what}: {measured}, but the estimate is {estimate}"
    );
    assert!(
        estimate <= measured * most,
        "{what}: {measured}, and the estimate is {estimate}"
    );
}

#[tokio::test]
async fn run_matches_estimated_requests_and_units() {
    let (env, _) = env().await;
    let unchanged = run(&env).await;
    let (requests, capacity) = (unchanged.requests, unchanged.capacity);
    assert_eq!(requests.listing, counts::listing_requests(CONNECTIONS));
    assert_eq!(requests.read, counts::read_requests(CONNECTIONS));
    assert_eq!(requests.write, counts::write_requests(CONNECTIONS));
    let units = counts::write_units(&plan(1, CONNECTIONS)) as f64;
    assert_eq!(capacity.write_units.to_string(), units.to_string());
    let units = counts::read_units(CONNECTIONS) as f64;
    covers("read units", units, capacity.read_units, 1.4);
}

#[tokio::test]
async fn change_matches_estimated_write_units() {
    const CHANGES: u64 = 10;
    let (env, arns) = env().await;
    for arn in &arns[..10] {
        env.set_status(arn, "ERROR");
    }
    let summary = run(&env).await;
    assert_eq!(summary.changes.values().sum::<u64>(), CHANGES);
    let touched = CONNECTIONS - CHANGES;
    let others = counts::write_units(&plan(1, CONNECTIONS)) - CONNECTIONS + touched;
    let each = (summary.capacity.write_units - others as f64) / CHANGES as f64;
    covers("units of a change", counts::CHANGE_UNITS as f64, each, 1.5);
}

#[tokio::test]
async fn item_sizes_match_the_estimate() {
    let (env, arns) = env().await;
    for arn in &arns[..10] {
        env.set_status(arn, "ERROR");
    }
    // More runs than event ids are recorded.
    for _ in 0..9 {
        run(&env).await;
    }
    let mut largest: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut note = |place: (&'static str, &'static str), size: u64| {
        let noted = largest.entry(place).or_default();
        *noted = (*noted).max(size);
    };
    for item in everything(&env).await {
        let kind = kind(&item);
        note((kind, "table"), size(&item, None));
        for index in INDEXES {
            if item.contains_key(index.partition_key) {
                let keys = ["pk", "sk", index.partition_key, index.sort_key];
                let holds = index
                    .includes
                    .map(|includes| [includes, &keys[..]].concat());
                note((kind, index.name), size(&item, holds.as_deref()));
            }
        }
    }
    let counted = [
        (("snapshot", "table"), counts::SNAPSHOT),
        (("snapshot", "by_status"), counts::SNAPSHOT_IN_INDEX),
        (("change", "table"), counts::CHANGE),
        (("change", "by_time"), counts::CHANGE),
        (("run", "table"), counts::RUN),
        (("account", "table"), counts::ACCOUNT),
        (("account", "by_status"), counts::ACCOUNT_IN_INDEX),
    ];
    for (place, counted) in counted {
        let found = largest.get(&place).copied().expect("such an item");
        covers(&format!("{place:?}"), counted as f64, found as f64, 1.5);
    }
    assert_eq!(largest.len(), counted.len(), "{largest:?}");
}

#[tokio::test]
async fn organization_record_sizes_match_the_estimate() {
    let env = TestEnv::with_table_at(None).await;
    env.create("a-connection");
    let mut summary = None;
    // More runs than executions are recorded.
    for number in 0..9 {
        env.clock.advance(HOUR);
        let event = json!({
            "account": ACCOUNT,
            // An execution that EventBridge starts has a name of two UUIDs.
            "execution_id": format!(
                "arn:aws:states:eu-west-1:999999999999:execution:inventory-StateMachine-1A2B3C4D5E6F:\
                 53dc4d37-cffa-4f76-80c9-8b7d4a4d{number:04}_0f5e3b8a-1c2d-4e3f-9a4b-5c6d7e8f9a0b"
            ),
            "schedule_arn": "arn:aws:states:eu-west-1:999999999999:stateMachine:inventory-StateMachine-1A2B3C4D5E6F",
        });
        summary = Some(long_run(&env.handler(), &event).await);
    }
    let sizes = everything(&env).await.into_iter();
    let sizes: Vec<(&str, u64)> = sizes.map(|item| (kind(&item), size(&item, None))).collect();
    for (name, counted) in [
        ("run", counts::RUN),
        ("account", counts::ACCOUNT_OF_ORGANIZATION),
    ] {
        let of_kind = sizes.iter().filter(|(kind, _)| *kind == name);
        let largest = of_kind.map(|(_, size)| *size).max().expect("such an item");
        covers(name, counted as f64, largest as f64, 1.3);
    }
    let units = summary.expect("a run").capacity.write_units;
    assert_eq!(
        units.to_string(),
        counts::write_units(&plan(2, 1)).to_string()
    );
}

async fn everything(env: &TestEnv) -> Vec<Item> {
    let scan = env.table.client().scan();
    let pages = scan.table_name(env.table.name().as_str()).into_paginator();
    let items: Result<Vec<Item>, _> = pages.items().send().collect().await;
    items.expect("read")
}

fn kind(item: &Item) -> &'static str {
    let key = |name: &str| item[name].as_s().expect("a text").clone();
    match (key("pk").split('#').next(), key("sk").as_str()) {
        (Some("ACCOUNT"), "ACCOUNT") => "account",
        (Some("ACCOUNT"), _) => "snapshot",
        (Some("CONNECTION"), _) => "change",
        (Some("RUNS"), _) => "run",
        other => panic!("{other:?}"),
    }
}

/// Returns the size of an item, or of some of its attributes, as DynamoDB counts it.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn size(item: &Item, attributes: Option<&[&str]>) -> u64 {
    let counts = |name: &String| attributes.is_none_or(|some| some.contains(&name.as_str()));
    let sizes = item.iter().filter(|(name, _)| counts(name));
    sizes
        .map(|(name, value)| name.len() as u64 + value_size(value))
        .sum()
}

fn value_size(value: &AttributeValue) -> u64 {
    match value {
        AttributeValue::S(text) => text.len() as u64,
        AttributeValue::N(digits) => digits.len() as u64 / 2 + 2,
        AttributeValue::Ss(texts) => texts.iter().map(|text| text.len() as u64).sum(),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::L(list) => 3 + list.iter().map(|v| 1 + value_size(v)).sum::<u64>(),
        AttributeValue::M(map) => {
            let member =
                |(name, v): (&String, &AttributeValue)| 1 + name.len() as u64 + value_size(v);
            3 + map.iter().map(member).sum::<u64>()
        }
        other => panic!("never written: {other:?}"),
    }
}

#[tokio::test]
async fn run_log_size_matches_the_estimate() {
    let (env, _) = env().await;
    let emulator = Emulator::start(
        Environment::of(&env).with("METRICS_NAMESPACE", "CodeConnectionsInventory"),
    )
    .await;
    emulator
        .invoke(&json!({"regions": [REGION]}))
        .await
        .answer();
    let lines = emulator.lines(1, |line| line.contains("_aws")).await;
    let metrics: usize = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| {
            let metrics = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
            Some(metrics.as_array()?.len())
        })
        .sum();
    assert_eq!(metrics as u64, counts::METRICS);
    assert!(lines.len() >= 2, "{lines:?}");
    let bytes: usize = lines.iter().map(String::len).sum();
    covers("logged", counts::LOG_BYTES as f64, bytes as f64, 1.3);
}

#[test]
fn template_resources_match_the_estimate() {
    let of = |kind: &str| resources_of(kind).len() as u64;
    assert_eq!(of("AWS::Pipes::Pipe"), counts::PIPES);
    assert_eq!(of("AWS::CloudWatch::Dashboard"), counts::DASHBOARDS);
    let (mut always, mut in_organizations, mut of_dependencies) = (0, 0, 0);
    for alarm in resources_of("AWS::CloudWatch::Alarm").into_values() {
        let metrics = alarm["Properties"]["Metrics"].as_array();
        let read = metrics.map_or(1, |metrics| {
            let read = metrics.iter().filter(|m| !m["MetricStat"].is_null());
            read.count() as u64
        });
        match alarm["Condition"].as_str() {
            None | Some("TellsOfAlterations") => always += read,
            Some("OrganizationMode") => in_organizations += read,
            Some("HasDependencies") => of_dependencies += read,
            // Options that the estimate does not include.
            Some("HasLake" | "HasCompliance" | "HasCheckpoints" | "HasWatch" | "WatchesItems") => {}
            Some(other) => panic!("an alarm with another condition: {other}"),
        }
    }
    assert_eq!(always, counts::ALARM_METRICS);
    assert_eq!(of_dependencies, dependencies::ALARM_METRICS);
    assert_eq!(in_organizations, counts::ORGANIZATION_ALARM_METRICS);

    let default = |name: &str| {
        let default = &TEMPLATE["Parameters"][name]["Default"];
        default.as_u64().expect("a number")
    };
    let deployed = plan(1, 20);
    assert_eq!(default("MemorySize"), deployed.memory_mb);
    assert_eq!(default("AccountsAtOnce"), deployed.at_once);
    assert_eq!(default("MaxConcurrency"), counts::TABLE_REQUESTS_AT_ONCE);
    assert_eq!(default("LogRetentionInDays"), counts::LOG_MONTHS * 30);

    let machine = &TEMPLATE["Resources"]["StateMachine"];
    let definition = text(&machine["Properties"]["DefinitionString"]["Fn::Sub"][0]);
    // Values of the parameters.
    let definition = definition
        .replace("${AccountsAtOnce}", "8")
        .replace("${ToleratedFailurePercentage}", "5");
    let definition: Value = serde_json::from_str(&definition).expect("JSON");
    let states = definition["States"].as_object().expect("states");
    assert!(definition.to_string().contains("'MaxResults': 20"));
    assert_eq!(counts::ACCOUNTS_A_PAGE, 20);
    let a_page = ["ListAccounts", "MoreAccounts"];
    assert!(a_page.iter().all(|state| states.contains_key(*state)));
    assert_eq!(a_page.len() as u64, counts::STATES_A_PAGE);
    // It ends in one of two states.
    let ends = ["Done", "NotEnough"];
    assert!(ends.iter().all(|state| states.contains_key(*state)));
    let others = states.len() as u64 - counts::STATES_A_PAGE - 1;
    assert_eq!(others, counts::OTHER_STATES);
}

fn plan(accounts: u64, connections: u64) -> Plan {
    Plan {
        accounts,
        connections,
        every_ms: 3_600_000,
        changes: 10,
        memory_mb: 256,
        at_once: 8,
        dependencies: 20,
        dependencies_every_ms: 86_400_000,
        regions: 1,
        months: 12,
        emails: false,
    }
}

#[test]
fn bill_is_the_sum_of_its_lines_and_grows_with_the_deployment() {
    let prices = PriceList::parse(PRICES).expect("prices");
    let bill = |plan: Plan| Bill::of(plan, &prices, false);
    let (one, many) = (bill(plan(1, 20)), bill(plan(100, 20)));
    let sum: f64 = many.lines.iter().map(|line| line.usd).sum();
    assert!((sum - many.usd).abs() < 1e-9);
    assert!(one.usd < many.usd);
    assert!(
        one.lines.len() < many.lines.len(),
        "one has no state machine"
    );
    let more_often = Plan {
        every_ms: 900_000,
        ..plan(100, 20)
    };
    let later = Plan {
        months: 24,
        ..plan(100, 20)
    };
    let emails = Plan {
        emails: true,
        ..plan(100, 20)
    };
    let dependencies = Plan {
        dependencies: 400,
        ..plan(100, 20)
    };
    for more in [more_often, later, emails, dependencies] {
        assert!(bill(more).usd > many.usd, "{more:?}");
    }
    let without = Plan {
        dependencies: 0,
        ..plan(100, 20)
    };
    assert!(bill(without).usd < many.usd);
    let free = Bill::of(plan(100, 20), &prices, true);
    assert!(free.usd < many.usd);
    assert!(free.lines.iter().all(|line| line.usd >= 0.0));
}

#[tokio::test]
async fn price_file_is_used_and_refused_when_invalid() {
    let ccinv = Ccinv::offline();
    let printed = ccinv.fine(&["cost", "--print-prices"]).await;
    assert_eq!(printed, PRICES);
    let file = ccinv.folder().join("prices.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    write(&printed.replace("usd = 3.00", "usd = 4.50"));
    let dollars = async |arguments: &[&str]| {
        let arguments = [&["cost", "--json"], arguments].concat();
        let answer = ccinv.json(&arguments).await;
        answer["months"][0]["usd"].as_f64().expect("a number")
    };
    let custom = dollars(&["--prices", "prices.toml"]).await;
    assert!((custom - dollars(&[]).await - 1.5).abs() < 1e-9);

    let wrong = [
        (printed.replace("[traces]", "[tracks]"), "tracks"),
        (printed.replace("usd = 3.00", "usd = -3"), "[dashboards]"),
        (printed.replace("usd = 3.00", "usd = 3.00\ntax = 1"), "tax"),
        (
            printed.split("[traces]").next().expect("a part").to_owned(),
            "[traces] is missing",
        ),
    ];
    for (text, part) in wrong {
        write(&text);
        let done = ccinv.run(&["cost", "--prices", "prices.toml"]).await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.complaint().contains(part), "{done:?}");
    }
    let done = ccinv.run(&["cost", "--prices", "none.toml"]).await;
    assert_eq!(done.code, 2);
    assert!(done.complaint().contains("none.toml"), "{done:?}");
}

#[tokio::test]
async fn cost_page_shows_what_the_command_prints() {
    let page = include_str!("../../../docs/cost.md");
    let blocks: Vec<&str> = page.split("```").skip(1).step_by(2).collect();
    let mut shown = 0;
    for block in blocks {
        let console = block.strip_prefix("console\n$ ccinv ");
        let Some((arguments, printed)) = console.and_then(|block| block.split_once('\n')) else {
            continue;
        };
        let arguments: Vec<&str> = arguments.split(' ').collect();
        assert_eq!(
            Ccinv::offline().fine(&arguments).await,
            printed,
            "{arguments:?}"
        );
        shown += 1;
    }
    assert!(shown >= 1, "the page shows its command");
    // The totals that the page has in its text.
    let arguments = ["cost", "--accounts", "1,100,10000", "--connections", "250"];
    let printed = Ccinv::offline().fine(&arguments).await;
    let totals = printed.lines().find_map(|line| line.strip_prefix("in all"));
    for total in totals.expect("a last row").split_whitespace() {
        assert!(page.contains(total), "{total}");
    }
}
