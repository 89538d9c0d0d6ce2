//! Signed checkpoints show what was altered although every digest was recomputed.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::fs;
use std::path::PathBuf;

use crate::support::ccinv::{Ccinv, PROGRAM};
use crate::support::keys::make_key;
use crate::support::raw_items::{get, items_of, put};
use crate::support::test_env::{self, REGION, TestEnv};
use crate::support::tools;
use aws_sdk_dynamodb::types::AttributeValue;
use codeconnections_inventory::checkpoint::copy::copy_missing;
use codeconnections_inventory::checkpoint::{Signer, Store, make, signer::LocalKey};
use codeconnections_inventory::domain::Timestamp;
use codeconnections_inventory::domain::TombstoneGuard;
use codeconnections_inventory::inventory::{Inventory, RunOptions};
use codeconnections_inventory::lambda::handler::{AllowedAccounts, Handler};
use codeconnections_inventory::table::codec::Item;
use serde_json::{Value, json};

const OTHER_ACCOUNT: &str = "210987654321";

/// A record with a key that signs its checkpoints.
struct Fixture {
    env: TestEnv,
    ccinv: Ccinv,
    arn: String,
}

impl Fixture {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let arn = env.create("payments");
        let ccinv = Ccinv::at(&env);
        key(&ccinv, "key", &["-algorithm", "ed25519"]);
        fs::create_dir(ccinv.folder().join("kept")).expect("a folder");
        let fixture = Self { env, ccinv, arn };
        fixture.runs(3).await;
        fixture
    }

    /// Returns a record of three runs, of which a checkpoint states each.
    async fn checked() -> Self {
        let fixture = Self::new().await;
        assert_eq!(fixture.checkpoint().await.0, 0);
        fixture
    }

    async fn runs(&self, number: u32) {
        for _ in 0..number {
            self.env.run().await;
        }
    }

    fn table(&self) -> &str {
        self.env.table.name().as_str()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.ccinv.folder().join("kept").join(name)
    }

    fn envelope(&self, number: u64) -> PathBuf {
        self.file(&format!("checkpoints/{number:010}.json"))
    }

    /// Makes a checkpoint. Returns the exit code and the result.
    async fn checkpoint(&self) -> (i32, Value) {
        let arguments = ["checkpoint", "--to", "kept", "--key", "key.pem", "--json"];
        let done = self
            .ccinv
            .run(&[&arguments[..], &["--table", self.table()]].concat())
            .await;
        let made = serde_json::from_str(&done.stdout);
        (done.code, made.unwrap_or_else(|_| panic!("{done:?}")))
    }

    /// Verifies the table, against its checkpoints or not. Returns the exit code and the
    /// result.
    async fn verified(&self, options: &[&str]) -> (i32, Value) {
        let arguments = ["verify", "--json", "--table", self.table()];
        let done = self.ccinv.run(&[&arguments[..], options].concat()).await;
        let found = serde_json::from_str(&done.stdout);
        (done.code, found.unwrap_or_else(|_| panic!("{done:?}")))
    }

    /// Returns the problems that checkpoints show, each with its checkpoint and chain.
    async fn found(&self) -> Vec<String> {
        self.found_with("key.pub").await
    }

    async fn found_with(&self, public_key: &str) -> Vec<String> {
        let options = ["--checkpoints", "kept", "--public-key", public_key];
        let (code, verified) = self.verified(&options).await;
        assert_eq!(
            verified["findings"],
            json!([]),
            "records are intact by themselves"
        );
        let found = verified["checkpoints"]["findings"]
            .as_array()
            .expect("findings");
        assert_eq!(code, if found.is_empty() { 0 } else { 3 });
        let line = |finding: &Value| {
            let account = finding["account"].as_str().unwrap_or("-");
            let run = &finding["run"];
            let problem = finding["problem"].as_str().expect("a problem");
            format!(
                "{} {account} {run} {}",
                finding["checkpoint"],
                without_times(problem)
            )
        };
        found.iter().map(line).collect()
    }

    /// Removes the items of an account and puts others in their place.
    async fn replace(&self, account: &str, items: Vec<Item>) {
        let there = items_of(&self.env).await.into_iter();
        for item in there.filter(|it| is_of(it, account)) {
            let removal = self.env.table.client().delete_item();
            let removal = removal.table_name(self.table());
            let keyed = removal
                .key("pk", item["pk"].clone())
                .key("sk", item["sk"].clone());
            keyed.send().await.expect("removed");
        }
        for item in items.into_iter().filter(|it| is_of(it, account)) {
            put(&self.env, item).await;
        }
    }

    /// Lists another account, which has a connection of its own.
    async fn run_other_account(&self) {
        self.env.clock.advance(test_env::HOUR);
        let handler = Handler {
            inventory: Inventory {
                source: self.env.source_at(self.env.service.endpoint()),
                table: self.env.table.clone(),
                clock: std::sync::Arc::clone(&self.env.clock),
                options: RunOptions {
                    guard: TombstoneGuard::Off,
                    ..test_env::options()
                },
            },
            accounts: AllowedAccounts::Listed(vec![OTHER_ACCOUNT.parse().expect("an account")]),
            regions: vec![test_env::region(REGION)],
            retired_regions: Vec::new(),
            random: || fastrand::u128(..),
        };
        test_env::run(&handler, &json!({})).await;
    }
}

