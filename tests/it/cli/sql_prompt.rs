//! The prompt of `sql`, on a real terminal.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::terminal::{COLOURS, Terminal, lines_left, shown, typed};
use crate::support::ccinv::PROGRAM;
use crate::support::python::{fine, python};

/// Written when the prompt takes input.
const READY: &str = "\u{1b}[?2004h";

struct Prompt {
    terminal: Terminal,
    state: PathBuf,
}

impl Prompt {
    async fn new() -> Self {
        let terminal = Terminal::new().await;
        let state = terminal.ccinv.folder().join("state");
        Self { terminal, state }
    }

    /// Types at prompts, one after the other, and returns what the terminal shows.
    async fn dialog(&self, options: &[&str], keys: &[&str]) -> String {
        self.dialog_at(READY, options, keys).await
    }

    /// Types the next keys each time that `mark` is written.
    async fn dialog_at(&self, mark: &str, options: &[&str], keys: &[&str]) -> String {
        let state = format!("XDG_STATE_HOME={}", self.state.display());
        let environment = [COLOURS, &[state.as_str()]].concat();
        let dialog = [&["--dialog", mark][..], keys, &["--"]].concat();
        let command = [&["sql", "--db", &self.terminal.db][..], options].concat();
        let text = fine(typed(&dialog, 200, &environment, &command).await);
        // Without the spinner, which erases itself.
        lines_left(&text).join("\n")
    }

    fn history(&self) -> String {
        let path = self.state.join("ccinv/sql_history");
        std::fs::read_to_string(path).expect("a history")
    }
}

#[tokio::test]
async fn statements_are_answered_and_errors_do_not_end_the_prompt() {
    let prompt = Prompt::new().await;
    let keys = [
        "select * from conections;\r",
        "select count(*) as all_of_them\rfrom connecti\t;\r",
        "drop table runs;\r",
        "select 1 as dropped\u{3}",
        "SELECT count(*) as runs_too FR\t connections, runs;\r",
        "\r",
        "\u{4}",
    ];
    let text = prompt.dialog(&[], &keys).await;
    for shown in [
        "A statement ends with a semicolon",
        "  select * from conections;\n                ^",
        "ccinv: sql: line 1, column 15: no such table: conections; did you mean connections?",
        "all_of_them\n8\n",
        "based on run 2",
        "ccinv: sql: a change of the schema is not possible",
        "runs_too\n16\n",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(!text.contains("dropped\n1\n"), "{text}");
}

#[tokio::test]
async fn ctrl_c_ends_a_statement_and_not_the_prompt() {
    let prompt = Prompt::new().await;
    // Written when the prompt takes input, and when it no longer does.
    let begins_or_ends = &READY[..READY.len() - 1];
    let endless =
        "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n;\r";
    let keys = [endless, "\u{3}", "select 'goes' || ' on';\r", "", "\u{4}"];
    let text = prompt.dialog_at(begins_or_ends, &[], &keys).await;
    let after = text.split("ccinv: interrupted\n").nth(1);
    assert!(
        after.is_some_and(|after| after.contains("\ngoes on\n")),
        "{text}"
    );
}

#[tokio::test]
async fn options_hold_for_every_statement() {
    let prompt = Prompt::new().await;
    let statement = "select count(*) as n from runs;\r";
    let keys = [statement, ".reload\r", statement, "\u{4}"];
    let text = prompt.dialog(&["--format", "csv"], &keys).await;
    assert_eq!(text.matches("\nn\n2\n").count(), 2, "{text}");
    let keys = ["select count(*) as n from connections;\r", "\u{4}"];
    let text = prompt.dialog(&["--account", "999999999999"], &keys).await;
    let missing = "ccinv: no run of account 999999999999 is recorded here";
    assert!(text.contains(missing), "{text}");
}

#[tokio::test]
async fn commands_describe_the_tables() {
    let prompt = Prompt::new().await;
    let keys = [
        ".he\t\r",
        ".tables\r",
        ".schema runs;\r",
        ".schema nowhere\r",
        ".shema\r",
        ".tables now\r",
        ".quit\r",
    ];
    let text = prompt.dialog(&[], &keys).await;
    for shown in [
        "Reads the tables again",
        "consumers          What uses connections and hosts",
        "runs   tombstones_held_back  integer",
        "ccinv: no such table: nowhere",
        "ccinv: unknown command .shema; did you mean .schema?",
        "ccinv: .tables takes no argument",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(!text.contains("connections  host_arn"), "{text}");
}

#[tokio::test]
async fn history_is_kept_for_its_owner_and_recalled() {
    let prompt = Prompt::new().await;
    let keys = [
        "select 'a' ||\r'b' as joined;\r",
        " select 'secret';\r",
        "select joined;\r",
        "\u{4}",
    ];
    let text = prompt.dialog(&[], &keys).await;
    assert!(text.contains("joined\nab\n"), "{text}");
    let (folder, file) = (
        prompt.state.join("ccinv"),
        prompt.state.join("ccinv/sql_history"),
    );
    for (path, expected) in [(&folder, 0o700), (&file, 0o600)] {
        let mode = path.metadata().expect("made").permissions().mode();
        assert_eq!(mode & 0o777, expected, "{}", path.display());
    }
    let history = prompt.history();
    assert!(history.contains("as joined;"), "{history}");
    assert!(history.contains("select joined;"), "{history}");
    assert!(!history.contains("secret"), "{history}");

    // The one before the last, with both of its lines. Lines up to its first are passed.
    let keys = ["\u{1b}[A\u{1b}[A\r", "\u{4}"];
    let text = prompt.dialog(&[], &keys).await;
    assert!(text.contains("joined\nab\n"), "{text}");
}

#[tokio::test]
async fn history_that_cannot_be_written_costs_only_the_history() {
    let prompt = Prompt::new().await;
    std::fs::write(&prompt.state, "a file").expect("written");
    let keys = ["select 7 as seven;\r", "\u{4}"];
    let text = prompt.dialog(&[], &keys).await;
    assert!(text.contains("seven\n7\n"), "{text}");
    assert!(text.contains("the history can't be written"), "{text}");
}

#[tokio::test]
async fn prompt_needs_an_inventory_and_a_terminal_for_its_output() {
    let missing = shown(80, COLOURS, &["sql", "--db", "/nonexistent/inventory.db"]).await;
    let problem = missing.expect_err("wrong usage");
    assert!(
        problem.contains("ccinv: /nonexistent/inventory.db"),
        "{problem}"
    );
    assert!(!problem.contains("ccinv> "), "{problem}");

    let script = format!("{PROGRAM} sql > /dev/null");
    let piped = python("terminal.py", &["80", "/bin/sh", "-c", &script]).await;
    let problem = piped.expect_err("wrong usage");
    assert!(
        problem.contains("standard output is not a terminal"),
        "{problem}"
    );
}
