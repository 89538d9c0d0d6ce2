//! Rules about dependencies, evaluated for one account of several: the results are those
//! of an evaluation of all accounts, and no account is read that can't concern them.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use crate::support::proxy::{Act, Proxy};
use crate::support::recorded_accounts::{Listed, dependency, run};
use crate::support::test_env::{HOUR, REGION, TestEnv, region};
use codeconnections_inventory::audit::Audit;
use codeconnections_inventory::compliance::check::{AccountResult, CheckReport};
use codeconnections_inventory::compliance::evidence::Moment;
use codeconnections_inventory::compliance::rule::Rule;
use codeconnections_inventory::compliance::rule_file;
use codeconnections_inventory::domain::{
    AccountId, Attributes, Clock, Connection, Dependency, DependencyAttributes, DependencyType,
};
use serde_json::json;

const RULES: &str = r#"
[[rule]]
id = "unused"
kind = "unused"
severity = "low"
longer_than = "90m"
[[rule]]
id = "dangling"
kind = "dangling"
severity = "high"
[[rule]]
id = "repository"
kind = "repository"
severity = "low"
allowed = ["acme/.*"]
[rule.scope]
providers = ["GitHub"]
[[rule]]
id = "host"
kind = "host-status"
severity = "low"
allowed = ["AVAILABLE"]
[[rule]]
id = "tags"
kind = "required-tags"
severity = "low"
required = ["team"]
[[rule]]
id = "shares"
kind = "shared-outside-organization"
severity = "high"
"#;

/// Accounts, of which the last is in no inventory.
const ACCOUNTS: [&str; 5] = [
    "111111111111",
    "222222222222",
    "333333333333",
    "444444444444",
    "888888888888",
];
const INVENTORIED: usize = 4;

fn rules() -> Vec<Rule> {
    rule_file::of_text("rules.toml", RULES).expect("valid")
}

fn account(number: usize) -> AccountId {
    ACCOUNTS[number].parse().expect("an account")
}

fn connection(owner: usize, number: usize) -> String {
    let id = format!("{number:08}-1a2b-4c3d-8e4f-1a2b3c4d5e6f");
    let account = ACCOUNTS[owner];
    format!("arn:aws:codeconnections:{REGION}:{account}:connection/{id}")
}

fn host(owner: usize) -> String {
    let account = ACCOUNTS[owner];
    format!("arn:aws:codeconnections:{REGION}:{account}:host/ghes-1a2b3c4d")
}

/// What one account has.
#[derive(Debug, Clone, Default)]
struct Has {
    /// The ARNs of its connections; others may own them.
    connections: BTreeSet<String>,
    /// What its pipelines use.
    uses: Vec<String>,
    /// The source that is denied.
    denied: Option<&'static str>,
    /// The status of its host.
    host: Option<&'static str>,
    /// Those of its connections that have the tag.
    tagged: BTreeSet<String>,
    /// Those that are shared, and whether outside of the organization.
    shared: Vec<(String, bool)>,
}

impl Has {
    fn dependencies(&self, number: usize) -> Vec<(&'static str, Listed<Dependency>)> {
        let account = ACCOUNTS[number];
        let pipelines = self.uses.iter().enumerate().map(|(n, used)| {
            let arn = format!("arn:aws:codepipeline:{REGION}:{account}:p{n}");
            let repository = if n % 2 == 0 { "acme/app" } else { "other/app" };
            let members = json!({"FullRepositoryId": repository});
            let source = Some("Source.App");
            dependency(
                DependencyType::PipelineSource,
                &arn,
                source,
                Some(used),
                &members,
            )
        });
        let hosts = self.host.iter().map(|status| {
            let of = dependency(DependencyType::Host, &host(number), None, None, &json!({}));
            let status = Some((*status).into());
            (of.0, DependencyAttributes { status, ..of.1 })
        });
        let tags = self.tagged.iter().map(|arn| {
            let tags = json!({"team": "payments"});
            dependency(DependencyType::Tags, arn, None, Some(arn), &tags)
        });
        let shares = self.shared.iter().map(|(arn, is_external)| {
            let members = json!({"principal": "1", "external": is_external});
            dependency(DependencyType::Share, arn, Some("1"), Some(arn), &members)
        });
        let listed: [(_, HashMap<_, _>); 4] = [
            ("codepipeline", pipelines.collect()),
            ("hosts", hosts.collect()),
            ("tagging", tags.collect()),
            ("ram", shares.collect()),
        ];
        let listed = listed.into_iter();
        listed
            .map(|(source, listed)| (source, (self.denied != Some(source)).then_some(listed)))
            .collect()
    }

