//! Output on a real terminal: its width, its colours, and progress.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::time::Duration;

use crate::support::ccinv::{Ccinv, PROGRAM};
use crate::support::proxy::{Act, Proxy};
use crate::support::python::{fine, python};
use crate::support::test_env::TestEnv;

/// The number of listed connections.
const LISTED: usize = 8;

pub(super) struct Terminal {
    pub(super) ccinv: Ccinv,
    pub(super) db: String,
}

impl Terminal {
    pub(super) async fn new() -> Self {
        let env = TestEnv::new().await;
        let names = (0..LISTED).map(|n| format!("a-name-of-some-length-{n}"));
        let arns: Vec<String> = names.map(|name| env.create(&name)).collect();
        let ccinv = Ccinv::at(&env);
        ccinv.fine(&["scan", "--db", "scanned.db"]).await;
        for (n, arn) in arns.iter().enumerate() {
            env.set_status(arn, ["PENDING", "AVAILABLE", "ERROR"][n % 3]);
        }
        ccinv.fine(&["scan", "--db", "scanned.db"]).await;
        let db = ccinv.folder().join("scanned.db");
        Self {
            db: db.to_str().expect("UTF-8").to_owned(),
            ccinv,
        }
    }

    /// Returns what a command prints on a terminal with this number of columns.
    async fn shows(&self, columns: usize, environment: &[&str], command: &[&str]) -> String {
        let command = [command, &["--db", &self.db]].concat();
        fine(shown(columns, environment, &command).await)
    }
}

pub(super) async fn shown(
    columns: usize,
    environment: &[&str],
    command: &[&str],
) -> Result<String, String> {
    typed(&[], columns, environment, command).await
}

/// As [`shown`], with options for what is typed.
pub(super) async fn typed(
    options: &[&str],
    columns: usize,
    environment: &[&str],
    command: &[&str],
) -> Result<String, String> {
    let columns = columns.to_string();
    let mut arguments = options.to_vec();
    arguments.extend([columns.as_str(), "/usr/bin/env"]);
    arguments.extend(environment);
    arguments.push(PROGRAM);
    arguments.extend(command);
    python("terminal.py", &arguments).await
}

pub(super) const COLOURS: &[&str] = &["TERM=xterm-256color"];

pub(super) fn without_colours(text: &str) -> String {
    let escape = regex_lite::Regex::new("\u{1b}\\[[0-9;?]*[A-Za-z]").expect("a pattern");
    escape.replace_all(text, "").into_owned()
}

#[tokio::test]
async fn tables_fit_the_terminal_and_keep_the_ends_of_arns() {
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
            .take_while(|line| !line.is_empty() && !line.starts_with("Not shown: "))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(rows(&whole).len(), LISTED);
    for columns in [80, 120] {
        let text = terminal.shows(columns, COLOURS, &["list"]).await;
        let text = without_colours(&text);
        let cut = rows(&text);
        assert_eq!(cut.len(), LISTED, "one line per row: {text}");
        for (cut, whole) in cut.iter().zip(rows(&whole)) {
            assert!(cut.chars().count() <= columns, "{columns}: {cut}");
            let (cut, whole) = (arn(cut), arn(&whole));
            let end = cut.strip_prefix("arn:…").expect("it is cut in its middle");
            assert!(end.len() >= 6 && whole.ends_with(end), "{cut} of {whole}");
        }
    }
}

/// Returns the lines that stay on the terminal: a spinner erases its own.
pub(super) fn lines_left(text: &str) -> Vec<String> {
    let text = text.replace("\r", "\u{1b}[2K");
    let lines = text
        .lines()
        .map(|line| line.rsplit("\u{1b}[2K").next().unwrap_or(line));
    lines.map(without_colours).collect()
}

