//! The layout of the HTML report in a real browser: cards, table widths, order of a
//! finding.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support;

use std::path::PathBuf;

use codeconnections_inventory::local::codeconnections::ProviderType;
use serde_json::json;
use support::ccinv::Ccinv;
use support::chromium::Chromium;
use support::test_env::TestEnv;

const RULES: &str = r#"
    [[rule]]
    id = "in-error"
    kind = "error"
    severity = "high"
    remediation = "Replace the connection."
"#;

/// Creates a report with a connection of each provider type and one in ERROR.
async fn report() -> (Ccinv, PathBuf) {
    let env = TestEnv::new().await;
    for name in ProviderType::NAMES {
        let arn = env.create(name);
        let provider = ProviderType::from_name(name).expect("a provider type");
        let mut state = env.codeconnections.state();
        state.set_provider(&arn, provider).expect("set");
    }
    env.run().await;
    let broken = env.create("broken-at-its-provider");
    env.set_status(&broken, "ERROR");
    env.run().await;
    let ccinv = Ccinv::at(&env);
    std::fs::write(ccinv.folder().join("rules.toml"), RULES).expect("written");
    let table = env.table.name().as_str();
    let period = ["2026-10-01T09:30:00Z", "2026-10-01T12:30:00Z"];
    ccinv
        .fine(&[
            "report",
            "--out",
            "r.html",
            "--every",
            "1h",
            "--table",
            table,
            "--rules",
            "rules.toml",
            "--since",
            period[0],
            "--until",
            period[1],
        ])
        .await;
    let page = ccinv.folder().join("r.html");
    (ccinv, page)
}

/// Returns the words that are on two lines, or wider than their card or cell.
const BROKEN_WORDS: &str = r"(() => {
    const broken = [];
    const boxes = '.figures div, thead th, #t-connections tbody td:nth-child(2)';
    for (const box of document.querySelectorAll(boxes)) {
        const { left, right } = box.getBoundingClientRect();
        const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const node = texts.currentNode;
            for (const word of node.data.matchAll(/\S+/g)) {
                const range = document.createRange();
                range.setStart(node, word.index);
                range.setEnd(node, word.index + word[0].length);
                const lines = [...range.getClientRects()];
                const fits = lines.every(line => line.left >= left && line.right <= right);
                if (lines.length > 1 || !fits) broken.push(word[0]);
            }
        }
    }
    return broken;
})()";

#[tokio::test]
async fn cards_break_no_word_and_tables_use_the_screen_width() {
    let (_ccinv, page) = report().await;
    let mut browser = Chromium::start().await;
    browser.open(&page).await;
    let cards = browser
        .eval("document.querySelectorAll('.figures div').length")
        .await;
    assert_eq!(cards, 7);
    let mut widths = Vec::new();
    for width in [360, 1280, 2560] {
        browser.resize(width, 1200, width == 360).await;
        assert_eq!(browser.eval(BROKEN_WORDS).await, json!([]), "{width} px");
        let beyond = browser
            .eval("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            .await;
        assert_eq!(beyond, 0, "no horizontal scrolling at {width} px");
        let measured = browser
            .eval(
                "['#t-connections', '#t-connections .line', '#method + ul'].map(
                    part => document.querySelector(part).getBoundingClientRect().width)",
            )
            .await;
        widths.push(measured);
    }
    let width = |screen: usize, part: usize| widths[screen][part].as_f64().expect("a width");
    for (part, name) in [(0, "table"), (1, "timeline")] {
        let (small, wide) = (width(1, part), width(2, part));
        assert!(wide > 1.5 * small, "{name}: {small} px, {wide} px");
    }
    assert!(width(2, 0) > 2300.0, "{widths:?}");
    assert!(width(2, 2) < 1100.0, "lines of text stay short: {widths:?}");
}

#[tokio::test]
async fn finding_names_connection_and_remediation_before_the_record_keys() {
    let (_ccinv, page) = report().await;
    let mut browser = Chromium::start().await;
    browser.open(&page).await;
    let rows = browser
        .eval("[...document.querySelectorAll('#t-findings tbody tr')].map(row => row.textContent)")
        .await;
    let rows = rows.as_array().expect("a list");
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = rows[0].as_str().expect("text");
    let places = [
        "broken-at-its-provider",
        "arn:aws:codeconnections:",
        "in-error",
        "Replace the connection.",
        "CHANGE#",
    ]
    .map(|part| row.find(part).unwrap_or_else(|| panic!("{part} in {row}")));
    assert!(places.is_sorted(), "{places:?} in {row}");
}
