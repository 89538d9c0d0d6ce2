//! The HTML report, written by `ccinv report` and opened in a real browser.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::cases::cases;
use crate::support::ccinv::Ccinv;
use crate::support::chromium::Chromium;
use crate::support::test_env::{self, ACCOUNT, HOUR, REGION, TestEnv};
use crate::support::tools;
use codeconnections_inventory::domain::Outcome;
use codeconnections_inventory::inventory::summary::Summary;
use codeconnections_inventory::local::codeconnections::RegionAccess;
use serde_json::{Value, json};

const OPT_IN: &str = "eu-south-1";

/// Names that would act in a page without escaping.
const SCRIPT: &str = "<script>document.title='x'";
const IMAGE: &str = "\"><img src=x onerror=alert(1)>";
const TITLE: &str = "</title></style><b>{{7*7}}";
const TURNED: &str = "jobs\u{202e}lmth.ipa";

/// Ten hours of history of five connections, and a connection that was deleted before
/// the reported period.
struct Story {
    env: TestEnv,
    ccinv: Ccinv,
    arns: Vec<String>,
}

impl Story {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        let deleted_before = env.create("gone-before");
        let mut arns = vec![
            env.create("payments-api"),
            env.create_in(OPT_IN, SCRIPT),
            env.create(IMAGE),
            env.create(TITLE),
        ];
        run_after(&env, HOUR, &json!({})).await; // 10:00
        env.delete(&deleted_before);
        run_after(&env, HOUR, &json!({})).await; // 11:00
        env.set_status(&arns[0], "AVAILABLE");
        env.set_status(&arns[3], "AVAILABLE");
        run_after(&env, HOUR, &json!({})).await; // 12:00
        env.set_region_access(OPT_IN, Some(RegionAccess::Denied));
        env.delete(&arns[2]);
        let denied = run_after(&env, HOUR, &json!({})).await; // 13:00
        assert_eq!(denied.outcome, Outcome::Partial);
        run_after(&env, HOUR, &json!({})).await; // 14:00
        env.set_region_access(OPT_IN, None);
        run_after(&env, HOUR, &json!({})).await; // 15:00
        env.set_status(&arns[0], "ERROR");
        // No run for four hours.
        run_after(&env, 4 * HOUR, &json!({})).await; // 19:00
        arns.push(env.create(TURNED));
        let call = test_env::call_that_made(&arns[arns.len() - 1]);
        run_after(&env, HOUR / 2, &call).await; // 19:30
        run_after(&env, HOUR / 2, &json!({})).await; // 20:00
        Self {
            ccinv: Ccinv::at(&env),
            env,
            arns,
        }
    }

    /// Returns the arguments of the report with this output file.
    fn arguments<'a>(&'a self, out: &'a str) -> Vec<&'a str> {
        let period = [
            "--since",
            "2026-10-01T11:30:00Z",
            "--until",
            "2026-10-01T21:00:00Z",
        ];
        let made = ["--made-at", "2026-10-02T09:00:00Z", "--every", "1h"];
        let table = ["--table", self.env.table.name().as_str()];
        let mut arguments = vec!["report", "--out", out];
        arguments.extend(period.iter().chain(&made).chain(&table));
        arguments
    }

    async fn page(&self) -> PathBuf {
        self.ccinv.fine(&self.arguments("report.html")).await;
        let page = self.ccinv.folder().join("report.html");
        std::fs::copy(&page, kept().join("story.html")).expect("kept");
        page
    }
}

/// Runs both regions after this time.
async fn run_after(env: &TestEnv, after: Duration, event: &Value) -> Summary {
    env.clock.advance(after);
    let mut handler = env.handler();
    handler.regions = vec![test_env::region(REGION), test_env::region(OPT_IN)];
    test_env::run(&handler, event).await
}

/// Runs both regions over thousands of connections, an hour later.
async fn long_run_after_an_hour(env: &TestEnv) {
    env.clock.advance(HOUR);
    let mut handler = env.handler();
    handler.regions = vec![test_env::region(REGION), test_env::region(OPT_IN)];
    test_env::long_run(&handler, &json!({})).await;
}

