//! The picture of the report in the README. After changes of the page, create it again,
//! look at it, and commit it:
//!
//!     cargo test --test it -- --ignored picture_of_the_readme

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support;

use std::path::Path;

use support::ccinv::Ccinv;
use support::chromium::Chromium;

const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images/report.png");

/// Width in pixels; the README is about 900 wide.
const WIDTH: u32 = 1100;

/// Sorts the connections by their number of changes, descending.
const SORT_BY_CHANGES: &str = "{
    const changes = '#t-connections th:nth-last-child(2) button';
    document.querySelector(changes).click();
    document.querySelector(changes).click();
}";

/// Leaves out the sections between the summary and the connections.
const SHOW_SUMMARY_AND_CONNECTIONS: &str = "
    for (const section of ['coverage', 'findings'])
        document.getElementById(section).parentElement.remove();";

/// Returns the height up to the end of the fifth connection.
const HEIGHT: &str = "Math.ceil(document.querySelector('#t-connections tbody').rows[4].getBoundingClientRect().bottom)";

#[tokio::test]
#[ignore = "writes docs/images/report.png"]
async fn picture_of_the_readme() {
    let ccinv = Ccinv::offline();
    ccinv.fine(&["demo", "--dir", "demo"]).await;
    // From after the first run to before the deletion of most connections.
    let period = ["--since", "5h", "--until", "40m"];
    let report = [
        "report",
        "--db",
        "demo/demo.db",
        "--out",
        "report.html",
        "--every",
        "1h",
    ];
    ccinv.fine(&[&report[..], &period].concat()).await;

    let mut browser = Chromium::start().await;
    browser.media("screen", "light").await;
    browser.resize(WIDTH, 1000, false).await;
    browser.open(&ccinv.folder().join("report.html")).await;
    browser.eval(SHOW_SUMMARY_AND_CONNECTIONS).await;
    browser.eval(SORT_BY_CHANGES).await;
    let height = browser.eval(HEIGHT).await;
    let height = height.as_u64().expect("pixels").try_into();
    browser.resize(WIDTH, height.expect("few"), false).await;
    browser.screenshot(Path::new(PICTURE)).await;
    let size = std::fs::metadata(PICTURE).expect("written").len();
    assert!(size < 250_000, "{size} bytes");
}