#[tokio::test]
async fn no_output_line_is_wider_than_the_terminal() {
    let terminal = Terminal::new().await;
    let name = "a-name-of-some-length-1";
    let runs = terminal
        .ccinv
        .json(&["runs", "--json", "--db", &terminal.db])
        .await;
    let first = runs[1]["finished_at"].as_str().expect("a time");
    for columns in [80, 120] {
        for command in [
            &["list", "--as-of", "now"][..],
            &["changes"],
            &["history", name],
            &["diff", first],
            &["runs"],
            &["runs", "--gaps", "--every", "1m"],
            &["check", "--in-error"],
            &["cost"],
        ] {
            let of_cost = command[0] == "cost";
            let db = if of_cost {
                &[][..]
            } else {
                &["--db", &terminal.db][..]
            };
            let text = match shown(columns, COLOURS, &[command, db].concat()).await {
                // `check` fails because it has findings.
                Ok(text) | Err(text) => text,
            };
            let lines = lines_left(&text);
            assert!(lines.len() > 1, "{command:?}: {text}");
            for line in lines {
                assert!(
                    line.chars().count() <= columns,
                    "{command:?} {columns}: {line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn wide_option_and_pipes_show_full_arns() {
    let terminal = Terminal::new().await;
    let piped = terminal.ccinv.fine(&["list", "--db", &terminal.db]).await;
    let arns: Vec<&str> = piped
        .split_whitespace()
        .filter(|word| word.starts_with("arn:aws:codeconnections:") && word.len() > 90)
        .collect();
    assert_eq!(arns.len(), LISTED, "{piped}");
    for command in ["list", "changes"] {
        let narrow = terminal.shows(80, COLOURS, &[command]).await;
        let wide = terminal.shows(80, COLOURS, &[command, "--wide"]).await;
        for arn in &arns {
            assert!(!narrow.contains(arn), "{command}: {narrow}");
            assert!(wide.contains(arn), "{command}: {wide}");
        }
    }
}

#[tokio::test]
async fn demo_fits_80_columns_and_its_short_form_one_screen() {
    let short = lines_left(&fine(shown(80, COLOURS, &["demo"]).await));
    assert!(short.len() <= 24, "{} lines: {short:#?}", short.len());
    let verbose = lines_left(&fine(shown(80, COLOURS, &["demo", "--verbose"]).await));
    assert!(verbose.len() > 60, "{verbose:#?}");
    for line in short.iter().chain(&verbose) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[tokio::test]
async fn colours_follow_terminal_type_and_no_color() {
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
        "empty is unset"
    );
    assert!(!colours(&["TERM=dumb"]).await);
}

#[tokio::test]
async fn spinner_is_shown_during_long_commands_and_erased() {
    let terminal = Terminal::new().await;
    let verified = terminal.shows(200, COLOURS, &["verify"]).await;
    assert!(verified.contains("verifying"), "{verified:?}");
    // The spinner is erased before the answer is printed.
    let answer = verified.rsplit("\u{1b}[2K").next().expect("something");
    assert!(answer.starts_with("account "), "{verified:?}");
    assert!(!answer.contains("verifying"), "{verified:?}");

    let exported = terminal.shows(200, COLOURS, &["export", "changes"]).await;
    assert!(exported.starts_with('{'), "the records alone: {exported:?}");
}

#[tokio::test]
async fn long_reads_show_how_far_they_are_until_rows_are_printed() {
    let env = TestEnv::new().await;
    env.create("slow");
    Ccinv::at(&env)
        .fine(&["scan", "--table", env.table.name().as_str()])
        .await;
    // The snapshots come late enough for a spinner.
    let slow = Proxy::start(&env.table_endpoint, |seen| {
        match String::from_utf8_lossy(&seen.body).contains("CONNECTION#") {
            true => Act::Slowly(Duration::from_millis(1_100), Box::new(Act::Pass)),
            false => Act::Pass,
        }
    })
    .await;
    let endpoint = format!("AWS_ENDPOINT_URL_DYNAMODB={}", slow.endpoint);
    let environment = [
        COLOURS,
        &[
            &endpoint,
            "AWS_REGION=eu-west-1",
            "AWS_ACCESS_KEY_ID=123456789012",
            "AWS_SECRET_ACCESS_KEY=secret",
        ],
    ]
    .concat();
    let command = ["list", "--table", env.table.name().as_str()];
    let text = fine(shown(200, &environment, &command).await);
    let spinner = "reading: 0 of 1 account, 1 row, ";
    assert!(text.contains(spinner), "{text:?}");
    let left = lines_left(&text).join("\n");
    assert!(left.starts_with("STATUS"), "{left}");
    assert!(!left.contains("reading"), "{left}");

    let shell = format!("exec {PROGRAM} {} > /dev/null", command.join(" "));
    let mut arguments = vec!["80", "/usr/bin/env"];
    arguments.extend(environment);
    arguments.extend(["sh", "-c", &shell]);
    let text = fine(python("terminal.py", &arguments).await);
    assert!(text.contains("reading: 1 of 1 account"), "{text:?}");
}