/// Returns the folder that keeps pages and screenshots for inspection.
fn kept() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Returns the texts of a column in the visible rows.
async fn column(browser: &mut Chromium, table: &str, number: usize) -> Vec<String> {
    let cells = format!(
        "[...document.querySelectorAll('#{table} tbody tr')]
            .filter(row => getComputedStyle(row).display !== 'none')
            .map(row => row.cells[{number}].textContent)"
    );
    let cells = browser.eval(&cells).await;
    let cells = cells.as_array().expect("a list").iter();
    cells
        .map(|cell| cell.as_str().expect("text").to_owned())
        .collect()
}

/// Returns the visible names of the connections, without their ARNs.
async fn names(browser: &mut Chromium) -> Vec<String> {
    let cells = column(browser, "t-connections", 0).await;
    let name = |cell: &String| cell.split("arn:").next().unwrap_or_default().to_owned();
    cells.iter().map(name).collect()
}

/// Asserts that the page loaded nothing else and logged or blocked nothing.
fn assert_quiet(browser: &Chromium, page: &Path) {
    assert_eq!(browser.complaints(), Vec::<&Value>::new());
    assert_eq!(browser.requests(), [format!("file://{}", page.display())]);
}

#[tokio::test]
async fn report_shows_changes_and_unobserved_periods() {
    let story = Story::new().await;
    let page = story.page().await;
    let mut browser = Chromium::start().await;
    browser.open(&page).await;

    let turned = TURNED.replace('\u{202e}', "⟨U+202E⟩");
    let mut expected = [IMAGE, TITLE, SCRIPT, turned.as_str(), "payments-api"];
    expected.sort_unstable();
    assert_eq!(
        names(&mut browser).await,
        expected,
        "without the connection deleted before"
    );

    let line = async |browser: &mut Chromium, arn: &str| {
        let words = format!(
            "[...document.querySelectorAll('#t-connections tbody tr')]
                .find(row => row.textContent.includes({arn:?})).querySelector('title').textContent"
        );
        let words = browser.eval(&words).await;
        let words = words.as_str().expect("text").replace("2026-10-01 ", "");
        words.replace(";\n", "; ")
    };
    let parts = line(&mut browser, &story.arns[0]).await;
    assert_eq!(
        parts,
        "changed at an unknown time until 12:00:00; AVAILABLE until 15:00:00; \
         not observed until 19:00:00; ERROR until 21:00:00"
    );
    let denied = line(&mut browser, &story.arns[1]).await;
    assert_eq!(
        denied,
        "PENDING until 12:00:00; not observed until 19:00:00; PENDING until 21:00:00"
    );
    let deleted = line(&mut browser, &story.arns[2]).await;
    assert!(
        deleted.starts_with("PENDING until 12:00:00; changed"),
        "{deleted}"
    );
    assert!(deleted.ends_with("absent until 21:00:00"), "{deleted}");

    let statuses = column(&mut browser, "t-connections", 2).await;
    assert_eq!(
        statuses,
        ["DELETED", "AVAILABLE", "PENDING", "PENDING", "ERROR"]
    );
    let kinds = column(&mut browser, "t-changes", 2).await;
    let (deleted, status) = ("DELETED", "STATUS_CHANGED");
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| *kind == status).count(), 3);
    assert!(kinds.contains(&deleted.to_owned()));
    let runs = column(&mut browser, "t-runs", 2).await;
    let partial = runs.iter().filter(|run| run.starts_with("PARTIAL")).count();
    assert_eq!((runs.len(), partial), (7, 2));

    let text = browser.eval("document.body.innerText").await;
    let text = text.as_str().expect("text");
    let head = story
        .env
        .runs()
        .await
        .last()
        .expect("a run")
        .digest()
        .to_string();
    for expected in [
        "2026-10-01 11:30:00 to 2026-10-01 21:00:00 UTC",
        "5 complete, 2 partial, 0 failed",
        "Observed with 2 gaps, 7 h in total",
        "AccessDeniedException",
        "after CreateConnection by arn:aws:sts::123456789012:assumed-role/PlatformEngineer/maria.example",
        "from 203.0.113.24",
        &format!("ccinv verify --account {ACCOUNT} --head {head}"),
    ] {
        assert!(text.contains(expected), "{expected:?} is in {text}");
    }
    assert_quiet(&browser, &page);

    for (width, height, what) in [(1280, 2900, "wide"), (390, 5200, "phone")] {
        for scheme in ["light", "dark"] {
            browser.resize(width, height, what == "phone").await;
            browser.media("screen", scheme).await;
            let picture = kept().join(format!("story-{what}-{scheme}.png"));
            browser.screenshot(&picture).await;
        }
    }
    browser.media("", "light").await;
    browser.print(&kept().join("story.pdf")).await;
}

