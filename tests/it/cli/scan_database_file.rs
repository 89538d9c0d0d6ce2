//! The database file of `ccinv scan`: created atomically by concurrent scans, and
//! readable where nothing can be written.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::support::ccinv::{Ccinv, Done, PROGRAM};
use crate::support::test_env::{REGION, TestEnv};
use tokio::process::Command;

const DB: &str = "codeconnections-inventory.db";

#[tokio::test]
async fn concurrent_first_scans_leave_one_intact_file() {
    let env = TestEnv::new().await;
    env.create("api");
    let ccinv = Ccinv::at(&env);
    let scans: Vec<_> = (0..4)
        .map(|_| {
            let mut scan = ccinv.command(&["scan", "--regions", REGION]);
            scan.stdout(Stdio::piped()).stderr(Stdio::piped());
            scan.spawn().expect("it starts")
        })
        .collect();
    for scan in scans {
        let done = scan.wait_with_output().await.expect("it ends");
        // Another scan may have written the same connections first.
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(
            matches!(done.status.code(), Some(0 | 4)) && !stderr.contains("not a database"),
            "{done:?}"
        );
    }
    let runs = ccinv.json(&["runs", "--json"]).await;
    assert_eq!(runs.as_array().expect("a list").len(), 4);
    ccinv.fine(&["verify"]).await;
    let names: Vec<_> = ccinv.files();
    assert_eq!(names, [ccinv.folder().join(DB)], "no other file remains");
}

/// Returns the files of a folder by name.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), std::fs::read(&path).expect("read"))
        })
        .collect()
}

/// Runs a command as a user without write permissions.
async fn as_another_user(folder: &Path, arguments: &[&str]) -> Done {
    let program = folder.join("ccinv");
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--clear-groups", "--"])
        .arg(program)
        .args(arguments)
        .current_dir(folder.join("evidence"))
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("it runs");
    Done {
        code: output.status.code().expect("it ends by itself"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
}

#[tokio::test]
async fn read_only_database_answers_every_query_unchanged() {
    let env = TestEnv::new().await;
    env.create("api");
    let ccinv = Ccinv::at(&env);
    ccinv.fine(&["scan", "--db", "scanned.db"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    set_mode(folder.path(), 0o755);
    std::fs::copy(PROGRAM, folder.path().join("ccinv")).expect("copied");
    let evidence = folder.path().join("evidence");
    std::fs::create_dir(&evidence).expect("made");
    let scanned = ccinv.folder().join("scanned.db");
    std::fs::copy(&scanned, evidence.join("whole.db")).expect("copied");

    // A database as a killed scan leaves it: its writes are in the log, not in the file.
    ccinv.fine(&["scan", "--db", "held.db"]).await;
    let held = ccinv.folder().join("held.db");
    let reader = rusqlite::Connection::open(&held).expect("opened");
    reader
        .query_row("SELECT count(*) FROM _tables", [], |_| Ok(()))
        .expect("read");
    env.create("later");
    ccinv.fine(&["scan", "--db", "held.db"]).await;
    for end in ["", "-wal"] {
        let from = ccinv.folder().join(format!("held.db{end}"));
        std::fs::copy(from, evidence.join(format!("logged.db{end}"))).expect("copied");
    }
    drop(reader);

    for file in std::fs::read_dir(&evidence).expect("a folder") {
        set_mode(&file.expect("an entry").path(), 0o444);
    }
    set_mode(&evidence, 0o555);
    let before = contents(&evidence);
    assert!(!before["logged.db-wal"].is_empty(), "it is in the log");
    for (db, runs) in [("whole.db", 1), ("logged.db", 2)] {
        for arguments in [
            &["list"] as &[&str],
            &["show", "api"],
            &["history", "api"],
            &["changes"],
            &["runs", "--json"],
            &["verify"],
            &["check", "--no-shared"],
            &["export"],
            &["report", "--out", "-"],
        ] {
            let done = as_another_user(folder.path(), &[arguments, &["--db", db]].concat()).await;
            assert_eq!(done.code, 0, "{arguments:?} {db}: {done:?}");
            if arguments[0] == "runs" {
                let listed = done.stdout.matches("\"run_id\"").count();
                assert_eq!(listed, runs, "{db}: {}", done.stdout);
            }
        }
    }
    assert!(contents(&evidence) == before, "unchanged");
    set_mode(&evidence, 0o755);
}
