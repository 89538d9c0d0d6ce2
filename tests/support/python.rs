//! Runs scripts of `tests/python`, independently of this code.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::tools;

/// Runs a script of `tests/python`. Returns its standard output, or all output as an error.
pub async fn python(script: &str, arguments: &[&str]) -> Result<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let script = folder.join(script);
    let interpreter = tokio::task::spawn_blocking(tools::python);
    let home = TempDir::new().expect("a folder");
    let output = tokio::process::Command::new(interpreter.await.expect("python"))
        .arg(script)
        .args(arguments)
        .current_dir(home.path())
        // No profile, proxy or certificates of the user.
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONIOENCODING", "utf-8")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(300), output).await;
    let output = output.expect("it ends").expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!(
            "{}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        ))
    }
}

/// Returns the output of a script that must succeed.
#[track_caller]
pub fn fine(done: Result<String, String>) -> String {
    done.unwrap_or_else(|failure| panic!("{failure}"))
}