#[tokio::test]
async fn hostile_names_are_shown_as_inert_text() {
    let story = Story::new().await;
    let page = story.page().await;
    let mut browser = Chromium::start().await;
    browser.open(&page).await;

    assert_eq!(
        browser
            .eval("document.querySelectorAll('img, b b, iframe').length")
            .await,
        0
    );
    assert_eq!(browser.eval("document.scripts.length").await, 1);
    let title = browser.eval("document.title").await;
    assert!(
        title
            .as_str()
            .expect("text")
            .starts_with("CodeConnections from 2026")
    );
    let shown = names(&mut browser).await;
    for name in [SCRIPT, IMAGE, TITLE] {
        assert!(shown.contains(&name.to_owned()), "{name} in {shown:?}");
    }
    let text = std::fs::read_to_string(&page).expect("the page");
    assert!(!text.contains('\u{202e}'), "no right-to-left override");
    assert_quiet(&browser, &page);

    // The content security policy blocks what passes the escaping.
    browser
        .eval(
            "document.body.insertAdjacentHTML('beforeend',
                '<img src=\"https://example.com/x\" onerror=\"window.ran = 1\">');
             const script = document.createElement('script');
             script.textContent = 'window.ran = 2';
             document.body.append(script);",
        )
        .await;
    browser.wait_for("Network.loadingFailed").await;
    let stopped = browser.events_of("Network.loadingFailed");
    let reasons: Vec<&Value> = stopped
        .iter()
        .map(|e| &e["params"]["blockedReason"])
        .collect();
    assert_eq!(reasons, ["csp"]);
    assert_eq!(browser.eval("window.ran === undefined").await, true);
}

#[tokio::test]
async fn tables_can_be_sorted_and_searched_by_keyboard() {
    let story = Story::new().await;
    let page = story.page().await;
    let mut browser = Chromium::start().await;
    browser.open(&page).await;

    browser
        .eval("document.querySelector('#t-connections-filter').focus()")
        .await;
    browser.type_text("PENDING").await;
    assert_eq!(
        column(&mut browser, "t-connections", 2).await,
        ["PENDING", "PENDING"]
    );
    let status = "document.querySelector('#t-connections').closest('section')
        .querySelector('[role=status]').textContent";
    assert_eq!(browser.eval(status).await, "2 of 5");
    browser.type_text(" no such").await;
    assert_eq!(browser.eval(status).await, "0 of 5");
    browser
        .eval("document.activeElement.value = ''; document.activeElement.dispatchEvent(new Event('input'))")
        .await;

    let focused = "document.activeElement.textContent";
    let order = "document.querySelector('#t-connections th[aria-sort]')?.getAttribute('aria-sort')";
    let provider = 1;
    for expected in ["Connection", "Provider", "Status"] {
        browser.press("Tab").await;
        assert_eq!(browser.eval(focused).await, expected);
    }
    browser.press("Enter").await;
    assert_eq!(browser.eval(order).await, "ascending");
    let sorted = ["AVAILABLE", "DELETED", "ERROR", "PENDING", "PENDING"];
    assert_eq!(column(&mut browser, "t-connections", 2).await, sorted);
    browser.press(" ").await;
    assert_eq!(browser.eval(order).await, "descending");
    assert_eq!(
        column(&mut browser, "t-connections", 2).await[4],
        "AVAILABLE"
    );
    assert_eq!(
        column(&mut browser, "t-connections", provider).await.len(),
        5
    );
    browser.press("Tab").await;
    browser.press("Tab").await;
    browser.press("Enter").await;
    let changes = column(&mut browser, "t-connections", 4).await;
    assert_eq!(changes, ["0", "1", "1", "1", "2"], "as numbers");

    // The first link that a keyboard reaches skips the table of contents.
    browser.open(&page).await;
    browser.press("Tab").await;
    assert_eq!(browser.eval(focused).await, "Skip to the report");
    browser.press("Enter").await;
    assert_eq!(browser.eval("document.activeElement.id").await, "main");
    assert_quiet(&browser, &page);
}