    /// Makes a run of connections and one of dependencies.
    async fn record(&self, env: &TestEnv, number: usize) {
        let attributes = || Attributes {
            connection_name: Some("it".into()),
            connection_status: Some("AVAILABLE".into()),
            provider_type: Some("GitHub".into()),
            ..Attributes::default()
        };
        let connections: HashMap<_, _> = self
            .connections
            .iter()
            .map(|arn| (arn.parse().expect("an ARN"), attributes()))
            .collect();
        let account = account(number);
        run::<Connection>(env, &account, vec![(region(REGION), Some(connections))]).await;
        let dependencies = self.dependencies(number).into_iter();
        let listings = dependencies.map(|(source, listed)| {
            (
                format!("{source}/{REGION}").parse().expect("a scope"),
                listed,
            )
        });
        run::<Dependency>(env, &account, listings.collect()).await;
    }
}

fn results_of(report: &CheckReport, account: &AccountId) -> Vec<(String, AccountResult)> {
    let rules = report.rules.iter();
    rules
        .flat_map(|checked| {
            let results = checked.accounts.iter().filter(|it| it.account == *account);
            results.map(|result| (checked.rule.id.to_string(), result.clone()))
        })
        .collect()
}

fn any(rng: &mut fastrand::Rng) -> String {
    match rng.usize(..8) {
        0 => host(rng.usize(..ACCOUNTS.len())),
        _ => connection(rng.usize(..ACCOUNTS.len()), rng.usize(..2)),
    }
}

/// Returns what each account has after another step.
fn step(rng: &mut fastrand::Rng, has: &mut [Has]) {
    for (number, has) in has.iter_mut().enumerate() {
        if rng.u8(..3) == 0 {
            let owner = if rng.u8(..4) == 0 {
                rng.usize(..ACCOUNTS.len())
            } else {
                number
            };
            let arn = connection(owner, rng.usize(..2));
            if !has.connections.remove(&arn) {
                has.connections.insert(arn);
            }
        }
        if rng.u8(..3) == 0 {
            has.uses = (0..rng.usize(..4)).map(|_| any(rng)).collect();
        }
        let sources = ["codepipeline", "hosts", "tagging", "ram"];
        has.denied = sources.get(rng.usize(..24)).copied();
        has.host = [None, Some("AVAILABLE"), Some("PENDING")][rng.usize(..3)];
        let own = has
            .connections
            .iter()
            .filter(|arn| arn.contains(ACCOUNTS[number]));
        has.tagged = own.clone().filter(|_| rng.bool()).cloned().collect();
        has.shared = own
            .filter(|_| rng.bool())
            .map(|arn| (arn.clone(), false))
            .collect();
        has.shared
            .iter_mut()
            .for_each(|(_, is_external)| *is_external = rng.bool());
    }
}