fn is_of(item: &Item, account: &str) -> bool {
    matches!(&item["pk"], AttributeValue::S(pk) if pk.contains(account))
}

fn key(ccinv: &Ccinv, name: &str, algorithm: &[&str]) {
    make_key(ccinv.folder(), name, algorithm);
}

/// Replaces the times in parentheses, which differ from run to run.
fn without_times(text: &str) -> String {
    let time = regex_lite::Regex::new(r" \(\d{4}-[^)]*Z\)").expect("a pattern");
    time.replace_all(text, "").into_owned()
}

#[tokio::test]
async fn table_that_has_what_was_stated_is_verified() {
    let fixture = Fixture::checked().await;
    let (code, made) = fixture.checkpoint().await;
    assert_eq!(
        (code, &made["number"], &made["chains"]),
        (0, &json!(2), &json!(1))
    );
    fixture.env.set_status(&fixture.arn, "ERROR");
    fixture.runs(2).await;
    assert_eq!(fixture.found().await, [""; 0]);
    let options = ["--checkpoints", "kept", "--public-key", "key.pub"];
    let (_, verified) = fixture.verified(&options).await;
    let compared = &verified["checkpoints"];
    assert_eq!(
        compared["uncovered_runs"], 2,
        "since the last one: {compared}"
    );
    assert_eq!(compared["last"]["number"], 2);
    fixture.checkpoint().await;
    let (_, verified) = fixture.verified(&options).await;
    assert_eq!(verified["checkpoints"]["uncovered_runs"], 0);
    let states = fs::read_dir(fixture.file("chains"))
        .expect("a folder")
        .count();
    assert_eq!(states, 2, "of an unchanged record once");
}

/// Everything from a run on is recomputed, with every digest and later run.
#[tokio::test]
async fn history_that_was_rewritten_is_found_between_two_checkpoints() {
    let fixture = Fixture::checked().await;
    let at_first = items_of(&fixture.env).await;
    fixture.env.set_status(&fixture.arn, "ERROR");
    fixture.runs(2).await;
    fixture.checkpoint().await;
    fixture.runs(1).await;
    fixture.checkpoint().await;
    // The breakdown never was.
    fixture.env.set_status(&fixture.arn, "PENDING");
    fixture.replace(test_env::ACCOUNT, at_first).await;
    fixture.runs(4).await;
    assert_eq!(
        fixture.verified(&[]).await.0,
        0,
        "without checkpoints it is not found"
    );
    let altered = "2 123456789012 5 run 5 is not the one that checkpoint 2 states: runs from 4 on \
                   were altered after checkpoint 3";
    assert_eq!(fixture.found().await, [altered]);
    let (code, made) = fixture.checkpoint().await;
    assert_eq!(code, 3, "the next one says so: {made}");
    assert_eq!(
        made["problems"],
        json!([
            "account 123456789012, connections: run 6 is not the one that the checkpoint before states"
        ])
    );
    assert_eq!(
        fixture.found().await,
        [
            "4 - null states a problem: account 123456789012, connections: run 6 is not the one \
             that the checkpoint before states",
            &format!("{altered} and before checkpoint 4"),
        ]
    );
    assert_eq!(fixture.checkpoint().await.0, 0, "it states what is there");
}