#[tokio::test]
async fn report_is_accessible_at_every_width_scheme_and_in_print() {
    let story = Story::new().await;
    let page = story.page().await;
    let mut browser = Chromium::start().await;
    browser.open(&page).await;
    let axe = std::fs::read_to_string(tools::axe()).expect("axe");
    browser.eval(&format!("{axe}; 0")).await;
    let mut papers = Vec::new();
    for (width, phone) in [(1280, false), (390, true), (320, true)] {
        browser.resize(width, 900, phone).await;
        for scheme in ["light", "dark"] {
            browser.media("screen", scheme).await;
            let problems = browser
                .eval("axe.run().then(found => found.violations.map(v => v.id + ': ' + v.nodes[0].html))")
                .await;
            assert_eq!(problems, json!([]), "{width} {scheme}");
            papers.push(
                browser
                    .eval("getComputedStyle(document.body).backgroundColor")
                    .await,
            );
        }
        let beyond = browser
            .eval("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            .await;
        assert_eq!(beyond, 0, "no horizontal scrolling at {width}");
    }
    assert_eq!(
        (&papers[0], &papers[1]),
        (&"rgb(255, 255, 255)".into(), &"rgb(20, 24, 29)".into())
    );

    browser.resize(1280, 900, false).await;
    browser
        .eval("document.querySelector('#t-runs-filter').focus()")
        .await;
    browser.type_text("no such run").await;
    assert_eq!(column(&mut browser, "t-runs", 0).await.len(), 0);
    browser.media("print", "dark").await;
    assert_eq!(
        column(&mut browser, "t-runs", 0).await.len(),
        7,
        "all rows are printed"
    );
    let controls = "[...document.querySelectorAll('.controls, nav, .skip')]
        .filter(e => getComputedStyle(e).display !== 'none').length";
    assert_eq!(browser.eval(controls).await, 0);
    let ink = browser
        .eval("getComputedStyle(document.body).backgroundColor")
        .await;
    assert_eq!(ink, "rgb(255, 255, 255)", "on white paper");
}

#[tokio::test]
async fn report_without_script_shows_plain_tables() {
    let story = Story::new().await;
    let page = story.page().await;
    let mut browser = Chromium::start().await;
    let off = json!({"value": true});
    browser
        .call("Emulation.setScriptExecutionDisabled", off)
        .await;
    browser.open(&page).await;
    assert_eq!(
        browser
            .eval("document.querySelectorAll('button, input').length")
            .await,
        0
    );
    assert_eq!(names(&mut browser).await.len(), 5);
    assert_eq!(column(&mut browser, "t-changes", 2).await.len(), 5);
    assert_quiet(&browser, &page);
}

#[tokio::test]
async fn thousands_of_connections_stay_usable() {
    // Five thousand in CI: TEST_CASES=10.
    let many = cases(500) as usize;
    let env = TestEnv::new().await;
    let arns: Vec<String> = (0..many)
        .map(|n| env.create(&format!("team-{:02}-service-{n:04}", n % 40)))
        .collect();
    long_run_after_an_hour(&env).await;
    for (i, arn) in arns.iter().enumerate() {
        match i % 50 {
            7 => env.delete(arn),
            8 => env.set_status(arn, "ERROR"),
            0..40 => env.set_status(arn, "AVAILABLE"),
            _ => {}
        }
    }
    long_run_after_an_hour(&env).await;
    long_run_after_an_hour(&env).await;
    let ccinv = Ccinv::at(&env);
    let table = env.table.name().as_str();
    let period = [
        "--since",
        "2026-10-01T09:30:00Z",
        "--until",
        "2026-10-01T12:30:00Z",
    ];
    let out = [
        "report",
        "--out",
        "many.html",
        "--every",
        "1h",
        "--table",
        table,
    ];
    ccinv.fine(&[&out[..], &period].concat()).await;
    let page = ccinv.folder().join("many.html");
    std::fs::copy(&page, kept().join("many.html")).expect("kept");
    let size = std::fs::metadata(&page).expect("the page").len();
    assert!(size < 10_000_000, "{size} bytes");

    let mut browser = Chromium::start().await;
    browser.resize(1280, 1200, false).await;
    browser.open(&page).await;
    // Hidden rows need no layout.
    assert_eq!(names(&mut browser).await.len(), 100);
    browser
        .eval("document.querySelector('#t-connections-filter').focus()")
        .await;
    browser.type_text("service-0107").await;
    assert_eq!(names(&mut browser).await, ["team-27-service-0107"]);
    browser
        .eval("document.activeElement.value = ''; document.activeElement.dispatchEvent(new Event('input'))")
        .await;
    let sort = "document.querySelector('#t-connections th button').click()";
    browser.eval(sort).await;
    assert_eq!(names(&mut browser).await[0], "team-00-service-0000");
    let last = (0..many).rfind(|n| n % 40 == 39).expect("one");
    browser.eval(sort).await;
    assert_eq!(
        names(&mut browser).await[0],
        format!("team-39-service-{last:04}")
    );
    let linked = "new Promise(done => {
            addEventListener('hashchange', done, { once: true });
            location.hash = 'c0';
        }).then(() => getComputedStyle(document.querySelector(':target')).display !== 'none')";
    assert_eq!(browser.eval(linked).await, true, "a link to a row shows it");
    browser
        .eval(&format!("[...document.querySelectorAll('button')].find(b => b.textContent === 'Show all {many}').click()"))
        .await;
    assert_eq!(names(&mut browser).await.len(), many);
    browser.open(&page).await;
    browser.media("print", "light").await;
    assert_eq!(
        names(&mut browser).await.len(),
        many,
        "all rows are printed"
    );
    browser.media("screen", "light").await;
    assert_quiet(&browser, &page);
    for (width, what) in [(1280, "wide"), (390, "phone")] {
        browser.resize(width, 1200, what == "phone").await;
        browser.open(&page).await;
        browser
            .eval("document.querySelector('#connections').scrollIntoView()")
            .await;
        browser
            .screenshot(&kept().join(format!("many-{what}.png")))
            .await;
    }
}

