//! Tables on a real terminal: as wide as it is, and coloured as it wishes.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use crate::support::ccinv::{Ccinv, PROGRAM};
use crate::support::python::{fine, python};
use crate::support::test_env::TestEnv;

/// So many connections are listed.
const LISTED: usize = 8;

struct Terminal {
    _ccinv: Ccinv,
    db: String,
}

impl Terminal {
    async fn new() -> Self {
        let env = TestEnv::new().await;
        for n in 0..LISTED {
            let arn = env.create(&format!("a-name-of-some-length-{n}"));
            env.set_status(&arn, ["PENDING", "AVAILABLE", "ERROR"][n % 3]);
        }
        let ccinv = Ccinv::at(&env);
        ccinv.fine(&["scan", "--db", "scanned.db"]).await;
        let db = ccinv.folder().join("scanned.db");
        Self {
            db: db.to_str().expect("UTF-8").to_owned(),
            _ccinv: ccinv,
        }
    }

    /// What a command writes on a terminal of so many columns.
    async fn shows(&self, columns: usize, environment: &[&str], command: &[&str]) -> String {
        let columns = columns.to_string();
        let mut arguments = vec![columns.as_str(), "/usr/bin/env"];
        arguments.extend(environment);
        arguments.push(PROGRAM);
        arguments.extend(command);
        arguments.extend(["--db", &self.db]);
        fine(python("terminal.py", &arguments).await)
    }
}

const COLOURS: &[&str] = &["TERM=xterm-256color"];

fn without_colours(text: &str) -> String {
    let escape = regex_lite::Regex::new("\u{1b}\\[[0-9;?]*[A-Za-z]").expect("a pattern");
    escape.replace_all(text, "").into_owned()
}

#[tokio::test]
async fn tables_fit_the_terminal_and_keep_what_tells_rows_apart() {
    let terminal = Terminal::new().await;
    let whole = terminal.shows(300, COLOURS, &["list"]).await;
    let whole = without_colours(&whole);
    let arn = |line: &str| line.split_whitespace().last().unwrap_or("").to_owned();
    let rows = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .skip_while(|line| !line.starts_with("STATUS"))
            .skip(1);
        lines
            .take_while(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(rows(&whole).len(), LISTED);
    for columns in [80, 120] {
        let text = terminal.shows(columns, COLOURS, &["list"]).await;
        let text = without_colours(&text);
        let cut = rows(&text);
        assert_eq!(cut.len(), LISTED, "a line a row: {text}");
        for (cut, whole) in cut.iter().zip(rows(&whole)) {
            assert!(cut.chars().count() <= columns, "{columns}: {cut}");
            let (cut, whole) = (arn(cut), arn(&whole));
            let end = cut.strip_prefix('…').expect("it is cut at its beginning");
            assert!(whole.ends_with(end), "{cut} of {whole}");
        }
    }
}

#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let terminal = Terminal::new().await;
    let colours = async |environment: &[&str]| {
        let shown = terminal
            .shows(200, environment, &["list", "--status", "ERROR"])
            .await;
        assert!(shown.contains("ERROR"), "{shown}");
        shown.contains("\u{1b}[31m")
    };
    assert!(colours(COLOURS).await);
    assert!(!colours(&["TERM=xterm-256color", "NO_COLOR=1"]).await);
    assert!(
        colours(&["TERM=xterm-256color", "NO_COLOR="]).await,
        "empty is not set"
    );
    assert!(!colours(&["TERM=dumb"]).await);
}

#[tokio::test]
async fn what_takes_time_shows_that_it_goes_on_and_leaves_nothing_behind() {
    let terminal = Terminal::new().await;
    let verified = terminal.shows(200, COLOURS, &["verify"]).await;
    assert!(verified.contains("verifying"), "{verified:?}");
    // The spinner is wiped off before the answer comes.
    let answer = verified.rsplit("\u{1b}[2K").next().expect("something");
    assert!(answer.starts_with("account "), "{verified:?}");
    assert!(!answer.contains("verifying"), "{verified:?}");

    let exported = terminal.shows(200, COLOURS, &["export", "changes"]).await;
    assert!(exported.starts_with('{'), "the records alone: {exported:?}");
    let aside = format!("exec {PROGRAM} export --db {} > /dev/null", terminal.db);
    let shell = ["80", "/usr/bin/env", "TERM=xterm", "sh", "-c", &aside];
    let spinner = fine(python("terminal.py", &shell).await);
    assert!(spinner.contains("exporting"), "{spinner:?}");
}