/// The end is cut off, as an older backup of the table would leave it.
#[tokio::test]
async fn older_table_that_was_restored_is_found() {
    let fixture = Fixture::checked().await;
    let at_first = items_of(&fixture.env).await;
    fixture.runs(2).await;
    fixture.checkpoint().await;
    fixture.replace(test_env::ACCOUNT, at_first).await;
    assert_eq!(
        fixture.verified(&[]).await.0,
        0,
        "without checkpoints it is not found"
    );
    let missing = "2 123456789012 5 run 5, which checkpoint 2 states, is missing: runs from 4 on \
                   were altered after checkpoint 2";
    assert_eq!(fixture.found().await, [missing]);
    let (code, made) = fixture.checkpoint().await;
    assert_eq!(code, 3);
    assert_eq!(
        made["problems"],
        json!([
            "account 123456789012, connections: run 5, which the checkpoint before states, is not \
             there"
        ])
    );
}

#[tokio::test]
async fn account_that_was_replaced_or_removed_is_named_alone() {
    let fixture = Fixture::new().await;
    fixture.run_other_account().await;
    let other = items_of(&fixture.env).await;
    fixture.run_other_account().await;
    fixture.checkpoint().await;
    assert_eq!(fixture.found().await, [""; 0]);
    fixture.replace(OTHER_ACCOUNT, other).await;
    fixture.run_other_account().await;
    fixture.run_other_account().await;
    assert_eq!(
        fixture.verified(&[]).await.0,
        0,
        "without checkpoints it is not found"
    );
    let replaced = "1 210987654321 2 run 2 is not the one that checkpoint 1 states: its runs \
                    were altered after checkpoint 1";
    assert_eq!(fixture.found().await, [replaced]);
    fixture.replace(OTHER_ACCOUNT, Vec::new()).await;
    let removed = "1 210987654321 2 run 2, which checkpoint 1 states, is missing: its runs \
                   were altered after checkpoint 1";
    assert_eq!(fixture.found().await, [removed]);
    // Only what was asked for is compared.
    let options = ["--checkpoints", "kept", "--public-key", "key.pub"];
    let of = |account| [&options[..], &["--account", account]].concat();
    assert_eq!(fixture.verified(&of(test_env::ACCOUNT)).await.0, 0);
    let (code, verified) = fixture.verified(&of(OTHER_ACCOUNT)).await;
    let found = verified["checkpoints"]["findings"].as_array();
    assert_eq!((code, found.map(Vec::len)), (3, Some(1)), "{verified}");
    // No checkpoint states anything of another one.
    let unknown = [
        &["verify", "--table", fixture.table()],
        &of("999999999999")[..],
    ]
    .concat();
    assert_eq!(fixture.ccinv.run(&unknown).await.code, 4);
    // It stays named although the table no longer lists it.
    let (code, made) = fixture.checkpoint().await;
    assert_eq!((code, &made["chains"]), (3, &json!(2)));
}

/// Nothing is left of which a record could be wrong.
#[tokio::test]
async fn emptied_table_contradicts_what_was_noted() {
    let fixture = Fixture::checked().await;
    let head = fixture.env.runs().await.pop().expect("a run").digest();
    let head = head.to_string();
    fixture.replace(test_env::ACCOUNT, Vec::new()).await;
    assert_eq!(fixture.found().await.len(), 1);
    let verify = ["verify", "--table", fixture.table()];
    let with_head = [&verify[..], &["--head", &head]].concat();
    assert_eq!(fixture.ccinv.run(&with_head).await.code, 3);
    assert_eq!(fixture.ccinv.run(&verify).await.code, 4);
}