#[tokio::test]
async fn rule_verdicts_are_shown_and_insufficient_data_is_no_pass() {
    let story = Story::new().await;
    let mut browser = Chromium::start().await;
    let rules = format!(
        r#"
        [[rule]]
        id = "in-error"
        kind = "error"
        title = '{IMAGE}'
        severity = "high"
        controls = ["NIST 800-53 CM-8"]

        [[rule]]
        id = "accounts"
        kind = "account"
        severity = "low"
        allowed = ["{ACCOUNT}"]
        scope = {{ accounts = ["{ACCOUNT}"] }}

        [[rule]]
        id = "elsewhere"
        kind = "error"
        severity = "low"
        scope = {{ accounts = ["999999999999"] }}
        "#
    );
    let file = story.ccinv.folder().join("rules.toml");
    std::fs::write(&file, rules).expect("written");
    let page = story.ccinv.folder().join("evaluated.html");
    let mut arguments = story.arguments("evaluated.html");
    arguments.extend(["--rules", "rules.toml"]);
    story.ccinv.fine(&arguments).await;
    browser.open(&page).await;
    let verdicts = column(&mut browser, "t-rules", 0).await;
    assert_eq!(verdicts, ["FAIL", "PASS", "INSUFFICIENT DATA"]);
    let titles = column(&mut browser, "t-rules", 2).await;
    assert!(titles[0].contains(IMAGE), "it is text: {titles:?}");
    assert!(titles[2].contains("insufficient data:"), "{titles:?}");
    let found = column(&mut browser, "t-findings", 1).await;
    assert!(!found.is_empty());
    assert!(found.iter().all(|text| text.contains("arn:")), "{found:?}");
    assert_quiet(&browser, &page);
    browser.screenshot(&kept().join("rules.png")).await;

    let mut without = story.arguments("without-rules.html");
    without.push("--no-rules");
    story.ccinv.fine(&without).await;
    let text = std::fs::read_to_string(story.ccinv.folder().join("without-rules.html"));
    assert!(!text.expect("the page").contains("Rules and findings"));
}