#[tokio::test]
async fn results_of_one_account_are_those_of_an_evaluation_of_all() {
    let mut verdicts = BTreeSet::new();
    for seed in 0..12 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let env = TestEnv::new().await;
        let mut has: [Has; INVENTORIED] = std::array::from_fn(|_| Has::default());
        for _ in 0..4 {
            env.clock.advance(HOUR);
            step(&mut rng, &mut has);
            for (number, has) in has.iter().enumerate() {
                // Not every account has every run.
                if rng.u8(..10) > 0 {
                    has.record(&env, number).await;
                }
            }
        }
        let (audit, rules) = (env.audit(), rules());
        let at = env.clock.now();
        for moment in [Moment::Now(at), Moment::AsOf(at)] {
            let all = audit.check(&rules, None, moment).await.expect("read");
            for number in 0..INVENTORIED {
                let account = account(number);
                let expected = results_of(&all, &account);
                for (rule, result) in &expected {
                    verdicts.insert((rule.clone(), result.verdict.as_str()));
                }
                let one = audit
                    .check(&rules, Some(&account), moment)
                    .await
                    .expect("read");
                if expected.is_empty() {
                    continue; // not recorded
                }
                assert_eq!(
                    results_of(&one, &account),
                    expected,
                    "seed {seed}: {has:#?}"
                );
                // A rule alone, which needs less.
                let rule = rng.choice(&rules).expect("rules");
                let alone = std::slice::from_ref(rule);
                let one = audit
                    .check(alone, Some(&account), moment)
                    .await
                    .expect("read");
                let expected = expected.iter().filter(|(id, _)| **id == *rule.id.as_str());
                let expected: Vec<_> = expected.cloned().collect();
                assert_eq!(
                    results_of(&one, &account),
                    expected,
                    "{} alone, seed {seed}: {has:#?}",
                    rule.id
                );
            }
        }
    }
    // The cases are not all alike.
    for rule in ["unused", "dangling", "repository", "host", "tags", "shares"] {
        for verdict in ["PASS", "FAIL", "INSUFFICIENT_DATA"] {
            let is_there = verdicts.contains(&(rule.to_owned(), verdict));
            assert!(is_there, "{rule} {verdict} in {verdicts:?}");
        }
    }
}

#[tokio::test]
async fn accounts_that_concern_no_result_are_not_read() {
    let env = TestEnv::new().await;
    let [own, other] = [0, 1].map(|owner| connection(owner, 0));
    let with = |connections: &[&String], uses: &[&String]| Has {
        connections: connections.iter().map(|arn| (*arn).clone()).collect(),
        uses: uses.iter().map(|arn| (*arn).clone()).collect(),
        ..Has::default()
    };
    // The first account uses its own connection and that of the second one.
    let mut has = [
        with(&[&own], &[&own, &other]),
        with(&[&other], &[]),
        with(&[], &[]),
        with(&[], &[]),
    ];
    let read: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let proxy = {
        let read = Arc::clone(&read);
        Proxy::start(&env.table_endpoint, move |seen| {
            let body = String::from_utf8_lossy(&seen.body).into_owned();
            let accounts = ACCOUNTS
                .iter()
                .filter(|account| body.contains(&format!("#{account}")));
            read.lock()
                .expect("no panic")
                .extend(accounts.map(|it| (*it).to_owned()));
            Act::Pass
        })
        .await
    };
    let audit = Audit::new(env.table_at(&proxy.endpoint));
    let accounts_read = async || {
        read.lock().expect("no panic").clear();
        let moment = Moment::Now(env.clock.now());
        let report = audit.check(&rules(), Some(&account(0)), moment).await;
        report.expect("read");
        let read = read.lock().expect("no panic");
        read.iter()
            .map(String::as_str)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let record = async |has: &[Has]| {
        env.clock.advance(HOUR);
        for (number, has) in has.iter().enumerate() {
            has.record(&env, number).await;
        }
    };
    record(&has).await;
    assert_eq!(
        accounts_read().await,
        ACCOUNTS[..2],
        "its own and the one that it names"
    );
    // Whether nothing uses a connection, any account may show.
    has[0].uses = vec![other.clone()];
    record(&has).await;
    assert_eq!(accounts_read().await, ACCOUNTS[..INVENTORIED]);
    // And which has what was deleted where it was.
    has[0].uses = vec![own.clone(), other.clone()];
    has[1].connections.clear();
    record(&has).await;
    assert_eq!(accounts_read().await, ACCOUNTS[..INVENTORIED]);
}