#[tokio::test]
async fn altered_checkpoints_are_found() {
    let fixture = Fixture::checked().await;
    for _ in 0..3 {
        fixture.runs(1).await;
        fixture.checkpoint().await;
    }
    let text = |path: &PathBuf| fs::read_to_string(path).expect("it is there");
    let second = text(&fixture.envelope(2));

    fs::remove_file(fixture.envelope(2)).expect("removed");
    assert_eq!(fixture.found().await, ["2 - null is not there"]);

    let third = text(&fixture.envelope(3));
    fs::write(fixture.envelope(2), &third).expect("written");
    assert_eq!(
        fixture.found().await,
        [
            "2 - null states that it is number 3",
            "2 - null does not refer to checkpoint 1",
            "3 - null does not refer to checkpoint 2",
        ]
    );

    let mut envelope: Value = serde_json::from_str(&second).expect("JSON");
    envelope["payload"] = serde_json::from_str::<Value>(&third).expect("JSON")["payload"].clone();
    fs::write(fixture.envelope(2), envelope.to_string()).expect("written");
    assert_eq!(
        fixture.found().await,
        ["2 - null is not signed by a given key"]
    );

    fs::write(fixture.envelope(2), "{").expect("written");
    let found = fixture.found().await;
    assert!(
        found[0].starts_with("2 - null can't be read: "),
        "{found:?}"
    );

    fs::write(fixture.envelope(2), &second).expect("written");
    assert_eq!(fixture.found().await, [""; 0]);
    let states = fs::read_dir(fixture.file("chains"))
        .expect("a folder")
        .next();
    let states = states.expect("a file").expect("a file").path();
    let line = text(&states);
    fs::write(&states, line.replace("\"changes\":1", "\"changes\":2")).expect("written");
    let found = fixture.found().await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with("was altered: its SHA-256 is not the one in its name"),
        "{found:?}"
    );
}

/// An object that can't be deleted for a year must not stop checkpoints.
#[tokio::test]
async fn checkpoints_are_copied_beside_no_others() {
    let fixture = Fixture::checked().await;
    let other = Fixture::checked().await;
    let [from, to] = [&fixture, &other].map(|it| Store::Directory(it.file("")));
    let copy = async || copy_missing(&from, &to).await.map_err(|it| it.to_string());
    let occupied = |number: u64| {
        let file = other.envelope(number).display().to_string();
        let problem = "holds another checkpoint; use another place, or remove it";
        Err(format!("{file}: {problem}"))
    };
    assert_eq!(copy().await, occupied(1));
    fixture.checkpoint().await;
    assert_eq!(copy().await, occupied(1));
    other.checkpoint().await;
    other.checkpoint().await;
    assert_eq!(copy().await, occupied(3), "it has more");
    for folder in ["checkpoints", "chains"] {
        fs::remove_dir_all(other.file(folder)).expect("removed");
    }
    assert_eq!(copy().await, Ok(2));
    assert_eq!(copy().await, Ok(0));
    // Nor does one that can't be read stop the others.
    fs::write(fixture.envelope(3), "{}").expect("written");
    fixture.checkpoint().await;
    assert_eq!(copy().await, Ok(2));
    for number in 2..=4 {
        let copied = fs::read(other.envelope(number)).expect("a file");
        assert_eq!(copied, fs::read(fixture.envelope(number)).expect("a file"));
    }
}

#[tokio::test]
async fn unreadable_checkpoint_is_a_problem_of_the_next_one() {
    let fixture = Fixture::checked().await;
    fs::write(fixture.envelope(7), "{}").expect("written");
    fs::write(fixture.file("checkpoints/99999999999.json"), "{}").expect("written");
    fixture.runs(1).await;
    let (code, made) = fixture.checkpoint().await;
    assert_eq!((code, &made["number"]), (3, &json!(8)), "{made}");
    let problem = made["problems"][0].as_str().expect("a problem");
    assert!(problem.contains("checkpoints/0000000007.json: "), "{made}");
    let found = fixture.found().await;
    assert_eq!(found[0], "2 - null is not there, nor are those up to 6");
    assert!(
        found[1].starts_with("7 - null can't be read: "),
        "{found:?}"
    );
    assert_eq!(found.len(), 3, "and what the last one states: {found:?}");
    assert_eq!(
        fixture.checkpoint().await.0,
        0,
        "it refers to the one before"
    );
}