// ---------------------------------------------------------------- the file

#[tokio::test]
async fn report_is_deterministic_except_for_its_creation_time() {
    let story = Story::new().await;
    let first = std::fs::read_to_string(story.page().await).expect("the page");
    // Later runs are outside the period.
    story.env.set_status(&story.arns[1], "AVAILABLE");
    run_after(&story.env, 24 * HOUR, &json!({})).await;
    assert_eq!(story.ccinv.fine(&story.arguments("-")).await, first);
    let mut arguments = story.arguments("-");
    for argument in &mut arguments {
        if *argument == "2026-10-02T09:00:00Z" {
            *argument = "2026-10-03T09:00:00Z";
        }
    }
    let later = story.ccinv.fine(&arguments).await;
    let (as_text, as_time) = ("2026-10-03 09:00:00", "2026-10-03T09:00:00.000Z");
    let made = later.replace(as_text, "2026-10-02 09:00:00");
    assert_eq!(made.replace(as_time, "2026-10-02T09:00:00.000Z"), first);
    assert_ne!(later, first);
}

#[tokio::test]
async fn report_without_evidence_is_not_written() {
    let env = TestEnv::new().await;
    let ccinv = Ccinv::at(&env);
    let table = env.table.name().as_str();
    let report = |since: &'static str, until: &'static str| {
        let period = ["--since", since, "--until", until];
        [
            &[
                "report", "--out", "r.html", "--every", "1h", "--table", table,
            ],
            &period[..],
        ]
        .concat()
    };
    let october = report("2026-10-01T09:30:00Z", "2026-10-01T13:00:00Z");
    let nothing = ccinv.run(&october).await;
    assert_eq!(nothing.code, 4);
    assert!(nothing.complaint().contains("no run"), "{nothing:?}");

    env.set_region_access(OPT_IN, Some(RegionAccess::Denied));
    env.create("a");
    run_after(&env, HOUR, &json!({})).await; // 10:00
    let partial = ccinv.run(&october).await;
    assert_eq!(partial.code, 4);
    let complaint = partial.complaint();
    assert!(complaint.contains("no complete run"), "{complaint}");
    assert!(complaint.contains("nothing was written"), "{complaint}");

    env.set_region_access(OPT_IN, None);
    run_after(&env, HOUR, &json!({})).await; // 11:00
    ccinv.fine(&october).await;
    std::fs::remove_file(ccinv.folder().join("r.html")).expect("written");
    let uncovered = ccinv
        .run(&report("2026-10-01T14:00:00Z", "2026-10-01T18:00:00Z"))
        .await;
    assert_eq!(uncovered.code, 4, "no run covers it: {uncovered:?}");
    assert_eq!(ccinv.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn report_replaces_a_regular_file_and_refuses_anything_else() {
    let story = Story::new().await;
    let folder = story.ccinv.folder();
    std::fs::create_dir(folder.join("folder")).expect("made");
    std::fs::write(folder.join("old.html"), "old").expect("written");
    std::os::unix::fs::symlink("old.html", folder.join("link.html")).expect("made");
    for (out, why) in [
        ("folder", "not a regular file"),
        ("/dev/null", "not a regular file"),
        ("none/report.html", "its directory does not exist"),
    ] {
        let refused = story.ccinv.run(&story.arguments(out)).await;
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.complaint().contains(why), "{refused:?}");
    }
    story.ccinv.fine(&story.arguments("link.html")).await;
    let written = std::fs::read_to_string(folder.join("old.html")).expect("the page");
    assert!(written.starts_with("<!doctype html>") && written.ends_with("</html>\n"));
    let link = folder.join("link.html").symlink_metadata().expect("there");
    assert!(link.is_symlink(), "the file behind it is replaced");
    assert_eq!(story.ccinv.files().len(), 3, "no other file remains");

    // The mode is that of any new file of this user.
    std::fs::write(folder.join("usual"), "").expect("written");
    let mode = |name: &str| {
        let file = folder.join(name).metadata().expect("there");
        std::os::unix::fs::PermissionsExt::mode(&file.permissions())
    };
    assert_eq!(mode("old.html"), mode("usual"));
}