/// What follows an unreadable run is stated, too.
#[tokio::test]
async fn corrupt_run_does_not_end_the_coverage_of_its_account() {
    let fixture = Fixture::checked().await;
    fixture.runs(9).await;
    let key = |sk: &str| (format!("RUNS#{}", test_env::ACCOUNT), sk.to_owned());
    let mut item = get(&fixture.env, &key("RUN#000000000005")).await;
    item.insert(
        "outcome".to_owned(),
        AttributeValue::S("SPLENDID".to_owned()),
    );
    // Neither a number beyond all runs nor one with more behind it is searched for ever.
    // And runs follow what has no number, however long it is.
    let long = format!("{:x<1024}", "RUN#00000000000");
    for sk in [
        "RUN#000000000005#",
        "RUN#00000000000x",
        &long,
        "RUN#999999999999",
    ] {
        let mut far = item.clone();
        far.insert("sk".to_owned(), AttributeValue::S(sk.to_owned()));
        put(&fixture.env, far).await;
    }
    put(&fixture.env, item).await;
    let (code, made) = fixture.checkpoint().await;
    assert_eq!(code, 3);
    let problem = made["problems"][0].as_str().expect("a problem");
    assert!(problem.contains("RUN#000000000005"), "{made}");
    let states = fs::read_dir(fixture.file("chains")).expect("a folder");
    let states = states.map(|state| fs::read_to_string(state.expect("a file").path()));
    let states: Vec<String> = states.map(|state| state.expect("text")).collect();
    assert!(
        states.iter().any(|state| state.contains("\"runs\":12")),
        "{states:?}"
    );
}

#[tokio::test]
async fn signature_is_that_of_the_given_key() {
    let fixture = Fixture::checked().await;
    key(
        &fixture.ccinv,
        "other",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    );
    assert_eq!(
        fixture.found_with("other.pub").await,
        ["1 - null is not signed by a given key"]
    );
    // Another key may sign later ones: each is verified with its own.
    let table = fixture.table();
    let to = [
        "checkpoint",
        "--to",
        "kept",
        "--key",
        "other.pem",
        "--table",
        table,
    ];
    fixture.ccinv.fine(&to).await;
    assert_eq!(
        fixture.found().await,
        ["2 - null is not signed by a given key"]
    );
    let (code, _) = fixture
        .verified(&[
            "--checkpoints",
            "kept",
            "--public-key",
            "key.pub",
            "--public-key",
            "other.pub",
        ])
        .await;
    assert_eq!(code, 0);
}

/// `made_at` is the signer's clock.
#[tokio::test]
async fn checkpoint_by_a_clock_that_went_back_is_found() {
    let fixture = Fixture::checked().await;
    let pem = fs::read(fixture.ccinv.folder().join("key.pem")).expect("a key");
    let signer = Signer::Local(LocalKey::from_pem(&pem).expect("a key"));
    let store = Store::Directory(fixture.file(""));
    let then: Timestamp = test_env::START.parse().expect("a time");
    make::make(&fixture.env.table, &store, &signer, then)
        .await
        .expect("made");
    let found = fixture.found().await;
    assert_eq!(found.len(), 1);
    let expected = "2 - null was made at 2026-10-01T09:00:00.000Z, before checkpoint 1";
    assert_eq!(found, [expected]);
}

/// The commands of the page, by public tools alone once the checkpoint is made.
#[tokio::test]
async fn commands_of_the_page_make_and_verify_a_checkpoint() {
    let page = include_str!("../../../docs/checkpoints.md");
    let indented = page.lines().filter(|line| line.starts_with("    "));
    let making: Vec<&str> = indented.map(str::trim).collect();
    let blocks = page.split("```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|block| block.split("```").next());
    let verifying = blocks.find(|block| block.contains("jq ")).expect("a block");
    let other_key = page
        .split('`')
        .find(|text| text.starts_with("openssl dgst"));
    let other_key = other_key.expect("a command");
    let jq = tokio::task::spawn_blocking(|| tools::program("jq", "--version"));
    jq.await.expect("jq");
    let fixture = Fixture::new().await;
    for (algorithm, verification) in [
        ("ed25519", None),
        ("EC -pkeyopt ec_paramgen_curve:P-256", Some(other_key)),
    ] {
        let folder = tempfile::TempDir::new().expect("a folder");
        let making = making.join("\n").replace("ed25519", algorithm);
        let verifying = verifying.lines().map(|line| match verification {
            Some(command) if line.starts_with("openssl ") => command,
            _ => line,
        });
        let verifying = verifying.collect::<Vec<_>>().join("\n");
        let table = fixture.table();
        let script = format!(
            "set -eu\nccinv() {{ '{PROGRAM}' \"$@\" --table '{table}'; }}\n{making}\n{verifying}\n\
             jq -r .head \"checkpoints/$chains\""
        );
        let environment = fixture.ccinv.command(&[]);
        let environment = environment.as_std().get_envs();
        let environment = environment.filter_map(|(name, value)| Some((name, value?)));
        // Beside it, this thread serves the table.
        let done = tokio::process::Command::new("sh")
            .args(["-c", &script])
            .envs(environment)
            .current_dir(folder.path())
            .output();
        let done = done.await.expect("it starts");
        assert!(done.status.success(), "{done:?}");
        let printed = String::from_utf8(done.stdout).expect("text");
        let head = fixture.env.runs().await.last().expect("a run").digest();
        assert!(printed.contains("\nOK: all digests"), "{printed}");
        let verified = ["Signature Verified Successfully", "Verified OK"];
        assert!(
            verified.iter().any(|line| printed.contains(line)),
            "{printed}"
        );
        assert!(printed.ends_with(&format!("{head}\n")), "{printed}");
    }
}

#[tokio::test]
async fn wrong_usage_is_one_line() {
    let fixture = Fixture::new().await;
    let table = fixture.table();
    let ccinv = &fixture.ccinv;
    fs::write(ccinv.folder().join("text.pem"), "text").expect("written");
    let to = |place, key| ["checkpoint", "--to", place, "--key", key, "--table", table];
    let of = |place, key| {
        [
            "verify",
            "--checkpoints",
            place,
            "--public-key",
            key,
            "--table",
            table,
        ]
    };
    for (arguments, complaint) in [
        (to("nowhere", "key.pem"), "--to: nowhere is not a directory"),
        (
            to("kept", "text.pem"),
            "--key: text.pem: is no private key in PEM (BEGIN PRIVATE KEY)",
        ),
        (
            to("kept", "key.pub"),
            "--key: key.pub: is no private key in PEM (BEGIN PRIVATE KEY)",
        ),
        (
            of("kept", "key.pem"),
            "--public-key: key.pem: is no public key of P-256 or Ed25519, in PEM or DER",
        ),
        (
            of("nowhere", "key.pub"),
            "--checkpoints: nowhere is not a directory",
        ),
    ] {
        let done = ccinv.run(&arguments).await;
        assert_eq!((done.code, done.complaint()), (2, complaint));
    }
    let empty = TestEnv::new().await;
    let nothing = Ccinv::at(&empty);
    key(&nothing, "key", &["-algorithm", "ed25519"]);
    fs::create_dir(nothing.folder().join("kept")).expect("a folder");
    let there = empty.table.name().as_str();
    let to_kept = [
        "checkpoint",
        "--to",
        "kept",
        "--key",
        "key.pem",
        "--table",
        there,
    ];
    let nothing = nothing.run(&to_kept).await;
    assert_eq!(nothing.code, 4, "{nothing:?}");
    assert_eq!(
        nothing.complaint(),
        "no run is recorded here, so there is nothing to state; run `ccinv scan` first"
    );
    let none = ccinv.run(&of("kept", "key.pub")).await;
    assert_eq!(none.code, 4, "{none:?}");
    assert!(none.stderr.contains("no checkpoint is in "), "{none:?}");
}
